//! Three nodes and a NATS server on this machine, for looking at (`cargo xtask cluster`).

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::Context;
use crate::install;
use crate::process::{cargo, command, run};

const BUILD_LIMIT: Duration = Duration::from_secs(1_800);
const NATS_PORT: u16 = 7_940;
const HTTP_PORT: u16 = 7_941;
const MEDIA_PORT: u16 = 7_951;
const NODES: u16 = 3;

/// Ends with whoever started it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Ctrl-C reaches them as well, so they may have ended by themselves.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

pub(crate) fn target(context: &Context) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| context.root.join("target"), PathBuf::from);
    context.root.join(target)
}

pub(crate) fn build(context: &Context) -> anyhow::Result<PathBuf> {
    let built = run(
        cargo(&["build", "--release", "--locked", "-p", "enfilade"], &context.root),
        BUILD_LIMIT,
    );
    ensure!(built.success, "the server cannot be built");
    Ok(target(context).join("release/enfilade"))
}

/// Runs until one of them ends, or Ctrl-C.
pub(crate) fn show(context: &Context) -> anyhow::Result<()> {
    install::system_packages([install::NATS].iter());
    let server = build(context)?;
    let store = target(context).join("cluster-nats");
    fs::create_dir_all(&store)?;
    let port = NATS_PORT.to_string();
    let mut nats = command(
        "nats-server",
        &["--jetstream", "--addr", "127.0.0.1", "--port", &port],
        &context.root,
    );
    nats.arg("--store_dir")
        .arg(&store)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut running = vec![Running(
        nats.spawn().context("nats-server, of Debian's package of that name")?,
    )];
    for at in 0..NODES {
        let mut node = command(&server, &[], &context.root);
        node.args(["--http-listen", &format!("127.0.0.1:{}", HTTP_PORT + at)]);
        for setting in [
            format!("media.first_port={}", MEDIA_PORT + at),
            "media.shards=1".to_owned(),
            format!("cluster.nats=nats://127.0.0.1:{NATS_PORT}"),
            format!("cluster.name=node-{}", at + 1),
        ] {
            node.args(["--set", &setting]);
        }
        running.push(Running(node.spawn().context("a node")?));
    }
    println!("\nOne meeting place on three nodes; open any of these, in as many windows as you like:\n");
    for at in 0..NODES {
        println!("  http://localhost:{}/", HTTP_PORT + at);
    }
    println!("\nCtrl-C ends them. Kill one (`kill -9`) to see what becomes of its people.\n");
    loop {
        let mut nodes = 0;
        for Running(child) in &mut running {
            nodes += usize::from(child.try_wait()?.is_none());
        }
        // Somebody may kill nodes to see what happens.
        if nodes < 2 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}
