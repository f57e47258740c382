//! What a participant wants of what others publish.

use std::collections::BTreeMap;

use super::publication::Publication;
use crate::{
    media::Limits,
    wire::{
        PublicationId,
        signal::{Priority, Quality, WishRequest},
    },
};

/// One participant's wishes. A publication without an entry is wanted, or not, by `auto`.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    auto: bool,
    /// `None`: expressly not wanted.
    by_publication: BTreeMap<PublicationId, Option<WishRequest>>,
}

impl Wishes {
    /// `auto`: want everything until told otherwise.
    pub(super) fn new(auto: bool) -> Self {
        Self {
            auto,
            by_publication: BTreeMap::new(),
        }
    }

    /// Sets a wish; `None`: do not want it.
    pub(super) fn set(&mut self, publication: PublicationId, wish: Option<WishRequest>) {
        self.by_publication.insert(publication, wish);
    }

    /// The publication is no more.
    pub(super) fn forget(&mut self, publication: PublicationId) {
        self.by_publication.remove(&publication);
    }

    /// Is it wanted?
    pub(super) fn wants(&self, publication: PublicationId) -> bool {
        self.by_publication.get(&publication).map_or(self.auto, Option::is_some)
    }

    fn wish(&self, publication: PublicationId) -> Option<&WishRequest> {
        self.by_publication.get(&publication).and_then(Option::as_ref)
    }

    /// Does it get a seat first?
    pub(super) fn is_pinned(&self, publication: PublicationId) -> bool {
        self.wish(publication)
            .is_some_and(|wish| wish.priority == Priority::Pinned)
    }

    /// Nothing of it for the present?
    pub(super) fn is_paused(&self, publication: PublicationId) -> bool {
        self.wish(publication).is_some_and(|wish| wish.paused)
    }

    /// The wish in the words of the media plane.
    pub(super) fn limits(&self, publication: &Publication) -> Limits {
        self.wish(publication.known_as())
            .map_or_else(Limits::default, |wish| limits(wish, publication))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_publication.len()
    }
}

fn limits(wish: &WishRequest, publication: &Publication) -> Limits {
    let highest = publication.encodings.saturating_sub(1);
    let by_quality = match wish.quality {
        Some(Quality::Low) => 0,
        Some(Quality::Medium) => highest.div_ceil(2),
        Some(Quality::High) | None => u8::MAX,
    };
    // Without simulcast the same words go for the spatial layers of one encoding (SVC), of which there are up to three.
    let by_spatial = match wish.quality {
        Some(Quality::Low) => 0,
        Some(Quality::Medium) => 1,
        Some(Quality::High) | None => u8::MAX,
    };
    let simulcast = highest > 0;
    Limits {
        max_encoding: if simulcast {
            by_quality.min(by_box(wish, publication))
        } else {
            u8::MAX
        },
        max_spatial: if simulcast { u8::MAX } else { by_spatial },
        max_temporal: wish.max_temporal.unwrap_or(u8::MAX),
        paused: wish.paused,
        pixels: pixels(wish),
        ..Limits::default()
    }
}

/// Of the box it is shown in; with one side alone as if it were 16 to 9. 0: nobody said.
fn pixels(wish: &WishRequest) -> u32 {
    match (wish.max_width, wish.max_height) {
        (Some(width), Some(height)) => width.saturating_mul(height),
        (Some(width), None) => width.saturating_mul(width / 16 * 9),
        (None, Some(height)) => height.saturating_mul(height / 9 * 16),
        (None, None) => 0,
    }
}

/// The smallest encoding that is shown whole in the box without being enlarged. Each encoding has half the width and
/// height of the next one, as browsers send them.
fn by_box(wish: &WishRequest, publication: &Publication) -> u8 {
    let (Some(width), Some(height)) = (publication.width, publication.height) else {
        return u8::MAX;
    };
    if wish.max_width.is_none() && wish.max_height.is_none() {
        return u8::MAX;
    }
    let highest = publication.encodings.saturating_sub(1);
    let fills = |encoding: &u8| {
        let shift = u32::from(highest - encoding);
        let reaches = |pixels: u32, limit: Option<u32>| limit.is_some_and(|limit| pixels >> shift >= limit);
        reaches(width, wish.max_width) || reaches(height, wish.max_height)
    };
    (0..=highest).find(fills).unwrap_or(highest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::publication::tests::camera;

    fn wish() -> WishRequest {
        WishRequest {
            publication: PublicationId(1),
            quality: None,
            max_width: None,
            max_height: None,
            max_temporal: None,
            paused: false,
            priority: Priority::Normal,
        }
    }

    fn encoding(wish: WishRequest, encodings: u8) -> u8 {
        let mut publication = camera(1);
        publication.encodings = encodings;
        let mut wishes = Wishes::new(true);
        wishes.set(PublicationId(1), Some(wish));
        wishes.limits(&publication).max_encoding
    }

    #[test]
    fn quality_names_a_rank() {
        let by = |quality, encodings| {
            encoding(
                WishRequest {
                    quality: Some(quality),
                    ..wish()
                },
                encodings,
            )
        };
        assert_eq!([1, 2, 3, 4].map(|n| by(Quality::Low, n)), [u8::MAX, 0, 0, 0]);
        assert_eq!([1, 2, 3, 4].map(|n| by(Quality::Medium, n)), [u8::MAX, 1, 1, 2]);
        assert_eq!(by(Quality::High, 3), u8::MAX);
    }

    #[test]
    fn a_box_names_the_smallest_encoding_that_fills_it() {
        // 320x180, 640x360, 1280x720.
        let by = |width, height| {
            encoding(
                WishRequest {
                    max_width: width,
                    max_height: height,
                    ..wish()
                },
                3,
            )
        };
        assert_eq!(by(Some(320), Some(180)), 0);
        assert_eq!(by(Some(321), None), 1);
        assert_eq!(by(Some(640), Some(640)), 1, "shown whole, 640 pixels wide");
        assert_eq!(by(Some(4000), Some(4000)), 2);
        assert_eq!(by(None, Some(100)), 0);
        assert_eq!(by(None, None), u8::MAX);
    }

    #[test]
    fn without_a_wish_auto_decides_and_nothing_limits() {
        let mut wishes = Wishes::new(false);
        assert!(!wishes.wants(PublicationId(1)));
        wishes.set(
            PublicationId(1),
            Some(WishRequest {
                paused: true,
                priority: Priority::Pinned,
                ..wish()
            }),
        );
        assert!(
            wishes.wants(PublicationId(1)) && wishes.is_pinned(PublicationId(1)) && wishes.is_paused(PublicationId(1))
        );
        wishes.forget(PublicationId(1));
        assert!(!wishes.wants(PublicationId(1)));
        let mut wishes = Wishes::new(true);
        assert!(wishes.wants(PublicationId(1)));
        assert_eq!(wishes.limits(&camera(1)), Limits::default());
        wishes.set(PublicationId(1), None);
        assert!(!wishes.wants(PublicationId(1)));
    }
}
