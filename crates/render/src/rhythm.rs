//! Rhythms for a person: the answer, the rivals, and two plots that fit a terminal.

use crate::markdown::safe;
use crate::page::{Label, Page};
use crate::text::capital;
use crate::{plots, svg};
use hopclock_core::report::Input;
use hopclock_core::rhythm::plot::{Plots, length};
use hopclock_core::rhythm::{Fit, Model, Rhythm, Timer};
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
    /// Two, where the clock was set anew at a date; `rhythm` is then of the second. Else none.
    pub regimes: Vec<Regime>,
    /// Both, the busier first, where it takes two timers. Else none.
    pub timers: Vec<Timer>,
    /// How well the clock that leads fits; null where none does, or two timers do.
    pub fit: Option<Fit>,
    /// Ends that seem to have gone unlogged.
    pub unseen: Vec<Unseen>,
    /// Why the anchor is undetermined; null where it is named.
    pub why: Option<String>,
    /// What would tell, the best first.
    pub next: Vec<String>,
    /// First and last end, RFC 3339 in UTC.
    pub first: Option<String>,
    /// See [`Entry::first`].
    pub last: Option<String>,
    /// The same in the reader's zone.
    #[serde(skip)]
    pub between: Option<(String, String)>,
    /// What the plots show.
    #[serde(skip)]
    pub plots: Plots,
}

/// A stretch of time in which the clock kept one period.
#[derive(Debug, Serialize)]
pub struct Regime {
    /// Number of its first ending, from 1.
    pub ending: usize,
    /// When that was, RFC 3339 in UTC.
    pub at: Option<String>,
    /// The same in the reader's zone.
    #[serde(skip)]
    pub when: Option<String>,
    /// Its period, seconds.
    pub period_s: f64,
    /// Lower end of the 95 % interval.
    pub low_s: f64,
    /// Upper end.
    pub high_s: f64,
}

/// Ends that seem to have gone unlogged.
#[derive(Debug, Serialize)]
pub struct Unseen {
    /// Number of the ending before which they were, from 1.
    pub ending: usize,
    /// How many.
    pub ends: u32,
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
    /// When that ending was, RFC 3339 in UTC.
    pub at: Option<String>,
    /// The same in the reader's zone.
    #[serde(skip)]
    pub when: Option<String>,
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
    writeln!(out, "{}", page.label(Label::Heading, &title(entry)))?;
    if let Some((first, last)) = &entry.between {
        page.paragraph(out, 2, &format!("{first} to {last}"))?;
    }
    writeln!(out)?;
    page.paragraph(out, 2, &answer(entry))?;
    for says in numbers(entry) {
        page.paragraph(out, 2, &says)?;
    }
    for next in &entry.next {
        page.wrap(out, ("  Next: ", 8), 8, next)?;
    }
    let told = |note: &&String| Some(*note) != entry.why.as_ref() && !entry.next.contains(note);
    for note in entry.notes.iter().filter(told) {
        page.wrap(out, ("  - ", 4), 4, note)?;
    }
    models(&entry.models, page, out)?;
    if let Some(plot) = &entry.plots.course {
        plots::course(plot, page, out)?;
    }
    if let Some(plot) = &entry.plots.coarse {
        plots::histogram(plot, page, out)?;
    }
    if let Some(plot) = &entry.plots.survival {
        plots::survival(plot, page, out)?;
    }
    candidates(entry, page, out)
}

fn title(entry: &Entry) -> String {
    let n = entry.rhythm.events;
    format!("{}, {n} {}", entry.what, if n == 1 { "ending" } else { "endings" })
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

/// The answer in plain words.
fn answer(entry: &Entry) -> String {
    let rhythm = &entry.rhythm;
    let what = meaning(rhythm.anchor);
    let why = entry.why.as_deref().unwrap_or_default();
    match (rhythm.anchor, period(rhythm)) {
        (Anchor::Undetermined, Some(period)) => {
            format!("Undetermined: {what} what it counts from. {why} Whichever it is: {period}.")
        }
        (Anchor::Undetermined, None) => format!("Undetermined: {what}. {why}"),
        (_, Some(period)) => format!("{}: {period}.", capital(what)),
        (_, None) => format!("{}.", capital(what)),
    }
}

/// The period in words.
fn period(rhythm: &Rhythm) -> Option<String> {
    let period = rhythm.period_s?;
    let whole = rhythm.drift_against_s.unwrap_or(period);
    let bounds = rhythm.low_s.zip(rhythm.high_s);
    let bounds = bounds.map(|(l, h)| format!("; {l:.2} to {h:.2}, 95 %")).unwrap_or_default();
    Some(match whole {
        w if w >= 120.0 => format!("about {} ({period:.2} s{bounds})", length(w)),
        _ => format!(
            "{period:.2} s ({}95 %)",
            bounds.trim_start_matches("; ").trim_end_matches("95 %")
        ),
    })
}

fn numbers(entry: &Entry) -> Vec<String> {
    let rhythm = &entry.rhythm;
    let mut says = Vec::new();
    if let (Some(round), Some(drift)) = (rhythm.drift_against_s, rhythm.drift_s_per_cycle) {
        let way = if drift < 0.0 { "earlier" } else { "later" };
        says.push(match drift.abs() {
            d if d < 5e-4 => format!("No drift against {round} s."),
            d => format!("Each cycle is {d:.3} s {way} than {round} s."),
        });
    }
    if let [old, new] = entry.regimes.as_slice() {
        let when = new.when.as_deref().map(|w| format!(" ({w})")).unwrap_or_default();
        says.push(format!(
            "It was set anew before ending {}{when}: {:.2} s until then ({:.2} to {:.2}), {:.2} s \
             since.",
            new.ending, old.period_s, old.low_s, old.high_s, new.period_s
        ));
    }
    if let [one, two] = entry.timers.as_slice() {
        says.push(format!(
            "There are two timers: {:.2} s ({} ends) and {:.2} s ({} ends).",
            one.period_s, one.ends, two.period_s, two.ends
        ));
    }
    if let Some(delay) = rhythm.reconnect_delay_s {
        says.push(format!("Reconnected after {delay:.2} s (median)."));
    }
    says.extend(entry.fit.as_ref().map(fits));
    for jump in &entry.breaks {
        let at = jump.when.as_deref().map(|w| format!(" ({w})")).unwrap_or_default();
        let way = if jump.shift_s < 0.0 { "earlier" } else { "later" };
        let by = length(jump.shift_s.abs());
        says.push(format!("The phase moved {by} {way} at ending {}{at}.", jump.ending));
    }
    let unseen: u32 = entry.unseen.iter().map(|u| u.ends).sum();
    if let Some(first) = entry.unseen.first() {
        let ends = if unseen == 1 { "One end seems" } else { &format!("{unseen} ends seem") };
        let more = if entry.unseen.len() > 1 { "the first " } else { "" };
        says.push(format!("{ends} to have gone unlogged, {more}before ending {}.", first.ending));
    }
    says
}

/// Beyond this what is left over has no pattern to speak of.
const PATTERN: f64 = 0.01;

/// How well a clock fits, in words.
fn fits(fit: &Fit) -> String {
    let beat = match fit.of - fit.ends {
        0 => format!("All {} ends that could be are on its beat", fit.of),
        _ => format!("{} of {} ends are on its beat", fit.ends, fit.of),
    };
    let left = match fit.pattern_p {
        None => String::new(),
        Some(p) if p < PATTERN => {
            ", and what is left over has a pattern: something more is going on".to_owned()
        }
        Some(_) => ", and what is left over has no pattern".to_owned(),
    };
    format!("{beat}, with a scatter of {:.2} s{left}.", fit.scatter_s)
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
        let n = entry.rhythm.events;
        let endings = if n == 1 { "ending" } else { "endings" };
        writeln!(out, "## {}, {n} {endings}\n", safe::code(&entry.what))?;
        writeln!(out, "{}\n", safe::text(&answer(entry)))?;
        for says in numbers(entry) {
            writeln!(out, "- {}", safe::text(&says))?;
        }
        for next in &entry.next {
            writeln!(out, "- Next: {}", safe::text(next))?;
        }
        let told = |n: &&String| Some(*n) != entry.why.as_ref() && !entry.next.contains(n);
        for note in entry.notes.iter().filter(told) {
            writeln!(out, "- {}", safe::text(note))?;
        }
        writeln!(out, "\n| explanation | probability |\n|---|---|")?;
        for model in &entry.models {
            writeln!(out, "| {} | {:.3} |", meaning(model.anchor), model.probability)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Series drawn into one picture.
const DRAWN: usize = 8;

/// As a picture: the plots of each series, one below the other; the answer stands above them.
pub fn picture(document: &Document) -> String {
    let mut pictures = Vec::new();
    for (at, entry) in document.series.iter().take(DRAWN).enumerate() {
        pictures.push(head(entry, at));
        let id = |what: &str| format!("hc-{at}-{what}");
        let began = entry.between.as_ref().map_or("the first end", |b| b.0.as_str());
        let plots = &entry.plots;
        pictures.extend(plots.course.iter().map(|p| plots::course_picture(p, &id("c"), began)));
        pictures.extend(plots.fine.iter().map(|p| plots::histogram_picture(p, &id("h"))));
        pictures.extend(plots.survival.iter().map(|p| plots::survival_picture(p, &id("s"))));
    }
    let more = document.series.len().saturating_sub(DRAWN);
    if more > 0 {
        let mut canvas = svg::Canvas::default();
        let says = format!("and {more} more series, not drawn");
        canvas.text((16.0, 24.0), ("s", "start"), &says);
        pictures.push(canvas.finish("hc-more", 40.0, (&says, &says)));
    }
    svg::file("Rhythm of endings", &pictures)
}

/// What stands above the plots of a series.
fn head(entry: &Entry, at: usize) -> svg::Picture {
    let mut canvas = svg::Canvas::default();
    let title = title(entry);
    let mut y = 34.0;
    for line in broken(&title, 80) {
        canvas.text((16.0, y), ("big", "start"), &line);
        y += 24.0;
    }
    let answer = answer(entry);
    for says in [answer.clone()].into_iter().chain(numbers(entry)) {
        for line in broken(&says, 104) {
            canvas.text((16.0, y), ("", "start"), &line);
            y += 19.0;
        }
    }
    canvas.finish(&format!("hc-{at}-a"), y, (&title, &answer))
}

/// Lines of at most so many characters, broken between words.
fn broken(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
