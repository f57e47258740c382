//! RED payloads: the frames are disjoint and inside.
#![no_main]

use enfilade::packet::red;

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    let Ok(blocks) = red::blocks(payload) else { return };
    let total: usize = blocks.map(|block| block.payload.len()).sum();
    assert!(total < payload.len());
    assert!(red::primary(payload).is_ok());
});
