//! The command line as help, manual and completions are made from: what clap derived, and on every
//! command the exit codes it can end with. One table, so that no page can say otherwise.

use super::Args;
use clap::{Command, CommandFactory};

/// What a code means, whichever command ends with it.
const EXIT_CODES: &[(u8, &str)] = &[
    (0, "an answer was given; a reader that closes the pipe early is no failure"),
    (1, "done, and there are findings"),
    (2, "the command line asks for what cannot be done"),
    (3, "no input could be used, or the answer could not be written"),
    (4, "the evidence does not tell"),
    (5, "a privilege or a feature of the kernel is missing"),
];

const UNWRITTEN: &str = "the answer could not be written";

/// What a code means for one command, where that can be said more closely.
const CLOSER: &[(&str, u8, &str)] = &[
    ("diagnose", 0, "a cause is named, or the list is narrowed to three at most"),
    ("diagnose", 2, "usage, or FILE cannot be written; the report is printed all the same"),
    ("completions", 3, UNWRITTEN),
    ("lab list", 3, UNWRITTEN),
    ("lab run", 3, UNWRITTEN),
    ("lab clean", 3, UNWRITTEN),
    ("lab fix", 0, "every measure did what is said of it"),
    ("lab fix", 1, "a measure did not do what is said of it"),
    ("lab fix", 2, "no such scenario or measure, or the folder cannot be written"),
    ("lab fix", 3, UNWRITTEN),
    ("lab fix", 4, "diagnose proposes nothing that the lab could try"),
    ("lab fix", 5, "not root, or something it takes is missing, which is named"),
    ("lab score", 3, "no folder with a truth.json, or the answer could not be written"),
    ("lab demo", 0, "it came out as told"),
    ("lab demo", 1, "on this kernel it came out otherwise"),
    ("lab demo", 2, "the folder cannot be written"),
    ("lab demo", 3, UNWRITTEN),
    ("lab demo", 5, "not root, or something of the kernel is missing, which is named"),
    ("man", 3, UNWRITTEN),
    ("clocks", 3, UNWRITTEN),
    ("flows", 4, "with --pair: the captures have no connection in common"),
    ("clocks", 0, "these timers are in the catalogue"),
    ("clocks", 4, "none in the catalogue is like that"),
    ("collect", 0, "written; what could not be had is named in it"),
    ("collect", 2, "usage, or OUT is there already or cannot be written"),
    ("collect", 3, "nothing could be had, or it could not be written"),
    ("collect", 5, "nothing could be had, and root could have had it"),
    ("snapshot", 0, "taken; what could not be had is named in it"),
    ("snapshot", 2, "usage, or FILE is there already or cannot be written"),
    ("snapshot", 3, "nothing could be had, or it could not be written"),
    ("snapshot", 5, "nothing could be had, and root could have had it"),
    ("lab run", 0, "all came out as foretold"),
    ("lab run", 1, "one or more were played and came out otherwise"),
    ("lab run", 2, "no such scenario, or the folder cannot be written"),
    ("lab run", 4, "none came out otherwise, but some were not played to their end"),
    ("lab run", 5, "not root, or something of the kernel is missing, which is named"),
    ("map init", 3, "no snapshot could be read, or the answer could not be written"),
    ("map lint", 0, "no finding, or only such as are accepted"),
    ("map lint", 1, "there are findings"),
    ("map lint", 3, "the map cannot be read or means nothing, or the answer could not be written"),
    ("map diff", 0, "nothing has changed"),
    ("map diff", 1, "something has"),
    ("map diff", 3, "a file cannot be read, or the answer could not be written"),
    ("map forecast", 3, "the map cannot be read, or the answer could not be written"),
    ("map draw", 3, "the map cannot be read, or the answer could not be written"),
    ("map schema", 3, UNWRITTEN),
    ("man", 2, "usage, or DIR cannot be written"),
];

/// Which codes a command can end with; nothing is said of those that only name others.
const ENDS: &[(&str, &[u8])] = &[
    ("", &[0, 1, 2, 3, 4, 5]),
    ("diagnose", &[0, 2, 3, 4]),
    ("flows", &[0, 2, 3, 4]),
    ("replay", &[0, 2, 3]),
    ("rhythm", &[0, 2, 3, 4]),
    ("clocks", &[0, 2, 3, 4]),
    ("collect", &[0, 2, 3, 5]),
    ("snapshot", &[0, 2, 3, 5]),
    ("lab list", &[0, 2, 3]),
    ("lab run", &[0, 1, 2, 3, 4, 5]),
    ("lab fix", &[0, 1, 2, 3, 4, 5]),
    ("lab score", &[0, 2, 3]),
    ("lab demo", &[0, 1, 2, 3, 5]),
    ("lab clean", &[0, 2, 3]),
    ("map init", &[0, 2, 3]),
    ("map lint", &[0, 1, 2, 3]),
    ("map diff", &[0, 1, 2, 3]),
    ("map forecast", &[0, 2, 3]),
    ("map draw", &[0, 2, 3]),
    ("map schema", &[0, 2, 3]),
    ("completions", &[0, 2, 3]),
    ("man", &[0, 2, 3]),
];

/// The whole command line. `--help` of a command ends with its exit codes; `-h` does without.
pub fn command() -> Command {
    with_codes(Args::command(), "")
}

fn with_codes(command: Command, path: &str) -> Command {
    let command = command.mut_subcommands(|sub| {
        let below = format!("{path} {}", sub.get_name());
        with_codes(sub, below.trim_start())
    });
    let codes = codes_of(path);
    if codes.is_empty() {
        return command;
    }
    let lines: Vec<String> = codes.iter().map(|(code, says)| format!("  {code}  {says}")).collect();
    let codes = format!("Exit codes:\n{}", lines.join("\n"));
    let help = match command.get_after_help() {
        Some(before) => format!("{before}\n\n{codes}"),
        None => codes,
    };
    command.after_long_help(help)
}

/// The codes of a command, `lab run`, with what they mean there; none for an unknown one.
pub fn codes_of(path: &str) -> Vec<(u8, &'static str)> {
    let ends = ENDS.iter().find(|(of, _)| *of == path).map_or(&[][..], |(_, codes)| codes);
    let closer = |code: u8| CLOSER.iter().find(|(of, c, _)| *of == path && *c == code);
    let means = |code: u8| match closer(code) {
        Some((.., says)) => Some((code, *says)),
        None => EXIT_CODES.iter().find(|(c, _)| *c == code).copied(),
    };
    ends.iter().filter_map(|code| means(*code)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(command: &Command, path: &str, found: &mut Vec<String>) {
        let mut below = command.get_subcommands().peekable();
        if below.peek().is_none() {
            found.push(path.to_owned());
        }
        for sub in below {
            leaves(sub, format!("{path} {}", sub.get_name()).trim_start(), found);
        }
    }

    #[test]
    fn every_command_says_how_it_ends_and_no_other_does() {
        let mut found = vec![String::new()];
        leaves(&Args::command(), "", &mut found);
        found.sort();
        let mut told: Vec<&str> = ENDS.iter().map(|(path, _)| *path).collect();
        told.sort_unstable();
        assert_eq!(found, told);
    }

    #[test]
    fn every_closer_word_is_of_a_code_that_command_has() {
        for (path, code, says) in CLOSER {
            assert!(codes_of(path).contains(&(*code, *says)), "{path} {code}");
        }
    }

    #[test]
    fn clap_finds_nothing_wrong_with_the_whole() {
        command().debug_assert();
    }
}
