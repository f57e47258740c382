//! Decides about recordings: from packets to frames, from frames to Matroska files, and what is said of them. Pure: bytes and
//! names come out, and whoever runs it writes them (`recorder.rs`). `docs/RECORDING.md` says what lies in a folder in the end.

mod codec;
mod ebml;
mod manifest;
mod matroska;
mod order;
mod recorder;
mod take;
#[cfg(test)]
mod tests;
mod track;

pub use manifest::{File, FileTrack, Link, LinkedPerson, Manifest, Person, Skipped};
pub use matroska::Patch;
pub use order::{Ending, Order, RecorderNews, Subject, TakeKey};
pub use recorder::{Action, Limits, Recorder, STEP};
