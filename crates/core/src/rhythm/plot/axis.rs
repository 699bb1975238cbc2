//! Axes: bounds, marks at numbers people like, and where a value stands between the bounds.

/// An axis of seconds (or, without a unit, of counts and shares).
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Lower bound.
    pub low: f64,
    /// Upper bound, above the lower one.
    pub high: f64,
    /// Whether equal distances are equal ratios.
    pub log: bool,
    /// Unit of the labels; empty where each label carries its own or none is meant.
    pub unit: &'static str,
    /// Marks, ascending.
    pub ticks: Vec<Tick>,
}

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where, in the axis' own measure (seconds, not its unit).
    pub at: f64,
    /// What stands beside it.
    pub label: String,
}

impl Axis {
    /// Where `x` stands between the bounds: 0 at the lower, 1 at the upper; outside of them less
    /// than 0 or more than 1.
    pub fn place(&self, x: f64) -> f64 {
        if self.log {
            let low = self.low.max(1e-9).ln();
            return (x.max(1e-9).ln() - low) / (self.high.max(1e-9).ln() - low).max(1e-12);
        }
        (x - self.low) / (self.high - self.low).max(1e-12)
    }

    /// An axis of time over these bounds with about `most` marks at most.
    pub(super) fn time(low: f64, high: f64, most: usize) -> Axis {
        let (low, high) = apart(low, high);
        let (unit, seconds) = unit(high.abs().max(low.abs()), high - low);
        let step = step((high - low) / seconds, most, unit);
        let ticks = ticks(low / seconds, high / seconds, step);
        let ticks = ticks.map(|t| Tick { at: t * seconds, label: decimal(t, step) }).collect();
        Axis { low, high, log: false, unit, ticks }
    }

    /// An axis of seconds that are wanted as seconds however many they are.
    pub(super) fn seconds(low: f64, high: f64, most: usize) -> Axis {
        let (low, high) = apart(low, high);
        let step = step(high - low, most, "s");
        let ticks = ticks(low, high, step).map(|t| Tick { at: t, label: decimal(t, step) });
        Axis { low, high, log: false, unit: "s", ticks: ticks.collect() }
    }

    /// An axis of counts from nothing, or of shares.
    pub(super) fn plain(high: f64, most: usize) -> Axis {
        let high = high.max(1e-9);
        let step = step(high, most, "");
        let ticks = ticks(0.0, high, step).map(|t| Tick { at: t, label: decimal(t, step) });
        Axis { low: 0.0, high, log: false, unit: "", ticks: ticks.collect() }
    }

    /// An axis of equal ratios, marked where people read times.
    pub(super) fn ratio(low: f64, high: f64) -> Axis {
        const MARKS: [f64; 19] = [
            1e-3,
            0.01,
            0.1,
            1.0,
            10.0,
            60.0,
            600.0,
            3600.0,
            21_600.0,
            86_400.0,
            864_000.0,
            8_640_000.0,
            5.0,
            30.0,
            300.0,
            1800.0,
            10_800.0,
            43_200.0,
            259_200.0,
        ];
        let (low, high) = (low.max(1e-6), high.max(low.max(1e-6) * 1.01));
        let inside = |m: &&f64| (low..=high).contains(*m);
        let few = MARKS.iter().take(12).filter(inside).count() < 3;
        let all = if few { MARKS.len() } else { 12 };
        let mut at: Vec<f64> = MARKS.iter().take(all).filter(inside).copied().collect();
        at.sort_by(f64::total_cmp);
        let ticks = at.into_iter().map(|at| Tick { at, label: length(at) }).collect();
        Axis { low, high, log: true, unit: "", ticks }
    }
}

/// Bounds that are not the same.
fn apart(low: f64, high: f64) -> (f64, f64) {
    if high - low > 1e-9 { (low, high) } else { (low - 0.5, low + 0.5) }
}

/// Unit of a stretch of time, with its seconds.
fn unit(largest: f64, span: f64) -> (&'static str, f64) {
    match largest.min(4.0 * span) {
        s if s >= 172_800.0 => ("days", 86_400.0),
        s if s >= 7_200.0 => ("h", 3_600.0),
        s if s >= 300.0 => ("min", 60.0),
        _ => ("s", 1.0),
    }
}

/// The least step people like that makes at most `most` of `span`.
fn step(span: f64, most: usize, unit: &str) -> f64 {
    let least = span / most.max(1) as f64;
    let liked: &[f64] = match unit {
        "min" => &[1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0],
        "h" => &[0.25, 0.5, 1.0, 2.0, 3.0, 6.0, 12.0, 24.0],
        _ => &[],
    };
    if let Some(step) = liked.iter().find(|s| **s >= least) {
        return *step;
    }
    let size = 10_f64.powf(least.max(1e-12).log10().floor());
    let nice = [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * size).find(|s| *s >= least * 0.999_999);
    nice.unwrap_or(10.0 * size)
}

/// Edges of bins of ages, each a little off the numbers people set timers to, so that no timer
/// stands on one: rising by about a factor of two.
pub(super) const EDGES: [f64; 29] = [
    1e-3,
    3e-3,
    0.013,
    0.04,
    0.13,
    0.4,
    0.7,
    1.5,
    3.5,
    7.0,
    13.0,
    25.0,
    45.0,
    90.0,
    210.0,
    420.0,
    780.0,
    1500.0,
    2700.0,
    5400.0,
    12_600.0,
    25_200.0,
    54_000.0,
    129_600.0,
    302_400.0,
    1_209_600.0,
    3_456_000.0,
    8_640_000.0,
    34_560_000.0,
];

/// Multiples of `step` between two bounds.
fn ticks(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (low / step - 1e-6).ceil();
    let count = ((high / step + 1e-6).floor() - first).clamp(-1.0, 1000.0);
    (0..(count + 1.0) as usize).map(move |i| (first + i as f64) * step)
}

/// A number with as many decimals as its step has.
fn decimal(x: f64, step: f64) -> String {
    let decimals = (0..6).find(|d| {
        let scaled = step * 10_f64.powi(*d);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    });
    let decimals = decimals.unwrap_or(6).unsigned_abs() as usize;
    let text = format!("{x:.decimals$}");
    // Minus nought is nought.
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        _ => text,
    }
}

/// A length of time in words: its largest unit, no more decimals than it needs.
pub fn length(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let (size, unit) = match seconds.abs() {
        s if s >= 172_800.0 => (s / 86_400.0, "days"),
        s if (86_400.0..90_000.0).contains(&s) => (s / 86_400.0, "day"),
        s if s >= 3_600.0 => (s / 3_600.0, "h"),
        s if s >= 60.0 => (s / 60.0, "min"),
        s if s >= 1.0 || s == 0.0 => (s, "s"),
        s => (s * 1000.0, "ms"),
    };
    let text = format!("{size:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{sign}{text} {unit}")
}
