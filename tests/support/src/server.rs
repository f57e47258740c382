//! A server process of a test's own.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};

/// A running server. Killed when dropped.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:port`, or `https` where the settings name a certificate.
    pub url: String,
    /// UDP and TCP port of the first shard.
    pub media_port: u16,
    log: Arc<Mutex<Vec<String>>>,
}

/// Ports are handed out upwards from a place that depends on the process, so that test processes do not meet.
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

fn free_ports(count: u16, free: impl Fn(u16) -> bool) -> anyhow::Result<u16> {
    let base = 20_000 + (std::process::id() % 100) as u16 * 120;
    let _first = NEXT_PORT.compare_exchange(0, base, Ordering::Relaxed, Ordering::Relaxed);
    for _ in 0..500 {
        let first = NEXT_PORT.fetch_add(count, Ordering::Relaxed);
        if !(20_000..=32_000).contains(&first) {
            // Below the range from which the system takes the ports of its own choice.
            NEXT_PORT.store(20_000, Ordering::Relaxed);
            continue;
        }
        if (first..first + count).all(&free) {
            return Ok(first);
        }
    }
    bail!("no {count} free ports in a row")
}

impl Server {
    /// Starts `binary` with one shard and the settings given as `ENFILADE_…` variables, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start; its log is in the message.
    pub async fn start(binary: impl AsRef<Path>, settings: &[(&str, &str)]) -> anyhow::Result<Server> {
        let shards = settings
            .iter()
            .find_map(|(name, value)| {
                (*name == "ENFILADE_MEDIA__SHARDS")
                    .then(|| value.parse().ok())
                    .flatten()
            })
            .unwrap_or(1_u16);
        let http_port = free_ports(1, |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())?;
        let media_port = free_ports(shards, |port| {
            let address = (Ipv4Addr::UNSPECIFIED, port);
            UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
        })?;
        let mut command = Command::new(binary.as_ref());
        command
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| {
                matches!(
                    name.as_str(),
                    "PATH" | "HOME" | "TMPDIR" | "LLVM_PROFILE_FILE" | "RUST_BACKTRACE"
                )
            }))
            .env("ENFILADE_HTTP__LISTEN", format!("127.0.0.1:{http_port}"))
            .env("ENFILADE_MEDIA__FIRST_PORT", media_port.to_string())
            .env("ENFILADE_MEDIA__SHARDS", shards.to_string())
            // Tests share the processor with each other, and are about other things.
            .env("ENFILADE_ROOM__MAX_DELAY", "0s")
            .env("ENFILADE_MEDIA__ADVERTISED", r#"["127.0.0.1"]"#)
            .env(
                "ENFILADE_LOG__FILTER",
                std::env::var("ENFILADE_TEST_LOG").unwrap_or("info".to_owned()),
            )
            .envs(settings.iter().copied());
        // An empty one leaves the filter to the configuration file.
        if settings.contains(&("ENFILADE_LOG__FILTER", "")) {
            command.env_remove("ENFILADE_LOG__FILTER");
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("starting the server")?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let pipe = child.stderr.take().context("the server has no stderr")?;
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let has_tls = settings
            .iter()
            .any(|(name, _)| *name == "ENFILADE_HTTP__TLS_CERTIFICATE");
        let scheme = if has_tls { "https" } else { "http" };
        // In a network namespace of its own it is elsewhere.
        let elsewhere = settings.iter().find(|(name, _)| *name == "ENFILADE_HTTP__LISTEN");
        let url = match elsewhere {
            Some((_, address)) => format!("{scheme}://{address}"),
            None => format!("{scheme}://127.0.0.1:{http_port}"),
        };
        let mut server = Server {
            child,
            url,
            media_port,
            log,
        };
        server.ready().await?;
        Ok(server)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let ready = format!("{}/readyz", self.url);
        for _ in 0..1_000 {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}:\n{}", self.log().join("\n"));
            }
            let is_ready = if self.url.starts_with("https") {
                self.log().iter().any(|line| line.contains("in a browser"))
            } else {
                let asked = reqwest::get(&ready).await;
                asked.is_ok_and(|answer| answer.status().is_success())
            };
            if is_ready {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the server does not become ready:\n{}", self.log().join("\n"))
    }

    /// What it logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Id of the process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its resident memory, in bytes.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    /// The page of metrics.
    ///
    /// # Errors
    /// When it is not served.
    pub async fn metrics(&self) -> anyhow::Result<Metrics> {
        let text = reqwest::get(format!("{}/metrics", self.url))
            .await?
            .error_for_status()?
            .text()
            .await?;
        Ok(Metrics(text))
    }

    /// Waits for the process to end by itself; its exit status.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn ended(&mut self) -> anyhow::Result<std::process::ExitStatus> {
        for _ in 0..2_000 {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the server does not end:\n{}", self.log().join("\n"))
    }

    /// Asks it to stop in good order (SIGTERM).
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn terminate(&self) -> anyhow::Result<()> {
        self.signal("-TERM")
    }

    /// Has it read its configuration again (SIGHUP).
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn hang_up(&self) -> anyhow::Result<()> {
        self.signal("-HUP")
    }

    /// Waits until it has logged a line with these words.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn logged(&self, words: &str) -> anyhow::Result<String> {
        for _ in 0..2_000 {
            if let Some(line) = self.log().into_iter().find(|line| line.contains(words)) {
                return Ok(line);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the server does not say {words:?}:\n{}", self.log().join("\n"))
    }

    /// Stops it where it is (`true`), or lets it go on.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn freeze(&self, frozen: bool) -> anyhow::Result<()> {
        self.signal(if frozen { "-STOP" } else { "-CONT" })
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let status = Command::new("kill")
            .arg(signal)
            .arg(self.child.id().to_string())
            .status()?;
        anyhow::ensure!(status.success(), "kill says {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}\n---", self.log().join("\n"));
        }
    }
}

/// A page of metrics.
#[derive(Clone, Debug)]
pub struct Metrics(pub String);

impl Metrics {
    /// Sum over every sample of this name whose labels contain `labels`.
    pub fn sum(&self, name: &str, labels: &str) -> f64 {
        self.0
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .filter(|(key, _)| {
                let (metric, rest) = key.split_once('{').unwrap_or((key, ""));
                metric == name && rest.contains(labels)
            })
            .filter_map(|(_, value)| value.parse::<f64>().ok())
            .sum()
    }

    /// Whether there is a metric of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.lines().any(|line| line.split(['{', ' ']).next() == Some(name))
    }
}
