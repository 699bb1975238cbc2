//! A snapshot of a host, for a person: each timer in seconds, what it is valid for, and where it
//! was read.

use crate::markdown::safe;
use crate::page::{Label, Page};
use hopclock_core::map::snapshot::{Namespace, Program, Share, Snapshot, Sockets, Timer};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Columns of a time, with its unit.
const TIME: usize = 12;

/// For a terminal. `when` is the moment it was taken, in words.
pub fn text(snapshot: &Snapshot, when: &str, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let kernel = snapshot.kernel.as_ref().map_or(String::new(), |k| format!(", Linux {k}"));
    page.paragraph(out, 0, &format!("{}{kernel}, {when}", snapshot.host))?;
    let first = snapshot.namespaces.first();
    for namespace in &snapshot.namespaces {
        of_namespace(namespace, first.filter(|f| *f != namespace), page, out)?;
    }
    for program in &snapshot.programs {
        of_program(program, &snapshot.namespaces, page, out)?;
    }
    if !snapshot.missing.is_empty() {
        page.heading(out, "not read")?;
        for missing in &snapshot.missing {
            page.wrap(out, ("  ", 2), 4, &format!("{}: {}", missing.what, missing.why))?;
        }
    }
    Ok(())
}

fn of_namespace(
    namespace: &Namespace,
    first: Option<&Namespace>,
    page: Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    let heading = match &namespace.name {
        Some(name) => format!("network namespace {name}"),
        None => "this network namespace".to_owned(),
    };
    page.heading(out, &heading)?;
    page.wrap(out, ("  ", 2), 4, &state(namespace))?;
    for link in &namespace.interfaces {
        let mtu = link.mtu.map_or(String::new(), |mtu| format!(" mtu {mtu}"));
        let down = if link.up { "" } else { " down" };
        let addresses = link.addresses.join(" ");
        page.wrap(out, ("  ", 2), 4, &format!("{} {addresses}{mtu}{down}", link.name))?;
    }
    if let Some(sockets) = &namespace.sockets {
        page.wrap(out, ("  ", 2), 4, &counted(sockets))?;
    }
    let as_above = |timer: &&Timer| first.is_some_and(|first| first.timers.contains(timer));
    let own: Vec<&Timer> = namespace.timers.iter().filter(|timer| !as_above(timer)).collect();
    if own.len() < namespace.timers.len() {
        let but = if own.is_empty() { "" } else { ", but for" };
        page.wrap(out, ("  ", 2), 4, &format!("timers as in the first namespace{but}"))?;
    }
    if own.iter().any(|timer| timer.read_in == "sysctl") {
        page.wrap(out, ("  ", 2), 4, "read by sysctl:")?;
    }
    for timer in own {
        one(timer, page, out)?;
    }
    for rule in &namespace.rules {
        let says = format!("{} {}: {}", rule.program, rule.chain, rule.text);
        page.wrap(out, ("  ", 2), 4, &says)?;
    }
    Ok(())
}

/// What it does with connections, in words.
fn state(namespace: &Namespace) -> String {
    let by = namespace.tracks_by.as_ref().map_or(String::new(), |by| format!(" ({by})"));
    let tracks = match namespace.tracks {
        Some(true) => format!("tracks connections{by}"),
        Some(false) => format!("tracks no connections{by}"),
        None => "whether it tracks connections is not known".to_owned(),
    };
    let entries = namespace.entries.filter(|_| namespace.tracks != Some(false));
    let entries = entries.map_or(String::new(), |e| format!(", {} of {} entries", e.now, e.most));
    let translates = match namespace.translates {
        Some(true) => "translates addresses",
        Some(false) => "translates no addresses",
        None => "whether it translates is not known",
    };
    let forwards = if namespace.forwards { "forwards packets" } else { "does not forward" };
    format!("{forwards}; {tracks}{entries}; {translates}")
}

fn counted(sockets: &Sockets) -> String {
    let ports = |what: &str, ports: &BTreeMap<u16, Share>| {
        let one = |(port, share): (&u16, &Share)| {
            format!("; {what} {port}: {} ({} with)", share.established, share.with_keepalive)
        };
        ports.iter().map(one).collect::<String>()
    };
    format!(
        "TCP: {} established, {} with keepalive running{}{}",
        sockets.established,
        sockets.with_keepalive,
        ports("to port", &sockets.to_port),
        ports("at port", &sockets.at_port)
    )
}

fn of_program(
    program: &Program,
    namespaces: &[Namespace],
    page: Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    page.heading(out, &title(program, namespaces))?;
    for timer in &program.timers {
        one(timer, page, out)?;
    }
    if program.timers.is_empty() {
        page.wrap(out, ("  ", 2), 4, "no timer is set in its files")?;
    }
    for note in &program.notes {
        page.wrap(out, ("  note: ", 8), 8, note)?;
    }
    Ok(())
}

fn title(program: &Program, namespaces: &[Namespace]) -> String {
    let version = program.version.as_ref().map_or(String::new(), |v| format!(" {v}"));
    let within = namespaces.iter().find(|n| Some(n.inode) == program.namespace);
    let within = within.and_then(|n| n.name.as_ref()).map_or(String::new(), |n| format!(" in {n}"));
    format!("{}{version}, process {}{within}", program.name, program.pid)
}

fn one(timer: &Timer, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let time = format!("{:>TIME$}  ", time_of(timer));
    let first = page.label(Label::Number, &time);
    page.wrap(out, (&first, TIME + 2), TIME + 2, &about(timer))
}

/// Setting and value as written, scope, clock, and where it was read.
fn about(timer: &Timer) -> String {
    let by_kernel = timer.read_in == "sysctl";
    let mut says = match timer.setting.rsplit_once('.') {
        // Where it was read says the rest.
        Some((_, short)) if by_kernel && !timer.setting.contains(' ') => short.to_owned(),
        _ => timer.setting.clone(),
    };
    if timer.read_in != "sysctl" && timer.read_in != "default" {
        says = format!("{says} {}", timer.value);
    }
    if let Some(scope) = &timer.scope {
        says = format!("{says}; {scope}");
    }
    if let Some(clock) = &timer.clock {
        says = format!("{says}; {clock}");
    }
    if by_kernel { says } else { format!("{says}; {}", timer.read_in) }
}

fn time_of(timer: &Timer) -> String {
    match timer.seconds {
        Some(seconds) => format!("{} s", (seconds * 1000.0).round() / 1000.0),
        None if ["0", "0s", "off", "none"].contains(&timer.value.as_str()) => "off".to_owned(),
        None => "-".to_owned(),
    }
}

/// For a ticket.
pub fn markdown(snapshot: &Snapshot, when: &str, out: &mut dyn Write) -> io::Result<()> {
    let kernel = snapshot.kernel.as_ref().map_or(String::new(), |k| format!(", Linux {k}"));
    writeln!(out, "**{}**{}, {}", safe::text(&snapshot.host), safe::text(&kernel), when)?;
    for namespace in &snapshot.namespaces {
        let name = namespace.name.as_deref().unwrap_or("this network namespace");
        writeln!(out, "\n**{}**: {}\n", safe::text(name), safe::text(&state(namespace)))?;
        table(&namespace.timers, out)?;
    }
    for program in &snapshot.programs {
        writeln!(out, "\n**{}**\n", safe::text(&title(program, &snapshot.namespaces)))?;
        table(&program.timers, out)?;
    }
    for missing in &snapshot.missing {
        writeln!(out, "\nNot read: {}", safe::text(&format!("{}: {}", missing.what, missing.why)))?;
    }
    Ok(())
}

fn table(timers: &[Timer], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| seconds | setting | value | for | read in |\n|---|---|---|---|---|")?;
    for timer in timers {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            time_of(timer),
            safe::cell_code(&timer.setting),
            safe::cell_code(&timer.value),
            safe::text(timer.scope.as_deref().unwrap_or("")),
            safe::text(&timer.read_in)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(setting: &str, value: &str, seconds: Option<f64>) -> Timer {
        let (setting, value) = (setting.to_owned(), value.to_owned());
        let (clock, scope) = (None, None);
        Timer { clock, setting, value, seconds, read_in: "sysctl".to_owned(), scope }
    }

    #[test]
    fn another_namespace_tells_only_what_differs() {
        let first = Namespace {
            inode: 1,
            timers: vec![timer("a", "60", Some(60.0)), timer("b", "0", None)],
            ..Namespace::default()
        };
        let other = Namespace {
            name: Some("blue".to_owned()),
            inode: 2,
            timers: vec![timer("a", "60", Some(60.0)), timer("b", "5", Some(5.0))],
            ..Namespace::default()
        };
        let snapshot = Snapshot {
            schema: String::new(),
            at_ns: 0,
            host: "h".to_owned(),
            kernel: None,
            namespaces: vec![first, other],
            programs: Vec::new(),
            missing: Vec::new(),
        };
        let page = Page { width: 80, colour: false, unicode: false };
        let mut out = Vec::new();
        text(&snapshot, "now", page, &mut out).unwrap();
        let told = String::from_utf8(out).unwrap();
        assert_eq!(told.matches("60 s").count(), 1, "{told}");
        assert!(told.contains("         off  b\n"), "{told}");
        assert!(told.contains("timers as in the first namespace, but for\n"), "{told}");
    }
}
