//! What a source can be forwarded as, and what each way costs.

use super::{Limits, Target};

/// One way to forward a source: an encoding up to a spatial and a temporal layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Which encoding, low to high.
    pub encoding: u8,
    /// Up to which spatial layer.
    pub spatial: u8,
    /// Up to which temporal layer.
    pub temporal: u8,
    /// No spatial layer of the encoding is above it.
    pub spatial_top: bool,
    /// No temporal layer of the encoding is above it.
    pub temporal_top: bool,
    /// Bits per second of UDP payload, all that has to be sent with it included.
    pub bps: u32,
    /// Pixels across and down, as far as known.
    pub size: Option<(u16, u16)>,
    /// It arrives. What does not has been stopped because nobody watched, or its publisher has no bandwidth for it.
    pub live: bool,
}

impl Layer {
    /// Whether a subscriber asked for it.
    pub fn is_within(&self, limits: Limits) -> bool {
        self.encoding <= limits.max_encoding
            && self.spatial <= limits.max_spatial
            && self.temporal <= limits.max_temporal
    }
}

/// All layers of a source, ordered by encoding, then spatial, then temporal layer.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    pub(super) layers: Vec<Layer>,
    pub(super) idle: bool,
}

impl Layers {
    /// All of them, in order.
    pub fn all(&self) -> &[Layer] {
        &self.layers
    }

    /// Whether a subscriber asked for all there is.
    pub fn is_all_within(&self, limits: Limits) -> bool {
        self.layers.iter().all(|layer| layer.is_within(limits))
    }

    /// What is sent to whom a target gives this encoding: itself if it arrives, else the best one below that does, else the next.
    pub fn served(&self, encoding: u8) -> u8 {
        let live = || {
            self.layers
                .iter()
                .filter(|layer| layer.live)
                .map(|layer| layer.encoding)
        };
        let below = live().filter(|live| *live <= encoding).max();
        below.or_else(|| live().min()).unwrap_or(encoding)
    }

    /// The best layer of an encoding that a target lets through.
    pub fn reached(&self, encoding: u8, target: Target) -> Option<&Layer> {
        let mut own = self.layers.iter().filter(|layer| layer.encoding == encoding);
        own.rfind(|layer| layer.spatial <= target.spatial && layer.temporal <= target.temporal)
    }

    /// Each encoding with all its layers.
    pub fn whole_encodings(&self) -> impl Iterator<Item = &Layer> {
        self.layers
            .iter()
            .filter(|layer| layer.spatial_top && layer.temporal_top)
    }

    /// Nothing has arrived for a while, of no encoding: muted, or a screen that stands still.
    pub fn is_idle(&self) -> bool {
        self.idle
    }

    /// What everything together brings in now, in bits per second.
    pub fn arriving_bps(&self) -> u64 {
        if self.idle {
            return 0;
        }
        let whole = self
            .layers
            .iter()
            .filter(|layer| layer.live && layer.spatial_top && layer.temporal_top);
        whole.map(|layer| u64::from(layer.bps)).sum()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Encodings of one layer each.
    pub(in crate::media) fn simulcast(bps: &[u32]) -> Layers {
        let layer = |(encoding, bps): (usize, &u32)| Layer {
            encoding: encoding as u8,
            spatial: 0,
            temporal: 0,
            spatial_top: true,
            temporal_top: true,
            bps: *bps,
            size: None,
            live: true,
        };
        Layers {
            layers: bps.iter().enumerate().map(layer).collect(),
            idle: false,
        }
    }

    /// Encodings of temporal layers.
    pub(in crate::media) fn temporal(bps: &[&[u32]]) -> Layers {
        let of = |(encoding, layers): (usize, &&[u32])| {
            let top = layers.len() - 1;
            let layer = move |(temporal, bps): (usize, &u32)| Layer {
                encoding: encoding as u8,
                spatial: 0,
                temporal: temporal as u8,
                spatial_top: true,
                temporal_top: temporal == top,
                bps: *bps,
                size: None,
                live: true,
            };
            layers.iter().enumerate().map(layer).collect::<Vec<_>>()
        };
        Layers {
            layers: bps.iter().enumerate().flat_map(of).collect(),
            idle: false,
        }
    }
}
