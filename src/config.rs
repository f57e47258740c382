//! Configuration: defaults, file, environment and flags, laid over each other and checked once.
