//! How much memory `hopclock flows` takes for many open connections: it is fed a capture that is
//! made on the way, and asked of `/proc` when it begins to answer.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

/// Where the connections' packets are seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Once.
    Once,
    /// Where they come in and where they leave.
    Twice,
    /// The same, and translated between.
    Translated,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Connections told.
    pub told: u64,
    /// The most memory it ever held, in kB (`VmHWM`), of files mapped too.
    pub peak_kb: u64,
    /// Anonymous memory when it began to answer, in kB (`RssAnon`).
    pub anonymous_kb: u64,
}

/// Runs `binary` over `count` connections that all stay open.
///
/// # Errors
///
/// What starting it, its pipes or `/proc` say.
pub fn measure(binary: &Path, count: u32, seen: Seen) -> io::Result<Measured> {
    let mut child = Command::new(binary)
        .args(["flows", "--format", "jsonl", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let missing = || io::Error::other("no pipe");
    let feed = child.stdin.take().ok_or_else(missing)?;
    let answer = child.stdout.take().ok_or_else(missing)?;
    let feeder = thread::spawn(move || told(feed, count, seen));
    let measured = asked(&child, BufReader::new(answer));
    child.wait()?;
    feeder.join().map_err(|_| io::Error::other("the feeder ended early"))??;
    measured
}

fn asked(child: &Child, mut answer: impl BufRead) -> io::Result<Measured> {
    let mut first = String::new();
    answer.read_line(&mut first)?;
    let mut status = String::new();
    let path = format!("/proc/{}/status", child.id());
    std::fs::File::open(path)?.read_to_string(&mut status)?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let (peak_kb, anonymous_kb) = (field("VmHWM:"), field("RssAnon:"));
    let told = 1 + answer.lines().map_while(Result::ok).count() as u64;
    Ok(Measured { told, peak_kb, anonymous_kb })
}

/// Writes the capture: Linux cooked 2, a handshake and a word of the client for each.
fn told(feed: ChildStdin, count: u32, seen: Seen) -> io::Result<()> {
    let mut out = BufWriter::new(feed);
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 276] {
        out.write_all(&word.to_le_bytes())?;
    }
    let mut number = 0;
    for n in 0..count {
        let client = (0x0a00_0000 + (n >> 15), 1024 + (n & 0x7fff) as u16);
        let moved = (0xcb00_7101 + (n >> 15), client.1);
        let outside = if seen == Seen::Translated { moved } else { client };
        let (seq, ack) =
            (n.wrapping_mul(0x9e37_79b9) | 1 << 16, n.wrapping_mul(0x85eb_ca6b) | 1 << 16);
        for (by_client, flags, fill, payload) in
            [(true, 2, 0, 0), (false, 0x12, 0, 0), (true, 0x10, 1, 0), (true, 0x18, 1, 5)]
        {
            let mut places = [(2, client, 64), (3, outside, 63)];
            if !by_client {
                places = [(3, outside, 57), (2, client, 56)];
            }
            let wanted = if seen == Seen::Once { 1 } else { 2 };
            for (interface, client, ttl) in places.into_iter().take(wanted) {
                let numbers = if by_client { [seq + fill, ack + fill] } else { [ack, seq + 1] };
                let id = (n as u16).wrapping_mul(4).wrapping_add(flags);
                let segment = (numbers, flags as u8, payload, id);
                packet(&mut out, number, (interface, ttl), (client, by_client), segment)?;
                number += 1;
            }
        }
    }
    out.flush()
}

type Segment = ([u32; 2], u8, u16, u16);

fn packet(
    out: &mut impl Write,
    number: u32,
    (interface, ttl): (u8, u8),
    ((host, port), by_client): ((u32, u16), bool),
    ([seq, ack], flags, payload, id): Segment,
) -> io::Result<()> {
    let length = 20 + 20 + 20 + u32::from(payload);
    let stamp = [1_700_000_000 + number / 100_000, number % 100_000 * 10, length, length];
    for word in stamp {
        out.write_all(&word.to_le_bytes())?;
    }
    out.write_all(&[8, 0, 0, 0, 0, 0, 0, interface, 0, 1, 0, 6, 2, 0, 0, 0, 0, interface, 0, 0])?;
    let server = (0xc633_6407_u32, 443_u16);
    let (from, to) = if by_client { ((host, port), server) } else { (server, (host, port)) };
    out.write_all(&[0x45, 0])?;
    out.write_all(&(40 + payload).to_be_bytes())?;
    out.write_all(&id.to_be_bytes())?;
    out.write_all(&[0x40, 0, ttl, 6, 0, 0])?;
    for word in [from.0, to.0] {
        out.write_all(&word.to_be_bytes())?;
    }
    for port in [from.1, to.1] {
        out.write_all(&port.to_be_bytes())?;
    }
    for word in [seq, ack] {
        out.write_all(&word.to_be_bytes())?;
    }
    out.write_all(&[0x50, flags, 1, 0xf4, 0, 0, 0, 0])?;
    out.write_all(b"hello".get(..usize::from(payload)).unwrap_or_default())
}
