//! Media over networks that misbehave, in one process and in virtual time: the estimator, a pacer and a source of layers
//! on our side, the network of the crate `emulator`, a receiver that reports as browsers do.
//!
//! Nothing waits and nothing is measured by a real clock, so that the figures are the same on every machine. The default is
//! a short form; `NETWORKS_FULL=1 cargo test --release --test networks -- --nocapture` runs more seeds. The tables are
//! printed, and with `NETWORKS_FIGURES=FILE` each figure is appended to that file as one line of JSON.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the tables are what this is for")]

mod figures;
mod flow;
mod media;
mod receiver;
mod tcp;
mod voice;
mod world;

mod faults;
mod goals;
mod rfc8867;
