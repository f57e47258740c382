//! Virtual time, the links, and everything that happens on them.
//!
//! Forward: a shared bottleneck, then a link of each flow's own (its delay, jitter, loss). Backward: a shared link for what
//! receivers report, then the same delay. Steps of a millisecond.

use std::time::{Duration, Instant};

use emulator::{Link, LinkConfig};

use crate::flow::{Flow, FlowConfig};
use crate::tcp::{Tcp, TcpConfig};

/// What IPv4 and UDP add to a payload on the line.
pub(crate) const OVERHEAD: usize = 28;

pub(crate) type FlowId = usize;

/// Something on its way to a receiver.
#[derive(Clone, Debug)]
pub(crate) enum Forward {
    Media {
        flow: FlowId,
        sequence: u16,
        bytes: usize,
        audio: bool,
    },
    Tcp {
        flow: FlowId,
        number: u64,
    },
    /// Media of the other direction, of which only the load matters.
    Load,
}

/// Something on its way back.
#[derive(Clone, Debug)]
pub(crate) enum Backward {
    Feedback { flow: FlowId, compound: Vec<u8> },
    TcpAck { flow: FlowId, number: u64 },
    Load,
}

/// One moment of the shared bottleneck.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at_ms: u64,
    pub(crate) queue_ms: f64,
}

pub(crate) struct World {
    epoch: Instant,
    pub(crate) now_ms: u64,
    seed: u64,
    bottleneck: Link<Forward>,
    back: Link<Backward>,
    access: Vec<Access>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) tcps: Vec<Tcp>,
    pub(crate) moments: Vec<Moment>,
    back_load_bps: u64,
    back_load_credit: f64,
    policer: Option<Policer>,
}

/// Drops what comes too fast, and delays nothing.
struct Policer {
    bps: f64,
    burst_bytes: f64,
    tokens: f64,
}

/// A flow's own link, both ways.
struct Access {
    forward: Link<Forward>,
    backward: Link<Backward>,
}

impl World {
    pub(crate) fn new(seed: u64, bottleneck: LinkConfig) -> Self {
        // Any moment will do: nothing compares it with a clock.
        let epoch = Instant::now();
        World {
            epoch,
            now_ms: 0,
            seed,
            bottleneck: Link::starting(bottleneck, seed, epoch),
            back: Link::starting(LinkConfig::CLEAN, seed ^ 0xbac0, epoch),
            access: Vec::new(),
            flows: Vec::new(),
            tcps: Vec::new(),
            moments: Vec::new(),
            back_load_bps: 0,
            back_load_credit: 0.0,
            policer: None,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.epoch + Duration::from_millis(self.now_ms)
    }

    /// A flow with this access link in both directions.
    pub(crate) fn add_flow(&mut self, config: FlowConfig, access: LinkConfig) -> FlowId {
        self.add_flow_with(config, access, access)
    }

    pub(crate) fn add_flow_with(&mut self, config: FlowConfig, forward: LinkConfig, backward: LinkConfig) -> FlowId {
        let seed = self.seed.wrapping_mul(31).wrapping_add(self.access.len() as u64);
        let now = self.now();
        self.access.push(Access {
            forward: Link::starting(forward, seed, now),
            backward: Link::starting(backward, seed ^ 0xff, now),
        });
        self.flows.push(Flow::new(config, seed, now));
        self.flows.len() - 1
    }

    /// A TCP flow between the same ends, with a round trip of its own.
    pub(crate) fn add_tcp(&mut self, config: TcpConfig) -> usize {
        self.tcps.push(Tcp::new(config, self.now_ms));
        self.tcps.len() - 1
    }

    pub(crate) fn set_bottleneck(&mut self, config: LinkConfig) {
        let now = self.now();
        self.bottleneck.set_config(now, config);
    }

    /// From now on no more than this passes into the bottleneck, in bursts of no more than that.
    pub(crate) fn set_policer(&mut self, bps: f64, burst_bytes: f64) {
        self.policer = Some(Policer {
            bps,
            burst_bytes,
            tokens: burst_bytes,
        });
    }

    pub(crate) fn set_back(&mut self, config: LinkConfig) {
        let now = self.now();
        self.back.set_config(now, config);
    }

    pub(crate) fn set_access(&mut self, flow: FlowId, forward: LinkConfig, backward: LinkConfig) {
        let now = self.now();
        self.access[flow].forward.set_config(now, forward);
        self.access[flow].backward.set_config(now, backward);
    }

    /// Media of the other direction: so much of it shares the way back.
    pub(crate) fn set_back_load(&mut self, bps: u64) {
        self.back_load_bps = bps;
    }

    pub(crate) fn run_until(&mut self, until_ms: u64) {
        while self.now_ms < until_ms {
            self.now_ms += 1;
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now();
        if let Some(policer) = &mut self.policer {
            policer.tokens = (policer.tokens + policer.bps / 8e3).min(policer.burst_bytes);
        }
        for (id, flow) in self.flows.iter_mut().enumerate() {
            flow.send(now, self.now_ms, |sequence, bytes, audio| {
                let media = Forward::Media {
                    flow: id,
                    sequence,
                    bytes,
                    audio,
                };
                if let Some(policer) = &mut self.policer {
                    if policer.tokens < bytes as f64 {
                        return;
                    }
                    policer.tokens -= bytes as f64;
                }
                self.bottleneck.push(now, bytes + OVERHEAD, media);
            });
        }
        for (id, tcp) in self.tcps.iter_mut().enumerate() {
            tcp.send(self.now_ms, |number, bytes| {
                self.bottleneck.push(now, bytes, Forward::Tcp { flow: id, number });
            });
        }
        while let Some(packet) = self.bottleneck.poll(now) {
            match packet {
                Forward::Media { flow, bytes, .. } => self.access[flow].forward.push(now, bytes + OVERHEAD, packet),
                Forward::Tcp { flow, number } => self.tcps[flow].arrived(self.now_ms, number),
                Forward::Load => {}
            }
        }
        for (id, access) in self.access.iter_mut().enumerate() {
            while let Some(packet) = access.forward.poll(now) {
                if let Forward::Media {
                    sequence, bytes, audio, ..
                } = packet
                {
                    self.flows[id].receiver.receive(self.now_ms, sequence, bytes, audio);
                }
            }
        }
        self.back_load_credit += self.back_load_bps as f64 / 8e3;
        while self.back_load_credit >= 1200.0 {
            self.back_load_credit -= 1200.0;
            self.back.push(now, 1200, Backward::Load);
        }
        for (id, flow) in self.flows.iter_mut().enumerate() {
            if let Some(compound) = flow.receiver.poll(self.now_ms) {
                let bytes = compound.len() + OVERHEAD;
                self.back.push(now, bytes, Backward::Feedback { flow: id, compound });
            }
        }
        for (id, tcp) in self.tcps.iter_mut().enumerate() {
            while let Some(number) = tcp.poll_ack(self.now_ms) {
                self.back.push(now, 40, Backward::TcpAck { flow: id, number });
            }
        }
        while let Some(packet) = self.back.poll(now) {
            match packet {
                Backward::Feedback { flow, .. } => self.access[flow].backward.push(now, 100, packet),
                Backward::TcpAck { flow, number } => self.tcps[flow].acknowledged(self.now_ms, number),
                Backward::Load => {}
            }
        }
        for (id, access) in self.access.iter_mut().enumerate() {
            while let Some(packet) = access.backward.poll(now) {
                if let Backward::Feedback { compound, .. } = packet {
                    self.flows[id].feedback(now, self.now_ms, &compound);
                }
            }
        }
        if self.now_ms.is_multiple_of(10) {
            self.moments.push(Moment {
                at_ms: self.now_ms,
                queue_ms: self.bottleneck.queue_delay().as_secs_f64() * 1e3,
            });
        }
    }

    /// The queue of the bottleneck that this share of moments did not exceed.
    pub(crate) fn queue_ms(&self, share: f64, from_ms: u64, to_ms: u64) -> f64 {
        let mut queues: Vec<f64> = self
            .moments
            .iter()
            .filter(|moment| (from_ms..to_ms).contains(&moment.at_ms))
            .map(|moment| moment.queue_ms)
            .collect();
        queues.sort_by(f64::total_cmp);
        let index = ((queues.len() as f64 * share) as usize).min(queues.len().saturating_sub(1));
        queues.get(index).copied().unwrap_or_default()
    }
}
