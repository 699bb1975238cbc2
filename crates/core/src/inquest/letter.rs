//! The letter to the other side's team: what was seen, when, on which four-tuples, what that rules
//! out, and one question. The story behind hopclock lost three days to a mail that left these out.
//!
//! It speaks plain words to somebody who has no hopclock: no ids of causes or evidence, no lines of
//! our logs, and none of our own settings, which say nothing to them. A line that begins with two
//! blanks is an item of a list; nothing is wrapped here.

use super::causes::Family;
use super::clocks_seen::SeenClock;
use super::evidence::Weighs;
use super::facts::Facts;
use super::finding::{End, Finding};
use super::names::Names;
use super::numbers::number;
use super::weigh::Law;
use crate::dump::header::stamp;
use crate::flow::How;
use crate::rhythm::plot::length;
use crate::terms::{Anchor, EndedBy, Role, Side};
use crate::time::Moment;

/// A letter is worth sending when the other side holds at least this much of the probability.
const WORTH: f64 = 0.3;
/// Connections that are told one by one, and timers that are told not to be it.
const SHOWN: usize = 5;

/// The text, or `None` when the other side is not likely enough to know.
pub fn write(facts: &Facts, finding: &Finding, law: &Law) -> Option<String> {
    let theirs: f64 = [Family::Idle, Family::Age, Family::Event, Family::Protocol]
        .into_iter()
        .map(|family| theirs(finding, law, family))
        .sum();
    if theirs < WORTH {
        return None;
    }
    let parts = [
        Some("Hello,".to_owned()),
        Some(opening(finding)),
        captured(facts, finding),
        logged(finding),
        shape(finding),
        ruled_out(finding),
        Some(question(finding, law)),
    ];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n"))
}

/// The probability of the causes of one family that the server's side decides.
fn theirs(finding: &Finding, law: &Law, family: Family) -> f64 {
    let own = |index: usize| {
        law.causes.all().get(index).is_some_and(|cause| {
            cause.family == family && matches!(cause.ended_by, EndedBy::Server | EndedBy::Proxy)
        })
    };
    finding.weighed.iter().filter(|w| own(w.cause)).map(|w| w.probability).sum()
}

/// "43201 s (12 h)": the number to look for, and how one says it where that is short.
fn seconds(seconds: f64) -> String {
    let (exact, said) = (format!("{} s", number(seconds)), length(seconds));
    if seconds < 120.0 || said.contains('.') { exact } else { format!("{exact} ({said})") }
}

fn opening(finding: &Finding) -> String {
    let who = match &finding.endings.first() {
        Some(end) => format!("from {} to your {}", end.pair.0.ip(), end.pair.1),
        None => "to you (our log does not say from which address and port to which: please add)"
            .to_owned(),
    };
    let every = match (finding.measured.periodic, finding.measured.lifetime) {
        (true, Some(age)) => format!(", one about every {}", seconds(age.mid)),
        _ => String::new(),
    };
    let lost = match finding.count {
        0 | 1 => format!("We lost a connection {who}"),
        n => format!("We lose connections {who}: {n} so far{every}"),
    };
    format!("{lost}. Times are in UTC, by our clocks.")
}

/// The ends that captures show, each with its four-tuple and the packets.
fn captured(facts: &Facts, finding: &Finding) -> Option<String> {
    let shown: Vec<&End> = like_most(finding).rev().take(SHOWN).collect();
    let names = Names::of(facts);
    let lines: Vec<String> = shown.iter().rev().map(|end| one(end, &names)).collect();
    let (first, all) = (shown.last()?, like_most(finding).count());
    let mut text = format!("In our captures they end like this:\n{}", lines.join("\n"));
    match all - shown.len() {
        0 => {}
        more => text += &format!("\n  - and {more} more like these"),
    }
    match finding.endings.len() - all {
        0 => {}
        other => text += &format!("\n  - and {other} in another way, not listed here"),
    }
    let translated = |w: &Weighs| matches!(w, Weighs::Context("translated"));
    if names.outside(first.pair) == first.pair
        && finding.gathered.evidence.iter().any(|e| translated(&e.weighs))
    {
        text += "\nA box of ours translates addresses: you may see another client address or port.";
    }
    Some(text)
}

/// The ends of the shape that most have, in order of time.
fn like_most(finding: &Finding) -> impl DoubleEndedIterator<Item = &End> {
    let wanted = match finding.value("ending") {
        Some("fin") => Some(How::Fin),
        Some("no-socket-reset" | "abort-reset" | "other-reset") => Some(How::Rst),
        Some(_) => Some(How::Silence),
        None => None,
    };
    finding.endings.iter().filter(move |end| wanted.is_none_or(|how| end.how == how))
}

fn one(end: &End, names: &Names) -> String {
    let at = end.at.map_or(String::new(), |at| format!("{}, ", stamp(at)));
    let outside = names.outside(end.pair);
    let seen = match outside == end.pair {
        true => String::new(),
        false if outside.1 == end.pair.1 => format!(" (you see it from {})", outside.0),
        false => format!(" (you see it as {} -> {})", outside.0, outside.1),
    };
    let how = match (end.how, end.signed_by) {
        (How::Rst, Some(Side::Server)) => "a RST that carries your address",
        (How::Rst, Some(Side::Client)) => "a RST that carries our address",
        (How::Fin, Some(Side::Server)) => "a FIN that carries your address",
        (How::Fin, Some(Side::Client)) => "a FIN that carries our address",
        (How::Silence, _) => "silence: what we send is no longer answered",
        _ => "an end that carries nobody's address",
    };
    let file = end.flow.rsplit_once('#').map_or(end.flow.as_str(), |(file, _)| file);
    let packet = end.packets.last().map(|(packet, _)| format!(" (packet {packet} of {file})"));
    let age = end.age_s.map_or(String::new(), |age| format!(", {} after it opened", seconds(age)));
    format!(
        "  - {at}{} -> {}{seen}: {how}{age}{}",
        end.pair.0,
        end.pair.1,
        packet.unwrap_or_default()
    )
}

/// The times that only a log tells, and what our program made of the end.
fn logged(finding: &Finding) -> Option<String> {
    let captured = |at: &Moment| {
        let near = |end: &End| end.at.is_some_and(|e| e.since(*at).secs_f64().abs() <= 5.0);
        finding.endings.iter().any(near)
    };
    let ends: Vec<Moment> = finding.ends.iter().copied().filter(|at| !captured(at)).collect();
    let words = match finding.value("last-words") {
        Some("eof") => " Our program then reads end of file, which is what a FIN gives it.",
        Some("reset") => {
            " Our program then reads \"connection reset\", which is what a RST gives it."
        }
        Some("timed-out") => " Our program then gives up waiting for an answer.",
        Some("broken-pipe") => " Our program then finds the connection gone as it writes.",
        _ => "",
    };
    let mut at_once: Vec<(Moment, usize)> = Vec::new();
    for at in &ends {
        match at_once.last_mut() {
            Some((first, n)) if at.since(*first).secs_f64() < AT_ONCE_S => *n += 1,
            _ => at_once.push((*at, 1)),
        }
    }
    let told = at_once.len().saturating_sub(SHOWN);
    let before: usize = at_once.iter().take(told).map(|(_, n)| n).sum();
    let latest: Vec<String> = at_once
        .iter()
        .skip(told)
        .map(|(at, n)| match n {
            1 => stamp(*at),
            n => format!("{} ({n} at once)", stamp(*at)),
        })
        .collect();
    let more = if before == 0 { String::new() } else { format!(", and {before} before these") };
    let other = if finding.endings.is_empty() { "" } else { "other " };
    let which = if ends.len() == 1 { "this" } else { "these" };
    let plural = if ends.len() == 1 { "" } else { "s" };
    (!latest.is_empty()).then(|| {
        format!("Our log tells of {which} {other}end{plural}: {}{more}.{words}", latest.join(", "))
    })
}

/// Ends within so many seconds are told together.
const AT_ONCE_S: f64 = 5.0;

fn shape(finding: &Finding) -> Option<String> {
    let says = match finding.value("ending")? {
        "no-socket-reset" => {
            "The RST has the shape of a stack that knows no such connection: no ACK, window 0, no \
             options, right after a packet of ours. A program or proxy that closes a connection it \
             has sends something else."
        }
        "abort-reset" => {
            "The RST has the shape of a live socket that was aborted: it carries ACK and a window."
        }
        _ => return None,
    };
    Some(says.to_owned())
}

fn ruled_out(finding: &Finding) -> Option<String> {
    let mut lines = Vec::new();
    if finding.value("activity") == Some("busy") {
        let longest = finding.measured.longest_silence_s.map(number);
        let longest = longest.map_or(String::new(), |s| format!(" (longest pause {s} s)"));
        lines.push(format!("a timer of silence: there was traffic to the end{longest}"));
    }
    let wall = finding.rhythm.as_ref().filter(|r| r.rhythm.events >= 5).and_then(|r| {
        let model = r.models.iter().find(|m| m.anchor == Anchor::Wall);
        model.map(|m| m.probability)
    });
    if wall.is_some_and(|p| p < 0.01) {
        lines.push("a job at a fixed time of day: the ends keep to no time of day".to_owned());
    }
    lines.extend(their_timers(finding));
    let items: Vec<String> = lines.iter().map(|line| format!("  - {line}")).collect();
    (!items.is_empty())
        .then(|| format!("What that rules out, as far as we see:\n{}", items.join("\n")))
}

/// Timers of their side that were documented or read there and cannot be it.
fn their_timers(finding: &Finding) -> Vec<String> {
    let ours = |clock: &SeenClock| matches!(clock.role, Some(Role::Client | Role::Hop));
    let mut told = Vec::new();
    for herring in finding.red_herrings() {
        let clock = finding.gathered.clocks.iter().find(|c| {
            c.evidence
                .and_then(|i| finding.gathered.evidence.get(i))
                .is_some_and(|e| e.id == herring.evidence)
        });
        if clock.is_some_and(|c| !ours(c) && c.keeper != NOBODYS) {
            told.push(format!("{}: {}", herring.what, herring.why));
        }
    }
    told.truncate(SHOWN);
    told
}

/// What a clock's keeper is called where no host was named: it may be ours.
const NOBODYS: &str = "a host nobody named";

/// Asks for the kind of thing that holds most of the other side's probability.
fn question(finding: &Finding, law: &Law) -> String {
    let measured = &finding.measured;
    let age = measured.lifetime.map(|age| format!(" of about {}", seconds(age.mid)));
    let families = [Family::Age, Family::Idle, Family::Event, Family::Protocol];
    let leading = families
        .into_iter()
        .max_by(|a, b| theirs(finding, law, *a).total_cmp(&theirs(finding, law, *b)));
    let asks = match leading {
        Some(Family::Idle) => {
            let silence = measured.silence.filter(|s| s.low > 0.0).or(measured.lifetime);
            let after = match silence {
                Some(range) => format!("for about {}", seconds(range.mid)),
                None => "for some time".to_owned(),
            };
            format!(
                "does anything on your side (server, proxy, balancer) end a connection that was \
                 silent {after}, documented or not?"
            )
        }
        Some(Family::Event) => "what happened on your side at these times: a restart, a \
                                deployment, a reload, a change of targets, a scheduled job?"
            .to_owned(),
        Some(Family::Protocol) => "does anything on your side end a connection over the \
                                   protocol's own pings or heartbeats: too many, or one missed?"
            .to_owned(),
        _ => format!(
            "does anything on your side (server, proxy, balancer, credential) end a connection at \
             an age{}, documented or not?",
            age.unwrap_or_default()
        ),
    };
    format!(
        "Our one question: {asks}\n\nIf that is hard to say, what your side recorded at these times \
         answers it as well: a FIN, a RST (from which address, with which TTL), or nothing.\n\n\
         Thank you."
    )
}
