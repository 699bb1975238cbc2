//! Files become readable inputs: opened, unpacked, and recognised by content, never by name alone.

pub mod kind;
pub mod open;
