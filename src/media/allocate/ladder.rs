//! The steps one video can be given, from the cheapest to all that was asked for.

use crate::media::{Layer, Layers, Limits, Target};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rung {
    pub(super) target: Target,
    /// Bits per second of it and everything below it.
    pub(super) bps: u64,
    /// It arrives.
    pub(super) live: bool,
}

/// How good a target is: encoding, spatial and temporal layer count in this order. Paused is less than any.
pub(super) fn level(target: Target) -> u32 {
    if target.paused {
        return 0;
    }
    1 + (u32::from(target.encoding) << 16 | u32::from(target.spatial) << 8 | u32::from(target.temporal))
}

/// Nothing above the highest layer of an encoding is left out, should one come.
fn target(layer: &Layer) -> Target {
    let or_all = |layer, top| if top { u8::MAX } else { layer };
    Target {
        encoding: layer.encoding,
        spatial: or_all(layer.spatial, layer.spatial_top),
        temporal: or_all(layer.temporal, layer.temporal_top),
        paused: false,
    }
}

/// Adds the rungs of a video, cheapest first, and says how many of them are no better, or no dearer, than `before`.
///
/// Only the lowest encoding is climbed from its lowest temporal layer. Above it a temporal layer is half a step: a picture
/// of four times the pixels is not worth having at a quarter of the frames. A layer that costs as much as a
/// better one is left out.
pub(super) fn push_rungs(rungs: &mut Vec<Rung>, layers: &Layers, limits: Limits, before: Option<Target>) -> usize {
    let first = rungs.len();
    let before = before.map_or(0, level);
    let mut kept_bps = 0;
    let mut lowest = None;
    let within = layers
        .all()
        .chunk_by(|a, b| (a.encoding, a.spatial) == (b.encoding, b.spatial));
    for layers in within {
        let Some(top) = layers.iter().rev().find(|layer| layer.is_within(limits)) else {
            continue;
        };
        let half = top.temporal.saturating_sub(1);
        let lowest = *lowest.get_or_insert((top.encoding, top.spatial)) == (top.encoding, top.spatial);
        for layer in layers.iter().filter(|layer| layer.is_within(limits)) {
            let (target, bps) = (target(layer), u64::from(layer.bps));
            if level(target) <= before {
                kept_bps = bps;
            }
            if lowest || layer.temporal >= half {
                while rungs.len() > first && rungs.last().is_some_and(|below| below.bps >= bps) {
                    rungs.pop();
                }
                rungs.push(Rung {
                    target,
                    bps,
                    live: layer.live,
                });
            }
        }
    }
    rungs[first..]
        .iter()
        .take_while(|rung| before > 0 && (level(rung.target) <= before || rung.bps <= kept_bps))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::layers::tests::{simulcast, temporal};

    fn rungs(layers: &Layers, limits: Limits) -> Vec<(u8, u8, u64)> {
        let mut rungs = Vec::new();
        push_rungs(&mut rungs, layers, limits, None);
        rungs
            .iter()
            .map(|rung| (rung.target.encoding, rung.target.temporal, rung.bps))
            .collect()
    }

    #[test]
    fn temporal_layers_are_half_steps() {
        let layers = temporal(&[&[60, 90, 150], &[200, 300, 500]]);
        let all = u8::MAX;
        assert_eq!(
            rungs(&layers, Limits::default()),
            [(0, 0, 60), (0, 1, 90), (0, all, 150), (1, 1, 300), (1, all, 500)]
        );
        let slow = Limits {
            max_temporal: 1,
            ..Limits::default()
        };
        assert_eq!(rungs(&layers, slow), [(0, 0, 60), (0, 1, 90), (1, 0, 200), (1, 1, 300)]);
    }

    #[test]
    fn a_layer_that_costs_as_much_as_a_better_one_is_no_step() {
        assert_eq!(rungs(&simulcast(&[300, 300, 300]), Limits::default()), [(2, 255, 300)]);
        assert_eq!(
            rungs(&simulcast(&[100, 400, 300]), Limits::default()),
            [(0, 255, 100), (2, 255, 300)]
        );
    }

    #[test]
    fn what_is_as_cheap_as_what_was_there_counts_as_there() {
        let medium = Target {
            encoding: 1,
            ..Target::default()
        };
        let mut rungs = Vec::new();
        let kept =
            |rungs: &mut Vec<Rung>, bps: &[u32]| push_rungs(rungs, &simulcast(bps), Limits::default(), Some(medium));
        assert_eq!(kept(&mut rungs, &[100, 300, 900]), 2);
        // The highest cannot be had: it costs what comes in its place.
        assert_eq!(kept(&mut rungs, &[100, 300, 300]), 2);
        // What a lower layer costs, dear as it may be, was never paid.
        let upper = temporal(&[&[500], &[100, 500]]);
        let base = Target { temporal: 0, ..medium };
        rungs.clear();
        assert_eq!(push_rungs(&mut rungs, &upper, Limits::default(), Some(base)), 1);
        let paused = Target {
            paused: true,
            ..Target::default()
        };
        assert_eq!(
            push_rungs(&mut rungs, &simulcast(&[1]), Limits::default(), Some(paused)),
            0
        );
    }
}
