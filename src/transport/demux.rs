//! Which protocol a datagram belongs to (RFC 7983, RFC 9443, RFC 5761).
//!
//! Everything shares one port, and the first byte tells the protocols apart. The answer is a guess about
//! intent, not a verdict about trust: whatever is not STUN still has to come from a validated address.

/// Smallest STUN message: its header (RFC 8489 section 5).
const STUN_MIN_LEN: usize = 20;
/// Smallest DTLS datagram: one record header (RFC 6347 section 4.1).
const DTLS_MIN_LEN: usize = 13;
/// Smallest RTP packet: the fixed header (RFC 3550 section 5.1).
const RTP_MIN_LEN: usize = 12;
/// Smallest RTCP packet that SRTCP can carry: header and sender SSRC (RFC 3711 section 3.4).
const RTCP_MIN_LEN: usize = 8;

/// The protocol of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A STUN message, for [`crate::transport::ice`].
    Stun,
    /// One or more DTLS records.
    Dtls,
    /// An SRTP packet.
    Rtp,
    /// An SRTCP compound packet.
    Rtcp,
    /// Nothing that we speak.
    Drop(DropClass),
}

/// Why a datagram belongs to no protocol of ours. Counted, never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropClass {
    /// Empty, or shorter than the smallest message of its protocol.
    TooShort,
    /// ZRTP, first byte 16 to 19.
    Zrtp,
    /// TURN channel data (or a QUIC short header), first byte 64 to 79.
    TurnChannel,
    /// A first byte that no multiplexed protocol owns.
    Unknown,
}

impl DropClass {
    /// Every reason, for counters.
    pub const ALL: [DropClass; 4] = [
        DropClass::TooShort,
        DropClass::Zrtp,
        DropClass::TurnChannel,
        DropClass::Unknown,
    ];

    /// A stable name for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            DropClass::TooShort => "too_short",
            DropClass::Zrtp => "zrtp",
            DropClass::TurnChannel => "turn_channel",
            DropClass::Unknown => "unknown_first_byte",
        }
    }
}

/// Sorts a datagram by its first byte, and RTP from RTCP by its second (RFC 5761 section 4).
///
/// A datagram that is too short for its protocol is dropped here, so that no reader has to start with that check.
#[inline]
pub fn classify(datagram: &[u8]) -> Class {
    let (Some(&first), second) = (datagram.first(), datagram.get(1)) else {
        return Class::Drop(DropClass::TooShort);
    };
    let (class, min_len) = match first {
        0..=3 => (Class::Stun, STUN_MIN_LEN),
        16..=19 => (Class::Drop(DropClass::Zrtp), 0),
        20..=63 => (Class::Dtls, DTLS_MIN_LEN),
        64..=79 => (Class::Drop(DropClass::TurnChannel), 0),
        128..=191 => match second {
            Some(192..=223) => (Class::Rtcp, RTCP_MIN_LEN),
            Some(_) | None => (Class::Rtp, RTP_MIN_LEN),
        },
        4..=15 | 80..=127 | 192..=255 => (Class::Drop(DropClass::Unknown), 0),
    };
    if datagram.len() < min_len {
        Class::Drop(DropClass::TooShort)
    } else {
        class
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S5: the table of RFC 7983 section 7, written out a second time.
    #[test]
    fn every_first_byte_at_several_lengths() {
        for first in 0..=255u8 {
            for len in [1usize, 2, 7, 8, 11, 12, 13, 19, 20, 60, 1200, 1500] {
                for second in [0u8, 96, 111, 127, 191, 192, 200, 206, 223, 224, 255] {
                    let mut datagram = vec![0u8; len];
                    datagram[0] = first;
                    if len > 1 {
                        datagram[1] = second;
                    }
                    let rtcp = len > 1 && (192..=223).contains(&second);
                    let want = if first <= 3 {
                        if len >= 20 {
                            Class::Stun
                        } else {
                            Class::Drop(DropClass::TooShort)
                        }
                    } else if (16..=19).contains(&first) {
                        Class::Drop(DropClass::Zrtp)
                    } else if (20..=63).contains(&first) {
                        if len >= 13 {
                            Class::Dtls
                        } else {
                            Class::Drop(DropClass::TooShort)
                        }
                    } else if (64..=79).contains(&first) {
                        Class::Drop(DropClass::TurnChannel)
                    } else if (128..=191).contains(&first) {
                        match (rtcp, len) {
                            (true, 8..) => Class::Rtcp,
                            (false, 12..) => Class::Rtp,
                            _ => Class::Drop(DropClass::TooShort),
                        }
                    } else {
                        Class::Drop(DropClass::Unknown)
                    };
                    assert_eq!(classify(&datagram), want, "first {first} second {second} len {len}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_too_short() {
        assert_eq!(classify(&[]), Class::Drop(DropClass::TooShort));
    }

    #[test]
    fn reasons_have_distinct_names() {
        let names: std::collections::HashSet<_> = DropClass::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), DropClass::ALL.len());
    }
}
