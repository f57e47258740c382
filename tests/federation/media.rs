//! Media stays in its room, and nothing that happens on links costs anybody there a packet.

use serde_json::json;
use testkit::{Codec, Participant, Shape, eventually};

use super::house::{HOUR, House, code, token};

async fn join(house: &House, room: &str, id: &str, seats: usize) -> Participant {
    let token = token(room, Some(id), &["allow_join"], HOUR);
    let mut person = Participant::join(&house.server.url, &token, json!({})).await.unwrap();
    person.endpoint.add_seats(seats).unwrap();
    person.negotiate().await.unwrap();
    person
}

#[tokio::test]
async fn nothing_published_over_there_is_told_or_can_be_had() {
    let house = House::open().await;
    let mut ann = join(&house, "a", "ann", 2).await;
    let mut bob = join(&house, "b", "bob", 2).await;
    let voice = bob.send("microphone", Codec::Opus, &[], 7).unwrap();
    bob.negotiate().await.unwrap();
    let _playing = bob.endpoint.play(&voice, &[Shape::SPEECH]);
    let publication = bob.publication_of(&voice).unwrap();
    // A neighbour of the publisher's hears it, so it does flow.
    let mut bea = join(&house, "b", "bea", 1).await;
    bea.seated("bob", &["audio"]).await.unwrap();
    ann.signal.request("link.open", json!({"room":"b"})).await.unwrap();
    let subscribe = ann.signal.request("subscribe", json!({"publication":publication}));
    assert_eq!(code(&subscribe.await.unwrap_err()), "no-such-publication");
    let told = serde_json::to_string(&ann.signal.waiting_events()).unwrap();
    assert!(
        !told.contains("publication.added") && !told.contains("\"participant\":\"bob\""),
        "{told}"
    );
    assert_eq!(ann.endpoint.record().streams().count(), 0, "nothing was received");
}

#[tokio::test]
async fn a_call_loses_nothing_while_its_links_are_flooded_and_come_and_go() {
    let house = House::open().await;
    let mut bob = join(&house, "b", "bob", 1).await;
    let voice = bob.send("microphone", Codec::Opus, &[], 7).unwrap();
    bob.negotiate().await.unwrap();
    let mut bea = join(&house, "b", "bea", 1).await;
    let _playing = bob.endpoint.play(&voice, &[Shape::SPEECH]);
    let seat = bea.seated("bob", &["audio"]).await.unwrap();
    let ssrc = seat.audio_ssrc;
    let packets = |bea: &Participant| bea.endpoint.record().stream(ssrc).map_or(0, |stream| stream.packets);
    eventually("the first packets", || (packets(&bea) > 10).then_some(()))
        .await
        .unwrap();

    let mut neighbours = Vec::new();
    for n in 0..8 {
        neighbours.push(house.join(&format!("n{n}"), "ann").await);
    }
    let before = packets(&bea);
    let (mut said, mut refused) = (0_u32, 0_u32);
    while packets(&bea) < before + 100 {
        for person in &mut neighbours {
            // Whatever is refused here is refused in time; the call next door does not notice.
            let _ = person
                .ask("link.open", json!({"room":"b","payload":"x".repeat(4_000)}))
                .await;
            for _ in 0..20 {
                match person
                    .ask("link.chat", json!({"link":"b","text":"x".repeat(8_000)}))
                    .await
                {
                    Ok(_) => said += 1,
                    Err(_) => refused += 1,
                }
            }
            let _ = person.ask("link.close", json!({"link":"b"})).await;
        }
    }
    assert!(said > 0 && refused > 0, "{said} said, {refused} refused: no flood");
    let record = bea.endpoint.record();
    let stream = record.stream(ssrc).unwrap();
    assert_eq!(
        (stream.missing.len(), stream.duplicates),
        (0, 0),
        "of {} packets",
        stream.packets
    );
}
