//! What each layer of a source brings in: a few additions per packet, made into rates four times a second.
//!
//! A layer that stops keeps the rate it had, so that it can be chosen again by what it will cost. Keyframes are smoothed over
//! a longer time than the rest: each switch and each newcomer causes one, and a price that jumps with it would make others
//! switch in turn.

use std::time::{Duration, Instant};

use crate::media::{ENCODINGS_MAX, Layer, Layers};

/// Of a rate. Shorter, and the price of a layer would follow single large frames.
const WINDOW: Duration = Duration::from_millis(250);
/// What a rate is an average over.
const SMOOTHING: Duration = Duration::from_secs(1);
/// What the share of keyframes is an average over: several of the intervals that encoders with regular keyframes use.
const KEYFRAME_SMOOTHING: Duration = Duration::from_secs(8);
/// A source that is silent for longer is idle, and its pause is no part of its rate.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// An encoding that does not come for so long although somebody here wants it cannot be had: its publisher lacks
/// bandwidth or power for it. Longer than a publisher takes that has to start it again.
const PATIENCE: Duration = Duration::from_secs(3);
/// A layer that is missing for so many windows, in an encoding that arrives, is gone.
const UNSEEN_MAX: u8 = 8;
/// More layers than this of one encoding count as the last one.
const SPATIAL_MAX: usize = 4;
const TEMPORAL_MAX: usize = 4;
/// Before anything was measured, two bits a second for each pixel: 115 kb/s for 180 lines, 1.8 Mb/s for 720.
const NOMINAL_BPS_PER_PIXEL: u32 = 2;
const NOMINAL_BPS_MIN: u32 = 60_000;
/// Of a source whose size nobody said, largest encoding.
const NOMINAL_SIZE: (u16, u16) = (1_280, 720);
/// What a datagram has beside the payload: RTP header, the usual extensions, authentication tag.
const OVERHEAD_BYTES: u32 = 36;

type Grid<T> = [[T; TEMPORAL_MAX]; SPATIAL_MAX];

/// Rates of all encodings of one source.
#[derive(Debug)]
pub(super) struct Rates {
    encodings: [Encoding; ENCODINGS_MAX],
    closed_at: Option<Instant>,
    announced: Option<(u16, u16)>,
    state: State,
    layers: Layers,
}

/// What those who choose layers want to know at once when it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    idle: bool,
    live: u8,
    missing: u8,
}

#[derive(Clone, Copy, Debug)]
struct Encoding {
    /// Of the window, by layer, without keyframes.
    bytes: Grid<u32>,
    /// Of the window, of keyframes, by spatial layer.
    key_bytes: [u32; SPATIAL_MAX],
    /// RTP timestamp of the last keyframe: its packets all have it.
    key_timestamp: Option<u32>,
    bps: Grid<f32>,
    key_bps: [f32; SPATIAL_MAX],
    /// Windows since a layer was last seen.
    unseen: Grid<u8>,
    /// What the rates are an average over, until that is [`SMOOTHING`].
    measured: Duration,
    /// Since the last window in which anything came.
    silent: Duration,
    /// For how long it has been wanted without coming.
    wanted: Duration,
    size: Option<(u16, u16)>,
}

impl Default for Encoding {
    fn default() -> Self {
        Encoding {
            bytes: Default::default(),
            key_bytes: Default::default(),
            key_timestamp: None,
            bps: Default::default(),
            key_bps: Default::default(),
            unseen: [[UNSEEN_MAX; TEMPORAL_MAX]; SPATIAL_MAX],
            measured: Duration::ZERO,
            silent: SILENCE_MAX,
            wanted: Duration::ZERO,
            size: None,
        }
    }
}

impl Rates {
    pub(super) fn new(encodings: usize) -> Self {
        let mut rates = Rates {
            encodings: [Encoding::default(); ENCODINGS_MAX],
            closed_at: None,
            announced: None,
            state: State {
                idle: true,
                ..State::default()
            },
            layers: Layers::default(),
        };
        rates.price(encodings, rates.state);
        rates
    }

    /// Pixels of the largest encoding, as its publisher says.
    pub(super) fn announce(&mut self, size: (u16, u16), encodings: usize) {
        self.announced = Some(size);
        self.price(encodings, self.state);
    }

    /// A packet came.
    #[inline]
    pub(super) fn add(&mut self, encoding: usize, spatial: u8, temporal: u8, timestamp: u32, bytes: usize) {
        let encoding = &mut self.encodings[encoding];
        let spatial = usize::from(spatial).min(SPATIAL_MAX - 1);
        let bytes = bytes as u32 + OVERHEAD_BYTES;
        if encoding.key_timestamp == Some(timestamp) {
            encoding.key_bytes[spatial] += bytes;
        } else {
            encoding.bytes[spatial][usize::from(temporal).min(TEMPORAL_MAX - 1)] += bytes;
        }
    }

    /// A keyframe begins, with a packet that [`Self::add`] has yet to hear of. `size`: if it says how large it is.
    pub(super) fn begin_keyframe(&mut self, encoding: usize, timestamp: u32, size: Option<(u16, u16)>) {
        let encoding = &mut self.encodings[encoding];
        encoding.key_timestamp = Some(timestamp);
        encoding.size = size.or(encoding.size);
    }

    /// The layers as of the last [`Self::close`].
    pub(super) fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Time passes. `live` has a bit for each encoding that arrives, `wanted` for each that a subscriber is waiting for or
    /// receives. True when an encoding came or went, or the source fell silent or speaks again.
    pub(super) fn close(&mut self, now: Instant, encodings: usize, live: u8, wanted: u8) -> bool {
        let elapsed = match self.closed_at {
            Some(at) => now.saturating_duration_since(at),
            None => WINDOW,
        };
        if elapsed < WINDOW && live == self.state.live {
            return false;
        }
        self.closed_at = Some(now);
        let mut state = State {
            idle: true,
            live,
            missing: 0,
        };
        for (at, encoding) in self.encodings[..encodings].iter_mut().enumerate() {
            let bit = 1 << at;
            encoding.close(elapsed);
            if live & bit != 0 || wanted & bit == 0 {
                encoding.wanted = Duration::ZERO;
            } else {
                encoding.wanted += elapsed;
                state.missing |= if encoding.wanted >= PATIENCE { bit } else { 0 };
            }
            state.idle &= encoding.silent >= SILENCE_MAX;
        }
        let changed = state != self.state;
        self.state = state;
        self.price(encodings, state);
        changed
    }

    /// Works out what each layer costs.
    fn price(&mut self, encodings: usize, state: State) {
        let mut layers = std::mem::take(&mut self.layers);
        layers.idle = state.idle;
        layers.layers.clear();
        // What is sent in place of an encoding that does not come: the best one below it.
        let mut instead = None;
        for at in 0..encodings {
            let live = state.live & (1 << at) != 0;
            let missing = state.missing & (1 << at) != 0;
            let size = self.size(at, encodings);
            let first = layers.layers.len();
            if self.encodings[at].measured.is_zero() {
                let (width, height) = size.unwrap_or(halved(NOMINAL_SIZE, encodings - 1 - at));
                let pixels = u32::from(width) * u32::from(height);
                layers.layers.push(Layer {
                    encoding: at as u8,
                    spatial: 0,
                    temporal: 0,
                    spatial_top: true,
                    temporal_top: true,
                    bps: (pixels * NOMINAL_BPS_PER_PIXEL).max(NOMINAL_BPS_MIN),
                    size,
                    live,
                });
            } else {
                self.encodings[at].push_layers(at as u8, size, live, &mut layers.layers);
            }
            let own = &mut layers.layers[first..];
            if live {
                instead = own.last().map(|top| top.bps);
            } else if let Some(instead) = instead {
                for layer in own {
                    layer.bps = if missing { instead } else { layer.bps.max(instead) };
                }
            }
        }
        // Below an encoding that cannot be had, and nothing lower arrives: what is sent is the next one that does.
        let mut next = None;
        for layer in layers.layers.iter_mut().rev() {
            if layer.live {
                next = Some(layer.bps);
            } else if state.missing & (1 << layer.encoding) != 0
                && let Some(next) = next
            {
                layer.bps = layer.bps.max(next);
            }
        }
        self.layers = layers;
    }

    fn size(&self, at: usize, encodings: usize) -> Option<(u16, u16)> {
        let announced = self.announced.map(|size| halved(size, encodings - 1 - at));
        self.encodings[at].size.or(announced)
    }
}

/// Each encoding has half the width and height of the next one, as browsers send them.
fn halved((width, height): (u16, u16), times: usize) -> (u16, u16) {
    ((width >> times).max(1), (height >> times).max(1))
}

impl Encoding {
    fn close(&mut self, elapsed: Duration) {
        let received = self
            .key_bytes
            .iter()
            .chain(self.bytes.iter().flatten())
            .any(|bytes| *bytes > 0);
        if !received {
            self.silent = self.silent.saturating_add(elapsed);
            return;
        }
        let pause = std::mem::take(&mut self.silent);
        let span = if pause < SILENCE_MAX { elapsed + pause } else { elapsed }.max(Duration::from_millis(1));
        self.measured = (self.measured + span).min(SMOOTHING);
        let share = (span.as_secs_f32() / self.measured.as_secs_f32()).min(1.0);
        let key_share = (span.as_secs_f32() / KEYFRAME_SMOOTHING.as_secs_f32()).min(1.0);
        let per_second = 8.0 / span.as_secs_f32();
        for spatial in 0..SPATIAL_MAX {
            let key_bytes = std::mem::take(&mut self.key_bytes[spatial]);
            smooth(&mut self.key_bps[spatial], key_bytes as f32 * per_second, key_share);
            for temporal in 0..TEMPORAL_MAX {
                let bytes = std::mem::take(&mut self.bytes[spatial][temporal]);
                smooth(&mut self.bps[spatial][temporal], bytes as f32 * per_second, share);
                let unseen = &mut self.unseen[spatial][temporal];
                if bytes > 0 || (temporal == 0 && key_bytes > 0) {
                    *unseen = 0;
                } else {
                    *unseen = unseen.saturating_add(1);
                }
            }
        }
    }

    /// Its layers with what has to be sent for each: the layer and all below it.
    fn push_layers(&self, encoding: u8, size: Option<(u16, u16)>, live: bool, layers: &mut Vec<Layer>) {
        let there = |spatial: usize, temporal: usize| self.unseen[spatial][temporal] < UNSEEN_MAX;
        let spatial_top = (0..SPATIAL_MAX)
            .rev()
            .find(|spatial| (0..TEMPORAL_MAX).any(|temporal| there(*spatial, temporal)))
            .unwrap_or(0);
        for spatial in 0..=spatial_top {
            let temporal_top = (0..TEMPORAL_MAX)
                .rev()
                .find(|temporal| (0..=spatial).any(|below| there(below, *temporal)))
                .unwrap_or(0);
            for temporal in 0..=temporal_top {
                let below = self.bps[..=spatial]
                    .iter()
                    .map(|row| row[..=temporal].iter().sum::<f32>());
                let bps = below.sum::<f32>() + self.key_bps[..=spatial].iter().sum::<f32>();
                layers.push(Layer {
                    encoding,
                    spatial: spatial as u8,
                    temporal: temporal as u8,
                    spatial_top: spatial == spatial_top,
                    temporal_top: temporal == temporal_top,
                    bps: bps as u32,
                    size: size.map(|size| halved(size, spatial_top - spatial)),
                    live,
                });
            }
        }
    }
}

fn smooth(rate: &mut f32, sample: f32, share: f32) {
    *rate += (sample - *rate) * share;
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 400_000;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A publisher in front of the rates: 25 pictures a second, each of one packet for every encoding that is on.
    struct Playing {
        rates: Rates,
        now: Instant,
        encodings: usize,
        picture: u32,
        wanted: u8,
    }

    impl Playing {
        fn new(encodings: usize) -> Self {
            Playing {
                rates: Rates::new(encodings),
                now: Instant::now(),
                encodings,
                picture: 0,
                wanted: 0,
            }
        }

        /// Bits per second of each encoding that is on; the first picture of a run is a keyframe of ten times the size.
        fn run(&mut self, time: Duration, on: &[(usize, u32)]) -> bool {
            let live = on.iter().fold(0, |live, (encoding, _)| live | 1 << encoding);
            let (end, mut changed, mut first) = (self.now + time, false, true);
            while self.now < end {
                for &(encoding, bps) in on {
                    let bytes = bps / 25 / 8 - OVERHEAD_BYTES;
                    if first {
                        self.rates.begin_keyframe(encoding, self.picture, Some((640, 360)));
                    }
                    let bytes = if first { bytes * 10 } else { bytes };
                    self.rates.add(encoding, 0, 0, self.picture, bytes as usize);
                }
                first = false;
                self.picture += 1;
                self.now += ms(40);
                changed |= self.rates.close(self.now, self.encodings, live, self.wanted);
            }
            changed
        }

        fn bps(&self) -> Vec<u32> {
            self.rates.layers().all().iter().map(|layer| layer.bps).collect()
        }
    }

    fn about(bps: u32, expected: u32) -> bool {
        bps.abs_diff(expected) < expected / 10
    }

    #[test]
    fn a_rate_is_known_after_a_second_and_a_keyframe_hardly_moves_it() {
        let mut playing = Playing::new(1);
        playing.run(ms(1_500), &[(0, RATE)]);
        assert!(about(playing.bps()[0], RATE), "{:?}", playing.bps());
        playing.run(ms(280), &[(0, RATE)]);
        assert!(
            about(playing.bps()[0], RATE),
            "with another keyframe {:?}",
            playing.bps()
        );
    }

    #[test]
    fn regular_keyframes_are_part_of_the_price() {
        let mut playing = Playing::new(1);
        for _ in 0..15 {
            playing.run(ms(2_000), &[(0, RATE)]);
        }
        // Nine more pictures' worth in each fifty.
        let expected = RATE + RATE * 9 / 50;
        assert!(about(playing.bps()[0], expected), "{:?} for {expected}", playing.bps());
    }

    #[test]
    fn before_it_is_measured_a_price_follows_from_the_size() {
        let mut announced = Rates::new(3);
        announced.announce((640, 360), 3);
        let bps: Vec<u32> = announced.layers().all().iter().map(|layer| layer.bps).collect();
        assert_eq!(bps, [60_000, 115_200, 460_800]);
        assert_eq!(announced.layers().all()[1].size, Some((320, 180)));
        assert!(announced.layers().is_idle());
        let unknown = Rates::new(3);
        assert_eq!(unknown.layers().all()[2].bps, 1_843_200);
        assert_eq!(unknown.layers().all()[2].size, None);
    }

    #[test]
    fn an_encoding_that_stops_keeps_its_price() {
        let mut playing = Playing::new(2);
        playing.run(ms(3_000), &[(0, RATE), (1, 4 * RATE)]);
        assert!(playing.run(ms(5_000), &[(0, RATE)]), "that it stopped is told");
        let layers = playing.rates.layers().all();
        assert!(!layers[1].live && about(layers[1].bps, 4 * RATE), "{layers:?}");
    }

    #[test]
    fn an_encoding_that_does_not_come_when_wanted_costs_what_is_sent_in_its_place() {
        let mut playing = Playing::new(2);
        playing.run(ms(3_000), &[(0, RATE), (1, 4 * RATE)]);
        playing.wanted = 0b10;
        playing.run(ms(2_000), &[(0, RATE)]);
        assert!(about(playing.bps()[1], 4 * RATE));
        assert!(playing.run(ms(2_000), &[(0, RATE)]), "that it cannot be had is told");
        assert!(about(playing.bps()[1], RATE), "{:?}", playing.bps());
        playing.run(ms(1_000), &[(0, RATE), (1, 4 * RATE)]);
        assert!(playing.bps()[1] > 3 * RATE, "it is back: {:?}", playing.bps());
    }

    #[test]
    fn in_place_of_a_lowest_encoding_that_cannot_be_had_the_next_one_is_paid() {
        let mut playing = Playing::new(2);
        playing.wanted = 0b01;
        playing.run(ms(4_000), &[(1, 4 * RATE)]);
        let bps = playing.bps();
        assert!(bps[0] >= bps[1] && about(bps[1], 4 * RATE), "{bps:?}");
    }

    #[test]
    fn silence_makes_idle_and_a_short_pause_only_a_lower_rate() {
        let mut playing = Playing::new(1);
        playing.run(ms(2_000), &[(0, RATE)]);
        for _ in 0..7 {
            playing.now += ms(250);
            playing.rates.close(playing.now, 1, 1, 0);
        }
        assert!(!playing.rates.layers().is_idle());
        playing.now += ms(250);
        assert!(playing.rates.close(playing.now, 1, 1, 0));
        assert!(playing.rates.layers().is_idle() && about(playing.bps()[0], RATE));
        assert_eq!(playing.rates.layers().arriving_bps(), 0);
        assert!(playing.run(ms(300), &[(0, RATE)]), "that it is back is told");
        assert!(!playing.rates.layers().is_idle());
    }

    #[test]
    fn each_layer_costs_all_below_it_and_one_that_is_not_seen_is_gone() {
        let mut rates = Rates::new(1);
        let start = Instant::now();
        let second = |rates: &mut Rates, from: u64, spatial_layers: u8| {
            for picture in 0..24_u64 {
                let temporal = [0, 2, 1, 2][picture as usize % 4];
                for spatial in 0..spatial_layers {
                    let bytes = 1_000 * (usize::from(spatial) + 1) - OVERHEAD_BYTES as usize;
                    rates.add(0, spatial, temporal, (from * 24 + picture) as u32, bytes);
                }
                rates.close(start + ms(from * 1_000 + picture * 1_000 / 24), 1, 1, 1);
            }
        };
        (0..4).for_each(|at| second(&mut rates, at, 2));
        let of = |rates: &Rates| -> Vec<Found> {
            let layers = rates.layers().all().iter();
            layers
                .map(|l| {
                    (
                        l.spatial,
                        l.temporal,
                        l.spatial_top,
                        l.temporal_top,
                        (l.bps + 4_000) / 8_000,
                    )
                })
                .collect()
        };
        let expected = [
            (0, 0, false, false, 6),
            (0, 1, false, false, 12),
            (0, 2, false, true, 24),
            (1, 0, true, false, 18),
            (1, 1, true, false, 36),
            (1, 2, true, true, 72),
        ];
        assert_close(&of(&rates), &expected);
        (4..8).for_each(|at| second(&mut rates, at, 1));
        assert_close(
            &of(&rates),
            &[(0, 0, true, false, 6), (0, 1, true, false, 12), (0, 2, true, true, 24)],
        );
    }

    type Found = (u8, u8, bool, bool, u32);

    fn assert_close(found: &[Found], expected: &[Found]) {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            let layer = |l: &Found| (l.0, l.1, l.2, l.3);
            assert_eq!(layer(found), layer(expected));
            assert!(found.4.abs_diff(expected.4) <= 2, "{found:?} for {expected:?}");
        }
    }

    #[test]
    fn any_layer_numbers_are_counted() {
        let mut rates = Rates::new(4);
        let now = Instant::now();
        for layer in 0..=u8::MAX {
            rates.add(3, layer, layer, 7, usize::from(layer));
        }
        rates.close(now, 4, 8, 8);
        let top = rates.layers().all().last().copied();
        assert!(top.is_some_and(|top| (top.spatial, top.temporal) == (3, 3)));
    }
}
