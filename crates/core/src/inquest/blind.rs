//! What was not there to look at. A diagnosis from half the evidence says which half.

use super::facts::{Content, Facts};
use super::finding::Finding;
use crate::flow::How;
use crate::terms::Role;

/// One sentence for each thing that would usually be looked at and was not there.
pub fn not_looked_at(facts: &Facts, findings: &[Finding]) -> Vec<String> {
    let mut missing = Vec::new();
    let from = |role: Role| facts.sources.iter().filter(move |s| s.role == Some(role));
    let captures = facts.captures().count();
    if facts.logs().count() == 0 {
        missing.push("no log: what the programs said of the ends was not looked at");
    }
    if captures == 0 {
        missing.push("no capture: the shape of the end and the silence before it were not seen");
    } else {
        let server = from(Role::Server).any(|s| matches!(*s.content, Content::Capture(_)));
        if !server {
            missing.push(
                "no capture from the server's side: whether the server closed, or was reset too, was not seen",
            );
        }
        missing
            .push("payload is not read, but for a few closing words in clear: what the application said was not looked at");
    }
    let hop_settings = from(Role::Hop).any(|s| matches!(*s.content, Content::Sysctl(_)));
    if !hop_settings {
        missing.push("no settings of any hop: the timers of the boxes between are not in evidence");
    }
    if facts.entries().next().is_some() {
        let samples = facts.entries().filter(|(s, _)| s.taken_at.is_some()).count();
        if samples < 2 {
            missing.push(
                "one look at the conntrack entry, or looks without a time: whether its remaining time falls was not seen",
            );
        }
    }
    let keepalive = facts.settings().any(|(_, s)| s.short().starts_with("tcp_keepalive"));
    if keepalive {
        missing.push(
            "keepalive sysctls are defaults for sockets that ask: whether these sockets ask was not seen",
        );
    }
    let undated = facts.sources.iter().any(|s| {
        matches!(*s.content, Content::Conntrack(_) | Content::Sysctl(_)) && s.taken_at.is_none()
    });
    if undated {
        missing.push(
            "dumps without a time: settings may have been other ones when the connections ended",
        );
    }
    let others = not_argued(facts, findings);
    let series: usize = facts.logs().map(|(_, l)| l.series.len()).sum();
    let mut missing: Vec<String> = missing.into_iter().map(str::to_owned).collect();
    missing.extend(withheld(findings));
    if others > 0 {
        missing.push(format!(
            "{others} more connections in the captures ended by reset or in silence and belong to no finding"
        ));
    }
    if series > findings.len() {
        missing.push(format!(
            "the logs hold {series} series of connections, and {} were argued: those with the most ends",
            findings.len()
        ));
    }
    missing.extend(findings.is_empty().then(|| nothing_found(facts)));
    missing
}

/// Connections of the captures that ended in no order, and no view of which was argued.
fn not_argued(facts: &Facts, findings: &[Finding]) -> usize {
    let argued = |file: &str, number: usize| {
        let name = format!("{file}#{number}");
        findings.iter().any(|f| f.views.contains(&name))
    };
    facts
        .captures()
        .flat_map(|(source, c)| (1..).zip(&c.flows).map(move |(n, flow)| (source, n, flow)))
        .filter(|(_, _, f)| matches!(f.record.ending.how, How::Rst | How::Silence))
        .filter(|(source, n, _)| !argued(&source.file, *n))
        .count()
}

fn nothing_found(facts: &Facts) -> String {
    let all = facts.captures().flat_map(|(_, c)| &c.flows);
    match all.filter(|f| f.record.ending.how == How::Fin).count() {
        0 => "no end of a connection was found in any input".to_owned(),
        n => format!(
            "{n} connections in the captures were closed in order by the client, and nothing complains of it: no finding"
        ),
    }
}

/// What observers could not rely on, each once.
fn withheld(findings: &[Finding]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for why in findings.iter().flat_map(|f| &f.gathered.withheld) {
        if !told.contains(why) {
            told.push(why.clone());
        }
    }
    told
}
