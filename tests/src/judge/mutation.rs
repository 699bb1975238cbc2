//! Changes to the model that the comparison must catch: each is a mistake somebody could make.

use hopclock_core::conntrack::entry::Entry;
use hopclock_core::conntrack::{Packet, Rules, Settings, Table};

/// A mistake, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The model as it is.
    None,
}

impl Mutation {
    /// The rules it makes.
    pub fn rules(self) -> Rules {
        Rules::default()
    }

    /// The settings it sees.
    pub fn settings(self, settings: Settings) -> Settings {
        settings
    }

    /// The packet it sees.
    pub fn packet(self, packet: Packet) -> Packet {
        packet
    }

    /// What it does to the table before a packet.
    pub fn before(self, _table: &mut Table, _packet: &Packet) {}

    /// What it does to the table after a packet.
    pub fn after(self, _table: &mut Table, _packet: &Packet, _before: Option<&Entry>) {}
}
