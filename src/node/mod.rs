//! Runs it all: room tasks, handshake tasks, shards, named queues. The only home of spawn.
