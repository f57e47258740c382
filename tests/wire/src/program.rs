//! Two namespaces with a TUN device each; this process carries packets from one to the other through two links.

mod control;
mod firewall;
mod forwarding;
mod namespaces;
mod tun;

use std::os::fd::OwnedFd;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use forwarding::Forwarding;
use namespaces::Namespaces;

const USAGE: &str = "\
emulator [--seed N]   makes two network namespaces with a bad network between them, and ends with its standard input
emulator --check      says whether that is possible here
emulator --matrix     prints the paths of the fault matrix";

pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["--check"] => check(),
        ["--matrix"] => matrix(),
        [] => run(1),
        ["--seed", seed] => seed.parse().context("--seed takes a number").and_then(run),
        _ => Err(anyhow::anyhow!("{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("emulator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> anyhow::Result<()> {
    let namespaces = made()?;
    drop(namespaces);
    println!("namespaces and TUN devices can be made here");
    Ok(())
}

fn matrix() -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(&emulator::Matrix::ALL)?);
    Ok(())
}

fn run(seed: u64) -> anyhow::Result<()> {
    let end = ending()?;
    let namespaces = made()?;
    in_real_time();
    Forwarding::new(namespaces, seed)?.run(&end)
}

/// On a busy machine it is the network that must not be late. Where that cannot be had it runs as it is: `lag` tells.
fn in_real_time() {
    let own = std::process::id().to_string();
    // The tools that are run in between shall not inherit it (-R).
    let asked = Command::new("chrt")
        .args(["-R", "-f", "-p", "10", &own])
        .stderr(Stdio::null())
        .status();
    if !asked.is_ok_and(|status| status.success()) {
        let _ = rustix::process::nice(-20);
    }
}

fn made() -> anyhow::Result<Namespaces> {
    if !rustix::process::geteuid().is_root() {
        bail!("it takes root to make network namespaces");
    }
    if !std::path::Path::new(tun::DEVICE).exists() {
        bail!(
            "{} is not there: TUN devices cannot be made (in a container: --device {})",
            tun::DEVICE,
            tun::DEVICE
        );
    }
    Namespaces::make()
}

/// Becomes readable when we shall end: by a signal, or because our parent is gone.
fn ending() -> anyhow::Result<OwnedFd> {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    let (read, write) = rustix::pipe::pipe().context("a pipe for signals")?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?).context("a signal handler")?;
    }
    Ok(read)
}
