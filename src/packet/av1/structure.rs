//! The template dependency structure (section A.8.2): sent with a keyframe, referred to by every packet after it.

use super::super::Malformed;
use super::bits::Bits;

/// Values of the fields that name them: `frame_dependency_template_id` has 6 bits, `dt_cnt_minus_one` 5.
const MAX_TEMPLATES: usize = 64;
const MAX_DECODE_TARGETS: usize = 32;
/// AV1 has 2 bits for the spatial and 3 for the temporal id (AV1 section 5.3.3).
const MAX_SPATIAL: u8 = 3;
const MAX_TEMPORAL: u8 = 7;
/// AV1 has seven references per frame (AV1 section 3, `REFS_PER_FRAME`).
pub(super) const MAX_REFERENCES: usize = 8;

/// What a frame is to a decode target (table A.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeTargetIndication {
    /// Not part of it.
    NotPresent,
    /// No frame of it refers to this one.
    Discardable,
    /// Whoever can decode this frame can decode all frames of it after this one.
    Switch,
    /// Part of it, and neither of the above.
    Required,
}

impl DecodeTargetIndication {
    pub(super) const fn from_bits(bits: u8) -> DecodeTargetIndication {
        match bits & 3 {
            0 => DecodeTargetIndication::NotPresent,
            1 => DecodeTargetIndication::Discardable,
            2 => DecodeTargetIndication::Switch,
            _ => DecodeTargetIndication::Required,
        }
    }
}

/// The highest layers a decode target consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DecodeTarget {
    /// Highest spatial layer.
    pub spatial: u8,
    /// Highest temporal layer.
    pub temporal: u8,
}

/// What packets that name it have in common.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Template {
    pub(super) spatial: u8,
    pub(super) temporal: u8,
    /// Two bits for each decode target, the first lowest.
    pub(super) indications: u64,
    /// Frames back to each reference, 1 to 16.
    references: [u8; MAX_REFERENCES],
    reference_count: u8,
}

impl Template {
    pub(super) fn references(&self) -> &[u8] {
        &self.references[..usize::from(self.reference_count)]
    }
}

#[derive(Clone, Debug)]
pub(super) struct Structure {
    id_offset: u8,
    template_count: u8,
    target_count: u8,
    templates: [Template; MAX_TEMPLATES],
    targets: [DecodeTarget; MAX_DECODE_TARGETS],
    /// Pixels across and down of the highest spatial layer.
    pub(super) resolution: Option<(u16, u16)>,
}

impl Structure {
    pub(super) fn parse(bits: &mut Bits<'_>) -> Result<Structure, Malformed> {
        let mut structure = Structure {
            id_offset: bits.read_u8(6)?,
            template_count: 0,
            target_count: bits.read_u8(5)? + 1,
            templates: [Template::default(); MAX_TEMPLATES],
            targets: [DecodeTarget::default(); MAX_DECODE_TARGETS],
            resolution: None,
        };
        let max_spatial = structure.layers(bits)?;
        let target_count = structure.target_count;
        for template in structure.used() {
            template.indications = read_indications(bits, target_count)?;
        }
        for template in structure.used() {
            while bits.flag()? {
                let slot = template.references.get_mut(usize::from(template.reference_count));
                *slot.ok_or(Malformed("dependency descriptor references"))? = bits.read_u8(4)? + 1;
                template.reference_count += 1;
            }
        }
        structure.skip_chains(bits)?;
        structure.targets();
        // Resolutions: a width and a height, less one, of 16 bits for each spatial layer.
        if bits.flag()? {
            bits.skip(32 * usize::from(max_spatial))?;
            let side = |value: u32| (value as u16).saturating_add(1);
            structure.resolution = Some((side(bits.read(16)?), side(bits.read(16)?)));
        }
        Ok(structure)
    }

    /// Counts the templates and gives each its layer; returns the highest spatial layer.
    fn layers(&mut self, bits: &mut Bits<'_>) -> Result<u8, Malformed> {
        let (mut spatial, mut temporal) = (0, 0);
        loop {
            let slot = self.templates.get_mut(usize::from(self.template_count));
            let template = slot.ok_or(Malformed("dependency descriptor templates"))?;
            (template.spatial, template.temporal) = (spatial, temporal);
            self.template_count += 1;
            match bits.read(2)? {
                0 => {}
                1 => temporal += 1,
                2 => (spatial, temporal) = (spatial + 1, 0),
                _ => return Ok(spatial),
            }
            if spatial > MAX_SPATIAL || temporal > MAX_TEMPORAL {
                return Err(Malformed("dependency descriptor layers"));
            }
        }
    }

    /// Chains tell a receiver what a loss means. We answer a loss from the packets themselves.
    fn skip_chains(&self, bits: &mut Bits<'_>) -> Result<(), Malformed> {
        let chain_count = bits.non_symmetric(u32::from(self.target_count) + 1)?;
        if chain_count == 0 {
            return Ok(());
        }
        for _ in 0..self.target_count {
            bits.non_symmetric(chain_count)?;
        }
        bits.skip(4 * usize::from(self.template_count) * chain_count as usize)
    }

    fn targets(&mut self) {
        let templates = &self.templates[..usize::from(self.template_count)];
        for (index, target) in self.targets.iter_mut().enumerate() {
            for template in templates
                .iter()
                .filter(|template| template.indications >> (2 * index) & 3 != 0)
            {
                target.spatial = target.spatial.max(template.spatial);
                target.temporal = target.temporal.max(template.temporal);
            }
        }
    }

    fn used(&mut self) -> &mut [Template] {
        &mut self.templates[..usize::from(self.template_count)]
    }

    /// The template with this `frame_dependency_template_id`.
    pub(super) fn template(&self, id: u8) -> Option<&Template> {
        let index = (id + 64 - self.id_offset) % 64;
        self.templates[..usize::from(self.template_count)].get(usize::from(index))
    }

    pub(super) fn decode_targets(&self) -> &[DecodeTarget] {
        &self.targets[..usize::from(self.target_count)]
    }
}

/// Two bits for each decode target.
pub(super) fn read_indications(bits: &mut Bits<'_>, target_count: u8) -> Result<u64, Malformed> {
    let mut indications = 0;
    for index in 0..target_count {
        indications |= u64::from(bits.read(2)?) << (2 * index);
    }
    Ok(indications)
}
