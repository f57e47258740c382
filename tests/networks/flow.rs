//! One subscriber's path as the server sees it: source, allocator, pacer, log, estimator.

use std::collections::VecDeque;
use std::time::Instant;

use enfilade::media::estimate::{Departure, Estimate, EstimateConfig, Estimator, SentLog, SentPacket};
use enfilade::media::redundancy::RedundancyNeed;
use enfilade::packet::rtcp::{RtcpBlock, blocks};

use crate::media::{AUDIO_BPS, Queued, Source, Video};
use crate::receiver::Receiver;
use crate::voice::Voice;

/// What padding there is: a retransmission of something old.
const PADDING_BYTES: usize = 1_100;
/// What an older frame adds to a packet of audio.
const REDUNDANT_BYTES: usize = 42;
/// A packet that waited longer than this in the pacer is old; everything is, and goes.
const PACER_MS_MAX: u64 = 500;

#[derive(Clone, Debug)]
pub(crate) struct FlowConfig {
    pub(crate) video: Video,
    pub(crate) estimate: EstimateConfig,
    /// Does nothing before this.
    pub(crate) start_ms: u64,
    /// The first transport-wide number.
    pub(crate) first_sequence: u16,
    /// Where the receiver's clock stands at time 0.
    pub(crate) clock_offset_ms: u64,
}

impl FlowConfig {
    pub(crate) fn new(video: Video) -> Self {
        FlowConfig {
            video,
            estimate: EstimateConfig::default(),
            start_ms: 0,
            first_sequence: 65_500,
            clock_offset_ms: 5_000,
        }
    }

    pub(crate) fn starting_at(self, start_ms: u64) -> Self {
        FlowConfig { start_ms, ..self }
    }
}

/// One tenth of a second of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) at_ms: u64,
    pub(crate) estimate: Estimate,
    pub(crate) allocated_bps: u64,
}

pub(crate) struct Flow {
    config: FlowConfig,
    pub(crate) source: Source,
    pub(crate) estimator: Estimator,
    sent: SentLog,
    /// When the first packet left.
    epoch: Option<Instant>,
    sequence: u16,
    pacer: VecDeque<Queued>,
    credit: f64,
    pub(crate) receiver: Receiver,
    pub(crate) samples: Vec<Sample>,
    pub(crate) sent_bytes: u64,
    /// Total by tenths of a second.
    sent_until: Vec<u64>,
    pub(crate) padding_bytes: u64,
    audio_sent: u32,
    redundancy: RedundancyNeed,
    pub(crate) first_feedback_ms: Option<u64>,
}

impl Flow {
    pub(crate) fn new(config: FlowConfig, seed: u64) -> Self {
        Flow {
            source: Source::new(config.video.clone(), seed.wrapping_mul(77).wrapping_add(13)),
            estimator: Estimator::new(config.estimate),
            sent: SentLog::default(),
            epoch: None,
            sequence: config.first_sequence,
            pacer: VecDeque::new(),
            credit: 0.0,
            receiver: Receiver::new(config.clock_offset_ms),
            samples: Vec::new(),
            sent_bytes: 0,
            sent_until: Vec::new(),
            padding_bytes: 0,
            audio_sent: 0,
            redundancy: RedundancyNeed::default(),
            first_feedback_ms: None,
            config,
        }
    }

    /// Everything that leaves in this millisecond goes to `out`: number, bytes, what it carries of a voice.
    pub(crate) fn send(&mut self, now: Instant, now_ms: u64, mut out: impl FnMut(u16, usize, Option<Voice>)) {
        self.sent_until.resize((now_ms / 100) as usize + 1, self.sent_bytes);
        if now_ms < self.config.start_ms {
            return;
        }
        if self.estimator.poll_timeout().is_some_and(|at| at <= now) {
            self.estimator.handle_timeout(now);
        }
        let estimate = self.estimator.estimate();
        if now_ms.is_multiple_of(10) {
            self.source.allocate(now_ms, estimate.bps as f64);
            let (allocated, wished) = self.source.demand();
            self.estimator.set_demand(now, allocated, wished);
        }
        if now_ms.is_multiple_of(100) {
            self.samples.push(Sample {
                at_ms: now_ms,
                estimate,
                allocated_bps: self.source.demand().0,
            });
        }
        self.source.poll(now_ms, &mut self.pacer);
        let probe = self.estimator.poll_probe(now);
        let cluster = probe.map(|probe| probe.cluster);
        // What waits must leave within half a second, whatever the estimate.
        let waiting: usize = self.pacer.iter().map(|queued| queued.bytes).sum();
        let oldest = self.pacer.front().map_or(0, |queued| now_ms - queued.at_ms);
        let hurry = if oldest > PACER_MS_MAX { 4.0 } else { 1.0 };
        let pacing = (estimate.pacing_bps as f64).max(waiting as f64 * 8e3 / PACER_MS_MAX as f64) * hurry;
        self.credit = (self.credit + pacing / 8e3).min((pacing / 8e3 * 2.0).max(1_200.0));
        let mut media = 0;
        while let Some(&queued) = self.pacer.front() {
            if !queued.audio && self.credit < 0.0 {
                break;
            }
            self.pacer.pop_front();
            let mut bytes = queued.bytes;
            let voice = queued.audio.then(|| {
                let voice = Voice::new(self.audio_sent, self.redundancy.level());
                self.audio_sent += 1;
                bytes += voice.older as usize * REDUNDANT_BYTES;
                self.source.audio_bps = AUDIO_BPS * bytes as f64 / queued.bytes as f64;
                voice
            });
            self.credit -= bytes as f64;
            self.record(now, bytes, cluster);
            media += bytes;
            out(self.sequence.wrapping_sub(1), bytes, voice);
            if let Some(cluster) = cluster {
                self.estimator.probe_sent(now, cluster, bytes);
            }
        }
        if let Some(probe) = probe {
            let mut left = probe.bytes.saturating_sub(media);
            while left > 0 {
                let bytes = left.clamp(60, PADDING_BYTES);
                left = left.saturating_sub(bytes);
                self.padding_bytes += bytes as u64;
                self.record(now, bytes, cluster);
                out(self.sequence.wrapping_sub(1), bytes, None);
                self.estimator.probe_sent(now, probe.cluster, bytes);
            }
        }
    }

    fn record(&mut self, now: Instant, bytes: usize, probe: Option<enfilade::media::estimate::ProbeCluster>) {
        let epoch = *self.epoch.get_or_insert(now);
        self.sent.record(
            self.sequence,
            SentPacket {
                at: Departure::new(epoch, now),
                bytes: bytes as u16,
                probe,
            },
        );
        self.sequence = self.sequence.wrapping_add(1);
        self.sent_bytes += bytes as u64;
    }

    pub(crate) fn feedback(&mut self, now: Instant, now_ms: u64, compound: &[u8]) {
        self.first_feedback_ms.get_or_insert(now_ms);
        for block in blocks(compound) {
            if let RtcpBlock::TransportCc(feedback) = block {
                self.estimator.handle_feedback(now, &feedback, &mut self.sent);
            } else if let RtcpBlock::ReceiverReport { reports, .. } = block {
                for report in reports {
                    self.redundancy.report(now, f32::from(report.fraction_lost) / 256.0);
                }
            }
        }
    }

    /// When the estimate was first at least this.
    pub(crate) fn reached_ms(&self, bps: f64, from_ms: u64) -> Option<u64> {
        let sample = self
            .samples
            .iter()
            .find(|sample| sample.at_ms >= from_ms && sample.estimate.bps as f64 >= bps);
        sample.map(|sample| sample.at_ms)
    }

    fn between(&self, from_ms: u64, to_ms: u64) -> impl Iterator<Item = &Sample> {
        self.samples
            .iter()
            .filter(move |sample| (from_ms..to_ms).contains(&sample.at_ms))
    }

    pub(crate) fn estimate_mean(&self, from_ms: u64, to_ms: u64) -> f64 {
        let count = self.between(from_ms, to_ms).count().max(1);
        self.between(from_ms, to_ms)
            .map(|sample| sample.estimate.bps as f64)
            .sum::<f64>()
            / count as f64
    }

    pub(crate) fn estimate_least(&self, from_ms: u64, to_ms: u64) -> f64 {
        self.between(from_ms, to_ms)
            .map(|sample| sample.estimate.bps as f64)
            .fold(f64::MAX, f64::min)
    }

    pub(crate) fn estimate_most(&self, from_ms: u64, to_ms: u64) -> f64 {
        self.between(from_ms, to_ms)
            .map(|sample| sample.estimate.bps as f64)
            .fold(0.0, f64::max)
    }

    /// When the rate sent over half a second was first at least this.
    pub(crate) fn sent_at_least_ms(&self, bps: f64, from_ms: u64) -> Option<u64> {
        let until_ms = 100 * self.sent_until.len() as u64;
        (from_ms..until_ms.saturating_sub(500))
            .step_by(100)
            .find(|at| self.sent_rate(*at, at + 500) >= bps)
            .map(|at| at + 500)
    }

    /// When so much was first allocated.
    pub(crate) fn allocated_at_least_ms(&self, bps: f64) -> Option<u64> {
        let sample = self.samples.iter().find(|sample| sample.allocated_bps as f64 >= bps);
        sample.map(|sample| sample.at_ms)
    }

    /// Share of the time in which so much was allocated.
    pub(crate) fn allocated_share(&self, bps: f64, from_ms: u64, to_ms: u64) -> f64 {
        let enough = self
            .between(from_ms, to_ms)
            .filter(|sample| sample.allocated_bps as f64 >= bps);
        enough.count() as f64 / self.between(from_ms, to_ms).count().max(1) as f64
    }

    /// Share of audio packets that did not arrive.
    pub(crate) fn audio_packet_loss(&self) -> f64 {
        1.0 - self.receiver.audio_received as f64 / f64::from(self.audio_sent.max(1))
    }

    /// Bits per second of UDP payload that left.
    pub(crate) fn sent_rate(&self, from_ms: u64, to_ms: u64) -> f64 {
        let at = |ms: u64| {
            self.sent_until
                .get((ms / 100) as usize)
                .copied()
                .unwrap_or(self.sent_bytes)
        };
        (at(to_ms) - at(from_ms)) as f64 * 8e3 / (to_ms - from_ms) as f64
    }

    pub(crate) fn loss_mean(&self, from_ms: u64, to_ms: u64) -> f64 {
        let count = self.between(from_ms, to_ms).count().max(1);
        let sum: f64 = self
            .between(from_ms, to_ms)
            .map(|sample| f64::from(sample.estimate.loss))
            .sum();
        sum / count as f64
    }

    /// With `NETWORKS_TRACE` set: what the flow did.
    pub(crate) fn trace(&self, every_ms: u64) {
        if std::env::var_os("NETWORKS_TRACE").is_some() {
            println!("--");
            self.print(every_ms);
        }
    }

    /// What the flow did, in a line for people, every so many seconds.
    fn print(&self, every_ms: u64) {
        for sample in self
            .samples
            .iter()
            .filter(|sample| sample.at_ms.is_multiple_of(every_ms))
        {
            let estimate = sample.estimate;
            println!(
                "{:7.1} s  estimate {:5.0}  allocated {:5.0}  received {:5.0} kb/s  queue {:4.0} ms  loss {:4.1} %  {:?}",
                sample.at_ms as f64 / 1e3,
                estimate.bps as f64 / 1e3,
                sample.allocated_bps as f64 / 1e3,
                self.receiver
                    .rate_bps(sample.at_ms.saturating_sub(every_ms), sample.at_ms)
                    / 1e3,
                estimate.queue_delay.as_secs_f64() * 1e3,
                estimate.loss * 100.0,
                estimate.limited_by,
            );
        }
    }
}
