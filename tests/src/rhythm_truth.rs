//! Series of endings whose clock is known: the material of the rhythm's simulation study.
//!
//! The generators share nothing with the reader but its types: what they draw from is stated here,
//! not taken from its priors.

use hopclock_core::rhythm::{Series, Span};
use hopclock_core::terms::Anchor;
use hopclock_core::time::{Gap, Moment};

/// A plain generator of noise (splitmix64): every run sees the same.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Uniform in 0 … 1.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        let r = (-2.0 * self.uniform().max(1e-300).ln()).sqrt();
        r * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Exponential of mean one.
    pub fn exponential(&mut self) -> f64 {
        -self.uniform().max(1e-300).ln()
    }

    /// Log-uniform between two bounds.
    pub fn log_uniform(&mut self, low: f64, high: f64) -> f64 {
        low * (self.uniform() * (high / low).ln()).exp()
    }

    /// One of these.
    pub fn pick(&mut self, from: &[f64]) -> f64 {
        let at = (self.uniform() * from.len() as f64) as usize;
        from.get(at).copied().unwrap_or(1.0)
    }
}

/// What really ends the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// A timer from the open; only ends are logged.
    Open,
    /// The same with opens logged.
    OpenSeen,
    /// A maximum age of ± 10 %, opens logged.
    Jittered,
    /// A schedule.
    Wall,
    /// A schedule, opens logged.
    WallSeen,
    /// An undisciplined clock.
    Free,
    /// An idle timer, opens and activity logged.
    Idle,
    /// A timer from the open on a busy connection, opens and activity logged.
    OpenBusy,
    /// Exponential.
    Poisson,
    /// Exponential, opens logged.
    PoissonSeen,
    /// Lognormal of width 1.5, opens logged.
    Lognormal,
    /// Pareto of exponent 1.2.
    Pareto,
    /// Bursts at random moments.
    Event,
    /// A timer from the open that competes with random ends; opens logged.
    Mixed,
    /// A timer from the open whose reconnects back off now and then; only ends are logged.
    BackOff,
    /// A loop that sleeps, works and sleeps again; only ends are logged.
    Loop,
    /// A schedule of local time, in whose course the clocks change.
    Local,
    /// Two timers from the open, each connection one of them; opens logged.
    Several,
    /// The same; only ends are logged.
    SeveralEnds,
    /// A hundred requests at a steady rate; opens logged.
    Count,
    /// A timer from the open that is set anew half way; only ends are logged.
    Changed,
    /// The same with opens logged.
    ChangedSeen,
    /// A schedule that is set anew half way.
    ChangedWall,
    /// A schedule of some seconds.
    WallShort,
    /// A timer from the open of some seconds; only ends are logged.
    OpenShort,
    /// An undisciplined clock of some seconds.
    FreeShort,
}

/// All of them.
pub const TRUTHS: [Truth; 26] = [
    Truth::Open,
    Truth::OpenSeen,
    Truth::Jittered,
    Truth::Wall,
    Truth::WallSeen,
    Truth::Free,
    Truth::Idle,
    Truth::OpenBusy,
    Truth::Poisson,
    Truth::PoissonSeen,
    Truth::Lognormal,
    Truth::Pareto,
    Truth::Event,
    Truth::Mixed,
    Truth::BackOff,
    Truth::Loop,
    Truth::Local,
    Truth::Several,
    Truth::SeveralEnds,
    Truth::Count,
    Truth::Changed,
    Truth::ChangedSeen,
    Truth::ChangedWall,
    Truth::WallShort,
    Truth::OpenShort,
    Truth::FreeShort,
];

impl Truth {
    /// The anchor a right answer names.
    pub fn anchor(self) -> Anchor {
        match self {
            Truth::Open | Truth::OpenSeen | Truth::Jittered | Truth::OpenBusy => Anchor::Open,
            Truth::BackOff | Truth::Changed | Truth::ChangedSeen => Anchor::Open,
            Truth::OpenShort => Anchor::Open,
            Truth::Wall | Truth::WallSeen | Truth::Local | Truth::ChangedWall => Anchor::Wall,
            Truth::WallShort => Anchor::Wall,
            Truth::Free | Truth::Loop | Truth::FreeShort => Anchor::FreeRunning,
            Truth::Count => Anchor::Count,
            Truth::Idle => Anchor::Idle,
            Truth::Poisson | Truth::PoissonSeen | Truth::Lognormal | Truth::Pareto => {
                Anchor::Random
            }
            Truth::Event => Anchor::Event,
            Truth::Mixed | Truth::Several | Truth::SeveralEnds => Anchor::Mixed,
        }
    }

    /// Whether jitter, missed ends and restarts by hand mean anything for it.
    pub fn ticks(self) -> bool {
        matches!(self, Truth::Open | Truth::OpenSeen | Truth::Wall | Truth::WallSeen | Truth::Free)
            || matches!(self, Truth::BackOff | Truth::Local)
            || self.changes()
            || self.short()
    }

    /// Whether its period is of some seconds.
    pub fn short(self) -> bool {
        matches!(self, Truth::WallShort | Truth::OpenShort | Truth::FreeShort)
    }

    /// Whether the clock is set anew half way.
    pub fn changes(self) -> bool {
        matches!(self, Truth::Changed | Truth::ChangedSeen | Truth::ChangedWall)
    }
}

/// One cell of the study's grid.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// What is true.
    pub truth: Truth,
    /// Endings logged.
    pub events: usize,
    /// Scatter of a cycle (timers) or of a tick (schedules, clocks), seconds, one standard
    /// deviation.
    pub jitter: f64,
    /// Step of the stamps, milliseconds.
    pub step_ms: i64,
    /// Share of endings not logged.
    pub missed: f64,
    /// Whether one connection is restarted by hand half way.
    pub by_hand: bool,
}

/// A series, and the period a right interval holds.
#[derive(Clone, Debug)]
pub struct Case {
    /// The times.
    pub series: Series,
    /// What else is right: a timer with random ends beside it is also a timer, and one that fired
    /// less than three times is none that anyone can see.
    pub also: Vec<Anchor>,
    /// The clock's period (the cycle where opens are not logged), the later one where it changes;
    /// `None` where there is no clock or more than one.
    pub period: Option<f64>,
    /// The first end of the new regime, where the clock changes.
    pub changed: Option<usize>,
}

/// One life, in seconds: open, last activity, end, and whether it is logged.
type Life = (Option<f64>, Option<f64>, f64);

/// Ends below which a clock that changes half way has less than three ages on one side.
const FEW: usize = 8;

/// Draws a series of the cell.
pub fn draw(cell: &Cell, dice: &mut Dice) -> Case {
    let mut changed = None;
    let (lives, period) = match cell.truth {
        Truth::Open | Truth::OpenSeen | Truth::BackOff => timer(cell, dice, &mut changed),
        Truth::Changed | Truth::ChangedSeen => timer(cell, dice, &mut changed),
        Truth::OpenShort => timer(cell, dice, &mut changed),
        Truth::Wall | Truth::WallSeen | Truth::Free | Truth::Local => grid(cell, dice),
        Truth::WallShort | Truth::FreeShort => grid(cell, dice),
        Truth::Loop => sleeps(cell, dice),
        Truth::ChangedWall => {
            changed = Some(cell.events / 2);
            two_schedules(cell, dice)
        }
        Truth::Event => bursts(cell, dice),
        _ => renewal(cell, dice),
    };
    let step = cell.step_ms;
    // Schedules start on a minute of the day; everything else whenever.
    let minute = (dice.uniform() * 1440.0) as i64 * 60_000;
    let schedule = cell.truth.anchor() == Anchor::Wall;
    let base = 1_715_299_200_000_i64 + minute;
    let base = if schedule { base } else { base + (dice.uniform() * 60_000.0) as i64 };
    let stamp = |s: f64| {
        let ms = base + (s * 1000.0).floor() as i64;
        Moment::from_ns(ms.div_euclid(step) * step * 1_000_000)
    };
    let span =
        |l: &Life| Span { open: l.0.map(stamp), last_activity: l.1.map(stamp), end: stamp(l.2) };
    let mut spans: Vec<Span> = lives.iter().map(span).collect();
    spans.sort_by_key(|s| s.end);
    let fired = |l: &&Life| l.0.zip(period).is_some_and(|(o, p)| l.2 - o > p - 0.01);
    let also = match (cell.truth, lives.iter().filter(fired).count()) {
        (Truth::Mixed, 0..3) => vec![Anchor::Open, Anchor::Random],
        (Truth::Mixed, _) => vec![Anchor::Open],
        // Either of two timers that fired less than three times is a stranger's end.
        (Truth::Several | Truth::SeveralEnds, _) => vec![Anchor::Open],
        // What waits for half the timer is as much a stranger.
        (Truth::BackOff, _) if period.is_some_and(|p| p < 120.0) => vec![Anchor::Mixed],
        // A timer seen less than three times before it was set anew is as much a stranger.
        (t, _) if t.changes() && cell.events < FEW => vec![Anchor::Mixed],
        _ => Vec::new(),
    };
    // Nor is either period then that of the clock.
    let period = period.filter(|_| !cell.truth.changes() || cell.events >= FEW);
    Case {
        changed,
        also,
        series: Series { spans, resolution: Gap::from_millis(step), offset_s: 0 },
        period,
    }
}

/// Periods of some seconds, not all of which divide a minute.
const SHORT: [f64; 9] = [5.0, 7.0, 10.0, 12.0, 15.0, 20.0, 30.0, 45.0, 60.0];

/// Timers people set.
const TIMERS: [f64; 8] = [60.0, 300.0, 350.0, 900.0, 3600.0, 4500.0, 43_200.0, 86_400.0];

/// A timer from the open: each cycle is timer plus reconnect delay.
fn timer(cell: &Cell, dice: &mut Dice, changed: &mut Option<usize>) -> (Vec<Life>, Option<f64>) {
    let seen = matches!(cell.truth, Truth::OpenSeen | Truth::ChangedSeen);
    let short = cell.truth.short();
    let mut timer = dice.pick(if short { &SHORT } else { &TIMERS });
    let mean = if short { dice.log_uniform(0.002, 1.0) } else { dice.log_uniform(0.02, 5.0) };
    let (mut lives, mut t) = (Vec::new(), 0.0);
    let hand = cell.by_hand.then_some(cell.events / 2);
    let mut made = 0;
    while lives.len() < cell.events {
        // A delay is never negative: the scatter is added to it, folded at zero.
        let delay = (mean + cell.jitter * dice.normal()).abs();
        if cell.truth.changes() && changed.is_none() && lives.len() >= cell.events / 2 {
            timer = other(timer, dice);
            *changed = Some(lives.len());
        }
        let open = t + delay + if cell.truth == Truth::BackOff { backs_off(dice) } else { 0.0 };
        let own = if seen { cell.jitter.min(0.05) * dice.normal().abs() } else { 0.0 };
        let cut = Some(made) == hand;
        t = open + if cut { timer * (0.1 + 0.8 * dice.uniform()) } else { timer + own };
        made += 1;
        if cut || lives.is_empty() || dice.uniform() >= cell.missed {
            lives.push((seen.then_some(open), None, t));
        }
    }
    // Folding moves the mean a little; what is estimated is the mean of what was drawn.
    let folded = folded_mean(mean, cell.jitter);
    let own = cell.jitter.min(0.05) * (2.0 / std::f64::consts::PI).sqrt();
    (lives, Some(if seen { timer + own } else { timer + folded }))
}

/// Another timer, at least a third longer or shorter.
fn other(timer: f64, dice: &mut Dice) -> f64 {
    loop {
        let new = dice.pick(&TIMERS);
        if !(0.75..1.34).contains(&(new / timer)) {
            return new;
        }
    }
}

/// What one reconnect in five waits longer: 1 s, 1 + 2 s, 1 + 2 + 4 s …, up to five attempts.
fn backs_off(dice: &mut Dice) -> f64 {
    if dice.uniform() >= 0.2 {
        return 0.0;
    }
    let attempts = 1.0 + (5.0 * dice.uniform()).floor();
    attempts.exp2() - 1.0
}

/// A loop that sleeps and works; a restart by hand of what it holds does not restart it.
fn sleeps(cell: &Cell, dice: &mut Dice) -> (Vec<Life>, Option<f64>) {
    let timer = dice.pick(&TIMERS);
    let mean = dice.log_uniform(0.02, 5.0);
    let (mut lives, mut t): (Vec<Life>, f64) = (Vec::new(), 0.0);
    let hand = cell.by_hand.then_some(cell.events / 2);
    while lives.len() < cell.events {
        let before = t;
        t += timer + (mean + cell.jitter * dice.normal()).abs();
        if Some(lives.len()) == hand {
            lives.push((None, None, before + (t - before) * (0.1 + 0.8 * dice.uniform())));
        }
        if lives.len() < cell.events && (lives.is_empty() || dice.uniform() >= cell.missed) {
            lives.push((None, None, t));
        }
    }
    (lives, Some(timer + folded_mean(mean, cell.jitter)))
}

/// Schedules people set.
const SCHEDULES: [f64; 5] = [900.0, 3600.0, 21_600.0, 43_200.0, 86_400.0];

/// One schedule, then another.
fn two_schedules(cell: &Cell, dice: &mut Dice) -> (Vec<Life>, Option<f64>) {
    let first = dice.pick(&SCHEDULES);
    let mut second = first;
    while second == first {
        second = dice.pick(&SCHEDULES);
    }
    let (mut lives, mut tick): (Vec<Life>, f64) = (Vec::new(), 0.0);
    while lives.len() < cell.events {
        tick += if lives.len() < cell.events / 2 { first } else { second };
        if lives.is_empty() || dice.uniform() >= cell.missed {
            lives.push((None, None, 0.2 + tick + cell.jitter * dice.normal()));
        }
    }
    (lives, Some(second))
}

/// Mean of |m + s·N|.
fn folded_mean(m: f64, s: f64) -> f64 {
    if s <= 0.0 {
        return m;
    }
    // Summed rather than looked up: two thousand strips of the bell.
    let strip = |i: i32| {
        let z = (f64::from(i) + 0.5) / 250.0 - 4.0;
        ((-z * z / 2.0).exp(), (m + s * z).abs())
    };
    let (w, v) = (0..2000).map(strip).fold((0.0, 0.0), |a, (w, x)| (a.0 + w, a.1 + w * x));
    v / w
}

/// A schedule or a free clock: ticks on a grid, jitter that does not add up.
fn grid(cell: &Cell, dice: &mut Dice) -> (Vec<Life>, Option<f64>) {
    let seen = cell.truth == Truth::WallSeen;
    let period = match cell.truth {
        // From 10 to 100 ppm either way: what drifts less is a schedule for all anyone can see.
        Truth::Free | Truth::FreeShort => {
            let drift = dice.log_uniform(10e-6, 100e-6);
            let timer = dice.pick(if cell.truth.short() { &SHORT } else { &TIMERS });
            timer * if dice.uniform() < 0.5 { 1.0 + drift } else { 1.0 - drift }
        }
        Truth::WallShort => dice.pick(&SHORT),
        Truth::Local => dice.pick(&SCHEDULES[2..]),
        _ => dice.pick(&SCHEDULES),
    };
    // A schedule runs on the minute, and what it does shows a little later.
    let free = cell.truth.anchor() == Anchor::FreeRunning;
    let lag = if free { period * dice.uniform() } else { 0.2 };
    let (mut lives, mut before, mut tick) = (Vec::new(), None, 0u32);
    let hand = cell.by_hand.then_some(cell.events / 2);
    let delay = dice.log_uniform(0.02, 5.0);
    let mut push = |lives: &mut Vec<Life>, end: f64| {
        let open = before.map_or(end - 0.7 * period, |b: f64| b + delay);
        lives.push((seen.then_some(open), None, end));
        before = Some(end);
    };
    // In spring what runs at a local time runs an hour earlier for all others, in autumn later.
    let spring = cell.truth == Truth::Local && dice.uniform() < 0.5;
    while lives.len() < cell.events {
        tick += 1;
        let moved = match cell.truth {
            Truth::Local if lives.len() > cell.events / 3 && spring => -3600.0,
            Truth::Local if lives.len() > cell.events / 3 => 3600.0,
            _ => 0.0,
        };
        let end = lag + f64::from(tick) * period + moved + cell.jitter * dice.normal();
        if Some(lives.len()) == hand {
            push(&mut lives, end - period * (0.1 + 0.8 * dice.uniform()));
        }
        if lives.is_empty() || dice.uniform() >= cell.missed {
            push(&mut lives, end);
        }
    }
    lives.truncate(cell.events);
    (lives, Some(period))
}

/// Several connections that end together at random moments.
fn bursts(cell: &Cell, dice: &mut Dice) -> (Vec<Life>, Option<f64>) {
    let (mut lives, mut t) = (Vec::new(), 0.0);
    while lives.len() < cell.events {
        let before = t;
        t += 20_000.0 * dice.exponential() + 60.0;
        for _ in 0..5 {
            let open = before + 2.0 + (t - before - 2.0) * 0.5 * dice.uniform();
            lives.push((Some(open), None, t + 0.3 * dice.uniform()));
        }
    }
    (lives, None)
}

/// Each life independent of the others.
fn renewal(cell: &Cell, dice: &mut Dice) -> (Vec<Life>, Option<f64>) {
    let scale = dice.pick(&[300.0, 3600.0, 43_200.0]);
    let several = matches!(cell.truth, Truth::Several | Truth::SeveralEnds);
    let second = if several { other(scale, dice) } else { scale };
    let (mut lives, mut t): (Vec<Life>, f64) = (Vec::new(), 0.0);
    for _ in 0..cell.events {
        let open = t + 0.3 + dice.exponential();
        let speaks = 0.02 * scale * dice.exponential();
        let (age, last) = match cell.truth {
            Truth::Jittered => (scale * (0.9 + 0.2 * dice.uniform()), None),
            Truth::Idle => {
                let busy = 2.0 * scale * dice.exponential();
                (busy + scale + cell.jitter * dice.normal().abs(), Some(busy))
            }
            Truth::OpenBusy => {
                let age = scale + cell.jitter * dice.normal().abs();
                (age, Some((age - speaks).max(0.0)))
            }
            Truth::Mixed => (scale.min(1.4 * scale * dice.exponential()) + 0.05, None),
            Truth::Several | Truth::SeveralEnds => {
                let timer = if dice.uniform() < 0.5 { scale } else { second };
                (timer + cell.jitter * dice.normal().abs(), None)
            }
            Truth::Count => {
                ((0..100).map(|_| dice.exponential()).sum::<f64>() * scale / 100.0, None)
            }
            Truth::Lognormal => (scale * (1.5 * dice.normal()).exp(), None),
            Truth::Pareto => (0.3 * scale * dice.uniform().max(1e-9).powf(-1.0 / 1.2), None),
            _ => (scale * dice.exponential(), None),
        };
        t = open + age;
        let hidden = [Truth::Poisson, Truth::Pareto, Truth::SeveralEnds];
        let seen = !hidden.contains(&cell.truth);
        lives.push((seen.then_some(open), last.map(|l| open + l), t));
    }
    let off = cell.jitter * (2.0 / std::f64::consts::PI).sqrt();
    let period = match cell.truth {
        Truth::Jittered => Some(scale),
        Truth::Mixed => Some(scale + 0.05),
        Truth::Idle | Truth::OpenBusy => Some(scale + off),
        _ => None,
    };
    (lives, period)
}
