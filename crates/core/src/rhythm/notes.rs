//! What a reader should know beside the summary, a sentence each: what breaks and hours mean, what
//! else leaves the same times, what to do where nothing is named.
//!
//! Decides nothing: anchor, period and beats are given.

use super::beat::Part;
use super::data::Data;
use crate::rhythm::Reading;
use crate::terms::Anchor;

/// When in the local day the last end was.
pub(super) fn time_of_day(data: &Data) -> String {
    let last = data.ends.last().copied().unwrap_or(0.0);
    let t = (data.day_s + last).rem_euclid(86_400.0) as u32;
    format!(
        "The latest of them was at {:02}:{:02}:{:02} local time.",
        t / 3600,
        t / 60 % 60,
        t % 60
    )
}

/// What else leaves the same times as a timer from the open of which only ends are known.
pub(super) fn said_of_loops(data: &Data, out: &mut Reading) {
    if out.rhythm.anchor == Anchor::Open && !data.has_opens() && out.breaks.is_empty() {
        out.notes.push(
            "A program that sleeps this long and then reconnects by itself leaves the same times; \
             one connection restarted by hand tells."
                .to_owned(),
        );
    }
}

/// What jumps mean, and what to do where there are none and the anchor is open.
pub(super) fn said_of_breaks(out: &mut Reading) {
    let open = out.models.iter().find(|m| m.anchor == Anchor::Open).map_or(0.0, |m| m.probability);
    if !out.breaks.is_empty() && open > 0.8 {
        out.notes.push(
            "The phase moved at a reconnect off the beat and stayed moved: a schedule or a free \
             clock would have kept its phase."
                .to_owned(),
        );
    } else if out.rhythm.anchor == Anchor::Undetermined && no_connection(out) {
        out.next.push(
            "Find out whether the host whose clock it may be is kept by NTP, and watch for longer: a \
             schedule stays on its second, a free clock wanders off it."
                .to_owned(),
        );
    } else if out.breaks.is_empty() && out.rhythm.anchor == Anchor::Undetermined && !counts(out) {
        let by_hand = "Restart one connection by hand and see when it dies: a timer counted from \
                       the open moves with it, a schedule does not.";
        out.notes.push(by_hand.to_owned());
        out.next.push(by_hand.to_owned());
    }
}

/// A schedule of local time seen from UTC: where it moved by an hour and stayed.
pub(super) fn said_of_hours(data: &Data, parts: &[(usize, Part)], period: f64, out: &mut Reading) {
    // A shift of an hour is none to a schedule that runs every hour.
    if period < 7200.0 {
        return;
    }
    let phase = |i: usize| data.ends.get(i).map(|t| t.rem_euclid(period));
    let ticks: Vec<usize> =
        parts.iter().filter(|p| matches!(p.1, Part::Tick(_))).map(|p| p.0).collect();
    let moved = ticks.windows(2).find_map(|w| {
        let (before, after) = (phase(*w.first()?)?, phase(*w.last()?)?);
        let by = (after - before + period / 2.0).rem_euclid(period) - period / 2.0;
        let hour = (by.abs() - HOUR).abs() < HOUR / 60.0;
        hour.then_some((*w.last()?, by > 0.0))
    });
    let Some((at, later)) = moved else { return };
    let index = data.index.get(at).copied().unwrap_or(at);
    out.notes.push(format!(
        "From ending {} on it runs an hour {}, as a schedule of local time does when the clocks \
         change.",
        index + 1,
        if later { "later" } else { "earlier" },
    ));
}

const HOUR: f64 = 3600.0;

/// Whether a schedule and a free clock are what is left: a restart by hand tells neither.
fn no_connection(out: &Reading) -> bool {
    let of = |a: Anchor| out.models.iter().find(|m| m.anchor == a).map_or(0.0, |m| m.probability);
    of(Anchor::Wall) + of(Anchor::FreeRunning) > 0.95
}

/// Whether a count of requests is what is left beside a timer: a restart by hand tells nothing.
fn counts(out: &Reading) -> bool {
    out.models.iter().take(2).any(|m| m.anchor == Anchor::Count)
}

/// What tells a limit on the number of requests, where ages do not.
pub(super) fn said_of_counts(counted: bool, out: &mut Reading) {
    if !counted || out.rhythm.anchor != Anchor::Undetermined {
        return;
    }
    out.next.insert(0, "Count the requests of each connection that ended.".to_owned());
    if out.rhythm.events_needed.is_none() {
        out.notes.push(
            "No number of further endings would tell a timer this uneven from a limit on the number \
             of requests: their ages are spread alike."
                .to_owned(),
        );
    }
}
