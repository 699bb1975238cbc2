//! Any bytes as packets of any link type, one after another through one dissector.
#![no_main]

use hopclock_core::capture::{LinkType, Packet};
use hopclock_core::time::Moment;
use hopclock_core::wire::{Dissector, Reading};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packets: Vec<(u16, u16, Vec<u8>)>| {
    let mut dissector = Dissector::new();
    for (number, (link, cut, bytes)) in packets.iter().enumerate() {
        let packet = Packet {
            number: number as u64 + 1,
            at: Moment::from_secs(number as i64),
            stamped: true,
            link: LinkType(*link),
            interface: 0,
            fcs_bytes: 0,
            bytes,
            wire_len: bytes.len() as u32 + u32::from(*cut),
        };
        if let Reading::Segment(segment) = dissector.read(&packet, 0) {
            assert!(segment.payload <= 65_535 + packet.wire_len);
        }
    }
});
