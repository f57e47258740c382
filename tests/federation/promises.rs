//! The conformance tests that the Meeting API's documents imply, on the bare protocol.

use serde_json::json;

use super::house::{HOUR, House, of_kind, token};

#[tokio::test]
async fn connecting_is_told_once_to_every_member_of_both_rooms() {
    let house = House::open().await;
    let (mut ann, mut al) = (house.join("a", "ann").await, house.join("a", "al").await);
    let (mut bob, mut bea) = (house.join("b", "bob").await, house.join("b", "bea").await);
    ann.link("b", json!("Hello Everyone.")).await;
    for (person, other, people) in [
        (
            &mut ann,
            "b",
            json!([{"id":"bob","displayName":"BOB"},{"id":"bea","displayName":"BEA"}]),
        ),
        (
            &mut al,
            "b",
            json!([{"id":"bob","displayName":"BOB"},{"id":"bea","displayName":"BEA"}]),
        ),
        (
            &mut bob,
            "a",
            json!([{"id":"ann","displayName":"ANN"},{"id":"al","displayName":"AL"}]),
        ),
        (
            &mut bea,
            "a",
            json!([{"id":"ann","displayName":"ANN"},{"id":"al","displayName":"AL"}]),
        ),
    ] {
        let opened = person.event("link.opened").await;
        assert_eq!(
            (&opened["link"], &opened["payload"]),
            (&json!(other), &json!("Hello Everyone."))
        );
        let mut told: Vec<&str> = opened["participants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        let mut wanted: Vec<&str> = people
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        told.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(told, wanted);
        assert!(of_kind(&person.rest().await, "link.opened").is_empty(), "once");
    }
}

#[tokio::test]
async fn a_third_room_sees_nothing_of_its_neighbours_neighbour() {
    let house = House::open().await;
    let (mut ann, mut bob, mut cleo) = (
        house.join("a", "ann").await,
        house.join("b", "bob").await,
        house.join("c", "cleo").await,
    );
    ann.link("b", json!(null)).await;
    bob.link("c", json!(null)).await;
    let _carl = house.join("c", "carl").await;
    cleo.ask("link.chat", json!({"link":"b","text":"to b alone"}))
        .await
        .unwrap();
    assert_eq!(bob.event("link.chat").await["text"], "to b alone");
    // Something that does reach the first room, so that there was time for what must not.
    bob.ask("link.chat", json!({"link":"a","text":"to a"})).await.unwrap();
    assert_eq!(ann.event("link.chat").await["text"], "to a");
    let rest = ann.rest().await;
    assert!(!serde_json::to_string(&rest).unwrap().contains("cleo"), "{rest:?}");
}

#[tokio::test]
async fn joining_over_there_is_told_with_exactly_id_and_display_name() {
    let house = House::open().await;
    let (mut ann, mut bob) = (house.join("a", "ann").await, house.join("b", "bob").await);
    ann.link("b", json!(null)).await;
    let eve = house
        .join_with(
            "b",
            "eve",
            &["allow_join"],
            json!({"metadata": {"email": "eve@example.org"}}),
        )
        .await;
    let roster = ann.event("link.roster").await;
    assert_eq!(roster["joined"], json!([{"id":"eve","displayName":"EVE"}]));
    assert!(!roster.to_string().contains("example.org"));
    bob.event("participant.joined").await;
    drop(eve);
    // A socket that just breaks leaves after its window; who leaves says so.
    let mut kit = house.join("b", "kit").await;
    ann.event("link.roster").await;
    kit.ask("leave", json!({})).await.unwrap();
    assert_eq!(ann.event("link.roster").await["left"], json!(["kit"]));
}

#[tokio::test]
async fn chat_reaches_every_member_over_there_once_and_nobody_here() {
    let house = House::open().await;
    let (mut ann, mut al) = (house.join("a", "ann").await, house.join("a", "al").await);
    let (mut bob, mut bea) = (house.join("b", "bob").await, house.join("b", "bea").await);
    ann.link("b", json!(null)).await;
    let sent = ann
        .ask("link.chat", json!({"link":"b","text":"Hi there, from MARS!"}))
        .await
        .unwrap();
    for person in [&mut bob, &mut bea] {
        let chat = person.event("link.chat").await;
        assert_eq!(
            (&chat["text"], &chat["participant"]),
            (&json!("Hi there, from MARS!"), &json!("ann"))
        );
        assert_eq!(chat["message"], sent["message"]);
        assert!(of_kind(&person.rest().await, "link.chat").is_empty(), "once");
    }
    for person in [&mut ann, &mut al] {
        let rest = person.rest().await;
        assert!(
            of_kind(&rest, "link.chat").is_empty() && of_kind(&rest, "chat").is_empty(),
            "{rest:?}"
        );
    }
}

#[tokio::test]
async fn a_switch_is_asked_of_its_addressee_who_then_moves_by_itself() {
    let house = House::open().await;
    let (mut ann, mut bob, mut bea) = (
        house.join("a", "ann").await,
        house.join("b", "bob").await,
        house.join("b", "bea").await,
    );
    ann.link("b", json!(null)).await;
    let ticket = token("a", Some("bob"), &["allow_join"], HOUR);
    ann.ask(
        "switch",
        json!({"participant":"bob","link":"b","room":"a","token":ticket,"payload":"payload"}),
    )
    .await
    .unwrap();
    let asked = bob.event("switch").await;
    assert_eq!(
        (
            &asked["room"],
            &asked["payload"],
            &asked["participant"],
            &asked["link"],
            &asked["token"]
        ),
        (
            &json!("a"),
            &json!("payload"),
            &json!("ann"),
            &json!("a"),
            &json!(ticket)
        )
    );
    assert!(of_kind(&bea.rest().await, "switch").is_empty(), "only the addressee");
    assert!(
        of_kind(&bea.rest().await, "participant.left").is_empty(),
        "nobody moves by itself"
    );
    bob.ask("leave", json!({})).await.unwrap();
    let mut moved = testkit::signal::Signal::connect(&house.server.url).await.unwrap();
    moved.join(asked["token"].as_str().unwrap(), json!({})).await.unwrap();
    assert_eq!(ann.event("participant.joined").await["participant"]["id"], "bob");
}

#[tokio::test]
async fn ending_a_linked_room_puts_all_of_it_out_and_ours_lives_on() {
    let house = House::open().await;
    let (mut ann, mut bob) = (house.join("a", "ann").await, house.join("b", "bob").await);
    ann.link("b", json!(null)).await;
    ann.ask("link.end", json!({"link":"b"})).await.unwrap();
    assert_eq!(bob.event("bye").await["code"], "room-closed");
    assert_eq!(bob.signal.closed().await.unwrap().0, Some(4010));
    assert_eq!(ann.event("link.closed").await["reason"], "remote-ended");
    ann.ask("chat", json!({"text":"still here"})).await.unwrap();
    // The name is free again, without the link, which can be made anew.
    let mut bob = house.join("b", "bob").await;
    assert_eq!(bob.joined["links"], json!([]));
    bob.ask("chat", json!({"text":"alone"})).await.unwrap();
    ann.link("b", json!("anew")).await;
    assert_eq!(bob.event("link.opened").await["payload"], "anew");
}

#[tokio::test]
async fn closing_ends_the_link_on_both_sides_and_no_room() {
    let house = House::open().await;
    let (mut ann, mut bob) = (house.join("a", "ann").await, house.join("b", "bob").await);
    ann.link("b", json!(null)).await;
    bob.ask("link.close", json!({"link":"a"})).await.unwrap();
    assert_eq!(ann.event("link.closed").await["reason"], "closed-remote");
    assert_eq!(bob.event("link.closed").await["reason"], "closed-local");
    let _eve = house.join("b", "eve").await;
    bob.event("participant.joined").await;
    assert!(of_kind(&ann.rest().await, "link.roster").is_empty());
    assert_eq!(
        ann.refused("link.chat", json!({"link":"b","text":"x"})).await,
        "no-such-link"
    );
}

#[tokio::test]
async fn late_joiners_see_the_link_and_doubled_openings_make_one() {
    let house = House::open().await;
    let (mut ann, mut bob) = (house.join("a", "ann").await, house.join("b", "bob").await);
    let (first, second) = tokio::join!(
        ann.ask("link.open", json!({"room":"b","payload":"from a"})),
        bob.ask("link.open", json!({"room":"a","payload":"from b"})),
    );
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    let (here, there) = (ann.event("link.opened").await, bob.event("link.opened").await);
    assert_eq!(here["payload"], there["payload"]);
    ann.link("b", json!("again")).await;
    assert!(of_kind(&ann.rest().await, "link.opened").is_empty());
    let late = house.join("a", "late").await;
    assert_eq!(late.joined["links"][0]["link"], "b");
    assert_eq!(
        late.joined["links"][0]["participants"],
        json!([{"id":"bob","displayName":"BOB"}])
    );
    ann.ask("link.close", json!({"link":"b"})).await.unwrap();
    bob.event("link.closed").await;
    ann.link("b", json!("anew")).await;
    assert_eq!(bob.event("link.opened").await["payload"], "anew");
}

#[tokio::test]
async fn a_hundred_rooms_asking_one_at_once_get_as_many_links_as_it_may_have() {
    let house = House::open().await;
    let mut hub = house.join("hub", "hub").await;
    let mut tasks = Vec::new();
    for n in 0..24 {
        let mut person = house.join(&format!("spoke-{n}"), "ann").await;
        tasks.push(tokio::spawn(async move {
            let answer = person.ask("link.open", json!({"room":"hub"})).await;
            (answer.map_err(|error| super::house::code(&error)), person)
        }));
    }
    let mut codes = Vec::new();
    let mut people = Vec::new();
    for task in tasks {
        let (answer, person) = task.await.unwrap();
        people.push(person);
        codes.extend(answer.err());
    }
    assert!(
        codes.iter().all(|code| code == "link-limit" || code == "rate-limited"),
        "{codes:?}"
    );
    let opened = of_kind(&hub.rest().await, "link.opened").len();
    assert_eq!(opened, people.len() - codes.len());
    assert!((1..=16).contains(&opened), "{opened}");
}
