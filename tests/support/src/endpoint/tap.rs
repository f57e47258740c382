//! Notes each packet between decryption and everything else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::sender_report::SenderReport;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

use super::locked;
use crate::record::Record;

pub(super) struct Tap {
    record: Arc<Mutex<Record>>,
    inbound: VecDeque<TaggedPacket>,
    outbound: VecDeque<TaggedPacket>,
}

impl Tap {
    pub(super) fn new(record: Arc<Mutex<Record>>) -> Self {
        Tap {
            record,
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Tap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        let mut record = locked(&self.record);
        if let Packet::Rtp(rtp) = &packet.message.packet {
            record.packet(packet.now, rtp);
        } else if let Packet::Rtcp(reports) = &packet.message.packet {
            for report in reports {
                let report = report.as_any();
                if let Some(pli) = report.downcast_ref::<PictureLossIndication>() {
                    record.keyframe_request(pli.media_ssrc);
                } else if let Some(fir) = report.downcast_ref::<FullIntraRequest>() {
                    fir.fir.iter().for_each(|entry| record.keyframe_request(entry.ssrc));
                } else if let Some(sender) = report.downcast_ref::<SenderReport>() {
                    record.sender_report(sender.ssrc, sender.ntp_time, sender.rtp_time);
                } else {
                    record.feedback();
                }
            }
        }
        drop(record);
        self.inbound.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inbound.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.outbound.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outbound.pop_front()
    }
}

impl Interceptor for Tap {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
