//! The loop: packets in, links, packets out, commands in between.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use emulator::{Link, LinkConfig};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::control::{Answer, Command, Lines, Stats};
use super::firewall::Firewall;
use super::namespaces::Namespaces;

/// Packets taken from one device before the other has its turn.
const TURN: usize = 64;
/// Larger than any packet of a device whose MTU is 1500.
const PACKET_MAX: usize = 64 * 1024;
/// Late deliveries that are remembered; at 1000 packets/s more than a minute's.
const LAGS_MAX: usize = 65_536;

pub(super) struct Forwarding {
    namespaces: Namespaces,
    /// From far to near.
    up: Link<Vec<u8>>,
    /// From near to far.
    down: Link<Vec<u8>>,
    firewall: Firewall,
    blocked: u64,
    refused: u64,
    lags: Vec<Duration>,
    lines: Lines,
}

impl Forwarding {
    pub(super) fn new(namespaces: Namespaces, seed: u64) -> anyhow::Result<Self> {
        Ok(Self {
            namespaces,
            up: Link::new(LinkConfig::CLEAN, seed),
            // Another stream of chance than the other way, and as repeatable.
            down: Link::new(LinkConfig::CLEAN, !seed),
            firewall: Firewall::default(),
            blocked: 0,
            refused: 0,
            lags: Vec::new(),
            lines: Lines::default(),
        })
    }

    /// Until standard input ends or `end` becomes readable.
    pub(super) fn run(mut self, end: &OwnedFd) -> anyhow::Result<()> {
        Answer::Ready(&self.namespaces).say();
        let mut buffer = vec![0; PACKET_MAX];
        loop {
            self.deliver();
            let (near, far, commands, ended) = self.wait(end)?;
            if ended {
                return Ok(());
            }
            if near {
                let taken = take(
                    &self.namespaces.near.device,
                    &mut self.firewall,
                    &mut self.down,
                    &mut buffer,
                );
                self.blocked += taken?;
            }
            if far {
                let taken = take(
                    &self.namespaces.far.device,
                    &mut self.firewall,
                    &mut self.up,
                    &mut buffer,
                );
                self.blocked += taken?;
            }
            if commands {
                let length = rustix::io::read(io::stdin(), &mut buffer[..])?;
                if length == 0 {
                    return Ok(());
                }
                self.lines.add(&buffer[..length])?;
                while let Some(line) = self.lines.next() {
                    self.obey(&line);
                }
            }
        }
    }

    /// Waits for packets (near, far), for a command, for the end, or until a link has something to deliver.
    fn wait(&self, end: &OwnedFd) -> anyhow::Result<(bool, bool, bool, bool)> {
        let next = [self.up.poll_timeout(), self.down.poll_timeout()]
            .into_iter()
            .flatten()
            .min();
        let timeout = next.map(|next| {
            let left = next.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: left.as_secs() as _,
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        let stdin = io::stdin();
        let mut waiting = [
            PollFd::new(&self.namespaces.near.device, PollFlags::IN),
            PollFd::new(&self.namespaces.far.device, PollFlags::IN),
            PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN),
            PollFd::new(end, PollFlags::IN),
        ];
        match poll(&mut waiting, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [near, far, commands, ended] = waiting.map(|fd| !fd.revents().is_empty());
        Ok((near, far, commands, ended))
    }

    /// What has arrived is given to the kernels.
    fn deliver(&mut self) {
        for (link, end) in [
            (&mut self.up, &self.namespaces.near),
            (&mut self.down, &self.namespaces.far),
        ] {
            let now = Instant::now();
            if let Some(due) = link.poll_timeout().filter(|due| *due <= now)
                && self.lags.len() < LAGS_MAX
            {
                self.lags.push(now - due);
            }
            while let Some(packet) = link.poll(now) {
                if (&end.device).write(&packet).is_err() {
                    self.refused += 1;
                }
            }
        }
    }

    fn obey(&mut self, line: &[u8]) {
        let command = match Command::read(line) {
            Ok(command) => command,
            Err(message) => return Answer::Error { id: None, message }.say(),
        };
        let now = Instant::now();
        if let Some(up) = command.up {
            self.up.set_config(now, up);
        }
        if let Some(down) = command.down {
            self.down.set_config(now, down);
        }
        if let Some(block) = command.block {
            self.firewall.set(block);
        }
        if let Some(address) = command.readdress
            && let Err(error) = self.namespaces.far.readdress(address)
        {
            let message = format!("{error:#}");
            return Answer::Error {
                id: command.id,
                message,
            }
            .say();
        }
        let stats = self.stats();
        if command.forget_lag {
            self.lags.clear();
        }
        Answer::Done { id: command.id, stats }.say();
    }

    fn stats(&mut self) -> Stats {
        let (lag_p99_ms, lag_max_ms) = (self.lag_ms(0.99), self.lag_ms(1.0));
        Stats {
            up: self.up.stats(),
            down: self.down.stats(),
            blocked: self.blocked,
            refused: self.refused,
            lag_p99_ms,
            lag_max_ms,
        }
    }

    fn lag_ms(&mut self, share: f64) -> f64 {
        let Some(last) = self.lags.len().checked_sub(1) else {
            return 0.0;
        };
        let nth = (last as f64 * share) as usize;
        self.lags.select_nth_unstable(nth).1.as_secs_f64() * 1000.0
    }
}

/// Takes what a kernel sends; returns how many packets were not let through.
fn take(device: &File, firewall: &mut Firewall, link: &mut Link<Vec<u8>>, buffer: &mut [u8]) -> io::Result<u64> {
    let mut blocked = 0;
    for _ in 0..TURN {
        let length = match (&*device).read(buffer) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => break,
            Err(error) => return Err(error),
        };
        let packet = &buffer[..length];
        if firewall.lets_pass(packet) {
            link.push(Instant::now(), length, packet.to_vec());
        } else {
            blocked += 1;
        }
    }
    Ok(blocked)
}
