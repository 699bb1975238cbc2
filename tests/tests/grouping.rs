//! What is one finding: views of one connection at several places, and no connection twice.

use crate::inquest::{diagnose, folder};
use hopclock_tests::repo;
use serde_json::Value;
use std::fs;

/// The captures of the example in which a box forgets a connection, and nothing else: no log, no
/// dump. The box's clock is set off by so many seconds.
fn captures(off_s: u64) -> Value {
    let root = folder(&[]);
    for file in ["client/client.pcapng", "hop-egress-1/hop.pcapng"] {
        let mut bytes = fs::read(repo().join("examples/nat-expiry").join(file)).unwrap();
        if file.starts_with("hop") {
            set_off(&mut bytes, off_s);
        }
        fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        fs::write(root.join(file), bytes).unwrap();
    }
    diagnose(&root).1
}

/// Moves every enhanced packet block of a little-endian pcapng with stamps in nanoseconds.
fn set_off(bytes: &mut [u8], seconds: u64) {
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut at = 0;
    let mut moved = 0;
    while at + 20 <= bytes.len() {
        let length = word(bytes, at + 4) as usize;
        if word(bytes, at) == 6 {
            let stamp = u64::from(word(bytes, at + 12)) << 32 | u64::from(word(bytes, at + 16));
            let stamp = stamp + seconds * 1_000_000_000;
            bytes[at + 12..at + 16].copy_from_slice(&((stamp >> 32) as u32).to_le_bytes());
            bytes[at + 16..at + 20].copy_from_slice(&(stamp as u32).to_le_bytes());
            moved += 1;
        }
        at += length;
    }
    assert!(moved > 3, "{moved} packets");
}

fn findings(report: &Value) -> usize {
    report.pointer("/findings").unwrap().as_array().unwrap().len()
}

#[test]
fn views_of_one_connection_are_one_finding_and_none_is_left_over() {
    let report = captures(0);
    assert_eq!(findings(&report), 1);
    let blind = report.pointer("/not_looked_at").unwrap().to_string();
    assert!(!blind.contains("belong to no finding"), "{blind}");
}

#[test]
fn clocks_an_hour_apart_do_not_part_a_connection() {
    let report = captures(3600);
    assert_eq!(findings(&report), 1);
    assert_eq!(report.pointer("/findings/0/connections/count").unwrap(), 1);
    let blind = report.pointer("/not_looked_at").unwrap().to_string();
    assert!(!blind.contains("belong to no finding"), "{blind}");
    // Moments of the two do not compare: nothing is said of who sent what when.
    let evidence = report.pointer("/evidence").unwrap().to_string();
    assert!(!evidence.contains("was never sent by"), "{evidence}");
}
