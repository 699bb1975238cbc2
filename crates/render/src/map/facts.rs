//! What a drawing says of each hop and path, as words: the same for every kind of drawing.

use hopclock_core::clocks::OnExpiry;
use hopclock_core::map::idle::{self, Held, Why};
use hopclock_core::map::inventory::{Beat, Keepalive, Path, Use};
use hopclock_core::map::job::Job;
use hopclock_core::map::settle::{Kept, Known, Map, Stop};

/// A timer in two lines.
pub(super) struct Line {
    /// How its value is known.
    pub known: Known,
    /// Its value and what it does.
    pub says: String,
    /// What restarts it, how it ends, where it was read.
    pub more: String,
    /// Numbers of the paths whose shortest idle timer it is, from 1.
    pub shortest_of: Vec<usize>,
}

/// A hop's timers that matter, the shortest first of each kind. `all` adds those that end no
/// connection by themselves.
pub(super) fn lines(map: &Map, hop: &Stop, all: bool) -> Vec<Line> {
    let wanted = |job: Job| match job {
        Job::Forgets | Job::Closes | Job::ClosesBetween | Job::ClosesWithin | Job::Age => true,
        Job::Closing | Job::Unacknowledged | Job::Probe | Job::PingLimit => all,
        Job::Other => false,
    };
    let kept = hop.kept.iter().filter(|kept| wanted(kept.job));
    kept.map(|kept| line(map, hop, kept)).collect()
}

fn line(map: &Map, hop: &Stop, kept: &Kept) -> Line {
    let value = kept.seconds.map_or_else(|| "off".to_owned(), value);
    let scope = kept.scope.as_ref().map_or_else(String::new, |scope| format!(" [{scope}]"));
    let until = at_its_end(kept);
    let restarts = match kept.job {
        Job::Age => "nothing restarts it".to_owned(),
        Job::Probe => "only sockets that ask for it".to_owned(),
        _ => format!("restarts with {}", kept.refreshed_by),
    };
    Line {
        known: kept.known,
        says: format!("{value} {}: {}{scope}", does(kept.job), short(&kept.what)),
        more: format!("{restarts}; {until}; {}", kept.from),
        shortest_of: shortest(map, hop, kept),
    }
}

/// A setting without the part that all of its kind have.
fn short(what: &str) -> &str {
    what.strip_prefix("net.netfilter.").or(what.strip_prefix("net.ipv4.")).unwrap_or(what)
}

/// Seconds, and a length a person knows beside them.
pub(super) fn value(seconds: f64) -> String {
    let human = match seconds {
        s if s >= 86_400.0 && s % 86_400.0 == 0.0 => format!(" ({} d)", s / 86_400.0),
        s if s >= 7200.0 && s % 3600.0 == 0.0 => format!(" ({} h)", s / 3600.0),
        s if s >= 120.0 && s % 60.0 == 0.0 => format!(" ({} min)", s / 60.0),
        _ => String::new(),
    };
    format!("{seconds} s{human}")
}

const fn does(job: Job) -> &'static str {
    match job {
        Job::Forgets => "of silence",
        Job::Closes => "without data",
        Job::ClosesBetween => "between requests",
        Job::ClosesWithin => "without data in a request",
        Job::Age => "of age",
        Job::Closing => "half-closed",
        Job::Unacknowledged => "unacknowledged",
        Job::Probe => "of silence, then a probe",
        Job::PingLimit => "between PINGs at least",
        Job::Other => "of another kind",
    }
}

const fn at_its_end(kept: &Kept) -> &'static str {
    match kept.on_expiry {
        OnExpiry::Fin => "then closes",
        OnExpiry::SilentDrop => "then forgets in silence",
        OnExpiry::ErrorFrame => "then says so and closes",
        OnExpiry::Goaway => "then sends GOAWAY",
        OnExpiry::RstBoth => "then resets both ends",
        OnExpiry::RstClient => "then resets the client",
        OnExpiry::RstOnNextPacket => "then resets whoever speaks next",
        OnExpiry::Unknown => "what then happens is not known",
    }
}

fn shortest(map: &Map, hop: &Stop, kept: &Kept) -> Vec<usize> {
    let is_it = |path: &Path| {
        let timers = idle::timers(map, path);
        timers.first().is_some_and(|met| met.hop.name == hop.name && met.kept == kept)
    };
    (1..).zip(&map.paths).filter(|(_, path)| is_it(path)).map(|(number, _)| number).collect()
}

/// Numbers in rising order, neighbours joined: `1–4 7`.
pub(super) fn ranges(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let told = runs.iter().map(|&(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first} {last}"),
        _ => format!("{first}–{last}"),
    });
    told.collect::<Vec<_>>().join(" ")
}

/// How a value is known, as a sign and as words for the legend.
pub(super) const fn sign(known: Known) -> (&'static str, &'static str) {
    match known {
        Known::Measured => ("●", "measured on the hop"),
        Known::Stated => ("○", "told by somebody"),
        Known::Default => ("◇", "the product's default"),
        Known::Guess => ("?", "a guess"),
    }
}

/// A path in two sentences: its hops, and what its shortest idle timer meets.
pub(super) fn path(map: &Map, path: &Path) -> (String, String) {
    let protocol = path.protocol.as_ref().map_or_else(String::new, |p| format!(" ({p})"));
    let way = format!("{}{protocol}: {}", path.name, path.hops.join(" → "));
    let timers = idle::timers(map, path);
    let Some(first) = timers.first() else {
        return (way, "no idle timer is known".to_owned());
    };
    let limit = value(idle::seconds(first));
    let short = format!("shortest idle timer {limit} at {}", first.hop.name);
    let open = timers.iter().find_map(|met| match idle::held(map, path, met) {
        Held::Not(why, nearest) => Some((met, why, nearest)),
        Held::By(_) | Held::ByTraffic => None,
    });
    let told = match open {
        None => "; everything on the way is refreshed in time".to_owned(),
        Some((met, why, nearest)) if met.hop.name == first.hop.name && met.kept == first.kept => {
            format!(": {}", why_not(path, why, nearest))
        }
        Some((met, why, nearest)) => {
            let (hop, at) = (&met.hop.name, value(idle::seconds(met)));
            format!("; {at} at {hop}: {}", why_not(path, why, nearest))
        }
    };
    let used = match path.used {
        Use::Stream => "",
        Use::Requests => "; requests with silence between them",
    };
    (way, format!("{short}{told}{used}"))
}

fn why_not(path: &Path, why: Why, nearest: Option<&Keepalive>) -> String {
    let sent = nearest.map_or_else(String::new, |k| {
        let by = path.hops.get(idle::sender(path, k)).map_or("", String::as_str);
        let kind = match k.kind {
            Beat::Tcp => "TCP keepalive",
            Beat::Http2Ping => "HTTP/2 PING",
            Beat::Heartbeat => "heartbeat",
        };
        format!("the {kind} of {by}, {},", value(k.every_s))
    });
    match why {
        Why::Late => format!("{sent} comes too late"),
        Why::NotCounted => format!("{sent} does not count there"),
        Why::NotKnown => format!("whether {sent} counts there is not known"),
        Why::DoesNotPass => format!("{sent} does not reach it"),
        Why::Nothing => "nothing refreshes it".to_owned(),
    }
}
