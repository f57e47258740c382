//! One received SSRC: what arrived, what is missing, what to report.

use crate::packet::Kind;

/// What a stream is.
#[derive(Clone, Copy, Debug)]
pub struct StreamConfig {
    /// Its SSRC.
    pub ssrc: u32,
    /// Audio or video.
    pub kind: Kind,
    /// In hertz.
    pub clock_rate_hz: u32,
    /// Whether the publisher answers NACKs for it (never for RTX streams).
    pub nack: bool,
}

/// Counts what arrives on one SSRC and asks again for what does not.
#[derive(Debug)]
pub struct Stream {
    config: StreamConfig,
}

impl Stream {
    /// A stream of which nothing has arrived.
    pub fn new(config: StreamConfig) -> Self {
        Stream { config }
    }

    /// Its SSRC.
    pub fn ssrc(&self) -> u32 {
        self.config.ssrc
    }
}
