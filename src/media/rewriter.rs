//! The numbers a packet gets on its way to one subscriber.
//!
//! A **run** is a stretch of one encoding of one source, from a lawful start until something else takes over.
//! Within a run the timestamp offset is constant and sequence numbers follow the publisher's, less what was
//! dropped; a new run continues where the last one ended. What was sent under which number is remembered in
//! a ring of eight bytes per packet: a late packet finds its place in it, and a NACK its packet.
//!
//! Picture ids. VP8: continuous, so a dropped temporal layer closes the gap (a receiver waits for the pictures
//! it thinks it missed). VP9 and dependency descriptors: frames refer to each other by distance in these numbers,
//! so within a run gaps stay as they are and only a new run is joined on. A picture id keeps the width its
//! publisher gave it, since its bytes are overwritten in place; a seat sees its width change only when a source
//! or encoding of another width is put on it, at a keyframe, and continuity is then kept in the lower 7 bits.
//!
//! A seat may show sources with descriptors and without in turn. Descriptors count by themselves: Chromium takes
//! a keyframe whose frame number is behind that of the last one for old, and shows nothing until it is overtaken.

use crate::packet::Picture;

use super::Patch;

/// A loss upstream keeps at most this share of the largest ring open for what may still arrive.
const HOLES_PER_RING: usize = 4;
/// A ring begins with these many packets.
const SLOTS_FIRST: usize = 64;

/// What is remembered of an outgoing sequence number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// Lower half of the extended sequence number it came in with.
    index: u32,
    picture: u16,
    tl0: u8,
    /// KEYIDX offset in the lower five bits.
    bits: u8,
}

impl Slot {
    /// It went out (otherwise the number is kept for a packet that has not arrived).
    const SENT: u8 = 0x80;
    /// The marker bit was set by us.
    const MARKED: u8 = 0x40;
    /// The run counts frames by descriptors, and pictures otherwise.
    const DESCRIBED: u8 = 0x20;
    const KEY: u8 = 0x1f;

    pub(super) fn is_sent(self) -> bool {
        self.bits & Self::SENT != 0
    }

    fn is_described(self) -> bool {
        self.bits & Self::DESCRIBED != 0
    }

    pub(super) fn is_marked(self) -> bool {
        self.bits & Self::MARKED != 0
    }

    /// Numbers of a picture that begins a run, as they came.
    fn of(picture: &Picture) -> (Slot, Numbers) {
        let bits = match picture {
            Picture::Described { .. } => Self::DESCRIBED,
            Picture::None | Picture::Vp8 { .. } | Picture::Vp9 { .. } => 0,
        };
        let slot = Slot {
            bits,
            ..Slot::default()
        };
        (slot, slot.rewrite(picture, &[]).0)
    }

    pub(super) fn index(self) -> u32 {
        self.index
    }

    /// The codec fields as they are towards the subscriber, and what to overwrite in the payload for that. A stray that counts by
    /// something else than its run gets no number: an offset of the one is nothing to the other.
    #[inline]
    pub(super) fn rewrite(self, picture: &Picture, payload: &[u8]) -> (Numbers, Patch) {
        let mut numbers = PayloadNumbers::default();
        let mut edits = Edits::default();
        match picture {
            Picture::None => return (Numbers::None, Patch::default()),
            Picture::Described { .. } if !self.is_described() => return (Numbers::None, Patch::default()),
            Picture::Vp8 { .. } | Picture::Vp9 { .. } if self.is_described() => {
                return (Numbers::None, Patch::default());
            }
            Picture::Described { frame_number } => {
                let number = frame_number.wrapping_add(self.picture);
                return (Numbers::Frame(number), Patch::default());
            }
            Picture::Vp8 {
                picture_id,
                tl0_pic_idx,
                key_idx,
            } => {
                if let Some(id) = picture_id {
                    numbers.picture = id.value.wrapping_add(self.picture) & 0x7fff;
                    edits.set_picture_id(id.wide, id.offset, numbers.picture);
                }
                if let Some(field) = tl0_pic_idx {
                    numbers.tl0 = field.value.wrapping_add(self.tl0);
                    edits.set(field.offset, numbers.tl0);
                }
                if let Some(field) = key_idx {
                    numbers.key = field.value.wrapping_add(self.bits) & Self::KEY;
                    let byte = payload.get(usize::from(field.offset)).copied().unwrap_or_default();
                    edits.set(field.offset, (byte & !Self::KEY) | numbers.key);
                }
            }
            Picture::Vp9 {
                picture_id,
                tl0_pic_idx,
            } => {
                if let Some(id) = picture_id {
                    numbers.picture = id.value.wrapping_add(self.picture) & 0x7fff;
                    edits.set_picture_id(id.wide, id.offset, numbers.picture);
                }
                if let Some(field) = tl0_pic_idx {
                    numbers.tl0 = field.value.wrapping_add(self.tl0);
                    edits.set(field.offset, numbers.tl0);
                }
            }
        }
        (Numbers::Payload(numbers), edits.patch())
    }
}

/// Octets of a payload descriptor to overwrite. The fields that count are within its first eight octets.
#[derive(Clone, Copy, Default)]
struct Edits {
    mask: u64,
    octets: u64,
}

impl Edits {
    #[inline]
    fn set(&mut self, offset: u8, value: u8) {
        let mask = 0xff_u64.checked_shl(u32::from(offset) * 8).unwrap_or(0);
        self.mask |= mask;
        self.octets |= mask & u64::from_ne_bytes([value; 8]);
    }

    #[inline]
    fn set_picture_id(&mut self, wide: bool, offset: u8, value: u16) {
        if wide {
            self.set(offset, 0x80 | (value >> 8) as u8);
            self.set(offset.saturating_add(1), value as u8);
        } else {
            self.set(offset, value as u8 & 0x7f);
        }
    }

    #[inline]
    fn patch(self) -> Patch {
        Patch::of_first_eight(self.mask, self.octets)
    }
}

/// What a packet counts by towards the subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    None,
    /// Fields of the payload.
    Payload(PayloadNumbers),
    /// Of the dependency descriptor.
    Frame(u16),
}

/// Codec fields towards the subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PayloadNumbers {
    /// Picture id, 15 bits.
    picture: u16,
    tl0: u8,
    key: u8,
}

/// Where a late packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// This number is still open for it.
    Open(u64),
    /// It has been sent, or was dropped when it came the first time.
    Taken,
    /// From before what is remembered.
    Forgotten,
}

/// The counters of one outgoing SSRC.
#[derive(Debug)]
pub(super) struct Rewriter {
    /// The next outgoing sequence number, extended.
    next: u64,
    /// First outgoing number of the run.
    run_first: u64,
    /// Highest extended sequence number of the run that came in.
    highest: u64,
    /// Added to the source's clock.
    timestamp_offset: u32,
    /// Highest timestamp sent.
    timestamp: u32,
    /// Source clock of the picture at hand.
    picture_clock: u32,
    /// Added to the codec fields.
    offsets: Slot,
    /// The codec fields of the newest packet sent that has some.
    numbers: PayloadNumbers,
    /// The frame number of the newest packet sent that has one.
    frame_number: u16,
    /// Whether anything was sent, ever.
    begun: bool,
    /// The greatest length of the ring, a power of two.
    memory: u16,
    /// The ring, by outgoing sequence number; its length is a power of two. Made when the first run begins, since most seats of most people
    /// stay empty, and then only as long as the source's own history reaches: what is not there cannot be resent.
    slots: Box<[Slot]>,
}

impl Rewriter {
    /// Will remember at most `memory` packets, rounded up to a power of two, at most 2^15.
    pub(super) fn new(first_sequence: u16, memory: usize) -> Self {
        Rewriter {
            next: u64::from(first_sequence),
            run_first: u64::from(first_sequence),
            highest: 0,
            timestamp_offset: 0,
            timestamp: 0,
            picture_clock: 0,
            offsets: Slot::default(),
            numbers: PayloadNumbers::default(),
            frame_number: 0,
            begun: false,
            memory: memory.clamp(1, 1 << 15).next_power_of_two() as u16,
            slots: Box::default(),
        }
    }

    /// Begins a run with the packet `index` and answers with the run's first number. Its timestamp is
    /// `clock + offset`, or the least that is not backwards. `reach` is for [`Self::widen`].
    pub(super) fn start(&mut self, index: u64, clock: u32, offset: u32, picture: &Picture, reach: usize) -> u64 {
        if self.slots.is_empty() {
            self.slots = self.ring(SLOTS_FIRST);
        }
        self.widen(reach);
        self.run_first = self.next;
        self.highest = index.wrapping_sub(1);
        self.timestamp_offset = offset;
        self.picture_clock = !clock;
        let ahead = clock.wrapping_add(offset).wrapping_sub(self.timestamp) as i32;
        if self.begun && ahead <= 0 {
            self.timestamp_offset = self.timestamp.wrapping_add(1).wrapping_sub(clock);
        }
        let (own, numbers) = Slot::of(picture);
        self.offsets = own;
        if self.begun {
            self.offsets = match numbers {
                Numbers::None => own,
                Numbers::Payload(raw) => Slot {
                    picture: self.numbers.picture.wrapping_add(1).wrapping_sub(raw.picture),
                    tl0: self.numbers.tl0.wrapping_add(1).wrapping_sub(raw.tl0),
                    bits: self.numbers.key.wrapping_add(1).wrapping_sub(raw.key) & Slot::KEY,
                    index: 0,
                },
                Numbers::Frame(raw) => Slot {
                    picture: self.frame_number.wrapping_add(1).wrapping_sub(raw),
                    ..own
                },
            };
        }
        self.run_first
    }

    /// Makes the ring long enough for a source that can send `reach` packets again, once a first run has begun.
    #[cold]
    pub(super) fn widen(&mut self, reach: usize) {
        let len = self.slots.len();
        if len == 0 || len >= reach.min(self.memory.into()) {
            return;
        }
        let old = std::mem::take(&mut self.slots);
        self.slots = self.ring(reach);
        // What is older than the old ring is not known, and not to be searched.
        self.run_first = self.run_first.max(self.next.saturating_sub(len as u64));
        for sequence in self.next.saturating_sub(len as u64)..self.next {
            self.put(sequence, old[sequence as usize & (len - 1)]);
        }
    }

    fn ring(&self, len: usize) -> Box<[Slot]> {
        vec![Slot::default(); len.min(self.memory.into()).next_power_of_two()].into()
    }

    /// Goes on with the lower 16 bits of the numbers; what was sent before is forgotten.
    pub(super) fn restart_rollover(&mut self) {
        self.next &= 0xffff;
        self.run_first = self.next;
        self.slots.fill(Slot::default());
    }

    /// Whether this packet comes behind all that came in this run.
    #[inline]
    pub(super) fn is_new(&self, index: u64) -> bool {
        // Also right at the start of a run with index 0, where `highest` is u64::MAX.
        index.wrapping_sub(self.highest) as i64 > 0
    }

    /// Takes note of a new packet. Numbers are kept open for those before it that have not arrived.
    #[inline]
    pub(super) fn advance(&mut self, index: u64) {
        let missing = index.wrapping_sub(self.highest).wrapping_sub(1);
        if missing > 0 {
            self.open(index, missing);
        }
        self.highest = index;
    }

    /// Whether this is the first packet of a picture; it is not any more afterwards.
    #[inline]
    pub(super) fn begins_picture(&mut self, clock: u32) -> bool {
        let begins = self.picture_clock != clock;
        self.picture_clock = clock;
        begins
    }

    /// A whole picture was dropped for its temporal layer: VP8 closes the gap in picture ids.
    #[inline]
    pub(super) fn skip_picture(&mut self, picture: &Picture) {
        match picture {
            Picture::Vp8 { .. } => self.offsets.picture = self.offsets.picture.wrapping_sub(1),
            Picture::Vp9 { .. } | Picture::Described { .. } | Picture::None => {}
        }
    }

    /// Gives the packet at hand the next number.
    #[inline]
    pub(super) fn assign(&mut self, marked: bool) -> (u64, Slot) {
        let sequence = self.next;
        self.next += 1;
        let mut slot = self.offsets;
        slot.index = self.highest as u32;
        slot.bits |= Slot::SENT | if marked { Slot::MARKED } else { 0 };
        self.put(sequence, slot);
        (sequence, slot)
    }

    /// The timestamp of a packet that goes out; takes note of the newest, which may have come late.
    #[inline]
    pub(super) fn stamp(&mut self, clock: u32, numbers: Numbers) -> u32 {
        let timestamp = clock.wrapping_add(self.timestamp_offset);
        let ahead = timestamp.wrapping_sub(self.timestamp) as i32;
        if !self.begun || ahead >= 0 {
            let is_first = !std::mem::replace(&mut self.begun, true);
            self.timestamp = timestamp;
            match numbers {
                Numbers::None => {}
                Numbers::Payload(numbers) => self.numbers = numbers,
                // Frames of one picture, its spatial layers, have the same timestamp, and may come late.
                Numbers::Frame(number) => {
                    if is_first || ahead > 0 || number.wrapping_sub(self.frame_number) as i16 > 0 {
                        self.frame_number = number;
                    }
                }
            }
        }
        timestamp
    }

    /// Where a packet belongs that is not new.
    #[cold]
    pub(super) fn place(&self, index: u64) -> Place {
        let back = self.highest.wrapping_sub(index);
        let (oldest, end) = (self.oldest(), self.next);
        if oldest == end || back > u64::from(self.back(oldest)) {
            return Place::Forgotten;
        }
        // Indices rise with the outgoing numbers of a run.
        let (mut low, mut high) = (oldest, end);
        while low < high {
            let middle = low + (high - low) / 2;
            if u64::from(self.back(middle)) > back {
                low = middle + 1
            } else {
                high = middle
            }
        }
        if low < end && u64::from(self.back(low)) == back && !self.slot(low).is_sent() {
            Place::Open(low)
        } else {
            Place::Taken
        }
    }

    /// Gives a late packet the number that was kept open for it.
    pub(super) fn fill(&mut self, sequence: u64, marked: bool) -> Slot {
        let mut slot = self.slot(sequence);
        slot.bits |= Slot::SENT | if marked { Slot::MARKED } else { 0 };
        self.put(sequence, slot);
        slot
    }

    /// What is remembered of an outgoing number, while it is.
    pub(super) fn remembered(&self, sequence: u64) -> Option<Slot> {
        (sequence < self.next && self.next - sequence <= self.slots.len() as u64).then(|| self.slot(sequence))
    }

    /// The extended number nearest to the newest for what a subscriber saw on the wire.
    pub(super) fn extend(&self, sequence: u16) -> Option<u64> {
        let newest = self.next.checked_sub(1)?;
        newest.checked_sub(u64::from((newest as u16).wrapping_sub(sequence)))
    }

    /// Added to the source's clock in this run.
    pub(super) fn timestamp_offset(&self) -> u32 {
        self.timestamp_offset
    }

    /// The highest timestamp sent.
    pub(super) fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Whether anything was sent, ever.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    #[cold]
    fn open(&mut self, index: u64, missing: u64) {
        let holes = missing.min(u64::from(self.memory) / HOLES_PER_RING as u64);
        self.widen(holes as usize * HOLES_PER_RING);
        for hole in index - holes..index {
            let slot = Slot {
                index: hole as u32,
                ..self.offsets
            };
            self.put(self.next, slot);
            self.next += 1;
        }
    }

    fn oldest(&self) -> u64 {
        self.run_first.max(self.next.saturating_sub(self.slots.len() as u64))
    }

    /// How far an outgoing number's packet is behind the newest that came in.
    fn back(&self, sequence: u64) -> u32 {
        (self.highest as u32).wrapping_sub(self.slot(sequence).index)
    }

    #[inline]
    fn slot(&self, sequence: u64) -> Slot {
        self.slots[sequence as usize & (self.slots.len() - 1)]
    }

    #[inline]
    fn put(&mut self, sequence: u64, slot: Slot) {
        let mask = self.slots.len() - 1;
        self.slots[sequence as usize & mask] = slot;
    }
}
