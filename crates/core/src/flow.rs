//! Segments become flows, and flows end.
