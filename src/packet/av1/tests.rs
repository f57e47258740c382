use proptest::prelude::*;

use super::*;
use crate::packet::{Codec, Extensions, codec};

/// Writes what `Bits` reads.
#[derive(Default)]
struct Writer {
    bits: Vec<bool>,
}

impl Writer {
    fn put(&mut self, count: u32, value: u32) {
        self.bits.extend((0..count).rev().map(|bit| value >> bit & 1 != 0));
    }

    /// `write_ns` of section A.8.2.
    fn put_non_symmetric(&mut self, n: u32, value: u32) {
        let width = u32::BITS - n.leading_zeros();
        let short = (1 << width) - n;
        if value < short {
            self.put(width - 1, value)
        } else {
            self.put(width, value + short)
        }
    }

    fn finish(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            bits.iter()
                .zip((0..8).rev())
                .fold(0, |byte, (bit, at)| byte | u8::from(*bit) << at)
        };
        self.bits.chunks(8).map(byte).collect()
    }
}

#[derive(Clone, Debug)]
struct TemplateSpec {
    layer: (u8, u8),
    /// "-DSR", one for each decode target.
    indications: &'static str,
    references: Vec<u16>,
    chains: Vec<u8>,
}

fn template(layer: (u8, u8), indications: &'static str, references: &[u16], chains: &[u8]) -> TemplateSpec {
    TemplateSpec {
        layer,
        indications,
        references: references.to_vec(),
        chains: chains.to_vec(),
    }
}

#[derive(Clone, Debug)]
struct StructureSpec {
    id_offset: u8,
    templates: Vec<TemplateSpec>,
    /// For each decode target; empty without chains.
    protected_by: Vec<u8>,
    resolutions: bool,
}

impl StructureSpec {
    fn new(templates: Vec<TemplateSpec>, protected_by: &[u8]) -> Self {
        StructureSpec {
            id_offset: 60,
            templates,
            protected_by: protected_by.to_vec(),
            resolutions: true,
        }
    }

    fn targets(&self) -> u32 {
        u32::try_from(self.templates[0].indications.len()).unwrap()
    }

    fn put(&self, out: &mut Writer) {
        out.put(6, self.id_offset.into());
        out.put(5, self.targets() - 1);
        for pair in self.templates.windows(2) {
            let next = match (pair[0].layer, pair[1].layer) {
                (a, b) if a == b => 0,
                (a, b) if a.0 == b.0 => 1,
                _ => 2,
            };
            out.put(2, next);
        }
        out.put(2, 3);
        for template in &self.templates {
            put_indications(out, template.indications);
        }
        for template in &self.templates {
            for diff in &template.references {
                out.put(1, 1);
                out.put(4, u32::from(diff - 1));
            }
            out.put(1, 0);
        }
        let chains = u32::try_from(self.templates[0].chains.len()).unwrap();
        out.put_non_symmetric(self.targets() + 1, chains);
        if chains > 0 {
            self.protected_by
                .iter()
                .for_each(|chain| out.put_non_symmetric(chains, u32::from(*chain)));
            self.templates
                .iter()
                .flat_map(|t| &t.chains)
                .for_each(|diff| out.put(4, u32::from(*diff)));
        }
        out.put(1, self.resolutions.into());
        if self.resolutions {
            for _ in 0..=self.templates.last().unwrap().layer.0 {
                out.put(16, 1279);
                out.put(16, 719);
            }
        }
    }

    /// A descriptor whose frame is of template `index`.
    fn frame(&self, number: u16, index: usize, attach: bool) -> Vec<u8> {
        let mut out = mandatory(self.id(index), number);
        if attach {
            out.put(5, 0b10000);
            self.put(&mut out);
        }
        out.finish()
    }

    fn id(&self, index: usize) -> u8 {
        (self.id_offset + u8::try_from(index).unwrap()) % 64
    }
}

fn mandatory(template_id: u8, number: u16) -> Writer {
    let mut out = Writer::default();
    out.put(2, 0b11);
    out.put(6, template_id.into());
    out.put(16, number.into());
    out
}

fn put_indications(out: &mut Writer, indications: &str) {
    for letter in indications.chars() {
        out.put(2, u32::try_from("-DSR".find(letter).unwrap()).unwrap());
    }
}

/// As Chromium's encoder describes them.
fn l1t3() -> StructureSpec {
    let templates = vec![
        template((0, 0), "SSS", &[], &[0]),
        template((0, 0), "SSS", &[4], &[4]),
        template((0, 1), "-DS", &[2], &[2]),
        template((0, 2), "--D", &[1], &[1]),
        template((0, 2), "--D", &[1], &[3]),
    ];
    StructureSpec::new(templates, &[0, 0, 0])
}

fn l2t1_key() -> StructureSpec {
    let templates = vec![
        template((0, 0), "S-", &[2], &[2, 1]),
        template((0, 0), "SS", &[], &[0, 0]),
        template((1, 0), "-S", &[2], &[1, 2]),
        template((1, 0), "-S", &[1], &[1, 1]),
    ];
    StructureSpec::new(templates, &[0, 1])
}

fn info(reader: &mut DependencyDescriptorReader, descriptor: &[u8]) -> FrameInfo {
    frame_info(&[], false, Some(descriptor), reader).unwrap()
}

#[test]
fn a_stream_of_three_temporal_layers_tells_where_to_step_up() {
    let structure = l1t3();
    let mut reader = DependencyDescriptorReader::default();
    let key = info(&mut reader, &structure.frame(65_535, 0, true));
    assert!(key.keyframe && key.starts_frame && key.ends_frame && key.switch_up && !key.discardable);
    assert_eq!(key.picture, Picture::Described { frame_number: 65_535 });
    let layers: Vec<_> = reader
        .decode_targets()
        .iter()
        .map(|target| (target.spatial, target.temporal))
        .collect();
    assert_eq!(layers, [(0, 0), (0, 1), (0, 2)]);

    // (frame number, template, temporal layer, may step up, discardable)
    let frames = [
        (0, 3, 2, true, true),
        (1, 2, 1, true, false),
        // Refers to the frame before, of layer 1, which a receiver of layer 0 has not.
        (2, 4, 2, false, true),
        (3, 1, 0, true, false),
    ];
    for (number, index, temporal, switch_up, discardable) in frames {
        let found = info(&mut reader, &structure.frame(number, index, false));
        assert_eq!(
            (found.temporal, found.switch_up, found.discardable),
            (temporal, switch_up, discardable),
            "{number}"
        );
        assert!(!found.keyframe);
    }
}

/// As Chromium sends it: nothing but the first octet of VP8's own descriptor.
#[test]
fn temporal_layers_of_vp8_are_read_from_the_descriptor_beside_it() {
    let structure = l1t3();
    let mut reader = DependencyDescriptorReader::default();
    let mut read = |payload: &[u8], descriptor: &[u8]| {
        let extensions = Extensions {
            dependency_descriptor: Some(descriptor),
            ..Extensions::default()
        };
        codec::frame_info(Codec::Vp8, payload, true, &extensions, &mut reader).unwrap()
    };
    let lost = read(&[0x10, 0x01], &structure.frame(8, 2, false));
    assert_eq!(
        (lost.temporal, lost.starts_frame),
        (0, true),
        "nobody has said yet what it means"
    );
    let key = read(&[0x10, 0x00], &structure.frame(9, 0, true));
    assert!(
        key.keyframe && key.switch_up && key.temporal == 0 && key.picture == Picture::Described { frame_number: 9 }
    );
    let upper = read(&[0x30, 0x01], &structure.frame(10, 3, false));
    assert_eq!(
        (upper.temporal, upper.switch_up, upper.discardable, upper.keyframe),
        (2, true, true, false)
    );
    let middle = read(&[0x10, 0x01], &structure.frame(11, 2, false));
    assert_eq!(
        (middle.temporal, middle.switch_up, middle.discardable),
        (1, true, false)
    );
    // Where VP8 says it itself, it is believed.
    let own = read(&[0x90, 0x20, 0x40, 0x01], &structure.frame(12, 4, false));
    assert_eq!((own.temporal, own.switch_up), (1, false));
    let own = read(&[0x90, 0xe0, 0x01, 0x02, 0x40, 0x01], &structure.frame(13, 4, false));
    assert_eq!(own.temporal, 1);
}

#[test]
fn spatial_layers_step_up_where_they_refer_to_their_own_picture_only() {
    let structure = l2t1_key();
    let mut reader = DependencyDescriptorReader::default();
    assert!(info(&mut reader, &structure.frame(10, 1, true)).keyframe);
    let upper = info(&mut reader, &structure.frame(11, 3, false));
    assert!(upper.spatial_switch_up && !upper.keyframe && upper.spatial == 1);
    let base = info(&mut reader, &structure.frame(12, 0, false));
    assert!(!base.keyframe && base.spatial == 0);
    assert!(!info(&mut reader, &structure.frame(13, 2, false)).spatial_switch_up);
}

#[test]
fn a_reference_to_a_frame_that_was_lost_is_no_place_to_step_up() {
    let structure = l1t3();
    let mut reader = DependencyDescriptorReader::default();
    info(&mut reader, &structure.frame(0, 0, true));
    // Frame 4, of layer 0, is missing.
    assert!(!info(&mut reader, &structure.frame(6, 2, false)).switch_up);
}

#[test]
fn a_template_nobody_announced_is_refused_until_its_structure_comes() {
    let structure = l1t3();
    let mut reader = DependencyDescriptorReader::default();
    assert!(reader.read(&structure.frame(0, 0, false)).is_err());
    assert!(reader.decode_targets().is_empty());
    reader.read(&structure.frame(4, 0, true)).unwrap();
    assert!(reader.read(&structure.frame(8, 1, false)).is_ok());
    // One past the last; and templates of a next structure are not those of this one.
    assert!(reader.read(&mandatory(structure.id(5), 9).finish()).is_err());
    let next = StructureSpec {
        id_offset: 1,
        ..l2t1_key()
    };
    assert!(reader.read(&next.frame(12, 0, false)).is_err());
    reader.read(&next.frame(12, 1, true)).unwrap();
    assert!(reader.read(&structure.frame(13, 1, false)).is_err());
}

#[test]
fn a_malformed_structure_leaves_the_one_before_in_force() {
    let structure = l1t3();
    let next = StructureSpec {
        id_offset: 1,
        ..l2t1_key()
    }
    .frame(4, 1, true);
    let mut reader = DependencyDescriptorReader::default();
    reader.read(&structure.frame(0, 0, true)).unwrap();
    for len in 0..next.len() {
        assert!(reader.read(&next[..len]).is_err(), "{len}");
        assert_eq!(reader.decode_targets().len(), 3);
    }
    assert!(reader.read(&structure.frame(4, 1, false)).is_ok());
    assert!(reader.read(&next).is_ok());
}

#[test]
fn custom_fields_stand_in_for_the_template() {
    let structure = l1t3();
    let mut reader = DependencyDescriptorReader::default();
    reader.read(&structure.frame(0, 0, true)).unwrap();
    let mut out = mandatory(structure.id(2), 1);
    out.put(5, 0b01111);
    out.put(3, 0b011);
    put_indications(&mut out, "-RD");
    for (nibbles, diff) in [(1, 1), (2, 200), (3, 4096)] {
        out.put(2, nibbles);
        out.put(4 * nibbles, diff - 1);
    }
    out.put(2, 0);
    out.put(8, 9);
    let read = reader.read(&out.finish()).unwrap();
    assert_eq!(*read.references, [1, 200, 4096]);
    assert_eq!(read.active_decode_targets, 0b011);
    assert_eq!(read.indication(0), DecodeTargetIndication::NotPresent);
    assert_eq!(read.indication(1), DecodeTargetIndication::Required);
    assert_eq!(read.indication(2), DecodeTargetIndication::Discardable);
    assert_eq!(read.indication(3), DecodeTargetIndication::NotPresent);
    assert!(!read.switch_up && !read.discardable());
    // The mask stays until the next.
    assert_eq!(
        reader
            .read(&structure.frame(2, 3, false))
            .unwrap()
            .active_decode_targets,
        0b011
    );
    assert_eq!(
        reader.read(&structure.frame(8, 0, true)).unwrap().active_decode_targets,
        0b111
    );
}

#[test]
fn more_references_or_layers_than_av1_has_are_refused() {
    let mut nine = l1t3();
    nine.templates[1].references = vec![1; 9];
    assert!(
        DependencyDescriptorReader::default()
            .read(&nine.frame(0, 0, true))
            .is_err()
    );
    nine.templates[1].references = vec![1; 8];
    assert!(
        DependencyDescriptorReader::default()
            .read(&nine.frame(0, 0, true))
            .is_ok()
    );
    for (layers, lawful) in [(8, true), (9, false)] {
        let templates = (0..layers)
            .map(|temporal| template((0, temporal), "S", &[], &[]))
            .collect();
        let structure = StructureSpec::new(templates, &[]);
        assert_eq!(
            DependencyDescriptorReader::default()
                .read(&structure.frame(0, 0, true))
                .is_ok(),
            lawful
        );
    }
}

#[test]
fn as_many_templates_and_targets_as_ids_are_read() {
    let all = "SDRSDRSDRSDRSDRSDRSDRSDRSDRSDRSD";
    let templates = vec![template((0, 0), all, &[1], &[]); 64];
    let structure = StructureSpec {
        resolutions: false,
        ..StructureSpec::new(templates, &[])
    };
    let mut reader = DependencyDescriptorReader::default();
    let read = reader.read(&structure.frame(0, 63, true)).unwrap();
    assert_eq!(
        (read.active_decode_targets, reader.decode_targets().len()),
        (u32::MAX, 32)
    );
    let too_many = StructureSpec {
        templates: vec![template((0, 0), "S", &[], &[]); 65],
        ..structure
    };
    assert!(reader.read(&too_many.frame(0, 0, true)).is_err());
}

#[test]
fn a_patch_changes_the_frame_number_only() {
    let structure = l1t3();
    let mut descriptor = structure.frame(7, 0, true);
    patch_frame_number(&mut descriptor, 0xabcd);
    assert_eq!(descriptor, structure.frame(0xabcd, 0, true));
    patch_frame_number(&mut [0, 0], 1);
}

#[test]
fn a_structure_tells_how_large_the_picture_is() {
    let structure = l2t1_key();
    assert_eq!(frame_size(&structure.frame(1, 1, true)), Some((1_280, 720)));
    assert_eq!(frame_size(&structure.frame(2, 0, false)), None);
    let mut silent = l2t1_key();
    silent.resolutions = false;
    assert_eq!(frame_size(&silent.frame(1, 1, true)), None);
}

#[test]
fn without_a_descriptor_the_aggregation_header_announces_a_sequence() {
    let mut reader = DependencyDescriptorReader::default();
    let mut read = |payload: &[u8]| frame_info(payload, true, None, &mut reader).unwrap();
    // N, two elements: a sequence header, then a frame of T0 S0.
    let key = read(&[0x28, 2, 0x08, 0x00, 0x34, 0x00, 0x55]);
    assert!(key.keyframe && key.starts_frame && key.ends_frame);
    // A frame of T1 S2, each element with a length.
    let delta = read(&[0x00, 3, 0x34, 0x30, 0x55]);
    assert!(!delta.keyframe && delta.starts_frame);
    assert_eq!((delta.temporal, delta.spatial), (1, 2));
    // Goes on: the first element has no header; what looks like one is picture.
    let rest = read(&[0x90, 0x34, 0x30]);
    assert!(!rest.starts_frame && rest.temporal == 0);
    // A tile group begins no frame.
    assert!(!read(&[0x10, 0x24, 0x20]).starts_frame);
}

proptest! {
    #[test]
    fn never_panics_on_any_bytes(
        descriptors in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 1..6),
        payload in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut reader = DependencyDescriptorReader::default();
        for mut descriptor in descriptors {
            let _ = frame_info(&payload, false, Some(&descriptor), &mut reader);
            if let Some(flags) = descriptor.get_mut(3) {
                *flags |= 0x80;
                let _ = frame_info(&payload, false, Some(&descriptor), &mut reader);
            }
        }
        let _ = frame_info(&payload, false, None, &mut reader);
    }

    #[test]
    fn a_size_is_read_from_any_bytes(descriptor in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = frame_size(&descriptor);
    }

    #[test]
    fn never_panics_on_bits_turned_over(
        flips in proptest::collection::vec(any::<proptest::sample::Index>(), 1..6), three in any::<bool>(),
    ) {
        let structure = if three { l1t3() } else { l2t1_key() };
        let mut reader = DependencyDescriptorReader::default();
        let mut descriptor = structure.frame(9, 1, true);
        for flip in flips {
            let bit = flip.index(8 * descriptor.len());
            descriptor[bit / 8] ^= 1 << (bit % 8);
            let _ = reader.read(&descriptor);
        }
        for index in 0..structure.templates.len() {
            let _ = reader.read(&structure.frame(10, index, false));
        }
    }

    #[test]
    fn every_structure_reads_back(
        id_offset in 0..64_u8,
        steps in proptest::collection::vec((0..3_u8, 0..5_usize, proptest::collection::vec(1..17_u16, 0..8)), 1..20),
        chain_count in 0..3_usize,
        resolutions in any::<bool>(),
    ) {
        let (mut spatial, mut temporal) = (0, 0);
        let mut templates = Vec::new();
        for (step, indications, references) in steps {
            let indications = ["SSS", "-DS", "R-D", "DDD", "---"][indications];
            let chains = vec![7; chain_count];
            templates.push(TemplateSpec { layer: (spatial, temporal), indications, references, chains });
            match step {
                1 if temporal < 7 => temporal += 1,
                2 if spatial < 3 => (spatial, temporal) = (spatial + 1, 0),
                _ => {}
            }
        }
        let protected_by = vec![u8::try_from(chain_count.saturating_sub(1)).unwrap(); 3];
        let structure = StructureSpec { id_offset, templates, protected_by, resolutions };
        let mut reader = DependencyDescriptorReader::default();
        reader.read(&structure.frame(0, 0, true)).unwrap();
        for (index, template) in structure.templates.iter().enumerate() {
            let read = reader.read(&structure.frame(1, index, false)).unwrap();
            prop_assert_eq!((read.spatial, read.temporal), template.layer);
            prop_assert_eq!(&*read.references, &template.references[..]);
            for (target, letter) in template.indications.chars().enumerate() {
                let expected = DecodeTargetIndication::from_bits(u8::try_from("-DSR".find(letter).unwrap()).unwrap());
                prop_assert_eq!(read.indication(target), expected);
            }
        }
        for (index, target) in reader.decode_targets().iter().enumerate() {
            let present = structure.templates.iter().filter(|t| t.indications.as_bytes()[index] != b'-');
            let spatial = present.clone().map(|t| t.layer.0).max().unwrap_or(0);
            let temporal = present.map(|t| t.layer.1).max().unwrap_or(0);
            prop_assert_eq!((target.spatial, target.temporal), (spatial, temporal));
        }
    }
}
