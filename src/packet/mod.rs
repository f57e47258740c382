//! Bytes. Total functions over untrusted slices: RTP headers and extensions, RTCP, codec descriptors.
//!
//! Nothing here allocates on the packet path or reads a clock, and only AV1's dependency descriptors need anything kept between
//! packets; every function takes any bytes and answers with a value or a [`Malformed`], never with a panic.

pub mod assemble;
pub mod av1;
mod bytes;
pub mod codec;
pub mod extension;
pub mod frame;
pub mod h264;
pub mod red;
pub mod rtcp;
pub mod rtp;
pub mod vp8;
pub mod vp9;

pub use codec::{Codec, Kind};
pub use extension::{AudioLevel, ExtensionKind, ExtensionMap, Extensions};
pub use frame::{FrameInfo, Picture, PictureField, PictureId};
pub use rtp::RtpHeader;

/// Bytes that are not what they claim to be. The name says where reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {0}")]
pub struct Malformed(pub &'static str);
