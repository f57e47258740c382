//! Who may do what over a link: the grant of the caller, and the consent of the other room.

use serde_json::json;

use super::house::{HOUR, House, token};

#[tokio::test]
async fn without_the_permission_nobody_links_and_the_other_room_hears_nothing() {
    let house = House::strict(&[]).await;
    let mut ann = house
        .join_with("a", "ann", &["allow_join", "allow_mod"], json!({}))
        .await;
    let mut linker = house.join_with("a", "lin", &["allow_join", "link"], json!({})).await;
    let mut bob = house.join("b", "bob").await;
    assert_eq!(ann.refused("link.open", json!({"room":"b"})).await, "forbidden");
    assert!(super::house::of_kind(&bob.rest().await, "link.opened").is_empty());
    linker.link("b", json!(null)).await;
    bob.event("link.opened").await;
    assert_eq!(ann.refused("link.close", json!({"link":"b"})).await, "forbidden");
    assert_eq!(bob.refused("link.end", json!({"link":"a"})).await, "forbidden");
    bob.ask(
        "link.chat",
        json!({"link":"a","text":"talking needs no more than a voice"}),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn ending_is_not_among_the_rights_unless_a_room_gives_it() {
    let house = House::strict(&[]).await;
    let mut ann = house.join_with("a", "ann", &["allow_join", "link"], json!({})).await;
    let mut bob = house.join("b", "bob").await;
    ann.link("b", json!(null)).await;
    assert_eq!(
        ann.event("link.opened").await["rights"],
        json!(["roster", "chat", "switch"])
    );
    assert_eq!(ann.refused("link.end", json!({"link":"b"})).await, "link-right");
    bob.ask("chat", json!({"text":"still here"})).await.unwrap();
    let generous = json!({"settings": {"linkRights": ["roster", "end"]}});
    let mut cleo = house.join_with("c", "cleo", &["allow_join"], generous).await;
    ann.link("c", json!(null)).await;
    assert_eq!(
        ann.refused("link.chat", json!({"link":"c","text":"x"})).await,
        "link-right"
    );
    ann.ask("link.end", json!({"link":"c"})).await.unwrap();
    assert_eq!(cleo.event("bye").await["code"], "room-closed");
}

#[tokio::test]
async fn a_room_that_wants_to_be_asked_is_asked() {
    let house = House::strict(&[("ENFILADE_LINKS__POLICY", "ask")]).await;
    let mut ann = house.join_with("a", "ann", &["allow_join", "link"], json!({})).await;
    let mut bob = house
        .join_with("b", "bob", &["allow_join", "link_accept"], json!({}))
        .await;
    let mut bea = house.join("b", "bea").await;
    let id = ann
        .signal
        .begin("link.open", json!({"room":"b","payload":"let us in"}))
        .await
        .unwrap();
    let request = bob.event("link.requested").await;
    assert_eq!(
        (&request["room"], &request["participant"], &request["payload"]),
        (&json!("a"), &json!("ann"), &json!("let us in"))
    );
    assert!(super::house::of_kind(&bea.rest().await, "link.requested").is_empty());
    assert_eq!(
        bea.refused("link.respond", json!({"request":request["request"],"accept":true}))
            .await,
        "forbidden"
    );
    bob.ask("link.respond", json!({"request":request["request"],"accept":false}))
        .await
        .unwrap();
    let answer = ann.signal.answer(id).await.unwrap_err();
    assert_eq!(super::house::code(&answer), "link-denied");
    assert_eq!(bob.event("link.request.ended").await["accepted"], false);
    let id = ann.signal.begin("link.open", json!({"room":"b"})).await.unwrap();
    let request = bob.event("link.requested").await["request"].clone();
    bob.ask("link.respond", json!({"request":request,"accept":true}))
        .await
        .unwrap();
    assert_eq!(ann.signal.answer(id).await.unwrap()["link"], "b");
    bea.event("link.opened").await;
}

#[tokio::test]
async fn opening_is_refused_with_the_reason() {
    let house = House::strict(&[("ENFILADE_LINKS__POLICY", "deny")]).await;
    let mut ann = house.join_with("a", "ann", &["allow_join", "link"], json!({})).await;
    let _bob = house.join("b", "bob").await;
    assert_eq!(ann.refused("link.open", json!({"room":"a"})).await, "same-room");
    assert_eq!(ann.refused("link.open", json!({"room":"b"})).await, "link-denied");
    assert_eq!(
        ann.refused("link.open", json!({"room":"nowhere"})).await,
        "room-not-found"
    );
    assert_eq!(
        ann.refused("link.open", json!({"room":"b","payload":"x".repeat(5_000)}))
            .await,
        "invalid-field"
    );
    assert_eq!(
        ann.refused("link.open", json!({"room":"b","waitMs":-1})).await,
        "invalid-field"
    );
}

#[tokio::test]
async fn a_token_for_a_switch_is_judged_before_anybody_sees_it() {
    let house = House::open().await;
    let (mut ann, mut bob) = (house.join("a", "ann").await, house.join("b", "bob").await);
    ann.link("b", json!(null)).await;
    let cases = [
        ("nonsense".to_owned(), "a", "token-invalid"),
        (token("b", None, &["allow_join"], HOUR), "a", "token-room"),
        (token("c", None, &["allow_join"], HOUR), "c", "switch-room"),
        ("x".repeat(9_000), "a", "token-too-large"),
    ];
    for (token, room, expected) in cases {
        let switch = json!({"participant":"bob","link":"b","room":room,"token":token});
        assert_eq!(ann.refused("switch", switch).await, expected);
    }
    let good = token("a", None, &["allow_join"], HOUR);
    let switch = json!({"participant":"nobody","link":"b","room":"a","token":good});
    assert_eq!(ann.refused("switch", switch).await, "no-such-participant");
    assert!(super::house::of_kind(&bob.rest().await, "switch").is_empty());
}
