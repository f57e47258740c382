//! Who speaks, from audio levels (RFC 6464).
