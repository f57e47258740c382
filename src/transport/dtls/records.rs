//! Stands between the datagrams of a client and the DTLS library.
//!
//! What arrives before the handshake is done is not authenticated, so everything that could be used against us is
//! dealt with here: broken records, fragments that overlap, are empty or never end, plaintext that claims to be data,
//! queues that grow. The library behind sees every plaintext handshake message once, whole and in order, and records
//! that are well formed. What is refused is dropped in silence (RFC 6347 section 4.1.2.7), never answered.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::BytesMut;

/// Type, version, epoch, sequence number, length (RFC 6347 section 4.1).
const RECORD_HEADER: usize = 13;
/// Type, length, message number, fragment offset, fragment length (RFC 6347 section 4.2.2).
const HANDSHAKE_HEADER: usize = 12;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// Bytes of one handshake message. A ClientHello is 300 to 2 000, a certificate rarely more than 2 000.
const MESSAGE_BYTES: usize = 16 * 1024;
/// Bytes of all unfinished handshake messages together.
const UNFINISHED_BYTES: usize = 32 * 1024;
/// How far ahead of the next message fragments are kept. A client's flight has three plaintext messages.
const MESSAGES_AHEAD: u16 = 4;
/// Handshake messages of a whole association. A full handshake with a cookie has five in plaintext.
const MESSAGES: u16 = 16;
/// Records other than handshake messages before the handshake is done: change of cipher, alerts, and what is already
/// encrypted, which the library queues. Each handshake attempt brings two or three.
const EARLY_RECORDS: usize = 64;
/// Bytes of one of those: an encrypted Finished has 61.
const EARLY_RECORD_BYTES: usize = 512;
/// Encrypted handshake bytes once the handshake is done: repeated Finished messages, which the library never frees.
const LATE_HANDSHAKE_BYTES: usize = 4 * 1024;

/// One record of a datagram.
struct Record<'a> {
    content_type: u8,
    epoch: u16,
    whole: &'a [u8],
    payload: &'a [u8],
}

/// The well-formed records at the start of a datagram.
fn records(mut datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let header = datagram.get(..RECORD_HEADER)?;
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let whole = datagram.get(..RECORD_HEADER + length)?;
        datagram = &datagram[whole.len()..];
        Some(Record {
            content_type: header[0],
            epoch: u16::from_be_bytes([header[3], header[4]]),
            whole,
            payload: &whole[RECORD_HEADER..],
        })
    })
}

/// One piece of a handshake message.
struct Fragment<'a> {
    message_type: u8,
    message: u16,
    total: usize,
    offset: usize,
    data: &'a [u8],
}

/// The well-formed fragments at the start of a handshake record. Several may share it, of different messages even.
fn fragments(mut payload: &[u8]) -> impl Iterator<Item = Fragment<'_>> {
    let u24 = |bytes: &[u8]| usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
    std::iter::from_fn(move || {
        let header = payload.get(..HANDSHAKE_HEADER)?;
        let length = u24(&header[9..]);
        let data = payload.get(HANDSHAKE_HEADER..HANDSHAKE_HEADER + length)?;
        payload = &payload[HANDSHAKE_HEADER + length..];
        Some(Fragment {
            message_type: header[0],
            total: u24(&header[1..]),
            message: u16::from_be_bytes([header[4], header[5]]),
            offset: u24(&header[6..]),
            data,
        })
    })
}

/// A handshake message that is being put together.
struct Unfinished {
    message_type: u8,
    body: Vec<u8>,
    present: Vec<bool>,
    missing: usize,
}

impl Unfinished {
    fn new(fragment: &Fragment<'_>) -> Unfinished {
        Unfinished {
            message_type: fragment.message_type,
            body: vec![0; fragment.total],
            present: vec![false; fragment.total],
            missing: fragment.total,
        }
    }

    /// Bytes that are already there stay as they are, so that no later fragment can change what an earlier one said.
    fn add(&mut self, fragment: &Fragment<'_>) {
        if fragment.message_type != self.message_type || fragment.total != self.body.len() {
            return;
        }
        let Some(end) = fragment
            .offset
            .checked_add(fragment.data.len())
            .filter(|end| *end <= self.body.len())
        else {
            return;
        };
        for (place, byte) in (fragment.offset..end).zip(fragment.data) {
            if !self.present[place] {
                self.present[place] = true;
                self.missing -= 1;
                self.body[place] = *byte;
            }
        }
    }
}

/// Receiving half: see the module.
#[derive(Default)]
pub struct Inbound {
    unfinished: BTreeMap<u16, Unfinished>,
    next_message: u16,
    /// Of plaintext records as the library sees them. Their numbers on the wire are free for anyone to choose.
    next_sequence: u64,
    early_records: usize,
    late_handshake_bytes: usize,
    established: bool,
    repeats: bool,
    client_hello: Option<Vec<u8>>,
}

impl Inbound {
    /// The handshake is done: from now on nothing in plaintext is heard any more.
    pub fn set_established(&mut self) {
        self.established = true;
        self.unfinished.clear();
        self.client_hello = None;
    }

    /// The body of the first ClientHello, once, when it is whole.
    pub fn take_client_hello(&mut self) -> Option<Vec<u8>> {
        self.client_hello.take()
    }

    /// Whether the last datagram held a piece of a message that was already complete: the client repeats itself,
    /// because it did not hear our answer.
    pub(super) fn repeats(&self) -> bool {
        self.repeats
    }

    /// What of a datagram the library may see; empty when nothing is left.
    pub fn filter(&mut self, datagram: &[u8]) -> BytesMut {
        let mut accepted = BytesMut::new();
        self.repeats = false;
        // The library takes an empty record for a broken datagram.
        for record in records(datagram).filter(|record| !record.payload.is_empty()) {
            match (record.epoch, record.content_type) {
                (0, _) if self.established => {}
                (0, HANDSHAKE) => {
                    for fragment in fragments(record.payload) {
                        self.add_fragment(&fragment, &mut accepted);
                    }
                }
                (0, CHANGE_CIPHER_SPEC) if record.payload == [1] && self.is_early_enough(&record) => {
                    self.put_plaintext(CHANGE_CIPHER_SPEC, &[record.payload], &mut accepted);
                }
                (0, ALERT) if record.payload.len() == 2 && self.is_early_enough(&record) => {
                    self.put_plaintext(ALERT, &[record.payload], &mut accepted);
                }
                (1, HANDSHAKE) if self.established => {
                    self.late_handshake_bytes += record.payload.len();
                    if self.late_handshake_bytes <= LATE_HANDSHAKE_BYTES {
                        accepted.extend_from_slice(record.whole);
                    }
                }
                (1, ALERT | APPLICATION_DATA) if self.established => accepted.extend_from_slice(record.whole),
                (1, HANDSHAKE | ALERT | APPLICATION_DATA) if self.is_early_enough(&record) => {
                    accepted.extend_from_slice(record.whole);
                }
                _ => {}
            }
        }
        accepted
    }

    fn is_early_enough(&mut self, record: &Record<'_>) -> bool {
        self.early_records += 1;
        self.early_records <= EARLY_RECORDS && record.payload.len() <= EARLY_RECORD_BYTES
    }

    fn add_fragment(&mut self, fragment: &Fragment<'_>, accepted: &mut BytesMut) {
        let ahead = fragment.message.checked_sub(self.next_message);
        self.repeats |= ahead.is_none();
        if ahead.is_none_or(|ahead| ahead >= MESSAGES_AHEAD) || fragment.message >= MESSAGES {
            return;
        }
        let held: usize = self.unfinished.values().map(|message| message.body.len()).sum();
        match self.unfinished.entry(fragment.message) {
            Entry::Occupied(mut message) => message.get_mut().add(fragment),
            Entry::Vacant(_) if fragment.total > MESSAGE_BYTES || held + fragment.total > UNFINISHED_BYTES => return,
            Entry::Vacant(place) => place.insert(Unfinished::new(fragment)).add(fragment),
        }
        while let Some(message) = self.unfinished.remove(&self.next_message) {
            if message.missing > 0 {
                self.unfinished.insert(self.next_message, message);
                return;
            }
            self.put_message(message, accepted);
            self.next_message += 1;
        }
    }

    /// As one record with one unfragmented message. It may be larger than any datagram: nobody sends it anywhere.
    fn put_message(&mut self, message: Unfinished, accepted: &mut BytesMut) {
        let length = (message.body.len() as u32).to_be_bytes();
        let mut header = [0; HANDSHAKE_HEADER];
        header[0] = message.message_type;
        header[1..4].copy_from_slice(&length[1..]);
        header[4..6].copy_from_slice(&self.next_message.to_be_bytes());
        header[9..12].copy_from_slice(&length[1..]);
        self.put_plaintext(HANDSHAKE, &[&header, &message.body], accepted);
        if self.next_message == 0 {
            self.client_hello = Some(message.body);
        }
    }

    fn put_plaintext(&mut self, content_type: u8, payload: &[&[u8]], accepted: &mut BytesMut) {
        let length: usize = payload.iter().map(|part| part.len()).sum();
        accepted.extend_from_slice(&[content_type, 0xfe, 0xfd, 0, 0]);
        accepted.extend_from_slice(&self.next_sequence.to_be_bytes()[2..]);
        // A message has at most MESSAGE_BYTES, which fits.
        accepted.extend_from_slice(&(length as u16).to_be_bytes());
        for part in payload {
            accepted.extend_from_slice(part);
        }
        self.next_sequence += 1;
    }
}

/// Sending half. A flight is sent again byte for byte, except that each plaintext record gets a number that was not
/// used before: a client's replay window would drop it otherwise (RFC 6347 section 4.1.2.6).
#[derive(Default)]
pub(super) struct Outbound {
    next_sequence: u64,
}

impl Outbound {
    /// Renumbers the plaintext records of a datagram that is about to be sent.
    pub(super) fn number(&mut self, datagram: &mut [u8]) {
        let mut at = 0;
        while let Some(header) = datagram.get_mut(at..at + RECORD_HEADER) {
            if header[3..5] == [0, 0] {
                header[5..11].copy_from_slice(&self.next_sequence.to_be_bytes()[2..]);
                self.next_sequence += 1;
            }
            at += RECORD_HEADER + usize::from(u16::from_be_bytes([header[11], header[12]]));
        }
    }
}

/// HelloVerifyRequest (RFC 6347 section 4.3.2), which is always alone in its flight.
pub(super) fn is_hello_verify_request(datagram: &[u8]) -> bool {
    records(datagram)
        .next()
        .is_some_and(|record| record.content_type == HANDSHAKE && record.payload.first() == Some(&3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(content_type: u8, epoch: u16, payload: &[u8]) -> Vec<u8> {
        let mut record = vec![content_type, 0xfe, 0xfd];
        record.extend_from_slice(&epoch.to_be_bytes());
        record.extend_from_slice(&[0; 6]);
        record.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        record.extend_from_slice(payload);
        record
    }

    fn fragment(message: u16, total: usize, offset: usize, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend_from_slice(&(total as u32).to_be_bytes()[1..]);
        bytes.extend_from_slice(&message.to_be_bytes());
        bytes.extend_from_slice(&(offset as u32).to_be_bytes()[1..]);
        bytes.extend_from_slice(&(data.len() as u32).to_be_bytes()[1..]);
        bytes.extend_from_slice(data);
        bytes
    }

    fn hello(inbound: &mut Inbound, pieces: &[(usize, &[u8])]) -> Option<Vec<u8>> {
        for (offset, data) in pieces {
            inbound.filter(&record(HANDSHAKE, 0, &fragment(0, 10, *offset, data)));
        }
        inbound.take_client_hello()
    }

    #[test]
    fn fragments_make_one_message_in_any_order_and_overlap() {
        let mut inbound = Inbound::default();
        let pieces: [(usize, &[u8]); 5] = [(6, b"6789"), (0, b""), (0, b"0123"), (2, b"XXX"), (3, b"YYY6")];
        assert_eq!(hello(&mut inbound, &pieces[..4]), None);
        assert_eq!(hello(&mut inbound, &pieces[4..]), Some(b"0123XY6789".to_vec()));
    }

    #[test]
    fn messages_are_passed_on_whole_in_order_and_once() {
        let mut inbound = Inbound::default();
        let second = record(HANDSHAKE, 0, &fragment(1, 3, 0, b"abc"));
        assert!(inbound.filter(&second).is_empty());
        let first = record(
            HANDSHAKE,
            0,
            &[fragment(0, 4, 0, b"01"), fragment(0, 4, 2, b"23")].concat(),
        );
        let passed = inbound.filter(&first);
        let expected = [record(HANDSHAKE, 0, &fragment(0, 4, 0, b"0123")), second.clone()].concat();
        assert_eq!(passed.len(), expected.len());
        assert_eq!(passed[13..29], expected[13..29]);
        assert_eq!(passed[passed.len() - 15..], expected[expected.len() - 15..]);
        assert_eq!((passed[10], passed[29 + 10]), (0, 1), "renumbered");
        assert!(inbound.filter(&first).is_empty() && inbound.filter(&second).is_empty());
    }

    #[test]
    fn memory_stays_bounded_whatever_is_claimed() {
        let mut inbound = Inbound::default();
        for message in 0..200 {
            for total in [1, 9_000, MESSAGE_BYTES, MESSAGE_BYTES + 1, 0xff_ffff] {
                inbound.filter(&record(HANDSHAKE, 0, &fragment(message, total, total - 1, b"")));
            }
        }
        let held: usize = inbound.unfinished.values().map(|message| message.body.len()).sum();
        assert!(held <= UNFINISHED_BYTES && inbound.unfinished.len() <= usize::from(MESSAGES_AHEAD));
    }

    #[test]
    fn encrypted_records_are_few_before_the_handshake_is_done() {
        let mut inbound = Inbound::default();
        let passed: usize = (0..1_000)
            .filter(|_| !inbound.filter(&record(APPLICATION_DATA, 1, &[7; 40])).is_empty())
            .count();
        assert_eq!(passed, EARLY_RECORDS);
        inbound.set_established();
        assert!(!inbound.filter(&record(APPLICATION_DATA, 1, &[7; 1_000])).is_empty());
    }

    #[test]
    fn plaintext_after_the_handshake_is_not_heard() {
        let mut inbound = Inbound::default();
        inbound.set_established();
        for (content_type, payload) in [
            (ALERT, &[2, 40][..]),
            (APPLICATION_DATA, &[1; 9]),
            (CHANGE_CIPHER_SPEC, &[1]),
        ] {
            assert!(inbound.filter(&record(content_type, 0, payload)).is_empty());
        }
        assert!(
            inbound
                .filter(&record(HANDSHAKE, 0, &fragment(0, 3, 0, b"abc")))
                .is_empty()
        );
        let repeats = (0..1_000)
            .filter(|_| !inbound.filter(&record(HANDSHAKE, 1, &[9; 48])).is_empty())
            .count();
        assert!((8..100).contains(&repeats));
    }
}
