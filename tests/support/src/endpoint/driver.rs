//! Moves datagrams between the socket and the connection, and media into it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use emulator::Link;
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent};
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::rtp::header::Header;
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use tokio::sync::watch;

use super::{ChannelMessage, Core, Endpoint, Layer, Sending, Shared, frame_time, locked, packet, setup};
use crate::media::{Codec, Encoder, Shape};

/// Datagrams taken from the socket before others get a turn.
const BATCH: usize = 64;
/// Packets at the start of an encoding that carry mid and rid, as browsers do it.
const NAMED_PACKETS: u64 = 50;

pub(super) async fn drive(shared: Arc<Shared>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let (socket, deadline) = {
            let mut core = locked(&shared.core);
            let link = core.inbound_link.as_ref().and_then(Link::poll_timeout);
            let deadline = core.connection.poll_timeout().into_iter().chain(link).min();
            (core.socket.clone(), deadline)
        };
        let pause = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.wake.notified() => {}
            () = pause => {
                let mut core = locked(&shared.core);
                arrive(&mut core);
                if let Err(error) = core.connection.handle_timeout(Instant::now()) {
                    core.trouble = Some(error.to_string());
                }
                flush(&shared, &mut core);
            }
            readable = socket.readable() => {
                if readable.is_err() {
                    return;
                }
                let mut core = locked(&shared.core);
                for _ in 0..BATCH {
                    // An error is an empty socket, or the echo of a datagram that nobody took.
                    let Ok((len, from)) = socket.try_recv_from(&mut buffer) else { break };
                    match &mut core.inbound_link {
                        Some(link) => link.push(Instant::now(), len, (buffer[..len].to_vec(), from)),
                        None => receive(&mut core, &buffer[..len], from),
                    }
                }
                arrive(&mut core);
                flush(&shared, &mut core);
            }
        }
    }
}

/// What the limited path lets out now.
fn arrive(core: &mut Core) {
    while let Some((datagram, from)) = core.inbound_link.as_mut().and_then(|link| link.poll(Instant::now())) {
        receive(core, &datagram, from);
    }
}

fn receive(core: &mut Core, datagram: &[u8], from: std::net::SocketAddr) {
    if core.inbound_gate.as_mut().is_some_and(|passes| !passes(datagram)) {
        return;
    }
    let tagged = TaggedBytesMut {
        now: Instant::now(),
        transport: TransportContext {
            local_addr: core.believed,
            peer_addr: from,
            ecn: None,
            transport_protocol: TransportProtocol::UDP,
        },
        message: BytesMut::from(datagram),
    };
    if let Err(error) = core.connection.handle_read(tagged) {
        core.trouble = Some(error.to_string());
    }
}

/// Sends, delivers and announces whatever the connection has ready.
pub(super) fn flush(shared: &Shared, core: &mut Core) {
    while let Some(TaggedRTCMessage { message, .. }) = core.connection.poll_read() {
        if let RTCMessage::DataChannelMessage(id, message) = message {
            let label = core
                .connection
                .data_channel(id)
                .map(|channel| channel.label().to_owned())
                .unwrap_or_default();
            core.messages.push(ChannelMessage {
                label,
                text: message.is_string,
                data: message.data.to_vec(),
            });
            shared.channels_changed.send_modify(|count| *count += 1);
        }
    }
    while let Some(outgoing) = core.connection.poll_write() {
        let datagram = &outgoing.message[..];
        if core.outbound_gate.as_mut().is_some_and(|passes| !passes(datagram)) {
            continue;
        }
        if let Some(capture) = &mut core.capture {
            capture.push(datagram.to_vec());
        }
        // A full socket loses the datagram, as a full link would.
        if let Err(error) = core.socket.try_send_to(datagram, outgoing.transport.peer_addr) {
            core.trouble = Some(error.to_string());
        }
    }
    while let Some(event) = core.connection.poll_event() {
        if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
            shared.state.send_replace(state);
        } else if let RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(id)) = event {
            let label = core
                .connection
                .data_channel(id)
                .map(|channel| channel.label().to_owned())
                .unwrap_or_default();
            core.channels.insert(id, label.clone());
            core.open_channels.push(label);
            shared.channels_changed.send_modify(|count| *count += 1);
        }
    }
}

/// Sends the encodings of one source, each at its pace, until told to stop or the endpoint is gone.
pub(super) async fn play(
    endpoint: Weak<Endpoint>,
    sending: Sending,
    shapes: Vec<Shape>,
    mut stopped: watch::Receiver<bool>,
    sent: Arc<Mutex<u64>>,
    level: Arc<AtomicU8>,
) {
    let began = Instant::now();
    let mut layers: Vec<Layer> = shapes
        .into_iter()
        .zip(&sending.ssrcs)
        .enumerate()
        .map(|(layer, (shape, ssrc))| Layer {
            encoder: Encoder::new(sending.codec, shape, sending.source, layer as u8),
            shape,
            ssrc: *ssrc,
            rid: sending.rids.get(layer).cloned(),
            sequence_number: (ssrc.wrapping_mul(40_503) >> 8) as u16,
            first_timestamp: ssrc.wrapping_mul(2_654_435_769),
            frames: 0,
        })
        .collect();
    let mut packets_sent = 0_u64;
    loop {
        let next = layers
            .iter()
            .enumerate()
            .map(|(index, layer)| (frame_time(layer.frames, layer.shape.frames_per_second), index))
            .min();
        let Some((due, index)) = next else { return };
        tokio::select! {
            () = tokio::time::sleep_until((began + due).into()) => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        let Some(endpoint) = endpoint.upgrade() else { return };
        let packets = frame(
            &endpoint,
            &sending,
            &mut layers[index],
            packets_sent,
            level.load(Ordering::Relaxed),
        );
        let taken = endpoint.send(&sending, packets) as u64;
        packets_sent += taken;
        *locked(&sent) += taken;
    }
}

/// The packets of the next frame of a layer, with the header extensions that were agreed on.
fn frame(endpoint: &Endpoint, sending: &Sending, layer: &mut Layer, sent: u64, level: u8) -> Vec<rtc::rtp::Packet> {
    let mut core = locked(&endpoint.shared.core);
    let Some(mut sender) = core.connection.rtp_sender(sending.id) else {
        return Vec::new();
    };
    let parameters = sender.get_parameters();
    let extension = |uri: &str| {
        let extensions = &parameters.rtp_parameters.header_extensions;
        extensions
            .iter()
            .find(|extension| extension.uri == uri)
            .map(|extension| extension.id as u8)
    };
    let payload_type = parameters
        .rtp_parameters
        .codecs
        .iter()
        .find(|codec| {
            codec
                .rtp_codec
                .mime_type
                .eq_ignore_ascii_case(sending.codec.mime_type())
        })
        .map(|codec| codec.payload_type);
    let (mid_id, rid_id) = (extension(setup::MID), extension(setup::RID));
    let (level_id, descriptor_id) = (extension(setup::AUDIO_LEVEL), extension(setup::DEPENDENCY_DESCRIPTOR));
    let Some(payload_type) = payload_type else {
        return Vec::new();
    };
    let mid = core
        .connection
        .rtp_transceiver(sending.id.into())
        .and_then(|line| line.mid().clone());
    drop(core);

    let keyframe = endpoint.record().take_keyframe_request(layer.ssrc);
    let elapsed = frame_time(layer.frames, layer.shape.frames_per_second);
    let ticks = ticks(elapsed, sending.codec.clock_rate());
    let named = sent < NAMED_PACKETS * sending.ssrcs.len() as u64;
    layer.frames += 1;
    let payloads = layer.encoder.next_frame(keyframe);
    let mut packets = Vec::with_capacity(payloads.len());
    for payload in payloads {
        let mut header = Header {
            version: 2,
            marker: payload.marker,
            payload_type,
            sequence_number: layer.sequence_number,
            timestamp: layer.first_timestamp.wrapping_add(ticks),
            ssrc: layer.ssrc,
            ..Header::default()
        };
        layer.sequence_number = layer.sequence_number.wrapping_add(1);
        let mut extend = |id: Option<u8>, bytes: &[u8]| {
            if let Some(id) = id {
                header.set_extension(id, Bytes::copy_from_slice(bytes)).is_ok()
            } else {
                false
            }
        };
        if let Some(mid) = mid.as_deref().filter(|_| named) {
            extend(mid_id, mid.as_bytes());
        }
        if let Some(rid) = layer.rid.as_deref().filter(|_| named) {
            extend(rid_id, rid.as_bytes());
        }
        if sending.codec == Codec::Opus {
            extend(level_id, &[0x80 | level]);
        }
        if let Some(descriptor) = &payload.dependency_descriptor {
            extend(descriptor_id, descriptor);
        }
        packets.push(packet(header, payload));
    }
    packets
}

fn ticks(elapsed: Duration, clock_rate: u32) -> u32 {
    (elapsed.as_nanos() * u128::from(clock_rate) / 1_000_000_000) as u32
}
