//! A client that came to this node, and whose room is on another: its texts are carried there and back. Its media goes there by
//! itself, to the addresses that are in the answer.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::Api;
use super::line::{Frame, Line, Written};
use super::signal::{First, RESTART, Socket, TOO_BIG, binary_refused};
use crate::cluster::{NodeId, RelayEnd};
use crate::node::{Cluster, Relay, RelayEvent};

/// How often a client is led on to yet another node before it is asked to come again.
const HOPS_MAX: usize = 4;
/// How long another node may take to answer a client. One that is gone is noticed sooner.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// What became of a client that was carried.
enum Carried {
    /// It was refused, and may try again.
    Refused,
    /// It is gone.
    Over,
    /// Nothing was answered yet, and this node has the room.
    Elsewhere(NodeId),
    /// Nothing was answered yet, and the node is gone.
    Gone,
}

/// Serves a socket that another node holds. It begins with a `join` or a `resume`; who is refused goes back to that node.
pub(super) async fn relayed(api: Arc<Api>, relay: Relay) {
    let mut socket = Socket::new(&api, Line::Relay(Some(relay)));
    let Frame::Text(text) = socket.line.read().await else {
        return socket.line.end(RelayEnd::Broken).await;
    };
    let end = match socket.first_message(&text, false).await {
        Ok(First::Entered(attached)) => {
            if !socket.converse(attached).await {
                return socket.line.end(RelayEnd::Broken).await;
            }
            RelayEnd::Refused
        }
        Ok(First::Elsewhere(node)) => RelayEnd::Elsewhere { node },
        // Only joins and resumes are handed on.
        Ok(First::Answered { .. }) => RelayEnd::Broken,
        Err(error) => {
            socket.count_join(error.code.as_str());
            let id = error.id;
            // Whoever is gone needs no answer.
            let _gone = socket.refuse(&error, id).await;
            RelayEnd::Refused
        }
    };
    socket.line.end(end).await;
}

impl Socket {
    /// Carries the client to the node that has the room, wherever that turns out to be. True when it may try again.
    pub(super) async fn lead_on(&mut self, mut node: NodeId, text: &str) -> bool {
        for _ in 0..HOPS_MAX {
            let is_known = match self.carry(node, text).await {
                Carried::Refused => return true,
                Carried::Over => return false,
                Carried::Elsewhere(next) if self.api.node.cluster().map(Cluster::own) != Some(&next) => {
                    node = next;
                    continue;
                }
                Carried::Elsewhere(_) => true,
                Carried::Gone => false,
            };
            match self.first_message(text, !is_known).await {
                Ok(First::Entered(attached)) => return self.converse(attached).await,
                Ok(First::Elsewhere(next)) => node = next,
                Ok(First::Answered { .. }) => return true,
                Err(error) => {
                    let id = error.id;
                    return self.refuse(&error, id).await.is_some();
                }
            }
        }
        self.close(RESTART, "the room moves; connect again").await;
        false
    }

    /// Carries texts between the client and another node.
    async fn carry(&mut self, node: NodeId, text: &str) -> Carried {
        let Some(cluster) = self.api.node.cluster() else {
            return Carried::Over;
        };
        if !cluster.is_there(&node).await {
            return Carried::Gone;
        }
        let mut relay = cluster.relay(node);
        if relay.send(text).await.is_err() {
            self.close(RESTART, "the room cannot be reached").await;
            return Carried::Over;
        }
        let mut pings = tokio::time::interval(self.api.config.ping_interval);
        pings.reset();
        let mut silent_pings = 0;
        let (mut is_answered, mut is_refused) = (false, false);
        let too_late = tokio::time::sleep(ANSWER_TIMEOUT);
        tokio::pin!(too_late);
        // What the room is told of a client that goes.
        let gone = loop {
            tokio::select! {
                event = relay.recv() => match event {
                    RelayEvent::Text(text) => {
                        is_refused = !std::mem::replace(&mut is_answered, true) && is_refusal(&text);
                        if !self.write(Written::Text(text)).await {
                            break false;
                        }
                    }
                    RelayEvent::End(RelayEnd::Refused) => return Carried::Refused,
                    RelayEvent::End(RelayEnd::Elsewhere { node }) if !is_answered => return Carried::Elsewhere(node),
                    RelayEvent::End(RelayEnd::Close { code, reason }) => {
                        self.close(code, &reason).await;
                        return Carried::Over;
                    }
                    RelayEvent::End(RelayEnd::Broken | RelayEnd::Gone { .. } | RelayEnd::Elsewhere { .. }) => {
                        self.close(RESTART, "the way to the room is lost").await;
                        return Carried::Over;
                    }
                },
                // Who was refused may ask again before the end of this relay is here: that is not for this relay any more.
                frame = self.line.read(), if !is_refused => {
                    silent_pings = 0;
                    match frame {
                        Frame::Text(text) => {
                            if relay.send(&text).await.is_err() {
                                self.close(RESTART, "the way to the room is lost").await;
                                break false;
                            }
                        }
                        Frame::Binary => {
                            if self.refuse(&binary_refused(), None).await.is_none() {
                                break false;
                            }
                        }
                        Frame::Alive => {}
                        Frame::TooBig => {
                            self.close(TOO_BIG, "message too large").await;
                            break false;
                        }
                        Frame::GoingAway => break true,
                        Frame::Closed => break false,
                    }
                }
                _ = pings.tick() => {
                    silent_pings += 1;
                    if silent_pings > 2 || !self.write(Written::Ping).await {
                        break false;
                    }
                }
                () = &mut too_late, if !is_answered || is_refused => {
                    self.close(RESTART, "the room does not answer").await;
                    break false;
                }
            }
        };
        relay.end(RelayEnd::Gone { going_away: gone }).await;
        Carried::Over
    }
}

/// Whether this first answer, to a `join` or a `resume`, lets nobody in. The relay ends right behind it.
fn is_refusal(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
    }
    serde_json::from_str(text).is_ok_and(|answer: Answer<'_>| answer.kind == "error")
}
