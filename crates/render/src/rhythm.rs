//! Rhythms for a person: the answer, the rivals, and two plots that fit a terminal.

use crate::page::{Label, Page};
use hopclock_core::report::Input;
use hopclock_core::rhythm::{Model, Picture, Rhythm};
use hopclock_core::terms::Anchor;
use serde::Serialize;
use std::io::{self, Write};

/// The document `hopclock.rhythm/1`.
#[derive(Debug, Serialize)]
pub struct Document {
    /// Its name and version.
    pub schema: &'static str,
    /// One entry a series, the largest first.
    pub series: Vec<Entry>,
    /// How each input was taken.
    pub inputs: Vec<Input>,
}

/// Connections whose ends are explained together.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Which, in words.
    pub what: String,
    /// What their ends say.
    pub rhythm: Rhythm,
    /// The explanations compared, the most probable first.
    pub models: Vec<Model>,
    /// Always null: times alone name no product.
    pub clock: Option<Candidate>,
    /// The catalogue's timers that fit, the best first.
    pub candidates: Vec<Candidate>,
    /// How the lines were taken.
    pub lines: Lines,
    /// Jumps of phase.
    pub breaks: Vec<Break>,
    /// What a reader should know, one sentence each.
    pub notes: Vec<String>,
    /// The points of the plots.
    #[serde(skip)]
    pub picture: Picture,
}

/// A timer of the catalogue that fits the period.
#[derive(Debug, Serialize)]
pub struct Candidate {
    /// Its id.
    pub id: String,
    /// Who makes it.
    pub product: String,
    /// The setting's own name.
    pub setting: String,
    /// The value that fits.
    pub seconds: f64,
    /// What it counts from.
    pub anchor: Anchor,
    /// Given these times alone; all together at most 0.5.
    pub probability: f64,
}

/// How many lines were what.
#[derive(Debug, Serialize)]
pub struct Lines {
    /// Openings.
    pub opens: u64,
    /// Ends.
    pub ends: u64,
    /// Neither.
    pub ignored: u64,
}

/// A jump of phase.
#[derive(Debug, Serialize)]
pub struct Break {
    /// Number of the ending, from 1, from which the new phase holds.
    pub ending: usize,
    /// By how much the grid moved, seconds.
    pub shift_s: f64,
}

/// For a terminal.
pub fn text(document: &Document, page: Page, out: &mut dyn Write) -> io::Result<()> {
    for (at, entry) in document.series.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        one(entry, page, out)?;
    }
    for input in &document.inputs {
        for note in &input.notes {
            page.wrap(out, ("note: ", 6), 6, &format!("{}: {note}", input.file))?;
        }
    }
    Ok(())
}

fn one(entry: &Entry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let n = entry.rhythm.events;
    let ends = if n == 1 { "ending" } else { "endings" };
    let title = format!("{}, {n} {ends}", entry.what);
    writeln!(out, "{}", page.label(Label::Heading, &title))?;
    page.paragraph(out, 2, &answer(&entry.rhythm))?;
    for says in numbers(&entry.rhythm) {
        page.paragraph(out, 2, &says)?;
    }
    for jump in &entry.breaks {
        let says = format!("phase moved by {:.1} s at ending {}", jump.shift_s, jump.ending);
        page.paragraph(out, 2, &says)?;
    }
    for note in &entry.notes {
        page.wrap(out, ("  - ", 4), 4, note)?;
    }
    models(&entry.models, page, out)?;
    phases(&entry.picture, page, out)?;
    ages(&entry.picture, page, out)?;
    candidates(entry, page, out)
}

/// What an anchor means.
fn meaning(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Open => "a timer that starts when the connection opens",
        Anchor::Wall => "a schedule of the wall clock",
        Anchor::FreeRunning => "a loop or clock of its own, tied to no connection",
        Anchor::Idle => "a timer that traffic restarts",
        Anchor::IdleApp => "a timer that application data restarts",
        Anchor::Probe => "a timer that starts at an unanswered probe",
        Anchor::Count => "a number of requests",
        Anchor::Event => "something that hits many connections at once",
        Anchor::Random => "no clock: ends at random",
        Anchor::Mixed => "a timer, and other ends beside it",
        Anchor::Undetermined => "the times do not tell",
    }
}

fn answer(rhythm: &Rhythm) -> String {
    let what = meaning(rhythm.anchor);
    let Some(period) = rhythm.period_s else { return format!("{what}; no period") };
    let bounds = rhythm.low_s.zip(rhythm.high_s);
    let bounds = bounds.map(|(l, h)| format!(" ({l:.2} to {h:.2}, 95 %)")).unwrap_or_default();
    format!("{what}; period {period:.2} s{bounds}")
}

fn numbers(rhythm: &Rhythm) -> Vec<String> {
    let mut says = Vec::new();
    if let (Some(round), Some(drift)) = (rhythm.drift_against_s, rhythm.drift_s_per_cycle) {
        if drift.abs() < 5e-4 {
            says.push(format!("no drift against {round} s"));
            return rest(rhythm, says);
        }
        let way = if drift < 0.0 { "earlier" } else { "later" };
        says.push(format!("each cycle {:.3} s {way} than {round} s", drift.abs()));
    }
    rest(rhythm, says)
}

fn rest(rhythm: &Rhythm, mut says: Vec<String>) -> Vec<String> {
    if let Some(delay) = rhythm.reconnect_delay_s {
        says.push(format!("reconnected after {delay:.2} s (median)"));
    }
    if let Some(more) = rhythm.events_needed {
        says.push(format!("about {more} more endings would tell"));
    }
    says
}

fn models(models: &[Model], page: Page, out: &mut dyn Write) -> io::Result<()> {
    if models.is_empty() {
        return Ok(());
    }
    page.heading(out, "Explanations")?;
    for model in models.iter().filter(|m| m.probability >= 0.005) {
        let bar = "#".repeat((model.probability * 10.0).round() as usize);
        let share = page.label(Label::Number, &format!("{:5.1} %", model.probability * 100.0));
        page.wrap(out, (&format!("  {share}  {bar:10}  "), 23), 23, meaning(model.anchor))?;
    }
    Ok(())
}

/// Rows of the phase plot.
const ROWS: usize = 9;

/// Phase against time: level is a schedule, a slope is drift, a step is a restart.
fn phases(picture: &Picture, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let Some(against) = picture.against_s.filter(|_| picture.phases.len() > 2) else {
        return Ok(());
    };
    let columns = page.width.saturating_sub(16).clamp(20, 72);
    let low = picture.phases.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let high = picture.phases.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if high - low < 1e-9 { (low - 0.5, high + 0.5) } else { (low, high) };
    let last = picture.phases.last().map_or(1.0, |p| p.0).max(1e-9);
    let mut rows = vec![vec![' '; columns]; ROWS];
    for (t, phase) in &picture.phases {
        let x = ((t / last) * (columns - 1) as f64).round() as usize;
        let y = ((high - phase) / (high - low) * (ROWS - 1) as f64).round() as usize;
        if let Some(cell) = rows.get_mut(y).and_then(|r| r.get_mut(x)) {
            *cell = match *cell {
                ' ' => '.',
                '.' => 'o',
                _ => '@',
            };
        }
    }
    page.heading(out, &format!("Phase against a grid of {against:.2} s, seconds"))?;
    for (at, row) in rows.iter().enumerate() {
        let mark = match at {
            0 => format!("{high:10.2}"),
            _ if at == ROWS - 1 => format!("{low:10.2}"),
            _ => " ".repeat(10),
        };
        let line: String = row.iter().collect();
        writeln!(out, "  {mark} |{}", line.trim_end())?;
    }
    writeln!(out, "  {:10} +{}", "", "-".repeat(columns))?;
    writeln!(out, "  {:10}  0{:>w$}", "", span(last), w = columns - 1)
}

/// A length of time in its largest unit.
fn span(seconds: f64) -> String {
    match seconds {
        s if s >= 172_800.0 => format!("{:.1} days", s / 86_400.0),
        s if s >= 7_200.0 => format!("{:.1} h", s / 3_600.0),
        s if s >= 120.0 => format!("{:.1} min", s / 60.0),
        s => format!("{s:.1} s"),
    }
}

/// Bins of the histogram.
const BINS: usize = 8;

/// How long connections lived, or how far apart their ends are; bins of equal width, of equal ratio
/// where the ages spread over more than a factor of ten.
fn ages(picture: &Picture, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if picture.ages.len() < 3 {
        return Ok(());
    }
    let low = picture.ages.iter().copied().fold(f64::INFINITY, f64::min);
    let high = picture.ages.iter().copied().fold(0.0, f64::max);
    let wide = low > 0.0 && high > 10.0 * low;
    let scale = |a: f64| if wide { a.ln() } else { a };
    let step = (scale(high) - scale(low)).max(1e-9) / BINS as f64;
    let mut bins = [0usize; BINS];
    for age in &picture.ages {
        let at = (((scale(*age) - scale(low)) / step) as usize).min(BINS - 1);
        if let Some(bin) = bins.get_mut(at) {
            *bin += 1;
        }
    }
    let most = bins.iter().copied().max().unwrap_or(1).max(1);
    let title = if picture.lifetimes { "Lifetimes" } else { "Times between endings" };
    page.heading(out, title)?;
    let columns = page.width.saturating_sub(40).clamp(10, 40);
    for (i, count) in bins.iter().enumerate() {
        let edge = |k: usize| {
            let x = scale(low) + step * k as f64;
            if wide { x.exp() } else { x }
        };
        let bar = "#".repeat((count * columns).div_ceil(most));
        writeln!(out, "  {:>10.2} to {:>10.2} s {count:5} {bar}", edge(i), edge(i + 1))?;
    }
    let mut sorted = picture.ages.clone();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted.get((share * (sorted.len() - 1) as f64) as usize).copied();
    if let (Some(half), Some(most)) = (at(0.5), at(0.9)) {
        writeln!(out, "  half were over after {half:.2} s, nine in ten after {most:.2} s")?;
    }
    Ok(())
}

/// Candidates told; the rest is for `--format json`.
const TOLD: usize = 8;

fn candidates(entry: &Entry, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if entry.candidates.is_empty() {
        return Ok(());
    }
    page.heading(out, "Timers of the catalogue that fit (a number alone names none)")?;
    for c in entry.candidates.iter().take(TOLD) {
        let share = page.label(Label::Number, &format!("{:5.1} %", c.probability * 100.0));
        let says = format!("{}: {} = {} s ({})", c.id, c.setting, c.seconds, c.product);
        page.wrap(out, (&format!("  {share}  "), 11), 11, &says)?;
    }
    let more = entry.candidates.len().saturating_sub(TOLD);
    if more > 0 {
        writeln!(out, "           and {more} more")?;
    }
    Ok(())
}

/// For a ticket.
pub fn markdown(document: &Document, out: &mut dyn Write) -> io::Result<()> {
    for entry in &document.series {
        writeln!(out, "## {}, {} endings\n", entry.what, entry.rhythm.events)?;
        writeln!(out, "{}.", answer(&entry.rhythm))?;
        for says in numbers(&entry.rhythm) {
            writeln!(out, "- {says}")?;
        }
        for note in &entry.notes {
            writeln!(out, "- {note}")?;
        }
        writeln!(out, "\n| explanation | probability |\n|---|---|")?;
        for model in &entry.models {
            writeln!(out, "| {} | {:.3} |", meaning(model.anchor), model.probability)?;
        }
        writeln!(out)?;
    }
    Ok(())
}
