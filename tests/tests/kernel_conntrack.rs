//! The running kernel judges the conntrack model; each known mistake in the model must be caught.
//!
//! Needs root and Linux 6.18, whose rules the model has by default; works in a network namespace
//! of its own.

use hopclock_core::conntrack::Settings;
use hopclock_tests::judge::mutation::Mutation;
use hopclock_tests::judge::recording::Bench;
use hopclock_tests::judge::run::{Difference, Runner, judge};
use hopclock_tests::{material, repo, skip};
use std::path::{Path, PathBuf};

/// Packets sent to the kernel.
const PACKETS: u64 = 200_000;
const SEED: u64 = 20_240_510;

#[test]
fn the_kernel_agrees_with_the_model_and_with_no_mutation_of_it() {
    const NAME: &str = "the_kernel_agrees_with_the_model_and_with_no_mutation_of_it";
    let mut runner = match Runner::start(SEED) {
        Ok(runner) => runner,
        Err(why) => return skip(NAME, &why.to_string()),
    };
    let trace = runner.run(PACKETS).unwrap();
    let difference = judge(&trace, Mutation::None).map(|difference| told(&difference));
    assert_eq!(difference, None);
    let missed: Vec<&Mutation> =
        Mutation::ALL.iter().filter(|mutation| judge(&trace, **mutation).is_none()).collect();
    assert!(missed.is_empty(), "not caught by {PACKETS} packets: {missed:?}");
}

fn told(difference: &Difference) -> String {
    format!("deed {}: {}\n{}", difference.deed, difference.what.join("\n"), difference.about)
}

/// Every capture below a folder.
fn captures(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            captures(&path, into);
        } else if name.ends_with(".pcap") || name.ends_with(".pcapng") {
            into.push(path);
        }
    }
}

/// Both, packet by packet, under two settings of `loose`; how many packets that were.
fn recordings(folder: &Path, name: &str) -> Option<u64> {
    let mut bench = match Bench::start() {
        Ok(bench) => bench,
        Err(why) => {
            skip(name, &why.to_string());
            return None;
        }
    };
    let mut all = Vec::new();
    captures(folder, &mut all);
    let mut judged = 0;
    for path in all {
        let file = std::fs::read(&path).unwrap();
        for tcp_loose in [true, false] {
            let settings = Settings { tcp_loose, ..Settings::default() };
            let outcome = bench.recording(&file, settings).unwrap();
            judged += outcome.judged;
            let difference = outcome.difference.map(|difference| told(&difference));
            assert_eq!(difference, None, "{}", path.display());
        }
    }
    Some(judged)
}

#[test]
fn the_kernel_judges_every_example_as_the_model_does() {
    let name = "the_kernel_judges_every_example_as_the_model_does";
    if let Some(judged) = recordings(&repo().join("examples"), name) {
        assert!(judged > 1000, "only {judged} packets were judged");
    }
}

/// Hop captures under the hop's own sysctls: the examples', and the made one below.
#[test]
fn the_kernel_judges_a_hops_capture_under_the_hops_own_settings() {
    let name = "the_kernel_judges_a_hops_capture_under_the_hops_own_settings";
    let mut bench = match Bench::start() {
        Ok(bench) => bench,
        Err(why) => return skip(name, &why.to_string()),
    };
    let made = crate::tables::frozen_folder();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(repo().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.push(made.clone());
    let mut judged = 0;
    for folder in folders {
        for one in bench.folder(&folder).unwrap() {
            judged += one.outcome.judged;
            let difference = one.outcome.difference.map(|difference| told(&difference));
            assert_eq!(difference, None, "{}", one.capture.display());
        }
    }
    std::fs::remove_dir_all(made).unwrap();
    assert!(judged >= 40, "only {judged} packets were judged");
}

#[test]
fn the_kernel_judges_every_capture_of_the_material_as_the_model_does() {
    let name = "the_kernel_judges_every_capture_of_the_material_as_the_model_does";
    let Some(folder) = material(name) else { return };
    if let Some(judged) = recordings(&folder.join("captures"), name) {
        assert!(judged > 1000, "only {judged} packets were judged");
    }
}
