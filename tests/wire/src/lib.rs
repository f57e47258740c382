//! A network that misbehaves as told.
//!
//! [`Link`] is one direction of a path: packets go in at one end and come out at the other later, or never, or twice, or
//! in another order, as its [`LinkConfig`] says. It is pure: time is an argument, chance comes from a seed, so that the
//! same calls give the same result. In-process tests run it in virtual time; the program `emulator` runs two of them in
//! real time between two network namespaces.
//!
//! It knows nothing of the server and depends on nothing of it.

mod chance;
mod config;
mod faults;
mod link;
mod queue;
mod stats;

pub use config::{Jitter, LinkConfig, Loss, Outage, Queue, Reorder, Shape};
pub use faults::{Matrix, OUTAGES_SECS, Path};
pub use link::Link;
pub use stats::LinkStats;
