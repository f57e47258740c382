//! WHIP publishers and WHEP viewers: HTTP and nothing else.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use enfilade::config::Config;
use testkit::endpoint::{Endpoint, Options, Player, Sending};
use testkit::{Codec, Participant, Server, Shape, eventually, whip};

use super::stage::{ROOM, Stage, frames, token_for};

struct Publisher {
    endpoint: Arc<Endpoint>,
    resource: whip::Resource,
    camera: Sending,
    _players: [Player; 2],
}

async fn publish(server: &Server, id: &str) -> Publisher {
    let endpoint = Arc::new(Endpoint::new(Options::default()).await.unwrap());
    let voice = endpoint.add_sending(Codec::Opus, &[], 70).unwrap();
    let camera = endpoint.add_sending(Codec::Vp8, &[], 71).unwrap();
    let offer = endpoint.offer(false).unwrap();
    let token = token_for(ROOM, id, &["allow_join"]);
    let resource = whip::post(&server.url, &format!("/whip/{ROOM}"), &token, &offer)
        .await
        .unwrap();
    endpoint.answer(&resource.sdp).unwrap();
    endpoint.connected().await.unwrap();
    let players = [
        endpoint.play(&voice, &[Shape::SPEECH]),
        endpoint.play(&camera, &[Shape::CAMERA]),
    ];
    Publisher {
        endpoint,
        resource,
        camera,
        _players: players,
    }
}

async fn view(server: &Server, publisher: &str, viewer: &str) -> (Arc<Endpoint>, whip::Resource) {
    let endpoint = Arc::new(Endpoint::new(Options::default()).await.unwrap());
    endpoint.add_seats(1).unwrap();
    let offer = endpoint.offer(false).unwrap();
    let token = token_for(ROOM, viewer, &["allow_join"]);
    let path = format!("/whep/{ROOM}/{publisher}");
    let resource = whip::post(&server.url, &path, &token, &offer).await.unwrap();
    endpoint.answer(&resource.sdp).unwrap();
    endpoint.connected().await.unwrap();
    (endpoint, resource)
}

async fn sees(endpoint: &Endpoint, source: u32, count: usize) {
    let shown = eventually(format!("{count} pictures of {source}"), || {
        let record = endpoint.record();
        let whole = record
            .streams()
            .flat_map(|(_, stream)| stream.whole_frames())
            .filter(|frame| frame.stamp.source == source)
            .count();
        (whole >= count).then_some(())
    });
    if let Err(error) = shown.await {
        let record = endpoint.record();
        let seen: Vec<_> = record
            .streams()
            .map(|(ssrc, note)| (ssrc, note.packets, note.sources()))
            .collect();
        panic!("{error}; seen {seen:?}, trouble {:?}", endpoint.trouble());
    }
}

#[tokio::test]
async fn a_whip_publisher_is_seen_by_viewers_and_by_people() {
    let stage = Stage::set().await;
    let publisher = publish(&stage.server, "studio").await;
    let (viewer, _resource) = view(&stage.server, "studio", "viewer-1").await;
    sees(&viewer, 71, 10).await;
    let mut bob = stage.listener("bob", 1).await;
    assert_eq!(bob.joined["participants"][0]["id"], "studio");
    let seat = bob.seated("studio", &["audio", "video"]).await.unwrap();
    frames(&bob, seat.video_ssrc.unwrap(), 71, 5).await;
    let record = viewer.record();
    let first = record
        .streams()
        .flat_map(|(_, stream)| stream.ordered())
        .find(|note| note.stamp.is_some_and(|stamp| stamp.source == 71));
    assert!(first.unwrap().seen.keyframe);
    drop(record);
    assert!(publisher.endpoint.record().keyframe_requests(publisher.camera.ssrcs[0]) >= 1);
}

#[tokio::test]
async fn a_viewer_may_wait_for_the_publisher() {
    let stage = Stage::set().await;
    let (viewer, _resource) = view(&stage.server, "studio", "early").await;
    assert_eq!(viewer.record().streams().count(), 0);
    let publisher = publish(&stage.server, "studio").await;
    sees(&viewer, 71, 5).await;

    // The publisher ends and comes again: the viewer stays.
    let token = token_for(ROOM, "studio", &["allow_join"]);
    let ended = reqwest::Client::new()
        .delete(&publisher.resource.url)
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(ended.status(), 200);
    drop(publisher);
    viewer.record().forget();
    let _again = publish(&stage.server, "studio").await;
    sees(&viewer, 71, 5).await;
}

#[tokio::test]
async fn people_in_the_room_can_be_viewed() {
    let stage = Stage::set().await;
    let _ann = stage.speaker("ann", 10, 0).await;
    let (viewer, resource) = view(&stage.server, "ann", "viewer").await;
    sees(&viewer, 11, 5).await;
    let token = token_for(ROOM, "viewer", &["allow_join"]);
    let client = reqwest::Client::new();
    assert_eq!(
        client
            .delete(&resource.url)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        client
            .delete(&resource.url)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
}

/// An ICE-lite server with its candidates in the answer needs none of the client's (RFC 9725 section 4.3.2).
#[tokio::test]
async fn patch_takes_candidates_of_the_ice_session_there_is() {
    let stage = Stage::set().await;
    let _publisher = publish(&stage.server, "studio").await;
    let (viewer, resource) = view(&stage.server, "studio", "viewer").await;
    sees(&viewer, 71, 5).await;
    let token = token_for(ROOM, "viewer", &["allow_join"]);
    let fragment = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
        a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n";
    let patch = async |kind: &str, if_match: Option<&str>| {
        let mut request = reqwest::Client::new()
            .patch(&resource.url)
            .bearer_auth(&token)
            .header("content-type", kind)
            .body(fragment);
        if let Some(etag) = if_match {
            request = request.header("if-match", etag);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let trickle = "application/trickle-ice-sdpfrag";
    assert_eq!(patch(trickle, None).await.0, 204);
    assert_eq!(patch(trickle, resource.etag.as_deref()).await.0, 204);
    assert_eq!(patch(trickle, Some("\"another\"")).await.0, 412);
    assert_eq!(patch("text/plain", None).await.0, 415);
    viewer.record().forget();
    sees(&viewer, 71, 10).await;
}

/// RFC 9725 section 4.3.3: no offer, no new keys, and the numbers go on.
#[tokio::test]
async fn patch_restarts_ice_for_publisher_and_viewer() {
    let stage = Stage::set().await;
    let publisher = publish(&stage.server, "studio").await;
    let (viewer, watched) = view(&stage.server, "studio", "viewer").await;
    sees(&viewer, 71, 5).await;
    for (endpoint, resource, id) in [
        (&publisher.endpoint, &publisher.resource, "studio"),
        (&viewer, &watched, "viewer"),
    ] {
        let offer = endpoint.offer(true).unwrap();
        let word = |sdp: &str, key: &str| sdp.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
        let path = |sdp: &str| (word(sdp, "a=ice-ufrag:"), word(sdp, "a=ice-pwd:"));
        let (ufrag, pwd) = path(&offer);
        let fragment =
            format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n");
        let send = async |if_match: &str, body: String| {
            let token = token_for(ROOM, id, &["allow_join"]);
            let request = reqwest::Client::new().patch(&resource.url).bearer_auth(&token);
            let request = request.header("content-type", "application/trickle-ice-sdpfrag");
            request.header("if-match", if_match).body(body).send().await.unwrap()
        };
        assert_eq!(send("*", "a=ice-ufrag:alone\r\n".to_owned()).await.status(), 400);
        let answer = send("*", fragment.clone()).await;
        assert_eq!(answer.status(), 200);
        let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(answer.headers()["content-type"], "application/trickle-ice-sdpfrag");
        assert_ne!(Some(&etag), resource.etag.as_ref());
        let ours = answer.text().await.unwrap();
        assert!(ours.contains("a=candidate:"), "{ours}");
        let old = resource.etag.clone().unwrap();
        assert_eq!(send(&old, String::new()).await.status(), 412, "that session is over");
        assert_eq!(send(&etag, String::new()).await.status(), 204);
        // What was agreed before, with the new credentials in it, is the answer to the restart.
        let (before, after) = (path(&resource.sdp), path(&ours));
        assert_ne!(before.0, after.0);
        let sdp = resource.sdp.replace(&before.0, &after.0).replace(&before.1, &after.1);
        endpoint.answer(&sdp).unwrap();
        endpoint.connected().await.unwrap();
        viewer.record().forget();
        sees(&viewer, 71, 10).await;
    }
    let metrics = stage.server.metrics().await.unwrap();
    assert_eq!(
        metrics.sum("enfilade_dtls_handshake_seconds_count", ""),
        2.0,
        "no new keys"
    );
}

/// RFC 9725 section 4.6.
#[tokio::test]
async fn turn_servers_come_as_links_with_credentials_that_end() {
    let urls = r#"["turn:192.0.2.7:3478","turns:turn.example.org:443?transport=tcp"]"#;
    let secret = "a-secret-of-the-turn-server";
    let stage = Stage::set_with(&[
        ("ENFILADE_TURN__URLS", urls),
        ("ENFILADE_TURN__SECRET", secret),
        ("ENFILADE_TURN__TTL", "5m"),
        ("ENFILADE_LOG__FILTER", "trace"),
    ])
    .await;
    let publisher = publish(&stage.server, "studio").await;
    let [udp, tls] = publisher.resource.links.as_slice() else {
        panic!("{:?}", publisher.resource.links);
    };
    assert!(
        udp.starts_with("<turn:192.0.2.7:3478>; rel=\"ice-server\"; username=\""),
        "{udp}"
    );
    assert!(
        tls.starts_with("<turns:turn.example.org:443?transport=tcp>; rel=\"ice-server\"; "),
        "{tls}"
    );
    let field = |name: &str| {
        let (_, rest) = udp.split_once(&format!("; {name}=\"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let (username, credential) = (field("username"), field("credential"));
    assert_eq!(field("credential-type"), "password");
    let (ends, user) = username.split_once(':').unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!((now + 290..=now + 300).contains(&ends.parse().unwrap()) && user == "studio");

    let mut ann = stage.join("ann").await;
    let server = ann.joined["iceServers"][0].clone();
    assert_eq!(
        (&server["urls"][0], &ann.joined["iceServersTtlMs"]),
        (&"turn:192.0.2.7:3478".into(), &300_000.into())
    );
    let renewed = ann.signal.request("ice.servers", serde_json::json!({})).await.unwrap();
    assert_eq!(renewed["iceServers"][0]["urls"], server["urls"]);
    let log = stage.server.log().join("\n");
    let shown = [secret, &credential, server["credential"].as_str().unwrap()];
    assert!(shown.iter().all(|word| !log.contains(word)), "a secret is in the log");
}

#[tokio::test]
async fn what_is_not_allowed_is_refused() {
    let stage = Stage::set().await;
    let publisher = publish(&stage.server, "studio").await;
    let client = reqwest::Client::new();
    let endpoint = Endpoint::new(Options::default()).await.unwrap();
    endpoint.add_sending(Codec::Opus, &[], 1).unwrap();
    let offer = endpoint.offer(false).unwrap();
    let whip = format!("{}/whip/{ROOM}", stage.server.url);
    let post = |kind: &'static str, token: Option<String>, body: String| {
        let request = client.post(&whip).header("content-type", kind).body(body);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let good = token_for(ROOM, "other", &["allow_join"]);
    let sdp = "application/sdp";
    assert_eq!(post(sdp, None, offer.clone()).await, 401);
    assert_eq!(post(sdp, Some("nonsense".to_owned()), offer.clone()).await, 401);
    let elsewhere = token_for("elsewhere", "other", &["allow_join"]);
    let status = post(sdp, Some(elsewhere), offer.clone()).await;
    assert!(matches!(status, 401 | 403), "{status}");
    assert_eq!(post("text/plain", Some(good.clone()), offer.clone()).await, 415);
    let status = post(sdp, Some(good.clone()), "no sdp".to_owned()).await;
    assert!(matches!(status, 400 | 422), "{status}");
    // The server says so by the declared length and closes; a client that is still sending may see only the latter.
    let large = client
        .post(&whip)
        .header("content-type", sdp)
        .bearer_auth(&good)
        .body("x".repeat(2 << 20));
    if let Ok(answer) = large.send().await {
        assert_eq!(answer.status(), 413);
        assert_eq!(answer.headers()["connection"], "close");
    }

    // A client of its own: the connection of the refused body is closing, and must not be taken from the pool.
    let options = reqwest::Client::new()
        .request(reqwest::Method::OPTIONS, &whip)
        .send()
        .await
        .unwrap();
    assert!(matches!(options.status().as_u16(), 200 | 204), "{}", options.status());
    let accept = options
        .headers()
        .get("accept-post")
        .and_then(|value| value.to_str().ok());
    assert_eq!(accept, Some("application/sdp"), "{:?}", options.headers());

    // The URL of a resource is a secret of its owner; without a token for the room it opens nothing.
    let stranger = token_for("elsewhere", "studio", &["allow_join"]);
    let foreign = client
        .delete(&publisher.resource.url)
        .bearer_auth(&stranger)
        .send()
        .await
        .unwrap();
    assert!(matches!(foreign.status().as_u16(), 401 | 403), "{}", foreign.status());
    let guessed = format!("{whip}/0123456789abcdef0123456789abcdef");
    let guess = client.delete(&guessed).bearer_auth(&good).send().await.unwrap();
    assert_eq!(guess.status(), 404);
    let nobody = client.delete(&publisher.resource.url).send().await.unwrap();
    assert_eq!(nobody.status(), 401);
    let (viewer, _resource) = view(&stage.server, "studio", "viewer").await;
    sees(&viewer, 71, 3).await;
}

/// A token that was handed over with a request to switch rooms.
fn good_for_one_join(participant: &str) -> String {
    let key = &Config::development().keys[0];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = serde_json::json!({
        "apikey": key.id, "permissions": ["allow_join"], "version": 2, "roomId": ROOM, "participantId": participant,
        "exp": now + 600, "jti": participant, "switch": true
    });
    let secret = jsonwebtoken::EncodingKey::from_secret(key.secret.expose());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &secret).unwrap()
}

#[tokio::test]
async fn a_token_that_is_good_for_one_join_makes_one_resource() {
    let stage = Stage::set().await;
    let endpoint = Endpoint::new(Options::default()).await.unwrap();
    endpoint.add_sending(Codec::Opus, &[], 1).unwrap();
    let offer = endpoint.offer(false).unwrap();
    let post = async |path: &str, token: &str, offer: &str| {
        let made = whip::post(&stage.server.url, path, token, offer).await;
        made.map_err(|error| error.to_string())
    };
    let whip = format!("/whip/{ROOM}");
    let token = good_for_one_join("cam");
    assert!(post(&whip, &token, "no sdp").await.unwrap_err().contains("sdp-"));
    let made = post(&whip, &token, &offer).await.unwrap();
    let refused = post(&whip, &token, &offer).await.unwrap_err();
    assert!(refused.contains("token-used"), "{refused}");
    let client = reqwest::Client::new();
    let gone = client.delete(&made.url).bearer_auth(&token).send().await.unwrap();
    assert_eq!(gone.status(), 200, "what it made is still its own");

    let joined = good_for_one_join("ann");
    let ann = Participant::join_with(&stage.server.url, &joined, serde_json::json!({}), Options::default());
    let _ann = ann.await.unwrap();
    let viewer = Endpoint::new(Options::default()).await.unwrap();
    viewer.add_seats(1).unwrap();
    for (path, offer) in [
        (whip, offer),
        (format!("/whep/{ROOM}/ann"), viewer.offer(false).unwrap()),
    ] {
        let refused = post(&path, &joined, &offer).await.unwrap_err();
        assert!(refused.contains("token-used"), "{path}: {refused}");
    }
}
