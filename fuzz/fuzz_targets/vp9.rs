//! VP9 descriptor; a patched one reads like the one before but for its picture.
#![no_main]

use enfilade::packet::{FrameInfo, vp9};

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    let _ = (vp9::frame_size(payload), vp9::data(payload));
    let Ok(before) = vp9::frame_info(payload) else { return };
    let mut patched = payload.to_vec();
    vp9::patch(&mut patched, &before.picture, 0x2aaa, 0xbb);
    let after = vp9::frame_info(&patched).expect("lengths are as they were");
    assert_eq!(
        FrameInfo {
            picture: before.picture,
            ..after
        },
        before
    );
});
