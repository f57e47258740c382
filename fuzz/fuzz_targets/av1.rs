//! Dependency descriptors of one stream, each behind an octet with its length, then a payload without one.
#![no_main]

use enfilade::packet::Codec;
use enfilade::packet::assemble::assemble;
use enfilade::packet::av1::{self, DependencyDescriptorReader};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // The picture as a file has it, and what the file says of it.
    let _ = (av1::configuration(input), av1::size_of_frame(input));
    let _ = assemble(Codec::Av1, input.chunks(8));
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
