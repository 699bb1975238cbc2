//! The letter to the other side's team: what was seen, when, on which four-tuple, what that rules
//! out, and one question. The story behind hopclock lost three days to a mail that left these out.

use super::causes::Family;
use super::finding::Finding;
use super::numbers::{Range, number};
use super::weigh::{Law, Weighed};
use crate::dump::header::stamp;
use crate::flow::How;
use crate::terms::{EndedBy, Side};

/// A letter is worth sending when the other side holds at least this much of the probability.
const WORTH: f64 = 0.3;

/// The text, or `None` when the other side is not likely enough to know.
pub fn write(finding: &Finding, law: &Law) -> Option<String> {
    let theirs: f64 = finding
        .weighed
        .iter()
        .filter(|w| {
            let who = law.causes.all().get(w.cause).map(|c| c.ended_by);
            matches!(who, Some(EndedBy::Server | EndedBy::Proxy))
        })
        .map(|w| w.probability)
        .sum();
    if theirs < WORTH {
        return None;
    }
    let parts = [
        Some(opening(finding)),
        Some(times(finding)),
        capture(finding),
        ruled_out(finding),
        Some(question(finding, law)),
    ];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n"))
}

fn opening(finding: &Finding) -> String {
    let every = match (finding.measured.periodic, finding.measured.lifetime) {
        (true, Some(age)) => format!(", one about every {} s", number(age.mid)),
        _ => String::new(),
    };
    let count = match finding.count {
        1 => "We see a connection end".to_owned(),
        n => format!("We see connections end ({n} so far{every})"),
    };
    format!("Hello,\n\n{count}: {}.", finding.what)
}

fn times(finding: &Finding) -> String {
    let latest = finding.ends.iter().rev().take(3).rev();
    let lines: Vec<String> = latest.map(|at| format!("  {}", stamp(*at))).collect();
    format!("The latest ends by our clocks, in UTC:\n{}", lines.join("\n"))
}

fn capture(finding: &Finding) -> Option<String> {
    // The shape is the majority's; the end quoted must be of it.
    let wanted = match finding.value("ending")? {
        "fin" => How::Fin,
        "no-socket-reset" | "abort-reset" | "other-reset" => How::Rst,
        _ => How::Silence,
    };
    let end = finding.endings.iter().rev().find(|e| e.how == wanted)?;
    let how = match (end.how, end.signed_by) {
        (How::Rst, Some(Side::Server)) => "a RST that carries your address",
        (How::Rst, Some(Side::Client)) => "a RST that carries our address",
        (How::Fin, Some(Side::Server)) => "a FIN that carries your address",
        (How::Fin, Some(Side::Client)) => "a FIN that carries our address",
        (How::Silence, _) => "silence: our packets are no longer answered",
        _ => "an end nobody signed",
    };
    let (packet, _) = end.packets.last()?;
    let shape = match finding.value("ending") {
        Some("no-socket-reset") => {
            " It has the shape of a stack that does not know the connection: no ACK, window 0, no options, one round \
             trip after a packet of ours."
        }
        Some("abort-reset") => {
            " It has the shape of a live socket that was aborted: with ACK and a window."
        }
        _ => "",
    };
    Some(format!(
        "In our capture the connection {} ends with {how} (packet {packet} of {}).{shape}",
        end.tuple, end.flow
    ))
}

fn ruled_out(finding: &Finding) -> Option<String> {
    let mut lines = Vec::new();
    if finding.value("activity") == Some("busy") {
        let longest = finding.measured.longest_silence_s.map(number);
        let longest = longest.map_or(String::new(), |s| format!(" (longest silence {s} s)"));
        lines.push(format!(
            "  - a timer of silence: the connection carried traffic to its end{longest}"
        ));
    }
    lines.extend(finding.red_herrings().into_iter().map(|h| format!("  - {}: {}", h.what, h.why)));
    (!lines.is_empty())
        .then(|| format!("What this rules out, as far as we see:\n{}", lines.join("\n")))
}

/// Asks for the kind of clock that holds more probability: a timer of silence or a limit of age.
fn question(finding: &Finding, law: &Law) -> String {
    let of = |family: Family| -> f64 {
        let own = |w: &&Weighed| law.causes.all().get(w.cause).map(|c| c.family) == Some(family);
        finding.weighed.iter().filter(own).map(|w| w.probability).sum()
    };
    let seconds =
        |r: Option<Range>| r.map_or(String::new(), |r| format!(" of about {} s", number(r.mid)));
    let (what, how_long) = if of(Family::Idle) > of(Family::Age) {
        let silence = finding.measured.silence.filter(|s| s.low > 0.0);
        ("that were silent for a time", seconds(silence.or(finding.measured.lifetime)))
    } else {
        ("at an age", seconds(finding.measured.lifetime))
    };
    format!(
        "One question: does anything on your side (server, proxy, balancer, credential) end connections {what}{how_long}, \
         whether documented or not? If not: \
         what did your side see on this four-tuple at these times, a FIN, a RST (from which address, with which TTL), or \
         nothing?\n\nThank you."
    )
}
