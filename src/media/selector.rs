//! Which encoding and which layers a subscriber gets.
//!
//! Encodings change at a keyframe of the new one. Layers inside an encoding change between pictures: down at
//! any, temporally up where the codec says that nothing dropped will be missed, spatially up at a keyframe.

use crate::packet::{Codec, FrameInfo};

use super::DropReason;

/// What the subscriber asked for. The default is everything there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Highest encoding (simulcast), by its place in the offer's rids, low to high.
    pub max_encoding: u8,
    /// Highest spatial layer (SVC).
    pub max_spatial: u8,
    /// Highest temporal layer.
    pub max_temporal: u8,
    /// Nothing at all.
    pub paused: bool,
    /// Who comes first when bandwidth is short.
    pub claim: Claim,
    /// Pixels of the box it is shown in; 0 when nobody said.
    pub pixels: u32,
}

/// How much a video matters to its subscriber, least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// Like any other.
    #[default]
    Usual,
    /// Of somebody who speaks, or just did.
    Speaking,
    /// A shared screen.
    Screen,
    /// Pinned by its subscriber. Sound of it is heard even while others of a large room are louder.
    Pinned,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_encoding: u8::MAX,
            max_spatial: u8::MAX,
            max_temporal: u8::MAX,
            paused: false,
            claim: Claim::Usual,
            pixels: 0,
        }
    }
}

/// What the subscriber's bandwidth allows: set from outside, on top of [`Limits`]. The default is everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Highest encoding.
    pub encoding: u8,
    /// Highest spatial layer.
    pub spatial: u8,
    /// Highest temporal layer.
    pub temporal: u8,
    /// Not even the lowest layer fits.
    pub paused: bool,
}

impl Default for Target {
    fn default() -> Self {
        Target {
            encoding: u8::MAX,
            spatial: u8::MAX,
            temporal: u8::MAX,
            paused: false,
        }
    }
}

/// No encoding.
const NONE: u8 = u8::MAX;

/// The state of one forwarder's choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selector {
    /// The encoding that is forwarded, or [`NONE`].
    current: u8,
    /// The encoding that should be, or [`NONE`] when paused.
    wanted: u8,
    /// The one that should be if all of them arrived, or [`NONE`] when paused.
    ideal: u8,
    /// Highest layers forwarded of the current picture.
    spatial: u8,
    temporal: u8,
    /// Highest layers allowed.
    max_spatial: u8,
    max_temporal: u8,
    /// The subscriber has lost the thread and asked for a keyframe.
    lost: bool,
}

impl Default for Selector {
    fn default() -> Self {
        Selector {
            current: NONE,
            wanted: NONE,
            ideal: NONE,
            spatial: 0,
            temporal: 0,
            max_spatial: u8::MAX,
            max_temporal: u8::MAX,
            lost: false,
        }
    }
}

impl Selector {
    /// Whether packets of this encoding continue what is being forwarded.
    #[inline]
    pub(super) fn is_on(&self, encoding: u8) -> bool {
        self.current == encoding
    }

    /// The encoding that is forwarded.
    pub(super) fn current(&self) -> Option<usize> {
        (self.current != NONE).then_some(usize::from(self.current))
    }

    /// The encoding that would be forwarded if all of them arrived.
    pub(super) fn ideal(&self) -> Option<u8> {
        (self.ideal != NONE).then_some(self.ideal)
    }

    /// Whether a packet of another encoding may begin a new run. `entry`: decoding can begin with it.
    #[inline]
    pub(super) fn may_start(&self, encoding: u8, entry: bool) -> Result<(), DropReason> {
        if self.wanted == encoding {
            if entry {
                Ok(())
            } else {
                Err(DropReason::AwaitingKeyframe)
            }
        } else if self.wanted == NONE {
            Err(DropReason::Paused)
        } else {
            Err(DropReason::OtherEncoding)
        }
    }

    /// Goes over to the wanted encoding.
    pub(super) fn start(&mut self) {
        self.current = self.wanted;
        self.refresh();
    }

    /// Stops until the next lawful start.
    pub(super) fn stop(&mut self) {
        self.current = NONE;
    }

    /// What is forwarded is more than what is wanted, and stops without waiting for a keyframe of that. Whether anything now
    /// waits for one.
    pub(super) fn abandon(&mut self) -> bool {
        let waits = self.wanted == NONE || self.current == NONE || self.current > self.wanted;
        if waits {
            self.current = NONE;
        }
        waits
    }

    /// Whether a packet of the current encoding is forwarded.
    #[inline]
    pub(super) fn admit(&self, frame: &FrameInfo) -> Result<(), DropReason> {
        if frame.temporal > self.temporal {
            Err(DropReason::TemporalLayer)
        } else if frame.spatial > self.spatial {
            if frame.spatial <= self.max_spatial {
                Err(DropReason::AwaitingKeyframe)
            } else {
                Err(DropReason::SpatialLayer)
            }
        } else {
            Ok(())
        }
    }

    /// A picture begins: the moment for changing layers. True when they changed.
    #[inline]
    pub(super) fn begin_picture(&mut self, frame: &FrameInfo, codec: Codec) -> bool {
        let before = (self.spatial, self.temporal);
        if frame.keyframe && frame.spatial == 0 {
            self.refresh();
            return before != (self.spatial, self.temporal);
        }
        self.spatial = self.spatial.min(self.max_spatial);
        self.temporal = self.temporal.min(self.max_temporal);
        if frame.switch_up && self.temporal < self.max_temporal {
            let above = frame.temporal > self.temporal && frame.temporal <= self.max_temporal;
            let next = above && frame.temporal == self.temporal + 1;
            match codec {
                // Y: this frame needs the base layer only. It says nothing of the layer between, so one at a time.
                Codec::Vp8 if next => self.temporal = frame.temporal,
                // U: higher frames after this one need nothing of theirs from before it (RFC 9628 section 4.2).
                Codec::Vp9 if frame.temporal <= self.temporal => self.temporal = self.max_temporal,
                Codec::Vp9 if next => self.temporal = frame.temporal,
                // A switch indication is for the whole decode target.
                Codec::Av1 if above => self.temporal = frame.temporal,
                Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::H264 | Codec::Opus | Codec::Red => {}
            }
        }
        before != (self.spatial, self.temporal)
    }

    /// Whether this packet is the last one forwarded of its picture because what follows is a dropped spatial
    /// layer (RFC 9628 section 4.2: the marker bit goes there).
    #[inline]
    pub(super) fn cuts_picture_after(&self, frame: &FrameInfo) -> bool {
        frame.ends_frame && frame.spatial == self.spatial
    }

    /// The subscriber asked for a keyframe: the encoding to ask for.
    pub(super) fn lose(&mut self) -> Option<usize> {
        self.lost = true;
        (self.wanted != NONE).then_some(usize::from(self.wanted))
    }

    /// Whether a keyframe of this encoding would help.
    pub(super) fn waits_for(&self, encoding: usize) -> bool {
        self.wanted != NONE && usize::from(self.wanted) == encoding && (self.current != self.wanted || self.lost)
    }

    /// Chooses anew. `live` has a bit for each encoding that arrives. Answers with the encoding whose keyframe
    /// is needed to get there.
    pub(super) fn choose(&mut self, limits: Limits, target: Target, live: u8, encodings: usize) -> Option<usize> {
        if limits.paused || target.paused {
            self.wanted = NONE;
            self.ideal = NONE;
            self.current = NONE;
            return None;
        }
        self.max_spatial = limits.max_spatial.min(target.spatial);
        self.max_temporal = limits.max_temporal.min(target.temporal);
        let highest = usize::from(limits.max_encoding.min(target.encoding)).min(encodings.saturating_sub(1));
        self.ideal = highest as u8;
        let is_live = |encoding: &usize| live & (1 << encoding) != 0;
        let wanted = (0..=highest)
            .rev()
            .find(is_live)
            .or_else(|| (highest + 1..encodings).find(is_live))
            .unwrap_or(highest);
        self.wanted = wanted as u8;
        (self.current != self.wanted).then_some(wanted)
    }

    /// A keyframe: every layer allowed is decodable from here.
    fn refresh(&mut self) {
        self.spatial = self.max_spatial;
        self.temporal = self.max_temporal;
        self.lost = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(live: u8) -> Selector {
        let mut selector = Selector::default();
        selector.choose(Limits::default(), Target::default(), live, 3);
        selector
    }

    fn limited(max_encoding: u8, live: u8) -> u8 {
        let mut selector = Selector::default();
        let limits = Limits {
            max_encoding,
            ..Limits::default()
        };
        selector.choose(limits, Target::default(), live, 3);
        selector.wanted
    }

    fn frame(temporal: u8, switch_up: bool) -> FrameInfo {
        FrameInfo {
            temporal,
            switch_up,
            ..FrameInfo::default()
        }
    }

    fn at_temporal(max_temporal: u8, now: u8) -> Selector {
        let mut selector = all(7);
        selector.start();
        selector.max_temporal = max_temporal;
        selector.temporal = now;
        selector
    }

    #[test]
    fn the_best_live_encoding_within_the_limit_is_wanted_then_lower_then_higher() {
        assert_eq!(limited(2, 0b111), 2);
        assert_eq!(limited(1, 0b111), 1);
        assert_eq!(limited(2, 0b011), 1);
        assert_eq!(limited(1, 0b101), 0);
        assert_eq!(limited(0, 0b100), 2);
        assert_eq!(limited(0, 0b110), 1);
        assert_eq!(limited(9, 0), 2);
    }

    #[test]
    fn the_target_lowers_what_the_limits_allow() {
        let mut selector = Selector::default();
        let target = Target {
            encoding: 1,
            spatial: 0,
            temporal: 1,
            paused: false,
        };
        assert_eq!(selector.choose(Limits::default(), target, 7, 3), Some(1));
        assert_eq!((selector.max_spatial, selector.max_temporal), (0, 1));
    }

    #[test]
    fn another_encoding_starts_on_its_keyframe_only() {
        let selector = all(7);
        assert_eq!(selector.may_start(2, true), Ok(()));
        assert_eq!(selector.may_start(2, false), Err(DropReason::AwaitingKeyframe));
        assert_eq!(selector.may_start(0, true), Err(DropReason::OtherEncoding));
        assert_eq!(Selector::default().may_start(0, true), Err(DropReason::Paused));
    }

    #[test]
    fn what_is_abandoned_stops_before_the_keyframe_of_what_is_wanted() {
        let mut selector = all(7);
        selector.start();
        assert!(!selector.abandon(), "what is wanted goes on");
        let target = Target {
            encoding: 1,
            ..Target::default()
        };
        selector.choose(Limits::default(), target, 7, 3);
        assert!(selector.is_on(2));
        assert!(selector.abandon());
        assert_eq!(selector.current(), None);
        assert!(selector.waits_for(1));
        assert_eq!(selector.may_start(2, true), Err(DropReason::OtherEncoding));
    }

    #[test]
    fn temporal_layers_go_down_at_any_picture() {
        let mut selector = at_temporal(0, 2);
        assert!(selector.begin_picture(&frame(2, false), Codec::Vp8));
        assert_eq!(selector.admit(&frame(2, false)), Err(DropReason::TemporalLayer));
        assert_eq!(selector.admit(&frame(0, false)), Ok(()));
    }

    #[test]
    fn vp8_goes_up_one_layer_at_a_time_on_sync_frames() {
        let mut selector = at_temporal(2, 0);
        assert!(!selector.begin_picture(&frame(1, false), Codec::Vp8));
        assert!(!selector.begin_picture(&frame(2, true), Codec::Vp8));
        assert!(selector.begin_picture(&frame(1, true), Codec::Vp8));
        assert!(selector.begin_picture(&frame(2, true), Codec::Vp8));
        assert_eq!(selector.temporal, 2);
    }

    #[test]
    fn vp9_goes_up_after_a_switching_up_point_it_already_receives() {
        let mut selector = at_temporal(2, 0);
        assert!(selector.begin_picture(&frame(0, true), Codec::Vp9));
        assert_eq!(selector.temporal, 2);
    }

    #[test]
    fn h264_goes_up_at_a_keyframe_only() {
        let mut selector = at_temporal(2, 0);
        assert!(!selector.begin_picture(&frame(1, true), Codec::H264));
        let key = FrameInfo {
            keyframe: true,
            starts_frame: true,
            ..FrameInfo::default()
        };
        assert!(selector.begin_picture(&key, Codec::H264));
        assert_eq!(selector.temporal, 2);
    }

    #[test]
    fn a_spatial_step_up_waits_for_a_keyframe_and_comes_with_it() {
        let mut selector = all(1);
        let low = Limits {
            max_spatial: 0,
            ..Limits::default()
        };
        selector.choose(low, Target::default(), 1, 1);
        selector.start();
        let upper = FrameInfo {
            spatial: 1,
            ..FrameInfo::default()
        };
        assert_eq!(selector.admit(&upper), Err(DropReason::SpatialLayer));
        selector.choose(Limits::default(), Target::default(), 1, 1);
        assert_eq!(selector.admit(&upper), Err(DropReason::AwaitingKeyframe));
        let key = FrameInfo {
            keyframe: true,
            ..FrameInfo::default()
        };
        selector.begin_picture(&key, Codec::Vp9);
        assert_eq!(selector.admit(&upper), Ok(()));
    }

    #[test]
    fn a_lost_subscriber_waits_until_a_keyframe() {
        let mut selector = all(1);
        selector.start();
        assert!(!selector.waits_for(0));
        assert_eq!(selector.lose(), Some(0));
        assert!(selector.waits_for(0));
        selector.begin_picture(
            &FrameInfo {
                keyframe: true,
                ..FrameInfo::default()
            },
            Codec::Vp8,
        );
        assert!(!selector.waits_for(0));
    }
}
