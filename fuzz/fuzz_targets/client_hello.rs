//! What a stranger on a validated path can say before DTLS knows anything: records, fragments, ClientHello.
//!
//! The input is cut into datagrams: a length byte, that many bytes, and so on.
#![no_main]

use enfilade::transport::dtls::clienthello::best_profile;
use enfilade::transport::dtls::records::Inbound;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = best_profile(bytes);
    let mut inbound = Inbound::default();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first() {
        let (datagram, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let accepted = inbound.filter(datagram);
        // What is passed on is well formed, so a second look at it finds nothing to drop but what is known already.
        assert!(accepted.is_empty() || accepted.len() >= 14);
        if let Some(hello) = inbound.take_client_hello() {
            let _ = best_profile(&hello);
        }
    }
});
