//! People who come to any node meet.

use serde_json::json;
use testkit::whip::post;
use testkit::{Codec, Participant};

use crate::house::{Cluster, code, gauge_is, token, token_with, try_join};

#[tokio::test(flavor = "multi_thread")]
async fn people_who_come_to_different_nodes_meet_in_one_room() {
    let cluster = Cluster::of(3).await;
    let mut ann = cluster.join(0, "r", "ann").await;
    let mut ben = cluster.join(1, "r", "ben").await;
    let cleo = cluster.join(2, "r", "cleo").await;
    assert_eq!(ben.met(), ["ann"]);
    assert_eq!(cleo.met(), ["ann", "ben"]);
    assert_eq!(ann.joined["session"], cleo.joined["session"], "it is one session");
    assert_eq!(ann.event("participant.joined").await["participant"]["id"], "ben");

    ben.ask("chat", json!({"text": "grün ".repeat(1_000)})).await.unwrap();
    assert_eq!(ann.event("chat").await["participant"], "ben");
    drop(cleo);
    for node in &cluster.nodes {
        assert!(node.metrics().await.unwrap().sum("enfilade_rooms", "") <= 1.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_who_comes_at_once_to_all_nodes_is_in_one_room() {
    let cluster = Cluster::of(3).await;
    for round in 0..5 {
        let room = format!("r{round}");
        let ids = ["a", "b", "c", "d", "e", "f"];
        let joins = ids.iter().enumerate().map(|(at, id)| cluster.join(at % 3, &room, id));
        let people = futures_util::future::join_all(joins).await;
        let sessions: std::collections::BTreeSet<_> =
            people.iter().map(|one| one.joined["session"].to_string()).collect();
        assert_eq!(sessions.len(), 1, "{sessions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn media_goes_straight_to_the_node_that_has_the_room() {
    let cluster = Cluster::of(2).await;
    let first = cluster.join(0, "r", "first").await;
    let url = |node: usize| cluster.nodes[node].url.clone();
    let mut ann = Participant::join(&url(1), &token("r", "ann"), json!({})).await.unwrap();
    let voice = ann.send("microphone", Codec::Opus, &[], 7).unwrap();
    ann.negotiate().await.unwrap();
    let sdp = ann.answered["sdp"].as_str().unwrap();
    let port = cluster.nodes[0].media_port.to_string();
    assert!(
        sdp.contains(&format!(" {port} typ host")),
        "not the port {port} in {sdp}"
    );
    drop((first, voice));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_taken_up_again_at_another_node() {
    let cluster = Cluster::of(2).await;
    let mut ann = cluster.join(0, "r", "ann").await;
    let mut ben = cluster.join(1, "r", "ben").await;
    let key = ben.joined["resume"]["key"].as_str().unwrap().to_owned();
    let last = ben.signal.cut();
    ann.ask("chat", json!({"text": "missed"})).await.unwrap();
    for node in [0, 1] {
        let mut signal = testkit::Signal::connect(&cluster.nodes[node].url).await.unwrap();
        signal.resume(1, &key, last).await.unwrap();
        assert_eq!(signal.event("chat").await.unwrap()["text"], "missed");
        ben.signal = signal;
        ben.signal.cut();
    }
}

/// So many show what goes wrong once in some twenty times.
const ATTEMPTS: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_over_there_may_try_again_on_the_same_socket() {
    let guest = |room: &str, id: &str| token_with(room, id, &["allow_join"]);
    let cluster = Cluster::of(2).await;
    let mut owner = cluster.join(0, "locked", "owner").await;
    owner
        .ask("room.update", json!({"settings": {"password": "sesame"}}))
        .await
        .unwrap();
    let mut signal = testkit::Signal::connect(&cluster.nodes[1].url).await.unwrap();
    // At once, so that the next attempt overtakes the end of the one before.
    for _ in 0..ATTEMPTS {
        let refused = signal.join(&guest("locked", "ann"), json!({})).await.unwrap_err();
        assert_eq!(code(&refused), "password-required");
    }
    let joined = signal
        .join(&guest("locked", "ann"), json!({"password": "sesame"}))
        .await
        .unwrap();
    assert_eq!(joined["participants"].as_array().unwrap().len(), 1);
    let mut signal = testkit::Signal::connect(&cluster.nodes[1].url).await.unwrap();
    signal.join(&guest("locked", "ben"), json!({})).await.unwrap_err();
    signal.join(&guest("elsewhere", "ben"), json!({})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_lists_whip_and_statistics_are_the_same_at_every_node() {
    let cluster = Cluster::of(2).await;
    let mut ann = cluster.join(0, "r", "ann").await;
    ann.ask("room.update", json!({"settings": {"listing": "open"}}))
        .await
        .unwrap();
    let mut ben = cluster.join(1, "other", "ben").await;
    let asked = json!({"room": "r", "token": token("r", "ben")});
    let presence = ben.ask("presence", asked).await.unwrap();
    assert_eq!(presence["exists"], true, "{presence}");
    let listed = ben.ask("rooms", json!({"listing": "open"})).await.unwrap();
    assert_eq!(listed["rooms"][0]["room"], "r", "{listed}");

    let stats = reqwest::Client::new()
        .get(format!("{}/v1/rooms/r/stats", cluster.nodes[1].url))
        .bearer_auth(token("r", "ben"))
        .send()
        .await
        .unwrap();
    assert_eq!(stats.status(), 200);
    let stats: serde_json::Value = stats.json().await.unwrap();
    assert_eq!(stats["participants"][0]["participant"], "ann", "{stats}");

    let endpoint = testkit::Endpoint::new(testkit::Options::default()).await.unwrap();
    endpoint.add_sending(Codec::Opus, &[], 1).unwrap();
    let offer = endpoint.offer(false).unwrap();
    let base = &cluster.nodes[1].url;
    let resource = post(base, "/whip/r", &token("r", "cam"), &offer).await.unwrap();
    assert_eq!(ann.event("participant.joined").await["participant"]["id"], "cam");
    endpoint.answer(&resource.sdp).unwrap();
    endpoint.connected().await.unwrap();
    let ended = reqwest::Client::new()
        .delete(&resource.url)
        .bearer_auth(token("r", "cam"))
        .send();
    assert_eq!(ended.await.unwrap().status(), 200);
    assert_eq!(ann.event("participant.left").await["participant"], "cam");
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_of_two_nodes_are_linked_talk_and_part() {
    let cluster = Cluster::of(2).await;
    // Each is the first of its room where it comes in.
    let mut ann = cluster.join(0, "a", "ann").await;
    let mut ben = cluster.join(1, "b", "ben").await;
    gauge_is(&cluster.nodes[0], "enfilade_rooms", 1.0).await;
    gauge_is(&cluster.nodes[1], "enfilade_rooms", 1.0).await;

    ann.ask("link.open", json!({"room": "b", "payload": {"why": "tea"}}))
        .await
        .unwrap();
    let opened = ben.event("link.opened").await;
    assert_eq!(opened["link"], "a", "{opened}");
    assert_eq!(opened["participants"][0]["id"], "ann");
    for number in 0..8 {
        ann.ask("link.chat", json!({"link": "b", "text": number.to_string()}))
            .await
            .unwrap();
    }
    for number in 0..8 {
        let said = ben.event("link.chat").await;
        assert_eq!(said["text"], number.to_string());
    }
    let cleo = cluster.join(0, "b", "cleo").await;
    let roster = ann.event("link.roster").await;
    assert_eq!(roster["joined"][0]["id"], "cleo", "{roster}");
    drop(cleo);
    ann.ask("link.close", json!({"link": "b"})).await.unwrap();
    assert_eq!(ben.event("link.closed").await["reason"], "closed-remote");
    let nobody = ann.ask("link.open", json!({"room": "nowhere"})).await.unwrap_err();
    assert_eq!(code(&nobody), "room-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_in_the_cluster_that_nobody_names_serves_as_if_alone() {
    let cluster = Cluster::of(1).await;
    let ann = cluster.join(0, "r", "ann").await;
    assert!(ann.met().is_empty());
    let wrong = try_join(&cluster.nodes[0], "r", "ann").await.unwrap();
    assert_eq!(wrong.joined["room"], "r");
}
