//! Dependency descriptors of one stream, each behind an octet with its length, then a payload without one.
#![no_main]

use enfilade::packet::av1::{self, DependencyDescriptorReader};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut reader = DependencyDescriptorReader::default();
    let mut rest = input;
    while let Some((&len, tail)) = rest.split_first() {
        let Some((descriptor, tail)) = tail.split_at_checked(usize::from(len)) else {
            break;
        };
        if let Ok(read) = reader.read(descriptor) {
            assert!(read.spatial < 4 && read.temporal < 8);
            assert!(read.references.iter().all(|diff| (1..=4096).contains(diff)));
            assert!(reader.decode_targets().len() <= 32);
        }
        rest = tail;
    }
    let _ = av1::frame_info(rest, false, None, &mut reader);
});
