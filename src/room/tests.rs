//! The room as a whole: behaviours by name, a simulation of many participants, and damaged messages.

mod behaviour;
mod http;
mod malformed;
mod simulation;
mod support;
