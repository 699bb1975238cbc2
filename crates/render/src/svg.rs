//! Pictures as SVG: one self-contained string, no script, nothing fetched, light and dark by the
//! reader's own setting and always light on paper. Refuses to know what a picture is about.
//!
//! Sizes are in user units; a picture is [`WIDTH`] of them wide and scales with its place. Nothing
//! here decides by colour alone: lines differ by their dashes, points by their shape.

use std::fmt::{self, Display, Write as _};

/// Width of every picture.
pub const WIDTH: f64 = 800.0;

/// The style of all pictures; belongs once into the file or page that holds them.
pub const STYLE: &str = "\
svg.hc{--bg:#fff;--ink:#1a1a1a;--soft:#5c5c5c;--grid:#dedede;--a:#1f5fa8;--b:#b4540a;--c:#6b3fa0;\
--band:#1f5fa826;font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;\
font-size:13px;fill:var(--ink)}\
@media (prefers-color-scheme:dark){svg.hc{--bg:#15181c;--ink:#ececec;--soft:#a9adb3;--grid:#363b42;\
--a:#79b3f2;--b:#f2a25c;--c:#c4a2f5;--band:#79b3f233}}\
@media print{svg.hc{--bg:#fff;--ink:#000;--soft:#333;--grid:#ccc;--a:#0b3d78;--b:#7a3500;\
--c:#43207a;--band:#0b3d7826}}\
.hc .bg{fill:var(--bg)}.hc .h{font-weight:600;font-size:15px}.hc .big{font-weight:600;font-size:18px}\
.hc .s{fill:var(--soft)}\
.hc .grid{stroke:var(--grid);fill:none}.hc .axis{stroke:var(--soft);fill:none}\
.hc .dots{stroke:var(--a);stroke-width:5;stroke-linecap:round;fill:none}\
.hc .off{stroke:var(--b);stroke-width:1.6;fill:none}\
.hc .fit{stroke:var(--a);stroke-width:1.8;fill:none}\
.hc .alt{stroke:var(--b);stroke-width:1.8;stroke-dasharray:7 4;fill:none}\
.hc .mark{stroke:var(--c);stroke-width:1.4;stroke-dasharray:2 3;fill:none}.hc .mk{fill:var(--c)}\
.hc .bar{fill:var(--a)}.hc .band{fill:var(--band);stroke:none}";

/// Text made safe to stand in an element or an attribute. Characters XML forbids are left out.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            // Marks that turn the direction of text would show another order than stands there.
            '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {
                out.push('\u{fffd}');
            }
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

/// How wide a text of ordinary size is, near enough to keep texts apart.
pub fn width_of(text: &str) -> f64 {
    const EACH: f64 = 7.3;
    text.chars().count() as f64 * EACH
}

/// A picture being drawn.
#[derive(Debug, Default)]
pub struct Canvas {
    body: String,
}

impl Canvas {
    /// Adds a piece as it is.
    pub fn raw(&mut self, piece: impl Display) {
        // Writing to a string cannot fail.
        let _: fmt::Result = write!(self.body, "{piece}");
    }

    /// Text at a point; `anchor` is start, middle or end.
    pub fn text(&mut self, (x, y): (f64, f64), (class, anchor): (&str, &str), text: &str) {
        let text = escaped(text);
        self.raw(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.raw(format_args!(
            "<path class=\"{class}\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    /// A path through these points; none for none.
    pub fn path(&mut self, class: &str, points: impl Iterator<Item = (f64, f64)>) {
        let mut d = String::new();
        for (x, y) in points {
            let command = if d.is_empty() { 'M' } else { 'L' };
            let _: fmt::Result = write!(d, "{command}{x:.1} {y:.1}");
        }
        if !d.is_empty() {
            self.raw(format_args!("<path class=\"{class}\" d=\"{d}\"/>"));
        }
    }

    /// Dots, as one path: however many there are, the picture stays small.
    pub fn dots(&mut self, points: impl Iterator<Item = (f64, f64)>) {
        self.strokes("dots", points, "h0");
    }

    /// The same small stroke at each of these points; `stroke` continues a path from there.
    pub fn strokes(&mut self, class: &str, points: impl Iterator<Item = (f64, f64)>, stroke: &str) {
        let mut d = String::new();
        for (x, y) in points {
            let _: fmt::Result = write!(d, "M{x:.1} {y:.1}{stroke}");
        }
        if !d.is_empty() {
            self.raw(format_args!("<path class=\"{class}\" d=\"{d}\"/>"));
        }
    }

    /// A filled rectangle.
    pub fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        self.raw(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"/>"
        ));
    }

    /// What was drawn, for a picture with a frame of its own.
    pub fn into_body(self) -> String {
        self.body
    }

    /// The picture: `id` must be its own in the page that holds it, `title` and `desc` are what a
    /// reader hears who does not see it.
    pub fn finish(self, id: &str, height: f64, (title, desc): (&str, &str)) -> Picture {
        let (title, desc, body) = (escaped(title), escaped(desc), self.body);
        let inner = format!(
            "viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" class=\"hc\" \
             aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{title}</title>\
             <desc id=\"{id}-d\">{desc}</desc>\
             <rect class=\"bg\" width=\"{WIDTH}\" height=\"{height:.0}\"/>{body}</svg>"
        );
        Picture { height, inner }
    }
}

/// A finished picture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Its height where it is [`WIDTH`] wide.
    pub height: f64,
    inner: String,
}

impl Picture {
    /// For a page that has [`STYLE`]: an `svg` element as wide as its place.
    pub fn inline(&self) -> String {
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100%\" {}\n", self.inner)
    }

    /// Inside a larger picture, `y` below its top.
    fn nested(&self, y: f64) -> String {
        let height = self.height;
        format!(
            "<svg x=\"0\" y=\"{y:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\" {}\n",
            self.inner
        )
    }
}

/// Pictures one below the other as a file of its own.
pub fn file(title: &str, pictures: &[Picture]) -> String {
    let height: f64 = pictures.iter().map(|p| p.height).sum();
    let title = escaped(title);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" \
         width=\"{WIDTH}\" height=\"{height:.0}\" viewBox=\"0 0 {WIDTH} {height:.0}\" class=\"hc\" \
         role=\"group\" aria-labelledby=\"hc-file\">\n<title id=\"hc-file\">{title}</title>\n\
         <style>{STYLE}</style>\n<rect class=\"bg\" width=\"{WIDTH}\" height=\"{height:.0}\"/>\n"
    );
    let mut y = 0.0;
    for picture in pictures {
        out.push_str(&picture.nested(y));
        y += picture.height;
    }
    out.push_str("</svg>\n");
    out
}

/// Texts along a line that must not touch: gives each a row, counted from 0; `None` where `rows`
/// rows are full. Texts are (x of the middle, text), ascending.
pub fn rows(texts: &[(f64, &str)], rows: usize) -> Vec<Option<usize>> {
    let mut ends = vec![f64::NEG_INFINITY; rows];
    let place = |(x, text): &(f64, &str)| {
        let half = width_of(text) / 2.0;
        let row = ends.iter().position(|end| x - half > end + 8.0)?;
        if let Some(end) = ends.get_mut(row) {
            *end = x + half;
        }
        Some(row)
    };
    texts.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_says_cannot_leave_its_place() {
        assert_eq!(escaped("a<b>&\"'\u{0}\n"), "a&lt;b&gt;&amp;&quot;&#39; ");
    }

    #[test]
    fn texts_that_would_touch_stand_in_rows() {
        let found =
            rows(&[(100.0, "twelve hours"), (110.0, "an hour"), (115.0, "x"), (400.0, "y")], 2);
        assert_eq!(found, [Some(0), Some(1), None, Some(0)]);
    }
}
