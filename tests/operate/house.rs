//! A server, tokens for it, and its own command line.

use std::process::Output;
use std::time::{Duration, SystemTime};

use enfilade::api::token::{Key, Permissions, Secret, TokenRequest, issue};
use testkit::{ProtocolError, Server, Signal};

pub(crate) const ROOM: &str = "stage";

pub(crate) async fn serve(settings: &[(&str, &str)]) -> Server {
    Server::start(env!("CARGO_BIN_EXE_enfilade"), settings).await.unwrap()
}

pub(crate) fn development() -> Key {
    enfilade::config::Config::development().keys[0].clone()
}

pub(crate) fn key(id: &str) -> Key {
    Key {
        id: id.to_owned(),
        secret: Secret::new(format!("a-secret-of-{id}-0123456789-0123456789")),
    }
}

/// A token for the room, named `token-of-{participant}`.
pub(crate) fn token(key: &Key, participant: &str, words: &[&str]) -> String {
    let request = TokenRequest {
        room: Some(ROOM.parse().unwrap()),
        participant: Some(participant.parse().unwrap()),
        permissions: Permissions::from_words(words.iter().copied()),
        ttl: Duration::from_secs(600),
        token_id: Some(format!("token-of-{participant}")),
        rest_only: false,
    };
    issue(key, &request, SystemTime::now()).unwrap()
}

/// Somebody in the room, or the code by which they were refused.
pub(crate) async fn enter(server: &Server, key: &Key, participant: &str) -> Result<Signal, String> {
    let mut signal = Signal::connect(&server.url).await.unwrap();
    let token = token(key, participant, &["allow_join"]);
    match signal.join(&token, serde_json::json!({})).await {
        Ok(_) => Ok(signal),
        Err(error) => Err(error.downcast::<ProtocolError>().unwrap().code),
    }
}

/// The command line, asking that server.
pub(crate) async fn command(server: &Server, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let listen = server.url.split_once("://").unwrap().1;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_enfilade"));
    command
        .args(arguments)
        .env_clear()
        .env("ENFILADE_HTTP__LISTEN", listen)
        .envs(variables.iter().copied());
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.unwrap().unwrap()
}

/// What a command printed that succeeded.
pub(crate) async fn printed(server: &Server, arguments: &[&str]) -> String {
    let output = command(server, arguments, &[]).await;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
