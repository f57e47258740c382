//! How a room gets answers to offers: [`Negotiation`] in life, canned answers in tests.

use crate::{
    transport::{
        fingerprint::Fingerprint,
        ice::Credentials,
        negotiation::{CodecPolicy, IceRestart, LocalTransport, Negotiated, Negotiation, NegotiationError},
    },
    wire::ErrorCode,
};

/// The offers and answers of one transport.
pub trait Negotiate: std::fmt::Debug + Send {
    /// Answers an offer; on an error everything stands as it stood. `policy`: what may be sent on new m-lines.
    ///
    /// # Errors
    /// Why the offer is refused.
    fn answer(&mut self, offer: &str, policy: &CodecPolicy) -> Result<Negotiated, NegotiationError>;

    /// The client restarts ICE and nothing else, without an offer.
    ///
    /// # Errors
    /// Why that is refused; everything stands as it stood.
    fn restart_ice(&mut self, remote: &Credentials) -> Result<IceRestart, NegotiationError>;
}

impl Negotiate for Negotiation {
    fn answer(&mut self, offer: &str, policy: &CodecPolicy) -> Result<Negotiated, NegotiationError> {
        self.answer_within(offer, policy)
    }

    fn restart_ice(&mut self, remote: &Credentials) -> Result<IceRestart, NegotiationError> {
        Negotiation::restart_ice(self, remote)
    }
}

/// Makes the negotiation of a new transport. The number feeds its SSRCs.
pub type NewNegotiation = fn(LocalTransport, u64) -> Box<dyn Negotiate>;

/// The one used in life.
pub(super) fn by_sdp(local: LocalTransport, seed: u64) -> Box<dyn Negotiate> {
    Box::new(Negotiation::new(local, seed))
}

/// The fingerprint an offer names first. Only to see whether it is another one than before: the negotiation checks it.
pub(super) fn fingerprint_of(offer: &str) -> Option<Fingerprint> {
    let mut lines = offer.lines().filter_map(|line| line.strip_prefix("a=fingerprint:"));
    let value = lines.find_map(|value| {
        let (algorithm, hex) = value.split_once(' ')?;
        algorithm.eq_ignore_ascii_case("sha-256").then_some(hex)
    });
    value.and_then(|hex| Fingerprint::from_hex(hex.trim()))
}

/// The code of the client protocol for a refused offer.
pub(super) const fn code_of(error: &NegotiationError) -> ErrorCode {
    match error {
        NegotiationError::TooLarge { .. } => ErrorCode::SdpTooLarge,
        NegotiationError::FingerprintMissing
        | NegotiationError::FingerprintUnusable
        | NegotiationError::FingerprintAmbiguous => ErrorCode::SdpNoFingerprint,
        NegotiationError::Syntax(_)
        | NegotiationError::IceCredentials
        | NegotiationError::Mid { .. }
        | NegotiationError::LinesRemoved { .. }
        | NegotiationError::LineChanged { .. } => ErrorCode::SdpInvalid,
        NegotiationError::Sdes
        | NegotiationError::IceLite
        | NegotiationError::Setup
        | NegotiationError::RtcpMux { .. }
        | NegotiationError::CodecsNotAllowed { .. }
        | NegotiationError::NothingInCommon => ErrorCode::SdpUnsupported,
    }
}
