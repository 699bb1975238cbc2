//! `hopclock replay`: a capture through the conntrack table of a box.

mod sweep;

use crate::args::{Format, Replay as Typed};
use crate::exit::{Exit, Trouble};
use crate::intake::captures::{Captures, Source};
use crate::intake::open;
use crate::{progress, screen};
use hopclock_core::capture::Packet;
use hopclock_core::conntrack::judged::Verdict;
use hopclock_core::conntrack::nat::{CannotSay, Firewall};
use hopclock_core::conntrack::record::{Ends, Line};
use hopclock_core::conntrack::replay::Taken;
use hopclock_core::conntrack::{Kernel, Replay, Settings};
use hopclock_core::dump::header::Header;
use hopclock_core::dump::rules::Rules;
use hopclock_core::dump::{conntrack as table, links, sysctl};
use hopclock_core::flow::Numbering;
use hopclock_core::time::Moment;
use hopclock_render::Page;
use hopclock_render::json;
use hopclock_render::replay as pen;
use hopclock_render::replay::{Standing, Summary};
use jiff::tz::TimeZone;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

/// A dump larger than this is no dump.
const DUMP_BYTES_MAX: u64 = 256 << 20;
/// More standing entries than these are counted, not listed.
const STANDING_MAX: usize = 100;
/// Rows kept for a page that begins with its summary.
const ROWS_MAX: usize = 20_000;

/// What was typed, as far as it can be checked before a capture is opened.
struct Plan {
    kernel: Kernel,
    /// What the box is set to.
    was: Settings,
    /// The same with `--set`.
    asked: Settings,
    start: Option<(Vec<table::Entry>, Option<Moment>)>,
    notes: Vec<String>,
}

/// Replays every capture as one.
pub fn carry_out(typed: &Typed) -> Result<Exit, Trouble> {
    if typed.captures.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Trouble::Usage("standard input can be read only once".to_owned()));
    }
    if !typed.sweep.is_empty() || !typed.fix.is_empty() {
        return sweep::carry_out(typed);
    }
    let mut plan = plan(typed)?;
    // Lines are printed while it reads: on one screen the two would get into each other's way.
    progress::expect(&typed.captures, io::stdout().is_terminal());
    let mut captures = Captures::open(&typed.captures);
    let mut replay = Replay::new(plan.asked, plan.kernel);
    if !typed.sysctl.is_empty() && !typed.set.is_empty() {
        replay = replay.taken_under(plan.was);
    }
    if typed.verify_checksums {
        replay = replay.verifying_checksums();
    }
    if !typed.rules.is_empty() {
        replay = replay.behind(firewall(typed)?);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let mut told = Told::new(typed, &mut out);
    told.begin()?;
    let mut ends = None;
    let mut numbering = Numbering::new();
    let mut lines = Vec::new();
    let mut untracked = Untracked::default();
    // Objects by contract are one a packet; a table is for a person, who asks for all of them.
    let every = typed.all || matches!(typed.format, Format::Json | Format::Jsonl);
    while captures.next(&mut |packet, file| {
        let number = numbering.next(file, packet.number);
        let packet = &Packet { number, ..*packet };
        if ends.is_none() {
            plan.begin(packet.at, |entries, at| replay.start_from(entries, at, packet.at));
        }
        ends = ends.max(Some(packet.at));
        if every {
            replay.packet(packet, file, &mut lines);
        } else {
            replay.what_matters(packet, file, &mut lines);
        }
    }) {
        for line in lines.drain(..) {
            if every || !untracked.takes(&line) {
                told.line(line)?;
            }
        }
    }
    progress::done();
    if !captures.sources().iter().any(|source| source.usable) {
        return Err(no_input(captures.sources()));
    }
    plan.notes.extend(untracked.note());
    told.end(&summary(&plan, &replay, captures.sources(), ends))?;
    out.flush()?;
    Ok(Exit::Answered)
}

/// Packets no table tracks (neighbour discovery, multicast listeners): counted, and told in a line.
#[derive(Default)]
struct Untracked {
    count: u64,
    /// Runs of packets that follow each other, the first few of them.
    runs: Vec<(u64, u64)>,
}

impl Untracked {
    /// Runs that are told by number.
    const TOLD: usize = 6;

    fn takes(&mut self, line: &Line) -> bool {
        let Line::Packet(record) = line else { return false };
        if record.verdict != Verdict::Untracked {
            return false;
        }
        self.count += 1;
        let number = record.packet;
        let room = self.runs.len() <= Self::TOLD;
        match self.runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ if room => self.runs.push((number, number)),
            _ => {}
        }
        true
    }

    fn note(&self) -> Option<String> {
        let run = |(first, last): &(u64, u64)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        let runs: Vec<String> = self.runs.iter().take(Self::TOLD).map(run).collect();
        let more = if self.runs.len() > Self::TOLD { " …" } else { "" };
        let plural = if self.count == 1 { "" } else { "s" };
        (self.count > 0).then(|| {
            format!(
                "{} packet{plural} of a kind no table tracks, such as neighbour discovery ({}{more}); \
                 --all shows them",
                self.count,
                runs.join(", ")
            )
        })
    }
}

fn no_input(sources: &[Source]) -> Trouble {
    let why = sources.iter().map(|source| format!("{}: {}", source.name, source.notes.join("; ")));
    let hint = "replay reads pcap and pcapng, also packed with gzip, zstd or xz".to_owned();
    Trouble::NoInput { why: why.collect(), hint: Some(hint) }
}

/// Rules and interfaces of the box.
fn firewall(typed: &Typed) -> Result<Firewall, Trouble> {
    let mut firewall = Firewall::default();
    for path in &typed.rules {
        let rules = Rules::read(&small_file(path)?);
        if rules.chains.is_empty() {
            let why = vec![format!("{}: no chain of rules in it", path.display())];
            return Err(Trouble::NoInput { why, hint: None });
        }
        firewall.rules.chains.extend(rules.chains);
    }
    for path in &typed.links {
        firewall.interfaces.extend(links::read(&small_file(path)?));
    }
    // Without its own addresses nothing tells what is for the box from what it passes on.
    if firewall.interfaces.iter().all(|interface| interface.addresses.is_empty()) {
        let name = |path: &PathBuf| format!("{}: no address of an interface in it", path.display());
        return Err(Trouble::NoInput { why: typed.links.iter().map(name).collect(), hint: None });
    }
    Ok(firewall)
}

/// Checks everything typed; reads the small files.
fn plan(typed: &Typed) -> Result<Plan, Trouble> {
    let kernel = Kernel::parse(&typed.kernel).ok_or_else(|| {
        Trouble::Usage(format!("--kernel {}: not a version such as 6.1.77", typed.kernel))
    })?;
    let mut notes = kernel.doubts();
    let mut was = Settings::default();
    for path in &typed.sysctl {
        read_settings(path, &mut was, &mut notes)?;
    }
    let mut asked = was;
    for set in &typed.set {
        let usage = || Trouble::Usage(format!("--set {set}: not KEY=VALUE with a number"));
        let (key, value) = set.split_once('=').ok_or_else(usage)?;
        let value: i64 = value.trim().parse().map_err(|_| usage())?;
        asked.set(key, value).map_err(|why| Trouble::Usage(format!("--set {set}: {why}")))?;
    }
    let mut start = None;
    if let Some(path) = &typed.start_state {
        let text = small_file(path)?;
        let (entries, skipped) = table::read(&text);
        if skipped > 0 {
            notes.push(format!("{}: {skipped} lines are no entries", path.display()));
        }
        if entries.is_empty() {
            let why = vec![format!("{}: no conntrack entries in it", path.display())];
            return Err(Trouble::NoInput { why, hint: None });
        }
        start = Some((entries, Header::find(&text).and_then(|header| header.at)));
    }
    Ok(Plan { kernel, was, asked, start, notes })
}

fn read_settings(path: &Path, into: &mut Settings, notes: &mut Vec<String>) -> Result<(), Trouble> {
    let (settings, _) = sysctl::read(&small_file(path)?);
    let mut taken = 0;
    for setting in settings.iter().filter(|s| s.short().starts_with("nf_conntrack")) {
        let value = setting.value.parse::<i64>();
        match value.map(|value| into.set(&setting.key, value)) {
            Ok(Ok(())) => taken += 1,
            // Sizes, helpers, other protocols: nothing the model looks at.
            Ok(Err(hopclock_core::conntrack::settings::NotSet::Unknown { .. })) => {}
            Ok(Err(why)) => notes.push(format!("{} line {}: {why}", path.display(), setting.line)),
            Err(_) => notes.push(format!(
                "{} line {}: {} is no whole number",
                path.display(),
                setting.line,
                setting.key
            )),
        }
    }
    if taken == 0 {
        notes.push(format!("{}: no conntrack settings in it; defaults hold", path.display()));
    }
    Ok(())
}

fn small_file(path: &Path) -> Result<String, Trouble> {
    let unreadable = |error: io::Error| Trouble::NoInput {
        why: vec![format!("{}: {error}", path.display())],
        hint: None,
    };
    let opened = open::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    opened.reader.take(DUMP_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Plan {
    /// Puts the start state into the table, now that the capture's beginning is known.
    fn begin(&mut self, begins: Moment, start_from: impl FnOnce(&[table::Entry], Moment) -> Taken) {
        let Some((entries, at)) = self.start.take() else { return };
        let at_or_begin = at.unwrap_or(begins);
        let taken = start_from(&entries, at_or_begin);
        if at_or_begin > begins {
            self.notes.push(format!(
                "the start state was taken after the capture began: {} translations are taken \
                 from it and nothing else",
                taken.translations
            ));
            return;
        }
        let when = if at.is_some() { "" } else { ", taken as of the first packet" };
        self.notes.push(format!(
            "{} entries of the start state{when}; a dump tells no windows, so both directions are \
             initialised again by their next packets and window verdicts are waived",
            taken.entries
        ));
        if taken.over > 0 {
            self.notes.push(format!("{} entries had expired when the capture began", taken.over));
        }
        if taken.skipped > 0 {
            self.notes.push(format!("{} entries were not taken over", taken.skipped));
        }
    }
}

fn sources_notes(sources: &[Source]) -> impl Iterator<Item = String> {
    let of = |source: &Source| {
        let name = source.name.clone();
        source.notes.iter().map(move |note| format!("{name}: {note}")).collect::<Vec<_>>()
    };
    sources.iter().flat_map(of)
}

fn summary(plan: &Plan, replay: &Replay, sources: &[Source], ends: Option<Moment>) -> Summary {
    let tally = replay.tally();
    let mut notes = plan.notes.clone();
    notes.extend(pen::notes(tally));
    if replay.has_parted() {
        notes.push(
            "some packets meet another fate than under the settings of --sysctl; what their ends \
             would have sent from then on is not known, and rows marked simulated assume the same"
                .to_owned(),
        );
    }
    notes.extend(replay.unsaid().map(unsaid));
    notes.extend(sources_notes(sources));
    let mut standing: Vec<Standing> = replay
        .table()
        .entries()
        .map(|entry| Standing {
            entry: entry.id,
            original: Ends(entry.original),
            tcp_state: entry.tcp_state().map(|state| state.name()),
            timeout_s: entry.remaining_s(replay.table().now()),
            assured: entry.status.assured,
        })
        .collect();
    standing.sort_by_key(|standing| standing.entry);
    let entries = standing.len();
    standing.truncate(STANDING_MAX);
    Summary {
        kernel: plan.kernel.to_string(),
        packets: tally.packets,
        judged: tally.judged,
        invalid: tally.invalid,
        ignored: tally.ignored,
        ends_ns: ends,
        standing,
        entries,
        notes,
    }
}

/// Connections of which the rules do not say how they leave.
fn unsaid((count, why): (usize, &CannotSay)) -> String {
    let line = why.line.map_or(String::new(), |line| format!(", line {line}"));
    let leave = if count == 1 { "connection leaves" } else { "connections leave" };
    format!(
        "how {count} {leave} cannot be said by the rules: of the first it is not known {}{line}",
        why.why
    )
}

/// Prints lines in the format asked for.
struct Told<'a> {
    typed: &'a Typed,
    out: &'a mut dyn Write,
    page: Page,
    zone: TimeZone,
    /// Rows that wait until the summary above them is known.
    waiting: Vec<Line>,
    dropped: usize,
    lines: u64,
}

impl<'a> Told<'a> {
    fn new(typed: &'a Typed, out: &'a mut dyn Write) -> Self {
        let utc = typed.utc || typed.format == Format::Markdown;
        Self {
            typed,
            out,
            page: screen::page(),
            zone: if utc { TimeZone::UTC } else { TimeZone::system() },
            waiting: Vec::new(),
            dropped: 0,
            lines: 0,
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.typed.format == Format::Json {
            write!(self.out, "{{\"schema\": \"hopclock.replay/1\", \"records\": [")?;
        }
        Ok(())
    }

    fn line(&mut self, line: Line) -> io::Result<()> {
        match self.typed.format {
            Format::Jsonl => return json::line(&line, self.out),
            Format::Json => {
                writeln!(self.out, "{}", if self.lines == 0 { "" } else { "," })?;
                self.lines += 1;
                return serde_json::to_writer(&mut *self.out, &line).map_err(io::Error::from);
            }
            Format::Text | Format::Markdown => {}
        }
        if self.waiting.len() < ROWS_MAX {
            self.waiting.push(line);
        } else {
            self.dropped += 1;
        }
        Ok(())
    }

    fn end(self, summary: &Summary) -> io::Result<()> {
        let Self { typed, out, page, zone, waiting, dropped, .. } = self;
        let clock = |at: Moment| time_of(at, &zone);
        match typed.format {
            Format::Jsonl => {
                notes_aside(&summary.notes);
                return Ok(());
            }
            Format::Json => {
                write!(out, "\n], \"summary\": ")?;
                serde_json::to_writer(&mut *out, summary)?;
                return writeln!(out, "}}");
            }
            Format::Text => {
                pen::summary(summary, page, out)?;
                writeln!(out)?;
                pen::head(page, out)?;
                for line in &waiting {
                    pen::row(line, (page, &clock), out)?;
                }
            }
            Format::Markdown => {
                pen::summary(summary, Page { width: 100, colour: false, unicode: true }, out)?;
                writeln!(out)?;
                pen::markdown_head(out)?;
                for line in &waiting {
                    pen::markdown_row(line, &clock, out)?;
                }
            }
        }
        if dropped > 0 {
            writeln!(out, "… and {dropped} rows more; --format jsonl prints all of them")?;
        }
        Ok(())
    }
}

/// Where the answer has no room for notes they go to standard error.
#[expect(clippy::print_stderr, reason = "standard output holds one object a line and no more")]
fn notes_aside(notes: &[String]) {
    for note in notes {
        eprintln!("hopclock: {note}");
    }
}

fn time_of(at: Moment, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(at.ns())) {
        Ok(stamp) => {
            jiff::ZonedDateTime::new(stamp, zone.clone()).strftime("%H:%M:%S%.3f").to_string()
        }
        Err(_) => format!("{} ns", at.ns()),
    }
}
