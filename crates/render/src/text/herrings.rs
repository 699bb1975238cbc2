//! Timers that cannot be it, told together by what rules them out: a dozen settings of a kernel are
//! one sentence.

use crate::page::Page;
use hopclock_core::report::RedHerringEntry;
use std::io::{self, Write};

/// Timers of one reason that the first screen names.
const NAMED: usize = 3;

/// Those that one observation rules out.
struct Group<'a> {
    saw: String,
    timers: Vec<&'a RedHerringEntry>,
}

/// "it needs 60 s of silence; the longest seen was 6 s": what was seen is the reason they share.
fn groups(all: &[RedHerringEntry]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for timer in all {
        let saw = match timer.why.split_once("; ") {
            Some((needs, saw)) if needs.contains(" of silence in ") => {
                saw.replace("longest seen", "longest silence in any state")
            }
            Some((needs, saw)) if needs.contains(" of silence") => {
                saw.replace("longest seen", "longest silence seen")
            }
            Some((_, saw)) => saw.to_owned(),
            None => timer.why.clone(),
        };
        match groups.iter_mut().find(|group| group.saw == saw) {
            Some(group) => group.timers.push(timer),
            None => groups.push(Group { saw, timers: vec![timer] }),
        }
    }
    groups
}

/// One line a reason, on the first screen.
pub(super) fn first(all: &[RedHerringEntry], page: Page, out: &mut dyn Write) -> io::Result<()> {
    for group in groups(all).iter().take(2) {
        let mut names: Vec<String> = group.timers.iter().map(|t| short(&t.what)).collect();
        names.dedup();
        let more = names.len().saturating_sub(NAMED);
        names.truncate(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let says = format!("{}{more}: {}", names.join(", "), group.saw);
        page.wrap(out, ("  Not it:     ", 14), 14, &says)?;
    }
    Ok(())
}

/// The timer without its keeper, the setting without the part all of them have.
fn short(what: &str) -> String {
    let bare = what.rfind(" (").and_then(|at| what.get(..at)).unwrap_or(what);
    let bare = bare.strip_prefix("net.netfilter.").or(bare.strip_prefix("net.ipv4."));
    let bare =
        bare.unwrap_or_else(|| what.rfind(" (").and_then(|at| what.get(..at)).unwrap_or(what));
    bare.replace(" (time + interval × probes)", "")
}

/// All of them, with the evidence that names each.
pub(super) fn all(all: &[RedHerringEntry], page: Page, out: &mut dyn Write) -> io::Result<()> {
    for group in groups(all) {
        let names: Vec<String> =
            group.timers.iter().map(|t| format!("{} [{}]", t.what, t.evidence.join(" "))).collect();
        let says = format!("{}: {}", group.saw, names.join(", "));
        page.wrap(out, ("  - ", 4), 4, &says)?;
    }
    Ok(())
}
