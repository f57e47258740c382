//! Offers: any text first, then the same text again after an offer that was good, where an error must change nothing.
#![no_main]

use enfilade::transport::fingerprint::Fingerprint;
use enfilade::transport::ice::Credentials;
use enfilade::transport::negotiation::{LocalTransport, Negotiation};
use libfuzzer_sys::fuzz_target;

const GOOD: &str = include_str!("../../tests/fixtures/sdp/firefox_sequence_1_two_seats.sdp");

fuzz_target!(|offer: &str| {
    let local = LocalTransport {
        ice: Credentials {
            ufrag: "ufrag".into(),
            pwd: "a password of some length".into(),
        },
        fingerprint: Fingerprint([1; 32]),
        candidates: vec!["192.0.2.1:7882".parse().expect("an address")],
        tcp: true,
    };
    let _ = Negotiation::new(local.clone(), 1).answer(offer);

    let mut negotiation = Negotiation::new(local, 1);
    let before = negotiation.answer(GOOD).expect("a good offer");
    if negotiation.answer(offer).is_err() {
        let after = negotiation.answer(GOOD).expect("a good offer");
        assert_eq!(before.send, after.send);
    }
});
