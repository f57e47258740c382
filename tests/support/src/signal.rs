//! The signalling socket of a client, as `docs/PROTOCOL.md` has it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::PATIENCE;

/// An answer `error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError {
    /// The stable code.
    pub code: String,
    /// The sentence.
    pub message: String,
    /// The field at fault.
    pub field: Option<String>,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ProtocolError {}

#[derive(Default)]
struct Inbox {
    answers: Vec<Value>,
    events: VecDeque<Value>,
    /// Everything with a `seq`, as it came.
    sequence: Vec<u64>,
    closed: Option<(Option<u16>, String)>,
}

/// The socket and what came over it.
pub struct Signal {
    inbox: Arc<Mutex<Inbox>>,
    changed: watch::Receiver<u64>,
    outgoing: tokio::sync::mpsc::Sender<Message>,
    next_id: u64,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Signal {
    /// Opens the socket at `ws://host:port/v1/signal`.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn connect(base_url: &str) -> anyhow::Result<Signal> {
        let url = format!("{}/v1/signal", base_url.replacen("http", "ws", 1));
        let (socket, _) = tokio_tungstenite::connect_async(&url)
            .await
            .with_context(|| format!("opening {url}"))?;
        Ok(Signal::over::<MaybeTlsStream<TcpStream>>(socket))
    }

    /// Speaks over a socket that somebody else opened.
    pub fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(socket: WebSocketStream<S>) -> Signal {
        let (mut sink, mut stream) = socket.split();
        let inbox = Arc::new(Mutex::new(Inbox::default()));
        let (bell, changed) = watch::channel(0_u64);
        let (outgoing, mut to_send) = tokio::sync::mpsc::channel::<Message>(256);
        let writer = tokio::spawn(async move {
            while let Some(message) = to_send.recv().await {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
            let _gone = sink.close().await;
        });
        let shared = Arc::clone(&inbox);
        let reader = tokio::spawn(async move {
            let closed = loop {
                match stream.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let Ok(message) = serde_json::from_str::<Value>(&text) else {
                            break (None, format!("not JSON: {text}"));
                        };
                        shared.lock().unwrap_or_else(PoisonError::into_inner).take(message);
                        bell.send_modify(|count| *count += 1);
                    }
                    Some(Ok(Message::Close(frame))) => {
                        let code = frame.as_ref().map(|frame| u16::from(frame.code));
                        break (code, frame.map(|frame| frame.reason.to_string()).unwrap_or_default());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break (None, error.to_string()),
                    None => break (None, "the stream ended".to_owned()),
                }
            };
            shared.lock().unwrap_or_else(PoisonError::into_inner).closed = Some(closed);
            bell.send_modify(|count| *count += 1);
        });
        Signal {
            inbox,
            changed,
            outgoing,
            next_id: 1,
            tasks: [writer, reader],
        }
    }

    /// Sends a request and waits for its answer: the fields of an answer that is no error.
    ///
    /// # Errors
    /// [`ProtocolError`] when the server says so; other errors when the socket fails or no answer comes.
    pub async fn request(&mut self, kind: &str, fields: Value) -> anyhow::Result<Value> {
        let id = self.next_id;
        self.next_id += 1;
        self.request_as(id, kind, fields).await
    }

    /// The same with an id of the caller's choice.
    ///
    /// # Errors
    /// As [`Signal::request`].
    pub async fn request_as(&mut self, id: u64, kind: &str, fields: Value) -> anyhow::Result<Value> {
        self.post(id, kind, fields).await?;
        self.answer(id).await
    }

    /// Sends a request without waiting, and returns its id for [`Signal::answer`].
    ///
    /// # Errors
    /// When the socket is gone.
    pub async fn begin(&mut self, kind: &str, fields: Value) -> anyhow::Result<u64> {
        let id = self.next_id;
        self.next_id += 1;
        self.post(id, kind, fields).await?;
        Ok(id)
    }

    /// Sends a request without waiting, under an id of the caller's choice.
    ///
    /// # Errors
    /// When the socket is gone.
    pub async fn post(&mut self, id: u64, kind: &str, fields: Value) -> anyhow::Result<()> {
        let mut message = if let Value::Object(fields) = fields {
            fields
        } else {
            Map::new()
        };
        message.insert("id".to_owned(), json!(id));
        message.insert("type".to_owned(), json!(kind));
        self.send_raw(Message::Text(Value::Object(message).to_string().into()))
            .await
    }

    /// Sends a frame as it is.
    ///
    /// # Errors
    /// When the socket is gone.
    pub async fn send_raw(&mut self, message: Message) -> anyhow::Result<()> {
        self.outgoing
            .send(message)
            .await
            .map_err(|_| anyhow!("the signalling socket is closed"))
    }

    /// Waits for the answer to the request with this id.
    ///
    /// # Errors
    /// As [`Signal::request`].
    pub async fn answer(&mut self, id: u64) -> anyhow::Result<Value> {
        let answer = self
            .search(&format!("the answer to request {id}"), |inbox| {
                let at = inbox.answers.iter().position(|answer| answer["re"] == id)?;
                Some(inbox.answers.remove(at))
            })
            .await?;
        if answer["type"] == "error" {
            let text = |name: &str| answer[name].as_str().map(str::to_owned);
            return Err(ProtocolError {
                code: text("code").unwrap_or_default(),
                message: text("message").unwrap_or_default(),
                field: text("field"),
            }
            .into());
        }
        Ok(answer)
    }

    /// Waits for any answer `error` and takes it out, whatever request it belongs to.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn next_error(&mut self) -> anyhow::Result<Value> {
        self.search("an error", |inbox| {
            let at = inbox.answers.iter().position(|answer| answer["type"] == "error")?;
            Some(inbox.answers.remove(at))
        })
        .await
    }

    /// Waits for an event that `wanted` accepts and takes it out; those before it stay.
    ///
    /// # Errors
    /// When none comes in time or the socket closes.
    pub async fn event_where(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> anyhow::Result<Value> {
        self.search(what, |inbox| {
            let at = inbox.events.iter().position(&mut wanted)?;
            inbox.events.remove(at)
        })
        .await
    }

    /// Waits for an event of this type and takes it out.
    ///
    /// # Errors
    /// As [`Signal::event_where`].
    pub async fn event(&mut self, kind: &str) -> anyhow::Result<Value> {
        self.event_where(&format!("event {kind}"), |event| event["type"] == kind)
            .await
    }

    /// Events that came and were not taken.
    pub fn waiting_events(&self) -> Vec<Value> {
        self.inbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .events
            .iter()
            .cloned()
            .collect()
    }

    /// Numbers of everything the server sent, in order of arrival.
    pub fn sequence(&self) -> Vec<u64> {
        self.inbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .sequence
            .clone()
    }

    /// The latest number.
    pub fn last_seq(&self) -> u64 {
        self.sequence().last().copied().unwrap_or(0)
    }

    /// Waits until the server closes the socket; its close code, if there was a close frame.
    ///
    /// # Errors
    /// When it does not.
    pub async fn closed(&mut self) -> anyhow::Result<(Option<u16>, String)> {
        self.look("the server closes the socket", |inbox| inbox.closed.clone(), true)
            .await
    }

    async fn search<T>(&mut self, what: &str, probe: impl FnMut(&mut Inbox) -> Option<T>) -> anyhow::Result<T> {
        self.look(what, probe, false).await
    }

    async fn look<T>(
        &mut self,
        what: &str,
        mut probe: impl FnMut(&mut Inbox) -> Option<T>,
        closing: bool,
    ) -> anyhow::Result<T> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            {
                let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(found) = probe(&mut inbox) {
                    return Ok(found);
                }
                if !closing && let Some((code, reason)) = &inbox.closed {
                    return Err(anyhow!(
                        "the socket closed ({code:?} {reason}) while waiting for {what}; unread: {:?}",
                        inbox.events
                    ));
                }
            }
            match tokio::time::timeout_at(deadline, self.changed.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => {
                    // The reader ended; what it left behind is all there will be.
                    let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
                    return probe(&mut inbox).ok_or_else(|| anyhow!("the socket is gone: no {what}"));
                }
                Err(_) => {
                    let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
                    return Err(anyhow!("in vain waited for {what}; unread: {:?}", inbox.events));
                }
            }
        }
    }

    /// Cuts the socket without a word, as a network that fails.
    pub fn cut(self) -> u64 {
        // Dropping ends both tasks, and with them the TCP connection.
        self.last_seq()
    }

    /// Joins a room. `fields` are added to the request.
    ///
    /// # Errors
    /// As [`Signal::request`].
    pub async fn join(&mut self, token: &str, fields: Value) -> anyhow::Result<Value> {
        let mut request = json!({"versions": [1], "token": token, "client": "enfilade-testkit"});
        if let (Some(request), Value::Object(fields)) = (request.as_object_mut(), fields) {
            request.extend(fields);
        }
        self.request("join", request).await
    }

    /// Goes on with a session from another socket, as its first message.
    ///
    /// # Errors
    /// As [`Signal::request`].
    pub async fn resume(&mut self, id: u64, key: &str, last_seq: u64) -> anyhow::Result<Value> {
        let answer = self
            .request_as(id, "resume", json!({"versions": [1], "key": key, "lastSeq": last_seq}))
            .await?;
        self.next_id = id + 1;
        Ok(answer)
    }

    /// The id the next request gets.
    pub fn next_id(&self) -> u64 {
        self.next_id
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Inbox {
    fn take(&mut self, message: Value) {
        if let Some(seq) = message["seq"].as_u64() {
            self.sequence.push(seq);
        }
        if message.get("re").is_some() || message["type"] == "error" {
            self.answers.push(message);
        } else {
            self.events.push_back(message);
        }
    }
}
