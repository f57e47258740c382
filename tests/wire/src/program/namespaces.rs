//! The two namespaces, made by the tool `ip`, and gone when this is dropped.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde::Serialize;

use super::tun;

/// Every namespace of ours begins so; then follow the process and the end.
const PREFIX: &str = "wire-";
const DEVICE: &str = "wire0";
/// Namespaces do not see each other's addresses, so that every run can have the same.
const PREFIX_LENGTH: u8 = 16;

/// One end of the path.
#[derive(Debug, Serialize)]
pub(super) struct End {
    /// For `ip netns exec`.
    pub(super) namespace: String,
    pub(super) address: Ipv4Addr,
    #[serde(skip)]
    pub(super) device: File,
}

/// Both ends: the server's is near, the client's is far.
#[derive(Debug, Serialize)]
pub(super) struct Namespaces {
    pub(super) near: End,
    pub(super) far: End,
}

impl Namespaces {
    pub(super) fn make() -> anyhow::Result<Self> {
        sweep();
        let near = End::make("near", Ipv4Addr::new(10, 77, 0, 1))?;
        let far = End::make("far", Ipv4Addr::new(10, 77, 0, 2))?;
        Ok(Self { near, far })
    }
}

impl End {
    fn make(side: &str, address: Ipv4Addr) -> anyhow::Result<Self> {
        let namespace = format!("{PREFIX}{}-{side}", std::process::id());
        ip(&["netns", "add", &namespace]).context("a network namespace cannot be made here")?;
        let made = tun::device_in(&path(&namespace), DEVICE).and_then(|device| {
            let end = Self {
                namespace: namespace.clone(),
                address,
                device,
            };
            end.switch_off_ipv6();
            let own = format!("{address}/{PREFIX_LENGTH}");
            end.ip(&["link", "set", "lo", "up"])?;
            end.ip(&["address", "add", &own, "dev", DEVICE])?;
            end.ip(&["link", "set", DEVICE, "up"])?;
            // Browsers look for the way to the world to know their own address.
            end.ip(&["route", "add", "default", "dev", DEVICE])?;
            Ok(end)
        });
        if made.is_err() {
            let _ = ip(&["netns", "delete", &namespace]);
        }
        made
    }

    /// From now on this end has another address, as a device has that went from one network to the next.
    pub(super) fn readdress(&mut self, address: Ipv4Addr) -> anyhow::Result<()> {
        if address == self.address {
            return Ok(());
        }
        let own = |address: Ipv4Addr| format!("{address}/{PREFIX_LENGTH}");
        // The old one first: a browser shall see an address go and another come, not two at once.
        self.ip(&["address", "del", &own(self.address), "dev", DEVICE])?;
        self.ip(&["address", "add", &own(address), "dev", DEVICE])?;
        self.ip(&["route", "replace", "default", "dev", DEVICE])?;
        self.address = address;
        Ok(())
    }

    /// Neighbour discovery would only be noise on the link. Where the kernel has no IPv6 there is nothing to do.
    fn switch_off_ipv6(&self) {
        let key = "net.ipv6.conf.all.disable_ipv6=1";
        let _ = quiet(Command::new("ip").args(["netns", "exec", &self.namespace, "sysctl", "-q", "-w", key]));
    }

    fn ip(&self, arguments: &[&str]) -> anyhow::Result<()> {
        ip(&[&["-n", &self.namespace], arguments].concat())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // Whoever still runs inside keeps the namespace alive without its name; the device goes with its file.
        let _ = ip(&["netns", "delete", &self.namespace]);
    }
}

/// Removes what killed runs have left.
fn sweep() {
    let Ok(entries) = std::fs::read_dir("/run/netns") else {
        return;
    };
    for name in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let is_orphan = owner.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists());
        if is_orphan {
            let _ = ip(&["netns", "delete", &name]);
        }
    }
}

fn path(namespace: &str) -> PathBuf {
    Path::new("/run/netns").join(namespace)
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    quiet(Command::new("ip").args(arguments)).with_context(|| format!("ip {}", arguments.join(" ")))
}

/// Runs it; what it complains about is the error.
fn quiet(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("the program cannot be started (ip comes with the package iproute2)")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
