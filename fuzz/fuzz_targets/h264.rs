//! H264 payloads, with and without the marker.
#![no_main]

use enfilade::packet::h264;

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    let without = h264::frame_info(payload, false);
    let with = h264::frame_info(payload, true);
    assert_eq!(without.map(|info| info.keyframe), with.map(|info| info.keyframe));
});
