//! Connectivity checks: any bytes from a stranger, and any attributes from somebody who knows the password.
#![no_main]

use aws_lc_rs::hmac;
use enfilade::transport::ice::{BindingOutcome, Credentials, IceLite, Remote, username_local_ufrag};
use libfuzzer_sys::fuzz_target;
use std::time::Instant;

const UFRAG: &str = "ufrag";
const PWD: &str = "a password of some length";

/// A Binding request of a USERNAME, then `attributes`, then a correct MESSAGE-INTEGRITY.
fn authentic(attributes: &[u8]) -> Vec<u8> {
    let attributes = &attributes[..attributes.len().min(1200) / 4 * 4];
    let mut message = vec![0, 1];
    message.extend_from_slice(&(12 + attributes.len() as u16 + 24).to_be_bytes());
    message.extend_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
    message.extend_from_slice(&[5; 12]);
    message.extend_from_slice(b"\0\x06\0\x07ufrag:x\0");
    message.extend_from_slice(attributes);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, PWD.as_bytes());
    let tag = hmac::sign(&key, &message);
    message.extend_from_slice(&[0, 8, 0, 20]);
    message.extend_from_slice(tag.as_ref());
    message
}

fuzz_target!(|bytes: &[u8]| {
    let _ = username_local_ufrag(bytes);
    let mut ice = IceLite::new(Credentials {
        ufrag: UFRAG.to_owned(),
        pwd: PWD.to_owned(),
    });
    let from = Remote::from("[2001:db8::1]:9".parse::<std::net::SocketAddr>().expect("an address"));
    let mut response = Vec::new();
    for datagram in [bytes, &authentic(bytes)] {
        let outcome = ice.handle_binding(Instant::now(), from, datagram, &mut response);
        assert!(response.len() <= datagram.len());
        assert_eq!(response.is_empty(), matches!(outcome, BindingOutcome::Ignored(_)));
        assert_eq!(
            ice.is_validated(from),
            matches!(outcome, BindingOutcome::Answered { .. }) || ice.selected().is_some()
        );
    }
});
