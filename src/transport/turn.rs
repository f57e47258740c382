//! TURN servers handed to clients, with credentials that are good for a while.
//!
//! The scheme of draft-uberti-behave-turn-rest-00, which coturn calls `use-auth-secret`: the user name is the time at
//! which it ends, in seconds since 1970, a colon, and who it is for; the password is the base64 of HMAC-SHA1 over that under a
//! secret that we share with the TURN server. Nothing has to be stored, here or there.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The TURN servers of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnServers {
    /// `turn:` and `turns:` URLs (RFC 7065), all with the same secret.
    pub urls: Vec<String>,
    /// Shared with the servers.
    pub secret: TurnSecret,
    /// How long a user name is good for. A relay in use outlives it.
    pub ttl: Duration,
}

/// What a client shows a TURN server. Its `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnCredentials {
    /// Until when it is good, and whose it is.
    pub username: String,
    /// The password.
    pub credential: String,
}

/// A secret that must not be shown: `Debug` says `[redacted]`, there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnSecret(String);

impl TurnSecret {
    /// Fewest bytes of a secret.
    pub const LEN_MIN: usize = 16;
    /// Most bytes of a secret.
    pub const LEN_MAX: usize = 1024;

    /// Wraps a secret; the configuration has checked its length.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }
}

impl TurnServers {
    /// Credentials for `user`, made at `unix_secs` (seconds since 1970). A user's name may be anything: what not every server and
    /// HTTP header takes is written in hexadecimal.
    pub fn credentials(&self, unix_secs: u64, user: &str) -> TurnCredentials {
        let mut username = format!("{}:", unix_secs.saturating_add(self.ttl.as_secs()));
        for byte in user.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                username.push(char::from(byte));
            } else {
                username.push_str(&format!("%{byte:02X}"));
            }
        }
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.secret.0.as_bytes());
        let credential = STANDARD.encode(hmac::sign(&key, username.as_bytes()));
        TurnCredentials { username, credential }
    }
}

/// Whether this is the URL of a TURN server (RFC 7065 section 3.1).
pub fn is_turn_url(url: &str) -> bool {
    let rest = url.strip_prefix("turns:").or_else(|| url.strip_prefix("turn:"));
    let (server, transport) = match rest.map(|rest| rest.split_once('?').unwrap_or((rest, "transport=udp"))) {
        Some(parts) => parts,
        None => return false,
    };
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        Some(_) | None => (server, "3478"),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(ipv6) => ipv6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_name),
    };
    is_host && port.parse::<u16>().is_ok_and(|port| port > 0) && ["transport=udp", "transport=tcp"].contains(&transport)
}

impl fmt::Debug for TurnSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for TurnCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnCredentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers() -> TurnServers {
        TurnServers {
            urls: vec!["turn:turn.example.org".to_owned()],
            secret: TurnSecret::new("north-of-the-river"),
            ttl: Duration::from_secs(600),
        }
    }

    #[test]
    fn credentials_are_those_a_turn_server_computes() {
        let TurnCredentials { username, credential } = servers().credentials(1_700_000_000, "ann");
        assert_eq!(username, "1700000600:ann");
        // printf '1700000600:ann' | openssl dgst -sha1 -hmac north-of-the-river -binary | base64
        assert_eq!(credential, "v+T6U978GMMY/lKsnlN1WL7hBFc=");
    }

    #[test]
    fn a_name_that_is_no_word_is_written_so_that_everybody_takes_it() {
        let written = |user: &str| servers().credentials(0, user).username;
        assert_eq!(written("a\"b:c>"), "600:a%22b%3Ac%3E");
        assert_eq!(written("grün"), "600:gr%C3%BCn");
        assert_ne!(written("a%41"), written("aA"));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let shown = format!("{:?} {:?}", servers(), servers().credentials(0, "ann"));
        let password = servers().credentials(0, "ann").credential;
        assert!(!shown.contains("north") && !shown.contains(&password), "{shown}");
    }

    #[test]
    fn urls_are_those_of_rfc_7065() {
        for good in [
            "turn:turn.example.org",
            "turn:192.0.2.7:3478",
            "turns:turn.example.org:443?transport=tcp",
            "turn:[2001:db8::7]",
            "turn:[2001:db8::7]:3478?transport=udp",
        ] {
            assert!(is_turn_url(good), "{good}");
        }
        for bad in [
            "",
            "turn:",
            "turn::3478",
            "stun:turn.example.org",
            "turn://turn.example.org",
            "turn:turn.example.org:0",
            "turn:turn.example.org:99999",
            "turn:turn.example.org?transport=sctp",
            "turn:a>b",
            "turn:[2001:db8::x]",
            "turn:user@turn.example.org",
        ] {
            assert!(!is_turn_url(bad), "{bad}");
        }
    }
}
