//! Messages to and fro on a data channel with protocol `enfilade.data.v1`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::BytesMut;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use webrtc::data_channel::{DataChannel, DataChannelEvent};

const ECHO: &[u8] = b"echo:";
/// How long an answer may take before it is asked again: the other side may not have its channel yet.
const AGAIN: Duration = Duration::from_millis(500);

/// One channel: what is not an echo is echoed to its sender.
pub(crate) struct Talk {
    channel: Arc<dyn DataChannel>,
    open: AtomicBool,
    echoes: Mutex<Vec<(String, Vec<u8>)>>,
    news: Notify,
}

impl Talk {
    /// Takes a channel over; the task ends with it.
    pub(crate) fn on(channel: Arc<dyn DataChannel>) -> Arc<Talk> {
        let talk = Arc::new(Talk {
            channel,
            open: AtomicBool::new(false),
            echoes: Mutex::default(),
            news: Notify::new(),
        });
        let ears = Arc::clone(&talk);
        tokio::spawn(async move {
            while let Some(event) = ears.channel.poll().await {
                #[allow(
                    clippy::wildcard_enum_match_arm,
                    reason = "what else the crate tells of a channel, now or later, is of no interest"
                )]
                match event {
                    DataChannelEvent::OnOpen => ears.open.store(true, Ordering::Release),
                    DataChannelEvent::OnMessage(message) => ears.hear(&message.data).await,
                    _ => {}
                }
            }
        });
        talk
    }

    /// How many of the messages came back from `whom` until `end`: a short one, and one that does not fit a packet.
    ///
    /// # Errors
    /// When the channel refuses one.
    pub(crate) async fn talk(&self, whom: &str, end: Instant) -> anyhow::Result<usize> {
        let long: Vec<u8> = (0..20_000_u32).map(|n| (n * 7) as u8).collect();
        let mut echoed = 0;
        for message in [b"hello".to_vec(), long] {
            while !self.has_echo(whom, &message) && Instant::now() < end {
                let news = self.news.notified();
                if self.open.load(Ordering::Acquire) {
                    self.say(whom, &message).await?;
                }
                let _late = timeout(AGAIN, news).await;
            }
            echoed += usize::from(self.has_echo(whom, &message));
        }
        Ok(echoed)
    }

    fn has_echo(&self, whom: &str, message: &[u8]) -> bool {
        let echoes = self.echoes.lock().unwrap_or_else(PoisonError::into_inner);
        echoes
            .iter()
            .any(|(sender, payload)| sender == whom && payload == message)
    }

    async fn hear(&self, message: &[u8]) {
        let Some((sender, payload)) = opened(message) else {
            return;
        };
        if let Some(echo) = payload.strip_prefix(ECHO) {
            let mut echoes = self.echoes.lock().unwrap_or_else(PoisonError::into_inner);
            echoes.push((sender.to_owned(), echo.to_vec()));
            self.news.notify_waiters();
        } else if let Err(error) = self.say(sender, &[ECHO, payload].concat()).await {
            eprintln!("no echo to {sender}: {error}");
        }
    }

    async fn say(&self, to: &str, payload: &[u8]) -> anyhow::Result<()> {
        let mut message = BytesMut::with_capacity(1 + to.len() + payload.len());
        message.extend_from_slice(&[u8::try_from(to.len()).context("an id of more than 255 bytes")?]);
        message.extend_from_slice(to.as_bytes());
        message.extend_from_slice(payload);
        Ok(self.channel.send(message).await?)
    }
}

fn opened(message: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = message.split_first()?;
    let (sender, payload) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(sender).ok()?, payload))
}
