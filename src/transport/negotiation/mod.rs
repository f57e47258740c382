//! Offer in, answer out (RFC 8829 with the server always answering).
//!
//! The client offers, and its offer carries the receive places that it wants: the seats. The answer is always
//! ICE-lite and DTLS-passive, accepts what the client bundled and nothing beside it, and gives every seat an SSRC that
//! never changes. Nothing here knows rooms; WHIP and WHEP clients get the same answers as the SDK.
//!
//! `offer` reads, `plan` decides, `answer` writes; [`Negotiation`] keeps what has to stay the same from one offer
//! to the next, and keeps it when an offer is refused.

mod answer;
mod codecs;
mod error;
pub mod limits;
mod lines;
mod offer;
mod plan;
mod policy;
mod simulcast;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::packet::extension::ExtensionMap;
use crate::transport::fingerprint::Fingerprint;
use crate::transport::ice::Credentials;

pub use error::NegotiationError;
pub use lines::{CodecLine, DataLine, IceRestart, LocalTransport, Negotiated, ReceiveLine, SendLine};
pub use policy::CodecPolicy;

use offer::Offer;

/// The offers and answers of one participant.
#[derive(Debug)]
pub struct Negotiation {
    local: LocalTransport,
    session_id: u64,
    cname: String,
    state: State,
}

/// What runs on from one answer to the next.
#[derive(Clone, Debug)]
struct State {
    /// Answers given.
    version: u64,
    ice: Credentials,
    remote: Option<Remote>,
    extensions: ExtensionMap,
    /// One for every m-line there ever was (RFC 3264: they are never removed).
    slots: Vec<Slot>,
    random: SplitMix,
}

/// The client's side of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Remote {
    ufrag: String,
    pwd: String,
    fingerprint: Fingerprint,
}

/// An m-line's memory.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// `None` while the m-line is rejected or stopped, and may come back as another.
    live: Option<LiveLine>,
}

#[derive(Clone, Debug)]
struct LiveLine {
    mid: String,
    media: offer::Media,
    seat: Option<SeatHalf>,
    /// What was allowed when the client was first agreed to send on the m-line. It stays, so that a later policy breaks
    /// nothing that runs.
    policy: Option<Arc<CodecPolicy>>,
}

/// Given at the first offer in which the client wants to receive on the m-line, kept until the m-line is stopped.
#[derive(Clone, Copy, Debug)]
struct SeatHalf {
    number: usize,
    ssrc: u32,
    rtx_ssrc: u32,
}

impl Negotiation {
    /// Of a new participant. `seed` feeds the SSRCs, the CNAME and the session id: random in life, fixed in tests.
    pub fn new(local: LocalTransport, seed: u64) -> Negotiation {
        let mut random = SplitMix(seed);
        // 62 bits: `o=` numbers must fit a signed 64-bit integer in some clients.
        let session_id = random.next() >> 2;
        let cname = format!("{:016x}", random.next());
        let state = State {
            version: 0,
            ice: local.ice.clone(),
            remote: None,
            extensions: ExtensionMap::default(),
            slots: Vec::new(),
            random,
        };
        Negotiation {
            local,
            session_id,
            cname,
            state,
        }
    }

    /// Answers the client's first offer, or its next one, with all codecs allowed.
    ///
    /// # Errors
    /// The offer cannot be accepted; this negotiation stands as if it had not come.
    pub fn answer(&mut self, offer: &str) -> Result<Negotiated, NegotiationError> {
        self.answer_within(offer, &CodecPolicy::default())
    }

    /// The same, with what may be sent on m-lines that the client has not sent on before.
    ///
    /// # Errors
    /// As above.
    pub fn answer_within(&mut self, offer: &str, policy: &CodecPolicy) -> Result<Negotiated, NegotiationError> {
        let offer = Offer::parse(offer)?;
        let mut next = self.state.clone();
        next.version += 1;
        let plan = plan::make(&offer, policy, &mut next)?;

        let sdp = answer::write(self, &next, &offer, &plan);
        let mut negotiated = Negotiated {
            sdp,
            remote_fingerprint: plan.remote.fingerprint,
            ice_restarted: plan.ice_restarted.then(|| next.ice.clone()),
            receive: Vec::new(),
            send: Vec::new(),
            data: None,
            extensions: next.extensions,
        };
        for line in plan.lines.into_iter().flatten() {
            match line {
                plan::AcceptedLine::Data(data) => negotiated.data = Some(data),
                plan::AcceptedLine::Rtp(line) => {
                    negotiated.receive.extend(line.receive_line());
                    negotiated.send.extend(line.send_line(&self.cname));
                }
            }
        }
        next.remote = Some(plan.remote);
        self.state = next;
        Ok(negotiated)
    }
}

impl Negotiation {
    /// The client restarts ICE without an offer (RFC 9725 section 4.3.3): everything else that was agreed stays. The same
    /// credentials again are the same restart, sent again.
    ///
    /// # Errors
    /// Nothing was agreed yet, or the credentials are none; this negotiation stands as if they had not come.
    pub fn restart_ice(&mut self, remote: &Credentials) -> Result<IceRestart, NegotiationError> {
        if !plan::is_ice_word(&remote.ufrag, 4) || !plan::is_ice_word(&remote.pwd, 22) {
            return Err(NegotiationError::IceCredentials);
        }
        let before = self.state.remote.as_mut().ok_or(NegotiationError::NothingInCommon)?;
        let is_new = before.ufrag != remote.ufrag || before.pwd != remote.pwd;
        if is_new {
            before.ufrag.clone_from(&remote.ufrag);
            before.pwd.clone_from(&remote.pwd);
            self.state.ice = Credentials::random();
        }
        Ok(IceRestart {
            local: self.state.ice.clone(),
            is_new,
            fragment: answer::fragment(self, &self.state),
        })
    }
}

/// The credentials in an SDP fragment (`application/trickle-ice-sdpfrag`, RFC 8840 section 9), if it has any. Of several the first
/// count: there is one path.
pub fn credentials_of(fragment: &str) -> Option<Credentials> {
    let value = |key: &str| fragment.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    Some(Credentials {
        ufrag: value("a=ice-ufrag:")?.to_owned(),
        pwd: value("a=ice-pwd:")?.to_owned(),
    })
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, pure, and good enough for numbers that only have to differ.
#[derive(Clone, Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
