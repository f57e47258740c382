//! TURN servers handed to clients, with credentials that are good for a while.
//!
//! The scheme of draft-uberti-behave-turn-rest-00, which coturn calls `use-auth-secret`: the user name is the time at
//! which it ends, in seconds since 1970, a colon, and who it is for; the password is the base64 of HMAC-SHA1 over that under a
//! secret that we share with the TURN server. Nothing has to be stored, here or there.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes of the hash that stands for a room in a user name: enough that no two of a node are the same.
const ROOM_HASH_LEN: usize = 8;

/// The TURN servers of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnServers {
    /// `turn:` and `turns:` URLs (RFC 7065), all with the same secret.
    pub urls: Vec<String>,
    /// Shared with the servers.
    pub secret: TurnSecret,
    /// How long a user name is good for. A relay in use outlives it.
    pub ttl: Duration,
    /// It is the one inside this node. It counts by user, so its user names tell rooms apart, in each of which there may be an "ann".
    pub is_ours: bool,
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

    /// One that nobody knows, for a TURN server in this process.
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
        Self(STANDARD.encode(bytes))
    }

    /// The password of a user name.
    pub fn password(&self, username: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.as_bytes());
        STANDARD.encode(hmac::sign(&key, username.as_bytes()))
    }
}

impl TurnServers {
    /// Credentials for `user` of `room`, made at `unix_secs` (seconds since 1970). A user's name may be anything: what not every server and
    /// HTTP header takes is written in hexadecimal.
    pub fn credentials(&self, unix_secs: u64, room: &str, user: &str) -> TurnCredentials {
        let mut username = format!("{}:", unix_secs.saturating_add(self.ttl.as_secs()));
        if self.is_ours {
            // The whole name would not fit in a user name beside that of the participant.
            let hash = digest::digest(&digest::SHA256, room.as_bytes());
            hash.as_ref()
                .iter()
                .take(ROOM_HASH_LEN)
                .for_each(|byte| username.push_str(&format!("{byte:02x}")));
            username.push('~');
        }
        for byte in user.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                username.push(char::from(byte));
            } else {
                username.push_str(&format!("%{byte:02X}"));
            }
        }
        let credential = self.secret.password(&username);
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
            is_ours: false,
        }
    }

    #[test]
    fn who_is_called_the_same_in_another_room_is_another_user_of_our_own_server() {
        let ours = TurnServers {
            is_ours: true,
            ..servers()
        };
        let written = |room: &str| ours.credentials(0, room, "ann").username;
        assert_ne!(written("one"), written("two"));
        assert_eq!(written("one"), written("one"));
        assert!(written("one").ends_with("~ann"));
    }

    #[test]
    fn credentials_are_those_a_turn_server_computes() {
        let TurnCredentials { username, credential } = servers().credentials(1_700_000_000, "room", "ann");
        assert_eq!(username, "1700000600:ann");
        // printf '1700000600:ann' | openssl dgst -sha1 -hmac north-of-the-river -binary | base64
        assert_eq!(credential, "v+T6U978GMMY/lKsnlN1WL7hBFc=");
    }

    #[test]
    fn a_name_that_is_no_word_is_written_so_that_everybody_takes_it() {
        let written = |user: &str| servers().credentials(0, "room", user).username;
        assert_eq!(written("a\"b:c>"), "600:a%22b%3Ac%3E");
        assert_eq!(written("grün"), "600:gr%C3%BCn");
        assert_ne!(written("a%41"), written("aA"));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let shown = format!("{:?} {:?}", servers(), servers().credentials(0, "room", "ann"));
        let password = servers().credentials(0, "room", "ann").credential;
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
