//! A session description in a message: as it is, or compressed.
//!
//! An offer of eight seats has 50 kB, nearly all of it said sixteen times. TCP sends 14 kB before it waits for the first answer,
//! so far away the description alone costs a call seconds; compressed it has 3 kB.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use serde::{Deserialize, Serialize};

use crate::wire::limits::SDP_BYTES_MAX;

/// Of the compressor's levels: sixteen times the same needs no long search.
const LEVEL: u8 = 2;

/// A session description, and whether its sender compressed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Sdp {
    /// What it says.
    pub text: String,
    /// On the wire it is `sdpDeflate` rather than `sdp`.
    pub deflated: bool,
}

/// The field it travels in.
#[derive(Clone, Serialize, Deserialize)]
enum Wire {
    #[serde(rename = "sdp")]
    Plain(String),
    /// Base64 of raw DEFLATE (RFC 1951).
    #[serde(rename = "sdpDeflate")]
    Deflated(String),
}

impl Sdp {
    /// Reads a compressed one; `None` when it is none, or says more than a description may.
    pub fn inflate(base64: &str) -> Option<Sdp> {
        let bytes = STANDARD.decode(base64).ok()?;
        let text = decompress_to_vec_with_limit(&bytes, SDP_BYTES_MAX).ok()?;
        Some(Sdp {
            text: String::from_utf8(text).ok()?,
            deflated: true,
        })
    }

    /// One that is sent as it is.
    pub fn plain(text: impl Into<String>) -> Sdp {
        Sdp {
            text: text.into(),
            deflated: false,
        }
    }
}

impl From<Sdp> for Wire {
    fn from(sdp: Sdp) -> Wire {
        if sdp.deflated {
            Wire::Deflated(STANDARD.encode(compress_to_vec(sdp.text.as_bytes(), LEVEL)))
        } else {
            Wire::Plain(sdp.text)
        }
    }
}

impl TryFrom<Wire> for Sdp {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Sdp, &'static str> {
        match wire {
            Wire::Plain(text) => Ok(Sdp::plain(text)),
            Wire::Deflated(base64) => Sdp::inflate(&base64).ok_or("not the base64 of a compressed description"),
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
    fn an_offer_may_come_compressed_and_says_the_same() {
        let sdp = include_str!("../../../tests/fixtures/sdp/chromium_meeting_8_seats.sdp");
        let base64 = packed(sdp.as_bytes());
        assert!(base64.len() * 8 < sdp.len(), "{} of {}", base64.len(), sdp.len());
        let text = format!(r#"{{"id":1,"type":"offer","sdpDeflate":"{base64}"}}"#);
        let ClientMessage::Offer { sdp: read, .. } = decode(&text).unwrap().message else {
            panic!("no offer");
        };
        assert_eq!((read.text.as_str(), read.deflated), (sdp, true));
        let again = serde_json::to_value(&read).unwrap();
        assert_eq!(serde_json::from_value::<Sdp>(again.clone()).unwrap(), read);
        assert!(again["sdpDeflate"].as_str().unwrap().len() * 6 < sdp.len());
    }

    #[test]
    fn what_is_no_compressed_text_or_too_much_of_it_is_refused() {
        let bomb = packed(&vec![b'a'; SDP_BYTES_MAX + 1]);
        assert!(bomb.len() < 4_096, "{}", bomb.len());
        let just = packed(&vec![b'a'; SDP_BYTES_MAX]);
        assert!(Sdp::inflate(&just).is_some());
        for wrong in ["", "!", "AAAA", &bomb, &packed(&[0xff, 0xfe]), &packed(b"v=0")[..4]] {
            let text = format!(r#"{{"id":1,"type":"offer","sdpDeflate":"{wrong}"}}"#);
            let refused = decode(&text).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some("sdpDeflate"), "{wrong}");
        }
        let both = format!(
            r#"{{"id":1,"type":"offer","sdp":"v=0","sdpDeflate":"{}"}}"#,
            packed(b"v=0")
        );
        assert!(decode(&both).is_err(), "one of them");
        assert!(decode(r#"{"id":1,"type":"offer"}"#).is_err(), "one of them");
    }
}
