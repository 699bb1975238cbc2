//! Every example that holds a capture, the sysctls and dated dumps of one host: the capture,
//! replayed under those sysctls, must give what the dumps print.

use hopclock_core::capture::{Ready, Stream};
use hopclock_core::conntrack::packet::{Tuple, proto};
use hopclock_core::conntrack::version::JUDGED;
use hopclock_core::conntrack::{Entry, Replay, Settings};
use hopclock_core::dump::conntrack as dump;
use hopclock_core::time::Moment;
use hopclock_tests::evidence::{Item, What, items};
use hopclock_tests::judge::recording::settings_of;
use hopclock_tests::repo;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// Entries of dumps that must have been compared, one of them in a folder made here. May only grow.
const COMPARED_MIN: usize = 4;

/// What comparing a folder came to.
#[derive(Debug, Default)]
struct Compared {
    /// Printed entries that the replay has, too.
    same: usize,
    /// One line each.
    differ: Vec<String>,
    /// Why something was not compared.
    not: Vec<String>,
}

fn compare(folder: &Path) -> Compared {
    let mut compared = Compared::default();
    let all = items(folder).unwrap();
    let captures = all.iter().filter(|i| matches!(i.what, What::Capture(_)));
    let mut some = false;
    for capture in captures {
        some = true;
        let name = capture.path.strip_prefix(folder).unwrap().display().to_string();
        let Some((settings, _)) = settings_of(&all, capture) else {
            compared.not.push(format!("{name}: no conntrack sysctls of its host"));
            continue;
        };
        let mut dumps: Vec<(&Item, &[dump::Entry], Moment)> = all
            .iter()
            .filter(|i| i.is_of(capture))
            .filter_map(|i| match &i.what {
                What::Entries(entries) => Some((i, entries.as_slice(), i.at?)),
                _ => None,
            })
            .collect();
        if dumps.is_empty() {
            compared.not.push(format!("{name}: no dated dump of its host's table"));
            continue;
        }
        dumps.sort_by_key(|(_, _, at)| *at);
        replay(capture, settings, &dumps, &mut compared);
    }
    if !some {
        compared.not.push("no capture".to_owned());
    }
    compared
}

fn replay(
    capture: &Item,
    settings: Settings,
    dumps: &[(&Item, &[dump::Entry], Moment)],
    compared: &mut Compared,
) {
    let What::Capture(bytes) = &capture.what else { return };
    let mut replay = Replay::new(settings, JUDGED);
    let tcp = dumps.iter().flat_map(|(_, entries, _)| *entries).filter(|e| e.protocol == "tcp");
    for entry in tcp {
        if let Some(reply) = entry.reply {
            replay.translate(tuple_of(&entry.original), tuple_of(&reply));
        }
    }
    let mut stream = Stream::new();
    stream.feed(bytes);
    stream.end();
    let mut opened: HashSet<Tuple> = HashSet::new();
    let mut dumps = dumps.iter().peekable();
    let mut latest = None;
    while matches!(stream.advance(), Ready::Packet) {
        let Some(packet) = stream.packet() else { break };
        while let Some(dump) = dumps.next_if(|(_, _, at)| *at <= packet.at) {
            held(&mut replay, &opened, dump, latest.is_some(), compared);
        }
        latest = Some(packet.at);
        if let Some(sight) = replay.judge(&packet, 0)
            && sight.judged.created
        {
            opened.insert(sight.tuple);
        }
    }
    for dump in dumps {
        held(&mut replay, &opened, dump, true, compared);
    }
}

/// One dump against the replayed table at its moment.
fn held(
    replay: &mut Replay,
    opened: &HashSet<Tuple>,
    (item, entries, at): &(&Item, &[dump::Entry], Moment),
    begun: bool,
    compared: &mut Compared,
) {
    replay.advance_to(*at, &mut Vec::new());
    for printed in entries.iter().filter(|e| e.protocol == "tcp") {
        let tuple = tuple_of(&printed.original);
        if !begun || !opened.contains(&tuple) {
            compared.not.push(format!("{}: its opening was not captured", told(item, printed)));
            continue;
        }
        let found = replay.table().find(&tuple).map(|(entry, _)| *entry);
        match found.filter(|entry| same(entry, printed, *at)) {
            Some(_) => compared.same += 1,
            None => {
                compared.differ.push(format!("{}: the replay has {found:?}", told(item, printed)))
            }
        }
    }
    // A dump of the whole table must have what the replay has.
    let whole = item.command.as_deref().is_some_and(|c| c.trim().ends_with("conntrack -L"));
    for entry in replay.table().entries().filter(|_| whole) {
        let there = entries.iter().any(|e| tuple_of(&e.original) == entry.original);
        let tcp = entry.original.proto == proto::TCP;
        if tcp && !there && entry.remaining_s(*at) > 2 {
            let line = format!("{}: not printed: {entry:?}", item.path.display());
            compared.differ.push(line);
        }
    }
}

/// The kernel cuts to whole seconds; a stamp of whole seconds may be another second off.
fn same(entry: &Entry, printed: &dump::Entry, at: Moment) -> bool {
    let off = if at.ns() % 1_000_000_000 == 0 { 2 } else { 1 };
    let left = i64::from(entry.remaining_s(at));
    let remaining = printed.remaining_s.is_some_and(|s| (left - s as i64).abs() <= off);
    let state = printed.tcp_state.as_deref() == entry.tcp_state().map(|s| s.name());
    remaining
        && state
        && printed.assured == entry.status.assured
        && printed.unreplied != entry.status.seen_reply
}

fn told(item: &Item, entry: &dump::Entry) -> String {
    let mut text = format!("{} line {}", item.path.display(), entry.line);
    if let (Some(left), Some(state)) = (entry.remaining_s, &entry.tcp_state) {
        let _ = write!(text, " ({left} s, {state})");
    }
    text
}

fn tuple_of(t: &dump::Tuple) -> Tuple {
    Tuple { src: t.src, dst: t.dst, sport: t.sport, dport: t.dport, proto: proto::TCP }
}

#[test]
fn every_examples_capture_gives_the_dumps_beside_it() {
    let mut same = 0;
    let (mut differ, mut not) = (Vec::new(), Vec::new());
    let made = crate::tables::healthy_folder(590);
    let examples = std::fs::read_dir(repo().join("examples")).unwrap();
    let examples = examples.map(|folder| folder.unwrap().path());
    for folder in examples.chain([made.clone()]) {
        if folder.is_dir() {
            let compared = compare(&folder);
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            if compared.same > 0 {
                // Past the harness's capture: which examples this rests on is part of the answer.
                let _ = writeln!(
                    std::io::stderr(),
                    "compared: {name}: {} entries of its dumps are as replayed",
                    compared.same
                );
            }
            not.extend(compared.not.into_iter().map(|why| format!("{name}: {why}")));
            same += compared.same;
            differ.extend(compared.differ);
        }
    }
    std::fs::remove_dir_all(made).unwrap();
    assert!(differ.is_empty(), "{differ:#?}");
    assert!(same >= COMPARED_MIN, "only {same} entries of dumps were compared: {not:#?}");
}

#[test]
fn a_folder_that_agrees_is_counted_and_one_that_does_not_is_told() {
    for (left, same, differ) in [(590, 1, 0), (300, 0, 1)] {
        let folder = crate::tables::healthy_folder(left);
        let compared = compare(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!((compared.same, compared.differ.len()), (same, differ), "{compared:#?}");
    }
}
