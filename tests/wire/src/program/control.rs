//! What is said on standard input and answered on standard output: one JSON object per line each way.

use std::net::Ipv4Addr;

use emulator::{LinkConfig, LinkStats};
use serde::{Deserialize, Serialize};

use super::firewall::Block;
use super::namespaces::Namespaces;

/// A line longer than this ends the program: it is not meant for us.
const LINE_MAX: usize = 64 * 1024;

/// A command; whatever it names is done, in this order.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Command {
    /// What the link from far to near does from now on, all of it.
    pub(super) up: Option<LinkConfig>,
    /// What the link from near to far does from now on, all of it.
    pub(super) down: Option<LinkConfig>,
    /// What passes neither way from now on.
    pub(super) block: Option<Block>,
    /// The new address of the far end.
    pub(super) readdress: Option<Ipv4Addr>,
    /// After this answer lag is told anew.
    pub(super) forget_lag: bool,
    /// Given back in the answer.
    pub(super) id: Option<serde_json::Value>,
}

impl Command {
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        let command: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let fault = [command.up, command.down]
            .into_iter()
            .flatten()
            .find_map(|link| link.fault());
        fault.map_or(Ok(command), |fault| Err(fault.to_owned()))
    }
}

/// What is answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer<'a> {
    /// Once, at the start.
    Ready(&'a Namespaces),
    /// To every command that could be done.
    Done {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<serde_json::Value>,
        stats: Stats,
    },
    /// To every other.
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<serde_json::Value>,
        message: String,
    },
}

impl Answer<'_> {
    pub(super) fn say(&self) {
        match serde_json::to_string(self) {
            Ok(line) => println!("{line}"),
            Err(error) => eprintln!("emulator: {error}"),
        }
    }
}

/// What has happened since the start.
#[derive(Debug, Serialize)]
pub(super) struct Stats {
    pub(super) up: LinkStats,
    pub(super) down: LinkStats,
    /// Packets that were not let through.
    pub(super) blocked: u64,
    /// Packets that the far or near kernel did not take.
    pub(super) refused: u64,
    /// How much later than meant packets were delivered (99th percentile, since `forget_lag`): a run on a machine too busy
    /// for it shows the machine, not the network.
    pub(super) lag_p99_ms: f64,
    /// The worst of them.
    pub(super) lag_max_ms: f64,
}

/// Cuts what is read into lines.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    pub(super) fn add(&mut self, read: &[u8]) -> anyhow::Result<()> {
        self.0.extend_from_slice(read);
        anyhow::ensure!(self.0.len() <= LINE_MAX, "a line of more than {LINE_MAX} bytes");
        Ok(())
    }

    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let rest = self.0.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.0, rest);
        line.pop();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_where_they_end_and_commands_read_from_them() {
        let mut lines = Lines::default();
        lines.add(b"{\"block\":\"udp_flows\"}\n{\"down\":{\"del").unwrap();
        let command = Command::read(&lines.next().unwrap()).unwrap();
        assert_eq!(command.block, Some(Block::UdpFlows));
        assert!(lines.next().is_none());
        lines.add(b"ay_ms\":50}, \"readdress\":\"10.77.0.3\"}\n").unwrap();
        let command = Command::read(&lines.next().unwrap()).unwrap();
        assert_eq!(command.down, Some(LinkConfig::CLEAN.delayed_ms(50)));
        assert_eq!(command.readdress, Some(Ipv4Addr::new(10, 77, 0, 3)));
        for wrong in [
            r#"{"sideways":{}}"#,
            r#"{"down":{"loss":{"random":7}}}"#,
            r#"{"block":"icmp"}"#,
            "x",
        ] {
            assert!(Command::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(lines.add(&[b'x'; LINE_MAX + 1]).is_err());
    }
}
