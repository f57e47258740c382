//! Data channel openings: what is read can be written and read again.
#![no_main]

use enfilade::transport::sctp::dcep::Dcep;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Dcep::parse(bytes) {
        assert_eq!(Dcep::parse(&message.encode()), Ok(message));
    }
});
