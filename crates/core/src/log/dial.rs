//! Places stamps in time: settles the zone, the year and the day that a stamp leaves open.
//!
//! Logs run forward, so a stamp without a year or a day belongs to the turn of the calendar that
//! brings it nearest to the line before. Where no line carries a date, the last line is put as late
//! as the caller allows. Refuses nothing, but says in [`Dial::notes`] what it assumed.

use super::calendar::{clock_changes, date_of, days, is_leap, is_sunday, month_of, year_of};
use super::stamp::{Day, Stamp};
use crate::time::Moment;

/// Nanoseconds in a second and in a day.
const NS: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * NS;

/// A leap year to count days of the year in, and the year named when nothing else is known.
const PLAIN_YEAR: i32 = 2000;

/// When a line was written, as far as is known while reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    /// Nanoseconds since the epoch.
    Known(i64),
    /// Turns of the year since the first line, then month, day and nanoseconds of the day; the
    /// last field is the zone's seconds.
    Yearly(i32, u8, u8, i64),
    /// Days since the first line in nanoseconds, and the nanoseconds of the day.
    Daily(i64),
    /// Nanoseconds since the machine started.
    Uptime(i64),
}

impl When {
    /// This moment moved by nanoseconds.
    pub(crate) fn later(self, by: i64) -> Self {
        match self {
            When::Known(ns) => When::Known(ns.saturating_add(by)),
            When::Daily(ns) => When::Daily(ns.saturating_add(by)),
            When::Uptime(ns) => When::Uptime(ns.saturating_add(by)),
            // The day's nanoseconds may run over: the moment is their sum.
            When::Yearly(turn, month, day, ns) => {
                When::Yearly(turn, month, day, ns.saturating_add(by))
            }
        }
    }
}

/// Settles stamps in the order of their lines.
#[derive(Debug, Default)]
pub(crate) struct Dial {
    offset_s: i32,
    not_after: Option<Moment>,
    last_known: Option<i64>,
    first_known: Option<i64>,
    last_yearly: Option<(i32, i64)>,
    /// The day of the last stamp without a year.
    same_day: Option<SameDay>,
    last_daily: Option<i64>,
    /// Day before month, once a stamp has shown it.
    day_first: Option<bool>,
    counts: Counts,
    /// How far local time has been set back so far (the end of summer time).
    set_back: i64,
    last_local: Option<i64>,
    feb_29_turn: Option<i32>,
}

/// A day without a year, placed: what most lines share with the line before.
#[derive(Clone, Copy, Debug)]
struct SameDay {
    month: u8,
    day: u8,
    /// Turns of the year since the first line.
    turn: i32,
    /// Nanoseconds from the beginning of the year.
    begins: i64,
}

/// What was met, for the notes.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    zoned: u64,
    unzoned: u64,
    either: u64,
    yearless: u64,
    dayless: u64,
    uptime: u64,
    backward: u64,
    set_back: u64,
    set_forward: u64,
}

impl Dial {
    /// A dial that assumes `offset_s` where no zone is written.
    pub(crate) fn new(offset_s: Option<i32>, not_after: Option<Moment>) -> Self {
        Self { offset_s: offset_s.unwrap_or(0), not_after, ..Self::default() }
    }

    /// Places one stamp.
    pub(crate) fn place(&mut self, stamp: &Stamp) -> When {
        let zone = stamp.zone.unwrap_or(self.offset_s);
        if stamp.zone.is_some() {
            self.counts.zoned += 1
        } else {
            self.counts.unzoned += 1
        }
        let east = i64::from(zone) * NS;
        match stamp.day {
            Day::Epoch => self.known(stamp.ns),
            Day::Uptime => {
                self.counts.uptime += 1;
                When::Uptime(stamp.ns)
            }
            Day::Full(d) => self.full(d, stamp, east),
            Day::Either(month_first, day_first) => {
                self.counts.either += u64::from(self.day_first.is_none());
                let d = if self.reads_day_first(month_first, day_first) {
                    day_first
                } else {
                    month_first
                };
                self.full(d, stamp, east)
            }
            Day::NoYear(month, day) => self.yearly(month, day, stamp, east),
            Day::None => self.daily(stamp.ns, east),
        }
    }

    /// A stamp with its date; a zone-less one is watched for the end of summer time.
    fn full(&mut self, day: i64, stamp: &Stamp, east: i64) -> When {
        let local = plausible(day.saturating_mul(DAY).saturating_add(stamp.ns));
        let shift = match stamp.zone {
            None => self.clocks_set(local, |before| may_change(before, local)),
            Some(_) => 0,
        };
        self.known(local.saturating_sub(east).saturating_add(shift))
    }

    /// Remembers an absolute moment.
    fn known(&mut self, ns: i64) -> When {
        let ns = plausible(ns);
        if self.last_known.is_some_and(|last| ns < last) {
            self.counts.backward += 1;
        }
        self.first_known.get_or_insert(ns);
        self.last_known = Some(ns);
        self.same_day = None;
        When::Known(ns)
    }

    /// Which reading of `a/b/yyyy` lies nearer to the line before; month first when nothing tells.
    fn reads_day_first(&mut self, month_first: i64, day_first: i64) -> bool {
        if let Some(known) = self.day_first {
            return known;
        }
        let Some(last) = self.last_known.map(|ns| ns.div_euclid(DAY)) else { return false };
        let (m, d) = ((month_first - last).abs(), (day_first - last).abs());
        if m.max(d) > 20 && m.min(d) <= 2 {
            self.day_first = Some(d < m);
        }
        d < m
    }

    /// Nanoseconds to add to a zone-less local time because clocks were set back before it.
    ///
    /// A log's local time jumps back by an hour when summer time ends: between 55 and 60 minutes
    /// when lines are frequent, in the night of a weekend between September and November (north) or
    /// in March and April (south). From then on the lines are an hour later than they say. A jump
    /// forward may also be an hour without a line: it is noted, and nothing is moved. `night` tells
    /// by the time before whether clocks may be set between the two.
    fn clocks_set(&mut self, local: i64, night: impl Fn(i64) -> bool) -> i64 {
        if let Some(last) = self.last_local {
            let back = last - local;
            if (3300 * NS..=3600 * NS).contains(&back) && night(last) {
                self.set_back += 3600 * NS;
                self.counts.set_back += 1;
            }
            let hour = |ns: i64| ns.rem_euclid(DAY) / (3600 * NS);
            let skips = || hour(last) <= 1 && hour(local) == hour(last) + 2;
            if (-3900 * NS..=-3600 * NS).contains(&back) && skips() && night(last) {
                // A log that was seen to set them back follows summer time.
                match self.set_back {
                    0 => self.counts.set_forward += 1,
                    _ => self.set_back -= 3600 * NS,
                }
            }
        }
        self.last_local = Some(local);
        self.set_back
    }

    /// A stamp without a year.
    fn yearly(&mut self, month: u8, day: u8, stamp: &Stamp, east: i64) -> When {
        self.counts.yearless += 1;
        if let Some(SameDay { turn, begins, .. }) =
            self.same_day.filter(|same| (same.month, same.day) == (month, day))
            && stamp.zone.is_none()
            && let Some(last) = self.last_local
            && (0..3600 * NS).contains(&(begins + stamp.ns - last))
        {
            // Later by less than clocks are ever set.
            self.last_local = Some(begins + stamp.ns);
            return When::Yearly(turn, month, day, stamp.ns - east + self.set_back);
        }
        if let Some(last) = self.last_known {
            let year = year_of(last.div_euclid(DAY));
            let near = (year - 1..=year + 1)
                .filter_map(|y| days(y, month, day))
                .map(|d| d * DAY + stamp.ns - east)
                .min_by_key(|at| at.abs_diff(last));
            if let Some(at) = near {
                return self.known(at);
            }
        }
        let ordinal =
            days(PLAIN_YEAR, month, day).unwrap_or(0) - days(PLAIN_YEAR, 1, 1).unwrap_or(0);
        let turn = match self.last_yearly {
            Some((turn, last)) if ordinal < last - 35 => turn + 1,
            Some((turn, last)) if ordinal > last + 330 => turn - 1,
            Some((turn, _)) => turn,
            None => 0,
        };
        if month == 2 && day == 29 {
            self.feb_29_turn = Some(turn);
        }
        let shift = match stamp.zone {
            // Of a day without a year nobody knows the weekday.
            None => self.clocks_set(ordinal * DAY + stamp.ns, |_| {
                stamp.ns < 4 * 3600 * NS && may_be_that_sunday(month, day)
            }),
            Some(_) => 0,
        };
        let ns = stamp.ns - east + shift;
        if let Some((last_turn, last)) = self.last_yearly
            && (turn, ordinal) < (last_turn, last)
        {
            self.counts.backward += 1;
        }
        self.last_yearly = Some((turn, ordinal));
        self.same_day = Some(SameDay { month, day, turn, begins: ordinal * DAY });
        When::Yearly(turn, month, day, ns)
    }

    /// A time of day alone.
    fn daily(&mut self, ns: i64, east: i64) -> When {
        self.counts.dayless += 1;
        let utc = ns - east;
        if let Some(last) = self.last_known {
            return self.known(last + nearest_turn(utc - last));
        }
        let at = match self.last_daily {
            None => utc,
            Some(last) => last + forward_turn(utc - last),
        };
        if self.last_daily.is_some_and(|last| at < last) {
            self.counts.backward += 1;
        }
        self.last_daily = Some(at);
        When::Daily(at)
    }

    /// Ends the reading: fixes the open years and days.
    pub(crate) fn settle(&self) -> Settled {
        let limit = self.not_after.map(Moment::ns);
        // A file may be a little younger than its last line says: clocks differ, zones are assumed.
        let slack = |by: i64| limit.map(|ns| ns.saturating_add(by));
        let (days, hours) = (slack(DAY + 2 * 3600 * NS), slack(2 * 3600 * NS));
        Settled { year: self.first_year(days), day: self.first_day(hours) }
    }

    /// The year of turn 0.
    fn first_year(&self, limit: Option<i64>) -> i32 {
        let Some((turn, ordinal)) = self.last_yearly else { return PLAIN_YEAR };
        let bound = self.first_known.or(limit);
        let mut year = match bound {
            None => PLAIN_YEAR,
            Some(ns) => {
                let bound_day = ns.div_euclid(DAY);
                let year = year_of(bound_day);
                let first = days(year, 1, 1).unwrap_or(0);
                if first + ordinal <= bound_day { year - turn } else { year - 1 - turn }
            }
        };
        if let Some(leap_turn) = self.feb_29_turn {
            while !is_leap(year + leap_turn) && year > 1 {
                year -= 1;
            }
        }
        year
    }

    /// The midnight (nanoseconds since the epoch) that day 0 began with.
    fn first_day(&self, limit: Option<i64>) -> i64 {
        let Some(last) = self.last_daily else { return 0 };
        match self.first_known {
            // The dated line comes after: the last bare time is the nearest one before it.
            Some(known) => {
                let target = known + nearest_turn(last - known);
                target - last
            }
            None => limit.map_or(0, |ns| (ns - last).div_euclid(DAY) * DAY),
        }
    }

    /// Whether any stamp had to be given a zone.
    pub(crate) fn zone_assumed(&self) -> bool {
        self.counts.unzoned > 0
    }

    /// One sentence for each thing assumed or odd.
    pub(crate) fn notes(&self) -> Vec<String> {
        let c = &self.counts;
        let mut notes = Vec::new();
        if c.unzoned > 0 {
            let zone = offset_words(self.offset_s);
            notes.push(if c.zoned > 0 {
                format!(
                    "{} stamps carry a zone and {} do not: those are read as {zone}",
                    c.zoned, c.unzoned
                )
            } else {
                format!("the stamps carry no zone: read as {zone}")
            });
        }
        let told = self.not_after.is_some() || self.first_known.is_some();
        if c.yearless > 0 && !told {
            notes.push(format!("the stamps carry no year: {PLAIN_YEAR} is a stand-in"));
        }
        if c.dayless > 0 && !told {
            notes.push("the stamps are times of day only: the first day is a stand-in".into());
        } else if c.dayless > 0 {
            notes.push(format!("{} stamps are times of day only: days are counted", c.dayless));
        }
        if c.either > 0 && self.day_first.is_none() {
            notes.push("dates could be day/month or month/day: read as month/day".into());
        }
        if c.uptime > 0 {
            notes.push(format!("{} stamps count from the start of the machine", c.uptime));
        }
        if c.backward > 0 {
            notes.push(format!("{} lines are earlier than the line before them", c.backward));
        }
        if c.set_back > 0 {
            notes.push("local time was set back by an hour (end of summer time)".into());
        }
        if c.set_forward > 0 {
            notes.push(
                "an hour is missing in the night of a Sunday in spring: no line may have been \
                 written, or clocks were set forward; it counts as an hour"
                    .into(),
            );
        }
        notes
    }

    /// A sentence where stamps without a zone run over a night in which clocks are set and none
    /// shows it.
    pub(crate) fn unseen_change(&self, (first, last): (Moment, Moment)) -> Option<String> {
        let c = &self.counts;
        let told = self.not_after.is_some() || self.first_known.is_some();
        if c.unzoned == 0 || c.uptime > 0 || c.set_back + c.set_forward > 0 || !told {
            return None;
        }
        let (first, last) = (first.ns(), last.ns());
        let years = year_of(first.div_euclid(DAY))..=year_of(last.div_euclid(DAY));
        let over = |day: i64| first <= day * DAY + 3600 * NS && last >= day * DAY + 3 * 3600 * NS;
        let (day, place) = years
            .flat_map(clock_changes)
            .filter(|(day, _)| over(*day))
            .min_by_key(|(day, _)| *day)?;
        let date = date_of(day);
        Some(format!(
            "the stamps carry no zone, and in the night of {date} clocks were set in {place}: an \
             hour there may be one too many or too few"
        ))
    }
}

/// Whether clocks are set anywhere between two local times.
fn may_change(before: i64, local: i64) -> bool {
    let hour = local.min(before).rem_euclid(DAY) / (3600 * NS);
    let day = local.div_euclid(DAY);
    is_sunday(day) && hour <= 3 && matches!(month_of(day), 3 | 4 | 9 | 10 | 11)
}

/// Whether a day of the year is the Sunday on which clocks are set in one year or another: the last
/// of March and October (Europe), the second of March and the first of November (North America),
/// the first of April and October, the last of September (south).
fn may_be_that_sunday(month: u8, day: u8) -> bool {
    match month {
        3 | 10 => day >= 25 || month == 3 && (8..=14).contains(&day) || month == 10 && day <= 7,
        4 | 11 => day <= 7,
        9 => day >= 24,
        _ => false,
    }
}

/// A moment no further from 1970 than a log's can be, in either direction: about 145 years. Any two
/// of them, and a day more, can be subtracted.
fn plausible(ns: i64) -> i64 {
    const FAR: i64 = i64::MAX / 2 - 400 * DAY;
    ns.clamp(-FAR, FAR)
}

/// The whole days added to `delta` that bring it nearest to zero.
fn nearest_turn(delta: i64) -> i64 {
    (delta + DAY / 2).rem_euclid(DAY) - DAY / 2
}

/// The same, for a log that runs forward: at most an hour and ten minutes back.
fn forward_turn(delta: i64) -> i64 {
    let back = 70 * 60 * NS;
    (delta + back).rem_euclid(DAY) - back
}

/// `UTC`, `UTC+02:00` …
fn offset_words(offset_s: i32) -> String {
    if offset_s == 0 {
        return "UTC".into();
    }
    let sign = if offset_s < 0 { '-' } else { '+' };
    let minutes = offset_s.unsigned_abs() / 60;
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The open years and days, settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    year: i32,
    day: i64,
}

impl Settled {
    /// The moment a placed stamp means.
    pub(crate) fn moment(&self, when: When) -> Moment {
        Moment::from_ns(match when {
            When::Known(ns) | When::Uptime(ns) => ns,
            When::Daily(ns) => self.day.saturating_add(ns),
            When::Yearly(turn, month, day, ns) => {
                let year = self.year.saturating_add(turn);
                let days = days(year, month, day).or_else(|| days(year, month, 28)).unwrap_or(0);
                days.saturating_mul(DAY).saturating_add(ns)
            }
        })
    }
}

#[cfg(test)]
mod tests;
