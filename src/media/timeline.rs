//! One clock for all encodings of a source.
