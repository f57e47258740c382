//! A server, tokens of every kind, somebody who is told, and a way to ask.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use enfilade::config::Config;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Postgres, Server, Signal};
use tokio::sync::watch;

/// A token with these claims beside those that every token has.
pub(crate) fn token(claims: Value) -> String {
    let key = &Config::development().keys[0];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut all = json!({"apikey": key.id, "version": 2, "permissions": ["allow_join"], "exp": now + 600});
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let secret = jsonwebtoken::EncodingKey::from_secret(key.secret.expose());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &all, &secret).unwrap()
}

/// Of a server of the operator.
pub(crate) fn crawler() -> String {
    token(json!({"roles": ["crawler"]}))
}

pub(crate) struct Stage {
    pub(crate) server: Server,
    http: reqwest::Client,
}

impl Stage {
    pub(crate) async fn set(settings: &[(&str, &str)]) -> Stage {
        let server = Server::start(env!("CARGO_BIN_EXE_enfilade"), settings).await.unwrap();
        let http = reqwest::Client::new();
        Stage { server, http }
    }

    /// The same, with sessions in PostgreSQL.
    pub(crate) async fn set_on(postgres: &Postgres, settings: &[(&str, &str)]) -> Stage {
        let url = postgres.url();
        let with = [settings, &[("ENFILADE_RECORDS__POSTGRES", url.as_str())]].concat();
        Self::set(&with).await
    }

    /// Asks with a token, and gives status, entity tag and body.
    pub(crate) async fn raw(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, Option<String>, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.server.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let tag = response
            .headers()
            .get("etag")
            .map(|tag| tag.to_str().unwrap().to_owned());
        let text = response.text().await.unwrap();
        (status, tag, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let (status, _, body) = self
            .raw(Method::GET, path, &[("authorization", &crawler())], None)
            .await;
        (status, body)
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let headers = [("authorization", crawler())];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (status, _, body) = self.raw(Method::POST, path, &headers, Some(body)).await;
        (status, body)
    }

    /// Joins a room without media.
    pub(crate) async fn join(&self, room: &str, participant: &str) -> Signal {
        self.try_join(room, participant).await.unwrap()
    }

    pub(crate) async fn try_join(&self, room: &str, participant: &str) -> anyhow::Result<Signal> {
        let mut signal = Signal::connect(&self.server.url).await?;
        let token = token(json!({"roomId": room, "participantId": participant}));
        signal.join(&token, json!({})).await?;
        Ok(signal)
    }

    /// Asks until the answer is as it should be: records are written a moment after what they tell of.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1_000 {
            let (_, body) = self.get(path).await;
            if wanted(&body) {
                return body;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("in vain asked for {path}: {:?}", self.get(path).await);
    }
}

/// What somebody was told.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

/// Somebody who is told, and says what they are told to say.
#[derive(Clone)]
pub(crate) struct Ear {
    pub(crate) url: String,
    heard: Arc<Mutex<Vec<Letter>>>,
    answer: watch::Sender<u16>,
    count: watch::Sender<usize>,
}

impl Ear {
    pub(crate) async fn new() -> Ear {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ear = Ear {
            url: format!("http://{}/hook", listener.local_addr().unwrap()),
            heard: Arc::default(),
            answer: watch::Sender::new(200),
            count: watch::Sender::new(0),
        };
        let router = Router::new().fallback(hear).with_state(ear.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        ear
    }

    /// From now on this is the status; 0: never an answer.
    pub(crate) fn say(&self, status: u16) {
        self.answer.send_replace(status);
    }

    /// Waits until so many requests have come, and gives all of them.
    pub(crate) async fn heard(&self, count: usize) -> Vec<Letter> {
        let mut counted = self.count.subscribe();
        let waited = tokio::time::timeout(testkit::PATIENCE, counted.wait_for(|now| *now >= count)).await;
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let words: Vec<&Value> = heard.iter().map(|letter| &letter.body["webhookType"]).collect();
        assert!(waited.is_ok(), "{count} were waited for, {words:?} came");
        heard
    }

    /// Waits until this has been told, and gives everything.
    pub(crate) async fn until(&self, word: &str) -> Vec<Letter> {
        let mut counted = self.count.subscribe();
        let all = || self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let has_come = |_: &usize| words(&all()).contains(&word);
        let waited = tokio::time::timeout(testkit::PATIENCE, counted.wait_for(has_come)).await;
        assert!(waited.is_ok(), "{word} was waited for, {:?} came", words(&all()));
        all()
    }

    pub(crate) fn forget(&self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.count.send_replace(0);
    }
}

async fn hear(State(ear): State<Ear>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap();
    {
        let mut heard = ear.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(Letter { headers, text, body });
        ear.count.send_replace(heard.len());
    }
    let mut answer = ear.answer.subscribe();
    let status = *answer.wait_for(|status| *status != 0).await.unwrap();
    StatusCode::from_u16(status).unwrap()
}

/// The words of what was told, in its order.
pub(crate) fn words(letters: &[Letter]) -> Vec<&str> {
    letters
        .iter()
        .map(|letter| letter.body["webhookType"].as_str().unwrap())
        .collect()
}
