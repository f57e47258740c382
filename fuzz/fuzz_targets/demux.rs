//! Any datagram through the first door, and on to the parser that the door names.
#![no_main]

use enfilade::packet::rtp::RtpHeader;
use enfilade::transport::demux::{Class, classify};
use enfilade::transport::stun::BindingRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    match classify(datagram) {
        Class::Stun => {
            let _ = BindingRequest::parse(datagram);
        }
        Class::Rtp => {
            if let Ok(header) = RtpHeader::parse(datagram) {
                assert!(header.header_len <= datagram.len());
            }
        }
        Class::Dtls => assert!(datagram.len() >= 13),
        Class::Rtcp => assert!(datagram.len() >= 8),
        Class::Drop(_) => {}
    }
});
