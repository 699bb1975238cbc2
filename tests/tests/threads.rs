//! However many threads there are, `flows` says the same to the byte.

use hopclock_core::capture::{Packet, Ready, Stream};
use hopclock_core::flow::{Batch, Finished, Observer, Sifter, Table};
use hopclock_tests::command::Hopclock;
use hopclock_tests::packets::{Dice, Pcapng, Tcp, ethernet, ipv4, udp};
use hopclock_tests::{repo, scratch};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Connections whose packets a table of this size cannot keep all.
const CONNECTIONS: u64 = 90;
const ROOM: usize = 40;

/// Traffic of every kind that is decided by more than one packet: openings on used ports, repeated
/// segments, packets seen before and behind a router and a translation, errors about them,
/// fragments, and what is no TCP.
fn traffic(seed: u64, packets: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let mut file = Pcapng::default();
    let mut seq = vec![[1_000_000_u32, 9_000_000]; CONNECTIONS as usize];
    let mut sent: Vec<(Vec<u8>, bool)> = Vec::new();
    for n in 0..packets {
        let at = dice.below(CONNECTIONS);
        let up = dice.below(2) == 0;
        let (own, other) = if up { (0, 1) } else { (1, 0) };
        let numbers = &mut seq[at as usize];
        let flags = [0x10, 0x18, 0x18, 0x18, 0x02, 0x12, 0x11, 0x04][dice.below(8) as usize];
        let flags = if n % 16 == 0 { flags } else { flags | 0x10 };
        let payload = if flags & 8 == 0 { Vec::new() } else { vec![0x17; dice.below(60) as usize] };
        let ports = if up { (2000 + at as u16, 443) } else { (443, 2000 + at as u16) };
        let tcp = Tcp {
            src: ports.0,
            dst: ports.1,
            seq: numbers[own],
            ack: if flags & 0x10 == 0 { 0 } else { numbers[other] },
            flags,
            window: 500,
            options: [&[1, 1, 8, 10][..], &(n as u32).to_be_bytes(), &[0, 0, 0, 7]].concat(),
            payload,
        };
        if dice.below(8) > 0 {
            numbers[own] += tcp.payload.len() as u32 + u32::from(flags & 3 != 0);
        }
        let (client, server) = ([192, 0, 2, 1 + (at % 7) as u8], [198, 51, 100, 20]);
        let ends = if up { [client, server] } else { [server, client] };
        let datagram = ipv4(ends, 6, (n as u16, 0x4000), &tcp.bytes());
        let mut put = |datagram: &[u8], kept: usize| {
            file.packet(1, &ethernet(0x0800, datagram), kept);
        };
        match dice.below(10) {
            0 => put(&ipv4(ends, 17, (1, 0), &udp(53, 53, &[0; 9])), 200),
            1 => {
                let quote = [&[11, 0, 0, 0, 0, 0, 0, 0], &datagram[..28]].concat();
                put(&ipv4([[203, 0, 113, 9], ends[0]], 1, (7, 0), &quote), 200);
            }
            2 => put(&ipv4(ends, 6, (n as u16, 0x2000), &tcp.bytes()[..24]), 90),
            _ => {}
        }
        put(&datagram, if n % 31 == 0 { 45 } else { 96 });
        sent.push((datagram, up));
        // A little later one of the last few goes on, to another place, perhaps translated.
        if dice.below(3) == 0 {
            let back = dice.below(3.min(sent.len() as u64)) as usize;
            let (mut again, up) = sent[sent.len() - 1 - back].clone();
            again[8] -= 1;
            if dice.below(2) == 0 {
                let end = if up { 12 } else { 16 };
                again[end..end + 4].copy_from_slice(&[203, 0, 113, 5]);
            }
            let mut frame = ethernet(0x0800, &again);
            frame[5] = 9;
            file.packet(1, &frame, 96);
        }
    }
    file.finish()
}

fn shown(file: &[u8], mut show: impl FnMut(&Packet<'_>)) {
    let mut stream = Stream::new();
    stream.feed(file);
    while stream.advance() == Ready::Packet {
        show(&stream.packet().unwrap());
    }
}

/// One packet after the other, and in batches of a size: those that gave way, and the rest.
#[test]
fn batches_of_any_size_fold_into_the_same_connections() {
    let names = || vec!["made.pcapng".to_owned()];
    for seed in [1, 2, 3] {
        let file = traffic(seed, 6_000);
        let mut observer = Observer::bounded(names(), ROOM);
        let mut one_by_one: Vec<Finished> = Vec::new();
        shown(&file, |packet| one_by_one.extend(observer.packet(packet, 0)));
        assert!(observer.table().evicted() > 0, "nothing had to give way");
        let tally = *observer.tally();
        assert!(tally.icmp_errors > 0 && tally.stopped > 0 && tally.segments > 6_000);
        one_by_one.extend(observer.finish());
        assert!(one_by_one.iter().any(|flow| !flow.record.also_known_as.is_empty()));
        for size in [1, 2, 17, 256] {
            let (mut sifter, mut table) = (Sifter::new(), Table::new(names(), ROOM));
            let (mut batch, mut folded) = (Batch::with_room(size), Vec::new());
            shown(&file, |packet| {
                sifter.packet(packet, 0, &mut batch);
                if batch.len() >= size {
                    table.fold(&batch, &mut |flow| folded.push(flow));
                    batch.clear();
                }
            });
            table.fold(&batch, &mut |flow| folded.push(flow));
            assert_eq!(*sifter.tally(), tally);
            folded.extend(table.finish());
            assert!(folded == one_by_one, "seed {seed}: batches of {size} tell otherwise");
        }
    }
}

fn answer(files: &[PathBuf], format: &str, threads: &str) -> (Option<i32>, String, String) {
    let mut args = vec!["flows".into(), "--utc".into(), "--format".into(), format.into()];
    args.extend(["--threads".into(), threads.into()]);
    args.extend(files.iter().map(|file| file.clone().into_os_string()));
    let ran = Hopclock::new(args).run();
    (ran.code, ran.out, ran.err)
}

fn captures_below(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            captures_below(&path, into);
        } else if path.extension().is_some_and(|end| end == "pcapng" || end == "pcap") {
            into.push(path);
        }
    }
}

#[test]
fn flows_says_the_same_on_one_thread_and_on_two() {
    let folder = scratch("threads");
    let made = folder.join("made.pcapng");
    fs::write(&made, traffic(9, 20_000)).unwrap();
    // More than is read before a thread of its own unpacks.
    let packed = Command::new("gzip").arg("-c").arg(&made).output().unwrap();
    let gzip = folder.join("made.pcapng.gz");
    fs::write(&gzip, &packed.stdout).unwrap();
    let cut = folder.join("cut.pcapng.gz");
    fs::write(&cut, &packed.stdout[..packed.stdout.len() / 2]).unwrap();
    let mut examples = Vec::new();
    captures_below(&repo().join("examples"), &mut examples);
    assert!(examples.len() > 3, "no examples");
    let mut sets: Vec<Vec<PathBuf>> = examples.iter().map(|file| vec![file.clone()]).collect();
    sets.push(examples);
    sets.extend([vec![made.clone()], vec![gzip.clone()], vec![cut], vec![made, gzip]]);
    for files in &sets {
        for format in ["json", "jsonl", "text"] {
            let (one, two) = (answer(files, format, "1"), answer(files, format, "2"));
            assert!(one == two, "{files:?} as {format}");
            assert_eq!(one.0, Some(0), "{files:?}");
        }
    }
    fs::remove_dir_all(folder).unwrap();
}
