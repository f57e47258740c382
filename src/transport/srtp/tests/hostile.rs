//! Input from people who mean harm, or who are merely wrong.

use super::*;

/// T10: every length, of both kinds, with keys on both sides. Garbage never panics and never passes.
#[test]
fn every_length_of_garbage_is_refused() {
    for profile in Profile::ALL {
        let mut opener = Opener::new(&keys(profile));
        for len in 0..=1500usize {
            for fill in [0u8, 0x80, 0xff] {
                let mut packet = vec![fill; len];
                assert!(opener.open_rtcp(&mut packet).is_err());
                let mut packet = vec![fill; len];
                if let Some(first) = packet.first_mut() {
                    *first = 0x80;
                }
                if let Ok(header) = RtpHeader::parse(&packet) {
                    let too_short = len < header.header_len + profile.rtp_tag_len();
                    let error = opener.open_rtp(&mut packet, &header).unwrap_err();
                    assert_eq!(error == SrtpError::TooShort, too_short);
                }
                // A header that is not this packet's own is the caller's mistake, but no panic either.
                for header_len in [0, 11, 12, len, len + 1, usize::MAX] {
                    let header = RtpHeader {
                        header_len,
                        ..RtpHeader::parse(&rtp(1, 1, &[])).unwrap()
                    };
                    assert!(opener.open_rtp(&mut packet, &header).is_err());
                }
            }
        }
        assert_eq!(opener.ssrc_count(), 0);
    }
}

/// T10: every payload length survives the way there and back, and every truncation of it is refused.
#[test]
fn every_length_goes_round() {
    for profile in Profile::ALL {
        let (mut client_sealer, _) = client(profile);
        let mut opener = Opener::new(&keys(profile));
        for len in 0..=1500u16 {
            let plain = rtp(1, len, &vec![0x42; usize::from(len)]);
            let packet = sealed(&client_sealer, &plain, 0);
            for cut in [1, 2, 9, 10, 15, 16, 17] {
                let short = &packet[..packet.len() - cut.min(packet.len() - 12)];
                assert!(opened(&mut opener, short).is_err());
            }
            assert_eq!(opened(&mut opener, &packet), Ok((plain, u64::from(len))));
            let plain = rtcp(1, &vec![0x42; usize::from(len)]);
            let mut packet = plain.clone();
            client_sealer.seal_rtcp(&mut packet).unwrap();
            for cut in [1, 4, 10, 14, 16, 20] {
                assert!(opened_rtcp(&mut opener, &packet[..packet.len() - cut]).is_err());
            }
            assert_eq!(opened_rtcp(&mut opener, &packet), Ok(plain));
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for profile in Profile::ALL {
        let (mut client_sealer, _) = client(profile);
        let rtp_packet = sealed(&client_sealer, &rtp(1, 7, b"a payload"), 0);
        let mut rtcp_packet = rtcp(1, b"a report");
        client_sealer.seal_rtcp(&mut rtcp_packet).unwrap();
        let mut opener = Opener::new(&keys(profile));
        for at in 0..rtp_packet.len() * 8 {
            let mut altered = rtp_packet.clone();
            altered[at / 8] ^= 1 << (at % 8);
            if let Ok(header) = RtpHeader::parse(&altered) {
                assert!(
                    opener.open_rtp(&mut altered, &header).is_err(),
                    "{profile:?} RTP bit {at}"
                );
            }
        }
        for at in 0..rtcp_packet.len() * 8 {
            let mut altered = rtcp_packet.clone();
            altered[at / 8] ^= 1 << (at % 8);
            assert!(opener.open_rtcp(&mut altered).is_err(), "{profile:?} RTCP bit {at}");
        }
        assert_eq!(opener.ssrc_count(), 0);
        assert!(opened(&mut opener, &rtp_packet).is_ok());
        assert!(opened_rtcp(&mut opener, &rtcp_packet).is_ok());
    }
}

/// T11 and T18: 100 000 packets with bad tags make no state and end nothing.
#[test]
fn bad_tags_leave_no_trace() {
    for profile in Profile::ALL {
        let (mut client_sealer, _) = client(profile);
        let mut opener = Opener::new(&keys(profile));
        assert!(opened(&mut opener, &sealed(&client_sealer, &rtp(1, 0, b"before"), 0)).is_ok());
        let mut template = rtp(0, 0, &[0x5a; 60]);
        for n in 0..50_000u32 {
            // Half of them from ever new SSRCs, half on the victim's own stream, ahead of it.
            let ssrc = if n % 2 == 0 { n.wrapping_mul(0x9e37_79b9) | 2 } else { 1 };
            template[2..4].copy_from_slice(&((n as u16 | 1) & 0x7fff).to_be_bytes());
            template[8..12].copy_from_slice(&ssrc.to_be_bytes());
            assert_eq!(opened(&mut opener, &template).unwrap_err(), SrtpError::Authentication);
            let mut report = rtcp(ssrc, &[0x5a; 40]);
            assert_eq!(opener.open_rtcp(&mut report), Err(SrtpError::Authentication));
        }
        assert_eq!(opener.ssrc_count(), 1);
        let next = sealed(&client_sealer, &rtp(1, 1, b"after"), 0);
        assert_eq!(opened(&mut opener, &next).map(|(_, index)| index), Ok(1));
        let mut report = rtcp(1, &[0; 24]);
        client_sealer.seal_rtcp(&mut report).unwrap();
        assert!(opened_rtcp(&mut opener, &report).is_ok());
    }
}

/// T18 with valid keys: more SSRCs than are remembered, and the one in use is never forgotten.
#[test]
fn many_valid_ssrcs_stay_bounded() {
    let profile = Profile::AeadAes128Gcm;
    let (mut client_sealer, _) = client(profile);
    let mut opener = Opener::new(&keys(profile));
    for n in 0..65_536u32 {
        let in_use = sealed(&client_sealer, &rtp(0xffff_ffff, n as u16, b"live"), 0);
        assert!(opened(&mut opener, &in_use).is_ok());
        let flood = sealed(&client_sealer, &rtp(n, 9, b"flood"), 0);
        assert!(opened(&mut opener, &flood).is_ok());
        let mut report = rtcp(n, &[0; 8]);
        client_sealer.seal_rtcp(&mut report).unwrap();
        assert!(opened_rtcp(&mut opener, &report).is_ok());
        assert_eq!(opened(&mut opener, &in_use), Err(SrtpError::Replayed));
        assert!(opener.ssrc_count() <= 2 * MAX_SSRCS);
    }
    assert_eq!(opener.ssrc_count(), 2 * MAX_SSRCS);
}

/// Another session's keys, and our own packets sent back to us, open nothing.
#[test]
fn keys_of_others_open_nothing() {
    for profile in Profile::ALL {
        let keys = keys(profile);
        let other = KeyingMaterial::from_exporter(profile, &vec![7; profile.exporter_len()]).unwrap();
        let mut opener = Opener::new(&keys);
        for sealer in [Sealer::new(&other.mirrored()), Sealer::new(&keys)] {
            let packet = sealed(&sealer, &rtp(1, 1, b"hello"), 0);
            assert_eq!(opened(&mut opener, &packet), Err(SrtpError::Authentication));
        }
    }
}

/// Lengths that contradict each other seal nothing.
#[test]
fn sealing_without_room_is_refused() {
    for profile in Profile::ALL {
        let sealer = Sealer::new(&keys(profile));
        let tag = profile.rtp_tag_len();
        for room in 0..60usize {
            for plain_len in 0..60usize {
                for header_len in [0, 12, 13, 40, 61, usize::MAX] {
                    let mut packet = vec![0x80; room];
                    let len = sealer.seal_rtp(&mut packet, header_len, plain_len, 0);
                    let fits = header_len <= plain_len && plain_len + tag <= room;
                    assert_eq!(len, if fits { plain_len + tag } else { 0 });
                }
            }
        }
        let mut sealer = sealer;
        for len in 0..8 {
            assert_eq!(sealer.seal_rtcp(&mut vec![0x80; len]), Err(SrtpError::TooShort));
        }
    }
}
