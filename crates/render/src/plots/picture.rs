//! The plots as SVG pictures.

use super::{course_title, histogram_title, quantiles, survival_title};
use crate::svg::{self, Canvas, Picture, WIDTH};
use hopclock_core::rhythm::plot::{Axis, Course, Histogram, Line, Shows, Survival, length};

/// Where the values of two axes stand on a picture.
struct Frame<'a> {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: &'a Axis,
    y: &'a Axis,
}

const LEFT: f64 = 76.0;
const RIGHT: f64 = WIDTH - 28.0;

impl<'a> Frame<'a> {
    fn new((top, bottom): (f64, f64), x: &'a Axis, y: &'a Axis) -> Frame<'a> {
        Frame { left: LEFT, right: RIGHT, top, bottom, x, y }
    }

    fn at_x(&self, x: f64) -> f64 {
        self.left + self.x.place(x).clamp(0.0, 1.0) * (self.right - self.left)
    }

    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let up = self.y.place(y).clamp(0.0, 1.0) * (self.bottom - self.top);
        (self.at_x(x), self.bottom - up)
    }

    /// Grid, marks and the two axes; `under` is told below the lower one.
    fn draw(&self, canvas: &mut Canvas, under: Option<&str>) {
        for tick in &self.y.ticks {
            let y = self.at((self.x.low, tick.at)).1;
            canvas.line("grid", (self.left, y), (self.right, y));
            canvas.text((self.left - 8.0, y + 4.5), ("s", "end"), &tick.label);
        }
        canvas.line("axis", (self.left, self.bottom), (self.right, self.bottom));
        let Some(under) = under else { return };
        let mut free = f64::NEG_INFINITY;
        for tick in &self.x.ticks {
            let x = self.at_x(tick.at);
            canvas.line("axis", (x, self.bottom), (x, self.bottom + 5.0));
            let half = svg::width_of(&tick.label) / 2.0;
            if x - half > free {
                canvas.text((x, self.bottom + 19.0), ("s", "middle"), &tick.label);
                free = x + half + 6.0;
            }
        }
        let middle = (self.left + self.right) / 2.0;
        canvas.text((middle, self.bottom + 37.0), ("s", "middle"), under);
    }

    fn line(&self, canvas: &mut Canvas, class: &str, line: &Line) {
        canvas.line(class, self.at(line.from), self.at(line.to));
    }
}

/// A legend: (class of the sample, text), on rows from `y` on. Returns where the next thing goes.
fn legend(canvas: &mut Canvas, y: f64, entries: &[(&str, String)]) -> f64 {
    let (mut x, mut y) = (LEFT, y);
    for (class, says) in entries {
        let wide = 34.0 + svg::width_of(says) + 18.0;
        if x > LEFT && x + wide > WIDTH {
            (x, y) = (LEFT, y + 20.0);
        }
        match *class {
            "dots" => canvas.dots([(x + 12.0, y - 4.5)].into_iter()),
            "off" => canvas.strokes("off", [(x + 12.0, y - 4.5)].into_iter(), CROSS),
            "band" => canvas.rect("band", (x, y - 11.0), (26.0, 12.0)),
            "lost" => canvas.strokes("off", [(x + 12.0, y - 4.5)].into_iter(), PLUS),
            class => canvas.line(class, (x, y - 4.5), (x + 26.0, y - 4.5)),
        }
        canvas.text((x + 34.0, y), ("s", "start"), says);
        x += wide;
    }
    y + 20.0
}

/// A small × from its middle, and a small +.
const CROSS: &str = "m-4-4l8 8m0-8l-8 8";
const PLUS: &str = "m0-5v10m-5-5h10";

/// Vertical lines with labels above the frame, in rows so that no two touch.
fn marks(canvas: &mut Canvas, frame: &Frame<'_>, marks: &[(f64, &str)]) {
    let at = |x: f64| frame.at_x(x);
    let held = |(x, says): &(f64, &str)| {
        let half = svg::width_of(says) / 2.0;
        at(*x).clamp(LEFT + half, RIGHT - half)
    };
    let texts: Vec<(f64, &str)> = marks.iter().map(|m| (held(m), m.1)).collect();
    let rows = svg::rows(&texts, MARK_ROWS);
    for ((mark, text), row) in marks.iter().zip(&texts).zip(rows) {
        let y = frame.top - 6.0 - 16.0 * row.unwrap_or(0) as f64;
        let top = if row.is_some() { y + 3.0 } else { frame.top };
        canvas.line("mark", (at(mark.0), top), (at(mark.0), frame.bottom));
        if row.is_some() {
            canvas.text((text.0, y), ("mk", "middle"), text.1);
        }
    }
}

/// Rows of labels above a frame.
const MARK_ROWS: usize = 3;

/// Room above a frame for the labels of its marks.
fn room(marks: usize) -> f64 {
    16.0 * marks.min(MARK_ROWS) as f64
}

/// Phase or age against time, the fitted line, what a schedule would show, and what is left.
/// `began` says when the first end was.
pub fn course(plot: &Course, id: &str, began: &str) -> Picture {
    let mut canvas = Canvas::default();
    let title = course_title(plot);
    canvas.text((16.0, 24.0), ("h", "start"), &title);
    canvas.text((16.0, 43.0), ("s", "start"), "upright: seconds");
    let entries = course_legend(plot);
    let y = legend(&mut canvas, 66.0, &entries);
    let top = y + room(plot.marks.len());
    let rest = !plot.residuals.is_empty();
    let bottom = top + 190.0;
    let under = format!("{} since {began}", unit_or(&plot.time, "time"));
    let frame = Frame::new((top, bottom), &plot.time, &plot.offsets);
    frame.draw(&mut canvas, (!rest).then_some(under.as_str()));
    let labels: Vec<(f64, &str)> = plot.marks.iter().map(|m| (m.at_s, m.says.as_str())).collect();
    marks(&mut canvas, &frame, &labels);
    if let Some(level) = &plot.level {
        frame.line(&mut canvas, "alt", level);
    }
    plot.fitted.iter().for_each(|line| frame.line(&mut canvas, "fit", line));
    let on = plot.points.iter().filter_map(|p| p.off_s.map(|o| frame.at((p.at_s, o))));
    canvas.dots(on);
    let off = plot.points.iter().filter(|p| p.off_s.is_none());
    canvas.strokes("off", off.map(|p| (frame.at_x(p.at_s), bottom - 7.0)), CROSS);
    let mut height = bottom + 52.0;
    if rest {
        height = residuals(&mut canvas, plot, bottom, &under);
    }
    let desc = entries.iter().map(|e| e.1.as_str()).chain(labels.iter().map(|l| l.1));
    let desc =
        format!("{} ends over time. {}", plot.points.len(), desc.collect::<Vec<_>>().join("; "));
    canvas.finish(id, height, (&title, &desc))
}

/// The panel below a course: what is left when the fitted line is taken away.
fn residuals(canvas: &mut Canvas, plot: &Course, above: f64, under: &str) -> f64 {
    let (top, bottom) = (above + 38.0, above + 128.0);
    let says = "less the fitted line (a wandering course adds up, a level one does not)";
    canvas.text((LEFT, top - 10.0), ("s", "start"), says);
    let frame = Frame::new((top, bottom), &plot.time, &plot.rest);
    frame.draw(canvas, Some(under));
    canvas.path("fit", plot.residuals.iter().map(|r| frame.at(*r)));
    canvas.dots(plot.residuals.iter().map(|r| frame.at(*r)));
    bottom + 52.0
}

fn course_legend(plot: &Course) -> Vec<(&'static str, String)> {
    let mut entries = vec![("dots", "an end".to_owned())];
    match plot.shows {
        Shows::Phase => entries.push(("fit", "fitted, (last − first) / n".to_owned())),
        Shows::Age => entries.push(("fit", "mean".to_owned())),
    }
    if plot.level.is_some() {
        entries.push(("alt", "a schedule of the wall clock would stay level".to_owned()));
    }
    if plot.points.iter().any(|p| p.off_s.is_none()) {
        entries.push(("off", "an end that is not the clock's".to_owned()));
    }
    if plot.marks.iter().any(|m| !m.set_anew) {
        entries.push(("mark", "the phase moved by this much (taken out)".to_owned()));
    }
    if plot.marks.iter().any(|m| m.set_anew) {
        entries.push(("mark", "the timer was set anew".to_owned()));
    }
    entries
}

fn unit_or<'a>(axis: &Axis, word: &'a str) -> &'a str {
    if axis.unit.is_empty() { word } else { axis.unit }
}

/// Ages in bins, with the values at which the catalogue's timers stand.
pub fn histogram(plot: &Histogram, id: &str) -> Picture {
    let mut canvas = Canvas::default();
    let title = histogram_title(plot);
    canvas.text((16.0, 24.0), ("h", "start"), title);
    let says = quantiles(plot);
    canvas.text((16.0, 43.0), ("s", "start"), &format!("upright: how many; {says}"));
    let top = 62.0 + room(plot.stands.len());
    let bottom = top + 170.0;
    let frame = Frame::new((top, bottom), &plot.ages, &plot.counts);
    frame.draw(&mut canvas, Some(unit_or(&plot.ages, "age, each step the same ratio")));
    for bin in plot.bins.iter().filter(|b| b.count > 0) {
        let (x, y) = frame.at((bin.low_s, bin.count as f64));
        let wide = (frame.at_x(bin.high_s) - x - 1.0).max(1.5);
        canvas.rect("bar", (x, y), (wide, bottom - y));
    }
    let mut stands: Vec<(f64, &str)> =
        plot.stands.iter().map(|s| (s.at_s, s.label.as_str())).collect();
    stands.sort_by(|a, b| a.0.total_cmp(&b.0));
    marks(&mut canvas, &frame, &stands);
    let told = stands.iter().map(|s| s.1).collect::<Vec<_>>().join("; ");
    canvas.finish(id, bottom + 52.0, (title, &format!("{says}. {told}")))
}

/// How many were still there after how long, with the 95 % band and those last seen alive.
pub fn survival(plot: &Survival, id: &str) -> Picture {
    let mut canvas = Canvas::default();
    let title = survival_title(plot);
    canvas.text((16.0, 24.0), ("h", "start"), title);
    canvas.text((16.0, 43.0), ("s", "start"), &plot.says);
    let mut entries = vec![
        ("fit", "Kaplan and Meier's estimate".to_owned()),
        ("band", "95 % interval".to_owned()),
    ];
    if !plot.censored_s.is_empty() {
        entries.push(("lost", "last seen alive".to_owned()));
    }
    let top = legend(&mut canvas, 66.0, &entries) + room(usize::from(plot.median_s.is_some()));
    let bottom = top + 170.0;
    let frame = Frame::new((top, bottom), &plot.ages, &plot.shares);
    frame.draw(&mut canvas, Some(unit_or(&plot.ages, "age, each step the same ratio")));
    let upper = stairs(plot, |s| s.high);
    let lower: Vec<(f64, f64)> = stairs(plot, |s| s.low).into_iter().rev().collect();
    canvas.path("band", upper.into_iter().chain(lower).map(|p| frame.at(p)));
    canvas.path("fit", stairs(plot, |s| s.alive).into_iter().map(|p| frame.at(p)));
    let lost = plot.censored_s.iter().map(|c| frame.at((*c, alive(plot, *c))));
    canvas.strokes("off", lost, PLUS);
    if let Some(median) = plot.median_s {
        let says = format!("half: {}", length(median));
        marks(&mut canvas, &frame, &[(median, says.as_str())]);
    }
    canvas.finish(id, bottom + 52.0, (title, &plot.says))
}

/// A curve of steps as the corners of its line.
fn stairs(
    plot: &Survival,
    of: impl Fn(&hopclock_core::rhythm::plot::Step) -> f64,
) -> Vec<(f64, f64)> {
    let mut corners = vec![(plot.ages.low, 1.0)];
    let mut before = 1.0;
    for step in &plot.steps {
        corners.push((step.at_s, before));
        before = of(step);
        corners.push((step.at_s, before));
    }
    corners.push((plot.ages.high, before));
    corners
}

/// The share alive at an age.
fn alive(plot: &Survival, at: f64) -> f64 {
    plot.steps.iter().take_while(|s| s.at_s <= at).last().map_or(1.0, |s| s.alive)
}
