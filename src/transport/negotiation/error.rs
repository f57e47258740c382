//! Why an offer is refused. Each reason has a code for programs and a sentence for people.

/// A refused offer. The negotiation stands where it stood before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// More bytes, lines or m-lines than [`limits`](super::limits) allow; found before parsing.
    #[error("the offer is too large: more than {limit} {of}")]
    TooLarge {
        /// What there is too much of.
        of: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// Not SDP (RFC 8866).
    #[error("the offer is not valid SDP: {0}")]
    Syntax(String),
    /// `a=crypto`: keys in SDP are forbidden (RFC 8827 section 6.5).
    #[error("the offer carries SDES keys (a=crypto); only DTLS-SRTP is accepted")]
    Sdes,
    /// No certificate fingerprint.
    #[error("the offer has no a=fingerprint")]
    FingerprintMissing,
    /// Fingerprints, but none of SHA-256, or one that cannot be read.
    #[error("the offer has no readable sha-256 fingerprint")]
    FingerprintUnusable,
    /// Two different SHA-256 fingerprints: we would not know which certificate to expect.
    #[error("the offer has more than one sha-256 fingerprint")]
    FingerprintAmbiguous,
    /// No or malformed `a=ice-ufrag` and `a=ice-pwd` (RFC 8839 section 5.4).
    #[error("the offer has no valid ICE credentials")]
    IceCredentials,
    /// The offerer is ICE-lite, and so are we: nobody would check.
    #[error("the offer is from an ICE-lite agent; this server is ICE-lite itself")]
    IceLite,
    /// `a=setup:passive` or `holdconn`: we are always the DTLS server.
    #[error("the offer must be a=setup:actpass or a=setup:active")]
    Setup,
    /// An RTP m-line without `a=rtcp-mux`.
    #[error("m-line {line} has no a=rtcp-mux")]
    RtcpMux {
        /// Index of the m-line.
        line: usize,
    },
    /// An m-line without a usable `a=mid`, or with the `a=mid` of another.
    #[error("m-line {line} has no valid a=mid of its own")]
    Mid {
        /// Index of the m-line.
        line: usize,
    },
    /// A re-offer with fewer m-lines than the one before (RFC 3264 section 8).
    #[error("the offer has {now} m-lines, fewer than the {before} before it")]
    LinesRemoved {
        /// In the previous offer.
        before: usize,
        /// In this one.
        now: usize,
    },
    /// A live m-line changed its mid or its kind (RFC 8829 section 5.2.2).
    #[error("m-line {line} is in use and cannot become another")]
    LineChanged {
        /// Index of the m-line.
        line: usize,
    },
    /// A sending m-line with codecs this server knows, none of which may be sent here.
    #[error("m-line {line} offers no codec that may be sent in this room")]
    CodecsNotAllowed {
        /// Index of the m-line.
        line: usize,
    },
    /// A first offer of which nothing can be accepted.
    #[error("nothing in the offer can be accepted: no bundled m-line with a codec this server knows")]
    NothingInCommon,
}

impl NegotiationError {
    /// Stable, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            NegotiationError::TooLarge { .. } => "offer_too_large",
            NegotiationError::Syntax(_) => "offer_syntax",
            NegotiationError::Sdes => "offer_sdes",
            NegotiationError::FingerprintMissing => "offer_fingerprint_missing",
            NegotiationError::FingerprintUnusable => "offer_fingerprint_unusable",
            NegotiationError::FingerprintAmbiguous => "offer_fingerprint_ambiguous",
            NegotiationError::IceCredentials => "offer_ice_credentials",
            NegotiationError::IceLite => "offer_ice_lite",
            NegotiationError::Setup => "offer_setup",
            NegotiationError::RtcpMux { .. } => "offer_rtcp_mux",
            NegotiationError::Mid { .. } => "offer_mid",
            NegotiationError::LinesRemoved { .. } => "offer_lines_removed",
            NegotiationError::LineChanged { .. } => "offer_line_changed",
            NegotiationError::CodecsNotAllowed { .. } => "offer_codecs_not_allowed",
            NegotiationError::NothingInCommon => "offer_nothing_in_common",
        }
    }
}
