//! Servers, floors and other people's servers on one core, the generator on the other.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::Bench;
use crate::install::System;

/// How long a program may take until it can be played to.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Runs until one is not void.
const TRIES: usize = 4;
const HTTP: &str = "127.0.0.1:7979";
const FLOOR: &str = "127.0.0.1:7978";
const MEDIA_PORT: u16 = 7_977;

const JANUS_PORT: u16 = 7_976;
pub(super) const JANUS: System = System::new(("janus", "--help"), "janus");
/// One event loop, as suits one core, and nothing loaded but what is played to.
const JANUS_CONFIG: &str = r#"general: { session_timeout = 0; event_loops = 1; debug_level = 2 }
nat: { ice_lite = true }
plugins: { disable = "libjanus_audiobridge.so,libjanus_echotest.so,libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so,libjanus_duktape.so,libjanus_lua.so" }
transports: { disable = "libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so,libjanus_websockets.so" }
"#;

/// What plays the server, on a core of its own.
pub(super) struct Running {
    child: Child,
    url: String,
    /// Of the generator's protocols.
    protocol: &'static str,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

impl Bench<'_> {
    pub(super) fn server(&self, settings: &[&str]) -> anyhow::Result<Running> {
        self.server_on("0", &[&["media.shards=1"], settings].concat())
    }

    pub(super) fn server_on(&self, cores: &str, settings: &[&str]) -> anyhow::Result<Running> {
        let mut command = pinned(cores, &self.programs.join("enfilade"));
        command.args(["--http-listen", HTTP]);
        command.args(["--set", &format!("media.first_port={MEDIA_PORT}")]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let running = Running {
            child,
            url: format!("http://{HTTP}"),
            protocol: "signal",
        };
        wait_for(HTTP)?;
        Ok(running)
    }

    pub(super) fn floor(&self, gso: bool) -> anyhow::Result<Running> {
        let mut command = pinned("0", &self.programs.join("loadtest"));
        command.args(["floor", "--listen", FLOOR]);
        if gso {
            command.arg("--gso");
        }
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        // It says so when it listens.
        let mut line = String::new();
        let said = child.stdout.take().context("the floor says nothing")?;
        BufReader::new(said).read_line(&mut line)?;
        Ok(Running {
            child,
            url: format!("udp://{FLOOR}"),
            protocol: "floor",
        })
    }

    pub(super) fn janus(&self) -> anyhow::Result<Running> {
        let folder = self.target.join("bench-janus");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("janus.jcfg"), JANUS_CONFIG)?;
        let http = format!("general: {{ json = \"plain\"; http = true; port = {JANUS_PORT}; ip = \"127.0.0.1\" }}\n");
        fs::write(folder.join("janus.transport.http.jcfg"), http)?;
        fs::write(folder.join("janus.plugin.videoroom.jcfg"), "general: { }\n")?;
        let mut command = pinned("0", Path::new("janus"));
        command.arg("-F").arg(&folder);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let running = Running {
            child,
            url: format!("http://127.0.0.1:{JANUS_PORT}"),
            protocol: "janus",
        };
        wait_for(&format!("127.0.0.1:{JANUS_PORT}"))?;
        Ok(running)
    }

    /// One run of the generator, or more when it was late itself: somebody else had its core.
    pub(super) fn play(&self, against: &Running, arguments: &[&str]) -> anyhow::Result<Value> {
        for _ in 0..TRIES {
            let report = self.play_once(against, arguments)?;
            if report["valid"] == true {
                return Ok(report);
            }
        }
        bail!("void: the generator was late {TRIES} times in {}", arguments.join(" "))
    }

    pub(super) fn play_once(&self, against: &Running, arguments: &[&str]) -> anyhow::Result<Value> {
        self.play_command(against, &[&["--protocol", against.protocol], arguments].concat())
    }

    /// One run of what the generator has beside media, or of media.
    pub(super) fn play_command(&self, against: &Running, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut command = pinned("1", &self.programs.join("loadtest"));
        let pid = against.child.id().to_string();
        command.args(arguments).args(["--url", &against.url, "--pid", &pid]);
        let output = command.stderr(Stdio::inherit()).output()?;
        serde_json::from_slice(&output.stdout).with_context(|| format!("no report of loadtest {}", arguments.join(" ")))
    }
}

fn pinned(cores: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(cores).arg(program).stdin(Stdio::null());
    command
}

/// Waits until somebody listens there.
fn wait_for(address: &str) -> anyhow::Result<()> {
    let address: SocketAddr = address.parse()?;
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        ensure!(begun.elapsed() < START_LIMIT, "nobody listens at {address}");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
