//! What two captures of one path say of the way between them: a reset that was made there, packets
//! that left as they came, and where the last ones were lost.
//!
//! The packets are compared by [`path`](crate::path), with its clocks: roles and names are not
//! asked.

use super::super::evidence::{Cite, Evidence, Weighs};
use super::super::facts::Facts;
use super::super::subject::{FlowPart, Subject};
use super::super::two_points::TwoPoints;
use crate::flow::How;
use crate::path::{Change, Fate, Mark, Pair, Told};
use crate::terms::{Role, Side};

/// A fate that rests on the silence of a capture that misses more than this share says nothing.
const DOUBT_MAX: f64 = 0.05;

/// One connection of the subject as two captures have it.
struct Between<'a> {
    points: &'a TwoPoints,
    pair: &'a Pair,
    flow: &'a FlowPart<'a>,
    /// Of the two captures.
    roles: [Option<Role>; 2],
}

/// What the first connection that shows anything of a kind shows of it.
pub(super) fn observe(subject: &Subject<'_>, facts: &Facts) -> Vec<Evidence> {
    let paths = facts.paths();
    let role = |file: &str| {
        let mut captures = facts.captures().map(|(source, _)| source);
        captures.find(|source| source.file == file).and_then(|source| source.role)
    };
    // Two captures beside the one whose view is the best have their say as well.
    let ended = subject.flows.iter().filter(|flow| flow.ended());
    let views = ended.chain(&subject.elsewhere);
    let all: Vec<Between<'_>> = views
        .flat_map(|flow| {
            let points = paths.iter().filter_map(|points| Some((points, points.pair_of(flow)?)));
            points.map(move |(points, pair)| {
                let roles = points.path.points.each_ref().map(|point| role(&point.file));
                Between { points, pair, flow, roles }
            })
        })
        .collect();
    let first = |look: fn(&Between<'_>) -> Option<Evidence>| all.iter().find_map(look);
    [compared(&all), first(reset), first(translation), last_ones(&all)]
        .into_iter()
        .flatten()
        .collect()
}

/// That the captures are of one path, and what lies between their clocks.
fn compared(all: &[Between<'_>]) -> Option<Evidence> {
    let one = all.first()?;
    let path = &one.points.path;
    let [first, second] = &path.points;
    let clock = path.clock.as_ref()?;
    let way = if clock.offset_ns < 0 { "behind" } else { "ahead" };
    let mut says = format!(
        "{} and {} have {} connections in common; the second's clock is {:.6} s {way}",
        first.file,
        second.file,
        path.paired,
        clock.offset_ns.unsigned_abs() as f64 / 1e9
    );
    if let Some(error) = clock.error_ns {
        says += &format!(", within {:.3} ms", error as f64 / 1e6);
    }
    says += &format!(", and drifts by {:.1} ppm", clock.skew_ppm);
    if path.rewritten > 0 {
        says += "; a box between rewrites sequence numbers";
    }
    Some(Evidence::new(Weighs::Context("two-captures"), says, one.cites_of_views()))
}

/// A reset that one end received and that the other never sent.
fn reset(one: &Between<'_>) -> Option<Evidence> {
    let is_made = |told: &&Told| {
        told.fate == Fate::Made && told.flags.contains('R') && told.doubt <= DOUBT_MAX
    };
    let told = one.pair.told.iter().find(is_made)?;
    let (name, other) = match told.by {
        Side::Client => ("client", "server"),
        Side::Server => ("server", "client"),
    };
    let [first, second] = one.names();
    let mut says = format!(
        "a reset with the {name}'s address on its way to the {other} was made between the places of {first} and {second}: the \
         capture nearer to the {name} recorded then and has none"
    );
    for mark in &told.because {
        match mark {
            Mark::SenderWentOn => {
                says += &format!(", and the {name} went on as if it had not sent it")
            }
            Mark::OtherTtl => {
                says += &format!(", and its TTL is not that of the {name}'s other packets")
            }
            Mark::SentAgain
            | Mark::NeverAcknowledged
            | Mark::AcknowledgedUnseen
            | Mark::SenderGoesOnBeyond => {}
        }
    }
    let strength = 1.0 - told.doubt;
    Some(Evidence::table("reset-made-by", "box", says, one.cites(told)).weaker(strength))
}

/// Whether the packets of a translated connection were translated up to its end.
fn translation(one: &Between<'_>) -> Option<Evidence> {
    let pair = one.pair;
    let left: Vec<&Told> =
        pair.told.iter().filter(|t| t.changed.contains(&Change::Untranslated)).collect();
    if let Some(last) = left.last() {
        let count = pair.packets.untranslated;
        let packets = if count == 1 { "packet" } else { "packets" };
        let says = format!(
            "{count} {packets} of this connection left the box between untranslated, which translated its others: it had no \
             entry for it any more, or held them for INVALID"
        );
        let cites = left.iter().flat_map(|told| one.cites(told)).take(8).collect();
        let at_end = one.is_near_the_end(last);
        return Some(if at_end {
            Evidence::table("left-untranslated", "untranslated", says, cites)
        } else {
            Evidence::new(Weighs::Context("untranslated"), says, cites)
        });
    }
    if pair.left_untranslated {
        let says = "this connection is not translated on the way, though others of its client are";
        let cites = one.cites_of_views();
        return Some(Evidence::table("left-untranslated", "untranslated", says.to_owned(), cites));
    }
    let last = pair.told.iter().rfind(|t| t.fate == Fate::Both && t.by == Side::Client)?;
    if pair.translates.is_none() || !one.is_near_the_end(last) {
        return None;
    }
    let says = "the client's last packet that both captures have was still translated on its way";
    let piece =
        Evidence::table("left-untranslated", "translated", says.to_owned(), one.cites(last));
    Some(piece.weaker(0.7))
}

/// Where the packets that were never answered went: to the far end's place or not. Of several
/// captures those between which they were lost tell most, and of these the closest two.
fn last_ones(all: &[Between<'_>]) -> Option<Evidence> {
    let seen: Vec<_> = all.iter().filter_map(|one| Some((one, tail(one)?))).collect();
    let lost = seen.iter().filter(|(_, tail)| tail.fate == Fate::Lost);
    let way = |one: &Between<'_>| one.points.path.clock.as_ref().and_then(|c| c.round_trip_ns);
    let closest = lost.min_by_key(|(one, _)| way(one).unwrap_or(i64::MAX));
    let (one, tail) = match closest {
        Some(found) => found,
        // That they came to a box on the way says nothing of the end beyond it.
        None => seen.iter().find(|(one, tail)| one.is_of_the_end(tail.told.by.peer()))?,
    };
    let (value, what) = if tail.fate == Fate::Lost {
        ("between", "were lost between the two captures")
    } else {
        ("arrived", "arrived at the other capture's place as well")
    };
    let name = match tail.told.by {
        Side::Client => "client",
        Side::Server => "server",
    };
    let [first, second] = one.names();
    let says =
        format!("the {name}'s last packets, which nobody answered, {what} ({first}, {second})");
    Some(Evidence::table("where-lost", value, says, one.cites(tail.told)))
}

/// A connection's last packets, which nobody answered.
struct Tail<'a> {
    /// Lost, or seen at both.
    fate: Fate,
    /// One of them.
    told: &'a Told,
}

fn tail<'a>(one: &Between<'a>) -> Option<Tail<'a>> {
    if one.flow.flow.record.ending.how != How::Silence {
        return None;
    }
    let unanswered = one.flow.flow.last_words.unanswered.as_ref()?;
    let point = one.points.place_of(one.flow)?;
    let is_of_it = |told: &&Told| {
        let number = told.packets.get(point).copied().flatten();
        told.by == unanswered.by && number.is_some_and(|n| n >= unanswered.first.packet)
    };
    let all: Vec<&Told> = one.pair.told.iter().filter(is_of_it).collect();
    // To one that arrives under ends nobody knows there is no answer.
    let arrived =
        |told: &&&Told| told.fate == Fate::Both && !told.changed.contains(&Change::Untranslated);
    let lost = |told: &&&Told| told.fate == Fate::Lost;
    let (gone, came) = (all.iter().filter(lost).count(), all.iter().filter(arrived).count());
    if came * 4 < gone {
        Some(Tail { fate: Fate::Lost, told: all.iter().find(lost)? })
    } else if gone * 4 < came {
        Some(Tail { fate: Fate::Both, told: all.iter().rfind(arrived)? })
    } else {
        None
    }
}

impl Between<'_> {
    /// Whether the other capture was taken at this end, as far as anybody said.
    fn is_of_the_end(&self, end: Side) -> bool {
        let wanted = if end == Side::Client { Role::Client } else { Role::Server };
        let own = self.points.place_of(self.flow);
        own.is_some_and(|own| self.roles.get(1 - own) == Some(&Some(wanted)))
    }

    fn names(&self) -> [&str; 2] {
        let [first, second] = &self.points.path.points;
        [&first.file, &second.file]
    }

    /// The packet where it was seen; where it was not, nothing can be pointed at.
    fn cites(&self, told: &Told) -> Vec<Cite> {
        let numbers = self.names().into_iter().zip(told.packets);
        numbers.filter_map(|(file, n)| Some(Cite::packets(file, [n?]))).collect()
    }

    fn cites_of_views(&self) -> Vec<Cite> {
        let views = self.names().into_iter().zip(&self.pair.views);
        views
            .map(|(file, view)| Cite::packets(file, [view.first_packet, view.last_packet]))
            .collect()
    }

    /// It is one of the last packets told: of the exchange that ended the connection.
    fn is_near_the_end(&self, told: &Told) -> bool {
        let last = self.pair.told.last();
        last.is_some_and(|last| last.at_ns.since(told.at_ns).secs_f64() <= 120.0)
    }
}
