//! The load generator. Nothing yet.

fn main() {}
