//! The crate `webrtc` as it is shipped, with its own sockets and threads, in a call with the clients of `testkit`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use testkit::{Signal, eventually};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, Registry, SettingEngineBuilder,
    register_default_interceptors,
};
use webrtc::runtime::default_runtime;

use super::stage::Stage;

struct Watcher {
    gathered: tokio::sync::watch::Sender<bool>,
    connected: tokio::sync::watch::Sender<bool>,
    packets: Arc<AtomicU32>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Watcher {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.connected.send_replace(state == RTCPeerConnectionState::Connected);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let packets = Arc::clone(&self.packets);
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if matches!(event, TrackRemoteEvent::OnRtpPacket(_)) {
                    packets.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
}

#[tokio::test]
async fn the_webrtc_crate_receives_a_call() {
    let stage = Stage::set().await;
    let _ann = stage.speaker("ann", 10, 0).await;
    let mut signal = Signal::connect(&stage.server.url).await.unwrap();
    signal.join(&stage.token("ref"), json!({})).await.unwrap();

    let (gathered, mut is_gathered) = tokio::sync::watch::channel(false);
    let (connected, mut is_connected) = tokio::sync::watch::channel(false);
    let packets = Arc::new(AtomicU32::new(0));
    let watcher = Watcher {
        gathered,
        connected,
        packets: Arc::clone(&packets),
    };
    let mut engine = MediaEngine::default();
    engine.register_default_codecs().unwrap();
    let registry = register_default_interceptors(Registry::new(), &mut engine).unwrap();
    let settings = SettingEngineBuilder::new()
        .with_include_loopback_candidate(true)
        .build();
    let connection = PeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().build())
        .with_media_engine(engine)
        .with_setting_engine(settings)
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(watcher))
        .with_runtime(default_runtime().unwrap())
        .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
        .build()
        .await
        .unwrap();
    for kind in ["audio", "video"] {
        connection.add_transceiver_from_kind(kind.into(), None).await.unwrap();
    }
    let offer = connection.create_offer(None).await.unwrap();
    connection.set_local_description(offer).await.unwrap();
    let patience = Duration::from_secs(10);
    tokio::time::timeout(patience, is_gathered.wait_for(|done| *done))
        .await
        .unwrap()
        .unwrap();
    let offer = connection.local_description().await.unwrap();
    let answer = signal.request("offer", json!({"sdp": offer.sdp})).await.unwrap();
    let answer = RTCSessionDescription::answer(answer["sdp"].as_str().unwrap().to_owned()).unwrap();
    connection.set_remote_description(answer).await.unwrap();
    tokio::time::timeout(patience, is_connected.wait_for(|done| *done))
        .await
        .unwrap()
        .unwrap();
    eventually("a hundred packets", || {
        (packets.load(Ordering::Relaxed) > 100).then_some(())
    })
    .await
    .unwrap();
    connection.close().await.unwrap();
}
