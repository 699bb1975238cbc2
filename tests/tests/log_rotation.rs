//! A log that was rotated through several files is one log: whatever the order in which its files
//! are named, however they are packed, by the command and in a folder.

use hopclock_tests::command::{Ran, run};
use hopclock_tests::{scratch, skip};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The lines of a client that is cut off every twelve hours, opened again two seconds later: ten
/// lives, in three parts, the second life and the sixth reaching over a border.
fn parts(stamp: impl Fn(i64) -> String) -> [String; 3] {
    let mut parts = [String::new(), String::new(), String::new()];
    for life in 0..10 {
        let at = life * 43_202;
        let of = |from: i64| usize::from(life >= from) + usize::from(life >= from + 4);
        let text = &mut parts[of(2)];
        writeln!(text, "{} INFO upstream: connected to 192.0.2.8:443", stamp(at)).unwrap();
        let text = &mut parts[of(1)];
        writeln!(text, "{} WARN upstream: unexpected EOF", stamp(at + 43_200)).unwrap();
    }
    parts
}

fn dated(secs: i64) -> String {
    jiff::Timestamp::from_second(1_715_310_862 + secs).unwrap().to_string()
}

/// Packs a file by a program people know; false where that is not installed.
fn packed(program: &str, path: &Path) -> bool {
    let ran = Command::new(program).arg("-q").arg(path).status();
    // zstd keeps what it packs.
    let _ = ran.as_ref().map(|_| fs::remove_file(path));
    ran.is_ok_and(|status| status.success())
}

/// Writes the three files, the oldest packed, and gives them oldest first.
fn written(
    folder: &Path,
    names: [&str; 3],
    pack: (&str, &str),
    texts: &[String; 3],
) -> Option<Vec<PathBuf>> {
    fs::create_dir_all(folder).unwrap();
    let mut paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    for (path, text) in paths.iter().zip(texts) {
        fs::write(path, text).unwrap();
    }
    let (program, ending) = pack;
    if !packed(program, &paths[0]) {
        return None;
    }
    paths[0] = folder.join(format!("{}{ending}", names[0]));
    Some(paths)
}

fn told(verb: &str, paths: &[&Path]) -> Ran {
    let paths = paths.iter().map(|p| p.to_str().unwrap());
    run([verb, "--format", "json"].into_iter().chain(paths))
}

/// Events, lives whose openings were found, the period.
fn series(ran: &Ran) -> (u64, u64, f64) {
    let told = ran.json();
    assert_eq!(told["series"].as_array().unwrap().len(), 1, "{told:#}");
    let one = &told["series"][0];
    let number = |v: &serde_json::Value| v.as_u64().unwrap();
    let period = one["rhythm"]["period_s"].as_f64().unwrap();
    (number(&one["rhythm"]["events"]), number(&one["lines"]["opens"]), period)
}

#[test]
fn any_order_any_packing_and_a_folder_give_one_log() {
    let test = "any_order_any_packing_and_a_folder_give_one_log";
    let logrotate = ["app.log.2", "app.log.1", "app.log"];
    let by_date = ["app-2024-05-10.log", "app-2024-05-12.log", "app.log"];
    // log4j may give the newest the highest number: the stamps tell.
    let upwards = ["app.log.1", "app.log.2", "app.log"];
    let rows = [
        (logrotate, ("gzip", ".gz")),
        (logrotate, ("xz", ".xz")),
        (by_date, ("zstd", ".zst")),
        (upwards, ("gzip", ".gz")),
    ];
    for (row, (names, pack)) in rows.into_iter().enumerate() {
        let folder = scratch(&format!("rotation-{row}"));
        let Some(paths) = written(&folder, names, pack, &parts(dated)) else {
            skip(test, pack.0);
            continue;
        };
        let [a, b, c] = paths.iter().map(PathBuf::as_path).collect::<Vec<_>>()[..] else {
            panic!()
        };
        let mut all = vec![told("rhythm", &[&folder])];
        all.extend([[a, b, c], [c, b, a], [b, c, a]].map(|order| told("rhythm", &order)));
        for ran in &all {
            let (events, opens, period) = series(ran);
            assert_eq!((events, opens), (10, 10), "{names:?}: {}", ran.out);
            assert!((period - 43_200.0).abs() < 1.5, "{period}");
            let notes = ran.json()["inputs"].to_string();
            assert!(notes.contains("one log, read in this order: "), "{notes}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn a_diagnosis_is_of_the_whole_log_and_cites_each_file_by_its_own_lines() {
    let folder = scratch("rotation-cites");
    let texts = parts(dated);
    let names = ["app.log.2", "app.log.1", "app.log"];
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in names.iter().zip(&texts) {
        fs::write(folder.join(name), text).unwrap();
    }
    let ran = told("diagnose", &[&folder]);
    let report = ran.json();
    assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{report:#}");
    assert_eq!(report["findings"][0]["rhythm"]["events"], 10);
    let last_words = report["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["says"].as_str().unwrap().contains("the log says end of file"));
    let cites = last_words.unwrap()["cites"].as_array().unwrap();
    let mut cited = 0;
    for cite in cites {
        let at = names.iter().position(|name| cite["file"] == *name).unwrap();
        let lines: Vec<&str> = texts[at].lines().collect();
        for range in cite["lines"].as_array().unwrap() {
            let [from, to] = [&range[0], &range[1]].map(|n| n.as_u64().unwrap() as usize);
            for line in from..=to {
                assert!(lines[line - 1].contains("unexpected EOF"), "{cite}: {}", lines[line - 1]);
                cited += 1;
            }
        }
    }
    assert_eq!((cites.len(), cited), (3, 10), "{cites:?}");
    let (told, held): (u64, usize) = (
        report["inputs"].as_array().unwrap().iter().map(|i| i["records"].as_u64().unwrap()).sum(),
        texts.iter().map(|t| t.lines().count()).sum(),
    );
    assert_eq!(told as usize, held, "each file's own lines are counted");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn stamps_without_a_date_run_on_from_file_to_file() {
    let folder = scratch("rotation-daily");
    let time = |secs: i64| {
        let at = 11_662 + secs;
        format!("{:02}:{:02}:{:02}.5", at / 3600 % 24, at / 60 % 60, at % 60)
    };
    let texts = parts(time);
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in ["app.log.2", "app.log.1", "app.log"].iter().zip(&texts) {
        fs::write(folder.join(name), text).unwrap();
    }
    let [old, older, live] = ["app.log.1", "app.log.2", "app.log"].map(|name| folder.join(name));
    let (events, opens, period) = series(&told("rhythm", &[&live, &old, &older]));
    assert_eq!((events, opens), (10, 10));
    assert!((period - 43_200.0).abs() < 1.5, "{period}");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn files_that_run_side_by_side_are_several_logs() {
    let folder = scratch("rotation-beside");
    fs::create_dir_all(&folder).unwrap();
    for (name, secs, period) in [("worker.1", 0, 3600), ("worker.2", 7, 5000)] {
        let ends: String = (0..8)
            .map(|i| format!("{} WARN {name}: connection reset\n", dated(secs + i * period)))
            .collect();
        fs::write(folder.join(name), ends).unwrap();
    }
    let ran = told("rhythm", &[&folder]);
    let report = ran.json();
    assert!(!report["inputs"].to_string().contains("one log"), "{report:#}");
    let series = report["series"].as_array().unwrap();
    assert_eq!(series.iter().map(|s| s["rhythm"]["events"].as_u64().unwrap()).sum::<u64>(), 16);
    fs::remove_dir_all(&folder).unwrap();
}
