//! Offer in, answer out.
mod error;
mod lines;
pub use error::NegotiationError;
pub use lines::{CodecLine, DataLine, LocalTransport, Negotiated, ReceiveLine, SendLine};
impl CodecLine {
    fn decodes(&self, source: &CodecLine) -> bool {
        self.codec == source.codec
    }
}
/// Placeholder.
#[derive(Debug)]
pub struct Negotiation {
    _local: LocalTransport,
}
impl Negotiation {
    /// Placeholder.
    pub fn new(local: LocalTransport, _seed: u64) -> Negotiation {
        Negotiation { _local: local }
    }
    /// Placeholder.
    ///
    /// # Errors
    /// Always.
    pub fn answer(&mut self, _offer: &str) -> Result<Negotiated, NegotiationError> {
        Err(NegotiationError::NothingInCommon)
    }
}
