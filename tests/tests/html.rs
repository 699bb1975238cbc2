//! The page people keep: it holds nothing but itself, its links resolve, and a file that cannot be
//! written costs nobody the report.

use hopclock_tests::command::run;
use hopclock_tests::scratch;
use std::fs;

/// What is wrong with a page, by its text alone.
fn wrong(page: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let after = |mark: &str| -> Vec<String> {
        let parts = page.split(mark).skip(1);
        parts.filter_map(|t| t.split('"').next()).map(str::to_owned).collect()
    };
    let ids = after(" id=\"");
    for (n, id) in ids.iter().enumerate() {
        if ids.iter().take(n).any(|other| other == id) {
            wrong.push(format!("id {id} is there twice"));
        }
    }
    let links = after("href=\"#");
    wrong.extend(links.iter().filter(|l| !ids.contains(l)).map(|l| format!("#{l} leads nowhere")));
    for fetched in ["<script", " src=", "<link", "@import", "url("] {
        if page.contains(fetched) {
            wrong.push(format!("{fetched} is there"));
        }
    }
    let mut level = 0;
    for heading in page.split("<h").skip(1).filter_map(|t| t.chars().next()?.to_digit(10)) {
        if heading > level + 1 {
            wrong.push(format!("a heading {heading} follows a heading {level}"));
        }
        level = heading;
    }
    wrong
}

fn made(evidence: &str) -> String {
    let folder = scratch("html");
    let file = folder.join("report.html");
    let ran = run(["diagnose", evidence, "--html", file.to_str().unwrap()]);
    assert!(matches!(ran.code, Some(0 | 4)), "{ran:#?}");
    assert!(!ran.out.is_empty());
    let page = fs::read_to_string(&file).unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "something was left beside the page");
    fs::remove_dir_all(folder).unwrap();
    page
}

#[test]
fn pages_hold_only_themselves_and_their_links_resolve() {
    for example in ["egress-12h", "egress-12h-no-capture", "nat-expiry"] {
        let page = made(&format!("examples/{example}"));
        assert_eq!(wrong(&page), Vec::<String>::new(), "{example}");
        assert!(page.len() < 2_000_000, "{example}: {} bytes", page.len());
    }
}

#[test]
fn each_check_can_fail() {
    let bad = "<h1></h1><h3 id=\"a\"><i id=\"a\"><a href=\"#b\"><script>";
    assert_eq!(wrong(bad).len(), 4, "{:?}", wrong(bad));
}

#[test]
fn a_page_that_cannot_be_written_costs_nobody_the_report() {
    let ran = run(["diagnose", "examples/nat-expiry", "--html", "/nonexistent/report.html"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(!ran.out.is_empty());
    assert!(ran.err.contains("--html /nonexistent/report.html"), "{}", ran.err);
    let ran = run(["diagnose", "examples/nat-expiry", "--html", "-"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
}
