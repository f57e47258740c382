//! Every profile in both directions against `rtc-srtp`, which shares no code with ours but the primitives.

use super::*;
use proptest::prelude::*;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

fn theirs(profile: Profile, master: &MasterKey) -> Context {
    let their_profile = match profile {
        Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Profile::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        Profile::Aes128CmHmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let provider = AwsLcRsProvider::new();
    Context::new(&master.key, &master.salt, their_profile, None, None, provider.crypto()).unwrap()
}

/// A packet with CSRCs, a header extension and a payload.
fn rich_rtp(seq: u16, csrcs: u8, extension_words: Option<u8>, payload: &[u8]) -> Vec<u8> {
    let mut packet = rtp(0xcafe_babe, seq, &[]);
    packet[0] |= csrcs;
    packet.extend((0..4 * csrcs).map(|n| n ^ 0x5a));
    if let Some(words) = extension_words {
        packet[0] |= 0x10;
        packet.extend_from_slice(&[0xbe, 0xde, 0, words]);
        // One-byte elements: id 1, four bytes each, so that every implementation finds well-formed extensions.
        for n in 0..words {
            packet.extend_from_slice(if n + 1 == words {
                &[0x12, 9, 8, 7]
            } else {
                &[0, 0, 0, 0]
            });
        }
    }
    packet.extend_from_slice(payload);
    packet
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rtp_both_ways(
        payload in prop::collection::vec(any::<u8>(), 0..1300),
        csrcs in 0u8..4,
        extension_words in prop::option::of(0u8..6),
        seq in any::<u16>(),
    ) {
        let plain = rich_rtp(seq, csrcs, extension_words, &payload);
        for profile in Profile::ALL {
            let keys = keys(profile);
            let from_them = theirs(profile, &keys.client).encrypt_rtp(&plain).unwrap();
            let (ours, index) = opened(&mut Opener::new(&keys), &from_them).unwrap();
            prop_assert_eq!(&ours, &plain);
            prop_assert_eq!(index, u64::from(seq));
            let from_us = sealed(&Sealer::new(&keys), &plain, 0);
            prop_assert_eq!(from_us.len(), plain.len() + profile.rtp_tag_len());
            let opened = theirs(profile, &keys.server).decrypt_rtp(&from_us).unwrap();
            prop_assert_eq!(&opened[..], &plain[..]);
        }
    }

    #[test]
    fn rtcp_both_ways(words in prop::collection::vec(any::<u32>(), 0..60), ssrc in any::<u32>()) {
        let body: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let plain = rtcp(ssrc, &body);
        for profile in Profile::ALL {
            let keys = keys(profile);
            let (mut their_sealer, mut their_opener) = (theirs(profile, &keys.client), theirs(profile, &keys.server));
            let (mut sealer, mut opener) = (Sealer::new(&keys), Opener::new(&keys));
            for _ in 0..3 {
                let from_them = their_sealer.encrypt_rtcp(&plain).unwrap();
                prop_assert_eq!(opened_rtcp(&mut opener, &from_them), Ok(plain.clone()));
                let mut from_us = plain.clone();
                sealer.seal_rtcp(&mut from_us).unwrap();
                prop_assert_eq!(from_us.len(), plain.len() + profile.rtcp_overhead());
                prop_assert_eq!(&their_opener.decrypt_rtcp(&from_us).unwrap()[..], &plain[..]);
            }
        }
    }
}

/// S7: sequence numbers from 65 500 on, three times around.
#[test]
fn both_ways_across_rollovers() {
    for profile in Profile::ALL {
        let keys = keys(profile);
        let (mut their_sealer, mut their_opener) = (theirs(profile, &keys.client), theirs(profile, &keys.server));
        let (sealer, mut opener) = (Sealer::new(&keys), Opener::new(&keys));
        for index in (65_500..3 * 65_536 + 100u64).step_by(7) {
            let plain = rtp(1, index as u16, b"frame");
            let from_them = their_sealer.encrypt_rtp(&plain).unwrap();
            assert_eq!(opened(&mut opener, &from_them), Ok((plain.clone(), index)));
            let from_us = sealed(&sealer, &plain, (index >> 16) as u32);
            assert_eq!(their_opener.decrypt_rtp(&from_us).unwrap(), plain);
        }
    }
}
