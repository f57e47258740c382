//! Decides about links between rooms. Pure.
//!
//! A room owns its links: `room` knows this module, and this module knows nothing of rooms but their names. So what may be
//! asked, who is told and what crosses is decided in one place, and a link is the same on one node and between two.

mod io;

pub use io::{Ask, Decision, LinkEvent, LinkInput, LinkOutput, Question, RequestId};
