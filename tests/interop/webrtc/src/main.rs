//! The crate `webrtc` as one of the engines of `tests/interop`: obeys orders as lines of JSON, which its README describes.
//! It has no codecs: it sends what was encoded before, and hands over what it took out of the packets.

#![allow(clippy::print_stdout, reason = "what it says on standard output is its answer")]

mod packets;
mod recording;
mod session;
mod talk;

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::session::{Entry, Look, Session};

/// Orders that wait for their turn.
const ORDERS_MAX: usize = 16;

/// Who does what; the rest depends on the verb.
#[derive(Debug, Deserialize)]
struct Order {
    id: u64,
    #[serde(rename = "do")]
    verb: String,
    session: String,
}

type Sessions = Arc<Mutex<HashMap<String, Arc<Session>>>>;

#[tokio::main]
async fn main() {
    let (sender, mut lines) = tokio::sync::mpsc::channel(ORDERS_MAX);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let sessions = Sessions::default();
    while let Some(line) = lines.recv().await {
        let sessions = Arc::clone(&sessions);
        tokio::spawn(async move {
            let order: Order = match serde_json::from_str(&line) {
                Ok(order) => order,
                Err(error) => return eprintln!("{line}: {error}"),
            };
            let answer = match obey(&order, &line, &sessions).await {
                Ok(ok) => json!({"id": order.id, "ok": ok}),
                Err(error) => json!({"id": order.id, "error": format!("{error:#}")}),
            };
            println!("{answer}");
        });
    }
}

async fn obey(order: &Order, line: &str, sessions: &Sessions) -> anyhow::Result<Value> {
    let known = || -> anyhow::Result<Arc<Session>> {
        let sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&order.session).cloned().context("no such session")
    };
    match order.verb.as_str() {
        "offer" => {
            let session = Session::make(serde_json::from_str::<Entry>(line)?).await?;
            let sdp = session.offer().await?;
            sessions
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(order.session.clone(), Arc::new(session));
            Ok(json!({"sdp": sdp}))
        }
        "answer" => {
            let fields: Value = serde_json::from_str(line)?;
            let sdp = fields["sdp"].as_str().context("an answer without SDP")?;
            known()?
                .answer(sdp, fields["limitMs"].as_u64().unwrap_or(10_000))
                .await?;
            Ok(json!({}))
        }
        "watch" => known()?.watch(&serde_json::from_str::<Look>(line)?).await,
        "end" => {
            let ended = sessions
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&order.session);
            if let Some(session) = ended {
                session.end().await?;
            }
            Ok(json!({}))
        }
        verb => bail!("{verb} is not known"),
    }
}
