//! The catalogue of timers known to end connections.
