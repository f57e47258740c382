//! Who sent it: a signature that anybody can verify, and one with a shared secret that also says when.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

use crate::records::WebhookKey;

/// Reads a key pair for signing webhooks: RSA, PKCS #8 in PEM.
///
/// # Errors
/// Why it is none.
pub fn read_signing_key(pem: &[u8]) -> Result<WebhookKey, &'static str> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem);
    let key = key.map_err(|_| "there is no key in PKCS #8 in it (BEGIN PRIVATE KEY; openssl genpkey writes one)")?;
    let pkcs8 = key.secret_pkcs8_der();
    match SigningKey::read(pkcs8) {
        Some(_) => Ok(WebhookKey::new(pkcs8)),
        None => Err("the key in it is not one of RSA with 2048 to 8192 bits"),
    }
}

/// The key pair that signs.
pub(in crate::node) struct SigningKey(KeyPair);

impl SigningKey {
    /// A new one, as PKCS #8.
    pub(in crate::node) fn generate() -> Result<Vec<u8>, Unspecified> {
        let pair = KeyPair::generate(KeySize::Rsa2048)?;
        let der: Pkcs8V1Der<'_> = pair.as_der()?;
        Ok(der.as_ref().to_vec())
    }

    /// Reads what [`SigningKey::generate`] made.
    pub(in crate::node) fn read(pkcs8: &[u8]) -> Option<Self> {
        KeyPair::from_pkcs8(pkcs8).ok().map(Self)
    }

    /// The public half, as SubjectPublicKeyInfo in PEM (RFC 7468).
    pub(in crate::node) fn public_pem(&self) -> String {
        let der: Result<PublicKeyX509Der<'_>, Unspecified> = self.0.public_key().as_der();
        let text = der.map(|der| STANDARD.encode(der.as_ref())).unwrap_or_default();
        let lines: Vec<&str> = (0..text.len())
            .step_by(64)
            .filter_map(|at| text.get(at..text.len().min(at + 64)))
            .collect();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        )
    }

    /// RSA-SHA256 (PKCS #1 v1.5) of the body, in base64.
    pub(super) fn sign(&self, body: &[u8]) -> Option<String> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        let signed = self
            .0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), body, &mut signature);
        signed.ok().map(|()| STANDARD.encode(&signature))
    }
}

/// `t=<seconds since 1970>,v1=<hex>`: HMAC-SHA256 of `<seconds>.<body>`. Whoever checks the time as well is safe from replay.
pub(super) fn stamp(secret: &[u8], unix_secs: u64, body: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let tag = aws_lc_rs::hmac::sign(&key, format!("{unix_secs}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={unix_secs},v1={hex}")
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    #[test]
    fn what_is_signed_is_verified_by_the_published_key_and_nothing_else_is() {
        let key = SigningKey::read(&SigningKey::generate().unwrap()).unwrap();
        let pem = key.public_pem();
        let inner: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, STANDARD.decode(inner).unwrap());
        let signature = STANDARD.decode(key.sign(b"{\"a\":1}").unwrap()).unwrap();
        assert!(public.verify(b"{\"a\":1}", &signature).is_ok());
        assert!(public.verify(b"{\"a\":2}", &signature).is_err());
    }

    #[test]
    fn the_stamp_is_that_of_other_implementations() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
        let expected = "t=1700000000,v1=";
        let stamp = stamp(b"key", 1_700_000_000, "{}");
        assert!(stamp.starts_with(expected) && stamp.len() == expected.len() + 64);
    }
}
