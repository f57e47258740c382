//! Runs the media plane: one thread, one socket.
