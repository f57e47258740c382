//! What an encoding sent lately, kept once for every subscriber.
