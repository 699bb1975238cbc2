//! Logs as they come from broken disks, other systems and careless collectors, read by the built
//! program: what is odd costs a note, and the same ends are found.

use hopclock_tests::command::{Hopclock, binary, run};
use hopclock_tests::{scratch, tool};

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

/// Lines that no writer meant: megabytes long, NULs, broken UTF-8, escapes that never end, all in
/// one log around the six ends.
fn hostile(megabytes: usize) -> Vec<u8> {
    let mut log = Vec::new();
    for end in ENDS {
        log.extend(vec![b'x'; megabytes << 20]);
        log.extend(b"\n\0\0\0\0\n\xff\xfe\x80broken \xc3\x28\n");
        log.extend(end.replace("upstream", "up\0stream").as_bytes());
        log.extend(b" \xe2\x82\n\x1b[31\n");
    }
    log
}

#[test]
fn hostile_lines_cost_a_note_in_every_command_and_no_memory() {
    let folder = scratch("hostile-whole");
    let path = folder.join("app.log");
    std::fs::write(&path, hostile(8)).unwrap();
    let name = path.display().to_string();
    for verb in ["rhythm", "diagnose"] {
        let ran = run([verb, "--format", "json", &name]);
        // Of six ends twelve hours apart something can be told, or it is said that nothing can.
        assert!(matches!(ran.code, Some(0 | 4)), "{verb}: {ran:#?}");
        let told = ran.json();
        let notes = told["inputs"][0]["notes"].to_string();
        for note in ["longer than 16 KiB", "hold NUL bytes", "not valid UTF-8"] {
            assert!(notes.contains(note), "{verb}: {note:?} not in {notes}");
        }
        let ends = told["series"][0]["rhythm"]["events"].as_u64();
        let ends = ends.or(told["findings"][0]["rhythm"]["events"].as_u64());
        assert_eq!(ends, Some(6), "{verb}: {told:#}");
        let piped = Hopclock::new([verb, "--format", "json", "-"]).stdin(hostile(1)).run();
        assert_eq!(piped.code, ran.code, "{verb}: {piped:#?}");
    }
    // Nothing but hostile bytes: no input, said in a sentence, and no crash.
    for bytes in [vec![0; 1 << 20], vec![0xff; 1 << 20], vec![b'x'; 1 << 20], vec![0x1b; 1 << 20]] {
        std::fs::write(&path, bytes).unwrap();
        for verb in ["rhythm", "diagnose"] {
            let ran = run([verb, "--format", "json", &name]);
            assert_eq!(ran.code, Some(3), "{verb}: {ran:#?}");
            assert!(ran.err.contains("app.log") && ran.err.lines().count() < 8, "{}", ran.err);
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_line_of_any_length_takes_no_more_memory() {
    let test = "a_line_of_any_length_takes_no_more_memory";
    let Some(shell) = tool(test, "sh") else { return };
    // Neither such a line nor the log fits into this address space.
    let script = "ulimit -v 300000; for hour in 1 2 3; do head -c 400000000 /dev/zero | tr '\\0' x; \
                  echo; echo \"2024-05-10T0$hour:14:22Z connection reset by peer\"; done | \
                  \"$0\" rhythm --format json -";
    let ran =
        std::process::Command::new(shell).args(["-c", script]).arg(binary()).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(matches!(ran.status.code(), Some(0 | 4)), "{ran:?}");
    assert!(told.contains("3 lines are longer than 16 KiB"), "{told}");
}

#[test]
fn a_zone_that_is_assumed_is_said() {
    let mixed = "2024-05-10T03:14:22Z connection reset\n2024-05-10T17:14:23+02:00 connection reset\n\
                 2024-05-11 03:14:23 connection reset\nMay 11 15:14:24 h a: connection reset\n";
    let (ends, notes) = read("mixed", mixed.as_bytes());
    assert_eq!(ends, 4, "{notes}");
    assert!(notes.contains("2 stamps carry a zone and 2 do not: those are read as UTC"), "{notes}");
}
