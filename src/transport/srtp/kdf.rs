//! Key derivation of RFC 3711 section 4.3, with AES-256 as in RFC 6188 and RFC 7714 section 11.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};

/// The labels of RFC 3711 section 4.3.2.
#[derive(Clone, Copy)]
pub(super) enum Label {
    RtpKey = 0,
    RtpAuth = 1,
    RtpSalt = 2,
    RtcpKey = 3,
    RtcpAuth = 4,
    RtcpSalt = 5,
}

/// A session key of `N` bytes from a master key of 16 or 32 bytes and a salt of at most 14.
///
/// The key derivation rate is zero in DTLS-SRTP (RFC 5764 section 4.1.2), so a session has one set of session keys.
/// The PRF is AES in counter mode: its keystream at `(label * 2^48 XOR salt) * 2^16` is the derived key. A
/// 12-byte salt is padded with zeros on the right.
pub(super) fn derive<const N: usize>(master_key: &[u8], master_salt: &[u8], label: Label) -> [u8; N] {
    let mut iv = [0u8; 16];
    for (to, from) in iv[..14].iter_mut().zip(master_salt) {
        *to = *from;
    }
    iv[7] ^= label as u8;
    let mut out = [0u8; N];
    apply_keystream(&counter_key(master_key), iv, &mut out);
    out
}

/// An AES counter-mode key; AES-256 when the key has 32 bytes.
pub(super) fn counter_key(key: &[u8]) -> EncryptingKey {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    UnboundCipherKey::new(algorithm, key)
        .and_then(EncryptingKey::ctr)
        .expect("the profile fixed the length of this key")
}

/// XORs the AES counter-mode keystream that starts at `iv` into `data`.
#[inline]
pub(super) fn apply_keystream(key: &EncryptingKey, iv: [u8; 16], data: &mut [u8]) {
    key.less_safe_encrypt(data, EncryptionContext::Iv128(iv.into()))
        .expect("counter mode takes any length and this context fits it");
}

#[cfg(test)]
mod tests {
    use super::super::tests::hex;
    use super::*;

    /// RFC 3711 appendix B.3.
    #[test]
    fn rfc_3711_vectors() {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
        assert_eq!(
            derive::<16>(&key, &salt, Label::RtpKey)[..],
            hex("C61E7A93744F39EE10734AFE3FF7A087")
        );
        assert_eq!(
            derive::<14>(&key, &salt, Label::RtpSalt)[..],
            hex("30CBBC08863D8C85D49DB34A9AE1")
        );
        assert_eq!(
            derive::<94>(&key, &salt, Label::RtpAuth)[..64],
            hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE\
                 E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25")
        );
    }

    /// RFC 3711 appendix B.2: the AES counter-mode keystream itself.
    #[test]
    fn rfc_3711_keystream() {
        let key = counter_key(&hex("2B7E151628AED2A6ABF7158809CF4F3C"));
        let mut stream = [0u8; 48];
        let mut iv = [0u8; 16];
        iv.copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"));
        apply_keystream(&key, iv, &mut stream);
        assert_eq!(
            stream[..],
            hex("E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0")
        );
    }

    /// RFC 6188 section 7.2: the same with a 256-bit master key.
    #[test]
    fn rfc_6188_vectors() {
        let key = hex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6");
        let salt = hex("3b04803de51ee7c96423ab5b78d2");
        assert_eq!(
            derive::<32>(&key, &salt, Label::RtpKey)[..],
            hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4")
        );
        assert_eq!(
            derive::<14>(&key, &salt, Label::RtpSalt)[..],
            hex("fa31791685ca444a9e07c6c64e93")
        );
        assert_eq!(
            derive::<20>(&key, &salt, Label::RtpAuth)[..],
            hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05")
        );
    }
}
