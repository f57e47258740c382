//! Why a packet did not go to a subscriber. Closed, so that metrics explain themselves.

/// Every way in which the media plane says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DropReason {
    /// The subscriber is served from another encoding of this source.
    OtherEncoding,
    /// The subscriber asked for nothing, or was given nothing.
    Paused,
    /// A start or a step up has to wait for a keyframe, which is requested.
    AwaitingKeyframe,
    /// Above the temporal layer the subscriber gets.
    TemporalLayer,
    /// Above the spatial layer the subscriber gets.
    SpatialLayer,
    /// Nothing but RTP padding: probes end at the server.
    PaddingOnly,
    /// Older than what its forwarder remembers, or from before it started.
    TooLate,
    /// This forwarder has already sent it.
    Duplicate,
    /// The subscriber's answer has no payload type for the codec.
    CodecNotNegotiated,
    /// Not among the loudest voices of a large room. Counted once for each packet, not for each subscriber.
    NotLoudest,
    /// A NACK for a number that was never sent.
    NackUnknown,
    /// A NACK for a packet that the history no longer has.
    NackTooOld,
    /// A NACK repeated within a round trip of the last resend.
    NackTooSoon,
    /// Resending would exceed the subscriber's budget for it.
    NackOverBudget,
    /// A NACK where no RTX stream was agreed. Resending under the old number would reuse an SRTP nonce
    /// with other bytes around it (transport-wide numbers, padding), so it is refused.
    NackWithoutRtx,
}

impl DropReason {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All of them, in the order of their numbers (`ALL[reason as usize] == reason`).
    pub const ALL: [DropReason; 15] = [
        DropReason::OtherEncoding,
        DropReason::Paused,
        DropReason::AwaitingKeyframe,
        DropReason::TemporalLayer,
        DropReason::SpatialLayer,
        DropReason::PaddingOnly,
        DropReason::TooLate,
        DropReason::Duplicate,
        DropReason::CodecNotNegotiated,
        DropReason::NotLoudest,
        DropReason::NackUnknown,
        DropReason::NackTooOld,
        DropReason::NackTooSoon,
        DropReason::NackOverBudget,
        DropReason::NackWithoutRtx,
    ];

    /// Metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            DropReason::OtherEncoding => "other_encoding",
            DropReason::Paused => "paused",
            DropReason::AwaitingKeyframe => "awaiting_keyframe",
            DropReason::TemporalLayer => "temporal_layer",
            DropReason::SpatialLayer => "spatial_layer",
            DropReason::PaddingOnly => "padding_only",
            DropReason::TooLate => "too_late",
            DropReason::Duplicate => "duplicate",
            DropReason::CodecNotNegotiated => "codec_not_negotiated",
            DropReason::NotLoudest => "not_loudest",
            DropReason::NackUnknown => "nack_unknown",
            DropReason::NackTooOld => "nack_too_old",
            DropReason::NackTooSoon => "nack_too_soon",
            DropReason::NackOverBudget => "nack_over_budget",
            DropReason::NackWithoutRtx => "nack_without_rtx",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_number_and_has_its_own_label() {
        let mut labels = std::collections::BTreeSet::new();
        for (number, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
            assert!(labels.insert(reason.as_str()));
            assert!(reason.as_str().bytes().all(|b| b == b'_' || b.is_ascii_lowercase()));
        }
    }
}
