//! The house's rules, each a test: whatever a reviewer would say twice is said here once.
//!
//! Each rule is a function from text to complaints, tried on a bad snippet beside it (a rule that
//! cannot fail is none) and then held against the repository. Nothing here knows what hopclock
//! does.

mod addresses;
mod deps;
mod files;
mod lengths;
mod links;
mod lints;
mod order;
mod source;
mod words;

use hopclock_tests::repo;
use source::Source;

/// Fails with every complaint, not only the first.
fn assert_tidy(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}:\n  {}\n", complaints.join("\n  "));
}

fn each(rule: &str, judge: impl Fn(&Source) -> Vec<String>) {
    let all: Vec<String> = source::all_rust().iter().flat_map(judge).collect();
    assert_tidy(rule, &all);
}

#[test]
fn a_module_of_the_core_uses_only_those_before_it() {
    let lib = source::read(&repo().join("crates/core/src/lib.rs"));
    let order = order::listed(&lib);
    assert!(order.len() > 10, "the order is read from lib.rs: {order:?}");
    each("STYLE.md, order", |s| order::complaints(&order, s));
}

#[test]
fn a_room_depends_only_on_those_it_may_know() {
    assert_tidy("STYLE.md, rooms", &order::rooms(repo()));
}

#[test]
fn no_function_grows_past_the_line() {
    let sources = source::all_rust();
    assert_tidy("STYLE.md, lengths", &lengths::functions(&sources, lengths::RATCHET));
}

#[test]
fn no_file_grows_past_the_line() {
    each("STYLE.md, lengths", lengths::file);
}

#[test]
fn no_line_grows_past_the_hundredth_column() {
    each("STYLE.md, lengths", lengths::lines);
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    each("STYLE.md, openings", files::opening);
}

#[test]
fn module_files_are_named_after_the_module() {
    each("STYLE.md, module files", files::naming);
}

#[test]
fn no_source_file_is_forgotten() {
    assert_tidy("a file no `mod` line leads to", &files::forgotten(&source::all_rust()));
}

#[test]
fn every_example_says_what_it_is() {
    assert_tidy("STYLE.md, examples", &files::examples(repo()));
}

#[test]
fn every_decision_is_listed() {
    assert_tidy("docs/decisions/README.md", &files::decisions(repo()));
}

#[test]
fn lints_are_relaxed_with_a_reason_and_no_test_is_ignored() {
    each("STYLE.md, exceptions", lints::attributes);
}

#[test]
fn the_core_does_not_unwrap() {
    each("STYLE.md, panics", lints::panics);
}

#[test]
fn the_core_does_not_touch_the_world() {
    each("STYLE.md, rooms", lints::world);
}

#[test]
fn words_mean_one_thing_and_the_project_speaks_of_itself_alone() {
    let mut complaints = Vec::new();
    for text in source::all_text() {
        complaints.extend(words::in_text(&text.path, &text.raw));
    }
    for source in source::all_rust() {
        complaints.extend(words::in_names(&source));
    }
    assert_tidy("STYLE.md, words", &complaints);
}

#[test]
fn sample_addresses_belong_to_nobody() {
    let mut complaints = Vec::new();
    for text in source::all_text() {
        complaints.extend(addresses::complaints(&text.path, &text.raw));
    }
    assert_tidy("STYLE.md, addresses", &complaints);
}

#[test]
fn links_and_named_paths_lead_somewhere() {
    let mut complaints = Vec::new();
    for text in source::all_text().iter().filter(|t| t.path.ends_with(".md")) {
        complaints.extend(links::complaints(repo(), &text.path, &text.raw));
    }
    assert_tidy("links", &complaints);
}

#[test]
fn the_number_of_crates_stays_within_its_budget() {
    let lock = std::fs::read_to_string(repo().join("Cargo.lock")).unwrap();
    assert_tidy("docs/decisions/README.md", &deps::over_budget(&lock, deps::BUDGET));
}

#[test]
fn every_crate_that_is_declared_is_used() {
    assert_tidy("Cargo.toml", &deps::unused(&source::all_rust()));
}

#[test]
fn every_licence_is_one_deny_toml_allows() {
    let deny = std::fs::read_to_string(repo().join("deny.toml")).unwrap();
    let allowed = deps::allowed_licences(&deny);
    let complaints = deps::licences(&allowed, &deps::metadata());
    assert_tidy("deny.toml", &complaints);
}
