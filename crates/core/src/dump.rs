//! Dumps become facts of a host.
