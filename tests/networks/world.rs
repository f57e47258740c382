//! Virtual time, the links, and everything that happens on them.
//!
//! There are two shared bottlenecks, one in each direction. What a flow sends passes the one of its direction, then a link
//! of the flow's own (its delay, jitter, loss); what its receiver reports passes the other one, and the flow's own link
//! back. Steps of a millisecond.

use std::time::{Duration, Instant};

use emulator::{Link, LinkConfig};

use crate::flow::{Flow, FlowConfig};
use crate::tcp::{Tcp, TcpConfig};
use crate::voice::Voice;

/// What IPv4 and UDP add to a payload on the line.
const OVERHEAD: usize = 28;
const TCP_ACK_BYTES: usize = 40;

pub(crate) type FlowId = usize;

/// Which bottleneck media passes. Feedback passes the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    There,
    Back,
}

impl Direction {
    fn reverse(self) -> Self {
        match self {
            Direction::There => Direction::Back,
            Direction::Back => Direction::There,
        }
    }
}

/// Something on its way.
#[derive(Clone, Debug)]
enum Packet {
    Media {
        flow: FlowId,
        sequence: u16,
        bytes: usize,
        voice: Option<Voice>,
    },
    Feedback {
        flow: FlowId,
        compound: Vec<u8>,
    },
    Tcp {
        flow: usize,
        number: u64,
    },
    TcpAck {
        flow: usize,
        number: u64,
    },
}

impl Packet {
    fn line_bytes(&self) -> usize {
        match self {
            Packet::Media { bytes, .. } => bytes + OVERHEAD,
            Packet::Feedback { compound, .. } => compound.len() + OVERHEAD,
            Packet::Tcp { .. } => crate::tcp::SEGMENT,
            Packet::TcpAck { .. } => TCP_ACK_BYTES,
        }
    }
}

/// Drops what comes too fast, and delays nothing.
struct Policer {
    bps: f64,
    burst_bytes: f64,
    tokens: f64,
}

/// A flow's own link, both ways.
struct Access {
    direction: Direction,
    forward: Link<Packet>,
    backward: Link<Packet>,
}

/// One moment of the bottleneck.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at_ms: u64,
    queue_ms: f64,
}

pub(crate) struct World {
    epoch: Instant,
    now_ms: u64,
    seed: u64,
    there: Link<Packet>,
    back: Link<Packet>,
    access: Vec<Access>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) tcps: Vec<Tcp>,
    moments: Vec<Moment>,
    policer: Option<Policer>,
}

impl World {
    /// With this bottleneck there, and none back.
    pub(crate) fn new(seed: u64, bottleneck: LinkConfig) -> Self {
        // Any moment will do: nothing compares it with a clock.
        let epoch = Instant::now();
        World {
            epoch,
            now_ms: 0,
            seed,
            there: Link::starting(bottleneck, seed, epoch),
            back: Link::starting(LinkConfig::CLEAN, seed ^ 0xbac0, epoch),
            access: Vec::new(),
            flows: Vec::new(),
            tcps: Vec::new(),
            moments: Vec::new(),
            policer: None,
        }
    }

    fn now(&self) -> Instant {
        self.epoch + Duration::from_millis(self.now_ms)
    }

    /// A flow with this link of its own in both directions.
    pub(crate) fn add_flow(&mut self, config: FlowConfig, access: LinkConfig) -> FlowId {
        self.add_flow_with(config, Direction::There, access, access)
    }

    pub(crate) fn add_flow_with(
        &mut self,
        config: FlowConfig,
        direction: Direction,
        forward: LinkConfig,
        backward: LinkConfig,
    ) -> FlowId {
        let seed = self.seed.wrapping_mul(31).wrapping_add(self.access.len() as u64);
        let now = self.now();
        self.access.push(Access {
            direction,
            forward: Link::starting(forward, seed, now),
            backward: Link::starting(backward, seed ^ 0xff, now),
        });
        self.flows.push(Flow::new(config, seed));
        self.flows.len() - 1
    }

    /// A TCP flow there, with a delay of its own.
    pub(crate) fn add_tcp(&mut self, config: TcpConfig) {
        self.tcps.push(Tcp::new(config));
    }

    pub(crate) fn set_bottleneck(&mut self, config: LinkConfig) {
        let now = self.now();
        self.there.set_config(now, config);
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

    /// From now on no more than this passes into the bottleneck there, in bursts of no more than that.
    pub(crate) fn set_policer(&mut self, bps: f64, burst_bytes: f64) {
        self.policer = Some(Policer {
            bps,
            burst_bytes,
            tokens: burst_bytes,
        });
    }

    pub(crate) fn run_until(&mut self, until_ms: u64) {
        while self.now_ms < until_ms {
            self.now_ms += 1;
            self.step();
        }
    }

    fn step(&mut self) {
        let (now, now_ms) = (self.now(), self.now_ms);
        if let Some(policer) = &mut self.policer {
            policer.tokens = (policer.tokens + policer.bps / 8e3).min(policer.burst_bytes);
        }
        let mut out = Vec::new();
        for (id, (flow, access)) in self.flows.iter_mut().zip(&self.access).enumerate() {
            flow.send(now, now_ms, |sequence, bytes, voice| {
                let media = Packet::Media {
                    flow: id,
                    sequence,
                    bytes,
                    voice,
                };
                out.push((access.direction, media));
            });
        }
        for (id, tcp) in self.tcps.iter_mut().enumerate() {
            tcp.send(now_ms, |number| {
                out.push((Direction::There, Packet::Tcp { flow: id, number }));
            });
            while let Some(number) = tcp.poll_ack(now_ms) {
                out.push((Direction::Back, Packet::TcpAck { flow: id, number }));
            }
        }
        for (id, flow) in self.flows.iter_mut().enumerate() {
            if let Some(compound) = flow.receiver.poll(now_ms) {
                let direction = self.access[id].direction.reverse();
                out.push((direction, Packet::Feedback { flow: id, compound }));
            }
        }
        for (direction, packet) in out {
            self.enter(direction, packet);
        }
        self.deliver();
        if now_ms.is_multiple_of(10) {
            self.moments.push(Moment {
                at_ms: now_ms,
                queue_ms: self.there.queue_delay().as_secs_f64() * 1e3,
            });
        }
    }

    fn enter(&mut self, direction: Direction, packet: Packet) {
        let (now, bytes) = (self.now(), packet.line_bytes());
        match direction {
            Direction::There => {
                if let Some(policer) = &mut self.policer {
                    if policer.tokens < bytes as f64 {
                        return;
                    }
                    policer.tokens -= bytes as f64;
                }
                self.there.push(now, bytes, packet);
            }
            Direction::Back => self.back.push(now, bytes, packet),
        }
    }

    fn deliver(&mut self) {
        let (now, now_ms) = (self.now(), self.now_ms);
        for link in [&mut self.there, &mut self.back] {
            while let Some(packet) = link.poll(now) {
                let bytes = packet.line_bytes();
                match packet {
                    Packet::Media { flow, .. } => self.access[flow].forward.push(now, bytes, packet),
                    Packet::Feedback { flow, .. } => self.access[flow].backward.push(now, bytes, packet),
                    Packet::Tcp { flow, number } => self.tcps[flow].arrived(now_ms, number),
                    Packet::TcpAck { flow, number } => self.tcps[flow].acknowledged(now_ms, number),
                }
            }
        }
        for (flow, access) in self.flows.iter_mut().zip(&mut self.access) {
            while let Some(packet) = access.forward.poll(now) {
                if let Packet::Media {
                    sequence, bytes, voice, ..
                } = packet
                {
                    flow.receiver.receive(now_ms, sequence, bytes, voice);
                }
            }
            while let Some(packet) = access.backward.poll(now) {
                if let Packet::Feedback { compound, .. } = packet {
                    flow.feedback(now, now_ms, &compound);
                }
            }
        }
    }

    /// Share of all packets that the queue of the bottleneck there had no room for, whoever sent them.
    pub(crate) fn overflow(&self) -> f64 {
        let stats = self.there.stats();
        stats.dropped_queue as f64 / stats.offered.max(1) as f64
    }

    /// The queue of the bottleneck there that this share of moments did not exceed.
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
