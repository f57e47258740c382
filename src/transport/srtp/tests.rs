//! The vectors of RFC 7714, a second implementation in both directions, rollover and replay, and hostile input.

use super::*;
use crate::packet::rtp::RtpHeader;

mod hostile;
mod interop;
mod rollover;

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Keys that look random and are the same in every run.
fn keys(profile: Profile) -> KeyingMaterial {
    let block: Vec<u8> = (0..profile.exporter_len()).map(|n| (n * 37 + 11) as u8).collect();
    KeyingMaterial::from_exporter(profile, &block).unwrap()
}

/// What a client has: it seals what our [`Opener`] opens, and opens what our [`Sealer`] seals.
fn client(profile: Profile) -> (Sealer, Opener) {
    let keys = keys(profile).mirrored();
    (Sealer::new(&keys), Opener::new(&keys))
}

fn rtp(ssrc: u32, sequence_number: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend_from_slice(&sequence_number.to_be_bytes());
    packet.extend_from_slice(&0x1234_5678u32.to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

fn rtcp(ssrc: u32, body: &[u8]) -> Vec<u8> {
    let words = (body.len() / 4 + 1) as u16;
    let mut packet = vec![0x81, 200];
    packet.extend_from_slice(&words.to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(body);
    packet
}

/// A sealed copy of `plain`.
fn sealed(sealer: &Sealer, plain: &[u8], roc: u32) -> Vec<u8> {
    let header_len = RtpHeader::parse(plain).unwrap().header_len;
    let mut packet = plain.to_vec();
    packet.resize(plain.len() + Profile::MAX_RTP_OVERHEAD, 0xee);
    let len = sealer.seal_rtp(&mut packet, header_len, plain.len(), roc);
    assert!(len > plain.len());
    packet.truncate(len);
    packet
}

/// Opens a copy of `packet`.
fn opened(opener: &mut Opener, packet: &[u8]) -> Result<(Vec<u8>, u64), SrtpError> {
    let mut copy = packet.to_vec();
    let header = RtpHeader::parse(packet).unwrap();
    let OpenedRtp { len, index } = opener.open_rtp(&mut copy, &header)?;
    copy.truncate(len);
    Ok((copy, index))
}

/// Opens a copy of an SRTCP `packet`.
fn opened_rtcp(opener: &mut Opener, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut copy = packet.to_vec();
    let len = opener.open_rtcp(&mut copy)?;
    copy.truncate(len);
    Ok(copy)
}

const RFC_7714_RTP: &str = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e6973206469766973\
    6120696e207061727465732074726573";
const RFC_7714_RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61\
    deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

/// RFC 7714 sections 16 and 17 share these session keys.
fn rfc_7714(profile: Profile) -> (Sealer, Opener) {
    let key: Vec<u8> = (0..profile.key_len() as u8).collect();
    let suite = || Suite::Gcm(Gcm::from_session_keys(&key, *b"Quid pro quo"));
    (Sealer::with_suite(suite()), Opener::with_suite(suite(), profile))
}

#[test]
fn rfc_7714_rtp_vectors() {
    for (profile, want) in [
        (
            Profile::AeadAes128Gcm,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
             899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Profile::AeadAes256Gcm,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ] {
        let (sealer, mut opener) = rfc_7714(profile);
        let plain = hex(RFC_7714_RTP);
        let packet = sealed(&sealer, &plain, 0);
        assert_eq!(packet, [&plain[..12], &hex(want)].concat());
        assert_eq!(opened(&mut opener, &packet), Ok((plain, 0xf17b)));
    }
}

#[test]
fn rfc_7714_rtcp_vectors() {
    for (profile, want) in [
        (
            Profile::AeadAes128Gcm,
            "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b\
             c84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            Profile::AeadAes256Gcm,
            "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad\
             1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ] {
        let (mut sealer, mut opener) = rfc_7714(profile);
        let plain = hex(RFC_7714_RTCP);
        sealer.set_rtcp_index(0x5d3);
        let mut packet = plain.clone();
        sealer.seal_rtcp(&mut packet).unwrap();
        assert_eq!(packet, [&plain[..8], &hex(want)].concat());
        assert_eq!(opened_rtcp(&mut opener, &packet), Ok(plain));
        assert_eq!(opened_rtcp(&mut opener, &packet), Err(SrtpError::Replayed));
    }
}

/// RFC 7714 sections 17.3 and 17.4: E bit clear, the tag covers everything and nothing is encrypted.
#[test]
fn rfc_7714_rtcp_tagged_only_vectors() {
    for (profile, tag) in [
        (Profile::AeadAes128Gcm, "841dd9683dd78ec92ae58790125f62b3"),
        (Profile::AeadAes256Gcm, "91db4afbfeee5a978fab4393ed2615fe"),
    ] {
        let (_, mut opener) = rfc_7714(profile);
        let plain = hex(RFC_7714_RTCP);
        let packet = [plain.clone(), hex(tag), hex("000005d4")].concat();
        for at in 0..packet.len() * 8 {
            let mut altered = packet.clone();
            altered[at / 8] ^= 1 << (at % 8);
            assert_eq!(opened_rtcp(&mut opener, &altered), Err(SrtpError::Authentication));
        }
        assert_eq!(opened_rtcp(&mut opener, &packet), Ok(plain));
    }
}

/// RFC 3711 section 3.4 with the E bit clear, tagged by hand.
#[test]
fn counter_mode_rtcp_may_be_tagged_only() {
    let profile = Profile::Aes128CmHmacSha1_80;
    let keys = keys(profile);
    let auth: [u8; 20] = kdf::derive(&keys.client.key, &keys.client.salt, kdf::Label::RtcpAuth);
    let plain = rtcp(7, &[1, 2, 3, 4]);
    let mut packet = [plain.clone(), 9u32.to_be_bytes().to_vec()].concat();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth);
    packet.extend_from_slice(&aws_lc_rs::hmac::sign(&key, &packet).as_ref()[..10]);
    assert_eq!(opened_rtcp(&mut Opener::new(&keys), &packet), Ok(plain));
}

#[test]
fn the_exporter_block_is_cut_in_the_order_of_rfc_5764() {
    for profile in Profile::ALL {
        let (key, salt) = (profile.key_len(), profile.salt_len());
        let block = [vec![1; key], vec![2; key], vec![3; salt], vec![4; salt]].concat();
        let keys = KeyingMaterial::from_exporter(profile, &block).unwrap();
        assert_eq!((&keys.client.key[0], &keys.client.salt[0]), (&1, &3));
        assert_eq!((&keys.server.key[0], &keys.server.salt[0]), (&2, &4));
        assert_eq!(keys.mirrored().mirrored(), keys);
        assert_eq!(
            KeyingMaterial::from_exporter(profile, &block[1..]),
            Err(SrtpError::KeyLength {
                want: profile.exporter_len(),
                got: profile.exporter_len() - 1
            })
        );
        assert_eq!(Profile::from_dtls_id(profile.dtls_id()), Some(profile));
        assert!(profile.rtp_tag_len() <= Profile::MAX_RTP_OVERHEAD);
    }
    assert_eq!(Profile::from_dtls_id(0x0002), None);
}

#[test]
fn keys_do_not_show_in_debug_output() {
    let shown = format!("{:?}", keys(Profile::AeadAes128Gcm));
    assert_eq!(shown, "KeyingMaterial { profile: AeadAes128Gcm, .. }");
}
