//! One WebRTC connection of a client: the connection of the crate `webrtc` without its sockets, on a socket of ours.

mod channels;
mod driver;
mod setup;
mod tap;
mod way;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use emulator::{Link, LinkConfig};
use rtc::peer_connection::RTCPeerConnection;
use rtc::peer_connection::configuration::RTCOfferOptions;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate, RTCIceCandidateInit};
use rtc::rtp::header::Header;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::rtp_transceiver::{RTCRtpSenderId, RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol;
use tokio::sync::{Notify, watch};

pub use channels::ChannelMessage;

use crate::media::{Codec, Encoder, Payload, Shape};
use crate::record::Record;
use way::Way;

/// How a connection differs from the usual one.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only AES_CM_128_HMAC_SHA1_80 instead of GCM first.
    pub only_cm: bool,
    /// Whether each received packet is noted, or only counted.
    pub keeps_log: bool,
    /// Whether lost packets are asked for again.
    pub nack: bool,
    /// Address to bind.
    pub bind: SocketAddr,
    /// A codec that this client does not have.
    pub lacks: Option<Codec>,
    /// TCP and no UDP, as in a network that lets no UDP through.
    pub tcp: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            only_cm: false,
            keeps_log: true,
            nack: true,
            lacks: None,
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            tcp: false,
        }
    }
}

/// A hook that sees each datagram and says whether it passes.
pub type Gate = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// The connection. Dropping it silences it at once, without a word to the other side.
pub struct Endpoint {
    shared: Arc<Shared>,
    driver: tokio::task::JoinHandle<()>,
}

struct Shared {
    core: Mutex<Core>,
    record: Arc<Mutex<Record>>,
    /// Wakes the driver after a change of its timers or its socket.
    wake: Notify,
    state: watch::Sender<RTCPeerConnectionState>,
    /// Counts up with each data channel message or opening.
    channels_changed: watch::Sender<u64>,
}

struct Core {
    connection: RTCPeerConnection,
    socket: Way,
    /// The address the connection believes to have; a moved socket has another, as behind a NAT.
    believed: SocketAddr,
    inbound_gate: Option<Gate>,
    outbound_gate: Option<Gate>,
    inbound_link: Option<Link<(Vec<u8>, SocketAddr)>>,
    capture: Option<Vec<Vec<u8>>>,
    channels: BTreeMap<usize, String>,
    open_channels: Vec<String>,
    messages: Vec<ChannelMessage>,
    trouble: Option<String>,
}

/// What this connection sends on one m-line.
#[derive(Clone, Debug)]
pub struct Sending {
    id: RTCRtpSenderId,
    codec: Codec,
    /// SSRC of each encoding, low to high.
    pub ssrcs: Vec<u32>,
    rids: Vec<String>,
    /// Number in the stamps.
    pub source: u32,
}

impl Core {
    fn candidate(&self) -> anyhow::Result<RTCIceCandidateInit> {
        let host = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".to_owned(),
                address: self.believed.ip().to_string(),
                port: self.believed.port(),
                component: 1,
                ..CandidateConfig::default()
            },
            ..CandidateHostConfig::default()
        }
        .new_candidate_host()?;
        Ok(RTCIceCandidate::from(&host).to_json()?)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of one test thread must not hide the reason behind a second one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Endpoint {
    /// Binds a socket and starts the connection's driver.
    ///
    /// # Errors
    /// When the socket cannot be bound.
    pub async fn new(options: Options) -> anyhow::Result<Endpoint> {
        let socket = if options.tcp {
            Way::tcp(options.bind)
        } else {
            Way::udp(options.bind).await?
        };
        let record = Arc::new(Mutex::new(Record::new(options.keeps_log)));
        let connection = setup::connection(&options, Arc::clone(&record))?;
        let core = Core {
            connection,
            believed: socket.local_addr()?,
            socket,
            inbound_gate: None,
            outbound_gate: None,
            inbound_link: None,
            capture: None,
            channels: BTreeMap::new(),
            open_channels: Vec::new(),
            messages: Vec::new(),
            trouble: None,
        };
        let shared = Arc::new(Shared {
            core: Mutex::new(core),
            record,
            wake: Notify::new(),
            state: watch::channel(RTCPeerConnectionState::New).0,
            channels_changed: watch::channel(0).0,
        });
        let driver = tokio::spawn(driver::drive(Arc::clone(&shared)));
        Ok(Endpoint { shared, driver })
    }

    fn with_core<T>(&self, act: impl FnOnce(&mut Core) -> T) -> T {
        let mut core = locked(&self.shared.core);
        let result = act(&mut core);
        driver::flush(&self.shared, &mut core);
        drop(core);
        self.shared.wake.notify_one();
        result
    }

    /// Adds an m-line that sends. `rids` names the encodings of simulcast, low to high; empty: one encoding.
    ///
    /// # Errors
    /// When the connection refuses.
    pub fn add_sending(&self, codec: Codec, rids: &[&str], source: u32) -> anyhow::Result<Sending> {
        let (track, ssrcs) = setup::track(codec, rids, source);
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: vec![],
            send_encodings: vec![],
        };
        let id = self.with_core(|core| core.connection.add_transceiver_from_track(track, Some(init)))?;
        Ok(Sending {
            id: RTCRtpSenderId::from(id),
            codec,
            ssrcs,
            rids: rids.iter().map(|rid| (*rid).to_owned()).collect(),
            source,
        })
    }

    /// Offers these picture codecs on an m-line that sends, as browsers do; what is sent is the one it was added with.
    ///
    /// # Errors
    /// When the connection refuses.
    pub fn offer_codecs(&self, sending: &Sending, codecs: &[Codec]) -> anyhow::Result<()> {
        self.with_core(|core| {
            let ids: Vec<_> = core.connection.get_transceivers().collect();
            let id = ids.into_iter().find(|id| RTCRtpSenderId::from(*id) == sending.id);
            let mut transceiver = id
                .and_then(|id| core.connection.rtp_transceiver(id))
                .context("no such m-line")?;
            let formats = codecs.iter().flat_map(|codec| setup::formats(*codec)).collect();
            Ok(transceiver.set_codec_preferences(formats)?)
        })
    }

    /// Adds places to receive: for each seat one audio and one video m-line.
    ///
    /// # Errors
    /// When the connection refuses.
    pub fn add_seats(&self, seats: usize) -> anyhow::Result<()> {
        self.with_core(|core| {
            for _ in 0..seats {
                for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
                    core.connection.add_transceiver_from_kind(kind, None)?;
                }
            }
            Ok(())
        })
    }

    /// Makes an offer and puts it in force on this side. Every call after the first is a renegotiation.
    ///
    /// # Errors
    /// When the connection refuses.
    pub fn offer(&self, ice_restart: bool) -> anyhow::Result<String> {
        self.with_core(|core| {
            let offer = core.connection.create_offer(Some(RTCOfferOptions { ice_restart }))?;
            core.connection.set_local_description(Instant::now(), offer)?;
            let candidate = core.candidate()?;
            // The same candidate again after a renegotiation without a restart is refused, and known anyway.
            let added = core.connection.add_local_candidate(candidate);
            let description = core.connection.local_description().context("no local description")?;
            if !description.sdp.contains("a=candidate") {
                added?;
            }
            Ok(description.sdp)
        })
    }

    /// Takes the answer.
    ///
    /// # Errors
    /// When it is none that the connection understands.
    pub fn answer(&self, sdp: &str) -> anyhow::Result<()> {
        let (codecs, repairs) = setup::agreed(sdp);
        locked(&self.shared.record).agree(codecs, repairs);
        self.with_core(|core| {
            core.socket.connect(sdp)?;
            let answer = RTCSessionDescription::answer(sdp.to_owned())?;
            core.connection.set_remote_description(Instant::now(), answer)?;
            Ok(())
        })
    }

    /// Answers an offer of another endpoint, so that two of them can talk without a server.
    #[cfg(test)]
    fn accept(&self, offer: &str) -> anyhow::Result<String> {
        let (codecs, repairs) = setup::agreed(offer);
        locked(&self.shared.record).agree(codecs, repairs);
        self.with_core(|core| {
            let offer = RTCSessionDescription::offer(offer.to_owned())?;
            core.connection.set_remote_description(Instant::now(), offer)?;
            let answer = core.connection.create_answer(None)?;
            core.connection.set_local_description(Instant::now(), answer)?;
            let candidate = core.candidate()?;
            core.connection.add_local_candidate(candidate)?;
            Ok(core.connection.local_description().context("no local description")?.sdp)
        })
    }

    /// The mid of an m-line that sends.
    pub fn mid_of(&self, sending: &Sending) -> Option<String> {
        let mut core = locked(&self.shared.core);
        let ids: Vec<_> = core.connection.get_transceivers().collect();
        ids.into_iter().find_map(|id| {
            let transceiver = core.connection.rtp_transceiver(id)?;
            (RTCRtpSenderId::from(id) == sending.id)
                .then(|| transceiver.mid().clone())
                .flatten()
        })
    }

    /// Waits for a state of the connection.
    ///
    /// # Errors
    /// When it does not come in time.
    pub async fn reaches(&self, wanted: RTCPeerConnectionState) -> anyhow::Result<()> {
        let mut states = self.shared.state.subscribe();
        let reached = tokio::time::timeout(crate::PATIENCE, states.wait_for(|state| *state == wanted)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(anyhow!("the connection is gone")),
            Err(_) => Err(anyhow!(
                "the connection is {:?}, not {wanted:?}; last trouble: {:?}",
                *self.shared.state.borrow(),
                locked(&self.shared.core).trouble
            )),
        }
    }

    /// Waits until media can flow.
    ///
    /// # Errors
    /// When it cannot in time.
    pub async fn connected(&self) -> anyhow::Result<()> {
        self.reaches(RTCPeerConnectionState::Connected).await
    }

    /// State of the connection now.
    pub fn state(&self) -> RTCPeerConnectionState {
        *self.shared.state.borrow()
    }

    /// What the connection complained about last.
    pub fn trouble(&self) -> Option<String> {
        locked(&self.shared.core).trouble.clone()
    }

    /// What was received. Hold it shortly: the connection waits meanwhile.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        locked(&self.shared.record)
    }

    /// Sends packets made by the caller on an m-line. Returns how many the connection took.
    pub fn send(&self, sending: &Sending, packets: Vec<rtc::rtp::Packet>) -> usize {
        self.with_core(|core| {
            let now = Instant::now();
            let Some(mut sender) = core.connection.rtp_sender(sending.id) else {
                return 0;
            };
            let (mut taken, mut trouble) = (0, None);
            for packet in packets {
                match sender.write_rtp(now, packet) {
                    Ok(()) => taken += 1,
                    Err(error) => trouble = Some(format!("not sent: {error}")),
                }
            }
            if trouble.is_some() {
                core.trouble = trouble;
            }
            taken
        })
    }

    /// Sends synthetic media on an m-line until the returned handle is dropped: one shape per encoding, low to high.
    pub fn play(self: &Arc<Self>, sending: &Sending, shapes: &[Shape]) -> Player {
        let (stop, stopped) = watch::channel(false);
        let sent = Arc::new(Mutex::new(0));
        let level = Arc::new(AtomicU8::new(VOICE_DBOV));
        let task = driver::play(
            Arc::downgrade(self),
            sending.clone(),
            shapes.to_vec(),
            stopped,
            Arc::clone(&sent),
            Arc::clone(&level),
        );
        Player {
            stop,
            sent,
            level,
            task: tokio::spawn(task),
        }
    }

    /// Lets `gate` decide about each datagram from the network.
    pub fn gate_inbound(&self, gate: Option<Gate>) {
        locked(&self.shared.core).inbound_gate = gate;
    }

    /// From now on datagrams from the network come over a path like this. To be set before anything comes; what is under way
    /// when it changes stays under way.
    pub fn limit_inbound(&self, config: LinkConfig, seed: u64) {
        let now = Instant::now();
        let mut core = locked(&self.shared.core);
        match &mut core.inbound_link {
            Some(link) => link.set_config(now, config),
            None => core.inbound_link = Some(Link::starting(config, seed, now)),
        }
        drop(core);
        self.shared.wake.notify_one();
    }

    /// Lets `gate` decide about each datagram to the network.
    pub fn gate_outbound(&self, gate: Option<Gate>) {
        locked(&self.shared.core).outbound_gate = gate;
    }

    /// Keeps copies of the datagrams sent from now on.
    pub fn start_capture(&self) {
        locked(&self.shared.core).capture = Some(Vec::new());
    }

    /// The copies kept.
    pub fn take_capture(&self) -> Vec<Vec<u8>> {
        locked(&self.shared.core).capture.take().unwrap_or_default()
    }

    /// Sends a datagram of the caller's making from this connection's own socket, past the connection.
    pub fn inject(&self, datagram: &[u8], to: SocketAddr) -> bool {
        locked(&self.shared.core).socket.try_send_to(datagram, to).is_ok()
    }

    /// Goes on from another port without telling the connection, as a NAT that rebinds. Over TCP: by another connection.
    ///
    /// # Errors
    /// When no socket can be bound.
    pub async fn move_away(&self) -> anyhow::Result<SocketAddr> {
        let (ip, old) = {
            let core = locked(&self.shared.core);
            (core.believed.ip(), core.socket.clone())
        };
        let socket = old.afresh(ip).await?;
        let address = socket.local_addr()?;
        locked(&self.shared.core).socket = socket;
        self.shared.wake.notify_one();
        Ok(address)
    }

    /// Address of the socket in use.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_address(&self) -> anyhow::Result<SocketAddr> {
        Ok(locked(&self.shared.core).socket.local_addr()?)
    }

    /// Ends the connection in good order.
    pub fn close(&self) {
        self.with_core(|core| {
            if let Err(error) = core.connection.close() {
                core.trouble = Some(error.to_string());
            }
        });
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Media being sent. Stops when dropped.
#[derive(Debug)]
pub struct Player {
    stop: watch::Sender<bool>,
    sent: Arc<Mutex<u64>>,
    level: Arc<AtomicU8>,
    task: tokio::task::JoinHandle<()>,
}

/// How loud sound is said to be until told otherwise, in -dBov (RFC 6464).
const VOICE_DBOV: u8 = 30;

impl Player {
    /// From the next packet on the sound says to be this loud, in -dBov: 127 is silence.
    pub fn set_level(&self, dbov: u8) {
        self.level.store(dbov, Ordering::Relaxed);
    }

    /// Packets sent so far.
    pub fn sent(&self) -> u64 {
        *locked(&self.sent)
    }

    /// Stops after the frame that is being sent.
    pub async fn stop(mut self) -> u64 {
        self.stop.send_replace(true);
        let _ended = (&mut self.task).await;
        self.sent()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Writes one payload into a packet.
fn packet(header: Header, payload: Payload) -> rtc::rtp::Packet {
    rtc::rtp::Packet {
        header,
        payload: Bytes::from(payload.bytes),
    }
}

/// How long the `frames`-th of equally spaced frames comes after the first.
fn frame_time(frames: u64, per_second: u32) -> Duration {
    Duration::from_nanos(1_000_000_000 * frames / u64::from(per_second.max(1)))
}

/// One encoding being sent.
struct Layer {
    encoder: Encoder,
    shape: Shape,
    ssrc: u32,
    rid: Option<String>,
    sequence_number: u16,
    first_timestamp: u32,
    frames: u64,
}

#[cfg(test)]
mod tests;
