//! RTP header, padding and header extensions; what was read is written and read again.
#![no_main]

use enfilade::packet::extension::{read_extensions, write_extensions};
use enfilade::packet::rtp::{RtpHeader, payload_len_without_padding};
use enfilade::packet::{ExtensionKind, ExtensionMap};

libfuzzer_sys::fuzz_target!(|packet: &[u8]| {
    let Ok(header) = RtpHeader::parse(packet) else { return };
    assert!(header.header_len <= packet.len());
    if let Ok(len) = payload_len_without_padding(&header, packet) {
        assert!(header.header_len + len <= packet.len());
    }
    let mut map = ExtensionMap::default();
    for (kind, id) in ExtensionKind::ALL.into_iter().zip(1..) {
        map.set(kind, id);
    }
    let read = read_extensions(packet, &header, &map);
    let mut copy = vec![0; 4096];
    copy[0] = 0x80;
    let len = write_extensions(&mut copy, &map, &read);
    let again = RtpHeader::parse(&copy[..len]).expect("what we wrote is a header");
    assert_eq!(read_extensions(&copy[..len], &again, &map), read);
});
