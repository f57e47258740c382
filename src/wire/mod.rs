//! What crosses the network as JSON: ids, signalling messages, error codes, versions, size limits.
