//! Logs as they come from broken disks, other systems and careless collectors, read by the built
//! program: what is odd costs a note, and the same ends are found.

use hopclock_tests::{command::run, scratch};

/// Six ends, twelve hours apart and one second late each.
const ENDS: [&str; 6] = [
    "2024-05-10T03:14:22Z INFO reconnecting upstream: unexpected EOF",
    "2024-05-10T15:14:23Z INFO reconnecting upstream: unexpected EOF",
    "2024-05-11T03:14:24Z INFO reconnecting upstream: unexpected EOF",
    "2024-05-11T15:14:25Z INFO reconnecting upstream: unexpected EOF",
    "2024-05-12T03:14:26Z INFO reconnecting upstream: unexpected EOF",
    "2024-05-12T15:14:27Z INFO reconnecting upstream: unexpected EOF",
];

/// Reads one file; the number of ends and everything noted.
fn read(name: &str, bytes: &[u8]) -> (u64, String) {
    let folder = scratch("hostile");
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    let ran = run(["rhythm", "--format", "json", &path.display().to_string()]);
    std::fs::remove_dir_all(&folder).unwrap();
    let told = ran.json();
    let ends = told["series"][0]["rhythm"]["events"].as_u64().unwrap_or_default();
    (ends, told["inputs"][0]["notes"].to_string())
}

#[test]
fn the_same_ends_are_found_in_whatever_they_are_wrapped() {
    let plain = ENDS.join("\n");
    let crlf = ENDS.join("\r\n");
    let wide = |order: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}{crlf}\r\n").encode_utf16().flat_map(order).collect()
    };
    let nul_block = [ENDS[..3].join("\n").into_bytes(), vec![0; 4096], b"\n".to_vec()].concat();
    let doubled: Vec<&str> = ENDS.iter().flat_map(|l| [*l, *l]).collect();
    let mut shuffled = ENDS.to_vec();
    shuffled.swap(1, 3);
    let trace = "\tat sun.nio.ch.Net.read(Native Method)\nCaused by: connection reset";
    let rows: [(&str, Vec<u8>, &str); 13] = [
        ("plain", plain.clone().into_bytes(), "taken for an end"),
        ("crlf", crlf.clone().into_bytes(), ""),
        ("mark", format!("\u{feff}{crlf}").into_bytes(), ""),
        ("little", wide(u16::to_le_bytes, "\u{feff}"), "UTF-16"),
        ("big", wide(u16::to_be_bytes, "\u{feff}"), "UTF-16"),
        ("unmarked", wide(u16::to_le_bytes, ""), "UTF-16"),
        ("long", [&vec![b'x'; 5_000_000][..], b"\n", plain.as_bytes()].concat(), "longer than"),
        ("nuls", [&nul_block[..], ENDS[3..].join("\n").as_bytes()].concat(), "NUL"),
        ("broken", plain.replace("INFO", "IN\u{1}FO").into_bytes(), ""),
        ("colours", plain.replace("2024", "\x1b[90m2024\x1b[0m").into_bytes(), ""),
        ("doubled", doubled.join("\n").into_bytes(), "count once"),
        ("shuffled", shuffled.join("\n").into_bytes(), "earlier than the line before"),
        ("traces", ENDS.map(|l| format!("{l}\n{trace}")).join("\n").into_bytes(), ""),
    ];
    for (name, bytes, note) in rows {
        let (ends, notes) = read(name, &bytes);
        assert_eq!(ends, 6, "{name}: {notes}");
        assert!(notes.contains(note), "{name}: {note:?} not in {notes}");
    }
}

#[test]
fn a_zone_that_is_assumed_is_said() {
    let mixed = "2024-05-10T03:14:22Z connection reset\n2024-05-10T17:14:23+02:00 connection reset\n\
                 2024-05-11 03:14:23 connection reset\nMay 11 15:14:24 h a: connection reset\n";
    let (ends, notes) = read("mixed", mixed.as_bytes());
    assert_eq!(ends, 4, "{notes}");
    assert!(notes.contains("2 stamps carry a zone and 2 do not: those are read as UTC"), "{notes}");
}
