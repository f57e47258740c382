//! SRTP and SRTCP: garbage makes no state, and whatever is sealed opens again.
#![no_main]

use enfilade::packet::rtp::RtpHeader;
use enfilade::transport::srtp::{KeyingMaterial, Opener, Profile, Sealer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for profile in Profile::ALL {
        let block = vec![0x2a; profile.exporter_len()];
        let keys = KeyingMaterial::from_exporter(profile, &block).expect("a block of the right length");
        let mut opener = Opener::new(&keys);

        assert!(opener.open_rtcp(&mut bytes.to_vec()).is_err());
        let header = RtpHeader::parse(bytes);
        if let Ok(header) = header {
            assert!(opener.open_rtp(&mut bytes.to_vec(), &header).is_err());
        }
        assert_eq!(opener.ssrc_count(), 0);

        let mut client = Sealer::new(&keys.mirrored());
        if let Ok(header) = header {
            let mut packet = bytes.to_vec();
            packet.resize(bytes.len() + Profile::MAX_RTP_OVERHEAD, 0);
            let len = client.seal_rtp(&mut packet, header.header_len, bytes.len(), 0);
            let opened = opener
                .open_rtp(&mut packet[..len], &header)
                .expect("it was sealed with these keys");
            assert_eq!(packet[..opened.len], *bytes);
        }
        let mut packet = bytes.to_vec();
        if client.seal_rtcp(&mut packet).is_ok() {
            let len = opener.open_rtcp(&mut packet).expect("it was sealed with these keys");
            assert_eq!(packet[..len], *bytes);
        }
    }
});
