//! H264 payloads, with and without the marker, and put together.
#![no_main]

use enfilade::packet::assemble::assemble;
use enfilade::packet::{Codec, h264};

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    // The picture as a file has it, and what the file says of it.
    let _ = (h264::configuration(payload), h264::size_of_frame(payload));
    let _ = assemble(Codec::H264, payload.chunks(8));
    let without = h264::frame_info(payload, false);
    let with = h264::frame_info(payload, true);
    assert_eq!(without.map(|info| info.keyframe), with.map(|info| info.keyframe));
});
