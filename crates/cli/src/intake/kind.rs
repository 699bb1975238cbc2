//! Recognition: what an input is, told by its first bytes.
