//! What the node counts, in Prometheus' words. No room or participant ever becomes a label: a million rooms cost
//! as many series as one.

mod calls;
mod queues;

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{
    CounterVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

pub use calls::Calls;
pub use queues::{Queue, Queues};

use super::traces::Traces;
use crate::shard::ShardCounters;

/// Handles to everything counted outside the shards. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    /// Rooms alive now.
    pub rooms: IntGauge,
    /// Signalling sockets open now.
    pub sockets: IntGauge,
    /// DTLS transports alive now, media or not.
    pub handshakes: IntGauge,
    /// Joins and resumes, by `result`: `ok`, the error code, or `refused` when the room said no.
    pub joins: IntCounterVec,
    /// WHIP and WHEP requests, by `method` and `status`.
    pub http_ingest: IntCounterVec,
    /// Signalling messages received, by `result`: `ok` or the error code.
    pub messages: IntCounterVec,
    /// Links open now, counted once in each of the two rooms.
    pub link_ends: IntGauge,
    /// Frames from one room to another, by `result`: `handed`, `full` (lost, and sent again), `nobody`.
    pub link_frames: IntCounterVec,
    /// What became of frames and messages at the receiving end of links, by `event`.
    pub link_events: IntCounterVec,
    /// How calls begin and how they are.
    pub calls: Calls,
    /// How full queues are.
    pub queues: Queues,
    /// From the first datagram of a DTLS handshake to its keys.
    pub handshake_seconds: Histogram,
    /// DTLS handshakes that failed.
    pub handshake_failures: IntCounter,
    /// Recordings being made now.
    pub recordings: IntGauge,
    /// Recordings that ended, by `end`.
    pub recordings_ended: IntCounterVec,
    /// Bytes of recordings that ended.
    pub recorded_bytes: IntCounter,
    /// What rooms told and is not on record, by `reason`: `full` (the disk does not keep up), `failed`, `too-many` (of one session);
    /// and what PostgreSQL will never have: `refused` (it does not take it), `not-archived` (forgotten here before it could be reached).
    pub records_dropped: IntCounterVec,
    /// Webhooks by `result`: `taken`, `refused`, `unreachable` (both tried again), `expired`, `crowded-out`, `forbidden`, `unreadable`.
    pub webhooks: IntCounterVec,
    /// Webhooks that wait to be taken.
    pub webhooks_waiting: IntGauge,
    /// Endpoints that could not be reached the last time.
    pub webhook_endpoints_failing: IntGauge,
    /// A task of ours died; each one is a bug.
    pub panics: IntCounter,
    /// Nodes of the cluster that have leases, this one among them; 0 when it is alone by design.
    pub cluster_nodes: IntGauge,
    /// Signalling sockets that two nodes share, whichever end is here.
    pub cluster_relays: IntGauge,
    /// 1 while the rest of the cluster cannot be reached.
    pub cluster_cut_off: IntGauge,
    /// Where traces go, if they go anywhere.
    pub traces: Traces,
}

impl Metrics {
    /// Registers everything, with the counters of each shard.
    pub fn new(shards: Vec<Arc<ShardCounters>>) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let metrics = Self {
            rooms: IntGauge::new("enfilade_rooms", "Rooms alive now")?,
            sockets: IntGauge::new("enfilade_signal_sockets", "Signalling sockets open now")?,
            handshakes: IntGauge::new("enfilade_dtls_transports", "DTLS transports alive now")?,
            joins: counter("enfilade_joins_total", "Joins and resumes by result", &["result"])?,
            http_ingest: counter(
                "enfilade_whip_whep_requests_total",
                "WHIP and WHEP requests",
                &["method", "status"],
            )?,
            messages: counter(
                "enfilade_signal_messages_total",
                "Signalling messages received by result",
                &["result"],
            )?,
            link_ends: IntGauge::new(
                "enfilade_link_ends",
                "Links open now, counted once in each of the two rooms",
            )?,
            link_frames: counter(
                "enfilade_link_frames_total",
                "Frames from one room to another by result",
                &["result"],
            )?,
            link_events: counter(
                "enfilade_link_events_total",
                "Frames and messages of links that were repeated, late, lost or refused",
                &["event"],
            )?,
            traces: Traces::new(&registry)?,
            calls: Calls::new(&registry)?,
            queues: Queues::new(&registry)?,
            handshake_seconds: Histogram::with_opts(
                HistogramOpts::new("enfilade_dtls_handshake_seconds", "First DTLS datagram to keys")
                    .buckets(vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]),
            )?,
            handshake_failures: IntCounter::new("enfilade_dtls_failures_total", "DTLS handshakes that failed")?,
            recordings: IntGauge::new("enfilade_recordings", "Recordings being made now")?,
            recordings_ended: counter(
                "enfilade_recordings_ended_total",
                "Recordings by why they ended",
                &["end"],
            )?,
            recorded_bytes: IntCounter::new("enfilade_recorded_bytes_total", "Bytes of recordings that ended")?,
            records_dropped: counter(
                "enfilade_records_dropped_total",
                "Events of rooms that are not on record",
                &["reason"],
            )?,
            webhooks: counter("enfilade_webhooks_total", "Webhooks by result", &["result"])?,
            webhooks_waiting: IntGauge::new("enfilade_webhooks_waiting", "Webhooks that wait to be taken")?,
            webhook_endpoints_failing: IntGauge::new(
                "enfilade_webhook_endpoints_failing",
                "Endpoints of webhooks that could not be reached the last time",
            )?,
            panics: IntCounter::new("enfilade_panics_total", "Tasks that died; each one is a bug")?,
            cluster_nodes: IntGauge::new("enfilade_cluster_nodes", "Nodes of the cluster, this one among them")?,
            cluster_relays: IntGauge::new(
                "enfilade_cluster_relays",
                "Signalling sockets that this node and another share",
            )?,
            cluster_cut_off: IntGauge::new(
                "enfilade_cluster_cut_off",
                "1 while the rest of the cluster cannot be reached",
            )?,
            registry,
        };
        let collectors: [Box<dyn Collector>; 23] = [
            Box::new(metrics.rooms.clone()),
            Box::new(metrics.sockets.clone()),
            Box::new(metrics.handshakes.clone()),
            Box::new(metrics.joins.clone()),
            Box::new(metrics.http_ingest.clone()),
            Box::new(metrics.messages.clone()),
            Box::new(metrics.link_ends.clone()),
            Box::new(metrics.link_frames.clone()),
            Box::new(metrics.link_events.clone()),
            Box::new(metrics.handshake_seconds.clone()),
            Box::new(metrics.handshake_failures.clone()),
            Box::new(metrics.recordings.clone()),
            Box::new(metrics.recordings_ended.clone()),
            Box::new(metrics.recorded_bytes.clone()),
            Box::new(metrics.records_dropped.clone()),
            Box::new(metrics.webhooks.clone()),
            Box::new(metrics.webhooks_waiting.clone()),
            Box::new(metrics.webhook_endpoints_failing.clone()),
            Box::new(metrics.panics.clone()),
            Box::new(metrics.cluster_nodes.clone()),
            Box::new(metrics.cluster_relays.clone()),
            Box::new(metrics.cluster_cut_off.clone()),
            Box::new(ShardCollector { shards }),
        ];
        for collector in collectors {
            metrics.registry.register(collector)?;
        }
        Ok(metrics)
    }

    /// Adds what is counted elsewhere.
    ///
    /// # Errors
    /// When something of that name is there already.
    pub fn register(&self, collector: Box<dyn Collector>) -> prometheus::Result<()> {
        self.registry.register(collector)
    }

    /// The page of `/metrics`, in the text format.
    pub fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn counter(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

/// Reads the shards' counters when somebody asks: the shards themselves know nothing of Prometheus.
struct ShardCollector {
    shards: Vec<Arc<ShardCounters>>,
}

type Read = fn(&ShardCounters) -> u64;
type ReadReasons = fn(&ShardCounters, &mut dyn FnMut(&str, u64));

const COUNTERS: [(&str, &str, Read); 14] = [
    (
        "enfilade_datagrams_in_total",
        "Datagrams received, of every kind",
        |c| c.datagrams_in.get(),
    ),
    (
        "enfilade_bytes_in_total",
        "Bytes received (payload of UDP and of TCP frames)",
        |c| c.bytes_in.get(),
    ),
    ("enfilade_packets_in_total", "Media packets accepted", |c| {
        c.packets_in.get()
    }),
    (
        "enfilade_packets_out_total",
        "Media packets sent, once per subscriber",
        |c| c.packets_out.get(),
    ),
    (
        "enfilade_bytes_out_total",
        "Bytes of media sent (payload of UDP and of TCP frames)",
        |c| c.bytes_out.get(),
    ),
    ("enfilade_sends_total", "System calls that sent them", |c| c.sends.get()),
    ("enfilade_retransmissions_total", "Packets resent to subscribers", |c| {
        c.retransmissions.get()
    }),
    (
        "enfilade_nacked_packets_total",
        "Packets asked for again from publishers",
        |c| c.nacks_out.get(),
    ),
    (
        "enfilade_keyframe_requests_total",
        "Keyframes asked for from publishers",
        |c| c.keyframe_requests.get(),
    ),
    (
        "enfilade_layer_switches_up_total",
        "Videos that went up a layer because bandwidth allowed it",
        |c| c.layers_up.get(),
    ),
    (
        "enfilade_layer_switches_down_total",
        "Videos that went down a layer, or were paused, because bandwidth demanded it",
        |c| c.layers_down.get(),
    ),
    (
        "enfilade_probe_bytes_total",
        "Padding sent to learn what paths carry, in bytes",
        |c| c.probe_bytes.get(),
    ),
    (
        "enfilade_relayed_packets_total",
        "Packets handed to other shards",
        |c| c.relayed.get(),
    ),
    (
        "enfilade_tcp_connections_total",
        "Media connections over TCP that came, taken or not",
        |c| c.tcp.accepted.get(),
    ),
];

const GAUGES: [(&str, &str, Read); 7] = [
    (
        "enfilade_downlinks",
        "Subscribers of whom it is known what their path carries",
        |c| c.downlinks.get(),
    ),
    (
        "enfilade_downlink_estimate_bits_per_second",
        "What their paths carry, all together",
        |c| c.downlink_bps.get(),
    ),
    (
        "enfilade_videos_reduced",
        "Videos forwarded in a lower layer than was asked for, for want of bandwidth",
        |c| c.videos_reduced.get(),
    ),
    (
        "enfilade_videos_paused",
        "Videos not forwarded for want of bandwidth",
        |c| c.videos_paused.get(),
    ),
    ("enfilade_transports", "Transports now", |c| c.transports.get()),
    ("enfilade_sources", "Sources now, replicas included", |c| {
        c.sources.get()
    }),
    ("enfilade_tcp_connections", "Media connections over TCP now", |c| {
        c.tcp.open.get()
    }),
];

impl Collector for ShardCollector {
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = Vec::new();
        for (name, help, read) in COUNTERS {
            let Ok(vec) = counter(name, help, &["shard"]) else {
                continue;
            };
            self.each(|shard, counters| vec.with_label_values(&[shard]).inc_by(read(counters)));
            families.extend(vec.collect());
        }
        let cpu = Opts::new(
            "enfilade_shard_cpu_seconds_total",
            "Processor time of the media thread; its rate is how busy the shard is, 1 being all it has",
        );
        if let Ok(vec) = CounterVec::new(cpu, &["shard"]) {
            self.each(|shard, counters| {
                vec.with_label_values(&[shard])
                    .inc_by(counters.cpu_micros.get() as f64 / 1e6);
            });
            families.extend(vec.collect());
        }
        for (name, help, read) in GAUGES {
            let Ok(vec) = IntGaugeVec::new(Opts::new(name, help), &["shard"]) else {
                continue;
            };
            self.each(|shard, counters| vec.with_label_values(&[shard]).set(read(counters) as i64));
            families.extend(vec.collect());
        }
        families.extend(self.reasons(
            "enfilade_datagrams_dropped_total",
            "Datagrams turned away",
            |counters, add| {
                counters.turned_away().for_each(|(reason, n)| add(reason.as_str(), n));
            },
        ));
        families.extend(self.reasons(
            "enfilade_packets_dropped_total",
            "Packets not forwarded",
            |counters, add| {
                counters.dropped().for_each(|(reason, n)| add(reason.as_str(), n));
            },
        ));
        families.extend(self.reasons(
            "enfilade_tcp_connections_closed_total",
            "Media connections over TCP closed or refused",
            |counters, add| counters.tcp.closed().for_each(|(reason, n)| add(reason.as_str(), n)),
        ));
        families
    }
}

impl ShardCollector {
    fn each(&self, mut f: impl FnMut(&str, &ShardCounters)) {
        for (shard, counters) in self.shards.iter().enumerate() {
            f(&shard.to_string(), counters);
        }
    }

    fn reasons(&self, name: &str, help: &str, read: ReadReasons) -> Vec<MetricFamily> {
        let Ok(vec) = counter(name, help, &["shard", "reason"]) else {
            return Vec::new();
        };
        self.each(|shard, counters| {
            read(counters, &mut |reason, n| {
                vec.with_label_values(&[shard, reason]).inc_by(n)
            });
        });
        vec.collect()
    }
}
