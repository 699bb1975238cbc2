//! The README's sample output is what the program prints today.

use hopclock_tests::command::run;
use hopclock_tests::repo;
use std::env;
use std::fs;

const BEGIN: &str =
    "<!-- made by the test command: examples/egress-12h, first screen -->\n```text\n";
const END: &str = "```\n<!-- end -->";

#[test]
fn the_sample_in_the_readme_is_what_is_printed() {
    let ran = run(["diagnose", "--quiet", "examples/egress-12h"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let path = repo().join("README.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (sample, after) = rest.split_once(END).unwrap();
    if env::var_os("HOPCLOCK_BLESS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", ran.out)).unwrap();
        return;
    }
    assert_eq!(sample, ran.out, "run the tests with HOPCLOCK_BLESS=1 and look at the change");
}

#[test]
fn the_first_screen_keeps_to_80_columns_but_for_commands() {
    let ran = run(["diagnose", "examples/egress-12h"]);
    let long: Vec<&str> = ran.out.lines().filter(|l| l.chars().count() > 80).collect();
    for line in long {
        let command = [
            "hopclock collect ",
            "tcpdump ",
            "sysctl ",
            "journalctl ",
            "restart ",
            "the server's log",
        ];
        assert!(command.iter().any(|c| line.trim_start().starts_with(c)), "{line}");
    }
}
