//! Measures tried on the recorded packets: a sweep over what a hop's own capture holds of the
//! connections, under its own settings and under each measure's.
//!
//! What the sweep shows goes before what the mechanism says, for causes that have their clock in
//! such a box. Refused: a judgement where the model did not see the harm (the table served every
//! packet, or something other than its timers took the entry away), except that a setting of the
//! box changes nothing there.

use super::super::facts::Facts;
use super::super::numbers::number;
use super::super::observe::Trial;
use super::Effect;
use crate::conntrack::packet::Tuple;
use crate::conntrack::reach::Reaches;
use crate::conntrack::sweep::{Row, Sweep, Turn, Variant};
use crate::flow::Headers;
use serde::Serialize;
use std::collections::HashSet;

/// What trying a measure showed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// What it does to these connections.
    pub effect: Effect,
    /// The same in a sentence, with what was counted.
    pub says: String,
    /// The capture it was tried on.
    pub file: String,
    /// Connections of it that were looked at.
    pub connections: u64,
    /// Of these, how many the box did not serve as captured: the entry was gone and needed.
    pub lost: u64,
    /// The same with the measure.
    pub lost_then: u64,
    /// Connections that go on with the measure and did not as captured.
    pub saved: u64,
    /// Of these, how many meet the same end later.
    pub moved: u64,
    /// Ends were simulated from the first packet that meets another fate.
    pub simulated: bool,
    /// The mechanism alone would have said otherwise.
    pub differs: bool,
}

/// A place to try measures on.
pub(super) struct Bench<'a> {
    trial: &'a Trial,
    headers: &'a Headers,
}

impl<'a> Bench<'a> {
    /// The first one that the evidence holds.
    pub(super) fn of(trials: &'a [Trial], facts: &'a Facts) -> Option<Bench<'a>> {
        trials.iter().find_map(|trial| {
            let (_, reading) = facts.captures().find(|(source, _)| source.file == trial.file)?;
            Some(Bench { trial, headers: &reading.headers })
        })
    }

    /// Tries each of these, spelt as for `replay --fix`; `None` for one that cannot be.
    pub(super) fn judge(&self, measures: &[Option<String>]) -> Vec<Option<Tried>> {
        let was = self.trial.place.settings;
        let parsed: Vec<Option<Variant>> = measures
            .iter()
            .map(|text| Variant::parse(text.as_ref()?, was).ok())
            .map(|variant| variant.filter(|v| v.settings != was || v.probes.is_some()))
            .collect();
        let variants: Vec<Variant> = parsed.iter().flatten().cloned().collect();
        if variants.is_empty() {
            return vec![None; measures.len()];
        }
        let mut rows = self.rows(variants).into_iter();
        let Some(base) = rows.next() else { return vec![None; measures.len()] };
        let each = parsed.iter().map(|variant| {
            let variant = variant.as_ref()?;
            self.told(variant, &base, &rows.next()?)
        });
        each.collect()
    }

    fn rows(&self, variants: Vec<Variant>) -> Vec<Row> {
        let place = &self.trial.place;
        let mut sweep = Sweep::new(place.settings, place.kernel, variants);
        if let Some(firewall) = &place.firewall {
            sweep = sweep.behind(firewall.clone());
        }
        for (original, reply) in &place.translations {
            sweep.translate(*original, *reply);
        }
        let ours = self.ours();
        for captured in self.headers.packets() {
            let tuple = crate::conntrack::read::read(captured.bytes).map(|packet| packet.tuple);
            if tuple.is_ok_and(|tuple| ours.contains(&tuple)) {
                sweep.packet(&captured, 0);
            }
        }
        sweep.rows()
    }

    /// The connections' tuples on either side of the box.
    fn ours(&self) -> HashSet<Tuple> {
        let mut ours = HashSet::new();
        for flow in &self.trial.flows {
            let out = |t: &&(Tuple, Tuple)| t.0 == *flow || t.1.inverse() == Some(*flow);
            let there = self.trial.place.translations.iter().find(out);
            let ends = there.map_or([*flow, *flow], |(original, reply)| [*original, *reply]);
            ours.extend(ends.into_iter().flat_map(|t| [Some(t), t.inverse()]).flatten());
        }
        ours
    }

    fn told(&self, variant: &Variant, base: &Row, row: &Row) -> Option<Tried> {
        let (effect, what) = match self.trial.value {
            "alive" if variant.probes.is_none() => (Effect::NotHeld, self.nothing_lost()),
            "frozen" | "ran-out" | "refused" => outcome(base, row),
            _ => return None,
        };
        let what = what + &by_rules(row);
        Some(Tried {
            effect,
            says: format!(
                "tried in the model of {}'s table, on the packets of {}: {what}",
                self.trial.keeper, self.trial.file
            ),
            file: self.trial.file.clone(),
            connections: self.trial.flows.len() as u64,
            lost: base.lost,
            lost_then: row.lost,
            saved: row.saved,
            moved: row.moved,
            simulated: row.saved + row.cut > 0 || row.added.is_some_and(|n| n > 0),
            differs: false,
        })
    }

    fn nothing_lost(&self) -> String {
        let of = match self.trial.flows.len() {
            1 => "it served the connection to its end".to_owned(),
            n => format!("it served each of {n} connections to its end"),
        };
        format!("{of}, so this changes nothing for them")
    }
}

/// What the box's rules do with the first packet that the measure leaves without an entry, or
/// parts from what was.
fn by_rules(row: &Row) -> String {
    let out = row.first_run_out.as_ref();
    let cut = row.first_parted.as_ref().filter(|parted| parted.turn == Turn::Cut);
    let missed = out.map(|out| (out.packet, out.reaches, out.ruled.as_ref()));
    let parted = cut.map(|cut| (cut.packet, cut.reaches, cut.ruled.as_ref()));
    let Some((Some(packet), reaches, Some(ruled))) = missed.or(parted) else {
        return String::new();
    };
    let line = ruled.line.map_or(String::new(), |line| format!(" (line {line})"));
    match (ruled.does, reaches) {
        ("drops", _) => format!("; its packet {packet} is dropped by a rule of the box{line}"),
        ("resets", _) => format!("; its packet {packet} is reset by a rule of the box{line}"),
        ("refuses", _) => format!("; its packet {packet} is refused by a rule of the box{line}"),
        (_, Reaches::Box) => {
            format!("; no rule stops packet {packet}, which is then for the box's own stack")
        }
        _ => String::new(),
    }
}

/// What a row says beside the one of what was.
fn outcome(base: &Row, row: &Row) -> (Effect, String) {
    let ignored = match (base.ignored, row.ignored) {
        (0, 0) => String::new(),
        (was, is) => format!("; {was} packets refreshed nothing as captured, {is} with it"),
    };
    if row.added == Some(0) {
        let never = "none would have been sent: who would send one was never silent for so long";
        return (Effect::NotHeld, never.to_owned());
    }
    if row.cut > 0 {
        return (Effect::NotHeld, format!("it cuts {}{ignored}", connections(row.cut)));
    }
    if row.saved == 0 && row.lost < base.lost {
        // Nothing else was recorded that would tell how it goes on.
        return (Effect::Held, format!("no entry is missed any more{ignored}"));
    }
    if row.saved == 0 {
        return (Effect::NotHeld, format!("every packet meets the fate it met{ignored}"));
    }
    let first = row.first_parted.as_ref();
    let packet = first.and_then(|f| f.packet).map_or(String::new(), |p| format!(" at packet {p}"));
    if row.moved > 0 {
        let later = first.and_then(|f| {
            let gone = base.first_run_out.as_ref()?.at_ns;
            Some(format!(
                ", {} s after it went as captured",
                number(f.stands_until_ns?.since(gone).secs_f64())
            ))
        });
        let says = format!(
            "{} on{packet}, but neither that packet nor its answer sets the timer: the entry goes \
             all the same{} (simulated){ignored}",
            goes(row.saved),
            later.unwrap_or_default()
        );
        return (Effect::MovesPeriod, says);
    }
    if row.lost > 0 {
        let says = format!(
            "{} on{packet}, and {} lost as before (simulated){ignored}",
            goes(row.saved),
            if row.lost == 1 { "1 is".to_owned() } else { format!("{} are", row.lost) }
        );
        return (Effect::NotHeld, says);
    }
    let bound = if row.added.is_none() && row.vanished_s != base.vanished_s {
        ", for silences no longer than those recorded"
    } else {
        ""
    };
    (Effect::Held, format!("{} on{packet}{bound} (simulated from there){ignored}", goes(row.saved)))
}

fn goes(count: u64) -> String {
    if count == 1 { "the connection goes".to_owned() } else { format!("{count} connections go") }
}

fn connections(count: u64) -> String {
    if count == 1 { "a connection".to_owned() } else { format!("{count} connections") }
}
