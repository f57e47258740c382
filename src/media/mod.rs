//! Decides about packets. Pure: no sockets, no clocks, no locks.
