//! How a transport is doing and why, for people who ask.

use super::Shard;
use super::command::TransportKey;
use super::event::{Explained, ExplainedSource, ExplainedVideo, ShardEvent};
use super::transports::{Seat, TransportEntry};
use crate::media::{Decision, TransportSlot};
use crate::packet::Kind;

impl Shard {
    /// Answers in any case: whoever asked waits for it.
    pub(super) fn explain(&mut self, transport: TransportKey, ask: u32) {
        let slot = self.table.slot(transport);
        let explained = slot.and_then(|slot| self.explanation(slot)).map(Box::new);
        let event = ShardEvent::Explained { ask, explained };
        self.post.send(transport.room(), event);
    }

    fn explanation(&self, slot: TransportSlot) -> Option<Explained> {
        let entry = self.transports.get(slot.0 as usize)?;
        let downlink = entry.downlink.as_deref();
        let decisions = downlink.map(|downlink| downlink.decisions()).unwrap_or_default();
        let published = entry.receive.lines.iter().filter_map(|line| line.source);
        let sources = published.filter_map(|key| {
            let layers = self.sources.get(key)?.source.layers();
            Some(ExplainedSource {
                source: key,
                arriving_bps: layers.arriving_bps(),
                encodings: layers.whole_encodings().copied().collect(),
            })
        });
        Some(Explained {
            down: downlink.map(|downlink| downlink.stats()),
            pacing_bps: entry.pacing_bps,
            path: entry.path.known(),
            sources: sources.collect(),
            videos: self.explain_videos(entry, decisions),
        })
    }

    fn explain_videos(&self, entry: &TransportEntry, decisions: &[Decision]) -> Vec<ExplainedVideo> {
        let videos = entry.egresses.iter().filter(|seat| seat.kind == Kind::Video);
        let explain = videos.filter_map(|seat| {
            let Seat::Taken(source) = seat.seat else { return None };
            let decision = decisions.iter().find(|decision| decision.key == seat.key)?;
            let from = &self.sources.get(source)?.source;
            let encoding = from.stats(seat.key).and_then(|stats| stats.encoding);
            Some(ExplainedVideo {
                source,
                decision: *decision,
                layer: encoding.and_then(|encoding| from.layers().reached(encoding as u8, decision.target).copied()),
            })
        });
        explain.collect()
    }
}
