//! `hopclock lab demo`: the story in half a minute, told in plain words, on the kernel it runs on.

use crate::args::{Format, LabDemo, LabFix};
use crate::cmd::lab::fix::{Bench, beside};
use crate::cmd::lab::{named, ready};
use crate::exit::{Exit, Trouble};
use crate::{screen, signals};
use hopclock_core::inquest::Court;
use hopclock_lab::Measures;
use hopclock_render::{Label, Page};
use std::io::{self, Write};

const SCENARIO: &str = "freeze-window-ignored";
const CURED: &str = "freeze-be-liberal-cures";
/// The shortest a run takes; what stood for twelve hours in the story.
const TIMER_S: u32 = 3;

const BEGINS: &[&str] = &[
    "A program reads events from a server over one connection that stays open. \
     Between them stands a NAT box. It remembers each connection for a time, and each packet \
     starts that time anew. In the story the time was twelve hours; here it is six seconds.",
    "The stream is busy. Then one stray packet passes, as after a failover. From then on the box \
     still forwards every event, and starts its clock no more.",
    "Watch: three machines are made of nothing but this kernel, the stream runs, and every packet \
     is recorded. This takes about ten seconds.",
];
const ENDED: &[&str] = &[
    "The stream ended, though it was busy all the time. Nobody wrote a log line about the stray \
     packet, and the box's error counter did not move. This is what hopclock reads from the \
     recorded folder:",
];
const AGAIN: &[&str] = &[
    "It also proposes what to change: on the box, nf_conntrack_tcp_be_liberal = 1. The same once \
     more, with that:",
];

/// Tells and plays.
pub fn carry_out(typed: &LabDemo) -> Result<Exit, Trouble> {
    ready(&typed.out)?;
    let stop = signals::enough()?;
    let court = Court::builtin().map_err(Trouble::Broken)?;
    let scenarios = named(&[SCENARIO.to_owned(), CURED.to_owned()])?;
    let [scenario, cured] = scenarios.as_slice() else {
        return Err(Trouble::Broken("the lab does not play what the demonstration shows".into()));
    };
    let as_fix = LabFix {
        name: SCENARIO.to_owned(),
        measure: None,
        seed: typed.seed,
        timer: Some(TIMER_S),
        out: typed.out.clone(),
        format: Format::Text,
    };
    let bench = Bench { typed: &as_fix, seed: super::seed(typed.seed), stop: &stop, court: &court };
    let page = screen::page();
    tell(page, "One connection, one box, one clock", BEGINS)?;
    let before = bench.one(scenario, Measures::default(), "")?;
    tell(page, "What happened", ENDED)?;
    say(page, &format!("hopclock diagnose {}", before.folder))?;
    say(page, &before.says())?;
    tell(page, "The cure", AGAIN)?;
    let after = bench.one(cured, Measures::default(), "")?;
    let mut out = io::stdout().lock();
    let told = |lost: u32| if lost > 0 { "the stream ended" } else { "the stream lives" };
    beside(&mut out, "", "before", "after")?;
    beside(&mut out, "stream", told(before.lost), told(after.lost))?;
    beside(&mut out, "hopclock", &before.says(), &after.says())?;
    writeln!(out)?;
    let ends = "Nothing of this touched your network: the machines are gone already. Next: \
        hopclock lab list names what else can be played, hopclock diagnose reads your own logs \
        and captures.";
    page.paragraph(&mut out, 0, ends)?;
    out.flush()?;
    Ok(if before.lost > 0 && after.lost == 0 { Exit::Answered } else { Exit::Findings })
}

fn tell(page: Page, heading: &str, paragraphs: &[&str]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "\n{}", page.label(Label::Heading, heading))?;
    for text in paragraphs {
        page.paragraph(&mut out, 0, text)?;
        writeln!(out)?;
    }
    out.flush()
}

fn say(page: Page, text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    page.paragraph(&mut out, 4, text)
}
