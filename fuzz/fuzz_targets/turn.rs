//! The TURN server: any bytes from a stranger, by every way, and any bytes from a peer. Nothing is kept of them, and nothing is answered
//! that is much longer than what came.
#![no_main]

use enfilade::transport::turn::TurnSecret;
use enfilade::turn::{Client, Output, Peers, Turn, Way};
use libfuzzer_sys::fuzz_target;
use std::time::Instant;

/// A challenge carries a realm and a nonce.
const CHALLENGE_LEN: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let peers = Peers::new(Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let advertised = ["203.0.113.7".parse().expect("an address")];
    let mut turn = Turn::new(TurnSecret::new("a secret of some length"), peers, &advertised, 4);
    let (now, address) = (Instant::now(), "192.0.2.1:9".parse().expect("an address"));
    for way in [Way::Udp, Way::Tcp] {
        let _ = turn.handle_client(now, 1_700_000_000, Client { way, address }, bytes);
        while let Some(output) = turn.poll_output() {
            let Output::Answer { bytes: answer, .. } = output else {
                panic!("a stranger made it do {output:?}");
            };
            assert!(answer.len() <= CHALLENGE_LEN.max(bytes.len()));
        }
    }
    assert!(turn.handle_peer(now, 1, address, bytes).is_err());
    assert_eq!(turn.allocations(), 0);
});
