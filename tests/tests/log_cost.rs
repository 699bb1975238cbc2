//! What reading a log costs, in instructions a byte: callgrind counts the same on a busy machine.
//! The ceilings stand here; a change that needs more says so by changing them. It measures the
//! unoptimised command that the other tests run, so that nothing is built for it alone;
//! `benches/src/bin/logs.rs` counts the real one.

use hopclock_tests::{command, scratch, tool};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Instructions a byte that each kind may cost: half as many again as when the number was written.
const ALLOWED: [(&str, Line, f64); 2] = [("access", access, 50.0), ("app", app, 66.0)];

/// Writes one line by its number.
type Line = fn(u64, &mut String);

/// Bytes of each log.
const SIZE: usize = 1 << 20;

#[test]
fn a_byte_of_a_log_costs_no_more_than_it_may() {
    let Some(valgrind) = tool("a_byte_of_a_log_costs_no_more_than_it_may", "valgrind") else {
        return;
    };
    let folder = scratch("log-cost");
    let mut over = Vec::new();
    for (name, line, allowed) in ALLOWED {
        // What a run costs however little there is to read falls out of the difference.
        let counts = [SIZE / 8, SIZE].map(|size| {
            let mut text = String::with_capacity(size + 1024);
            for number in 0.. {
                if text.len() >= size {
                    break;
                }
                line(number, &mut text);
            }
            let path = folder.join(format!("{name}-{size}.log"));
            std::fs::write(&path, &text).unwrap();
            (instructions(&valgrind, &path), text.len() as f64)
        });
        let [(few, short), (many, long)] = counts;
        let each = (many - few) / (long - short);
        println!("{name}: {each:.1} instructions a byte, {allowed} allowed");
        if !(1.0..=allowed).contains(&each) {
            over.push(format!("{name}: {each:.1}, {allowed} allowed"));
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(over.is_empty(), "instructions a byte: {}", over.join("; "));
}

/// Instructions of the command over one log.
fn instructions(valgrind: &Path, log: &Path) -> f64 {
    let mut run = Command::new(valgrind);
    run.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    run.arg(command::binary()).args(["rhythm", "--format", "json"]).arg(log);
    let ran = run.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    let total = said.lines().find_map(|l| l.split_once("Collected : "));
    let total = total.and_then(|(_, n)| n.trim().parse().ok());
    assert!(total.is_some(), "callgrind counted nothing: {said}");
    total.unwrap()
}

/// A time of day some milliseconds after midnight.
fn clock(number: u64) -> String {
    let ms = number * 37;
    let (h, m, s) = (ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{h:02}:{m:02}:{s:02}")
}

/// nginx's combined form; one reply in five hundred is the end of a connection.
fn access(number: u64, out: &mut String) {
    let status = if number % 500 == 7 { 499 } else { 200 };
    let (ip, bytes) = (number % 254, number * 7919 % 60_000);
    let _ = writeln!(
        out,
        "198.51.100.{ip} - - [10/May/2024:{} +0000] \"GET /api/v1/items/{number} HTTP/1.1\" \
         {status} {bytes} \"https://shop.example/\" \
         \"Mozilla/5.0 (X11; Linux x86_64) Firefox/125.0\"",
        clock(number)
    );
}

/// A Java service's form; one line in fifty speaks of a connection.
fn app(number: u64, out: &mut String) {
    let _ = write!(
        out,
        "2024-05-10 {}.{:03} INFO  [http-nio-8080-exec-{}] c.e.shop.OrderService - ",
        clock(number),
        number * 37 % 1000,
        number % 32
    );
    let _ = match number % 100 {
        7 => writeln!(out, "session {} closed: unexpected EOF", number / 100),
        57 => writeln!(out, "session {} opened from 192.0.2.9:40112", number / 100 + 1),
        rest if rest % 3 == 0 => {
            writeln!(out, "order {number} priced at {rest}.50 EUR for customer {rest}")
        }
        rest if rest % 3 == 1 => writeln!(out, "cache hit for key user:{number} in {rest} us"),
        rest => writeln!(out, "rendered template invoice.html for account {number} ({rest} rows)"),
    };
}
