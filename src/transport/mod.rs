//! One secure path to one device: ICE-lite, DTLS, SRTP, SCTP, and the offer/answer that sets it up. Knows no rooms.

pub mod demux;
pub mod dtls;
pub mod fingerprint;
pub mod ice;
pub mod negotiation;
pub mod sctp;
pub mod srtp;
pub mod stun;
pub mod turn;
