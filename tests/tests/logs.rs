//! Logs nobody prepared: what is read of them, against what a person reads.

use std::fmt::Write as _;
use std::path::Path;

use hopclock_core::log::{Act, LogReader, LogReading, Options};

use hopclock_tests::material;

/// Reads one log file as the command line would.
fn read(path: &Path) -> LogReading {
    let bytes = std::fs::read(path).expect("a readable file");
    let mut reader = LogReader::new(Options::default());
    for line in bytes.split(|b| *b == b'\n') {
        reader.line(line);
    }
    reader.finish()
}

/// One row of the table: events, lives with an opening, an end, and both, by series.
fn row(name: &str, r: &LogReading) -> String {
    let count = |act| r.events.iter().filter(|e| e.act == act).count();
    let mut row = format!(
        "{name:32} lines {:4} stamped {:4} | opened {:3} ended {:3} alive {:3} incident {:3} |",
        r.lines,
        r.stamped,
        count(Act::Opened),
        count(Act::Ended),
        count(Act::Alive),
        count(Act::Incident)
    );
    for s in &r.series {
        let ends = s.lives.iter().filter(|l| l.end.is_some()).count();
        let both = s.lives.iter().filter(|l| l.end.is_some() && l.open.is_some()).count();
        let alive = s.lives.iter().filter(|l| l.end.is_some() && l.last_alive.is_some()).count();
        let _ = write!(
            row,
            " [{} lives, {ends} ends, {both} whole, {alive} with traffic: {}]",
            s.lives.len(),
            s.what
        );
    }
    row
}

#[test]
fn the_table_of_cases() {
    let Some(folder) = material("the_table_of_cases") else { return };
    let mut names: Vec<_> = std::fs::read_dir(folder.join("cases"))
        .expect("cases")
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.join("evidence/app.log").exists())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for path in names {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let r = read(&path.join("evidence/app.log"));
        println!("{}", row(&name, &r));
        for n in &r.notes {
            println!("      note: {n}");
        }
        if std::env::var_os("HOPCLOCK_SHOW_LINES").is_some() {
            for t in &r.taken {
                println!("      {:?} {}x {} ({})", t.act, t.lines, t.template, t.because);
            }
        }
    }
}

#[test]
fn the_table_of_timing() {
    let Some(folder) = material("the_table_of_timing") else { return };
    let mut names: Vec<_> = std::fs::read_dir(folder.join("timing"))
        .expect("timing")
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "log"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for path in names {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let r = read(&path);
        println!("{}", row(&name, &r));
        let text = std::fs::read_to_string(&path).expect("text");
        let said = |w: &str| text.lines().filter(|l| l.contains(w)).count();
        let acts = |act| r.events.iter().filter(|e| e.act == act).count();
        assert_eq!(acts(Act::Opened), said(" connected to "), "{name}");
        assert_eq!(acts(Act::Ended), said(" disconnected from "), "{name}");
        let lives = || r.series.iter().flat_map(|s| &s.lives);
        let ends = lives().filter(|l| l.end.is_some()).count();
        assert_eq!(ends, said(" disconnected from "), "{name}: every end is a life's");
        for life in lives() {
            // The file states each life's length: the opening found must agree with it.
            let event = |i: Option<usize>| i.and_then(|i| r.events.get(i));
            let (Some(open), Some(end)) = (event(life.open), event(life.end)) else { continue };
            let stated = end.stated_age.expect("a stated age");
            let off = (end.at.since(open.at).secs_f64() - stated.secs_f64()).abs();
            assert!(off < 0.02, "{name}: {} and {}", open.text, end.text);
        }
    }
}
