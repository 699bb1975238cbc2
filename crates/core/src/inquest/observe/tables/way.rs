//! What the rules of a box make of a packet that its table has no entry for.
//!
//! Refused: a word where the rules leave it open.

use super::super::super::facts::{Content, Facts, Source};
use super::one_host;
use crate::conntrack::Verdict;
use crate::conntrack::account::FoundNone;
use crate::conntrack::nat::Firewall;
use crate::conntrack::reach::Reaches;
use crate::dump::rules::Rules;

/// The rules of a host, each kind of listing as it was printed last, with what is known of its
/// interfaces.
pub(super) fn firewall_of(facts: &Facts, at: &Source) -> Option<Firewall> {
    let mut own: Vec<&Source> = facts.sources.iter().filter(|s| one_host(s, at)).collect();
    own.sort_by_key(|source| source.taken_at);
    let mut listings: Vec<(&Source, &Rules)> = Vec::new();
    let mut firewall = Firewall::default();
    for source in own {
        match &*source.content {
            Content::Rules(rules) => {
                listings.retain(|(e, _)| e.command.is_none() || e.command != source.command);
                listings.push((source, rules));
            }
            Content::Links(interfaces) => firewall.interfaces.clone_from(interfaces),
            Content::Log(_)
            | Content::Capture(_)
            | Content::Conntrack(_)
            | Content::Sysctl(_)
            | Content::Notes(_)
            | Content::Sockets(_)
            | Content::Counters(_)
            | Content::TableEvents(_)
            | Content::Balancer(_) => {}
        }
    }
    let all = listings.iter().flat_map(|(_, rules)| rules.chains.iter().cloned());
    firewall.rules.chains.extend(all);
    (!listings.is_empty()).then_some(firewall)
}

/// What became of a packet that found no entry, by the table and by rules.
pub(super) fn found_none(found: &FoundNone) -> String {
    let packet = found.packet;
    let line = |line: Option<u64>| line.map_or(String::new(), |line| format!(" (line {line})"));
    let ruled = found.ruled.as_ref().map(|ruled| (ruled.does, line(ruled.line)));
    let stops = match &ruled {
        Some(("drops", line)) => format!("dropped by a rule of the box{line}"),
        Some(("resets", line)) => format!("answered with a reset by a rule of the box{line}"),
        Some(("refuses", line)) => format!("refused with ICMP by a rule of the box{line}"),
        _ => String::new(),
    };
    let no_rule = if ruled.is_some() { ", no rule stops it" } else { "" };
    match (found.verdict, stops.is_empty(), found.reaches) {
        (Verdict::Invalid, false, _) => {
            format!("; packet {packet} then found none, was INVALID and {stops}")
        }
        (_, false, _) => format!("; packet {packet} then found none and was {stops}"),
        (Verdict::Invalid, true, Some(Reaches::Box)) => format!(
            "; packet {packet} then found none, was INVALID{no_rule} and was for the box itself, \
             whose stack resets its sender"
        ),
        (Verdict::Invalid, true, Some(Reaches::Stranger)) => {
            format!("; packet {packet} then found none, was INVALID{no_rule} and left untranslated")
        }
        (Verdict::Invalid, true, _) => {
            format!("; packet {packet} then found none and was INVALID{no_rule}")
        }
        (_, true, Some(Reaches::Box)) => format!(
            "; packet {packet} then found none and made another{no_rule}: it was for the box \
             itself, whose stack resets its sender"
        ),
        (_, true, _) => format!("; packet {packet} then found none and made another"),
    }
}
