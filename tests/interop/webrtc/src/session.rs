//! One connection that publishes or subscribes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use rtc::media::Sample;
use rtc::rtp::Packet;
use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use webrtc::data_channel::RTCDataChannelInit;
use webrtc::media_stream::MediaStreamTrack;
use webrtc::media_stream::Track;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_sample::TrackLocalStaticSample;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, Registry, SettingEngineBuilder,
    register_default_interceptors,
};
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit, RtpSender};
use webrtc::runtime::default_runtime;

use crate::packets;
use crate::recording;
use crate::talk::Talk;

/// Packets kept of one kind of media: minutes of them.
const PACKETS_MAX: usize = 50_000;
/// Length of one recorded packet of Opus.
const OPUS_PACKET: Duration = Duration::from_millis(20);

/// What to connect for.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    role: Role,
    picture: Picture,
    recording: Option<Recording>,
    codec: packets::Codec,
    media: bool,
    data: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    /// Sends.
    Publish,
    /// Receives.
    Subscribe,
    /// Both, on the same m-lines.
    Call,
}

#[derive(Debug, Deserialize)]
struct Picture {
    fps: u32,
}

#[derive(Debug, Deserialize)]
struct Recording {
    video: String,
    audio: String,
}

/// What to look for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Look {
    from: From,
    pictures: usize,
    seconds: usize,
    limit_ms: u64,
    dump: String,
}

#[derive(Debug, Deserialize)]
struct From {
    /// Nobody: nothing is said.
    data: Option<String>,
}

/// A track to send on, the sender that knows its payload type, and what to send how fast.
struct Sending {
    mime_type: &'static str,
    track: Arc<TrackLocalStaticSample>,
    sender: Arc<dyn RtpSender>,
    frames: Vec<Bytes>,
    pace: Duration,
}

pub(crate) struct Session {
    connection: Arc<dyn PeerConnection>,
    inbox: Arc<Inbox>,
    sendings: Mutex<Vec<Sending>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    talk: Option<Arc<Talk>>,
    media: bool,
}

/// What the connection tells.
struct Inbox {
    gathered: watch::Sender<bool>,
    state: watch::Sender<RTCPeerConnectionState>,
    audio: Mutex<Vec<Packet>>,
    video: Mutex<Vec<Packet>>,
    /// Of the pictures that come.
    codec: Mutex<Option<packets::Codec>>,
}

impl Inbox {
    fn of(&self, kind: RtpCodecKind) -> &Mutex<Vec<Packet>> {
        if kind == RtpCodecKind::Audio {
            &self.audio
        } else {
            &self.video
        }
    }
}

struct Handler(Arc<Inbox>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.0.gathered.send_replace(state == RTCIceGatheringState::Complete);
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.0.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let inbox = Arc::clone(&self.0);
        let kind = track.kind().await;
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    if kind == RtpCodecKind::Video {
                        let codec = track.codec(packet.header.ssrc).await;
                        let codec = codec.and_then(|codec| packets::Codec::of(&codec.mime_type));
                        *inbox.codec.lock().unwrap_or_else(PoisonError::into_inner) = codec;
                    }
                    let mut packets = inbox.of(kind).lock().unwrap_or_else(PoisonError::into_inner);
                    if packets.len() < PACKETS_MAX {
                        packets.push(packet);
                    }
                }
            }
        });
    }
}

impl Session {
    /// Prepares a connection.
    ///
    /// # Errors
    /// When the crate refuses, or there is no recording to send.
    pub(crate) async fn make(entry: Entry) -> anyhow::Result<Session> {
        let inbox = Arc::new(Inbox {
            gathered: watch::Sender::new(false),
            state: watch::Sender::new(RTCPeerConnectionState::New),
            audio: Mutex::default(),
            video: Mutex::default(),
            codec: Mutex::default(),
        });
        let mut engine = MediaEngine::default();
        engine.register_default_codecs()?;
        let registry = register_default_interceptors(Registry::new(), &mut engine)?;
        let settings = SettingEngineBuilder::new()
            .with_include_loopback_candidate(true)
            .build();
        let connection: Arc<dyn PeerConnection> = Arc::new(
            PeerConnectionBuilder::new()
                .with_configuration(RTCConfigurationBuilder::new().build())
                .with_media_engine(engine)
                .with_setting_engine(settings)
                .with_interceptor_registry(registry)
                .with_handler(Arc::new(Handler(Arc::clone(&inbox))))
                .with_runtime(default_runtime().context("no runtime")?)
                .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
                .build()
                .await?,
        );
        let mut sendings = Vec::new();
        match entry.role {
            Role::Publish | Role::Call if entry.media => {
                let recording = entry.recording.context("nothing to send")?;
                let picture = Duration::from_secs(1) / entry.picture.fps;
                let sound = ("audio/opus", recording.audio.as_str(), OPUS_PACKET);
                let pictures = (entry.codec.mime_type(), recording.video.as_str(), picture);
                sendings.push(sending(&connection, RtpCodecKind::Audio, sound).await?);
                sendings.push(sending(&connection, RtpCodecKind::Video, pictures).await?);
            }
            Role::Subscribe if entry.media => {
                for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
                    let init = RTCRtpTransceiverInit {
                        direction: RTCRtpTransceiverDirection::Recvonly,
                        ..RTCRtpTransceiverInit::default()
                    };
                    connection.add_transceiver_from_kind(kind, Some(init)).await?;
                }
            }
            Role::Publish | Role::Subscribe | Role::Call => {}
        }
        let talk = if entry.data {
            let init = RTCDataChannelInit {
                protocol: "enfilade.data.v1".to_owned(),
                ..RTCDataChannelInit::default()
            };
            Some(Talk::on(connection.create_data_channel("interop", Some(init)).await?))
        } else {
            None
        };
        Ok(Session {
            connection,
            inbox,
            sendings: Mutex::new(sendings),
            tasks: Mutex::default(),
            talk,
            media: entry.media,
        })
    }

    /// The offer, with its candidates.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn offer(&self) -> anyhow::Result<String> {
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer).await?;
        let mut gathered = self.inbox.gathered.subscribe();
        timeout(Duration::from_secs(5), gathered.wait_for(|done| *done))
            .await
            .context("candidates are still gathered")??;
        let description = self.connection.local_description().await;
        Ok(description.context("no local description")?.sdp)
    }

    /// Takes the answer and waits until it is connected; then it sends, if it has something to send.
    ///
    /// # Errors
    /// When it does not connect in time.
    pub(crate) async fn answer(&self, sdp: &str, limit_ms: u64) -> anyhow::Result<()> {
        let answer = RTCSessionDescription::answer(sdp.to_owned())?;
        self.connection.set_remote_description(answer).await?;
        let mut state = self.inbox.state.subscribe();
        let settled = |state: &RTCPeerConnectionState| {
            matches!(
                state,
                RTCPeerConnectionState::Connected | RTCPeerConnectionState::Failed
            )
        };
        let reached = timeout(Duration::from_millis(limit_ms), state.wait_for(settled)).await;
        if !matches!(reached, Ok(Ok(state)) if *state == RTCPeerConnectionState::Connected) {
            bail!("the connection is {}", *self.inbox.state.borrow());
        }
        let sendings = std::mem::take(&mut *self.sendings.lock().unwrap_or_else(PoisonError::into_inner));
        for sending in sendings {
            let task = tokio::spawn(async move {
                if let Err(error) = play(sending).await {
                    eprintln!("nothing is sent any more: {error:#}");
                }
            });
            self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        }
        Ok(())
    }

    /// Waits for so many pictures and a second of sound, and talks meanwhile. What came lies in files afterwards.
    ///
    /// # Errors
    /// When they cannot be written, or the data channel refuses a message.
    pub(crate) async fn watch(&self, look: &Look) -> anyhow::Result<Value> {
        let end = Instant::now() + Duration::from_millis(look.limit_ms);
        self.inbox.audio.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // Pictures are kept from where the last look ended, since a keyframe may have come meanwhile.
        let before = self.inbox.video.lock().unwrap_or_else(PoisonError::into_inner).len();
        let data = async {
            match (&self.talk, &look.from.data) {
                (Some(talk), Some(publisher)) => talk.talk(publisher, end).await.map(Some),
                (None, _) | (_, None) => Ok(None),
            }
        };
        let media = async {
            while !self.has_enough(look, before) && Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let (data, ()) = tokio::join!(data, media);
        let report = |kind, suffix| -> anyhow::Result<Value> {
            if !self.media {
                return Ok(Value::Null);
            }
            let packets = std::mem::take(&mut *self.inbox.of(kind).lock().unwrap_or_else(PoisonError::into_inner));
            let (ordered, lost) = packets::in_order(&packets);
            let codec = *self.inbox.codec.lock().unwrap_or_else(PoisonError::into_inner);
            let (frames, name) = match codec {
                Some(codec) if kind == RtpCodecKind::Video => (codec.pictures(&ordered), codec.name()),
                Some(_) | None => (ordered.iter().map(|packet| packet.payload.clone()).collect(), ""),
            };
            let file = format!("{}-{suffix}.ivf", look.dump);
            recording::write(&file, &frames)?;
            Ok(json!({"file": file, "lost": lost, "codec": name}))
        };
        Ok(json!({
            "video": report(RtpCodecKind::Video, "video")?,
            "audio": report(RtpCodecKind::Audio, "audio")?,
            "data": data?.map(|echoed| json!({"echoed": echoed})),
        }))
    }

    fn has_enough(&self, look: &Look, before: usize) -> bool {
        let video = self.inbox.video.lock().unwrap_or_else(PoisonError::into_inner);
        let audio = self.inbox.audio.lock().unwrap_or_else(PoisonError::into_inner);
        let pictures = video.iter().skip(before).filter(|packet| packet.header.marker).count();
        // A few packets of sound more: a decoder swallows the first.
        !self.media || (pictures > look.pictures && audio.len() > 50 * look.seconds + 5)
    }

    /// Ends it.
    ///
    /// # Errors
    /// When the crate refuses.
    pub(crate) async fn end(&self) -> anyhow::Result<()> {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
        Ok(self.connection.close().await?)
    }
}

/// Adds a track that sends a recording, in the way of the crate's example `play-from-disk-vpx`. What it sends is its MIME type,
/// the file and the time from one frame to the next.
async fn sending(
    connection: &Arc<dyn PeerConnection>,
    kind: RtpCodecKind,
    (mime_type, path, pace): (&'static str, &str, Duration),
) -> anyhow::Result<Sending> {
    let (clock_rate, channels, ssrc) = if kind == RtpCodecKind::Audio {
        (48_000, 2, 0x0a0d_1001)
    } else {
        (90_000, 0, 0x0a0d_1002)
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            ..RTCRtpCodingParameters::default()
        },
        codec: RTCRtpCodec {
            mime_type: mime_type.to_owned(),
            clock_rate,
            channels,
            ..RTCRtpCodec::default()
        },
        ..RTCRtpEncodingParameters::default()
    };
    let name = kind.to_string();
    let track = MediaStreamTrack::new("recording".to_owned(), name.clone(), name, kind, vec![encoding]);
    let track = Arc::new(TrackLocalStaticSample::new(Instant::now().into_std(), track)?);
    let sender = connection.add_track(Arc::clone(&track) as Arc<dyn TrackLocal>).await?;
    Ok(Sending {
        mime_type,
        track,
        sender,
        frames: recording::read(path)?,
        pace,
    })
}

/// Sends a recording again and again. It has a keyframe every second, so that none need be asked for: the crate does not
/// hand such requests to applications.
async fn play(sending: Sending) -> anyhow::Result<()> {
    let Sending {
        mime_type,
        track,
        sender,
        frames,
        pace,
    } = sending;
    let parameters = sender.get_parameters().await?;
    let agreed = |fmtp: &str| {
        let mut codecs = parameters.rtp_parameters.codecs.iter();
        let is =
            |codec: &RTCRtpCodec| codec.mime_type.eq_ignore_ascii_case(mime_type) && codec.sdp_fmtp_line.contains(fmtp);
        codecs.find(|one| is(&one.rtp_codec)).map(|one| one.payload_type)
    };
    // The crate's H264 packets are of mode 1 (RFC 6184 section 5.4).
    let payload_type = agreed("packetization-mode=1").or_else(|| agreed(""));
    let payload_type = payload_type.context("nothing was agreed on")?;
    let ssrc = track.ssrcs().await.first().copied().context("a track without SSRC")?;
    let mut ticks = tokio::time::interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for data in frames.iter().cycle() {
        ticks.tick().await;
        let sample = Sample {
            data: data.clone(),
            duration: pace,
            ..Sample::new(Instant::now().into_std())
        };
        track.sample_writer(ssrc, payload_type).write_sample(&sample).await?;
    }
    Ok(())
}
