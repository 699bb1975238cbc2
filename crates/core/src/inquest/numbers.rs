//! The one computed likelihood about numbers: do the measured times fit a hypothesis' clock?
//!
//! A number alone names nothing: a cause whose clock is not in evidence gets the share of its
//! catalogue rows that fit, mixed with how often anybody's timer is a round number. Only a clock
//! somebody read (on the box, in the documentation) can be hit or missed outright.

use super::causes::{Cause, Measures};
use super::clocks_seen::{Reading, SeenClock};
use crate::clocks::{Catalogue, Owner};
use crate::terms::Anchor;
use std::collections::{BTreeMap, BTreeSet};

/// A measured length of time with its bounds, in seconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Range {
    /// The best value.
    pub mid: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// What was measured of the ends.
#[derive(Clone, Debug, Default)]
pub struct Quantities {
    /// Age at the end, or the period of the ends.
    pub lifetime: Option<Range>,
    /// Silence before the end.
    pub silence: Option<Range>,
    /// The longest silence seen at all, in seconds: no timer of silence longer than it ran out.
    pub longest_silence_s: Option<f64>,
    /// From the first unanswered packet to the end.
    pub detection: Option<Range>,
    /// Ends that the lifetime rests on.
    pub events: usize,
    /// Opens are known, so that the lifetime holds no reconnect delay.
    pub opens_known: bool,
    /// The ends show some period at all.
    pub periodic: bool,
    /// What a replay of the box's table says of the last refresh of the entries.
    pub replayed: Option<Replayed>,
    /// Ids of the catalogue's clocks whose product the evidence itself names.
    pub named: BTreeSet<String>,
    /// The silence is only the time since the last line of any kind.
    pub since_any_line: bool,
}

/// What the replay of a box's table says of its timer.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// The box, as its clocks name it.
    pub keeper: String,
    /// Seconds that ran out since the last refresh; `None` when the entry stood at the end.
    pub ran_out_s: Option<f64>,
}

/// How probable a direct reading of the right clock makes a fit, and a misfit. The remainder is for
/// settings that something else overrides. Argued; span 2.
const DIRECT_FITS: f64 = 0.85;
const DIRECT_MISSES: f64 = 0.004;
/// A value read on another host: how often the box in question is tuned the same. Argued: hosts of
/// one owner share a baseline more often than not, boxes of different make do not; span 3.
const HINT_FITS: f64 = 0.2;
/// How often a timer that somebody set is a round number of seconds, minutes, hours or days.
/// Argued; span 3. One that is not round falls anywhere: three in ten of them, over the some
/// hundred windows of one percent that two decades of time hold.
const ROUND: f64 = 0.05;
const NOT_ROUND: f64 = 0.003;
/// How far the catalogue is trusted to hold the world's clocks: a number that many of its rows
/// share suggests, and must not name. Argued; span 2.
const LISTED: f64 = 0.4;
/// How often a cause whose clock is of a product that the evidence names keeps one of that
/// product's values, before it is asked who else may stand on the path. Argued: a log names what
/// its program talks to more often than what stands between, and half the time the value was
/// changed; span 2.
const NAMED: f64 = 0.5;
/// How often a cause without any clock gives just this number: the share of two decades of time
/// that a window of one percent covers (0.0043), rounded up since times crowd at the short end.
/// Argued; span 3.
const NO_CLOCK: f64 = 0.006;
/// How often a silence of this length is met by a connection that was forgotten before: silences
/// that long are somewhat likelier among those that end badly. Argued; span 2.
const LATE: f64 = 0.02;
/// How often a timer that acts at once leaves silences that differ by more than a quarter, because
/// what restarts it is not what was seen. Argued; span 3.
const WIDE: f64 = 0.3;
/// How often something not on the list, which may have a clock, gives just this number. Argued;
/// span 3.
const UNLISTED: f64 = 0.012;

/// A clock of a cause: one that was seen, or any other.
#[derive(Clone, Copy, Debug)]
pub enum Candidate<'a> {
    /// Somebody read its value.
    Seen(&'a SeenClock),
    /// Any other clock of the cause.
    Another,
}

/// A fit or a miss, in words for the report.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Probability of the measured times, 0 to 1.
    pub likelihood: f64,
    /// Whether a clock that was seen fits; `None` when nothing was compared outright.
    pub fits: Option<bool>,
    /// Why it cannot be this clock, when it cannot.
    pub ruled_out: Option<String>,
}

impl Fit {
    fn open(likelihood: f64) -> Fit {
        Fit { likelihood, fits: None, ruled_out: None }
    }
}

/// How probable the measured times are if this cause's clock is `candidate`; `None` when nothing
/// was measured that the cause's clock could be compared with.
pub fn fit(
    cause: &Cause,
    candidate: Candidate<'_>,
    measured: &Quantities,
    catalogue: &Catalogue,
) -> Option<Fit> {
    let any = measured.lifetime.or(measured.silence).or(measured.detection)?;
    let known = Known { catalogue, named: &measured.named };
    if let (Measures::Refresh, Some(replayed)) = (cause.measures, &measured.replayed)
        && let Some(fit) = after_replay(candidate, replayed)
    {
        return Some(fit);
    }
    match cause.measures {
        Measures::None if cause.id == super::causes::UNKNOWN => Some(Fit::open(UNLISTED)),
        Measures::None => Some(Fit::open(NO_CLOCK)),
        // One age or silence is no schedule: only ends that repeat are held against the wall.
        Measures::Day | Measures::Loop if !measured.periodic => Some(Fit::open(NO_CLOCK)),
        Measures::Day => Some(Fit::open(day(any.mid))),
        Measures::Loop => {
            let round = is_round(any.mid * 0.99, any.mid * 1.001, any.mid);
            Some(Fit::open(if round { ROUND } else { NOT_ROUND }))
        }
        Measures::Lifetime | Measures::Refresh => {
            let Some(lifetime) = measured.lifetime else { return Some(Fit::open(NO_CLOCK)) };
            let bounds = window(lifetime, measured);
            Some(against(cause, candidate, (bounds, lifetime, None), known))
        }
        Measures::Silence => {
            let silence = measured.silence.or(measured.lifetime)?;
            Some(silent(cause, candidate, silence, measured, known))
        }
        Measures::Detection => {
            let waited = measured.detection.or(measured.silence).or(measured.lifetime)?;
            let longest = measured.longest_silence_s;
            Some(against(
                cause,
                candidate,
                (detection_window(waited, measured.detection.is_some()), waited, longest),
                known,
            ))
        }
    }
}

/// A replay tells of the box's entry more than ages do. That what ran out is what the box is set
/// to is the replay's premise and no news: it makes the number neither likelier nor less likely.
fn after_replay(candidate: Candidate<'_>, replayed: &Replayed) -> Option<Fit> {
    let Candidate::Seen(seen) = candidate else {
        return replayed.ran_out_s.map(|_| Fit::open(UNLISTED));
    };
    if seen.keeper != replayed.keeper {
        return None;
    }
    let own = number(seen.seconds);
    Some(match replayed.ran_out_s {
        Some(s) if (s - seen.seconds).abs() <= 1.0 => {
            Fit { likelihood: UNLISTED, fits: Some(true), ruled_out: None }
        }
        Some(s) => {
            let why = format!(
                "not its {own} s ran out, but the {} s the entry was last given",
                number(s)
            );
            Fit { likelihood: UNLISTED, fits: Some(false), ruled_out: Some(why) }
        }
        None => {
            let why = format!(
                "its {own} s had not run out: the replay of the box's table shows the entry at the end"
            );
            outright(seen, false, Some(why), NO_CLOCK)
        }
    })
}

/// The timer values that could have given this lifetime: a period holds the reconnect delay too,
/// where opens are not known (argued: up to 5 % or 30 s, whichever is less).
fn window(lifetime: Range, measured: &Quantities) -> (f64, f64) {
    let slack = (lifetime.mid * 0.005).clamp(0.6, 60.0);
    let delay = if measured.opens_known { slack } else { (lifetime.mid * 0.05).min(30.0) };
    (lifetime.low - delay.max(slack), lifetime.high + slack.min(2.0))
}

/// Give-up times run over the formula by up to a tenth (measured: 6.9 s for 6.2). A capture shows
/// the last retransmission, not the giving up, which comes one back-off later: at most as long
/// again, at most 120 s (TCP_RTO_MAX).
fn detection_window(waited: Range, by_capture: bool) -> (f64, f64) {
    let after = if by_capture { waited.high.min(121.0) } else { 1.0 };
    (waited.low - (waited.mid * 0.12).min(60.0), waited.high + after)
}

fn against(
    cause: &Cause,
    candidate: Candidate<'_>,
    ((low, high), measured, wait): ((f64, f64), Range, Option<f64>),
    known: Known<'_>,
) -> Fit {
    let Candidate::Seen(seen) = candidate else {
        return Fit::open(share(cause, (low, high), measured.mid, known));
    };
    let fits = low <= seen.seconds && seen.seconds <= high;
    let ruled_out = (!fits).then(|| {
        let (own, saw) = (number(seen.seconds), number(measured.mid));
        match cause.measures {
            Measures::Detection => {
                let longest = wait.map_or(saw, |longest| number(longest.max(measured.mid)));
                format!("it needs {own} s without an answer; the longest wait seen was {longest} s")
            }
            _ => format!("its {own} s are not the {saw} s measured"),
        }
    });
    outright(seen, fits, ruled_out, share(cause, (low, high), measured.mid, known))
}

/// A closer that acts at once leaves exactly its timeout; one that forgets may show at once (a peer
/// that speaks) or at the next use, any time after: half and half, argued.
fn silent(
    cause: &Cause,
    candidate: Candidate<'_>,
    silence: Range,
    measured: &Quantities,
    known: Known<'_>,
) -> Fit {
    let slack = (silence.mid * 0.01).clamp(0.6, 60.0);
    let (low, high) = (silence.low - slack.max(2.0), silence.high + slack);
    let below = below(cause, high, known.catalogue);
    if silence.low <= 0.0 {
        return at_most(candidate, silence);
    }
    // Silences of many lengths are no timer that acts at once.
    let wide = silence.high > 1.25 * silence.low + 5.0;
    let exact = match wide {
        true => NO_CLOCK * WIDE,
        false => share(cause, (low, high), silence.mid, known),
    };
    let base = if cause.prompt { exact } else { 0.5 * exact + 0.5 * LATE * below };
    let Candidate::Seen(seen) = candidate else { return Fit::open(base) };
    let own = number(seen.seconds);
    if seen.seconds > high {
        let longest = measured.longest_silence_s.unwrap_or(0.0).max(silence.high);
        let longest = number(longest);
        let why = format!("it needs {own} s of silence; the longest seen was {longest} s");
        return outright(seen, false, Some(why), base);
    }
    if low <= seen.seconds && !wide {
        return outright(seen, true, None, base);
    }
    if cause.prompt {
        let saw = number(silence.mid);
        let why = format!("it would have closed after {own} s, not after {saw} s");
        return outright(seen, false, Some(why), base);
    }
    // It had run out before; that this silence was the next use says little of the number.
    Fit { likelihood: LATE, fits: Some(true), ruled_out: None }
}

/// A log that tells of traffic now and then bounds a silence from above only: a longer timer is
/// ruled out, and nothing is said of a shorter one.
fn at_most(candidate: Candidate<'_>, silence: Range) -> Fit {
    match candidate {
        Candidate::Seen(seen) if seen.seconds > silence.high => {
            let (own, most) = (number(seen.seconds), number(silence.high));
            let why =
                format!("it needs {own} s of silence; traffic was logged {most} s before the end");
            outright(seen, false, Some(why), NO_CLOCK)
        }
        Candidate::Seen(_) | Candidate::Another => Fit::open(NO_CLOCK),
    }
}

/// The share of a cause's clocks that are shorter than this silence.
fn below(cause: &Cause, high: f64, catalogue: &Catalogue) -> f64 {
    let values = catalogue.all().iter().filter(|c| cause.may_be(c)).filter_map(|c| c.default_s);
    let (mut all, mut short) = (1.0, 0.5);
    for value in values {
        all += 1.0;
        if value <= high {
            short += 1.0;
        }
    }
    short / all
}

fn outright(seen: &SeenClock, fits: bool, ruled_out: Option<String>, base: f64) -> Fit {
    let likelihood = match (seen.reading, fits) {
        (Reading::Direct, true) => DIRECT_FITS,
        (Reading::Direct, false) => DIRECT_MISSES,
        (Reading::Hint, true) => HINT_FITS + (1.0 - HINT_FITS) * base,
        (Reading::Hint, false) => (1.0 - HINT_FITS) * base,
    };
    Fit { likelihood, fits: Some(fits), ruled_out }
}

/// What is known of clocks nobody read.
#[derive(Clone, Copy)]
struct Known<'a> {
    catalogue: &'a Catalogue,
    /// Those whose product the evidence names.
    named: &'a BTreeSet<String>,
}

/// How probable a number between the bounds is for an unread clock of this cause.
fn share(cause: &Cause, (low, high): (f64, f64), mid: f64, known: Known<'_>) -> f64 {
    // All rows, and those of products named: how many, and how many of them fit.
    let (mut all, mut named) = ((0.0, 0.0), (0.0, 0.0));
    for clock in known.catalogue.all().iter().filter(|c| cause.may_be(c)) {
        let fits = f64::from(u8::from(clock.fits(low, high)));
        all = (all.0 + 1.0, all.1 + fits);
        if known.named.contains(&clock.id) {
            named = (named.0 + 1.0, named.1 + fits);
        }
    }
    // Ten rows of doubt: a cause with two rows in the catalogue has more clocks in the world.
    let listed = (all.1 + 0.3) / (all.0 + 10.0);
    let round = if is_round(low, high, mid) { ROUND } else { NOT_ROUND };
    let any = LISTED * listed + (1.0 - LISTED) * round;
    if named.0 == 0.0 {
        return any;
    }
    NAMED * (named.1 + 0.1) / (named.0 + 0.5) + (1.0 - NAMED) * any
}

/// Words of products' names that many lines hold without meaning the product.
const COMMON: &[&str] = &[
    "account",
    "active",
    "application",
    "balancer",
    "client",
    "cloud",
    "connection",
    "control",
    "dataplane",
    "default",
    "defense",
    "directory",
    "distributed",
    "endpoint",
    "firewall",
    "generic",
    "global",
    "group",
    "http",
    "https",
    "internet",
    "java",
    "languages",
    "linux",
    "load",
    "manager",
    "network",
    "node",
    "open",
    "origin",
    "pool",
    "private",
    "proxy",
    "python",
    "role",
    "router",
    "rust",
    "secure",
    "security",
    "server",
    "service",
    "session",
    "side",
    "standard",
    "threat",
    "token",
    "tracking",
    "tunnel",
    "virtual",
    "websocket",
    "windows",
    "gateway",
    "apache",
    "google",
    "amazon",
    "microsoft",
    "instance",
    "instances",
    "link",
    "older",
    "unless",
    "user",
    "space",
];

/// The catalogue's clocks whose product these lines name.
pub fn named<'a>(lines: impl Iterator<Item = &'a str>, catalogue: &Catalogue) -> BTreeSet<String> {
    const LINES_MAX: usize = 2000;
    let letters = |c: char| !c.is_ascii_alphanumeric();
    let mut words: BTreeSet<String> = BTreeSet::new();
    for line in lines.take(LINES_MAX) {
        words.extend(line.split(letters).filter(|w| w.len() >= 4).map(str::to_ascii_lowercase));
    }
    let says = |token: &str| {
        // A long name is often part of a word: rdkafka, amazonaws.
        words.iter().any(|w| w == token || (token.len() >= 5 && w.contains(token)))
    };
    let mut asked: BTreeMap<String, bool> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for clock in catalogue.all() {
        let product = clock.product.to_ascii_lowercase();
        let tokens = product.split(letters).filter(|t| t.len() >= 4 && !COMMON.contains(t));
        for token in tokens {
            let told = *asked.entry(token.to_owned()).or_insert_with(|| says(token));
            if told {
                found.insert(clock.id.clone());
            }
        }
    }
    found
}

/// Periods of schedules: divisors and multiples of a day first, then round numbers.
fn day(mid: f64) -> f64 {
    let divides = |whole: f64| {
        let times = whole / mid;
        (times - times.round()).abs() < 0.002 * times && times >= 0.99
    };
    // Below some minutes nearly every number divides a day well enough: only round ones count.
    let round = is_round(mid * 0.998, mid * 1.002, mid);
    if round && (divides(86_400.0) || divides(604_800.0)) {
        if mid >= 599.0 { 0.2 } else { 0.05 }
    } else if round {
        0.04
    } else {
        0.008
    }
}

/// Whether a number people set lies between the bounds.
pub fn is_round(low: f64, high: f64, mid: f64) -> bool {
    let unit = match mid {
        m if m >= 86_000.0 => 43_200.0,
        m if m >= 3_500.0 => 1_800.0,
        m if m >= 590.0 => 300.0,
        m if m >= 58.0 => 30.0,
        m if m >= 9.0 => 5.0,
        _ => 1.0,
    };
    let below = (high / unit).floor() * unit;
    below > 0.0 && below >= low
}

/// Whether a clock seen can be this cause's: by its catalogue row, or by who keeps it and what it
/// counts from.
pub fn belongs(cause: &Cause, seen: &SeenClock) -> bool {
    if let Some(clock) = &seen.clock {
        return cause.may_be(clock);
    }
    let idle = |a: Anchor| matches!(a, Anchor::Idle | Anchor::IdleApp);
    cause.clocks.iter().any(|choice| {
        let owner = choice.owner == Some(seen.owner)
            // A note's "balancer" may be any kind of proxy.
            || (seen.owner == Owner::LoadBalancer
                && matches!(choice.owner, Some(Owner::Proxy | Owner::Cloud)));
        owner && choice.anchor.is_some_and(|a| a == seen.anchor || (idle(a) && idle(seen.anchor)))
    })
}

/// Seconds as a person writes them: no fraction where there is none, three digits where it is
/// short.
pub fn number(seconds: f64) -> String {
    if seconds >= 1000.0 || (seconds >= 10.0 && (seconds - seconds.round()).abs() < 0.05) {
        format!("{seconds:.0}")
    } else if seconds >= 10.0 {
        format!("{seconds:.1}")
    } else if seconds == seconds.round() {
        format!("{seconds:.0}")
    } else if seconds >= 0.1 {
        format!("{seconds:.2}")
    } else {
        format!("{seconds:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_numbers_are_those_people_set() {
        for (low, high, mid) in
            [(43_199.0, 43_201.0, 43_200.0), (299.0, 301.0, 300.0), (349.0, 351.0, 350.0)]
        {
            let expected = mid != 350.0;
            assert_eq!(is_round(low, high, mid), expected, "{mid}");
        }
    }

    #[test]
    fn a_day_is_divided_by_hours_and_not_by_350_seconds() {
        assert!(day(43_200.0) > 0.1 && day(3_600.0) > 0.1 && day(86_400.0) > 0.1);
        assert!(day(350.0) < 0.05);
        assert!(day(43_900.0) < 0.05);
    }

    #[test]
    fn a_product_is_named_by_its_own_word_and_not_by_common_ones() {
        let catalogue = Catalogue::builtin().unwrap();
        let of = |line: &str| named(std::iter::once(line), &catalogue);
        let kafka = of("%3|FAIL|rdkafka#consumer-1| 192.0.2.3:9092/0: Disconnected");
        assert!(!kafka.is_empty() && kafka.iter().all(|id| id.contains("kafka")), "{kafka:?}");
        assert!(of("the proxy closed the connection to the server, load too high").is_empty());
    }
}
