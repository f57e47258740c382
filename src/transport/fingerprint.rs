//! The SHA-256 of a DTLS certificate, as SDP carries it (RFC 8122). It is what ties signalling to the secure path.

use std::fmt;

/// SHA-256 over the DER form of a certificate. Prints as `sha-256 AB:CD:…`, the value of `a=fingerprint`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of a certificate in DER form.
    pub fn of_certificate(der: &[u8]) -> Fingerprint {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Fingerprint(bytes)
    }

    /// Reads the hexadecimal half of `a=fingerprint:sha-256 AB:CD:…`; either letter case (RFC 8122 section 5 writes
    /// upper case, old clients wrote lower). `None` unless it is exactly 32 colon-separated bytes.
    pub fn from_hex(value: &str) -> Option<Fingerprint> {
        let mut bytes = [0; 32];
        let mut pairs = value.split(':');
        for byte in &mut bytes {
            let pair = pairs.next()?;
            if pair.len() != 2 || !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        pairs.next().is_none().then_some(Fingerprint(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha-256 ")?;
        for (index, byte) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_reads() {
        let print = Fingerprint::of_certificate(b"certificate");
        let text = print.to_string();
        let hex = text.strip_prefix("sha-256 ").unwrap();
        assert_eq!(Fingerprint::from_hex(hex), Some(print));
        assert_eq!(Fingerprint::from_hex(&hex.to_lowercase()), Some(print));
    }

    #[test]
    fn refuses_what_is_not_32_bytes() {
        let hex = Fingerprint([7; 32]).to_string()[8..].to_owned();
        for bad in [
            "",
            ":",
            &hex[..92],
            &format!("{hex}:00"),
            &hex.replace("07", "+7"),
            &hex.replace(':', "-"),
        ] {
            assert_eq!(Fingerprint::from_hex(bad), None, "{bad}");
        }
    }
}
