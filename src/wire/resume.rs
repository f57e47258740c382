//! The key with which a client takes up its session again on a new socket.

use std::fmt;

use subtle::ConstantTimeEq;

/// Says which node, which of its rooms, which member of it, and proves it with 128 random bits.
///
/// On the wire: `nnnnnnnn-rrrrrrrr-mmmmmmmm-` and 32 hexadecimal digits, all lower case.
#[derive(Clone)]
pub struct ResumeKey {
    node: u32,
    room: u32,
    member: u32,
    secret: [u8; 16],
}

impl ResumeKey {
    /// A key for this member of the room with this number on the node with this tag. `secret` has to be unguessable.
    pub const fn new(node: u32, room: u32, member: u32, secret: [u8; 16]) -> Self {
        Self {
            node,
            room,
            member,
            secret,
        }
    }

    /// Reads a key that a client sent. `None`: it has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 59 || [8, 17, 26].iter().any(|at| bytes[*at] != b'-') {
            return None;
        }
        if !bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-')) {
            return None;
        }
        let number = |range: std::ops::Range<usize>| u128::from_str_radix(text.get(range)?, 16).ok();
        Some(Self {
            node: u32::try_from(number(0..8)?).ok()?,
            room: u32::try_from(number(9..17)?).ok()?,
            member: u32::try_from(number(18..26)?).ok()?,
            secret: number(27..59)?.to_be_bytes(),
        })
    }

    /// The tag of the node, by which other nodes find it.
    pub const fn node(&self) -> u32 {
        self.node
    }

    /// The node-unique number of the room, by which the node finds the room to ask.
    pub const fn room(&self) -> u32 {
        self.room
    }

    /// Whose key it claims to be.
    pub const fn member(&self) -> u32 {
        self.member
    }

    /// Compares in constant time, so that answering tells nothing about how much of a guess was right.
    pub fn matches(&self, other: &ResumeKey) -> bool {
        (self.node, self.room, self.member) == (other.node, other.room, other.member)
            && bool::from(self.secret.ct_eq(&other.secret))
    }
}

impl fmt::Display for ResumeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:08x}-{:08x}-{:08x}-{:032x}",
            self.node,
            self.room,
            self.member,
            u128::from_be_bytes(self.secret)
        )
    }
}

impl fmt::Debug for ResumeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ResumeKey({:08x}-{:08x}-{:08x}-..)",
            self.node, self.room, self.member
        )
    }
}

#[cfg(test)]
mod tests {
    use super::ResumeKey;

    #[test]
    fn keys_come_back_as_they_went() {
        let key = ResumeKey::new(9, 7, 0xfedc_ba98, *b"0123456789abcdef");
        let read = ResumeKey::parse(&key.to_string()).unwrap();
        assert!(read.matches(&key));
        assert_eq!((read.node(), read.room(), read.member()), (9, 7, 0xfedc_ba98));
        assert!(!ResumeKey::new(9, 7, 0xfedc_ba98, *b"0123456789abcdee").matches(&key));
        assert!(!format!("{key:?}").contains("3031"), "Debug keeps the secret");
    }

    #[test]
    fn other_texts_are_no_keys() {
        let good = ResumeKey::new(4, 1, 2, [3; 16]).to_string();
        for bad in [
            "",
            "-",
            &good[1..],
            &format!("{good}0"),
            &good.replace('-', "+"),
            &good.replace('3', "é"),
            &good.replace('3', "G"),
        ] {
            assert!(ResumeKey::parse(bad).is_none(), "{bad}");
        }
        let dashes = format!("--------{}", &good[8..]);
        assert!(ResumeKey::parse(&dashes).is_none());
    }
}
