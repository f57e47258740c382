//! Decides about packets. Pure: no sockets, no clocks, no locks.
//!
//! [`Source`] is the body of the hot loop: a packet comes in once, is kept once in the [`history`], and every
//! [`Forwarder`] in a dense vector says either which numbers it gets on its way out or why it stays behind.
//! The rest stands around that loop: [`Stream`] watches what arrives, [`report`] tells subscribers the time,
//! [`keyframe`] merges requests, [`feedback`] tells publishers what arrived, [`speaker`] who speaks, [`loudest`] who is heard.

pub mod allocate;
pub mod downlink;
pub mod drop_reason;
pub mod estimate;
pub mod feedback;
pub mod flow;
pub mod forwarder;
pub mod history;
pub mod keyframe;
pub mod layers;
pub mod loudest;
pub mod redundancy;
pub mod report;
pub mod rewriter;
pub mod selector;
pub mod source;
pub mod speaker;
pub mod stream;
pub mod timeline;

#[cfg(test)]
mod tests;

pub use allocate::{Allocator, Decision, Reason, Video};
pub use downlink::{Downlink, DownlinkStats, Feedback, Load, News};
pub use drop_reason::DropReason;
pub use flow::{
    DescriptorOut, EgressKey, Inbound, OutExtensions, Outbound, Patch, Sink, SourceKey, Traffic, TransportSlot,
};
pub use forwarder::{EgressConfig, EgressStats, Forwarder, PayloadTypes};
pub use history::HistoryLimits;
pub use keyframe::KeyframeRequest;
pub use layers::{Layer, Layers};
pub use loudest::LoudestN;
pub use redundancy::Redundancy;
pub use report::SenderNumbers;
pub use selector::{Claim, Limits, Target};
pub use source::{Demand, Source, SourceConfig};
pub use stream::{Arrival, Stream, StreamConfig};

/// Most encodings (simulcast streams) one source has. Browsers send up to three.
pub const ENCODINGS_MAX: usize = 4;
