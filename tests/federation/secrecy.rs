//! The token of a switch request is in one socket and nowhere else.

use serde_json::json;

use super::house::{HOUR, House, token};

#[tokio::test]
async fn the_token_appears_in_its_addressees_socket_and_nowhere_else() {
    let house = House::with(&[("ENFILADE_LOG__FILTER", "trace")]).await;
    let (mut ann, mut al) = (house.join("a", "ann").await, house.join("a", "al").await);
    let (mut bob, mut bea) = (house.join("b", "bob").await, house.join("b", "bea").await);
    let mut mod_of_b = house
        .join_with("b", "mod", &["allow_join", "allow_mod"], json!({}))
        .await;
    let mut cleo = house.join("c", "cleo").await;
    ann.link("b", json!(null)).await;
    bob.link("c", json!(null)).await;
    let canary = token("a", Some("bob"), &["allow_join"], HOUR);
    let signature = canary.rsplit('.').next().unwrap().to_owned();
    ann.ask(
        "switch",
        json!({"participant":"bob","link":"b","room":"a","token":canary,"payload":1}),
    )
    .await
    .unwrap();
    assert_eq!(bob.event("switch").await["token"], canary.as_str());
    // A refused one leaves no trace either: wrong addressee, wrong room, damaged.
    let damaged = format!("{}x", &canary[..canary.len() - 1]);
    for (who, room, token) in [("nobody", "a", &canary), ("bea", "b", &canary), ("bea", "a", &damaged)] {
        let switch = json!({"participant":who,"link":"b","room":room,"token":token});
        ann.ask("switch", switch).await.unwrap_err();
    }
    for (name, person) in [
        ("ann", &mut ann),
        ("al", &mut al),
        ("bea", &mut bea),
        ("mod", &mut mod_of_b),
        ("cleo", &mut cleo),
    ] {
        let heard = serde_json::to_string(&person.rest().await).unwrap() + &person.joined.to_string();
        assert!(!heard.contains(&signature), "{name} was shown the token");
    }
    let metrics = house.server.metrics().await.unwrap().0;
    assert!(!metrics.contains(&signature), "a metric shows the token");
    let log = house.server.log().join("\n");
    assert!(
        log.contains("TRACE") || log.contains("DEBUG"),
        "the log was not verbose: {log}"
    );
    for part in canary.split('.').skip(1) {
        assert!(!log.contains(part), "the log shows the token");
    }
}
