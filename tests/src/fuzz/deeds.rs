//! Deeds instead of bytes: any segments in any order at any time, of connections that share ports,
//! are seen at several places, and are translated between them.

use super::Taken;
use hopclock_core::flow::{Finished, How, Table};
use hopclock_core::terms::Side;
use hopclock_core::time::Moment;
use hopclock_core::wire::{Flags, Segment, Seq, TcpOptions};

/// Connections kept at once.
const MOST: usize = 5;

fn segment(number: u64, at: i64, taken: &mut Taken<'_>) -> Segment {
    let [who, port, flags, ttl] = taken.array();
    let (seq, ack, window, ip_id) = (taken.short(), taken.short(), taken.short(), taken.short());
    let payload = taken.short();
    let translated = who & 2 != 0;
    let client = ([192, 0, 2, 1 + 9 * u8::from(translated)], 40_000 + u16::from(port % 8)).into();
    let server = ([198, 51, 100, 7], 443 + u16::from(who & 4)).into();
    let (src, dst) = if who & 1 == 0 { (client, server) } else { (server, client) };
    let stamp = (who & 8 != 0).then_some((u32::from(ip_id) << 3, 0));
    Segment {
        packet: number,
        at: Moment::from_ns(at),
        src,
        dst,
        // Few values that are far from small: what belongs together meets, and counts as drawn.
        seq: Seq((u32::from(seq) << 4).wrapping_add(0x7000_0000)),
        ack: Seq((u32::from(ack) << 4).wrapping_add(0x7000_0000)),
        flags: Flags(u16::from(flags)),
        window,
        options: TcpOptions { timestamps: stamp, ..Default::default() },
        payload: u32::from(payload),
        ttl,
        ip_id: Some(ip_id),
        dont_fragment: true,
        vantage: u32::from(who >> 4 & 3),
        checksum: 0,
        words: None,
    }
}

/// Everything is counted once, a connection that was signed has ended, no more are kept than
/// allowed, and no connection ends before its last segment but by what ended it.
pub fn deeds(data: &[u8]) {
    let mut taken = Taken::new(data);
    let mut table = Table::new(vec!["fuzzed".into()], MOST);
    let (mut at, mut number, mut told) = (0_i64, 0, Vec::new());
    let mut before: Option<Segment> = None;
    while !taken.is_empty() {
        number += 1;
        let wait = i32::from_le_bytes(taken.array());
        // Short waits are likelier to matter than long ones.
        at = at.saturating_add(i64::from(wait >> (wait & 31)) * 1000);
        let mut segment = segment(number, at, &mut taken);
        // Every fourth is the one before, seen at another place.
        if segment.window & 3 == 0
            && let Some(before) = &before
        {
            let (src, dst) = (segment.src, segment.dst);
            segment = Segment { packet: number, vantage: before.vantage + 1, ..before.clone() };
            segment.ttl = before.ttl.wrapping_sub(1);
            if segment.src.port() == src.port() || segment.dst.port() == dst.port() {
                (segment.src, segment.dst) = (src, dst);
            }
        }
        told.extend(table.push(&segment, 0));
        before = Some(segment);
        assert!(table.len() <= MOST, "more connections than allowed");
    }
    told.extend(table.finish());
    let counted: u64 = told.iter().map(counted).sum();
    assert_eq!(counted, number, "a segment counts once");
}

/// Sightings of one connection, once its record was looked at.
fn counted(flow: &Finished) -> u64 {
    let record = &flow.record;
    let signed = record.ending.signed_by.is_some();
    let ends = matches!(record.ending.how, How::Fin | How::Rst | How::Refused);
    assert_eq!(signed, ends, "{record:?}");
    for side in [Side::Client, Side::Server] {
        let packets = record.packets.of(side);
        let all = packets + record.seen_again.of(side);
        assert!(record.one_sided.of(side) <= packets, "{record:?}");
        assert!(record.untranslated.of(side) <= packets, "{record:?}");
        let elsewhere: u64 = record.also_known_as.iter().map(|name| name.packets.of(side)).sum();
        assert!(elsewhere <= all, "{record:?}");
        let ttls: u64 = record.ttl.of(side).values().sum();
        assert_eq!(ttls, *packets, "{record:?}");
    }
    let own = (record.client, record.server);
    assert!(record.also_known_as.iter().all(|name| (name.client, name.server) != own));
    record.packets.client
        + record.packets.server
        + record.seen_again.client
        + record.seen_again.server
}
