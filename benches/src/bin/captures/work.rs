//! The pieces of work that are timed and counted, each from the bytes of a made capture.

use hopclock_core::capture::{self, Stream};
use hopclock_core::conntrack::{self, Kernel, Replay, Rules, Settings, Table, read, version};
use hopclock_core::flow::{Batch, FLOWS_MAX, Observer, Sifter, Table as Connections};
use hopclock_core::path::{Point, PointReader, align};
use hopclock_core::time::{Gap, Moment};
use hopclock_core::wire::ip_packet;
use ruzstd::decoding::StreamingDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// How much is fed at once, as the command reads files.
const CHUNK: usize = 256 * 1024;

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Each header is touched once, and nothing is remembered.
    Floor,
    /// Packets are taken out of the file, and nothing is done with them.
    Capture,
    /// Packets are taken out and made into batches for the table of connections.
    Sift,
    /// Everything `flows` does but for its output, on one thread.
    Flows,
    /// Packets are taken out and read as the table wants them.
    Read,
    /// The table alone, over packets read before the clock starts.
    Table,
    /// Everything `replay` does but for its output.
    Model,
    /// The capture against itself as another place of the path would have it: read twice, with
    /// their connections, and compared.
    Pair,
}

impl Work {
    /// All of them, the least first.
    pub const ALL: [Work; 8] = [
        Work::Floor,
        Work::Capture,
        Work::Sift,
        Work::Flows,
        Work::Read,
        Work::Table,
        Work::Model,
        Work::Pair,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Work::Floor => "floor",
            Work::Capture => "capture",
            Work::Sift => "sift",
            Work::Flows => "flows",
            Work::Read => "read",
            Work::Table => "table",
            Work::Model => "model",
            Work::Pair => "pair",
        }
    }

    /// The work of this name.
    pub fn named(name: &str) -> Option<Work> {
        Work::ALL.into_iter().find(|w| w.name() == name)
    }
}

/// Does a piece of work; gives back the packets, and a number that depends on all of them, so that
/// nothing can be left out.
pub(crate) fn done(work: Work, file: &[u8]) -> (u64, u64) {
    match work {
        Work::Floor => floor(file),
        Work::Capture => capture(file),
        Work::Sift => sifted(file, |batch| batch.len() as u64),
        Work::Flows => {
            let mut table = Connections::new(vec!["made.pcap".to_owned()], FLOWS_MAX);
            let (packets, _) = sifted(file, |batch| {
                table.fold(batch, &mut |_| {});
                0
            });
            (packets, table.len() as u64)
        }
        Work::Read => reading(file),
        Work::Table => {
            let packets = packets(file);
            (packets.len() as u64, table(&packets))
        }
        Work::Model => model(file),
        Work::Pair => pair(file),
    }
}

/// The floor as a program would be: the file is mapped and each header touched once.
///
/// # Errors
///
/// What the file system says.
pub fn mapped(path: &Path) -> io::Result<(u64, u64)> {
    let file = File::open(path)?;
    // SAFETY: the file was made by this bench and nobody else writes it; were it cut short, this
    // process alone would end.
    let map = unsafe { memmap2::Mmap::map(&file)? };
    Ok(floor(&map))
}

/// Unpacks a file with the library the command unpacks with, and counts the bytes.
///
/// # Errors
///
/// What the file system or the library says.
pub fn unpacked(path: &Path) -> io::Result<u64> {
    let raw = BufReader::with_capacity(CHUNK, File::open(path)?);
    let mut reader: Box<dyn Read> = if path.extension().is_some_and(|end| end == "zst") {
        Box::new(StreamingDecoder::new(raw).map_err(io::Error::other)?)
    } else {
        Box::new(flate2::read::MultiGzDecoder::new(raw))
    };
    let (mut chunk, mut bytes) = (vec![0; CHUNK], 0);
    loop {
        match reader.read(&mut chunk)? {
            0 => return Ok(bytes),
            count => bytes += count as u64,
        }
    }
}

/// Walks the records of a little-endian pcap with Ethernet, IPv4 and TCP.
fn floor(file: &[u8]) -> (u64, u64) {
    let word = |at: usize| {
        let four = file.get(at..at + 4).and_then(|w| w.try_into().ok());
        four.map_or(0, u32::from_le_bytes)
    };
    let (mut at, mut count, mut sum) = (24, 0, 0u64);
    while at + 16 <= file.len() {
        let kept = word(at + 8) as usize;
        // Time, addresses, ports, numbers, flags.
        for offset in [0, 4, 42, 46, 50, 54, 58, 62] {
            sum = sum.wrapping_add(u64::from(word(at + offset)));
        }
        count += 1;
        at += 16 + kept;
    }
    (count, sum)
}

/// Packets in a batch, as the command has it.
const BATCH: usize = 256;

/// Sifts every packet; `fold` takes a batch and gives a number.
fn sifted(file: &[u8], mut fold: impl FnMut(&Batch) -> u64) -> (u64, u64) {
    let (mut sifter, mut batch) = (Sifter::new(), Batch::with_room(BATCH));
    let mut sum = 0_u64;
    let count = each(file, |packet| {
        sifter.packet(packet, 0, &mut batch);
        if batch.len() >= BATCH {
            sum = sum.wrapping_add(fold(&batch));
            batch.clear();
        }
    });
    (count, sum.wrapping_add(fold(&batch)))
}

/// Shows each packet of the file to `show`.
fn each(file: &[u8], mut show: impl FnMut(&capture::Packet<'_>)) -> u64 {
    let mut stream = Stream::new();
    let mut count = 0;
    for chunk in file.chunks(CHUNK) {
        stream.each(chunk, &mut |packet| {
            count += 1;
            show(packet);
        });
    }
    count
}

fn capture(file: &[u8]) -> (u64, u64) {
    let mut sum = 0u64;
    let count = each(file, |p| sum = sum.wrapping_add(p.bytes.len() as u64 ^ p.at.ns() as u64));
    (count, sum)
}

fn reading(file: &[u8]) -> (u64, u64) {
    let mut sum = 0u64;
    let count = each(file, |p| {
        if let Some(Ok(packet)) = ip_packet(p).map(read::read) {
            sum = sum.wrapping_add(u64::from(packet.l3_len) ^ u64::from(packet.tuple.sport));
        }
    });
    (count, sum)
}

/// Every packet with its moment, read.
pub(crate) fn packets(file: &[u8]) -> Vec<(Moment, conntrack::Packet)> {
    let mut all = Vec::new();
    each(file, |p| {
        if let Some(Ok(packet)) = ip_packet(p).map(read::read) {
            all.push((p.at, packet));
        }
    });
    all
}

/// Judges packets; how many refreshed their entry.
pub(crate) fn table(packets: &[(Moment, conntrack::Packet)]) -> u64 {
    let mut table = Table::new(Settings::default(), Rules::default());
    let mut refreshed = 0;
    for (at, packet) in packets {
        refreshed += u64::from(table.packet(*at, packet).refreshed);
        table.drain_events();
    }
    refreshed
}

fn model(file: &[u8]) -> (u64, u64) {
    const KERNEL: Kernel = version::JUDGED;
    let mut replay = Replay::new(Settings::default(), KERNEL);
    let mut refreshed = 0;
    let count = each(file, |p| {
        refreshed += replay.judge(p, 0).map_or(0, |s| u64::from(s.judged.refreshed));
        replay.drain_events();
    });
    (count, refreshed)
}

/// Where the TTL stands in an Ethernet frame, and the port of the server's packets.
const TTL: usize = 22;
const SOURCE_PORT: std::ops::Range<usize> = 34..36;

fn pair(file: &[u8]) -> (u64, u64) {
    let [near, far] = [point(file, false), point(file, true)];
    let path = align(&near, &far);
    let packets = near.packets() + far.packets();
    (packets as u64, path.paired ^ path.packets.both)
}

/// The capture as one place has it; the far one by a clock that is a second ahead, a fifth of a
/// millisecond down the way.
fn point(file: &[u8], is_far: bool) -> Point {
    let (mut observer, mut reader) = (Observer::new(vec!["made".to_owned()]), PointReader::new());
    let mut frame = Vec::new();
    each(file, |packet| {
        frame.clear();
        frame.extend_from_slice(packet.bytes);
        let is_servers = frame.get(SOURCE_PORT) == Some(&[1, 187]);
        if let Some(ttl) = frame.get_mut(TTL).filter(|_| is_far != is_servers) {
            *ttl -= 1;
        }
        let later = match (is_far, is_servers) {
            (false, _) => 0,
            (true, false) => 1_000_200_000,
            (true, true) => 999_800_000,
        };
        let at = packet.at.plus(Gap::from_ns(later));
        let seen = capture::Packet { at, bytes: &frame, ..*packet };
        observer.packet(&seen, 0);
        reader.packet(&seen);
    });
    let flows: Vec<_> = observer.finish().collect();
    reader.finish("made", &flows, false)
}
