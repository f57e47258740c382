//! Rooms that are recorded: real endpoints, a real server, real files.

use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use matroska_demuxer::{Frame, MatroskaFile};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::media::Stamp;
use testkit::{Codec, Folder, Participant, Server, eventually};

use super::stage::{ROOM, Stage, token_for};

async fn stage(folder: &Folder, settings: &[(&str, &str)]) -> Stage {
    let path = folder.text();
    let mut all = vec![
        ("ENFILADE_RECORDING__DIRECTORY", path),
        ("ENFILADE_RECORDING__MIN_FREE", "0"),
    ];
    all.extend_from_slice(settings);
    Stage::set_with(&all).await
}

async fn ask(server: &Server, method: Method, path: &str) -> (StatusCode, Value) {
    let token = token_for(ROOM, "operator", &["allow_join", "allow_mod"]);
    let url = format!("{}/v1/rooms/{ROOM}/recordings{path}", server.url);
    let request = reqwest::Client::new().request(method, url).bearer_auth(token);
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn start(server: &Server) -> String {
    let (status, info) = ask(server, Method::POST, "").await;
    assert_eq!(
        (status, &info["state"]),
        (StatusCode::CREATED, &json!("started")),
        "{info}"
    );
    info["recording"].as_str().unwrap().to_owned()
}

fn manifest(folder: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).ok()?).ok()
}

/// Codec, milliseconds and keyframe of every frame.
fn frames(path: &Path) -> Vec<(String, u64, bool)> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    let Ok(mut file) = MatroskaFile::open(BufReader::new(file)) else {
        return Vec::new();
    };
    let codec = |file: &MatroskaFile<_>, number| {
        let track = file.tracks().iter().find(|track| track.track_number().get() == number);
        track.unwrap().codec_id().to_owned()
    };
    let (mut frame, mut frames) = (Frame::default(), Vec::new());
    while file.next_frame(&mut frame).unwrap_or(false) {
        let name = codec(&file, frame.track);
        frames.push((name, frame.timestamp, frame.is_keyframe.unwrap_or(false)));
    }
    frames
}

/// Waits until a file holds this much.
async fn holds(path: &Path, codec: &str, count: usize) -> Vec<(String, u64, bool)> {
    let enough = || {
        let found = frames(path);
        (found.iter().filter(|(known, ..)| known == codec).count() >= count).then_some(found)
    };
    eventually(format!("{count} frames of {codec} in {}", path.display()), enough)
        .await
        .unwrap()
}

#[tokio::test]
async fn whoever_is_in_a_recorded_room_gets_a_file_with_sound_and_picture() {
    let folder = Folder::new();
    let stage = stage(&folder, &[]).await;
    let mut watcher = stage.listener("watcher", 2).await;
    let ann = stage.speaker("ann", 10, 0).await;
    let recording = start(&stage.server).await;
    for state in ["starting", "started"] {
        let told = watcher.signal.event("recording").await.unwrap();
        assert_eq!((&told["state"], &told["recording"]), (&json!(state), &json!(recording)));
    }
    let (status, again) = ask(&stage.server, Method::POST, "").await;
    assert_eq!(
        (status, &again["code"]),
        (StatusCode::CONFLICT, &json!("recording-runs"))
    );

    let place = folder.path().join(&recording);
    let file = place.join("0002-ann-camera.webm");
    holds(&file, "V_VP8", 30).await;
    // Whoever comes later is recorded, too, and knows it.
    let late = stage.speaker("bob", 20, 0).await;
    assert_eq!(late.person.joined["recording"]["state"], "started");
    holds(&place.join("0003-bob-camera.webm"), "A_OPUS", 30).await;

    let (status, info) = ask(&stage.server, Method::DELETE, &format!("/{recording}")).await;
    assert_eq!(
        (status, &info["state"], &info["reason"]),
        (StatusCode::OK, &json!("stopped"), &json!("stopped"))
    );
    for state in ["stopping", "stopped"] {
        assert_eq!(watcher.signal.event("recording").await.unwrap()["state"], state);
    }
    let manifest = manifest(&place).unwrap();
    assert_eq!(manifest["end"], "stopped");
    let people: Vec<&Value> = manifest["participants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["participant"])
        .collect();
    assert_eq!(people, ["watcher", "ann", "bob"]);
    for noted in manifest["files"].as_array().unwrap() {
        let path = place.join(noted["file"].as_str().unwrap());
        assert_eq!(noted["bytes"].as_u64(), Some(path.metadata().unwrap().len()));
        assert_eq!(noted["complete"], true);
        let all = frames(&path);
        let of = |codec: &str| {
            all.iter()
                .filter(|(known, ..)| known == codec)
                .cloned()
                .collect::<Vec<_>>()
        };
        let (sound, picture) = (of("A_OPUS"), of("V_VP8"));
        assert!(sound.len() > 20 && picture.len() > 10, "{noted}");
        assert!(picture[0].2, "the picture begins with a keyframe");
        assert!(sound[0].1.abs_diff(picture[0].1) < 1_000);
        assert!(
            sound.windows(2).all(|pair| pair[1].1 - pair[0].1 == 20),
            "sound without gaps"
        );
    }
    let (_, listed) = ask(&stage.server, Method::GET, "").await;
    assert_eq!(listed["recordings"][0]["state"], "stopped");
    let metrics = stage.server.metrics().await.unwrap();
    assert!(metrics.sum("enfilade_recordings_ended_total", "stopped") >= 1.0);
    assert_eq!(metrics.sum("enfilade_packets_turned_away_total", "recorder_full"), 0.0);
    drop((ann, late));
}

#[tokio::test]
async fn every_codec_can_be_recorded() {
    let folder = Folder::new();
    let stage = stage(&folder, &[]).await;
    let codecs = [
        (Codec::Vp9, "V_VP9", "webm"),
        (Codec::H264, "V_MPEG4/ISO/AVC", "mkv"),
        (Codec::Av1, "V_AV1", "webm"),
    ];
    let mut people = Vec::new();
    for (at, (codec, ..)) in (1..).zip(codecs) {
        people.push(stage.speaker_with(&format!("p{at}"), at * 10, 0, codec, &[]).await);
    }
    let recording = start(&stage.server).await;
    for (at, (_, name, extension)) in (1..).zip(codecs) {
        let file = folder
            .path()
            .join(&recording)
            .join(format!("{at:04}-p{at}-camera.{extension}"));
        let found = holds(&file, name, 10).await;
        let first = found.iter().find(|(codec, ..)| codec == name).unwrap();
        assert!(first.2, "{name} begins with a keyframe");
    }
}

/// Encoding, milliseconds and keyframe of every picture.
fn pictures(path: &Path) -> Vec<(u8, u64, bool)> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    let Ok(mut file) = MatroskaFile::open(BufReader::new(file)) else {
        return Vec::new();
    };
    let is_picture = |track: &matroska_demuxer::TrackEntry| track.codec_id().starts_with("V_");
    let video: Vec<u64> = file
        .tracks()
        .iter()
        .filter(|track| is_picture(track))
        .map(|track| track.track_number().get())
        .collect();
    let (mut frame, mut pictures) = (Frame::default(), Vec::new());
    while file.next_frame(&mut frame).unwrap_or(false) {
        if video.contains(&frame.track) {
            let stamp = Stamp::find(&frame.data).unwrap();
            pictures.push((stamp.layer, frame.timestamp, frame.is_keyframe.unwrap_or(false)));
        }
    }
    pictures
}

/// Waits until the last ten pictures are of this encoding.
async fn is_at(path: &Path, layer: u8) {
    let last = || {
        let all = pictures(path);
        let last = &all[all.len().checked_sub(10)?..];
        last.iter().all(|(found, ..)| *found == layer).then_some(())
    };
    if let Err(error) = eventually(format!("encoding {layer}"), last).await {
        let found: Vec<u8> = pictures(path).iter().map(|(layer, ..)| *layer).collect();
        panic!("{error}: {found:?}");
    }
}

#[tokio::test]
async fn of_simulcast_the_best_that_arrives_is_recorded_and_switches_run_on() {
    let folder = Folder::new();
    let stage = stage(&folder, &[]).await;
    let ann = stage.speaker_with("ann", 10, 0, Codec::Vp8, &["q", "h", "f"]).await;
    let recording = start(&stage.server).await;
    let place = folder.path().join(&recording);
    let file = place.join("0001-ann-camera.webm");
    is_at(&file, 2).await;
    let top = ann.camera.ssrcs[2].to_be_bytes();
    ann.person.endpoint.gate_outbound(Some(Box::new(move |datagram: &[u8]| {
        datagram.get(8..12) != Some(&top[..])
    })));
    is_at(&file, 1).await;
    ann.person.endpoint.gate_outbound(None);
    is_at(&file, 2).await;
    let (status, _) = ask(&stage.server, Method::DELETE, &format!("/{recording}")).await;
    assert_eq!(status, StatusCode::OK);
    let all = pictures(&file);
    assert!(all[0].2, "it begins with a keyframe");
    for pair in all.windows(2) {
        let ((before, earlier, _), (after, later, keyframe)) = (pair[0], pair[1]);
        assert!(
            before == after || keyframe,
            "a switch at {later} ms is a place to begin"
        );
        assert!(
            later > earlier && later - earlier < 4_000,
            "from {earlier} to {later} ms"
        );
    }
    let manifest = manifest(&place).unwrap();
    assert_eq!(
        manifest["files"].as_array().unwrap().len(),
        1,
        "one file from beginning to end"
    );
}

#[tokio::test]
async fn a_room_over_two_shards_is_recorded_whole() {
    let folder = Folder::new();
    let settings = [("ENFILADE_MEDIA__SHARDS", "2"), ("ENFILADE_MEDIA__ROOM_SPREAD", "1")];
    let stage = stage(&folder, &settings).await;
    let mut people = Vec::new();
    for (name, source) in [("ann", 10), ("bob", 20)] {
        people.push(stage.speaker(name, source, 0).await);
    }
    let port = |speaker: &super::stage::Speaker| {
        let sdp = speaker.person.answered["sdp"].as_str().unwrap();
        let line = sdp.lines().find(|line| line.starts_with("a=candidate")).unwrap();
        line.split(' ').nth(5).unwrap().to_owned()
    };
    assert_ne!(port(&people[0]), port(&people[1]), "one on each shard");
    let recording = start(&stage.server).await;
    for (number, name) in [(1, "ann"), (2, "bob")] {
        let file = folder
            .path()
            .join(&recording)
            .join(format!("{number:04}-{name}-camera.webm"));
        let found = holds(&file, "V_VP8", 30).await;
        assert!(
            found.iter().filter(|(codec, ..)| codec == "A_OPUS").count() > 20,
            "{name}"
        );
    }
    let (status, _) = ask(&stage.server, Method::DELETE, &format!("/{recording}")).await;
    assert_eq!(status, StatusCode::OK);
    let manifest = manifest(&folder.path().join(&recording)).unwrap();
    let files = manifest["files"].as_array().unwrap();
    assert!(
        files.len() == 2 && files.iter().all(|file| file["complete"] == true),
        "{manifest}"
    );
}

#[tokio::test]
async fn a_server_that_is_killed_leaves_files_that_play() {
    let folder = Folder::new();
    let stage = stage(&folder, &[]).await;
    let ann = stage.speaker("ann", 10, 0).await;
    let recording = start(&stage.server).await;
    let file = folder.path().join(&recording).join("0001-ann-camera.webm");
    let begun = std::time::Instant::now();
    holds(&file, "V_VP8", 50).await;
    let Stage { server } = stage;
    // Killed, not asked to end.
    drop(server);
    let lasted = begun.elapsed();
    let found = frames(&file);
    let last = found.iter().map(|(_, ms, _)| *ms).max().unwrap();
    assert!(found.len() >= 50 && Duration::from_millis(last) <= lasted + Duration::from_secs(2));
    let manifest = manifest(&folder.path().join(&recording)).unwrap();
    assert_eq!(
        (&manifest["end"], &manifest["files"][0]["complete"]),
        (&Value::Null, &json!(false))
    );
    drop(ann);
}

/// Everybody is told that it began, and then why it ended.
async fn fails(person: &mut Participant, reason: &str) {
    for (state, reason) in [
        ("starting", Value::Null),
        ("started", Value::Null),
        ("failed", json!(reason)),
    ] {
        let told = tokio::time::timeout(Duration::from_secs(60), person.signal.event("recording"));
        let told = told.await.unwrap().unwrap();
        assert_eq!((&told["state"], &told["reason"]), (&json!(state), &reason));
    }
}

/// Somebody comes and sees.
async fn call_goes_on(stage: &Stage) {
    let mut bob = stage.listener("bob", 1).await;
    let seat = bob.seated("ann", &["audio", "video"]).await.unwrap();
    super::stage::frames(&bob, seat.video_ssrc.unwrap(), 11, 5).await;
}

#[tokio::test]
async fn limits_end_a_recording_in_good_order_and_not_the_call() {
    for (setting, value, reason) in [
        ("ENFILADE_RECORDING__MAX_LENGTH", "3s", "too-long"),
        ("ENFILADE_RECORDING__MIN_FREE", "1048576MiB", "disk-full"),
    ] {
        let folder = Folder::new();
        let stage = stage(&folder, &[(setting, value)]).await;
        let mut ann = stage.speaker("ann", 10, 0).await;
        let recording = start(&stage.server).await;
        fails(&mut ann.person, reason).await;
        let manifest = manifest(&folder.path().join(&recording)).unwrap();
        assert_eq!(manifest["end"], reason);
        let files = manifest["files"].as_array().unwrap();
        assert!(files.iter().all(|file| file["complete"] == true), "{manifest}");
        call_goes_on(&stage).await;
    }
}

#[tokio::test]
async fn a_full_disk_ends_a_recording_that_plays_and_not_the_call() {
    let own_disk = std::process::Command::new("unshare").args(["-rm", "true"]).status();
    if !own_disk.is_ok_and(|status| status.success()) && std::env::var_os("CI").is_none() {
        eprintln!("skipped: this system lets nobody mount a disk of their own");
        return;
    }
    let folder = Folder::new();
    let (disk, program) = (folder.path().join("disk"), folder.path().join("server"));
    std::fs::create_dir(&disk).unwrap();
    // Only this server sees the disk.
    let script = format!(
        "#!/bin/sh\nexec unshare -rm sh -c 'mount -t tmpfs -o size=256k none {disk} && exec {server}'\n",
        disk = disk.display(),
        server = env!("CARGO_BIN_EXE_enfilade")
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let settings = [
        ("ENFILADE_RECORDING__DIRECTORY", disk.to_str().unwrap()),
        ("ENFILADE_RECORDING__MIN_FREE", "0"),
    ];
    let server = Server::start(&program, &settings).await.unwrap();
    let seen = PathBuf::from(format!("/proc/{}/root{}", server.process_id(), disk.display()));
    let stage = Stage { server };
    let mut ann = stage.speaker("ann", 10, 0).await;
    let recording = start(&stage.server).await;
    fails(&mut ann.person, "disk-full").await;
    let found = frames(&seen.join(&recording).join("0001-ann-camera.webm"));
    assert!(found.len() > 50, "{}", found.len());
    call_goes_on(&stage).await;
    let (_, listed) = ask(&stage.server, Method::GET, "").await;
    assert_eq!(listed["recordings"][0]["reason"], "disk-full");
}

#[tokio::test]
async fn recording_takes_a_folder_and_a_permission() {
    let stage = Stage::set().await;
    let ann = stage.speaker("ann", 10, 0).await;
    let (status, refused) = ask(&stage.server, Method::POST, "").await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::NOT_IMPLEMENTED, &json!("recording-off"))
    );
    let url = format!("{}/v1/rooms/{ROOM}/recordings", stage.server.url);
    let token = token_for(ROOM, "ann", &["allow_join"]);
    let answer = reqwest::Client::new()
        .post(url)
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    drop(ann);

    let folder = Folder::new();
    // A file is where the folder should be.
    let place = folder.path().join("taken");
    std::fs::write(&place, "").unwrap();
    let stage = Stage::set_with(&[("ENFILADE_RECORDING__DIRECTORY", place.to_str().unwrap())]).await;
    let _ann = stage.speaker("ann", 10, 0).await;
    let (status, refused) = ask(&stage.server, Method::POST, "").await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::INSUFFICIENT_STORAGE, &json!("recording-failed"))
    );
}
