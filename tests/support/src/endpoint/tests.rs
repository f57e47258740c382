//! Two endpoints against each other: what these tests show is not the server's doing.

use std::sync::Arc;

use super::{Endpoint, Options};
use crate::eventually;
use crate::media::{Codec, Shape};

async fn pair(options: Options) -> (Arc<Endpoint>, Arc<Endpoint>) {
    let one = Arc::new(Endpoint::new(options).await.unwrap());
    let other = Arc::new(Endpoint::new(Options::default()).await.unwrap());
    (one, other)
}

#[tokio::test]
async fn media_flows_and_losses_are_repaired() {
    let (one, other) = pair(Options::default()).await;
    let voice = one.add_sending(Codec::Opus, &[], 1).unwrap();
    let camera = one.add_sending(Codec::Vp8, &[], 2).unwrap();
    let offer = one.offer(false).unwrap();
    one.answer(&other.accept(&offer).unwrap()).unwrap();
    one.connected().await.unwrap();
    other.connected().await.unwrap();

    let mut count = 0;
    let ssrc = camera.ssrcs[0].to_be_bytes();
    other.gate_inbound(Some(Box::new(move |datagram| {
        let of_camera = datagram.get(8..12) == Some(&ssrc) && datagram[0] >> 6 == 2;
        count += u32::from(of_camera);
        !of_camera || count % 20 != 7
    })));
    let players = [one.play(&voice, &[Shape::SPEECH]), one.play(&camera, &[Shape::CAMERA])];
    eventually("media and a repaired loss", || {
        let record = other.record();
        let voice = record.stream(voice.ssrcs[0])?;
        let camera = record.stream(camera.ssrcs[0])?;
        let enough = voice.packets > 40 && camera.whole_frames().len() > 30;
        (enough && camera.retransmissions > 1 && camera.whole_frames()[0].keyframe).then_some(())
    })
    .await
    .unwrap();
    drop(players);
}

#[tokio::test]
async fn a_channel_carries_text_bytes_and_long_messages() {
    let (one, other) = pair(Options {
        only_cm: true,
        ..Options::default()
    })
    .await;
    one.open_channel("chat", "p", true, None).unwrap();
    let offer = one.offer(false).unwrap();
    one.answer(&other.accept(&offer).unwrap()).unwrap();
    one.channel_open("chat").await.unwrap();
    one.send_on_channel("chat", "grüß".as_bytes(), true).unwrap();
    let long: Vec<u8> = (0..50_000_u32).map(|n| n as u8).collect();
    one.send_on_channel("chat", &long, false).unwrap();
    let text = other.channel_message("the text", |message| message.text).await.unwrap();
    assert_eq!(text.data, "grüß".as_bytes());
    let bytes = other
        .channel_message("the bytes", |message| !message.text)
        .await
        .unwrap();
    assert_eq!(bytes.data, long);
}
