//! The page on made reports: hostile evidence stays text, and every link has its place.

use super::*;
use hopclock_core::inquest::evidence::Cite;
use hopclock_core::report::{EvidenceEntry, SCHEMA};

fn hostile() -> Report {
    let says = "</main><script>alert(\"1\")</script>\u{202e}\u{7}' onload='x";
    Report {
        timer_order: Vec::new(),
        schema: SCHEMA,
        findings: Vec::new(),
        evidence: vec![EvidenceEntry {
            id: "e1".to_owned(),
            says: says.to_owned(),
            host: Some(says.to_owned()),
            cites: vec![Cite::lines(says, [3, 4])],
            counted_with: None,
        }],
        not_looked_at: vec![says.to_owned()],
        inputs: Vec::new(),
    }
}

#[test]
fn what_the_evidence_says_is_text_and_nothing_else() {
    let page = page(&hostile());
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains('\u{202e}') && !page.contains('\u{7}'), "{page}");
    assert_eq!(page.matches("</main>").count(), 1);
    assert!(page.contains("&lt;script&gt;"));
}

#[test]
fn every_link_has_its_place_and_no_place_is_twice() {
    let page = page(&hostile());
    let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|t| t.split('"').next()).collect();
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "{ids:?}");
    for to in page.split("href=\"#").skip(1).filter_map(|t| t.split('"').next()) {
        assert!(ids.contains(&to), "{to}: {ids:?}");
    }
    assert!(ids.contains(&"e1") && ids.contains(&"s0-l3-4"), "{ids:?}");
}
