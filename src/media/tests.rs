//! Publishers to test with: what real encoders send, packet by packet.

use std::time::{Duration, Instant};

use crate::packet::frame::{PictureField, PictureId};
use crate::packet::{Codec, Extensions, FrameInfo, Kind, Picture, RtpHeader};

use super::{DropReason, Forwarder, Patch};
use super::{EgressConfig, EgressKey, Inbound, Outbound, PayloadTypes, Sink, TransportSlot};

pub(super) fn header(sequence_number: u16, timestamp: u32, marker: bool) -> RtpHeader {
    RtpHeader {
        marker,
        padding: false,
        payload_type: 96,
        sequence_number,
        timestamp,
        ssrc: 1,
        header_len: 12,
        extension: None,
    }
}

pub(super) fn audio_packet(now: Instant, index: u64, timestamp: u32) -> Inbound<'static> {
    Inbound {
        now,
        header: header(index as u16, timestamp, false),
        index,
        payload: b"opus",
        extensions: Extensions::default(),
        codec: Codec::Opus,
        frame: FrameInfo {
            starts_frame: true,
            ends_frame: true,
            ..FrameInfo::default()
        },
        encoding: 0,
    }
}

/// The payload of every packet of [`Video`]: a VP8 descriptor with everything, then some picture.
pub(super) const VP8_PAYLOAD: &[u8] = &[0x90, 0xf0, 0x80, 0, 0, 0x60, 1, 2, 3, 4];

/// One encoding of a VP8 camera.
#[derive(Clone, Debug)]
pub(super) struct Video {
    pub(super) now: Instant,
    pub(super) index: u64,
    pub(super) timestamp: u32,
    pub(super) encoding: usize,
    pub(super) picture: u16,
    pub(super) wide: bool,
    pub(super) tl0: u8,
    pub(super) key: u8,
    pub(super) step: Duration,
}

impl Video {
    pub(super) fn new() -> Self {
        Video {
            now: Instant::now(),
            index: 1000,
            timestamp: 5000,
            encoding: 0,
            picture: 100,
            wide: true,
            tl0: 20,
            key: 3,
            step: Duration::from_millis(33),
        }
    }

    /// A picture of one packet.
    pub(super) fn frame(&mut self, temporal: u8, keyframe: bool) -> Inbound<'static> {
        self.picture(temporal, false, keyframe, 1).remove(0)
    }

    /// A picture of several packets.
    pub(super) fn picture(
        &mut self,
        temporal: u8,
        sync: bool,
        keyframe: bool,
        packets: usize,
    ) -> Vec<Inbound<'static>> {
        if temporal == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        if keyframe {
            self.key = self.key.wrapping_add(1) & 0x1f;
        }
        let made = (0..packets)
            .map(|number| {
                let (first, last) = (number == 0, number + 1 == packets);
                let packet = Inbound {
                    now: self.now,
                    header: header(self.index as u16, self.timestamp, last),
                    index: self.index,
                    payload: VP8_PAYLOAD,
                    extensions: Extensions::default(),
                    codec: Codec::Vp8,
                    frame: FrameInfo {
                        starts_frame: first,
                        ends_frame: last,
                        keyframe: keyframe && first,
                        temporal,
                        switch_up: sync,
                        picture: Picture::Vp8 {
                            picture_id: Some(PictureId {
                                value: self.picture,
                                wide: self.wide,
                                offset: 2,
                            }),
                            tl0_pic_idx: Some(PictureField {
                                value: self.tl0,
                                offset: 4,
                            }),
                            key_idx: Some(PictureField {
                                value: self.key,
                                offset: 5,
                            }),
                        },
                        ..FrameInfo::default()
                    },
                    encoding: self.encoding,
                };
                self.index += 1;
                packet
            })
            .collect();
        self.picture = (self.picture + 1) & if self.wide { 0x7fff } else { 0x7f };
        self.now += self.step;
        self.timestamp = self.timestamp.wrapping_add((self.step.as_millis() * 90) as u32);
        made
    }
}

/// One packet that a subscriber received, patch applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) to: TransportSlot,
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    pub(super) original: Option<u16>,
    pub(super) payload: Vec<u8>,
    pub(super) descriptor: Option<Vec<u8>>,
    pub(super) ends_frame: bool,
}

impl Received {
    /// The picture id of a [`VP8_PAYLOAD`].
    pub(super) fn picture(&self) -> u16 {
        u16::from_be_bytes([self.payload[2] & 0x7f, self.payload[3]])
    }

    pub(super) fn tl0(&self) -> u8 {
        self.payload[4]
    }

    pub(super) fn key(&self) -> u8 {
        self.payload[5] & 0x1f
    }
}

/// A sink that keeps everything.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) sent: Vec<Received>,
    pub(super) dropped: Vec<DropReason>,
}

impl Kept {
    pub(super) fn sequences(&self) -> Vec<u64> {
        self.sent.iter().map(|packet| packet.sequence).collect()
    }

    pub(super) fn take(&mut self) -> Vec<Received> {
        std::mem::take(&mut self.sent)
    }
}

impl<'p> Sink<'p> for Kept {
    fn send(&mut self, to: TransportSlot, packet: &Outbound<'p>) {
        let mut payload = packet.payload.to_vec();
        packet.patch.apply(&mut payload);
        self.sent.push(Received {
            to,
            marker: packet.marker,
            payload_type: packet.payload_type,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            ssrc: packet.ssrc,
            original: packet.original,
            payload,
            descriptor: packet
                .extensions
                .dependency_descriptor
                .map(|descriptor| [&descriptor.head, descriptor.rest].concat()),
            ends_frame: packet.ends_frame,
        });
    }

    fn dropped(&mut self, reason: DropReason) {
        self.dropped.push(reason);
    }
}

pub(super) fn egress(key: u64, kind: Kind) -> EgressConfig {
    let mut payload_types = PayloadTypes::default();
    payload_types.add(Codec::Opus, 111, None);
    payload_types.add(Codec::Vp8, 96, Some(97));
    payload_types.add(Codec::Vp9, 98, Some(99));
    payload_types.add(Codec::H264, 102, Some(103));
    payload_types.add(Codec::Av1, 45, Some(46));
    EgressConfig {
        key: EgressKey(key),
        transport: TransportSlot(key as u32),
        kind,
        ssrc: 1000 + key as u32,
        rtx_ssrc: Some(2000 + key as u32),
        payload_types,
        first_sequence: 500,
        first_timestamp: 7_000_000,
    }
}

pub(super) fn forwarder(key: u64, kind: Kind) -> Forwarder {
    Forwarder::new(egress(key, kind))
}

#[test]
fn a_patch_is_applied_within_the_payload_only() {
    let mut patch = Patch::default();
    for (offset, value) in [(0, 5), (2, 3), (16, 9), (200, 9), (1, 7), (0, 1)] {
        patch.set(offset, value);
    }
    let mut payload = [0; 3];
    patch.apply(&mut payload);
    assert_eq!(payload, [1, 7, 3]);
}
