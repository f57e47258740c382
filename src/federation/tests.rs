//! Links as a whole: behaviours by name, simulations of many rooms on a bad bus, and every order of few events.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one event among many")]

mod exhaustive;
pub(crate) mod fault;
mod host;
mod opening;
mod planted;
mod simulation;
pub(crate) mod support;
mod talking;
mod world;
