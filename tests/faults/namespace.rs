//! A network namespace of one node's own, whose way to NATS can be cut in either direction: packets are dropped, and nobody is told.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// What does not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// What the node says.
    Out,
    /// What the node is told.
    In,
    Both,
}

/// Gone with this, and all that was in it.
pub(crate) struct Namespace {
    name: String,
    /// Of this side.
    pub(crate) here: String,
    /// Of the node's side.
    pub(crate) there: String,
}

fn tool(program: &str, arguments: &[&str]) -> Result<(), String> {
    let done = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!(
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr).trim()
    ))
}

/// What this machine lacks.
pub(crate) fn lacks(_: &str) -> Option<String> {
    match Namespace::make() {
        Ok(namespace) => namespace.cut(1, Way::Both).err(),
        Err(why) => Some(why),
    }
}

impl Namespace {
    pub(crate) fn make() -> Result<Namespace, String> {
        let number = std::process::id() % 100 * 100 + NEXT.fetch_add(1, Ordering::Relaxed) % 100;
        let net = format!("10.78.{}.", number % 250);
        let namespace = Namespace {
            name: format!("fault-{number}"),
            here: format!("{net}1"),
            there: format!("{net}2"),
        };
        let (name, device) = (namespace.name.as_str(), format!("fault{number}"));
        let (inner, own) = (format!("{device}n"), format!("{}/24", namespace.here));
        let theirs = format!("{}/24", namespace.there);
        // One that was killed may have left it.
        let _left = tool("ip", &["netns", "delete", name]);
        tool("ip", &["netns", "add", name])?;
        tool("ip", &["link", "add", &device, "type", "veth", "peer", "name", &inner])?;
        tool("ip", &["link", "set", &inner, "netns", name])?;
        tool("ip", &["address", "add", &own, "dev", &device])?;
        tool("ip", &["link", "set", &device, "up"])?;
        let inside = |arguments: &[&str]| tool("ip", &[&["-n", name], arguments].concat());
        inside(&["address", "add", &theirs, "dev", &inner])?;
        inside(&["link", "set", &inner, "up"])?;
        inside(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// A program that runs another one in there, under the same process id.
    pub(crate) fn wrapper(&self, program: &str) -> std::path::PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("{}.sh", self.name));
        let text = format!("#!/bin/sh\nexec ip netns exec {} {program:?} \"$@\"\n", self.name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    /// From now on nothing comes through between the node and NATS at this port.
    pub(crate) fn cut(&self, port: u16, way: Way) -> Result<(), String> {
        let port = port.to_string();
        let rules = [(Way::Out, ["OUTPUT", "--dport"]), (Way::In, ["INPUT", "--sport"])];
        for (direction, [chain, side]) in rules {
            if way == direction || way == Way::Both {
                self.firewall(&["-A", chain, "-p", "tcp", side, &port, "-j", "DROP"])?;
            }
        }
        Ok(())
    }

    pub(crate) fn mend(&self) {
        self.firewall(&["-F"]).unwrap();
    }

    fn firewall(&self, arguments: &[&str]) -> Result<(), String> {
        tool("ip", &[&["netns", "exec", &self.name, "iptables"], arguments].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _gone = tool("ip", &["netns", "delete", &self.name]);
        let _gone = std::fs::remove_file(std::env::temp_dir().join(format!("{}.sh", self.name)));
    }
}
