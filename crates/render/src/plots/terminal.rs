//! The plots on a terminal: within the page's width, in ASCII where the page asks for it, and
//! readable without colour.

use super::{course_title, histogram_title, quantiles, survival_title};
use crate::page::{Label, Page};
use hopclock_core::rhythm::plot::{Axis, Course, Histogram, Survival, length};
use std::io::{self, Write};

/// Rows of a plot.
const ROWS: usize = 9;
/// Columns left of a plot.
const LEFT: usize = 11;

/// The characters plots are made of.
struct Glyphs {
    point: char,
    several: char,
    stranger: char,
    fitted: char,
    level: char,
    mark: char,
    side: char,
    floor: char,
    corner: char,
    lost: char,
    stairs: char,
    eighths: &'static [char],
}

const PLAIN: Glyphs = Glyphs {
    point: 'o',
    several: '@',
    stranger: 'x',
    fitted: '.',
    level: '-',
    mark: ':',
    side: '|',
    floor: '-',
    corner: '+',
    lost: '+',
    stairs: '#',
    eighths: &['#'],
};

const FULL: Glyphs = Glyphs {
    point: '●',
    several: '◉',
    stranger: '×',
    fitted: '·',
    level: '╌',
    mark: '┊',
    side: '│',
    floor: '─',
    corner: '└',
    lost: '+',
    stairs: '█',
    eighths: &['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'],
};

fn glyphs(page: Page) -> &'static Glyphs {
    if page.unicode { &FULL } else { &PLAIN }
}

/// A field of characters with an axis on its left and one below.
struct Field<'a> {
    cells: Vec<Vec<char>>,
    x: &'a Axis,
    y: &'a Axis,
}

impl<'a> Field<'a> {
    fn new(page: Page, x: &'a Axis, y: &'a Axis) -> Field<'a> {
        let columns = page.width.saturating_sub(LEFT + 5).max(20);
        Field { cells: vec![vec![' '; columns]; ROWS], x, y }
    }

    fn columns(&self) -> usize {
        self.cells.first().map_or(1, Vec::len)
    }

    fn column(&self, x: f64) -> usize {
        (self.x.place(x).clamp(0.0, 1.0) * (self.columns() - 1) as f64).round() as usize
    }

    fn row(&self, y: f64) -> usize {
        ((1.0 - self.y.place(y).clamp(0.0, 1.0)) * (ROWS - 1) as f64).round() as usize
    }

    fn cell(&mut self, column: usize, row: usize) -> Option<&mut char> {
        self.cells.get_mut(row)?.get_mut(column)
    }

    fn put(&mut self, column: usize, row: usize, glyph: char) {
        if let Some(cell) = self.cell(column, row) {
            *cell = glyph;
        }
    }

    /// A straight line, a character a column.
    fn line(&mut self, from: (f64, f64), to: (f64, f64), glyph: char) {
        let (first, last) = (self.column(from.0), self.column(to.0));
        let over = (last - first.min(last)).max(1) as f64;
        for column in first..=last {
            let share = (column - first) as f64 / over;
            let row = self.row(from.1 + share * (to.1 - from.1));
            self.put(column, row, glyph);
        }
    }

    /// Prints it, marks of the axes beside and below.
    fn print(&self, page: Page, out: &mut dyn Write) -> io::Result<()> {
        let g = glyphs(page);
        let mut labels = vec![String::new(); ROWS];
        for tick in &self.y.ticks {
            if let Some(label) = labels.get_mut(self.row(tick.at)) {
                label.clone_from(&tick.label);
            }
        }
        for (label, row) in labels.iter().zip(&self.cells) {
            let line: String = row.iter().collect();
            let label = page.label(Label::Aside, &format!("{label:>LEFT$}"));
            writeln!(out, "{label} {}{}", g.side, line.trim_end())?;
        }
        let floor = g.floor.to_string().repeat(self.columns());
        writeln!(out, "{:LEFT$} {}{floor}", "", g.corner)?;
        writeln!(out, "{:LEFT$}  {}", "", page.label(Label::Aside, &self.below()))
    }

    /// The labels below, as many as do not touch, and the unit at the end.
    fn below(&self) -> String {
        let mut line = vec![' '; self.columns() + 2];
        let mut free = 0;
        let unit = self.x.unit;
        let unit_at = line.len().saturating_sub(unit.chars().count());
        for tick in &self.x.ticks {
            let length = tick.label.chars().count();
            let at = self.column(tick.at).saturating_sub(length / 2);
            let after = at + length;
            if at < free || after + usize::from(!unit.is_empty()) > unit_at {
                continue;
            }
            line.splice(at..after, tick.label.chars());
            free = after + 2;
        }
        line.splice(unit_at.., unit.chars());
        line.into_iter().collect::<String>().trim_end().to_owned()
    }
}

/// Phase or age against time: level is a schedule, a slope is drift.
pub fn course(plot: &Course, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let g = glyphs(page);
    let mut field = Field::new(page, &plot.time, &plot.offsets);
    for mark in &plot.marks {
        let column = field.column(mark.at_s);
        (0..ROWS).for_each(|row| field.put(column, row, g.mark));
    }
    if let Some(level) = &plot.level {
        field.line(level.from, level.to, g.level);
    }
    plot.fitted.iter().for_each(|l| field.line(l.from, l.to, g.fitted));
    for point in &plot.points {
        let column = field.column(point.at_s);
        let Some(off) = point.off_s else {
            field.put(column, ROWS - 1, g.stranger);
            continue;
        };
        let row = field.row(off);
        if let Some(cell) = field.cell(column, row) {
            let taken = *cell == g.point || *cell == g.several;
            *cell = if taken { g.several } else { g.point };
        }
    }
    page.heading(out, &format!("{}, seconds", course_title(plot)))?;
    field.print(page, out)?;
    page.wrap(out, ("  ", 2), 2, &key(plot, g))
}

/// What the characters of a course mean.
fn key(plot: &Course, g: &Glyphs) -> String {
    let mut says = vec![format!("{} an end ({} several)", g.point, g.several)];
    says.push(format!("{0}{0} fitted", g.fitted));
    if plot.level.is_some() {
        says.push(format!("{0}{0} a schedule of the wall clock would stay level", g.level));
    }
    if plot.points.iter().any(|p| p.off_s.is_none()) {
        says.push(format!("{} not the clock's", g.stranger));
    }
    let (anew, moved): (Vec<_>, Vec<_>) = plot.marks.iter().partition(|m| m.set_anew);
    says.extend(anew.iter().map(|m| format!("{} set anew, {}", g.mark, m.says)));
    if let Some(mark) = moved.first() {
        let more = match moved.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        says.push(format!("{} the phase moved: {}{more} (taken out)", g.mark, mark.says));
    }
    says.join("   ")
}

/// A bar of so many eighths of a column.
fn bar(g: &Glyphs, share: f64, columns: usize) -> String {
    let fine = g.eighths.len();
    let full = g.eighths.last().copied().unwrap_or('#');
    let parts = (share * (columns * fine) as f64).round() as usize;
    // Something is never drawn as nothing.
    let parts = if share > 0.0 { parts.max(1) } else { 0 };
    let mut bar: String = std::iter::repeat_n(full, parts / fine).collect();
    bar.extend((parts % fine).checked_sub(1).and_then(|i| g.eighths.get(i)));
    bar
}

/// How long connections lived, or how far apart their ends are.
pub fn histogram(plot: &Histogram, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let g = glyphs(page);
    page.heading(out, histogram_title(plot))?;
    let wide = plot.bins.iter().map(|b| b.label.chars().count()).max().unwrap_or(0);
    let told: Vec<String> = plot.bins.iter().map(|b| stands(plot, (b.low_s, b.high_s))).collect();
    let beside = told.iter().map(|t| t.chars().count()).max().unwrap_or(0);
    let columns = page.width.saturating_sub(wide + beside + 14).clamp(8, 60);
    let mut empty = false;
    for (bin, told) in plot.bins.iter().zip(&told) {
        // A long stretch of nothing is one line.
        if bin.count == 0 && told.is_empty() && empty {
            continue;
        }
        empty = bin.count == 0 && told.is_empty();
        let bar = bar(g, plot.counts.place(bin.count as f64), columns);
        let pad = columns.saturating_sub(bar.chars().count());
        let tail = if told.is_empty() { String::new() } else { format!("{:pad$}  {told}", "") };
        let label = page.label(Label::Aside, &format!("{:>wide$}", bin.label));
        writeln!(out, "  {label} {:5} {}{bar}{tail}", bin.count, g.side)?;
    }
    page.paragraph(out, 2, &quantiles(plot))
}

/// Timers of the catalogue that stand in a bin, shortly.
fn stands(plot: &Histogram, (low, high): (f64, f64)) -> String {
    let here = plot.stands.iter().filter(|s| (low..high).contains(&s.at_s));
    let here: Vec<String> = here.map(|s| length(s.at_s)).collect();
    if here.is_empty() { String::new() } else { format!("<- {}", here.join(", ")) }
}

/// How many were still there after how long.
pub fn survival(plot: &Survival, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let g = glyphs(page);
    let mut field = Field::new(page, &plot.ages, &plot.shares);
    let at: Vec<usize> = plot.steps.iter().map(|s| field.column(s.at_s)).collect();
    let mut alive = 1.0;
    let mut steps = plot.steps.iter().zip(at).peekable();
    for column in 0..field.columns() {
        while let Some((step, _)) = steps.next_if(|(_, at)| *at <= column) {
            alive = step.alive;
        }
        let row = field.row(alive);
        field.put(column, row, g.stairs);
    }
    for age in &plot.censored_s {
        let column = field.column(*age);
        let here = plot.steps.iter().take_while(|s| s.at_s <= *age).last();
        let row = field.row(here.map_or(1.0, |s| s.alive));
        field.put(column, row, g.lost);
    }
    page.heading(out, survival_title(plot))?;
    field.print(page, out)?;
    let lost = if plot.censored_s.is_empty() { "" } else { "   + last seen alive" };
    page.paragraph(out, 2, &format!("{}{lost}", plot.says))
}
