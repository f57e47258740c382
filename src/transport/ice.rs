//! ICE-lite (RFC 8445): we have host candidates, answer checks, and never send one.
//!
//! [`IceLite`] remembers which remote addresses have proven that they know the password, and which of them the
//! client wants to be reached at. It follows the client's latest nomination, whenever it comes: a phone that
//! leaves Wi-Fi nominates another pair and media follows. The client's checks are also its consent to receive (RFC 7675),
//! and since many an agent stops checking once it has nominated, so is whatever else shows that it is still there.
//!
//! Nothing is sent to, and nothing remembered about, an address that has not authenticated; and no answer is
//! longer than its request, so a forged source address gains an attacker nothing. What a lite agent cannot see is a
//! captured nomination sent again from another address: media, encrypted, goes astray until the client's next check.
//!
//! A client without UDP comes over TCP (RFC 6544). To this module a connection is one more remote; only that it can end.

use arrayvec::ArrayVec;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::stun::{BindingRequest, IntegrityKey};
pub use super::stun::{StunDrop, is_keepalive, username_local_ufrag};

/// How long the client may be silent before we stop sending to it, unless told otherwise (RFC 7675 section 5.1).
pub const CONSENT_TIMEOUT: Duration = Duration::from_secs(30);

/// A client whose selected address was silent for this long while a check comes from another has moved without
/// nominating anew: an agent that nominates once keeps checking only the pair it uses, and its NAT may have given it
/// another port. Chromium checks every 2.5 s, Firefox every 5 s.
const SILENCE_OF_THE_MOVED: Duration = Duration::from_secs(3);

/// The same for an address from which media came until just before: it came every few milliseconds, so its end is noticed sooner.
const SILENCE_OF_THE_SPEAKING: Duration = Duration::from_millis(600);

/// The most remote addresses of one transport that are remembered.
pub const MAX_TUPLES: usize = 8;

/// 8 characters are 48 bits: RFC 8445 section 5.3 asks for 24, and two transports of a shard must not collide.
const UFRAG_LEN: usize = 8;
/// 24 characters are 144 bits, where 128 are asked for.
const PWD_LEN: usize = 24;

/// 487: only a full agent can take the other role, and we are not one (RFC 8445 section 7.3.1.1).
const ROLE_CONFLICT: u16 = 487;
/// 420: an attribute that may not be ignored and is not understood (RFC 8489 section 6.3.1).
const UNKNOWN_ATTRIBUTE: u16 = 420;

/// User name fragment and password of one side. Its `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `a=ice-ufrag`.
    pub ufrag: String,
    /// `a=ice-pwd`.
    pub pwd: String,
}

impl Credentials {
    /// Fresh credentials of ICE characters, from the operating system's randomness.
    pub fn random() -> Credentials {
        const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bytes = [0u8; UFRAG_LEN + PWD_LEN];
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
        let text: String = bytes
            .iter()
            .map(|byte| char::from(ICE_CHARS[usize::from(byte % 64)]))
            .collect();
        let (ufrag, pwd) = text.split_at(UFRAG_LEN);
        Credentials {
            ufrag: ufrag.to_owned(),
            pwd: pwd.to_owned(),
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("ufrag", &self.ufrag)
            .finish_non_exhaustive()
    }
}

/// One TCP connection of a shard: its place, and how many had that place before, so that an old name never means a newer
/// connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    /// Index of the place.
    pub index: u32,
    /// Connections that had it before, modulo 2^32.
    pub generation: u32,
}

/// The far end of a way to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Remote {
    /// Where the client, or the last NAT before us, sends from.
    pub address: SocketAddr,
    /// The connection it comes over; `None`: UDP.
    pub connection: Option<ConnectionId>,
}

impl From<SocketAddr> for Remote {
    /// Over UDP.
    fn from(address: SocketAddr) -> Remote {
        Remote {
            address,
            connection: None,
        }
    }
}

/// What a check led to. When `response` is not empty after [`IceLite::handle_binding`], it goes back to where the check
/// came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingOutcome {
    /// Dropped without an answer or any effect.
    Ignored(StunDrop),
    /// Authentic, and answered with this error code; nothing else happened.
    Refused(u16),
    /// Authentic, and answered.
    Answered {
        /// The sender's address is new: datagrams from it belong to this transport from now on.
        validated: bool,
        /// A remote that gave up its place, and no longer belongs to this transport.
        evicted: Option<Remote>,
        /// Where to send from now on, when that has changed.
        selected_changed: Option<Remote>,
        /// The user name that ended with this first check after an ICE restart.
        retired_ufrag: Option<String>,
    },
}

/// What the end of a connection means for its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// Nothing was sent there.
    Spare,
    /// What was sent there goes here from now on, or nowhere.
    Selected {
        /// Another remote that was checked just now.
        instead: Option<Remote>,
    },
}

/// The ICE state of one transport.
pub struct IceLite {
    local: Identity,
    /// The credentials from before an ICE restart, until the client uses the new ones.
    previous: Option<Box<Identity>>,
    tuples: ArrayVec<Tuple, MAX_TUPLES>,
    selected: Option<Remote>,
    nominated: bool,
    /// When the client was last heard from where we send to, or sent until its connection ended.
    consented: Option<Instant>,
    /// The last media from where we send to.
    spoke: Option<Instant>,
    consent_timeout: Duration,
}

struct Identity {
    credentials: Credentials,
    key: IntegrityKey,
}

impl Identity {
    fn new(credentials: Credentials) -> Identity {
        let key = IntegrityKey::new(&credentials.pwd);
        Identity { credentials, key }
    }

    /// `username` is `ufrag`, a colon, and anything.
    fn is_addressed_by(&self, username: &[u8]) -> bool {
        username
            .strip_prefix(self.credentials.ufrag.as_bytes())
            .is_some_and(|rest| rest.starts_with(b":"))
    }
}

/// A remote that has authenticated, and when it last did.
struct Tuple {
    remote: Remote,
    last_check: Instant,
}

impl IceLite {
    /// A transport that nobody has reached yet.
    pub fn new(local: Credentials) -> IceLite {
        IceLite {
            local: Identity::new(local),
            previous: None,
            tuples: ArrayVec::new(),
            selected: None,
            nominated: false,
            consented: None,
            spoke: None,
            consent_timeout: CONSENT_TIMEOUT,
        }
    }

    /// Consent ends after another time than [`CONSENT_TIMEOUT`].
    pub fn with_consent_timeout(mut self, consent_timeout: Duration) -> IceLite {
        self.consent_timeout = consent_timeout;
        self
    }

    /// ICE restart: from now on `local` is what the client should use. The credentials before stay valid until a check
    /// with the new ones arrives, and media keeps flowing meanwhile (RFC 8445 section 9).
    ///
    /// Answers a user name that ended at once, because a second restart came before the first was used.
    pub fn set_local(&mut self, local: Credentials) -> Option<String> {
        let before = std::mem::replace(&mut self.local, Identity::new(local));
        match &self.previous {
            // The client has only ever used the oldest credentials; those it never used can go.
            Some(_) => Some(before.credentials.ufrag),
            None => {
                self.previous = Some(Box::new(before));
                None
            }
        }
    }

    /// Our current credentials.
    pub fn local(&self) -> &Credentials {
        &self.local.credentials
    }

    /// Every user name that leads here, to be forgotten together with the transport.
    pub fn ufrags(&self) -> impl Iterator<Item = &str> {
        let identities = std::iter::once(&self.local).chain(self.previous.as_deref());
        identities.map(|identity| identity.credentials.ufrag.as_str())
    }

    /// Handles a STUN datagram. `response` is replaced: empty, or the answer to send to `from`.
    pub fn handle_binding(
        &mut self,
        now: Instant,
        from: Remote,
        datagram: &[u8],
        response: &mut Vec<u8>,
    ) -> BindingOutcome {
        response.clear();
        let (request, with_new_credentials) = match self.authenticate(datagram) {
            Ok(authentic) => authentic,
            Err(reason) => return BindingOutcome::Ignored(reason),
        };
        let key = match &self.previous {
            Some(previous) if !with_new_credentials => &previous.key,
            Some(_) | None => &self.local.key,
        };
        let refusal = if !request.unknown.is_empty() {
            Some(UNKNOWN_ATTRIBUTE)
        } else if request.ice_controlled {
            Some(ROLE_CONFLICT)
        } else {
            None
        };
        match refusal {
            Some(code) => request.write_error(code, key, response),
            None => request.write_success(from.address, key, response),
        }
        if response.len() > datagram.len() {
            response.clear();
            return BindingOutcome::Ignored(StunDrop::ShorterThanAnswer);
        }
        if let Some(code) = refusal {
            return BindingOutcome::Refused(code);
        }
        let retired = if with_new_credentials {
            self.previous.take()
        } else {
            None
        };
        let (validated, evicted) = self.remember(now, from);
        let selected_changed = self.select(now, from, request.use_candidate);
        if self.selected == Some(from) {
            self.consented = Some(now);
        }
        BindingOutcome::Answered {
            validated,
            evicted,
            selected_changed,
            retired_ufrag: retired.map(|identity| identity.credentials.ufrag),
        }
    }

    /// Something other than a check came from a client: authentic media or RTCP, or a Binding indication (see
    /// [`is_keepalive`]). From where we send to it is as good as a check: libnice, which is in
    /// GStreamer, sends no more checks after its nomination, only an indication every 25 s (RFC 8445 section 11). It takes
    /// nothing from what a check proves: who knows the password could send those from a forged address as well, and an
    /// indication can do no more than let a client that is gone be sent to for longer.
    #[inline]
    pub fn heard(&mut self, now: Instant, from: Remote) {
        if self.selected == Some(from) {
            self.consented = Some(now);
        }
    }

    /// As [`IceLite::heard`], of an authentic media packet: who speaks sends them without a pause, so when they stop coming from
    /// there, and a check comes from elsewhere, the client has moved. Once per packet.
    #[inline]
    pub fn heard_media(&mut self, now: Instant, from: Remote) {
        if self.selected == Some(from) {
            self.consented = Some(now);
            self.spoke = Some(now);
        }
    }

    /// The request, and whether it used the current credentials rather than those before a restart.
    fn authenticate<'a>(&self, datagram: &'a [u8]) -> Result<(BindingRequest<'a>, bool), StunDrop> {
        let request = BindingRequest::parse(datagram)?;
        let username = request.username.ok_or(StunDrop::NoCredentials)?;
        if self.local.is_addressed_by(username) {
            request.verify(&self.local.key)?;
            return Ok((request, true));
        }
        match &self.previous {
            Some(previous) if previous.is_addressed_by(username) => {
                request.verify(&previous.key)?;
                Ok((request, false))
            }
            Some(_) | None => Err(StunDrop::UnknownUser),
        }
    }

    /// Notes a valid check. Answers whether the address is new, and who had to go: for room, or because nothing
    /// was heard from it for the consent time. The selected address never goes.
    fn remember(&mut self, now: Instant, from: Remote) -> (bool, Option<Remote>) {
        if let Some(known) = self.tuples.iter_mut().find(|tuple| tuple.remote == from) {
            known.last_check = now;
            return (false, None);
        }
        let selected = self.selected;
        let oldest = self
            .tuples
            .iter()
            .enumerate()
            .filter(|(_, tuple)| Some(tuple.remote) != selected)
            .min_by_key(|(_, tuple)| tuple.last_check)
            .filter(|(_, tuple)| self.tuples.is_full() || now >= tuple.last_check + self.consent_timeout)
            .map(|(at, _)| at);
        let evicted = oldest.map(|at| self.tuples.swap_remove(at).remote);
        self.tuples.push(Tuple {
            remote: from,
            last_check: now,
        });
        (true, evicted)
    }

    /// The latest nomination wins. Before the first one the latest check does, so that media need not wait for it (but TCP
    /// waits for UDP to fall silent); and so it does after the selected remote fell silent.
    fn select(&mut self, now: Instant, from: Remote, nominated: bool) -> Option<Remote> {
        let is_silent = |tuple: &Tuple| match self.spoke {
            Some(spoke) if spoke > tuple.last_check => now.saturating_duration_since(spoke) >= SILENCE_OF_THE_SPEAKING,
            Some(_) | None => now.saturating_duration_since(tuple.last_check) >= SILENCE_OF_THE_MOVED,
        };
        let selected = self.tuples.iter().find(|tuple| Some(tuple.remote) == self.selected);
        let stays = selected.is_some_and(|tuple| {
            let is_worse = from.connection.is_some() && tuple.remote.connection.is_none();
            (self.nominated || is_worse) && !is_silent(tuple)
        });
        if !nominated && stays {
            return None;
        }
        self.nominated |= nominated;
        let changed = self.selected != Some(from);
        self.selected = Some(from);
        changed.then_some(from)
    }

    /// The remote's connection has ended. When it was the selected one, another that was checked just now takes its place (a
    /// client that restarts ICE closes the old connection as soon as it has a new one, and may nominate later); without one
    /// there is nowhere to send to until the next check comes from wherever. Consent goes on meanwhile.
    pub fn forget(&mut self, now: Instant, remote: Remote) -> Forgotten {
        self.tuples.retain(|tuple| tuple.remote != remote);
        if self.selected != Some(remote) {
            return Forgotten::Spare;
        }
        self.nominated = false;
        let latest = self.tuples.iter().max_by_key(|tuple| tuple.last_check);
        let latest = latest.filter(|tuple| now.saturating_duration_since(tuple.last_check) < SILENCE_OF_THE_MOVED);
        self.selected = latest.map(|tuple| tuple.remote);
        self.consented = latest.map(|tuple| tuple.last_check).or(self.consented);
        Forgotten::Selected { instead: self.selected }
    }

    /// Where to send, once anybody has authenticated.
    pub fn selected(&self) -> Option<Remote> {
        self.selected
    }

    /// True when datagrams from there are to be believed to come from the client's device.
    pub fn is_validated(&self, remote: Remote) -> bool {
        self.tuples.iter().any(|tuple| tuple.remote == remote)
    }

    /// Every validated remote, to be forgotten together with the transport.
    pub fn validated(&self) -> impl Iterator<Item = Remote> + '_ {
        self.tuples.iter().map(|tuple| tuple.remote)
    }

    /// When consent ends if nothing more is heard from the client; `None` before the first check.
    pub fn poll_timeout(&self) -> Option<Instant> {
        Some(self.consented? + self.consent_timeout)
    }

    /// True when the client was not heard for the consent time from where we send to: nothing may be sent there any more.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.poll_timeout().is_some_and(|ends| now >= ends)
    }
}

#[cfg(test)]
mod tests;
