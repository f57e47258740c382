//! Whichever node is asked over HTTP, the answer is the same.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use axum::body::Bytes;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Codec, Folder, Participant};

use crate::house::{Cluster, code, gauge_is, server_token, token, try_join};

impl Cluster {
    /// Asks a node as an operator's server. Status, entity tag and body.
    async fn rest(&self, node: usize, method: Method, path: &str, body: Value) -> (u16, String, Value) {
        self.rest_if(node, method, path, body, None).await
    }

    async fn rest_if(
        &self,
        node: usize,
        method: Method,
        path: &str,
        body: Value,
        tag: Option<&str>,
    ) -> (u16, String, Value) {
        let url = format!("{}{path}", self.nodes[node].url);
        let mut request = reqwest::Client::new().request(method, url).bearer_auth(server_token());
        if !body.is_null() {
            request = request.json(&body);
        }
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let tag = answer.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        let text = answer.text().await.unwrap();
        (
            status,
            tag.unwrap_or_default(),
            serde_json::from_str(&text).unwrap_or(Value::Null),
        )
    }

    async fn get(&self, node: usize, path: &str) -> Value {
        let (status, _, body) = self.rest(node, Method::GET, path, Value::Null).await;
        assert_eq!(status, 200, "{path} of node {node}: {body}");
        body
    }

    async fn post(&self, node: usize, path: &str, body: Value) -> Value {
        let (status, _, body) = self.rest(node, Method::POST, path, body).await;
        assert!((200..300).contains(&status), "{path} of node {node}: {status} {body}");
        body
    }

    /// Asks until the answer is as it should be.
    async fn until(&self, node: usize, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..1_000 {
            (_, _, last) = self.rest(node, Method::GET, path, Value::Null).await;
            if wanted(&last) {
                return last;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("in vain asked node {node} for {path}: {last}");
    }
}

/// A body and its signature.
type Signed = (Vec<u8>, Vec<u8>);

fn strings(list: &Value, field: &str) -> Vec<String> {
    let list = list.as_array().unwrap();
    list.iter().map(|one| one[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_a_living_room_is_done_from_whichever_node_is_asked() {
    let folder = Folder::new();
    let recording = [
        ("ENFILADE_RECORDING__DIRECTORY", folder.text()),
        ("ENFILADE_RECORDING__MIN_FREE", "0"),
    ];
    let cluster = Cluster::with(3, &recording).await;
    let mut ann = cluster.join(0, "r", "ann").await;
    let mut voice = Participant::join(&cluster.nodes[0].url, &token("r", "voice"), json!({}))
        .await
        .unwrap();
    let _sending = voice.send("microphone", Codec::Opus, &[], 7).unwrap();
    voice.negotiate().await.unwrap();
    let mut far = cluster.join(1, "far", "far").await;
    gauge_is(&cluster.nodes[1], "enfilade_rooms", 1.0).await;

    ann.ask("topic.subscribe", json!({"topic": "t"})).await.unwrap();
    for node in [1, 2] {
        for version in ["v1", "v2"] {
            let people = cluster.get(node, &format!("/{version}/rooms/r/participants")).await;
            let list = if version == "v1" {
                &people["participants"]
            } else {
                &people["data"]
            };
            assert_eq!(strings(list, "id"), ["ann", "voice"], "{people}");
        }
        let stats = cluster.get(node, "/v1/rooms/r/stats").await;
        assert_eq!(stats["participants"].as_array().unwrap().len(), 2, "{stats}");
        cluster
            .post(node, "/v2/rooms/r/send", json!({"text": format!("from {node}")}))
            .await;
        assert_eq!(ann.event("chat").await["text"], format!("from {node}"));
        cluster
            .post(node, "/v2/rooms/r/send", json!({"topic": "t", "payload": {"n": node}}))
            .await;
        assert_eq!(ann.event("topic.message").await["payload"], json!({"n": node}));
        let asked = json!({"participantId": "ann", "roomId": "far", "token": token("far", "ann")});
        cluster.post(node, "/v2/rooms/r/move", asked).await;
        ann.event("switch").await;

        cluster.post(node, "/v2/rooms/r/links", json!({"roomId": "far"})).await;
        assert_eq!(far.event("link.opened").await["link"], "r");
        for path in ["/v1/rooms/r/links", "/v2/rooms/r/links"] {
            assert!(cluster.get(node, path).await.to_string().contains("\"far\""));
        }
        let (status, ..) = cluster
            .rest(node, Method::DELETE, "/v2/rooms/r/links/far", Value::Null)
            .await;
        assert_eq!(status, 204);
        far.event("link.closed").await;

        let begun = cluster.post(node, "/v1/rooms/r/recordings", Value::Null).await;
        let name = begun["recording"].as_str().unwrap();
        let all = cluster.get(3 - node, "/v1/rooms/r/recordings").await;
        assert!(all.to_string().contains(name), "{all}");
        let (status, _, ended) = cluster
            .rest(
                3 - node,
                Method::DELETE,
                &format!("/v1/rooms/r/recordings/{name}"),
                Value::Null,
            )
            .await;
        assert_eq!(status, 200, "{ended}");
    }
    let mute = json!({"participantId": "voice", "source": "microphone"});
    cluster.post(1, "/v2/rooms/r/mute", mute).await;
    let people = cluster.get(2, "/v2/rooms/r/participants").await;
    assert!(people.to_string().contains("\"muted\":true"), "{people}");
    let session = ann.joined["session"].as_str().unwrap().to_owned();
    let removed = json!({"roomId": "r", "participantId": "voice", "sessionId": session});
    cluster.post(2, "/v2/sessions/participants/remove", removed).await;
    assert_eq!(ann.event("participant.left").await["participant"], "voice");
    let guest = cluster.join(2, "r", "guest").await;
    let (status, ..) = cluster
        .rest(1, Method::DELETE, "/v1/rooms/r/participants/guest", Value::Null)
        .await;
    assert_eq!(status, 204);
    cluster
        .post(1, "/v2/sessions/end", json!({"roomId": "r", "sessionId": session}))
        .await;
    ann.event("bye").await;
    let (status, ..) = cluster.rest(2, Method::DELETE, "/v1/rooms/far", Value::Null).await;
    assert_eq!(status, 204);
    far.event("bye").await;
    drop(guest);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_of_all_nodes_and_name_those_that_do_not_answer() {
    let cluster = Cluster::of(3).await;
    let mut people = Vec::new();
    for (node, room) in ["a", "b", "c"].into_iter().enumerate() {
        people.push(cluster.join(node, room, "one").await);
        gauge_is(&cluster.nodes[node], "enfilade_rooms", 1.0).await;
    }
    people[0].ask("link.open", json!({"room": "b"})).await.unwrap();
    let sessions: Vec<String> = people
        .iter()
        .map(|one| one.joined["session"].as_str().unwrap().to_owned())
        .collect();
    for node in 0..3 {
        let rooms = cluster.get(node, "/v1/rooms").await;
        assert_eq!(strings(&rooms["rooms"], "room"), ["a", "b", "c"], "{rooms}");
        let homes: BTreeSet<String> = strings(&rooms["rooms"], "node").into_iter().collect();
        assert_eq!((homes.len(), &rooms["next"]), (3, &Value::Null), "{rooms}");
        let rooms = cluster.get(node, "/v1/rooms?after=a").await;
        assert_eq!(strings(&rooms["rooms"], "room"), ["b", "c"]);

        let all = cluster
            .until(node, "/v2/sessions", |all| all["pageInfo"]["total"] == 3)
            .await;
        assert_eq!(
            strings(&all["data"], "roomId"),
            ["c", "b", "a"],
            "the newest first: {all}"
        );
        assert_eq!(all["data"][1]["participants"][0]["participantId"], "one", "{all}");
        let (mut seen, mut path) = (Vec::new(), "/v2/sessions?perPage=1".to_owned());
        loop {
            let page = cluster.get(node, &path).await;
            seen.extend(strings(&page["data"], "id"));
            match page["pageInfo"]["next"].as_str() {
                Some(next) => path = format!("/v2/sessions?perPage=1&after={next}"),
                None => break,
            }
        }
        assert_eq!(seen, [&*sessions[2], &sessions[1], &sessions[0]]);
        let second = cluster.get(node, "/v2/sessions?perPage=1&page=2").await;
        assert_eq!(strings(&second["data"], "id"), [&*sessions[1]]);
        let of_room = cluster.get(node, "/v2/sessions?roomId=b").await;
        assert_eq!(
            (&of_room["pageInfo"]["total"], strings(&of_room["data"], "id")),
            (&json!(1), vec![sessions[1].clone()])
        );

        for session in &sessions {
            let one = cluster.get(node, &format!("/v2/sessions/{session}")).await;
            assert_eq!(one["participants"][0]["participantId"], "one", "{one}");
            let here = cluster
                .get(node, &format!("/v2/sessions/{session}/participants/active"))
                .await;
            assert_eq!(strings(&here["data"], "participantId"), ["one"]);
            cluster.get(node, &format!("/v2/sessions/{session}/stats")).await;
            cluster
                .get(node, &format!("/v2/sessions/{session}/participant/one/stats"))
                .await;
        }
        let links = format!("/v2/sessions/{}/links", sessions[0]);
        cluster
            .until(node, &links, |links| links["data"][0]["roomId"] == "b")
            .await;
    }

    cluster.nodes[1].freeze(true).unwrap();
    let (rooms, all, (status, _, refused)) = tokio::join!(
        cluster.get(0, "/v1/rooms"),
        cluster.get(0, "/v2/sessions"),
        cluster.rest(0, Method::GET, "/v2/sessions/unknown", Value::Null),
    );
    cluster.nodes[1].freeze(false).unwrap();
    assert_eq!(strings(&rooms["rooms"], "room"), ["a", "c"], "{rooms}");
    let silent = rooms["unanswered"][0].as_str().unwrap();
    assert!(silent.starts_with("node-1-"), "{rooms}");
    assert_eq!(
        (strings(&all["data"], "roomId"), &all["unanswered"]),
        (vec!["c".to_owned(), "a".to_owned()], &rooms["unanswered"])
    );
    assert_eq!((status, &refused["code"]), (503, &json!("cluster-unreachable")));
    assert!(refused["detail"].as_str().unwrap().contains(silent), "{refused}");
    let (status, ..) = cluster.rest(2, Method::GET, "/v2/sessions/unknown", Value::Null).await;
    assert_eq!(status, 404, "all answer again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_made_at_one_node_holds_on_all_and_is_changed_from_any() {
    let mut cluster = Cluster::of(3).await;
    let made = json!({"customRoomId": "m", "maxParticipants": 1});
    let (status, tag, _) = cluster.rest(0, Method::POST, "/v2/rooms", made.clone()).await;
    assert_eq!(status, 200);
    for node in [1, 2] {
        let (_, there, room) = cluster.rest(node, Method::GET, "/v2/rooms/m", Value::Null).await;
        assert_eq!((&there, &room["maxParticipants"]), (&tag, &json!(1)), "{room}");
        cluster.get(node, "/v2/rooms/validate/m").await;
        let again = cluster
            .post(node, "/v2/rooms", json!({"customRoomId": "m", "maxParticipants": 7}))
            .await;
        assert_eq!(again["maxParticipants"], 1, "it is there, unchanged");
        cluster
            .until(node, "/v2/rooms", |rooms| rooms["pageInfo"]["total"] == 1)
            .await;
    }
    // Whatever node the room begins at has what was made at another, at once.
    let mut ann = cluster.join(1, "m", "ann").await;
    let refused = try_join(&cluster.nodes[2], "m", "ben").await.err().unwrap();
    assert_eq!(code(&refused), "room-full");
    let change = json!({"maxParticipants": 2});
    let (status, newer, _) = cluster
        .rest_if(2, Method::PATCH, "/v2/rooms/m", change, Some(&tag))
        .await;
    assert_eq!(status, 200);
    let ben = try_join(&cluster.nodes[0], "m", "ben").await.unwrap();
    for node in 0..3 {
        let stale = json!({"maxParticipants": 9});
        let (status, ..) = cluster
            .rest_if(node, Method::PATCH, "/v2/rooms/m", stale, Some(&tag))
            .await;
        assert_eq!(status, 412, "of somebody who has not seen the change");
        let (_, there, _) = cluster.rest(node, Method::GET, "/v2/rooms/m", Value::Null).await;
        assert_eq!(there, newer);
    }
    cluster.post(0, "/v2/rooms/m", json!({"status": "disabled"})).await;
    ann.event("bye").await;
    for node in 0..3 {
        let refused = try_join(&cluster.nodes[node], "m", "ann").await.err().unwrap();
        assert_eq!(code(&refused), "room-disabled");
    }
    let both = [0, 1].map(|node| {
        let body = json!({"customRoomId": "both", "maxParticipants": 10 + node});
        cluster.post(node, "/v2/rooms", body)
    });
    let both = futures_util::future::join_all(both).await;
    assert_eq!(
        both[0]["maxParticipants"], both[1]["maxParticipants"],
        "of two who make it one has"
    );
    drop(ben);

    // A node that comes later learns of it, even where NATS has forgotten everything meanwhile.
    cluster.nats.end();
    cluster.nats.forget();
    cluster.nats.begin().await.unwrap();
    cluster.everybody_knows(3).await;
    cluster.add(&[]).await;
    let rooms = cluster
        .until(3, "/v2/rooms", |rooms| rooms["pageInfo"]["total"] == 2)
        .await;
    assert_eq!(strings(&rooms["data"], "roomId"), ["both", "m"]);
    // Whichever copy was told first, the newest stands.
    let newest = |rooms: &Value| rooms["data"][0]["disabled"] == true;
    cluster.until(3, "/v2/rooms?after=both", newest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_made_without_nats_where_a_node_may_be_alone_and_told_when_it_is_back() {
    let mut cluster = Cluster::of(2).await;
    cluster.nats.end();
    let (status, _, refused) = cluster
        .rest(0, Method::POST, "/v2/rooms", json!({"customRoomId": "soon"}))
        .await;
    assert_eq!(
        (status, &refused["code"]),
        (503, &json!("cluster-unreachable")),
        "until it counts as cut off"
    );
    gauge_is(&cluster.nodes[0], "enfilade_cluster_cut_off", 1.0).await;
    cluster
        .post(0, "/v2/rooms", json!({"customRoomId": "alone", "maxParticipants": 3}))
        .await;
    cluster.nats.begin().await.unwrap();
    let room = cluster
        .until(1, "/v2/rooms/alone", |room| room["roomId"] == "alone")
        .await;
    assert_eq!(room["maxParticipants"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_of_all_nodes_are_signed_with_one_key_that_any_of_them_tells() {
    let heard: Arc<Mutex<Vec<Signed>>> = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoints = json!([format!("http://{}/", listener.local_addr().unwrap())]).to_string();
    let hears = Arc::clone(&heard);
    let hear = move |headers: HeaderMap, body: Bytes| {
        let signature = STANDARD.decode(&headers["videosdk-signature"]).unwrap();
        hears.lock().unwrap().push((body.to_vec(), signature));
        std::future::ready(())
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(hear)).await });
    let cluster = Cluster::with(3, &[("ENFILADE_WEBHOOKS__ENDPOINTS", &endpoints)]).await;
    let mut keys = BTreeSet::new();
    for node in 0..3 {
        let key = cluster.get(node, "/v2/public/rsa-public-key").await;
        keys.insert(key["publicKey"].as_str().unwrap().to_owned());
        drop(cluster.join(node, &format!("r{node}"), "ann").await);
    }
    assert_eq!(keys.len(), 1, "{keys:?}");
    let pem = keys.pop_first().unwrap();
    let inner: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, STANDARD.decode(inner).unwrap());
    let rooms_heard = || {
        let heard = heard.lock().unwrap();
        let rooms = heard.iter().map(|(body, signature)| {
            assert!(
                public.verify(body, signature).is_ok(),
                "{}",
                String::from_utf8_lossy(body)
            );
            serde_json::from_slice::<Value>(body).unwrap()["data"]["meetingId"].to_string()
        });
        (rooms.collect::<BTreeSet<_>>().len() == 3).then_some(())
    };
    testkit::eventually("each node tells of its room", rooms_heard)
        .await
        .unwrap();
}
