//! Rollover counters and replay, through the front door: what was sealed once is opened once, whatever the order.

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

/// Packets in the order of their indices, sealed by the client.
fn stream(profile: Profile, indices: impl Iterator<Item = u64>) -> Vec<(u64, Vec<u8>)> {
    let (sealer, _) = client(profile);
    indices
        .map(|index| {
            (
                index,
                sealed(&sealer, &rtp(1, index as u16, &[3; 40]), (index >> 16) as u32),
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// From 65 500 across the wrap with loss, reordering, and every packet sent again once or ten times: each that was
    /// not lost opens exactly once, with its true index.
    #[test]
    fn each_packet_opens_exactly_once(
        jitter in prop::collection::vec(0u64..120, 300),
        lost in prop::collection::vec(prop::bool::weighted(0.1), 300),
        again in prop::collection::vec(prop::sample::select(vec![0usize, 0, 1, 10]), 300),
        profile in prop::sample::select(Profile::ALL.to_vec()),
    ) {
        let mut arrivals: Vec<_> = stream(profile, 65_500..65_800)
            .into_iter()
            .enumerate()
            // The first packet is spared: what a stream begins with is the next test's matter.
            .filter(|(n, _)| *n == 0 || !lost[*n])
            .flat_map(|(n, (index, packet))| {
                let delay = if n == 0 { 0 } else { jitter[n] };
                let copies = again[n];
                (0..=copies).map(move |copy| (n as u64 + delay + 20 * copy as u64, index, packet.clone()))
            })
            .collect();
        arrivals.sort_by_key(|(time, ..)| *time);
        let mut opener = Opener::new(&keys(profile));
        let mut seen = HashSet::new();
        for (_, index, packet) in arrivals {
            let want = if seen.insert(index) { Ok(index) } else { Err(SrtpError::Replayed) };
            prop_assert_eq!(opened(&mut opener, &packet).map(|(_, index)| index), want);
        }
    }

    /// Whoever comes late, after the first wrap, still finds the rollover counter.
    #[test]
    fn a_late_joiner_finds_the_first_rollover(
        start in 65_536u64..65_536 + 0x8000,
        profile in prop::sample::select(Profile::ALL.to_vec()),
    ) {
        let mut opener = Opener::new(&keys(profile));
        for (index, packet) in stream(profile, start..start + 50) {
            prop_assert_eq!(opened(&mut opener, &packet).map(|(_, index)| index), Ok(index));
        }
        prop_assert_eq!(opener.ssrc_count(), 1);
    }

    /// Replays from inside and outside the window, and an old packet that never came in time.
    #[test]
    fn old_packets_stay_out(
        back in 1u64..3000,
        profile in prop::sample::select(Profile::ALL.to_vec()),
    ) {
        let mut opener = Opener::new(&keys(profile));
        let packets = stream(profile, 65_000..68_100);
        let missing = packets.len() - 1 - back as usize;
        for (n, (index, packet)) in packets.iter().enumerate() {
            if n != missing {
                prop_assert_eq!(opened(&mut opener, packet).map(|(_, index)| index), Ok(*index));
            }
        }
        let late = opened(&mut opener, &packets[missing].1).map(|(_, index)| index);
        let want = if back < replay::WINDOW { Ok(packets[missing].0) } else { Err(SrtpError::Replayed) };
        prop_assert_eq!(late, want);
        for (_, packet) in &packets {
            prop_assert_eq!(opened(&mut opener, packet), Err(SrtpError::Replayed));
        }
    }
}

/// A jump over more than half the sequence space is a guess that the tag refutes, and nothing is lost by it.
#[test]
fn a_wrong_guess_changes_nothing() {
    for profile in Profile::ALL {
        let mut opener = Opener::new(&keys(profile));
        let packets = stream(profile, [1000, 1000 + 40_000, 1001].into_iter());
        assert!(opened(&mut opener, &packets[0].1).is_ok());
        assert!(opened(&mut opener, &packets[1].1).is_err());
        assert_eq!(opened(&mut opener, &packets[2].1).map(|(_, index)| index), Ok(1001));
    }
}

#[test]
fn rtcp_replays_stay_out() {
    for profile in Profile::ALL {
        let (mut sealer, _) = client(profile);
        let mut opener = Opener::new(&keys(profile));
        let packets: Vec<Vec<u8>> = (0..2000u32)
            .map(|n| {
                let mut packet = rtcp(5, &n.to_be_bytes());
                sealer.seal_rtcp(&mut packet).unwrap();
                packet
            })
            .collect();
        for pair in packets.chunks(2) {
            assert!(opened_rtcp(&mut opener, &pair[1]).is_ok());
            assert!(opened_rtcp(&mut opener, &pair[0]).is_ok());
            assert_eq!(opened_rtcp(&mut opener, &pair[1]), Err(SrtpError::Replayed));
        }
        for packet in &packets {
            assert_eq!(opened_rtcp(&mut opener, packet), Err(SrtpError::Replayed));
        }
    }
}

/// T20: one key, 2^20 packets of four streams and four rollovers, no keystream twice. Zeros are sealed, so what comes
/// out is the keystream itself.
#[test]
fn no_nonce_is_used_twice() {
    for profile in Profile::ALL {
        let sealer = Sealer::new(&keys(profile));
        let mut seen = HashSet::with_capacity(1 << 20);
        for (ssrc, roc) in [0, 1, 0x0001_0000, u32::MAX]
            .iter()
            .flat_map(|ssrc| [0, 1, 0x0001_0000, 0x0100_0001].map(|roc| (*ssrc, roc)))
        {
            let step = if profile == Profile::AeadAes128Gcm { 1 } else { 16 };
            for seq in (0..=u16::MAX).step_by(step) {
                let packet = sealed(&sealer, &rtp(ssrc, seq, &[0; 16]), roc);
                let keystream: [u8; 16] = packet[12..28].try_into().unwrap();
                assert!(seen.insert(keystream), "{profile:?} ssrc {ssrc} roc {roc} seq {seq}");
            }
        }
        // RTCP has keys of its own, and an index that only grows.
        let mut sealer = sealer;
        for _ in 0..1 << 14 {
            let mut packet = rtcp(1, &[0; 16]);
            sealer.seal_rtcp(&mut packet).unwrap();
            assert!(seen.insert(packet[8..24].try_into().unwrap()));
        }
    }
}

/// RFC 3711 section 9.2: the index does not wrap, sealing ends.
#[test]
fn used_up_keys_seal_nothing() {
    for profile in Profile::ALL {
        let mut sealer = Sealer::new(&keys(profile));
        sealer.set_rtcp_index(MAX_RTCP_INDEX - 1);
        let plain = rtcp(1, &[0; 8]);
        let mut packet = plain.clone();
        assert_eq!(sealer.seal_rtcp(&mut packet), Ok(()));
        let mut packet = plain.clone();
        assert_eq!(sealer.seal_rtcp(&mut packet), Err(SrtpError::Exhausted));
        assert_eq!(packet, plain);
    }
}
