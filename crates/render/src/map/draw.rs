//! The map as a picture: a box a hop with its clocks, a line a step, the paths told below. It
//! prints on A4 to A0; with everything known of each timer it is the sheet for the wall.

use super::facts::{self, Line};
use super::lay::{self, Layout, Place};
use super::mermaid::steps;
use crate::svg::{Canvas, STYLE, escaped, width_of};
use hopclock_core::map::settle::{Known, Map, Stop};
use std::fmt::Write as _;
use std::io::{self, Write};

/// A sheet of paper (ISO 216).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    /// 210 by 297 mm.
    A4,
    /// 297 by 420 mm.
    A3,
    /// 420 by 594 mm.
    A2,
    /// 594 by 841 mm.
    A1,
    /// 841 by 1189 mm.
    A0,
}

impl Paper {
    const fn short_and_long_mm(self) -> (f64, f64) {
        match self {
            Paper::A4 => (210.0, 297.0),
            Paper::A3 => (297.0, 420.0),
            Paper::A2 => (420.0, 594.0),
            Paper::A1 => (594.0, 841.0),
            Paper::A0 => (841.0, 1189.0),
        }
    }
}

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The sheet it is for; as large as it is where none is named.
    pub paper: Option<Paper>,
    /// Everything known of each timer.
    pub wall: bool,
    /// The line above everything.
    pub title: String,
    /// Under it: when the hops were measured, for instance.
    pub about: String,
}

const STYLE_HERE: &str = ".hc .box{fill:var(--bg);stroke:var(--ink);stroke-width:1.2}\
.hc .ends{stroke:var(--ink);stroke-width:4}.hc .none{stroke-dasharray:5 4}\
.hc .way{stroke:var(--soft);stroke-width:1.6;fill:none}.hc .hot{stroke:var(--b);stroke-width:3}\
.hc .n{font-weight:600}.hc .t{font-size:11.5px}.hc .m{font-size:10px;fill:var(--soft)}\
.hc .no{font-size:11px;font-weight:600;paint-order:stroke;stroke:var(--bg);stroke-width:4px}\
.hc .tag{font-size:10.5px;font-weight:600;fill:var(--b)}";

/// Padding in a box.
const PAD: f64 = 10.0;
const NAME_H: f64 = 22.0;
const LINE_H: f64 = 15.0;
const MORE_H: f64 = 13.0;
/// A line of a box is broken after so many characters.
const COLUMNS: usize = 46;
/// No word is longer.
const WORD_MAX: usize = 64;
/// Lines that go on stand in from the sign.
const INDENT: f64 = 14.0;
const MARGIN: f64 = 24.0;

/// A line of text in a box.
struct Row {
    class: &'static str,
    /// How far it is moved in.
    indent: f64,
    text: String,
    height: f64,
}

impl Row {
    const fn new(class: &'static str, indent: f64, text: String, height: f64) -> Self {
        Self { class, indent, text, height }
    }

    fn width(&self) -> f64 {
        // By size and weight, a little wider than they come out.
        let scale = match self.class {
            "n" => 1.1,
            "m" => 0.8,
            _ => 0.92,
        };
        self.indent + width_of(&self.text) * scale
    }
}

/// A box's content.
struct Content {
    rows: Vec<Row>,
    width: f64,
    height: f64,
    known: bool,
}

/// Writes the picture.
pub fn write(map: &Map, wish: &Wish, out: &mut dyn Write) -> io::Result<()> {
    let contents: Vec<Content> = map.hops.iter().map(|hop| content(map, hop, wish.wall)).collect();
    let steps = steps(map);
    let edges: Vec<(usize, usize)> = steps.keys().copied().collect();
    let sizes: Vec<(f64, f64)> = contents.iter().map(|c| (c.width, c.height)).collect();
    let below = legend(map);
    let layout = best(&sizes, &edges, wish.paper, below.len());
    let head = 58.0;
    let mut canvas = Canvas::default();
    canvas.text((MARGIN, 30.0), ("big", "start"), &wish.title);
    canvas.text((MARGIN, 49.0), ("s", "start"), &wish.about);
    canvas.raw(format_args!("<g transform=\"translate(0 {head})\">"));
    for line in &layout.lines {
        canvas.path("way", line.iter().copied());
        arrow(&mut canvas, line);
    }
    let mut right = layout.width;
    for (label, numbers) in layout.labels.iter().zip(steps.values()) {
        let ((x, y), numbers) = (label.at, facts::ranges(numbers));
        if label.before {
            canvas.text((x + 4.0, y - 4.0), ("no", "end"), &numbers);
        } else {
            canvas.text((x + 5.0, y - 2.0), ("no", "start"), &numbers);
            right = right.max(x + 12.0 + width_of(&numbers));
        }
    }
    for ((place, content), hop) in layout.boxes.iter().zip(&contents).zip(&map.hops) {
        draw(&mut canvas, *place, content, hop);
    }
    canvas.raw("</g>");
    let mut y = head + layout.height + 8.0;
    for Row { class, indent, text, .. } in &below {
        canvas.text((MARGIN + indent, y), (class, "start"), text);
        right = right.max(MARGIN * 2.0 + indent + width_of(text) * 1.1);
        y += 17.0;
    }
    right = right.max(MARGIN * 2.0 + width_of(&wish.title) * 1.45);
    right = right.max(MARGIN * 2.0 + width_of(&wish.about));
    finish(canvas, (right, y + 4.0), wish, out)
}

/// The layout whose picture, with what stands below it, fills its sheet best: upright or lying.
fn best(
    sizes: &[(f64, f64)],
    edges: &[(usize, usize)],
    paper: Option<Paper>,
    below: usize,
) -> Layout {
    let Some(paper) = paper else { return lay::lay(sizes, edges, 1.4) };
    let (short, long) = paper.short_and_long_mm();
    let extra = 58.0 + 17.0 * below as f64;
    let tried = [short / long, long / short].map(|ratio| {
        let layout = lay::lay(sizes, edges, ratio);
        let (width, height) = (layout.width, layout.height + extra);
        // How much of the sheet the picture takes once it fits.
        let fill = (width / height / ratio).min(ratio * height / width);
        (fill, layout)
    });
    let [upright, lying] = tried;
    if upright.0 > lying.0 { upright.1 } else { lying.1 }
}

fn finish(canvas: Canvas, size: (f64, f64), wish: &Wish, out: &mut dyn Write) -> io::Result<()> {
    let (width, height) = size;
    let (view, sheet) = match wish.paper {
        None => (
            format!("0 0 {width:.0} {height:.0}"),
            format!("width=\"{width:.0}\" height=\"{height:.0}\""),
        ),
        Some(paper) => {
            let (short, long) = paper.short_and_long_mm();
            let (w, h) = if width > height { (long, short) } else { (short, long) };
            // The picture in the middle of a sheet of those proportions.
            let (vw, vh) = if width / height > w / h {
                (width, width * h / w)
            } else {
                (height * w / h, height)
            };
            let (x, y) = ((width - vw) / 2.0, 0.0);
            (format!("{x:.1} {y:.1} {vw:.1} {vh:.1}"), format!("width=\"{w}mm\" height=\"{h}mm\""))
        }
    };
    let title = escaped(&wish.title);
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" {sheet} viewBox=\"{view}\" class=\"hc\" role=\"img\" \
         aria-labelledby=\"hc-map\"><title id=\"hc-map\">{title}</title><style>{STYLE}{STYLE_HERE}</style>"
    )?;
    let [x, y, w, h] = {
        let mut numbers = view.split(' ').filter_map(|n| n.parse::<f64>().ok());
        let mut next = || numbers.next().unwrap_or(0.0);
        [next(), next(), next(), next()]
    };
    writeln!(out, "<rect class=\"bg\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/>")?;
    writeln!(out, "{}</svg>", canvas.into_body())
}

fn content(map: &Map, hop: &Stop, wall: bool) -> Content {
    let lines = facts::lines(map, hop, wall);
    let name = format!("{}, {}", hop.name, hop.kind.word());
    let mut rows = vec![Row::new("n", 0.0, name, NAME_H)];
    for line in &lines {
        push_timer(&mut rows, line, wall);
    }
    if lines.is_empty() {
        rows.push(Row::new("m", 0.0, "no timer known".to_owned(), LINE_H));
    }
    let width = rows.iter().map(Row::width).fold(120.0, f64::max) + 2.0 * PAD;
    let height = rows.iter().map(|row| row.height).sum::<f64>() + PAD;
    Content { rows, width, height, known: !lines.is_empty() }
}

fn push_timer(rows: &mut Vec<Row>, line: &Line, wall: bool) {
    let (sign, _) = facts::sign(line.known);
    for (i, text) in broken(&line.says, COLUMNS).into_iter().enumerate() {
        let row = if i == 0 { (0.0, format!("{sign} {text}")) } else { (INDENT, text) };
        rows.push(Row::new("t", row.0, row.1, LINE_H));
    }
    if !line.shortest_of.is_empty() {
        let says = format!("◀ the shortest of path {}", facts::ranges(&line.shortest_of));
        rows.push(Row::new("tag", INDENT, says, LINE_H));
    }
    if wall {
        for text in broken(&line.more, COLUMNS + 10) {
            rows.push(Row::new("m", INDENT, text, MORE_H));
        }
    }
}

/// Words in lines of at most so many characters; a longer word stands alone, cut where it would
/// make a box too wide.
fn broken(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let word: String = if word.chars().count() > WORD_MAX {
            word.chars().take(WORD_MAX - 1).chain(['…']).collect()
        } else {
            word.to_owned()
        };
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(&word);
        } else if line.chars().count() + 1 + word.chars().count() <= columns {
            line.push(' ');
            line.push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines
}

fn draw(canvas: &mut Canvas, place: Place, content: &Content, hop: &Stop) {
    let class = if content.known { "box" } else { "box none" };
    canvas.raw(format_args!("<g class=\"hop\"><title>{}</title>", escaped(&hop.name)));
    canvas.raw(format_args!(
        "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\"/>",
        place.x, place.y, place.width, place.height
    ));
    if hop.ends_tcp {
        // TCP ends here: both walls are thick.
        for x in [place.x, place.x + place.width] {
            canvas.line("ends", (x, place.y + 1.0), (x, place.y + place.height - 1.0));
        }
    }
    let mut y = place.y;
    for row in &content.rows {
        y += row.height;
        canvas.text((place.x + PAD + row.indent, y - 4.0), (row.class, "start"), &row.text);
    }
    canvas.raw("</g>");
}

fn arrow(canvas: &mut Canvas, line: &[(f64, f64)]) {
    let [.., from, to] = line else { return };
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1.0);
    let (ux, uy) = (dx / length, dy / length);
    let back = (to.0 - 8.0 * ux, to.1 - 8.0 * uy);
    let mut d = String::new();
    let _ = write!(
        d,
        "M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}z",
        to.0,
        to.1,
        back.0 - 4.0 * uy,
        back.1 + 4.0 * ux,
        back.0 + 4.0 * uy,
        back.1 - 4.0 * ux
    );
    canvas.raw(format_args!("<path class=\"head\" style=\"fill:var(--soft)\" d=\"{d}\"/>"));
}

/// The paths, and what the signs mean.
fn legend(map: &Map) -> Vec<Row> {
    let mut lines = Vec::new();
    for (number, path) in (1..).zip(&map.paths) {
        let (way, says) = facts::path(map, path);
        for (i, text) in broken(&format!("{number} {way}"), 110).into_iter().enumerate() {
            lines.push(Row::new("n", if i == 0 { 0.0 } else { INDENT }, text, LINE_H));
        }
        for text in broken(&says, 110) {
            lines.push(Row::new("s", INDENT, text, LINE_H));
        }
    }
    let known = [Known::Measured, Known::Stated, Known::Default, Known::Guess];
    let signs = known.map(|known| {
        let (sign, says) = facts::sign(known);
        format!("{sign} {says}")
    });
    let says = format!("{}, thick walls: TCP ends there", signs.join(", "));
    lines.push(Row::new("s", 0.0, says, LINE_H));
    lines
}
