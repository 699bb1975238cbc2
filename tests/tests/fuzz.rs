//! Every fuzz target over mutated seeds, a fixed number of times: no panic, no broken law. The
//! coverage-guided run of the same targets is `fuzz/run`.
//!
//! `HOPCLOCK_FUZZ_RUNS` sets the number of inputs a target, `HOPCLOCK_FUZZ_SEED` the dice.

use hopclock_tests::fuzz::{LINKS, Mutator, TARGETS, shrunk};
use hopclock_tests::repo;
use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Seeds longer than this make few inputs a second and few hits a byte.
const SEED_MAX: u64 = 16 << 10;

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).ok().map_or(otherwise, |set| set.parse().unwrap())
}

/// Small files below a folder.
fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, into);
        } else if fs::metadata(&path).unwrap().len() <= SEED_MAX {
            into.push(path);
        }
    }
}

fn is_capture(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "pcap" || kind == "pcapng")
}

/// Seeds of a target: recordings, logs and dumps of the repository, and of the material if there.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    let mut folders = vec![repo().join("tests/captures")];
    if matches!(target, "dump" | "log") {
        folders = vec![repo().join("tests/logs"), repo().join("examples")];
        folders.push(repo().join("crates/core/src/dump/rules/samples"));
        folders.push(repo().join("crates/core/src/dump/config/samples"));
    } else if target == "capture"
        && let Some(material) = env::var_os("HOPCLOCK_MATERIAL")
    {
        folders.push(repo().join(material).join("captures"));
    }
    folders.iter().for_each(|folder| files(folder, &mut paths));
    let wanted = |path: &&PathBuf| match target {
        "dump" | "log" => !is_capture(path),
        "capture" => path.extension().is_none_or(|kind| kind != "gz" && kind != "tsv"),
        _ => is_capture(path),
    };
    let texts = paths.iter().filter(wanted).map(|path| fs::read(path).unwrap());
    match target {
        "wire" => texts.map(|file| packets_of(&file)).chain(carriers()).collect(),
        // Deeds have no files: what stands in one is as good as dice.
        "deeds" => texts.take(8).collect(),
        // A byte of chunk size first.
        _ => texts.map(|text| [&[17][..], &text].concat()).collect(),
    }
}

/// A capture's packets as the target `wire` takes them.
fn packets_of(file: &[u8]) -> Vec<u8> {
    let mut stream = hopclock_core::capture::Stream::new();
    stream.feed(file);
    stream.end();
    let mut out = Vec::new();
    while stream.advance() == hopclock_core::capture::Ready::Packet {
        let packet = stream.packet().unwrap();
        let link = LINKS.iter().position(|link| *link == packet.link.0);
        out.push(link.unwrap_or(LINKS.len() - 1) as u8);
        out.extend((packet.bytes.len() as u16).to_le_bytes());
        out.push(0);
        out.extend(packet.bytes);
    }
    out
}

/// A conversation in every carrier that is held against tshark.
fn carriers() -> Vec<Vec<u8>> {
    crate::tshark::carried().into_iter().map(|file| packets_of(&file)).collect()
}

#[test]
fn no_input_breaks_a_reader() {
    // While an input is made shorter it fails a thousand times: the last word is enough.
    static SAID: Mutex<String> = Mutex::new(String::new());
    let here = std::thread::current().id();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == here {
            *SAID.lock().unwrap() = panic.to_string();
        } else {
            usual(panic);
        }
    }));
    let runs = number("HOPCLOCK_FUZZ_RUNS", 4000);
    let dice = number("HOPCLOCK_FUZZ_SEED", 1);
    for (name, target) in TARGETS {
        let mut mutator = Mutator::new(seeds(name), dice);
        for run in 0..runs {
            let input = mutator.draw();
            let mut fails =
                |bytes: &[u8]| catch_unwind(AssertUnwindSafe(|| target(bytes))).is_err();
            if !fails(&input) {
                continue;
            }
            let short = shrunk(&input, &mut fails);
            let path = env::temp_dir().join(format!("hopclock-{name}-{dice}-{run}"));
            fs::write(&path, &short).unwrap();
            let size = short.len();
            let kept = path.display();
            let _ = fails(&short);
            let said = SAID.lock().unwrap().clone();
            drop(std::panic::take_hook());
            assert!(
                said.is_empty(),
                "{name}, seed {dice}, run {run}: {size} bytes in {kept}: {said}"
            );
        }
    }
}
