//! Those who are told hear everything, in order, signed, and again until they have taken it.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::Folder;

use super::stage::{Ear, Letter, Stage, token, words};

const SECRET: &str = "a secret that two programs share with each other";

fn endpoints(ears: &[&Ear]) -> String {
    let urls: Vec<&str> = ears.iter().map(|ear| ear.url.as_str()).collect();
    json!(urls).to_string()
}

const VISIT: [&str; 4] = [
    "session-started",
    "participant-joined",
    "participant-left",
    "session-ended",
];

async fn visit(stage: &Stage, room: &str) {
    let mut ann = stage.join(room, "ann").await;
    ann.request("leave", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_session_is_told_in_order_and_signed() {
    let ear = Ear::new().await;
    let urls = endpoints(&[&ear]);
    let stage = Stage::set(&[
        ("ENFILADE_WEBHOOKS__ENDPOINTS", &urls),
        ("ENFILADE_WEBHOOKS__SECRET", SECRET),
        ("ENFILADE_ROOM__DEPARTURE_TIMEOUT", "0s"),
    ])
    .await;
    visit(&stage, "told").await;
    let letters = ear.heard(4).await;
    assert_eq!(words(&letters), VISIT);
    let (_, answer) = stage.get("/v2/public/rsa-public-key").await;
    let pem = answer["publicKey"].as_str().unwrap();
    let inner: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, STANDARD.decode(inner).unwrap());
    for (number, letter) in (1_u64..).zip(&letters) {
        let signature = letter.headers["videosdk-signature"].to_str().unwrap();
        let signature = STANDARD.decode(signature).unwrap();
        assert!(public.verify(letter.text.as_bytes(), &signature).is_ok());
        let stamp = letter.headers["enfilade-signature"].to_str().unwrap();
        let (time, tag) = stamp.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
        let expected = aws_lc_rs::hmac::sign(&key, format!("{time}.{}", letter.text).as_bytes());
        let hex: String = expected.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(tag, hex);
        assert_eq!(letter.body["sequence"], number);
        let data = &letter.body["data"];
        assert_eq!(data["meetingId"], "told");
        let id = format!("{}-{number}", data["sessionId"].as_str().unwrap());
        assert_eq!(letter.body["id"], id);
    }
    let left = &letters[2].body["data"];
    assert_eq!(
        (&left["participantId"], &left["reason"]),
        (&json!("ann"), &json!("left"))
    );
    assert!(left["start"].is_string() && left["end"].is_string());
    assert_eq!(letters[3].body["data"]["reason"], "empty");
}

#[tokio::test]
async fn a_room_tells_its_own_endpoint_what_that_wants_to_know() {
    let ear = Ear::new().await;
    let stage = Stage::set(&[("ENFILADE_ROOM__DEPARTURE_TIMEOUT", "0s")]).await;
    let webhook = json!({"endPoint": ear.url, "events": ["participant-left", "session-ended"]});
    stage
        .post("/v2/rooms", json!({"customRoomId": "own", "webhook": webhook}))
        .await;
    visit(&stage, "another").await;
    visit(&stage, "own").await;
    let letters = ear.heard(2).await;
    assert_eq!(words(&letters), ["participant-left", "session-ended"]);
    assert!(letters.iter().all(|letter| letter.body["data"]["meetingId"] == "own"));
    assert!(letters[0].headers.get("enfilade-signature").is_none());
}

#[tokio::test]
async fn an_endpoint_that_is_dead_holds_up_no_other_and_shows_in_metrics() {
    let (dead, well) = (Ear::new().await, Ear::new().await);
    dead.say(503);
    let urls = endpoints(&[&dead, &well]);
    let stage = Stage::set(&[
        ("ENFILADE_WEBHOOKS__ENDPOINTS", &urls),
        ("ENFILADE_ROOM__DEPARTURE_TIMEOUT", "0s"),
    ])
    .await;
    visit(&stage, "told").await;
    assert_eq!(words(&well.heard(4).await), VISIT);
    let letters = dead.heard(2).await;
    assert!(
        letters.iter().all(|letter| letter.body == letters[0].body),
        "the first again, never the second"
    );
    let metrics = stage.server.metrics().await.unwrap();
    assert!(metrics.sum("enfilade_webhooks_waiting", "") >= 4.0);
    assert!(metrics.sum("enfilade_webhooks_total", "unreachable") >= 1.0);
    dead.say(200);
    let letters = dead.until("session-ended").await;
    let mut told = words(&letters);
    told.dedup();
    assert_eq!(told, VISIT);
}

#[tokio::test]
async fn nothing_is_lost_when_the_server_is_killed_while_it_tells() {
    let folder = Folder::new();
    let ear = Ear::new().await;
    let urls = endpoints(&[&ear]);
    let settings = [
        ("ENFILADE_WEBHOOKS__ENDPOINTS", urls.as_str()),
        ("ENFILADE_RECORDS__DIRECTORY", folder.text()),
        ("ENFILADE_ROOM__DEPARTURE_TIMEOUT", "0s"),
    ];
    // The first is on its way and never answered; the others wait.
    ear.say(0);
    let stage = Stage::set(&settings).await;
    visit(&stage, "first").await;
    let _left_behind = stage.join("second", "bob").await;
    let kept = |page: &Value| {
        let ended = page["data"].as_array().unwrap().iter();
        page["data"][0]["participants"][0].is_object() && ended.filter(|one| one["status"] == "ended").count() == 1
    };
    stage.until("/v2/sessions", kept).await;
    ear.heard(1).await;
    // Without a word: the process is killed.
    drop(stage);
    ear.forget();
    ear.say(200);
    let _stage = Stage::set(&settings).await;
    // What the killed process had sent already may be heard late, and comes again: it says by its number which it is.
    let mut count = 8;
    let letters = loop {
        let mut letters = ear.heard(count).await;
        let mut known = BTreeSet::new();
        letters.retain(|one| known.insert(format!("{}{}", one.body["data"]["meetingId"], one.body["sequence"])));
        if letters.len() == 8 {
            break letters;
        }
        count += 1;
    };
    let mut rooms: BTreeMap<&str, Vec<&Letter>> = BTreeMap::new();
    for letter in &letters {
        let room = letter.body["data"]["meetingId"].as_str().unwrap();
        rooms.entry(room).or_default().push(letter);
    }
    for letters in rooms.values() {
        let told: Vec<&str> = letters
            .iter()
            .map(|one| one.body["webhookType"].as_str().unwrap())
            .collect();
        assert_eq!(told, VISIT);
        let numbers: Vec<u64> = letters
            .iter()
            .map(|one| one.body["sequence"].as_u64().unwrap())
            .collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
    }
    assert_eq!(rooms["second"][3].body["data"]["reason"], "node-lost");
}

#[tokio::test]
async fn a_recording_is_told_from_beginning_to_end_though_the_room_ends_first() {
    let (ear, folder) = (Ear::new().await, Folder::new());
    let urls = endpoints(&[&ear]);
    let stage = Stage::set(&[
        ("ENFILADE_WEBHOOKS__ENDPOINTS", &urls),
        ("ENFILADE_RECORDING__DIRECTORY", folder.text()),
        ("ENFILADE_RECORDING__MIN_FREE", "0"),
        ("ENFILADE_ROOM__DEPARTURE_TIMEOUT", "0s"),
    ])
    .await;
    let mut ann = stage.join("taped", "ann").await;
    let moderator = token(json!({"permissions": ["allow_join", "allow_mod"]}));
    let bearer = format!("Bearer {moderator}");
    let headers = [("authorization", bearer.as_str())];
    let (status, _, begun) = stage
        .raw(Method::POST, "/v1/rooms/taped/recordings", &headers, None)
        .await;
    assert_eq!(status, 201, "{begun}");
    ann.request("leave", json!({})).await.unwrap();
    let letters = ear.heard(7).await;
    let mut told = words(&letters);
    // Whichever comes first: the end of the room, or that its last picture is written.
    let stopped = told.iter().position(|word| *word == "recording-stopped").unwrap();
    assert!(stopped >= 4, "{told:?}");
    let told_stopped = &letters[stopped].body["data"];
    told.remove(stopped);
    assert_eq!(
        told,
        [
            "session-started",
            "participant-joined",
            "recording-starting",
            "recording-started",
            "participant-left",
            "session-ended"
        ]
    );
    assert_eq!(told_stopped["reason"], "room-closed");
    assert_eq!(told_stopped["recordingId"], begun["recording"]);
    let manifest = folder.path().join(told_stopped["filePath"].as_str().unwrap());
    assert!(manifest.is_file(), "{manifest:?}");
}

/// A key pair of the operator's: the file, and who checks what it signs.
fn key_pair() -> (String, UnparsedPublicKey<Vec<u8>>) {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::KeyPair as _;
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let text = STANDARD.encode(der.as_ref());
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        lines.join("\n")
    );
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.as_ref().to_vec());
    (pem, public)
}

fn is_signed(letter: &Letter, public: &UnparsedPublicKey<Vec<u8>>, secret: &str) -> bool {
    let signature = letter.headers["videosdk-signature"].to_str().unwrap();
    let signature = STANDARD.decode(signature).unwrap();
    let stamp = letter.headers["enfilade-signature"].to_str().unwrap();
    let (time, tag) = stamp.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let expected = aws_lc_rs::hmac::sign(&key, format!("{time}.{}", letter.text).as_bytes());
    let hex: String = expected.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    public.verify(letter.text.as_bytes(), &signature).is_ok() && tag == hex
}

#[tokio::test]
async fn keys_from_files_sign_and_others_do_once_the_files_are_read_again() {
    let folder = Folder::new();
    let (key_file, secret_file) = (folder.path().join("key.pem"), folder.path().join("secret"));
    let ear = Ear::new().await;
    let urls = endpoints(&[&ear]);
    let (pem, public) = key_pair();
    std::fs::write(&key_file, pem).unwrap();
    std::fs::write(&secret_file, format!("{SECRET}\n")).unwrap();
    let stage = Stage::set(&[
        ("ENFILADE_WEBHOOKS__ENDPOINTS", &urls),
        ("ENFILADE_WEBHOOKS__SIGNING_KEY_FILE", key_file.to_str().unwrap()),
        ("ENFILADE_WEBHOOKS__SECRET_FILE", secret_file.to_str().unwrap()),
        ("ENFILADE_ROOM__DEPARTURE_TIMEOUT", "0s"),
    ])
    .await;
    visit(&stage, "first").await;
    let letters = ear.heard(4).await;
    assert!(letters.iter().all(|letter| is_signed(letter, &public, SECRET)));
    let before = stage.get("/v2/public/rsa-public-key").await.1;

    let (pem, public) = key_pair();
    let secret = "another secret that two programs share with each other";
    std::fs::write(&key_file, pem).unwrap();
    std::fs::write(&secret_file, secret).unwrap();
    stage.server.hang_up().unwrap();
    let line = stage.server.logged("the configuration was read again").await.unwrap();
    assert!(
        line.contains("webhooks.secret") && line.contains("webhooks.signing_key_file"),
        "{line}"
    );
    ear.forget();
    visit(&stage, "second").await;
    let letters = ear.heard(4).await;
    assert!(letters.iter().all(|letter| is_signed(letter, &public, secret)));
    assert_ne!(stage.get("/v2/public/rsa-public-key").await.1, before);

    std::fs::write(&key_file, "nonsense").unwrap();
    stage.server.hang_up().unwrap();
    stage.server.logged("there is no key in PKCS #8 in it").await.unwrap();
    ear.forget();
    visit(&stage, "third").await;
    let letters = ear.heard(4).await;
    assert!(
        letters.iter().all(|letter| is_signed(letter, &public, secret)),
        "the keys in force stay"
    );
}
