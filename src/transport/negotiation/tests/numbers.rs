//! Payload types and extension ids: which numbers mean what, and for how long.

use super::*;

#[test]
fn colliding_payload_types_are_left_out() {
    let offer = fixture("chromium_whip")
        .replace(":96 ", ":72 ")
        .replace("SAVPF 96 ", "SAVPF 72 ");
    let (negotiated, _) = answer(&offer);
    assert!(negotiated.receive[1].codecs.iter().all(|line| line.codec != Codec::Vp8));
}

#[test]
fn an_extension_id_never_changes_its_meaning() {
    let first = fixture("chromium_whip");
    let mut negotiation = negotiation();
    let before = negotiation.answer(&first).unwrap().extensions;
    let swapped = first
        .replace("extmap:3 ", "extmap:X ")
        .replace("extmap:2 ", "extmap:3 ")
        .replace("extmap:X ", "extmap:2 ");
    let after = negotiation.answer(&swapped).unwrap();
    assert_eq!(after.extensions, before);
    assert!(!after.sdp.contains("extmap:2") && !after.sdp.contains("extmap:3"));
    assert!(!after.receive[1].transport_cc);
}

#[test]
fn two_byte_extension_ids_need_consent() {
    let wide = fixture("chromium_whip").replace("extmap:4 ", "extmap:16 ");
    assert_eq!(answer(&wide).0.extensions.id(ExtensionKind::Mid), Some(16));
    let alone = wide.replace("a=extmap-allow-mixed\r\n", "");
    assert_eq!(answer(&alone).0.extensions.id(ExtensionKind::Mid), None);
}
