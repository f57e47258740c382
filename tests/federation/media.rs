//! Media stays in its room.

use serde_json::json;
use testkit::{Codec, Participant, Shape};

use super::house::{HOUR, House, token};

#[tokio::test]
async fn nothing_published_over_there_is_told_or_can_be_had() {
    let house = House::open().await;
    let mut ann = Participant::join(
        &house.server.url,
        &token("a", Some("ann"), &["allow_join"], HOUR),
        json!({}),
    )
    .await
    .unwrap();
    ann.endpoint.add_seats(2).unwrap();
    ann.negotiate().await.unwrap();
    let mut bob = Participant::join(
        &house.server.url,
        &token("b", Some("bob"), &["allow_join"], HOUR),
        json!({}),
    )
    .await
    .unwrap();
    let voice = bob.send("microphone", Codec::Opus, &[], 7).unwrap();
    bob.endpoint.add_seats(2).unwrap();
    bob.negotiate().await.unwrap();
    let _playing = bob.endpoint.play(&voice, &[Shape::SPEECH]);
    let publication = bob.publication_of(&voice).unwrap();
    // A neighbour of the publisher's hears it, so it does flow.
    let mut bea = Participant::join(
        &house.server.url,
        &token("b", Some("bea"), &["allow_join"], HOUR),
        json!({}),
    )
    .await
    .unwrap();
    bea.endpoint.add_seats(1).unwrap();
    bea.negotiate().await.unwrap();
    bea.seated("bob", &["audio"]).await.unwrap();
    ann.signal.request("link.open", json!({"room":"b"})).await.unwrap();
    let refused = ann
        .signal
        .request("subscribe", json!({"publication":publication}))
        .await
        .unwrap_err();
    assert_eq!(super::house::code(&refused), "no-such-publication");
    let told = serde_json::to_string(&ann.signal.waiting_events()).unwrap();
    assert!(
        !told.contains("publication.added") && !told.contains("\"participant\":\"bob\""),
        "{told}"
    );
    assert_eq!(ann.endpoint.record().streams().count(), 0, "nothing was received");
}
