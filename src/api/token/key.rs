//! Keys that sign tokens, and the care taken that a secret never reaches a log.

use std::fmt;

/// A key of the configuration: whoever knows its secret may issue tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Name of the key: the claim `apikey` of the tokens it signs.
    pub id: String,
    /// The HS256 secret, at least [`Secret::LEN_MIN`] bytes.
    pub secret: Secret,
}

/// Bytes that must not be shown: `Debug` says `[redacted]`, there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Fewest bytes of a secret: the output of SHA-256 (RFC 7518 section 3.2).
    pub const LEN_MIN: usize = 32;
    /// Most bytes of a secret.
    pub const LEN_MAX: usize = 1024;

    /// Wraps a secret; the configuration has checked its length.
    pub fn new(secret: impl Into<String>) -> Self {
        Secret(secret.into())
    }

    /// The secret itself, for signing and verifying only.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
