//! The least that forwarding can cost on this machine: one thread that receives a stream, copies and seals each packet for
//! everybody, and sends. No ICE, no DTLS, no RTCP, no retransmission, no layers. What a server costs is measured against it, in
//! the same run.

use std::io::{IoSliceMut, Write};
use std::net::SocketAddr;

use anyhow::Context;
use clap::Args;
use enfilade::packet::RtpHeader;
use enfilade::transport::srtp::{KeyingMaterial, Profile, Sealer};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use crate::engine::PLAIN_HELLO;

/// What one send may hold (`UDP_MAX_SEGMENTS`, and an IP datagram).
const SEGMENTS_MAX: usize = 64;
const BURST_BYTES_MAX: usize = 65_000;
const DATAGRAM_BYTES: usize = 65_535;
const KERNEL_BUFFER: usize = 4 << 20;

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Floor {
    /// Where streams come in.
    #[arg(long, default_value = "127.0.0.1:7100")]
    listen: SocketAddr,
    /// The packets of a picture leave in one segmented send (GSO), rather than each by itself.
    #[arg(long)]
    gso: bool,
}

struct Subscriber {
    address: SocketAddr,
    sealer: Sealer,
}

/// Runs until it is killed.
pub(crate) fn run(floor: Floor) -> anyhow::Result<()> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(floor.listen),
        socket2::Type::DGRAM,
        Some(socket2::Protocol::UDP),
    )?;
    socket.set_recv_buffer_size(KERNEL_BUFFER)?;
    socket.set_send_buffer_size(KERNEL_BUFFER)?;
    socket.bind(&floor.listen.into())?;
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    let mut poll = mio::Poll::new()?;
    let raw = std::os::fd::AsRawFd::as_raw_fd(&socket);
    let readable = mio::Interest::READABLE;
    poll.registry()
        .register(&mut mio::unix::SourceFd(&raw), mio::Token(0), readable)?;
    let mut events = mio::Events::with_capacity(1);
    writeln!(std::io::stdout(), "listening on {}", floor.listen)?;
    let mut buffers = vec![0; DATAGRAM_BYTES * BATCH_SIZE];
    let mut metas = [RecvMeta::default(); BATCH_SIZE];
    let mut subscribers: Vec<Subscriber> = Vec::new();
    let mut frame: Vec<Vec<u8>> = Vec::new();
    let mut out = vec![0; BURST_BYTES_MAX + 2_048];
    loop {
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] = {
            let mut chunks = buffers.chunks_exact_mut(DATAGRAM_BYTES);
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()))
        };
        let count = match state.recv(UdpSockRef::from(&socket), &mut slices, &mut metas) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                poll.poll(&mut events, None)?;
                continue;
            }
            // A subscriber that is gone.
            Err(_) => continue,
        };
        for (meta, list) in metas.iter().zip(&slices).take(count) {
            for datagram in list[..meta.len].chunks(meta.stride.max(1)) {
                if datagram == PLAIN_HELLO {
                    if !subscribers.iter().any(|known| known.address == meta.addr) {
                        subscribers.push(subscriber(meta.addr, subscribers.len())?);
                    }
                    continue;
                }
                let Ok(header) = RtpHeader::parse(datagram) else {
                    continue;
                };
                frame.push(datagram.to_vec());
                if floor.gso && !header.marker && frame.len() < SEGMENTS_MAX {
                    continue;
                }
                for to in &subscribers {
                    send(&state, &socket, to, &frame, floor.gso, &mut out);
                }
                frame.clear();
            }
        }
    }
}

fn subscriber(address: SocketAddr, nth: usize) -> anyhow::Result<Subscriber> {
    let profile = Profile::AeadAes128Gcm;
    let block = vec![nth as u8; profile.exporter_len()];
    let keys = KeyingMaterial::from_exporter(profile, &block).context("keys")?;
    Ok(Subscriber {
        address,
        sealer: Sealer::new(&keys),
    })
}

fn send(
    state: &UdpSocketState,
    socket: &socket2::Socket,
    to: &Subscriber,
    frame: &[Vec<u8>],
    gso: bool,
    out: &mut [u8],
) {
    let (mut at, mut segment) = (0, 0);
    let transmit = |contents: &[u8], segment_size| {
        let transmit = Transmit {
            destination: to.address,
            ecn: None,
            contents,
            segment_size,
            src_ip: None,
        };
        // A full buffer loses the packet, and whoever receives counts that.
        let _lost = state.try_send(UdpSockRef::from(socket), &transmit);
    };
    for packet in frame {
        let Ok(header) = RtpHeader::parse(packet) else { continue };
        let end = at + packet.len();
        out[at..end].copy_from_slice(packet);
        let head = &mut out[at..];
        // What every forwarder changes: sequence number, timestamp and SSRC.
        head[2..4].copy_from_slice(&header.sequence_number.wrapping_add(7).to_be_bytes());
        head[4..8].copy_from_slice(&header.timestamp.wrapping_add(7).to_be_bytes());
        head[8..12].copy_from_slice(&(header.ssrc ^ 7).to_be_bytes());
        let len = to.sealer.seal_rtp(head, header.header_len, packet.len(), 0);
        if !gso {
            transmit(&head[..len], None);
            continue;
        }
        segment = len;
        at += len;
        if at + segment > BURST_BYTES_MAX {
            transmit(&out[..at], Some(segment));
            at = 0;
        }
    }
    if at > 0 {
        transmit(&out[..at], Some(segment));
    }
}
