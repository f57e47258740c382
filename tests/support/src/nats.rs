//! A NATS server of a test's own, with JetStream.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;

use crate::eventually;

/// What its configuration says beside.
#[derive(Clone, Debug, Default)]
pub struct NatsSettings {
    /// JetStream keeps no more than so many bytes.
    pub disk: Option<u64>,
    /// It takes connections from other network namespaces, too.
    pub open: bool,
    /// In the form of its configuration file.
    pub more: String,
}

/// A running server. Killed when dropped, and what it stored with it.
pub struct Nats {
    child: Option<Child>,
    port: u16,
    store: PathBuf,
    settings: NatsSettings,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Nats {
    /// Whether the program is on this machine.
    pub fn is_there() -> bool {
        Command::new("nats-server").arg("--version").output().is_ok()
    }

    /// Starts one on a port of its own and waits until it takes connections.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start() -> anyhow::Result<Nats> {
        Self::start_with(NatsSettings::default()).await
    }

    /// The same with settings of its own.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_with(settings: NatsSettings) -> anyhow::Result<Nats> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let name = format!("nats-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut nats = Nats {
            child: None,
            port,
            store: std::env::temp_dir().join(name),
            settings,
        };
        nats.begin().await?;
        Ok(nats)
    }

    /// Starts it again where it was, with what it had stored.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn begin(&mut self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.store)?;
        let file = self.store.join("nats.conf");
        let disk = self
            .settings
            .disk
            .map_or_else(String::new, |bytes| format!(", max_file_store: {bytes}"));
        let text = format!(
            "listen: \"{}:{}\"\njetstream {{ store_dir: {:?}{disk} }}\n{}",
            if self.settings.open { "0.0.0.0" } else { "127.0.0.1" },
            self.port,
            self.store.join("jetstream"),
            self.settings.more
        );
        std::fs::write(&file, text)?;
        let child = Command::new("nats-server")
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting nats-server, of Debian's package of that name")?;
        self.child = Some(child);
        let port = self.port;
        eventually("NATS takes connections", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok().map(drop)
        })
        .await
    }

    /// What it is told when it starts again.
    pub fn set(&mut self, settings: NatsSettings) {
        self.settings = settings;
    }

    /// Kills it. What it had stored stays.
    pub fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }

    /// Forgets what it had stored.
    pub fn forget(&self) {
        let _nothing_there = std::fs::remove_dir_all(&self.store);
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `nats://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.end();
        self.forget();
    }
}
