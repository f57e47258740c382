//! Reading a dependency descriptor (section A.8) against the structure of the stream's last keyframe.

use super::super::Malformed;
use super::bits::Bits;
use super::structure::{DecodeTarget, DecodeTargetIndication, MAX_REFERENCES, Structure, Template, read_indications};

/// What one packet's descriptor says of its frame.
#[derive(Clone, Copy, Debug)]
pub struct DependencyDescriptor {
    /// First packet of the frame.
    pub starts_frame: bool,
    /// Last packet of the frame.
    pub ends_frame: bool,
    /// Counts frames in decoding order; wraps.
    pub frame_number: u16,
    /// Spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// The frames this one refers to.
    pub references: FrameDiffs,
    /// This packet brought the structure: a coded video sequence begins.
    pub structure_attached: bool,
    /// Bit i is set when decode target i is produced.
    pub active_decode_targets: u32,
    /// As [`super::super::FrameInfo::switch_up`].
    pub switch_up: bool,
    /// As [`super::super::FrameInfo::spatial_switch_up`].
    pub spatial_switch_up: bool,
    /// Two bits for each decode target, the first lowest.
    indications: u64,
    target_count: u8,
}

impl DependencyDescriptor {
    /// What the frame is to decode target `target`; not present for one that does not exist.
    pub fn indication(&self, target: usize) -> DecodeTargetIndication {
        if target < usize::from(self.target_count) {
            DecodeTargetIndication::from_bits((self.indications >> (2 * target)) as u8)
        } else {
            DecodeTargetIndication::NotPresent
        }
    }

    /// No decode target has a frame that refers to this one.
    pub fn discardable(&self) -> bool {
        let mut present = false;
        (0..usize::from(self.target_count)).all(|target| match self.indication(target) {
            DecodeTargetIndication::NotPresent => true,
            DecodeTargetIndication::Discardable => {
                present = true;
                true
            }
            DecodeTargetIndication::Switch | DecodeTargetIndication::Required => false,
        }) && present
    }
}

/// Pixels across and down of the highest spatial layer, if the descriptor brings a structure that says so.
pub fn frame_size(descriptor: &[u8]) -> Option<(u16, u16)> {
    let mut bits = Bits::new(descriptor);
    // The mandatory fields.
    bits.skip(24).ok()?;
    if !Extended::parse(&mut bits).ok()?.structure_present {
        return None;
    }
    Structure::parse(&mut bits).ok()?.resolution
}

/// How many frames back each reference is, 1 to 4096.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameDiffs {
    diffs: [u16; MAX_REFERENCES],
    len: u8,
}

impl FrameDiffs {
    fn push(&mut self, diff: u16) -> Result<(), Malformed> {
        let slot = self.diffs.get_mut(usize::from(self.len));
        *slot.ok_or(Malformed("dependency descriptor references"))? = diff;
        self.len += 1;
        Ok(())
    }
}

impl std::ops::Deref for FrameDiffs {
    type Target = [u16];

    fn deref(&self) -> &[u16] {
        &self.diffs[..usize::from(self.len)]
    }
}

/// Keeps the structure of a stream between its packets. One per received stream; small until a structure arrives, which
/// is the one allocation of the stream's life.
#[derive(Clone, Debug, Default)]
pub struct DependencyDescriptorReader {
    sequence: Option<Box<CodedSequence>>,
}

#[derive(Clone, Debug)]
struct CodedSequence {
    structure: Structure,
    active_decode_targets: u32,
    recent: RecentFrames,
}

impl DependencyDescriptorReader {
    /// Reads one descriptor. When it brings a structure, that replaces the one before.
    ///
    /// # Errors
    /// When the descriptor is cut short, has more than eight references or layers AV1 has no ids for, or names a template that
    /// the structure in force does not have: then its keyframe's first packet has not arrived, or the descriptor is of a
    /// sequence that is over. What is kept between packets stays as it was.
    pub fn read(&mut self, descriptor: &[u8]) -> Result<DependencyDescriptor, Malformed> {
        let mut bits = Bits::new(descriptor);
        let starts_frame = bits.flag()?;
        let ends_frame = bits.flag()?;
        let template_id = bits.read_u8(6)?;
        let frame_number = bits.read(16)? as u16;
        let extended = if descriptor.len() > 3 {
            Extended::parse(&mut bits)?
        } else {
            Extended::default()
        };

        let attached = if extended.structure_present {
            Some(Structure::parse(&mut bits)?)
        } else {
            None
        };
        let unknown = Malformed("dependency descriptor structure");
        let structure = match (&attached, &self.sequence) {
            (Some(structure), _) => structure,
            (None, Some(sequence)) => &sequence.structure,
            (None, None) => return Err(unknown),
        };
        let target_count = structure.decode_targets().len() as u8;
        let mut active = attached.is_some().then_some(u32::MAX >> (32 - u32::from(target_count)));
        if extended.active_targets_present {
            active = Some(bits.read(u32::from(target_count))?);
        }
        let template = *structure.template(template_id).ok_or(unknown)?;
        let indications = if extended.custom_indications {
            read_indications(&mut bits, target_count)?
        } else {
            template.indications
        };
        let references = if extended.custom_references {
            read_references(&mut bits)?
        } else {
            template_references(&template)?
        };

        // All is read: from here on nothing fails.
        let structure_attached = attached.is_some();
        let sequence = self.keep(attached).ok_or(unknown)?;
        if let Some(active) = active {
            sequence.active_decode_targets = active;
        }
        sequence.recent.insert(frame_number, &template);
        let mut read = DependencyDescriptor {
            starts_frame,
            ends_frame,
            frame_number,
            spatial: template.spatial,
            temporal: template.temporal,
            references,
            structure_attached,
            active_decode_targets: sequence.active_decode_targets,
            switch_up: false,
            spatial_switch_up: false,
            indications,
            target_count,
        };
        sequence.find_switches(&mut read);
        Ok(read)
    }

    /// The decode targets of the structure in force, none before the first.
    pub fn decode_targets(&self) -> &[DecodeTarget] {
        self.sequence
            .as_ref()
            .map_or(&[], |sequence| sequence.structure.decode_targets())
    }

    /// Puts a structure that has arrived in force, in the memory of the one before.
    fn keep(&mut self, attached: Option<Structure>) -> Option<&mut CodedSequence> {
        if let Some(structure) = attached {
            let sequence = CodedSequence {
                structure,
                active_decode_targets: 0,
                recent: RecentFrames::default(),
            };
            match &mut self.sequence {
                Some(kept) => **kept = sequence,
                None => self.sequence = Some(Box::new(sequence)),
            }
        }
        self.sequence.as_deref_mut()
    }
}

#[derive(Default)]
struct Extended {
    structure_present: bool,
    active_targets_present: bool,
    custom_indications: bool,
    custom_references: bool,
}

impl Extended {
    fn parse(bits: &mut Bits<'_>) -> Result<Extended, Malformed> {
        let extended = Extended {
            structure_present: bits.flag()?,
            active_targets_present: bits.flag()?,
            custom_indications: bits.flag()?,
            custom_references: bits.flag()?,
        };
        // Custom chains: the last thing in the descriptor, and passed over with it.
        bits.skip(1)?;
        Ok(extended)
    }
}

fn read_references(bits: &mut Bits<'_>) -> Result<FrameDiffs, Malformed> {
    let mut references = FrameDiffs::default();
    loop {
        match bits.read(2)? {
            0 => return Ok(references),
            nibbles => references.push(bits.read(4 * nibbles)? as u16 + 1)?,
        }
    }
}

fn template_references(template: &Template) -> Result<FrameDiffs, Malformed> {
    let mut references = FrameDiffs::default();
    for &diff in template.references() {
        references.push(u16::from(diff))?;
    }
    Ok(references)
}

impl CodedSequence {
    /// A receiver may step up at a frame when it has all frames the frame refers to, and when no later frame of the target
    /// refers to what it has not (indication Switch, or Discardable, which means that no later frame refers here at all).
    /// What a receiver has is not known here, so only the frames every receiver has count: those of temporal
    /// layer 0, and those of lower spatial layers in the same picture, for which the same was asked.
    fn find_switches(&self, read: &mut DependencyDescriptor) {
        let targets = self.structure.decode_targets().iter().enumerate();
        let lowest = targets
            .filter(|(index, _)| read.indication(*index) != DecodeTargetIndication::NotPresent)
            .min_by_key(|(_, target)| **target);
        let lawful = lowest.is_some_and(|(index, _)| match read.indication(index) {
            DecodeTargetIndication::Switch | DecodeTargetIndication::Discardable => true,
            DecodeTargetIndication::NotPresent | DecodeTargetIndication::Required => false,
        });
        if !lawful {
            return;
        }
        read.switch_up = true;
        read.spatial_switch_up = true;
        for &diff in &*read.references {
            let Some((spatial, temporal)) = self.recent.layer(read.frame_number.wrapping_sub(diff)) else {
                read.switch_up = false;
                read.spatial_switch_up = false;
                return;
            };
            // Frames of one picture follow each other, one for each spatial layer at most.
            let same_picture = spatial < read.spatial && diff <= u16::from(read.spatial);
            read.spatial_switch_up &= same_picture;
            read.switch_up &= same_picture || temporal == 0;
        }
    }
}

/// Layers of the frames that came last, by frame number.
#[derive(Clone, Copy, Debug)]
struct RecentFrames {
    frames: [Option<RecentFrame>; RecentFrames::LEN],
}

#[derive(Clone, Copy, Debug)]
struct RecentFrame {
    number: u16,
    spatial: u8,
    temporal: u8,
}

impl Default for RecentFrames {
    fn default() -> Self {
        RecentFrames {
            frames: [None; RecentFrames::LEN],
        }
    }
}

impl RecentFrames {
    /// References go back less than this in every structure in use; beyond it they are taken for unknown.
    const LEN: usize = 32;

    fn insert(&mut self, number: u16, template: &Template) {
        let frame = RecentFrame {
            number,
            spatial: template.spatial,
            temporal: template.temporal,
        };
        self.frames[usize::from(number) % Self::LEN] = Some(frame);
    }

    fn layer(&self, number: u16) -> Option<(u8, u8)> {
        let frame = self.frames[usize::from(number) % Self::LEN].filter(|frame| frame.number == number)?;
        Some((frame.spatial, frame.temporal))
    }
}
