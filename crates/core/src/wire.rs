//! A packet becomes a segment.
