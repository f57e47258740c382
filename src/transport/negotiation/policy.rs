//! Which codecs clients may send, and which of them they had better.

use super::codecs::AcceptedCodec;
use crate::packet::{Codec, Kind};

/// The codecs that may be sent, best first. Of a kind that nothing is said of everything may be sent, and the client's
/// own order stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodecPolicy {
    audio: Vec<Codec>,
    video: Vec<Codec>,
}

impl CodecPolicy {
    /// Takes both kinds from one list. Redundant audio without Opus means Opus as well, which is inside it.
    pub fn new(codecs: impl IntoIterator<Item = Codec>) -> Self {
        let mut policy = Self::default();
        for codec in codecs {
            let list = match codec.kind() {
                Kind::Audio => &mut policy.audio,
                Kind::Video => &mut policy.video,
            };
            if !list.contains(&codec) {
                list.push(codec);
            }
        }
        if policy.audio == [Codec::Red] {
            policy.audio.push(Codec::Opus);
        }
        policy
    }

    /// What a room wants inside what the server allows: the room's order, without what the server does not allow. Of a kind
    /// of which that leaves nothing, the server's list stands.
    #[must_use]
    pub fn within(&self, server: &CodecPolicy) -> CodecPolicy {
        let narrow = |kind| {
            let (wanted, allowed) = (self.list(kind), server.list(kind));
            let both: Vec<Codec> = wanted.iter().copied().filter(|codec| server.allows(*codec)).collect();
            if both.is_empty() { allowed.to_vec() } else { both }
        };
        CodecPolicy {
            audio: narrow(Kind::Audio),
            video: narrow(Kind::Video),
        }
    }

    /// May it be sent?
    pub fn allows(&self, codec: Codec) -> bool {
        let list = self.list(codec.kind());
        list.is_empty() || list.contains(&codec)
    }

    /// The codecs of a kind, best first; empty for all.
    pub fn list(&self, kind: Kind) -> &[Codec] {
        match kind {
            Kind::Audio => &self.audio,
            Kind::Video => &self.video,
        }
    }

    /// Takes out what may not be sent, and puts the best first. What is equally good stays in the client's order.
    pub(super) fn apply(&self, kind: Kind, codecs: &mut Vec<AcceptedCodec>) {
        let list = self.list(kind);
        if list.is_empty() {
            return;
        }
        codecs.retain(|codec| list.contains(&codec.line.codec));
        codecs.sort_by_key(|codec| list.iter().position(|listed| *listed == codec.line.codec));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_chooses_among_what_the_server_allows() {
        let server = CodecPolicy::new([Codec::Vp8, Codec::H264, Codec::Opus]);
        let room = CodecPolicy::new([Codec::Av1, Codec::H264, Codec::Vp8]);
        let both = room.within(&server);
        assert_eq!(both.list(Kind::Video), [Codec::H264, Codec::Vp8]);
        assert_eq!(both.list(Kind::Audio), [Codec::Opus], "of sound the room said nothing");
        let impossible = CodecPolicy::new([Codec::Av1]).within(&server);
        assert_eq!(impossible.list(Kind::Video), [Codec::Vp8, Codec::H264]);
        let free = CodecPolicy::new([Codec::Av1]).within(&CodecPolicy::default());
        assert_eq!(free.list(Kind::Video), [Codec::Av1]);
        assert!(CodecPolicy::default().allows(Codec::Av1) && !both.allows(Codec::Av1));
    }

    #[test]
    fn redundant_audio_brings_opus_along() {
        let policy = CodecPolicy::new([Codec::Red, Codec::Red]);
        assert_eq!(policy.list(Kind::Audio), [Codec::Red, Codec::Opus]);
    }
}
