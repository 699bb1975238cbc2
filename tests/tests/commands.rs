//! The command line as a user meets it: exit codes, and one clear sentence for what goes wrong.

use hopclock_tests::command::{Ran, binary, run};
use std::io::Read as _;
use std::process::{Command, Stdio};

/// Told on standard error, nothing on standard output, in at most `lines` lines, no panic's words.
fn assert_told(ran: &Ran, code: i32, lines: usize) {
    assert_eq!(ran.code, Some(code), "{ran:#?}");
    assert_eq!(ran.out, "", "{ran:#?}");
    assert!(!ran.err.contains("panicked") && !ran.err.contains("RUST_BACKTRACE"), "{ran:#?}");
    let told = ran.err.lines().count();
    assert!((1..=lines).contains(&told), "{told} lines\n{ran:#?}");
}

#[test]
fn help_and_version_are_answers() {
    for flag in ["--help", "--version"] {
        let ran = run([flag]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{flag}");
        assert!(ran.out.contains("hopclock"), "{flag}: {}", ran.out);
    }
}

#[test]
fn a_mistake_of_typing_is_usage_and_names_the_word() {
    for (args, word) in [
        (vec!["no-such-command"], "no-such-command"),
        (vec!["diagnose", "--no-such-flag", "x.pcap"], "--no-such-flag"),
        (vec!["diagnose", "--format", "yaml", "x.pcap"], "yaml"),
        (vec!["diagnose"], "EVIDENCE"),
    ] {
        let ran = run(&args);
        assert_told(&ran, 2, 10);
        assert!(ran.err.contains(word), "{args:?}: {}", ran.err);
    }
}

#[test]
fn a_missing_file_is_no_input_and_is_named() {
    let ran = run(["diagnose", "no/such/file.pcap"]);
    assert_told(&ran, 3, 2);
    assert!(ran.err.contains("no/such/file.pcap"), "{}", ran.err);
}

#[test]
fn a_reader_that_had_enough_is_no_failure() {
    let mut child = Command::new(binary())
        .arg("--help")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{told}");
    assert_eq!(told, "");
}
