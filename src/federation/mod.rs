//! Decides about links between rooms. Pure.
//!
//! A room owns its links: `room` knows this module, and this module knows nothing of rooms but their names. So what may be
//! asked, who is told and what crosses is decided in one place, and a link is the same on one node and between two.

mod io;

pub use io::{Ask, Decision, LinkEvent, LinkInput, LinkOutput, Question, RequestId};
mod limits;
pub use limits::LinkLimits;
pub struct Links;
pub struct LinkView<'a> {
    pub room: &'a crate::wire::RoomId,
    pub payload: Option<&'a crate::wire::Json>,
    pub rights: crate::wire::link::Rights,
    pub stale: bool,
}
impl<'a> LinkView<'a> {
    pub fn participants(&self) -> impl Iterator<Item = &'a crate::wire::link::Person> {
        std::iter::empty()
    }
}
impl Links {
    pub fn new(_: crate::wire::link::RoomAddress, _: LinkLimits) -> Self {
        Links
    }
    pub fn handle(&mut self, _: std::time::Instant, _: LinkInput) {}
    pub fn poll_output(&mut self) -> Option<LinkOutput> {
        None
    }
    pub fn poll_timeout(&self) -> Option<std::time::Instant> {
        None
    }
    pub fn views(&self) -> impl Iterator<Item = LinkView<'_>> {
        std::iter::empty()
    }
    pub fn is_open(&self, _: &crate::wire::RoomId) -> bool {
        false
    }
}
