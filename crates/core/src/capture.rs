//! Bytes of a capture file become packets.
