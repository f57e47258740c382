//! Data channel establishment (RFC 8832): the two messages that open a channel on an SCTP stream.

use crate::packet::Malformed;

/// Bytes of a label, and of a protocol name. RFC 8832 allows 65 535; nobody needs them to name a channel.
pub const MAX_NAME_BYTES: usize = 256;

const ACK: u8 = 0x02;
const OPEN: u8 = 0x03;
/// Type, channel type, priority, reliability parameter, label length, protocol length.
const OPEN_HEADER: usize = 12;
const UNORDERED: u8 = 0x80;

/// How hard to try to deliver a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// Until it is there.
    Reliable,
    /// At most this many retransmissions.
    MaxRetransmits(u32),
    /// For this long, in milliseconds.
    MaxLifetime(u32),
}

/// `DATA_CHANNEL_OPEN` (RFC 8832 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// What the application calls it.
    pub label: String,
    /// Sub-protocol, often empty.
    pub protocol: String,
    /// Messages arrive in the order they were sent.
    pub ordered: bool,
    /// How hard to try.
    pub reliability: Reliability,
}

/// A message with the DCEP payload protocol identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dcep {
    /// Asks for a channel.
    Open(Open),
    /// Grants it.
    Ack,
}

impl Dcep {
    /// Reads a whole message.
    ///
    /// # Errors
    /// Unknown type, lengths that do not add up, names that are not UTF-8 or longer than [`MAX_NAME_BYTES`].
    pub fn parse(message: &[u8]) -> Result<Dcep, Malformed> {
        match message.first() {
            Some(&ACK) => Ok(Dcep::Ack),
            Some(&OPEN) => parse_open(message).map(Dcep::Open),
            _ => Err(Malformed("DCEP message type")),
        }
    }

    /// Writes a whole message. Names longer than 65 535 bytes are cut, which no message that was parsed has.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Dcep::Ack => vec![ACK],
            Dcep::Open(open) => encode_open(open),
        }
    }
}

fn parse_open(message: &[u8]) -> Result<Open, Malformed> {
    let (header, names) = message
        .split_first_chunk::<OPEN_HEADER>()
        .ok_or(Malformed("DCEP open header"))?;
    let [_, channel_type, _, _, r0, r1, r2, r3, l0, l1, p0, p1] = *header;
    let parameter = u32::from_be_bytes([r0, r1, r2, r3]);
    let reliability = match channel_type & !UNORDERED {
        0x00 => Reliability::Reliable,
        0x01 => Reliability::MaxRetransmits(parameter),
        0x02 => Reliability::MaxLifetime(parameter),
        _ => return Err(Malformed("DCEP channel type")),
    };
    let label_length = usize::from(u16::from_be_bytes([l0, l1]));
    let protocol_length = usize::from(u16::from_be_bytes([p0, p1]));
    if names.len() != label_length + protocol_length {
        return Err(Malformed("DCEP name lengths"));
    }
    let (label, protocol) = names.split_at(label_length);
    Ok(Open {
        label: name(label)?,
        protocol: name(protocol)?,
        ordered: channel_type & UNORDERED == 0,
        reliability,
    })
}

fn name(bytes: &[u8]) -> Result<String, Malformed> {
    if bytes.len() > MAX_NAME_BYTES {
        return Err(Malformed("DCEP name, too long"));
    }
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| Malformed("DCEP name, not UTF-8"))
}

fn encode_open(open: &Open) -> Vec<u8> {
    let (channel_type, parameter) = match open.reliability {
        Reliability::Reliable => (0x00, 0),
        Reliability::MaxRetransmits(count) => (0x01, count),
        Reliability::MaxLifetime(milliseconds) => (0x02, milliseconds),
    };
    let cut = |name: &str| name.as_bytes()[..name.len().min(usize::from(u16::MAX))].to_vec();
    let (label, protocol) = (cut(&open.label), cut(&open.protocol));
    let mut message = vec![OPEN, channel_type | if open.ordered { 0 } else { UNORDERED }, 0, 0];
    message.extend_from_slice(&u32::to_be_bytes(parameter));
    message.extend_from_slice(&(label.len() as u16).to_be_bytes());
    message.extend_from_slice(&(protocol.len() as u16).to_be_bytes());
    message.extend_from_slice(&label);
    message.extend_from_slice(&protocol);
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What Chromium sends for `createDataChannel('x', {ordered: false, maxRetransmits: 2})`.
    #[test]
    fn reads_a_browsers_open() {
        let bytes = [3, 0x81, 1, 0, 0, 0, 0, 2, 0, 1, 0, 0, b'x'];
        let open = Open {
            label: "x".into(),
            protocol: String::new(),
            ordered: false,
            reliability: Reliability::MaxRetransmits(2),
        };
        assert_eq!(Dcep::parse(&bytes), Ok(Dcep::Open(open)));
        assert_eq!(Dcep::parse(&[2]), Ok(Dcep::Ack));
    }

    #[test]
    fn refuses_what_does_not_add_up() {
        let good = [3, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, b'x', b'y'];
        assert!(Dcep::parse(&good).is_ok());
        for length in 1..good.len() {
            assert!(Dcep::parse(&good[..length]).is_err());
        }
        for (place, value) in [(0, 9), (1, 3), (8, 1), (11, 2), (12, 0xff)] {
            let mut bad = good;
            bad[place] = value;
            assert!(Dcep::parse(&bad).is_err(), "{place}");
        }
        assert!(Dcep::parse(&[]).is_err());
        let long = Open {
            label: "x".repeat(257),
            protocol: String::new(),
            ordered: true,
            reliability: Reliability::Reliable,
        };
        assert!(Dcep::parse(&Dcep::Open(long).encode()).is_err());
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(message) = Dcep::parse(&bytes) {
                prop_assert_eq!(Dcep::parse(&message.encode()), Ok(message));
            }
        }

        #[test]
        fn what_is_written_is_read(label in "\\PC{0,60}", protocol in "[a-z.]{0,20}", ordered: bool, kind in 0..3u8, value: u32) {
            let reliability = match kind {
                0 => Reliability::Reliable,
                1 => Reliability::MaxRetransmits(value),
                _ => Reliability::MaxLifetime(value),
            };
            let open = Dcep::Open(Open { label, protocol, ordered, reliability });
            prop_assert_eq!(Dcep::parse(&open.encode()), Ok(open));
        }
    }
}
