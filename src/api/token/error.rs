//! Why a token is refused.

use crate::wire::ErrorCode;

/// A refusal. `Display` is the sentence for people; [`code`](Self::code) and [`number`](Self::number) are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No token, or an empty one.
    #[error("A token is needed.")]
    Missing,
    /// Longer than [`TOKEN_BYTES_MAX`](crate::wire::limits::TOKEN_BYTES_MAX).
    #[error("The token is longer than 8 KiB.")]
    TooLarge,
    /// Not three base64url parts holding JSON objects with the claims we know in the types they have.
    #[error("The token is malformed: {0}.")]
    Malformed(&'static str),
    /// The header names another algorithm than HS256, or none.
    #[error("The token is not signed with HS256.")]
    WrongAlgorithm,
    /// The header has `crit`: it demands extensions (RFC 7515 section 4.1.11), and we know none.
    #[error("The token demands an extension that is not supported.")]
    CriticalHeader,
    /// No key of that id is configured.
    #[error("The API key of the token is not known.")]
    UnknownKey,
    /// The signature does not belong to the key and the content.
    #[error("The signature of the token is wrong.")]
    WrongSignature,
    /// The claim `version` is neither 1 nor 2.
    #[error("The version of the token is not supported.")]
    WrongVersion,
    /// `exp` has passed.
    #[error("The token has expired.")]
    Expired,
    /// `nbf` or `iat` is in the future.
    #[error("The token is not valid yet; check the clocks of issuer and server.")]
    NotYetValid,
    /// None of our permissions, or `ask_join` together with another.
    #[error("The permissions of the token are none, or ask_join stands together with another.")]
    InvalidPermissions,
    /// The token's `roomId` is another room.
    #[error("The token is for another room.")]
    WrongRoom,
    /// The token's `participantId` is another participant.
    #[error("The token is for another participant.")]
    WrongParticipant,
    /// The claim `switch` makes it good for one join, and that has been.
    #[error("The token was good for one join and has been used.")]
    Used,
    /// The token, or whom it is for, was revoked.
    #[error("The token has been revoked.")]
    Revoked,
    /// The token's `roles` do not include this use.
    #[error("The roles of the token do not allow this.")]
    WrongRole,
}

impl TokenError {
    /// The stable code of the client protocol.
    pub fn code(self) -> ErrorCode {
        match self {
            TokenError::Missing => ErrorCode::TokenMissing,
            TokenError::TooLarge => ErrorCode::TokenTooLarge,
            TokenError::Malformed(_)
            | TokenError::WrongAlgorithm
            | TokenError::CriticalHeader
            | TokenError::WrongSignature
            | TokenError::WrongVersion => ErrorCode::TokenInvalid,
            TokenError::UnknownKey => ErrorCode::TokenUnknownKey,
            TokenError::Expired => ErrorCode::TokenExpired,
            TokenError::NotYetValid => ErrorCode::TokenNotYetValid,
            TokenError::InvalidPermissions => ErrorCode::TokenPermissions,
            TokenError::WrongRoom => ErrorCode::TokenRoom,
            TokenError::WrongParticipant => ErrorCode::TokenParticipant,
            TokenError::WrongRole => ErrorCode::TokenRole,
            TokenError::Used => ErrorCode::TokenUsed,
            TokenError::Revoked => ErrorCode::TokenRevoked,
        }
    }

    /// The number the VideoSDK API has for it.
    pub fn number(self) -> u16 {
        match self {
            TokenError::UnknownKey => 4001,
            TokenError::Missing
            | TokenError::TooLarge
            | TokenError::Malformed(_)
            | TokenError::WrongAlgorithm
            | TokenError::CriticalHeader
            | TokenError::WrongSignature
            | TokenError::WrongVersion
            | TokenError::Expired
            | TokenError::Used
            | TokenError::Revoked
            | TokenError::NotYetValid => 4002,
            TokenError::InvalidPermissions => 4008,
            TokenError::WrongRoom => 4022,
            TokenError::WrongParticipant => 4023,
            TokenError::WrongRole => 4024,
        }
    }

    /// The HTTP status: 403 when the token is sound but not for this, otherwise 401.
    pub fn status(self) -> u16 {
        match self {
            TokenError::WrongRoom | TokenError::WrongParticipant | TokenError::WrongRole => 403,
            TokenError::Missing
            | TokenError::TooLarge
            | TokenError::Malformed(_)
            | TokenError::WrongAlgorithm
            | TokenError::CriticalHeader
            | TokenError::UnknownKey
            | TokenError::WrongSignature
            | TokenError::WrongVersion
            | TokenError::Expired
            | TokenError::Used
            | TokenError::Revoked
            | TokenError::NotYetValid
            | TokenError::InvalidPermissions => 401,
        }
    }
}
