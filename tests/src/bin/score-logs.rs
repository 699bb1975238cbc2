//! How well logs of real incidents are read, quoted lines and generated ones apart.
//!
//! `HOPCLOCK_MATERIAL=FOLDER cargo run -p hopclock-tests --bin score-logs [-- --each]` reads every
//! `cases/*/evidence/*.log` and holds what was found against `truth.json`: openings, ends, what the
//! words say of how the connection ended, and the time the incident's text gives, measured from
//! where it says. `--each` prints a line a file. Refuses to judge causes: that is the inquest's.
#![expect(clippy::print_stdout, reason = "a score is printed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hopclock_core::log::{Act, Life, LogReader, LogReading, Options};
use serde::Deserialize;

/// How far a measured time may be off the incident's.
const SLACK: f64 = 0.05;

#[derive(Deserialize)]
struct Truth {
    ending: String,
    measured_from: String,
    interval_s: Option<f64>,
    interval_range_s: Option<(f64, f64)>,
    evidence: Vec<Evidence>,
}

#[derive(Deserialize)]
struct Evidence {
    file: String,
    kind: String,
    synthetic: Option<String>,
}

/// What is added up over the files of one kind.
#[derive(Default)]
struct Score {
    files: usize,
    opens: usize,
    ends: usize,
    lives: usize,
    /// Files with ends whose truth names a way of ending, and those whose words say the same.
    told: usize,
    agree: usize,
    /// Files whose truth gives a time, and those where it was found.
    timed: usize,
    met: usize,
}

fn main() -> ExitCode {
    let each = std::env::args().any(|a| a == "--each");
    let Some(folder) = std::env::var_os("HOPCLOCK_MATERIAL").map(PathBuf::from) else {
        println!("score-logs: HOPCLOCK_MATERIAL is not set");
        return ExitCode::from(2);
    };
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    for case in cases(&folder.join("cases")) {
        let Some(truth) = truth(&case) else { continue };
        for evidence in truth.evidence.iter().filter(|e| e.kind == "log") {
            let Ok(bytes) = std::fs::read(case.join(&evidence.file)) else { continue };
            let mut reader = LogReader::new(Options::default());
            reader.feed(&bytes);
            let kind = match evidence.synthetic.as_deref() {
                Some("no") => "quoted",
                Some("yes") => "generated",
                _ => "both mixed",
            };
            let line = scores.entry(kind).or_default().add(&truth, &reader.finish());
            if each {
                println!("{:24} {kind:10} {line}", name(&case));
            }
        }
    }
    println!("lines       files  with openings  with ends  lives  way of ending  time");
    for (kind, s) in &scores {
        println!(
            "{kind:10} {:6} {:14} {:10} {:6} {:>14} {:>5}",
            s.files,
            s.opens,
            s.ends,
            s.lives,
            format!("{} of {}", s.agree, s.told),
            format!("{} of {}", s.met, s.timed)
        );
    }
    ExitCode::SUCCESS
}

/// The folders of cases, in order of name.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = found.map(|e| e.path()).collect();
    all.sort();
    all
}

fn name(case: &Path) -> String {
    case.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn truth(case: &Path) -> Option<Truth> {
    let text = std::fs::read_to_string(case.join("truth.json")).ok()?;
    match serde_json::from_str(&text) {
        Ok(truth) => Some(truth),
        Err(e) => {
            println!("{}: truth.json: {e}", name(case));
            None
        }
    }
}

impl Score {
    /// Adds one file; what was found, in words.
    fn add(&mut self, truth: &Truth, r: &LogReading) -> String {
        let count = |act| r.events.iter().filter(|e| e.act == act).count();
        let (opens, ends) = (count(Act::Opened), count(Act::Ended));
        let lives: Vec<&Life> =
            r.series.iter().flat_map(|s| &s.lives).filter(|l| l.end.is_some()).collect();
        self.files += 1;
        self.opens += usize::from(opens > 0);
        self.ends += usize::from(ends > 0);
        self.lives += lives.len();
        let way = way(&truth.ending).filter(|_| ends > 0).map(|words| says(r, &lives, words));
        self.told += usize::from(way.is_some());
        self.agree += usize::from(way == Some(true));
        let want = truth.interval_range_s.or(truth.interval_s.map(|s| (s, s)));
        let found = times(r, &lives, &truth.measured_from);
        let met = want.map(|(low, high)| {
            let fits = |s: &f64| (low * (1.0 - SLACK)..=high * (1.0 + SLACK)).contains(s);
            // Most of what was measured must be it: a single hit among many is chance.
            found.iter().filter(|s| fits(s)).count() * 2 > found.len()
        });
        self.timed += usize::from(met.is_some());
        self.met += usize::from(met == Some(true));
        let word = |known: Option<bool>| known.map_or("-", |yes| if yes { "yes" } else { "no" });
        format!(
            "opens {opens:3} ends {ends:3} lives {:3} way {:3} time {:3} ({} measured, middle {:.1})",
            lives.len(),
            word(way),
            word(met),
            found.len(),
            middle(&found)
        )
    }
}

/// The words a log may use for a way of ending; `None` where none is expected.
fn way(ending: &str) -> Option<&'static [&'static str]> {
    Some(match ending {
        "rst" => &["reset"],
        "fin" => &["eof", "closed-by-peer", "closed", "going-away", "goaway", "client-gone"],
        "goaway" => &["goaway"],
        "rst_stream" => &["stream-error", "request-timeout-said", "reset"],
        "silent" | "timeout" => {
            &["timed-out", "ping-timeout", "missed-heartbeat", "request-timeout-said", "closed"]
        }
        _ => return None,
    })
}

/// Whether at least half of the ends say one of these words.
fn says(r: &LogReading, lives: &[&Life], words: &[&str]) -> bool {
    let ends = lives.iter().filter_map(|l| r.events.get(l.end?));
    let hits = ends.filter(|e| e.words.iter().any(|w| words.contains(w))).count();
    hits * 2 >= lives.len() && hits > 0
}

/// The times of the kind the incident's text speaks of: from the opening, from the last traffic, or
/// from end to end where a log tells nothing else.
fn times(r: &LogReading, lives: &[&Life], from: &str) -> Vec<f64> {
    let at = |i: Option<usize>| r.events.get(i?).map(|e| e.at);
    let traffic = |l: &Life| l.last_alive.filter(|_| from.starts_with("last")).or(l.open);
    let whole = |l: &&Life| {
        let end = l.end.and_then(|e| r.events.get(e))?;
        let stated = end.stated_idle.filter(|_| from.starts_with("last")).or(end.stated_age);
        let gone = at(traffic(l)).map(|began| end.at.since(began));
        gone.or(stated).map(|gap| gap.secs_f64())
    };
    let found: Vec<f64> = lives.iter().filter_map(whole).collect();
    if !found.is_empty() {
        return found;
    }
    let ends: Vec<_> = lives.iter().filter_map(|l| at(l.end)).collect();
    let pairs = ends.iter().zip(ends.iter().skip(1));
    pairs.map(|(a, b)| b.since(*a).secs_f64()).collect()
}

/// The middle value.
fn middle(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
