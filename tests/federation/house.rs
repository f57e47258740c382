//! What every test needs: a server, tokens, and people in rooms.

use std::time::{Duration, SystemTime};

use enfilade::api::token::{Permissions, TokenRequest, issue};
use enfilade::config::Config;
use serde_json::{Value, json};
use testkit::{ProtocolError, Server};

pub(crate) use testkit::signal::Signal;

/// A server with rooms in it.
pub(crate) struct House {
    pub(crate) server: Server,
}

/// Somebody with a socket in a room.
pub(crate) struct Person {
    pub(crate) signal: Signal,
    pub(crate) joined: Value,
}

/// A token for a room, with these permissions.
pub(crate) fn token(room: &str, participant: Option<&str>, words: &[&str], ttl: Duration) -> String {
    let request = TokenRequest {
        room: Some(room.parse().unwrap()),
        participant: participant.map(|id| id.parse().unwrap()),
        permissions: Permissions::from_words(words.iter().copied()),
        ttl,
        token_id: None,
        rest_only: false,
    };
    issue(&Config::development().keys[0], &request, SystemTime::now()).unwrap()
}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

impl House {
    /// Everything open, as the documents show it.
    pub(crate) async fn open() -> House {
        House::with(&[]).await
    }

    /// What a token does not say is not allowed.
    pub(crate) async fn strict(settings: &[(&str, &str)]) -> House {
        let mut all = vec![("ENFILADE_LINKS__COMPAT", "off")];
        all.extend_from_slice(settings);
        House::with(&all).await
    }

    pub(crate) async fn with(settings: &[(&str, &str)]) -> House {
        let server = Server::start(env!("CARGO_BIN_EXE_enfilade"), settings).await.unwrap();
        House { server }
    }

    pub(crate) async fn join(&self, room: &str, id: &str) -> Person {
        self.join_with(room, id, &["allow_join"], json!({})).await
    }

    pub(crate) async fn join_with(&self, room: &str, id: &str, words: &[&str], fields: Value) -> Person {
        self.try_join(room, id, words, fields).await.unwrap()
    }

    pub(crate) async fn try_join(
        &self,
        room: &str,
        id: &str,
        words: &[&str],
        mut fields: Value,
    ) -> anyhow::Result<Person> {
        let mut signal = Signal::connect(&self.server.url).await?;
        if fields.get("displayName").is_none() {
            fields["displayName"] = id.to_uppercase().into();
        }
        let token = token(room, Some(id), words, HOUR);
        let joined = signal.join(&token, fields).await?;
        Ok(Person { signal, joined })
    }
}

impl Person {
    pub(crate) async fn ask(&mut self, kind: &str, fields: Value) -> anyhow::Result<Value> {
        self.signal.request(kind, fields).await
    }

    /// Asks for what has to be refused, and returns the code.
    pub(crate) async fn refused(&mut self, kind: &str, fields: Value) -> String {
        code(&self.ask(kind, fields).await.unwrap_err())
    }

    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        self.signal.event(kind).await.unwrap()
    }

    pub(crate) async fn link(&mut self, room: &str, payload: Value) {
        let answer = self
            .ask("link.open", json!({"room": room, "payload": payload}))
            .await
            .unwrap();
        assert_eq!(answer["link"], room);
    }

    /// Everything that came until now, and was not taken yet.
    pub(crate) async fn rest(&mut self) -> Vec<Value> {
        // Answers come in order, so whatever was sent before this one is here.
        self.ask("topic.subscribe", json!({"topic": "barrier"})).await.unwrap();
        self.signal.waiting_events()
    }
}

pub(crate) fn code(error: &anyhow::Error) -> String {
    error.downcast_ref::<ProtocolError>().map_or_else(
        || format!("not a protocol error: {error:#}"),
        |error| error.code.clone(),
    )
}

pub(crate) fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}
