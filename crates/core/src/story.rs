//! A told story becomes segments on a virtual clock.
