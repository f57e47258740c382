//! Nonces that nobody has to remember: the time they were made at, and a signature over that and over whom they were made for.

use std::net::SocketAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How long one is good for (RFC 8656 section 5 recommends an hour at most).
const LIFETIME_SECS: u64 = 3_600;
const TIME_LEN: usize = 4;
/// 64 bits: short, so that what a stranger is answered is hardly longer than what he sent.
const TAG_LEN: usize = 8;

/// Makes and knows nonces.
pub(super) struct Nonces(hmac::Key);

impl Nonces {
    pub(super) fn new() -> Nonces {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).expect("the operating system gives random bytes");
        Nonces(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// 16 characters.
    pub(super) fn make(&self, unix_secs: u64, client: SocketAddr) -> String {
        let time = (unix_secs as u32).to_be_bytes();
        let mut nonce = [0; TIME_LEN + TAG_LEN];
        nonce[..TIME_LEN].copy_from_slice(&time);
        nonce[TIME_LEN..].copy_from_slice(&self.tag(time, client));
        URL_SAFE_NO_PAD.encode(nonce)
    }

    /// Whether it was made here, for this client, and not too long ago.
    pub(super) fn is_fresh(&self, nonce: &str, unix_secs: u64, client: SocketAddr) -> bool {
        let mut bytes = [0; TIME_LEN + TAG_LEN];
        let decoded = URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes);
        let Some((time, tag)) = bytes.split_first_chunk::<TIME_LEN>() else {
            return false;
        };
        let age = unix_secs.wrapping_sub(u32::from_be_bytes(*time).into());
        decoded == Ok(TIME_LEN + TAG_LEN)
            && age <= LIFETIME_SECS
            && verify_slices_are_equal(tag, &self.tag(*time, client)).is_ok()
    }

    fn tag(&self, time: [u8; TIME_LEN], client: SocketAddr) -> [u8; TAG_LEN] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&time);
        context.update(client.to_string().as_bytes());
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&context.sign().as_ref()[..TAG_LEN]);
        tag
    }
}
