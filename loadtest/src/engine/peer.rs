//! One endpoint: a socket, a path, keys, what it sends and what it receives.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use enfilade::packet::rtp::RtpHeader;
use enfilade::transport::fingerprint::Fingerprint;
use enfilade::transport::srtp::{Opener, Sealer};
use tokio::sync::oneshot;

use super::dtls::{Handshake, Identity};
use super::feedback::{self, Feedback};
use super::ice::{Credentials, Heard, Ice};
pub(crate) use super::receiving::Receiving;
use super::receiving::{Inbound, extension};
use super::rtcp::{self, Block};
use super::sending::{STAMP_UNIT, Stream, StreamConfig};
use super::tally::{PeerTally, Tally};
use super::{PeerId, local_for};

/// Checks are repeated so often until one is answered, and after that for consent (RFC 7675).
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
const CONSENT_INTERVAL: Duration = Duration::from_millis(2_500);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Longest time from the first check to keys.
const PATIENCE: Duration = Duration::from_secs(20);
/// What tells a floor program where to send: it is no RTP.
pub(crate) const PLAIN_HELLO: [u8; 1] = [0];
/// Room in the kernel for what comes between two ticks.
const KERNEL_BUFFER: usize = 1 << 20;

/// What makes a path secure, as offer and answer had it.
pub(crate) struct Security {
    pub(crate) own: Credentials,
    pub(crate) server: Credentials,
    pub(crate) fingerprint: Fingerprint,
}

/// Everything an answer said.
pub(crate) struct PeerConfig {
    pub(crate) remote: SocketAddr,
    /// Without it packets go out in the clear, to what is no WebRTC server.
    pub(crate) security: Option<Security>,
    pub(crate) streams: Vec<StreamConfig>,
    pub(crate) receiving: Receiving,
}

enum Path {
    /// Waits for an answer to a check.
    Checking,
    Handshaking(Box<Handshake>),
    Open(Box<Keys>),
    /// Without keys.
    Plain,
    Failed,
}

struct Keys {
    sealer: Sealer,
    opener: Opener,
}

type Reply = oneshot::Sender<anyhow::Result<PeerId>>;

pub(super) struct Peer {
    socket: UdpSocket,
    remote: SocketAddr,
    ice: Option<Ice>,
    path: Path,
    expected: Option<Fingerprint>,
    identity: std::sync::Arc<Identity>,
    waiting: Option<(PeerId, Reply)>,
    give_up_at: Instant,
    check_at: Instant,
    report_at: Instant,
    feedback_at: Option<Instant>,
    /// Asks to be looked at then.
    pub(super) planned: Option<Instant>,
    epoch: Instant,
    streams: Vec<Stream>,
    number: u16,
    sent: u64,
    refused: u64,
    keyframes_asked: u64,
    receiving: Receiving,
    inbound: Inbound,
    feedback: Feedback,
    scratch: Vec<u8>,
}

impl Peer {
    pub(super) fn new(
        identity: &std::sync::Arc<Identity>,
        config: PeerConfig,
        now: Instant,
        epoch: Instant,
    ) -> anyhow::Result<Self> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(config.remote),
            socket2::Type::DGRAM,
            Some(socket2::Protocol::UDP),
        )?;
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_nonblocking(true)?;
        socket.bind(&local_for(config.remote).into())?;
        socket.connect(&config.remote.into())?;
        Ok(Self {
            socket: socket.into(),
            remote: config.remote,
            path: if config.security.is_some() {
                Path::Checking
            } else {
                Path::Plain
            },
            expected: config.security.as_ref().map(|security| security.fingerprint),
            ice: config
                .security
                .map(|security| Ice::new(&security.own, &security.server)),
            identity: identity.clone(),
            waiting: None,
            give_up_at: now + PATIENCE,
            check_at: now,
            report_at: now + REPORT_INTERVAL,
            feedback_at: None,
            planned: None,
            epoch,
            streams: config.streams.iter().map(|stream| Stream::new(stream, now)).collect(),
            number: 0,
            sent: 0,
            refused: 0,
            keyframes_asked: 0,
            receiving: config.receiving,
            inbound: Inbound::default(),
            feedback: Feedback::default(),
            scratch: Vec::new(),
        })
    }

    pub(super) fn register(&mut self, poll: &mio::Poll, id: PeerId) -> anyhow::Result<()> {
        let raw = std::os::fd::AsRawFd::as_raw_fd(&self.socket);
        poll.registry().register(
            &mut mio::unix::SourceFd(&raw),
            mio::Token(id.0),
            mio::Interest::READABLE,
        )?;
        Ok(())
    }

    pub(super) fn await_connection(&mut self, id: PeerId, reply: Reply) {
        if matches!(self.path, Path::Plain) {
            let _gone = reply.send(Ok(id));
        } else {
            self.waiting = Some((id, reply));
        }
    }

    pub(super) fn set_rate(&mut self, factor: f64) {
        self.streams.iter_mut().for_each(|stream| stream.set_rate(factor));
    }

    pub(super) fn tally(&self) -> PeerTally {
        PeerTally {
            sent: self.sent,
            received: self.inbound.packets,
            received_bytes: self.inbound.bytes,
            resent: self.inbound.resent,
            missing: self.inbound.missing(),
            keyframes_asked: self.keyframes_asked,
            refused: self.refused,
        }
    }

    pub(super) fn first_media(&self) -> Option<Instant> {
        self.inbound.first_at
    }

    /// When it has something to do although nothing comes.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.path {
            Path::Failed => None,
            Path::Checking => Some(self.check_at.min(self.give_up_at)),
            Path::Handshaking(handshake) => {
                let times = [Some(self.check_at), Some(self.give_up_at), handshake.poll_timeout()];
                times.into_iter().flatten().min()
            }
            Path::Open(_) | Path::Plain => {
                let streams = self.streams.iter().map(Stream::due);
                let times = [Some(self.check_at), Some(self.report_at), self.feedback_at];
                times.into_iter().flatten().chain(streams).min()
            }
        }
    }

    /// Does what is due.
    pub(super) fn run(&mut self, now: Instant) {
        if !matches!(self.path, Path::Open(_) | Path::Plain) && now >= self.give_up_at {
            let lacks = match self.path {
                Path::Checking => "no answer to a check",
                Path::Handshaking(_) | Path::Open(_) | Path::Plain | Path::Failed => "no keys",
            };
            return self.fail(anyhow!("{lacks} within {PATIENCE:?}"));
        }
        if self.check_at <= now {
            let check = match &self.ice {
                Some(ice) => ice.check(),
                None if self.streams.is_empty() => Ok(PLAIN_HELLO.to_vec()),
                None => Ok(Vec::new()),
            };
            match check {
                Ok(check) => self.send(&check),
                Err(error) => return self.fail(error),
            }
            let answered = self.ice.as_ref().is_none_or(Ice::is_answered);
            self.check_at = now + if answered { CONSENT_INTERVAL } else { CHECK_INTERVAL };
        }
        match &mut self.path {
            Path::Checking | Path::Failed => {}
            Path::Handshaking(handshake) => {
                if handshake.poll_timeout().is_some_and(|at| at <= now) {
                    if let Err(error) = handshake.handle_timeout(now) {
                        return self.fail(error);
                    }
                    self.transmit();
                }
            }
            Path::Open(_) | Path::Plain => self.run_media(now),
        }
    }

    fn run_media(&mut self, now: Instant) {
        let sealer = match &self.path {
            Path::Open(keys) => Some(&keys.sealer),
            Path::Checking | Path::Handshaking(_) | Path::Plain | Path::Failed => None,
        };
        let (socket, refused) = (&self.socket, &mut self.refused);
        for stream in &mut self.streams {
            let sent = stream.send(now, self.epoch, sealer, &mut self.number, |packet| {
                *refused += u64::from(socket.send(packet).is_err());
            });
            self.sent += sent;
        }
        let reports = self.report_at <= now;
        if reports {
            self.report_at = now + REPORT_INTERVAL;
        }
        let Path::Open(keys) = &mut self.path else { return };
        if reports {
            for stream in &self.streams {
                stream.report(now, self.epoch, &mut self.scratch);
                seal_and_send(&self.socket, &mut keys.sealer, &mut self.scratch);
            }
            let streams = self.inbound.streams();
            for some in streams.chunks_mut(rtcp::BLOCKS_MAX) {
                let blocks = some.iter_mut().map(|stream| {
                    let (fraction_lost, lost) = stream.report();
                    Block {
                        ssrc: stream.ssrc,
                        fraction_lost,
                        lost,
                        highest: stream.highest as u32,
                    }
                });
                rtcp::receiver_report(&mut self.scratch, 1, blocks);
                seal_and_send(&self.socket, &mut keys.sealer, &mut self.scratch);
            }
        }
        if self.feedback_at.is_some_and(|at| at <= now) {
            self.feedback_at = None;
            let media = self.inbound.streams().first().map_or(0, |stream| stream.ssrc);
            if self.feedback.write(1, media, &mut self.scratch) {
                seal_and_send(&self.socket, &mut keys.sealer, &mut self.scratch);
            }
        }
    }

    /// Reads until the socket is empty.
    pub(super) fn read(&mut self, now: Instant, buffer: &mut [u8], tally: &mut Tally) {
        while let Ok(len) = self.socket.recv(buffer) {
            self.take(now, &mut buffer[..len], tally);
        }
    }

    fn take(&mut self, now: Instant, datagram: &mut [u8], tally: &mut Tally) {
        match datagram {
            [0..=3, ..] => match self
                .ice
                .as_mut()
                .map_or(Heard::Nothing, |ice| ice.read(self.remote, datagram))
            {
                Heard::Answer => self.begin_handshake(now),
                Heard::Check(answer) => self.send(&answer),
                Heard::Nothing => {}
            },
            [20..=63, ..] => self.read_handshake(now, datagram),
            [128..=191, 192..=223, ..] => self.read_rtcp(datagram),
            [128..=191, ..] => self.read_rtp(now, datagram, tally),
            _ => {}
        }
    }

    fn begin_handshake(&mut self, now: Instant) {
        if !matches!(self.path, Path::Checking) {
            return;
        }
        self.check_at = now + CONSENT_INTERVAL;
        let Some(expected) = self.expected else { return };
        match Handshake::begin(&self.identity, expected, now) {
            Ok(handshake) => {
                self.path = Path::Handshaking(Box::new(handshake));
                self.transmit();
            }
            Err(error) => self.fail(error),
        }
    }

    fn read_handshake(&mut self, now: Instant, datagram: &[u8]) {
        let Path::Handshaking(handshake) = &mut self.path else {
            return;
        };
        match handshake.read(now, datagram) {
            Err(error) => self.fail(error),
            Ok(None) => self.transmit(),
            Ok(Some(keys)) => {
                self.transmit();
                self.path = Path::Open(Box::new(Keys {
                    sealer: Sealer::new(&keys),
                    opener: Opener::new(&keys),
                }));
                if let Some((id, reply)) = self.waiting.take() {
                    let _gone = reply.send(Ok(id));
                }
            }
        }
    }

    fn read_rtp(&mut self, now: Instant, packet: &[u8], tally: &mut Tally) {
        let Ok(header) = RtpHeader::parse(packet) else { return };
        self.inbound.take(now, &header, packet.len(), &self.receiving);
        let value = |id: Option<u8>| extension(packet, &header, id?);
        if let Some(&[high, middle, low]) = value(self.receiving.stamp) {
            let sent = u32::from_be_bytes([0, high, middle, low]);
            let since = now.saturating_duration_since(self.epoch).as_micros() / STAMP_UNIT.as_micros();
            let units = (since as u32).wrapping_sub(sent) & 0xff_ffff;
            // Retransmissions carry the stamp of the first copy.
            if self.receiving.rtx != Some(header.payload_type) {
                tally.latency(u64::from(units) * STAMP_UNIT.as_micros() as u64);
            }
        }
        if let Some(&[high, low]) = value(self.receiving.transport_cc) {
            self.feedback.arrived(now, self.epoch, u16::from_be_bytes([high, low]));
            self.feedback_at.get_or_insert(now + feedback::INTERVAL);
        }
    }

    fn read_rtcp(&mut self, compound: &mut [u8]) {
        let Path::Open(keys) = &mut self.path else { return };
        if self.streams.is_empty() {
            return;
        }
        let Ok(len) = keys.opener.open_rtcp(compound) else {
            return;
        };
        let (streams, asked) = (&mut self.streams, &mut self.keyframes_asked);
        rtcp::keyframe_requests(&compound[..len], |ssrc| {
            if let Some(stream) = streams.iter_mut().find(|stream| stream.ssrc() == ssrc) {
                stream.want_keyframe();
                *asked += 1;
            }
        });
    }

    fn transmit(&mut self) {
        let Path::Handshaking(handshake) = &mut self.path else {
            return;
        };
        while let Some(datagram) = handshake.poll_transmit() {
            // What the kernel does not take is sent again by the handshake's own timer.
            let _lost = self.socket.send(&datagram);
        }
    }

    fn send(&self, datagram: &[u8]) {
        // A check that is lost is repeated.
        let _lost = self.socket.send(datagram);
    }

    fn fail(&mut self, error: anyhow::Error) {
        self.path = Path::Failed;
        if let Some((_, reply)) = self.waiting.take() {
            let _gone = reply.send(Err(error));
        }
    }
}

fn seal_and_send(socket: &UdpSocket, sealer: &mut Sealer, compound: &mut Vec<u8>) {
    if sealer.seal_rtcp(compound).is_ok() {
        // Reports are sent again and again.
        let _lost = socket.send(compound);
    }
}
