//! Feedback to publishers about what arrived: transport-wide or REMB.
