//! `hopclock collect`: on one host, everything `diagnose` wants, stamped with host, role and time.
//!
//! It reads, waits, reads again and writes; it changes nothing but the folder it makes. What this
//! user may not have is named, and the rest is written. It argues nothing.

mod about;
mod bundle;
mod packets;
mod role;
pub mod sink;
mod wait;

use crate::args::Collect;
use crate::exit::{Exit, Trouble, told};
use crate::redaction::Hiding;
use bundle::{Bundle, Place};
use hopclock_live::gather::{self, Missing, Piece, Wanted};
use packets::Recording;
use sink::Sink;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use wait::Patience;

/// Collects, and tells what was and what was not.
pub fn carry_out(typed: &Collect) -> Result<Exit, Trouble> {
    let mut hiding = Hiding::asked(&typed.redaction)?;
    let patience = Patience::new(typed.length)?;
    // Before anything is waited for: a folder that cannot be written is a mistake of typing.
    let sink = Sink::open(&typed.out).map_err(Trouble::Usage)?;
    let mut bundle = gathered(typed, &patience);
    if bundle.files.is_empty() {
        sink.abandon();
        return Err(nothing(&bundle));
    }
    if let Some(hiding) = &mut hiding {
        bundle.redact(&mut hiding.redactor);
    }
    let about = about::page(&bundle, typed, hiding.is_some());
    sink.write(&bundle, &about, bundle.began)?;
    if let Some(hiding) = &mut hiding {
        hiding.write_map()?;
    }
    let key = hiding.as_ref().and_then(Hiding::new_key);
    tell(&about::summary(&bundle, typed, key), &typed.out)?;
    Ok(Exit::Answered)
}

/// Everything, in the order in which it moves: what changes by itself first, and twice.
fn gathered(typed: &Collect, patience: &Patience) -> Bundle {
    let wanted = Wanted { peer: typed.peer, ..Wanted::default() };
    let mut bundle = Bundle::new(typed.host.clone());
    let twice = !typed.length.is_zero();
    let (before, after) = if twice { ("-before", "-after") } else { ("", "") };
    let first = gather::conntrack_of(&wanted);
    let mut recording = if twice && !typed.no_capture {
        Recording::start(typed.peer, first.as_ref().ok(), &bundle.host)
    } else {
        Err(Missing { what: "packets".to_owned(), why: why_none(twice), privilege: false })
    };
    bundle.take(first, before);
    moving(&mut bundle, &wanted, before);
    if twice {
        if io::stderr().is_terminal() {
            told(&[format!("waiting {} s, Ctrl-C to stop earlier", typed.length.as_secs_f64())]);
        }
        bundle.waited = patience.wait(|| {
            if let Ok(recording) = &mut recording {
                recording.mind();
            }
        });
        bundle.interrupted = patience.interrupted();
        bundle.take(gather::conntrack_of(&wanted), after);
        moving(&mut bundle, &wanted, after);
    }
    match recording.and_then(Recording::stop) {
        Ok((piece, about)) => {
            bundle.take(Ok(piece), "");
            bundle.recorded = Some(about);
        }
        Err(missing) => bundle.missing.push(missing),
    }
    bundle.take(gather::sysctls(), "");
    gather::rules().into_iter().for_each(|piece| bundle.take(piece, ""));
    if let Some(piece) = gather::ipvs() {
        bundle.take(piece, "");
    }
    bundle.take(gather::links(), "");
    bundle.place = match typed.role {
        Some(word) => Place::told(word),
        None => role::guess(&bundle, typed.peer),
    };
    bundle
}

fn why_none(twice: bool) -> String {
    if twice { "not wanted" } else { "without a wait there is no time to record any" }.to_owned()
}

/// Sockets and counters.
fn moving(bundle: &mut Bundle, wanted: &Wanted, suffix: &str) {
    let all: [fn() -> Result<Piece, Missing>; 2] = [gather::counters, gather::conntrack_counters];
    bundle.take(gather::sockets_of(wanted), suffix);
    all.into_iter().for_each(|gathered| bundle.take(gathered(), suffix));
}

fn nothing(bundle: &Bundle) -> Trouble {
    let why: Vec<String> =
        bundle.missing.iter().map(|m| format!("no {}: {}", m.what, m.why)).collect();
    if bundle.missing.iter().all(|missing| missing.privilege) {
        Trouble::Privilege(why)
    } else {
        Trouble::NoInput { why, hint: None }
    }
}

/// The summary goes where the tar does not.
fn tell(summary: &str, out: &Path) -> io::Result<()> {
    if out.as_os_str() == "-" {
        let lines: Vec<String> = summary.lines().map(str::to_owned).collect();
        told(&lines);
        return Ok(());
    }
    io::stdout().lock().write_all(summary.as_bytes())
}
