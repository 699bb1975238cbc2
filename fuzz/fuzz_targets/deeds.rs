//! Any segments in any order at any time: everything is counted once, a connection that was signed
//! has ended, and no more are kept than allowed.
#![no_main]

use hopclock_core::flow::{How, Table};
use hopclock_core::time::Moment;
use hopclock_core::wire::{Flags, Segment, Seq, TcpOptions};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Deed {
    by_client: bool,
    port: u8,
    flags: u8,
    seq: u16,
    ack: u16,
    payload: u16,
    window: u16,
    ttl: u8,
    wait: i32,
    vantage: bool,
    timestamp: Option<u32>,
    ip_id: u16,
}

fn segment(number: u64, at: i64, deed: &Deed) -> Segment {
    let client = ([192, 0, 2, 1], 40_000 + u16::from(deed.port % 8)).into();
    let server = ([198, 51, 100, 7], 443).into();
    let (src, dst) = if deed.by_client { (client, server) } else { (server, client) };
    Segment {
        packet: number,
        at: Moment::from_ns(at),
        src,
        dst,
        seq: Seq(u32::from(deed.seq) << 4),
        ack: Seq(u32::from(deed.ack) << 4),
        flags: Flags(u16::from(deed.flags)),
        window: deed.window,
        options: TcpOptions { timestamps: deed.timestamp.map(|t| (t, 0)), ..Default::default() },
        payload: u32::from(deed.payload),
        ttl: deed.ttl,
        ip_id: Some(deed.ip_id),
        dont_fragment: true,
        vantage: u32::from(deed.vantage),
        checksum: 0,
        words: None,
    }
}

fuzz_target!(|deeds: Vec<Deed>| {
    let mut table = Table::new(vec!["fuzzed".into()], 5);
    let (mut at, mut told) = (0_i64, Vec::new());
    for (number, deed) in deeds.iter().enumerate() {
        at = at.saturating_add(i64::from(deed.wait) * 1000);
        told.extend(table.push(&segment(number as u64 + 1, at, deed), 0));
        assert!(table.len() <= 5);
    }
    told.extend(table.finish());
    let counted: u64 = told
        .iter()
        .map(|flow| {
            let record = &flow.record;
            let signed = record.ending.signed_by.is_some();
            let ends = matches!(record.ending.how, How::Fin | How::Rst | How::Refused);
            assert_eq!(signed, ends, "{record:?}");
            record.packets.client
                + record.packets.server
                + record.seen_again.client
                + record.seen_again.server
        })
        .sum();
    assert_eq!(counted, deeds.len() as u64);
});
