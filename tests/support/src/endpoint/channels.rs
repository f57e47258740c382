//! Data channels of a connection.

use std::time::Instant;

use anyhow::{Context, anyhow};
use bytes::BytesMut;
use rtc::data_channel::RTCDataChannelInit;

use super::{Core, Endpoint, locked};

/// A message of a data channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelMessage {
    /// Label of the channel.
    pub label: String,
    /// Whether it was sent as text.
    pub text: bool,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl Endpoint {
    /// Opens a data channel, to be negotiated in the next offer. `retransmits` None: reliable.
    ///
    /// # Errors
    /// When the connection refuses.
    pub fn open_channel(
        &self,
        label: &str,
        protocol: &str,
        ordered: bool,
        retransmits: Option<u16>,
    ) -> anyhow::Result<()> {
        let init = RTCDataChannelInit {
            ordered,
            max_retransmits: retransmits,
            protocol: protocol.to_owned(),
            ..RTCDataChannelInit::default()
        };
        self.with_core(|core| {
            let channel = core.connection.create_data_channel(label, Some(init))?;
            let id = channel.id();
            core.channels.insert(id, label.to_owned());
            Ok(())
        })
    }

    /// Sends a message on the channel with this label.
    ///
    /// # Errors
    /// When there is no such channel or it takes nothing.
    pub fn send_on_channel(&self, label: &str, data: &[u8], text: bool) -> anyhow::Result<()> {
        self.with_core(|core| {
            let id = core
                .channels
                .iter()
                .find_map(|(id, known)| (known == label).then_some(*id))
                .with_context(|| format!("no channel {label}"))?;
            let mut channel = core
                .connection
                .data_channel(id)
                .with_context(|| format!("channel {label} is gone"))?;
            if text {
                channel.send_text(Instant::now(), String::from_utf8(data.to_vec())?)?;
            } else {
                channel.send(Instant::now(), BytesMut::from(data))?;
            }
            Ok(())
        })
    }

    /// Waits until the channel with this label is open.
    ///
    /// # Errors
    /// When it does not open in time.
    pub async fn channel_open(&self, label: &str) -> anyhow::Result<()> {
        self.watch_channels(&format!("channel {label} opens"), |core| {
            core.open_channels.iter().any(|open| open == label).then_some(())
        })
        .await
    }

    /// Waits for a message that `wanted` accepts and takes it out.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn channel_message(
        &self,
        what: &str,
        mut wanted: impl FnMut(&ChannelMessage) -> bool,
    ) -> anyhow::Result<ChannelMessage> {
        self.watch_channels(what, |core| {
            let at = core.messages.iter().position(&mut wanted)?;
            Some(core.messages.remove(at))
        })
        .await
    }

    /// Messages received and not taken out.
    pub fn channel_messages(&self) -> Vec<ChannelMessage> {
        locked(&self.shared.core).messages.clone()
    }

    async fn watch_channels<T>(&self, what: &str, mut probe: impl FnMut(&mut Core) -> Option<T>) -> anyhow::Result<T> {
        let mut changes = self.shared.channels_changed.subscribe();
        let search = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = probe(&mut locked(&self.shared.core)) {
                    return Ok(found);
                }
                changes.changed().await?;
            }
        };
        tokio::time::timeout(crate::PATIENCE, search)
            .await
            .map_err(|_| anyhow!("in vain waited for: {what}"))?
    }
}
