//! Data channels that belong together because they have the same label, and the header of what goes over them.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use super::roster::MemberKey;
use crate::{
    shard::command::TransportKey,
    wire::{
        ParticipantId,
        limits::{DATA_BYTES_MAX, ID_BYTES_MAX},
    },
};

/// Relayed channels of one participant.
const PER_MEMBER_MAX: usize = 64;
/// Bytes of a label.
const LABEL_BYTES_MAX: usize = 256;

/// Where one end of a relayed channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) transport: TransportKey,
    pub(super) channel: u16,
}

/// Relayed channels of one room: by label, and by end.
#[derive(Debug, Default)]
pub(super) struct Channels {
    by_label: BTreeMap<String, BTreeMap<MemberKey, End>>,
    by_end: BTreeMap<(MemberKey, TransportKey, u16), String>,
}

/// A client's message: to whom, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Addressed {
    /// `None`: everybody else.
    pub(super) to: Option<ParticipantId>,
    pub(super) payload: Bytes,
}

/// Reads `length | participant id | payload`. `None`: not that, or too large.
pub(super) fn read(data: &Bytes) -> Option<Addressed> {
    if data.len() > DATA_BYTES_MAX {
        return None;
    }
    let len = usize::from(*data.first()?);
    let name = data.get(1..1 + len)?;
    let to = if len == 0 {
        None
    } else {
        Some(ParticipantId::new(std::str::from_utf8(name).ok()?).ok()?)
    };
    Some(Addressed {
        to,
        payload: data.slice(1 + len..),
    })
}

/// Writes the same with the sender. `None`: the sender's name is longer than the addressee's was, and the message does
/// not fit any more.
pub(super) fn write(from: &ParticipantId, payload: &Bytes) -> Option<Bytes> {
    let name = from.as_str().as_bytes();
    let len = u8::try_from(name.len())
        .ok()
        .filter(|len| usize::from(*len) <= ID_BYTES_MAX)?;
    if 1 + name.len() + payload.len() > DATA_BYTES_MAX {
        return None;
    }
    let mut data = BytesMut::with_capacity(1 + name.len() + payload.len());
    data.put_u8(len);
    data.put_slice(name);
    data.put_slice(payload);
    Some(data.freeze())
}

impl Channels {
    /// A member opened a channel; an earlier one of the same label is no longer used. Above the limit it is ignored.
    pub(super) fn open(&mut self, member: MemberKey, end: End, label: String) {
        let mine = self.by_end.range(range(member)).count();
        if label.len() > LABEL_BYTES_MAX || mine >= PER_MEMBER_MAX {
            return;
        }
        self.close(member, end);
        if let Some(old) = self.by_label.entry(label.clone()).or_default().insert(member, end) {
            self.by_end.remove(&(member, old.transport, old.channel));
        }
        self.by_end.insert((member, end.transport, end.channel), label);
    }

    /// A channel is closed.
    pub(super) fn close(&mut self, member: MemberKey, end: End) {
        if let Some(label) = self.by_end.remove(&(member, end.transport, end.channel)) {
            self.remove_from_label(&label, member);
        }
    }

    /// All channels of a member are closed.
    pub(super) fn leave(&mut self, member: MemberKey) {
        let ends: Vec<_> = self.by_end.range(range(member)).map(|(key, _)| *key).collect();
        for (_, transport, channel) in ends {
            self.close(member, End { transport, channel });
        }
    }

    fn remove_from_label(&mut self, label: &str, member: MemberKey) {
        if let Some(ends) = self.by_label.get_mut(label) {
            ends.remove(&member);
            if ends.is_empty() {
                self.by_label.remove(label);
            }
        }
    }

    /// The other ends of a channel, in join order.
    pub(super) fn others(&self, member: MemberKey, end: End) -> Vec<(MemberKey, End)> {
        let label = self.by_end.get(&(member, end.transport, end.channel));
        let ends = label.and_then(|label| self.by_label.get(label));
        let others = ends.into_iter().flatten().filter(|(other, _)| **other != member);
        others.map(|(other, end)| (*other, *end)).collect()
    }
}

fn range(member: MemberKey) -> std::ops::RangeInclusive<(MemberKey, TransportKey, u16)> {
    (member, TransportKey(0), 0)..=(member, TransportKey(u64::MAX), u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_written() {
        let all = read(&Bytes::from_static(b"\0hello")).unwrap();
        assert_eq!((all.to, &all.payload[..]), (None, &b"hello"[..]));
        let one = read(&Bytes::from_static(b"\x03bobhello")).unwrap();
        assert_eq!((one.to.unwrap().as_str(), &one.payload[..]), ("bob", &b"hello"[..]));
        for bad in [&b""[..], b"\x05bob", b"\x02\xff\xff", b"\x01@", b"\x01\n"] {
            assert_eq!(read(&Bytes::from_static(bad)), None);
        }
        assert_eq!(read(&Bytes::from(vec![0; DATA_BYTES_MAX + 1])), None);
        let ann = ParticipantId::new("ann").unwrap();
        assert_eq!(
            write(&ann, &Bytes::from_static(b"x")).unwrap(),
            Bytes::from_static(b"\x03annx")
        );
        assert_eq!(write(&ann, &Bytes::from(vec![0; DATA_BYTES_MAX - 1])), None);
    }

    #[test]
    fn channels_of_one_label_belong_together() {
        let (mut channels, ann, bob) = (Channels::default(), MemberKey(1), MemberKey(2));
        let end = |transport, channel| End {
            transport: TransportKey(transport),
            channel,
        };
        channels.open(ann, end(1, 0), "game".to_owned());
        channels.open(bob, end(2, 0), "other".to_owned());
        assert_eq!(channels.others(ann, end(1, 0)), []);
        channels.open(bob, end(2, 4), "game".to_owned());
        assert_eq!(channels.others(ann, end(1, 0)), [(bob, end(2, 4))]);
        channels.open(bob, end(2, 6), "game".to_owned());
        assert_eq!(channels.others(ann, end(1, 0)), [(bob, end(2, 6))]);
        assert_eq!(channels.others(bob, end(2, 4)), [], "replaced by the later one");
        for n in 0..100 {
            channels.open(ann, end(1, 100 + n), n.to_string());
        }
        assert!(channels.by_end.len() <= PER_MEMBER_MAX + 2);
        channels.leave(ann);
        channels.leave(bob);
        assert!(channels.by_end.is_empty() && channels.by_label.is_empty());
    }
}
