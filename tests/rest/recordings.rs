//! Recordings that are had over HTTP, and removed.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::{Codec, Folder, Participant, Shape};

use super::stage::{Stage, crawler, token};

async fn stage(folder: &Folder, settings: &[(&str, &str)]) -> Stage {
    let own = [
        ("ENFILADE_RECORDING__DIRECTORY", folder.text()),
        ("ENFILADE_RECORDING__MIN_FREE", "0"),
    ];
    Stage::set(&[settings, &own].concat()).await
}

/// Asks for bytes, not for JSON.
async fn fetch(stage: &Stage, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let mut request = reqwest::Client::new().get(format!("{}{path}", stage.server.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.bearer_auth(crawler()).send().await.unwrap()
}

async fn delete(stage: &Stage, path: &str, authorization: &str) -> u16 {
    let headers = [("authorization", authorization)];
    stage.raw(Method::DELETE, path, &headers, None).await.0
}

fn moderator() -> String {
    token(json!({"permissions": ["allow_join", "allow_mod"], "roomId": "studio"}))
}

#[tokio::test]
async fn a_recording_is_listed_shown_downloaded_in_parts_and_removed() {
    let folder = Folder::new();
    let stage = stage(&folder, &[]).await;
    let ann = token(json!({"roomId": "studio", "participantId": "ann"}));
    let mut ann = Participant::join(&stage.server.url, &ann, json!({})).await.unwrap();
    let camera = ann.send("camera", Codec::Vp8, &[], 11).unwrap();
    ann.negotiate().await.unwrap();
    let _playing = ann.endpoint.play(&camera, &[Shape::CAMERA]);
    let bearer = format!("Bearer {}", moderator());
    let headers = [("authorization", bearer.as_str())];
    let all = "/v1/rooms/studio/recordings";
    let (status, _, info) = stage.raw(Method::POST, all, &headers, None).await;
    assert_eq!(status, 201, "{info}");
    let id = info["recording"].as_str().unwrap().to_owned();
    let file = folder.path().join(&id).join("0001-ann-camera.webm");
    let path = format!("/v2/recordings/{id}");
    // It is seen to grow.
    let is_long = |shown: &Value| shown["files"][0]["bytes"].as_u64().is_some_and(|bytes| bytes > 20_000);
    stage.until(&path, is_long).await;
    let (_, page) = stage.get("/v2/recordings").await;
    assert_eq!(
        (&page["data"][0]["id"], &page["data"][0]["status"]),
        (&json!(id), &json!("ongoing"))
    );
    assert_eq!(delete(&stage, &path, &crawler()).await, 409, "it goes on");
    let part = fetch(
        &stage,
        &format!("{path}/files/0001-ann-camera.webm"),
        &[("range", "bytes=0-3")],
    )
    .await;
    assert_eq!(
        part.bytes().await.unwrap()[..],
        [0x1a, 0x45, 0xdf, 0xa3],
        "what there is so far is had"
    );
    let (status, ..) = stage.raw(Method::DELETE, &format!("{all}/{id}"), &headers, None).await;
    assert_eq!(status, 200);

    let (_, shown) = stage.get(&path).await;
    assert_eq!(
        (&shown["status"], &shown["reason"], &shown["roomId"]),
        (&json!("ended"), &json!("stopped"), &json!("studio"))
    );
    let noted = &shown["files"][0];
    assert_eq!(
        (&noted["name"], &noted["participantId"]),
        (&json!("0001-ann-camera.webm"), &json!("ann"))
    );
    assert_eq!(shown["participants"][0]["participantId"], "ann");
    let kept = std::fs::read(&file).unwrap();
    assert_eq!(noted["bytes"].as_u64(), Some(kept.len() as u64));
    assert_eq!(shown["bytes"], noted["bytes"]);

    let at = format!("{path}/files/0001-ann-camera.webm");
    let whole = fetch(&stage, &at, &[]).await;
    assert_eq!(whole.headers()["content-type"], "video/webm");
    let modified = whole.headers()["last-modified"].to_str().unwrap().to_owned();
    assert!(whole.bytes().await.unwrap() == kept);
    let part = fetch(&stage, &at, &[("range", "bytes=100-199")]).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    let range = format!("bytes 100-199/{}", kept.len());
    assert_eq!(part.headers()["content-range"].to_str().unwrap(), range);
    assert!(part.bytes().await.unwrap() == kept[100..200]);
    let beyond = fetch(&stage, &at, &[("range", "bytes=999999999-")]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.headers()["content-type"], "application/problem+json");
    let same = fetch(&stage, &at, &[("if-modified-since", &modified)]).await;
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    let (_, manifest) = stage.get(&format!("{path}/files/manifest.json")).await;
    assert_eq!(manifest["recording"], json!(id));

    assert_eq!(delete(&stage, &path, &crawler()).await, 204);
    assert!(!folder.path().join(&id).exists());
    assert_eq!(stage.get(&path).await.0, 404);
    assert_eq!(delete(&stage, &path, &crawler()).await, 404);
    let metrics = stage.server.metrics().await.unwrap();
    assert_eq!(metrics.sum("enfilade_recordings_removed_total", "request"), 1.0);
}

/// A recording that lies there, from this to that, as a server before this one left it.
fn lay(folder: &Path, id: &str, room: &str, started_at_ms: u64, ended_at_ms: Option<u64>) {
    let place = folder.join(id);
    std::fs::create_dir_all(&place).unwrap();
    let files = json!([{"file": "0001-ann-camera.webm", "participant": "ann", "startMs": 0, "durationMs": 10, "bytes": 4,
        "complete": true, "tracks": [{"source": "camera", "codec": "vp8"}]}]);
    let manifest = json!({"version": 1, "recording": id, "room": room, "session": format!("of-{room}"),
        "startedAtMs": started_at_ms, "endedAtMs": ended_at_ms, "end": ended_at_ms.map(|_| "stopped"),
        "participants": [], "files": files, "skipped": [], "links": []});
    std::fs::write(place.join("0001-ann-camera.webm"), "webm").unwrap();
    std::fs::write(place.join("manifest.json"), manifest.to_string()).unwrap();
}

fn ids(page: &Value) -> Vec<&str> {
    let data = page["data"].as_array().unwrap();
    data.iter().map(|one| one["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn recordings_of_the_past_are_listed_by_room_and_session_page_by_page() {
    let folder = Folder::new();
    lay(folder.path(), "a1", "east", 1_000, Some(2_000));
    lay(folder.path(), "a2", "west", 3_000, Some(4_000));
    lay(folder.path(), "a3", "east", 5_000, Some(6_000));
    // None of these is a recording.
    lay(folder.path(), "Other_Name", "east", 1, Some(2));
    std::fs::create_dir_all(folder.path().join("a4")).unwrap();
    std::fs::write(folder.path().join("a4/manifest.json"), "{").unwrap();
    std::fs::write(folder.path().join("a5"), "a file").unwrap();
    lay(folder.path(), "a6", "east", 1, Some(2));
    std::fs::rename(folder.path().join("a6"), folder.path().join("a7")).unwrap();
    let stage = stage(&folder, &[]).await;
    let (_, page) = stage.get("/v2/recordings").await;
    assert_eq!(ids(&page), ["a3", "a2", "a1"]);
    let (_, page) = stage.get("/v2/recordings?perPage=1&page=2").await;
    assert_eq!((ids(&page), &page["pageInfo"]["total"]), (vec!["a2"], &json!(3)));
    let (_, page) = stage.get("/v2/recordings?roomId=east").await;
    assert_eq!(ids(&page), ["a3", "a1"]);
    let (_, page) = stage.get("/v2/recordings?sessionId=of-west").await;
    assert_eq!(ids(&page), ["a2"]);
    for id in ["a4", "a5", "a7", "a8"] {
        assert_eq!(stage.get(&format!("/v2/recordings/{id}")).await.0, 404, "{id}");
    }
}

#[tokio::test]
async fn no_path_leads_out_of_a_recording_and_no_token_into_that_of_another_room() {
    let folder = Folder::new();
    lay(folder.path(), "a1", "east", 1_000, Some(2_000));
    std::fs::write(folder.path().join("a1/secret.txt"), "secret").unwrap();
    std::fs::write(folder.path().join("secret.txt"), "secret").unwrap();
    let stage = stage(&folder, &[]).await;
    let names = [
        "secret.txt",
        "..%2fsecret.txt",
        "%2e%2e%2fsecret.txt",
        "..%5csecret.txt",
        "%2fetc%2fpasswd",
        "0001-ann-camera.webm%00",
        "0001-ann-camera.webm%2f..%2fsecret.txt",
        ".",
    ];
    for name in names {
        let answer = fetch(&stage, &format!("/v2/recordings/a1/files/{name}"), &[]).await;
        assert!(answer.status().is_client_error(), "{name}: {}", answer.status());
    }
    for id in ["..", "%2e%2e", "..%2fa1", "A1", "a1%00", &"a".repeat(65)] {
        let answer = fetch(&stage, &format!("/v2/recordings/{id}"), &[]).await;
        assert!(answer.status().is_client_error(), "{id}: {}", answer.status());
        assert!(
            delete(&stage, &format!("/v2/recordings/{id}"), &crawler()).await >= 400,
            "{id}"
        );
    }
    let bound = |room: &str| token(json!({"roles": ["crawler"], "roomId": room}));
    let elsewhere = bound("west");
    for path in ["/v2/recordings/a1", "/v2/recordings/a1/files/0001-ann-camera.webm"] {
        let ask = async |authorization: &str| {
            let headers = [("authorization", authorization)];
            stage.raw(Method::GET, path, &headers, None).await.0
        };
        assert_eq!((ask(&elsewhere).await, ask(&bound("east")).await), (404, 200), "{path}");
    }
    assert_eq!(delete(&stage, "/v2/recordings/a1", &elsewhere).await, 404);
    assert!(folder.path().join("a1/0001-ann-camera.webm").exists());
    assert_eq!(delete(&stage, "/v2/recordings/a1", &bound("east")).await, 204);
}

#[tokio::test]
async fn what_is_older_than_it_may_be_is_removed_and_nothing_else() {
    let folder = Folder::new();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = since.unwrap().as_millis() as u64;
    let hour = 3_600_000;
    lay(folder.path(), "a1", "east", now - 5 * hour, Some(now - 3 * hour));
    lay(folder.path(), "a2", "east", now - 5 * hour, Some(now - hour));
    lay(folder.path(), "a3", "east", now - 5 * hour, None);
    std::fs::create_dir_all(folder.path().join("photos")).unwrap();
    std::fs::create_dir_all(folder.path().join(".removed-a9")).unwrap();
    let stage = stage(&folder, &[("ENFILADE_RECORDING__RETENTION", "2h")]).await;
    stage.server.logged("too old is removed").await.unwrap();
    let (_, page) = stage.get("/v2/recordings").await;
    let mut left = ids(&page);
    left.sort_unstable();
    assert_eq!(
        left,
        ["a2", "a3"],
        "one that was written just now may be going on, wherever"
    );
    assert!(folder.path().join("photos").exists() && !folder.path().join(".removed-a9").exists());
    let metrics = stage.server.metrics().await.unwrap();
    assert_eq!(metrics.sum("enfilade_recordings_removed_total", "age"), 1.0);
}

#[tokio::test]
async fn a_server_that_does_not_record_has_no_recordings() {
    let stage = Stage::set(&[]).await;
    assert_eq!(stage.get("/v2/recordings").await.1["data"], json!([]));
    assert_eq!(stage.get("/v2/recordings/a1").await.0, 404);
}
