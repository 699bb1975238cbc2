//! Series without a clock, of more kinds than the reader has models for: the negative controls that
//! can be drawn as often as one likes.

use crate::rhythm_truth::Dice;
use hopclock_core::rhythm::{Series, Span};
use hopclock_core::time::{Gap, Moment};

/// Why connections end, where no clock ends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clockless {
    /// At a steady rate; only ends are logged.
    Poisson,
    /// The same with opens logged.
    PoissonSeen,
    /// Lifetimes of a lognormal, opens logged.
    Lognormal,
    /// Lifetimes of a Pareto, opens logged.
    Pareto,
    /// Lifetimes of a Weibull of shape 0.6, only ends are logged.
    Weibull,
    /// Two kinds of exponential lifetimes, one thirty times the other, opens logged.
    TwoRates,
    /// A rate that is ten times as high in one half of each day.
    Daily,
    /// Quiet stretches and busy ones, as users come and go.
    Sessions,
    /// The sum of two waits: somewhat even, and no clock.
    TwoWaits,
    /// Any time between none and twice the mean.
    Flat,
}

/// All of them.
pub const CLOCKLESS: [Clockless; 10] = [
    Clockless::Poisson,
    Clockless::PoissonSeen,
    Clockless::Lognormal,
    Clockless::Pareto,
    Clockless::Weibull,
    Clockless::TwoRates,
    Clockless::Daily,
    Clockless::Sessions,
    Clockless::TwoWaits,
    Clockless::Flat,
];

/// Draws a series.
pub fn clockless(kind: Clockless, events: usize, dice: &mut Dice) -> Series {
    let scale = dice.pick(&[60.0, 300.0, 3600.0, 43_200.0]);
    let step_ms: i64 = if dice.uniform() < 0.5 { 1000 } else { 1 };
    let ends_only = [
        Clockless::Poisson,
        Clockless::Weibull,
        Clockless::Daily,
        Clockless::Sessions,
        Clockless::Flat,
    ];
    let base = 1_715_299_200_000_i64 + (dice.uniform() * 8.64e7) as i64;
    let stamp = |s: f64| {
        let ms = base + (s * 1000.0).floor() as i64;
        Moment::from_ns(ms.div_euclid(step_ms) * step_ms * 1_000_000)
    };
    let mut t = 0.0;
    let mut busy = true;
    let spans = (0..events)
        .map(|_| {
            let open = t + 0.3 + dice.exponential();
            t = open + life(kind, scale, (t, &mut busy), dice);
            let open = (!ends_only.contains(&kind)).then(|| stamp(open));
            Span { open, last_activity: None, end: stamp(t) }
        })
        .collect();
    Series { spans, resolution: Gap::from_millis(step_ms), offset_s: 0 }
}

fn life(kind: Clockless, scale: f64, (at, busy): (f64, &mut bool), dice: &mut Dice) -> f64 {
    match kind {
        Clockless::Poisson | Clockless::PoissonSeen => scale * dice.exponential(),
        Clockless::Lognormal => scale * (1.2 * dice.normal()).exp(),
        Clockless::Pareto => 0.3 * scale * dice.uniform().max(1e-9).powf(-1.0 / 1.2),
        Clockless::Weibull => scale * dice.exponential().powf(1.0 / 0.6),
        Clockless::TwoRates if dice.uniform() < 0.5 => scale * dice.exponential(),
        Clockless::TwoRates => scale / 30.0 * dice.exponential(),
        Clockless::Daily => daily(at, scale, dice),
        Clockless::Sessions => {
            *busy = dice.uniform() < if *busy { 0.85 } else { 0.3 };
            scale * dice.exponential() * if *busy { 0.05 } else { 3.0 }
        }
        Clockless::TwoWaits => scale * (dice.exponential() + dice.exponential()) / 2.0,
        Clockless::Flat => 2.0 * scale * dice.uniform(),
    }
}

/// The wait under a rate that is a tenth by night: drawn at the rate of the day, and by night kept
/// one time in ten.
fn daily(at: f64, scale: f64, dice: &mut Dice) -> f64 {
    let mut wait = 0.0;
    for _ in 0..10_000 {
        wait += scale * dice.exponential();
        let day = (at + wait).rem_euclid(86_400.0) < 43_200.0;
        if day || dice.uniform() < 0.1 {
            break;
        }
    }
    wait
}
