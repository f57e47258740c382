//! A session description in a message: as it is, or compressed.
//!
//! An offer of eight seats has 50 kB, nearly all of it said sixteen times. TCP sends 14 kB before it waits for the first answer,
//! so far away the description alone costs a call seconds; compressed it has 3 kB. It stays compressed until somebody who may
//! offer has it answered: a stranger's costs no more than its bytes.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use serde::{Deserialize, Serialize};

/// Of the compressor's levels: sixteen times the same needs no long search.
const LEVEL: u8 = 2;

/// What a compressed one may say. A browser with fifty seats says 300 kB.
const TEXT_BYTES_MAX: usize = 512 * 1024;
/// And no more than so many times what it came as; browsers' are some twenty times.
const RATIO_MAX: usize = 100;

/// A session description in the field it travels in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sdp {
    /// As it is.
    #[serde(rename = "sdp")]
    Plain(String),
    /// Base64 of raw DEFLATE (RFC 1951).
    #[serde(rename = "sdpDeflate")]
    Deflated(String),
}

impl Sdp {
    /// What it says; `None` when that is no text, or more than it may be.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Sdp::Plain(text) => Some(Cow::Borrowed(text)),
            Sdp::Deflated(base64) => {
                let bytes = STANDARD.decode(base64).ok()?;
                let limit = TEXT_BYTES_MAX.min(RATIO_MAX * bytes.len());
                let text = decompress_to_vec_with_limit(&bytes, limit).ok()?;
                String::from_utf8(text).ok().map(Cow::Owned)
            }
        }
    }

    /// Another one in the same form.
    pub fn answered(&self, text: String) -> Sdp {
        match self {
            Sdp::Plain(_) => Sdp::Plain(text),
            Sdp::Deflated(_) => Sdp::Deflated(STANDARD.encode(compress_to_vec(text.as_bytes(), LEVEL))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::signal::{ClientMessage, decode};

    fn packed(text: &[u8]) -> String {
        STANDARD.encode(compress_to_vec(text, 6))
    }

    #[test]
    fn an_offer_may_come_compressed_says_the_same_and_is_answered_so() {
        let sdp = include_str!("../../../tests/fixtures/sdp/chromium_meeting_8_seats.sdp");
        let base64 = packed(sdp.as_bytes());
        assert!(base64.len() * 8 < sdp.len(), "{} of {}", base64.len(), sdp.len());
        let text = format!(r#"{{"id":1,"type":"offer","sdpDeflate":"{base64}"}}"#);
        let ClientMessage::Offer { sdp: read, .. } = decode(&text).unwrap().message else {
            panic!("no offer");
        };
        assert_eq!(read.text().as_deref(), Some(sdp));
        let answer = read.answered(sdp.to_owned());
        let wire = serde_json::to_value(&answer).unwrap();
        assert!(wire["sdpDeflate"].as_str().unwrap().len() * 6 < sdp.len());
        assert_eq!(
            serde_json::from_value::<Sdp>(wire).unwrap().text().as_deref(),
            Some(sdp)
        );
        assert_eq!(
            Sdp::Plain("v=0".to_owned()).answered("v=1".to_owned()),
            Sdp::Plain("v=1".to_owned())
        );
    }

    #[test]
    fn what_is_no_compressed_text_or_too_much_of_it_says_nothing() {
        let bomb = packed(&vec![b'a'; 1 << 20]);
        let long: Vec<u8> = (0..TEXT_BYTES_MAX as u32 + 4)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 26) as u8 + 32)
            .collect();
        assert!(Sdp::Deflated(packed(&long[..1 << 18])).text().is_some());
        for wrong in [
            "",
            "!",
            "AAAA",
            &bomb,
            &packed(&long),
            &packed(&[0xff, 0xfe]),
            &packed(b"v=0")[..4],
        ] {
            assert_eq!(Sdp::Deflated(wrong.to_owned()).text(), None, "{} bytes", wrong.len());
        }
    }

    #[test]
    fn an_offer_has_one_description() {
        let both = format!(
            r#"{{"id":1,"type":"offer","sdp":"v=0","sdpDeflate":"{}"}}"#,
            packed(b"v=0")
        );
        assert_eq!(decode(&both).unwrap_err().field.as_deref(), Some("sdpDeflate"));
        assert_eq!(
            decode(r#"{"id":1,"type":"offer"}"#).unwrap_err().field.as_deref(),
            Some("sdp")
        );
    }
}
