use super::*;
use crate::media::rewriter::Numbers;

#[test]
fn the_hot_part_fits_two_cache_lines() {
    assert!(size_of::<Forwarder>() <= 128, "{}", size_of::<Forwarder>());
    assert_eq!(size_of::<Slot>(), 8);
}

#[test]
fn of_red_the_primary_goes_to_who_has_opus_and_all_of_it_to_who_has_nothing_else() {
    let mut types = PayloadTypes::default();
    types.add(Codec::Red, 63, None);
    let form = types.form(Codec::Red).expect("agreed");
    assert!(!form.primary_only && form.payload_type == 63);
    types.add(Codec::Opus, 111, None);
    let form = types.form(Codec::Red).expect("opus will do");
    assert!(form.primary_only && form.payload_type == 111);
    assert!(types.form(Codec::Vp8).is_none());
}

#[test]
fn a_descriptor_too_short_for_its_fields_is_left_out() {
    let numbers = Numbers::Frame(0xabcd);
    assert!(DescriptorOut::new(&[1, 2], numbers).is_none());
    let out = DescriptorOut::new(&[0xc1, 0, 7, 9, 9], numbers).expect("long enough");
    assert_eq!((out.head, out.rest, out.len()), ([0xc1, 0xab, 0xcd], &[9, 9][..], 5));
}
