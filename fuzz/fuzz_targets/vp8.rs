//! VP8 descriptor; a patched one reads like the one before but for its picture.
#![no_main]

use enfilade::packet::{FrameInfo, vp8};

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    let _ = (vp8::frame_size(payload), vp8::data(payload));
    let Ok(before) = vp8::frame_info(payload, false) else {
        return;
    };
    let mut patched = payload.to_vec();
    vp8::patch(&mut patched, &before.picture, 0x2aaa, 0xbb, 0xcc);
    let after = vp8::frame_info(&patched, false).expect("lengths are as they were");
    assert_eq!(
        FrameInfo {
            picture: before.picture,
            ..after
        },
        before
    );
});
