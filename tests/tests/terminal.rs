//! What a terminal shows: lines as wide as the page and no wider, counted in columns; colour that
//! carries nothing alone; nothing that acts on the terminal; and a reader that may leave early.

use hopclock_tests::command::{Hopclock, binary};
use hopclock_tests::{material, repo, scratch};
use std::fs;
use std::process::Command;
use unicode_width::UnicodeWidthStr;

const STORY: &str = "examples/egress-12h";
const CAPTURE: &str = "examples/nat-expiry/hop-egress-1/hop.pcapng";
const SYSCTL: &str = "examples/nat-expiry/hop-egress-1/sysctl.txt";

fn told(words: &[&str], columns: usize, locale: &str) -> String {
    let ran = Hopclock::new(words).env("COLUMNS", columns.to_string()).env("LC_ALL", locale).run();
    assert!(matches!(ran.code, Some(0 | 4)), "{words:?}: {ran:#?}");
    ran.out
}

fn fits(words: &[&str]) {
    for (columns, locale) in [(80, "C"), (80, "C.UTF-8"), (120, "C.UTF-8")] {
        let out = told(words, columns, locale);
        assert!(!out.contains('\u{1b}'), "{words:?}: this is a pipe");
        for line in out.lines() {
            assert!(line.width() <= columns, "{words:?} at {columns}: {} in {line}", line.width());
            assert_eq!(line, line.trim_end(), "{words:?}: blanks at the end");
        }
    }
}

#[test]
fn every_example_fits_80_and_120_columns() {
    let examples = fs::read_dir(repo().join("examples")).unwrap().map(Result::unwrap);
    for example in examples.filter(|entry| entry.path().is_dir()) {
        let folder = format!("examples/{}", example.file_name().to_string_lossy());
        fits(&["diagnose", "--explain", &folder]);
        fits(&["diagnose", "--quiet", &folder]);
    }
}

#[test]
fn every_command_fits_80_and_120_columns() {
    fits(&["flows", CAPTURE]);
    fits(&["replay", CAPTURE, "--sysctl", SYSCTL]);
    fits(&["replay", CAPTURE, "--sysctl", SYSCTL, "--all"]);
    fits(&["rhythm", "examples/egress-12h/client/app.log"]);
    fits(&["clocks"]);
    fits(&["clocks", "350"]);
    fits(&["lab", "list"]);
    fits(&["diagnose", "--letter", STORY]);
}

#[test]
fn cases_fit_80_columns() {
    let Some(folder) = material("cases_fit_80_columns") else { return };
    let mut cases = 0;
    for case in fs::read_dir(folder.join("cases")).unwrap().map(|entry| entry.unwrap().path()) {
        let evidence = case.join("evidence");
        if evidence.is_dir() {
            let report = told(&["diagnose", &evidence.to_string_lossy()], 80, "C.UTF-8");
            let wide = report.lines().find(|line| line.width() > 80);
            assert_eq!(wide, None, "{}", evidence.display());
            cases += 1;
        }
    }
    assert!(cases > 10, "{cases} cases");
}

/// Lines in wide characters, with marks that take no column, and of a length no page has.
fn hostile() -> std::path::PathBuf {
    let folder = scratch("terminal");
    let path = "/a-folder-of-a-name-that-never-ends".repeat(6);
    let mut log = String::new();
    for n in 0..6 {
        log +=
            &format!("2024-05-1{n}T03:14:2{n}Z INFO 接続しました e\u{301}\u{301} connected 🚀\n");
        log += &format!(
            "2024-05-1{n}T15:14:2{n}Z ERROR \u{1b}[31m\u{1b}]0;x\u{7}上流の接続が切れました\u{202e} \
             connection reset by peer {path} 🚀🚀🚀\n"
        );
    }
    fs::write(folder.join("app.log"), log).unwrap();
    folder
}

#[test]
fn wide_characters_count_for_two_and_nothing_in_a_log_acts_on_the_terminal() {
    let folder = hostile();
    let path = folder.to_string_lossy().into_owned();
    let log = folder.join("app.log").to_string_lossy().into_owned();
    let report = told(&["diagnose", "--explain", &path], 80, "C.UTF-8");
    assert!(report.contains("接続"), "{report}");
    for words in [&["diagnose", "--explain", &path][..], &["rhythm", &log]] {
        fits(words);
        let out = told(words, 80, "C.UTF-8");
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!out.contains(acts), "{words:?}: {out:?}");
    }
    fs::remove_dir_all(folder).unwrap();
}

// ── colour ───────────────────────────────────────────────────

/// The text without SGR sequences (ECMA-48 8.3.117).
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out += before;
        rest = after.split_once('m').unwrap().1;
    }
    out + rest
}

#[test]
fn colour_is_asked_for_and_says_nothing_that_the_words_do_not() {
    let ran = |envs: &[(&str, &str)]| {
        let start = Hopclock::new(["diagnose", "--explain", STORY]);
        envs.iter().fold(start, |run, (name, value)| run.env(name, value)).run().out
    };
    let colourless = ran(&[]);
    let coloured = ran(&[("CLICOLOR_FORCE", "1")]);
    assert!(coloured.contains("\u{1b}[") && !colourless.contains('\u{1b}'));
    assert_eq!(plain(&coloured), colourless);
    assert_eq!(ran(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), colourless);
    assert_eq!(ran(&[("CLICOLOR_FORCE", "0")]), colourless);
}

// ── pipes ────────────────────────────────────────────────────

#[test]
fn a_reader_may_leave_after_one_line_whatever_the_command() {
    for words in [
        "diagnose --explain examples/egress-12h",
        "diagnose --format json examples/egress-12h",
        "diagnose --format markdown examples/egress-12h",
        "diagnose --letter examples/egress-12h",
        "flows examples/nat-expiry/hop-egress-1/hop.pcapng",
        "replay --all examples/nat-expiry/hop-egress-1/hop.pcapng",
        "rhythm examples/egress-12h/client/app.log",
        "clocks",
        "lab list",
        "completions bash",
        "man",
        "help diagnose",
    ] {
        let line =
            format!("{} {words} | head -1 >/dev/null; echo ${{PIPESTATUS[0]}}", binary().display());
        let ran = Command::new("bash").args(["-c", &line]).current_dir(repo()).output().unwrap();
        // 4 is the command's own answer, all of which went into the pipe.
        let codes = [&b"0\n"[..], b"4\n"];
        assert!(codes.contains(&&ran.stdout[..]) && ran.stderr.is_empty(), "{words}: {ran:?}");
    }
}
