//! Reading the configuration again while the node runs: what can change does, what cannot is named.

use std::fmt;

use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};

use super::{Node, TurnServer};
use crate::api::token::Keyring;
use crate::api::{Order, Reloaded, Tls};
use crate::config::{Config, ConfigError, Loaded, LogConfig};
use crate::room::RoomConfig;

/// Reads the configuration anew, from where it came from.
pub type Load = Box<dyn FnMut() -> Result<Loaded, ConfigError> + Send>;
/// Logs by another filter from now on.
pub type SetLog = Box<dyn Fn(&LogConfig) -> Result<(), String> + Send>;

/// The configuration in force, and how to have another one.
pub struct Configuration {
    /// As it was when the node started; what needs a restart is compared with it.
    started: Loaded,
    now: Loaded,
    load: Load,
    set_log: SetLog,
}

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configuration").finish_non_exhaustive()
    }
}

/// What takes new values.
pub(super) struct Live {
    pub(super) node: Node,
    pub(super) keys: Keyring,
    pub(super) tls: Option<Tls>,
    pub(super) reloads: prometheus::IntCounterVec,
    pub(super) turn: Option<TurnServer>,
}

/// What rooms are made of: the configuration, and the TURN server inside when there is one.
pub(super) fn room_config(config: &Config, turn: Option<&TurnServer>) -> RoomConfig {
    match turn {
        Some(turn) => turn.told_in(config.room.clone(), config.turn_server.ttl),
        None => config.room.clone(),
    }
}

/// Why the node is to stop.
pub(super) enum Asked {
    Drain,
}

impl Configuration {
    /// What was loaded, and the ways to change it.
    pub fn new(loaded: Loaded, load: Load, set_log: SetLog) -> Self {
        Self {
            started: loaded.clone(),
            now: loaded,
            load,
            set_log,
        }
    }

    /// The values in force.
    pub(super) fn now(&self) -> &Config {
        &self.now.config
    }

    /// Serves SIGHUP and the orders of operators until one of them says to stop.
    pub(super) async fn attend(
        &mut self,
        hangup: &mut Signal,
        orders: &mut mpsc::Receiver<Order>,
        live: &Live,
    ) -> Asked {
        loop {
            let reply: Option<oneshot::Sender<Reloaded>> = tokio::select! {
                Some(()) = hangup.recv() => None,
                Some(order) = orders.recv() => match order {
                    Order::Drain => return Asked::Drain,
                    Order::Reload { reply } => Some(reply),
                },
                else => std::future::pending().await,
            };
            let reloaded = self.reload(live).await;
            if let Some(reply) = reply {
                // Whoever asked may have gone.
                let _gone = reply.send(reloaded);
            }
        }
    }

    async fn reload(&mut self, live: &Live) -> Reloaded {
        // Whatever else: a certificate that was renewed by hand is wanted now.
        if let Some(tls) = &live.tls {
            tls.look_now();
        }
        let loaded = match (self.load)() {
            Ok(loaded) => loaded,
            Err(error) => {
                live.reloads.with_label_values(&["refused"]).inc();
                tracing::error!("{error}\nthe configuration in force stays");
                return Reloaded {
                    problems: error.problems.iter().map(ToString::to_string).collect(),
                    ..Reloaded::default()
                };
            }
        };
        let applied = self.now.reloadable_changes(&loaded);
        let needs_restart = self.started.lasting_changes(&loaded);
        let config = &loaded.config;
        live.keys.replace(&config.keys);
        live.node.records().sign_with(&config.webhooks);
        let room = room_config(config, live.turn.as_ref());
        live.node.reconfigure_rooms(room).await;
        if let Err(error) = (self.set_log)(&config.log) {
            tracing::warn!(error, "log.filter cannot be changed");
        }
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        live.reloads.with_label_values(&["ok"]).inc();
        tracing::info!(applied = applied.join(", "), "the configuration was read again");
        if !needs_restart.is_empty() {
            tracing::warn!("needs a restart: {}", needs_restart.join(", "));
        }
        self.now = loaded;
        Reloaded {
            applied,
            needs_restart,
            problems: Vec::new(),
        }
    }
}
