//! Help, manual and completions: made from one command line, kept as files, and true of each other.
//! The shell and the formatter of manuals judge what is made for them.

use hopclock_tests::command::{Hopclock, binary, run};
use hopclock_tests::{scratch, snapshot, tool};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// Every command's path below `path`, as its own help lists them.
fn commands(path: &[String]) -> Vec<Vec<String>> {
    let mut found = vec![path.to_vec()];
    let help = help(path, 80);
    let listed = help.split("\nCommands:\n").nth(1).unwrap_or("");
    for line in listed.lines().take_while(|line| !line.is_empty()) {
        let name = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '));
        if let Some(name) = name.and_then(|rest| rest.split_whitespace().next())
            && name != "help"
        {
            found.extend(commands(&[path, &[name.to_owned()]].concat()));
        }
    }
    found
}

fn all() -> Vec<Vec<String>> {
    commands(&[])
}

fn help(path: &[String], columns: usize) -> String {
    let args = path.iter().map(String::as_str).chain(["--help"]);
    let ran = Hopclock::new(args).env("COLUMNS", columns.to_string()).run();
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{path:?}");
    // clap pads the lines between a list and what stands under it.
    ran.out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn no_help_is_wider_than_eighty_columns() {
    let all = all();
    assert!(all.len() > 10, "{all:?}");
    for path in &all {
        let args = path.iter().map(String::as_str).chain(["-h"]);
        let short = Hopclock::new(args).env("COLUMNS", "80").run().out;
        for line in help(path, 80).lines().chain(short.lines()) {
            assert!(line.chars().count() <= 80, "{path:?}: {line}");
        }
    }
}

#[test]
fn every_command_gives_examples_and_its_exit_codes() {
    for path in all() {
        let help = help(&path, 80);
        assert!(help.contains("\nExamples:\n  "), "{path:?}");
        let groups = help.contains("\nCommands:\n") && !path.is_empty();
        assert!(groups || help.contains("\nExit codes:\n  0  "), "{path:?}");
    }
}

/// An example that clap refuses would be worse than none. They are not run: only their flags are
/// looked for in the help of the command they show.
#[test]
fn the_flags_of_every_example_exist() {
    for path in all() {
        let help = help(&path, 80);
        let Some(examples) = help.split("\nExamples:\n").nth(1) else { continue };
        let shown = examples.lines().take_while(|line| !line.is_empty());
        let own: Vec<&str> = path.iter().map(String::as_str).collect();
        let own = format!("hopclock {} ", own.join(" "));
        for line in shown.filter(|line| line.contains(&own)) {
            let after = line.split(&own).nth(1).unwrap_or("");
            let after = after.split(" | ").next().unwrap_or(after);
            for flag in after.split_whitespace().filter(|word| word.starts_with("--")) {
                assert!(help.contains(flag), "{path:?}: {flag} in {line:?}");
            }
        }
    }
}

#[test]
fn the_page_of_commands_is_what_help_says() {
    let mut page =
        "# Every command\n\nWhat `--help` says, at 80 columns. Made by the tests.\n".to_owned();
    for path in all() {
        let name = format!("hopclock {}", path.join(" "));
        page += &format!("\n## {}\n\n```text\n{}```\n", name.trim_end(), help(&path, 80));
    }
    snapshot::holds("docs/commands.md", &page);
}

// ── the manual ───────────────────────────────────────────────

#[test]
fn there_is_a_page_a_command_and_the_formatter_has_nothing_to_say() {
    let folder = scratch("man");
    let ran = run(["man".as_ref(), folder.as_os_str()]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let written: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let wanted = |path: &Vec<String>| {
        let words = [&["hopclock".to_owned()], path.as_slice()].concat();
        format!("{}.1", words.join("-"))
    };
    assert_eq!(written, all().iter().map(wanted).collect());
    let mut whole = String::new();
    for name in &written {
        whole += &fs::read_to_string(folder.join(name)).unwrap();
    }
    assert_eq!(run(["man"]).out, fs::read_to_string(folder.join("hopclock.1")).unwrap());
    snapshot::holds("tests/snapshots/manual.roff", &whole);
    if let Some(groff) = tool("manual", "groff") {
        for name in &written {
            let page = folder.join(name);
            let mut set = Command::new(&groff);
            set.args(["-man", "-Kutf8", "-Tutf8", "-P-cbu", "-ww", "-rLL=78n"]).arg(&page);
            let set = set.output().unwrap();
            assert_eq!(String::from_utf8_lossy(&set.stderr), "", "{name}");
            let text = String::from_utf8_lossy(&set.stdout).into_owned();
            let sections = ["NAME", "SYNOPSIS", "EXAMPLES"];
            assert!(sections.iter().all(|section| text.contains(section)), "{name}: {text}");
        }
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_usage() {
    let ran = run(["man", "Cargo.toml/man1"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:#?}");
    assert!(ran.err.contains("Cargo.toml/man1"), "{ran:#?}");
}

// ── completions ──────────────────────────────────────────────

#[test]
fn completions_are_made_for_every_shell_and_kept() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = run(["completions", shell]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{shell}");
        snapshot::holds(&format!("tests/snapshots/completions/{shell}"), &ran.out);
    }
    let ran = run(["completions", "tcsh"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
}

/// Asks bash what it would offer after `hopclock PATH` for a word that begins with `begun`.
fn offered(path: &[String], begun: &str) -> BTreeSet<String> {
    let words = [path, &[begun.to_owned()]].concat();
    let previous = path.last().map_or("hopclock", String::as_str);
    let script = format!(
        "source <({0} completions bash)
         COMP_WORDS=(hopclock {1}) COMP_CWORD={2}
         _hopclock hopclock '{begun}' '{previous}'
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        binary().display(),
        words.join(" "),
        words.len(),
    );
    let ran = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_offers_every_command_and_every_option_that_help_tells() {
    if tool("completions", "bash").is_none() {
        return;
    }
    for path in all() {
        if let Some((name, above)) = path.split_last() {
            let offered = offered(above, "");
            assert!(offered.contains(name), "{path:?}: {offered:?}");
        }
        let told = help(&path, 80);
        let options = told.lines().filter_map(|line| {
            let at =
                line.trim_start().find("--").filter(|at| *at <= 4 && line.starts_with("  "))?;
            let word = line.trim_start()[at..].split([' ', '[']).next()?;
            (line.len() - line.trim_start().len() <= 6).then_some(word.to_owned())
        });
        let offered = offered(&path, "--");
        for option in options {
            assert!(offered.contains(&option), "{path:?}: {option} is not among {offered:?}");
        }
    }
}

#[test]
fn other_shells_find_no_mistake_in_what_they_are_given() {
    for (shell, check) in [("zsh", "-n"), ("fish", "--no-execute")] {
        let Some(program) = tool("completions", shell) else { continue };
        let file = scratch(shell).join("hopclock");
        fs::write(&file, run(["completions", shell]).out).unwrap();
        let ran = Command::new(program).arg(check).arg(&file).output().unwrap();
        assert!(ran.status.success() && ran.stderr.is_empty(), "{shell}: {ran:?}");
        fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }
}
