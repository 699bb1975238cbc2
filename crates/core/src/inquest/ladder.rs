//! The ladder of the last connection that ended: the few packets its end is read from, in order.
//! It is what one capture saw: whether a packet went further than that is not said here.

use super::subject::{FlowPart, Subject};
use crate::dump::header::stamp;
use crate::flow::{How, LastWords, Mark};
use crate::terms::{Role, Side};
use serde::Serialize;

/// The last connection's packets that matter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ladder {
    /// `client.pcap#1`.
    pub flow: String,
    /// The capture, as cited.
    pub file: String,
    /// The client's address and port as this capture has them.
    pub client: String,
    /// The server's.
    pub server: String,
    /// Where on the path the capture was taken, where that is known.
    pub taken_on: Option<Role>,
    /// The host it was taken on, where that is known.
    pub host: Option<String>,
    /// The packets, the earliest first.
    pub rungs: Vec<Rung>,
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rung {
    /// Number in the capture, from 1.
    pub packet: u64,
    /// Its time, UTC.
    pub at: String,
    /// Seconds since the packet before it on the ladder; 0 for the first.
    pub after_s: f64,
    /// Whose address it carries; `None` where that was not kept.
    pub from: Option<Side>,
    /// What it is, in a few words.
    pub says: String,
}

/// The ladder of the subject's last end in a capture; `None` without one.
pub fn of(subject: &Subject<'_>) -> Option<Ladder> {
    let ended = subject.flows.iter().filter(|f| f.ended());
    let last = ended.max_by_key(|f| f.flow.last_words.end.map(|mark| mark.at))?;
    let rungs = rungs(last);
    (!rungs.is_empty()).then(|| Ladder {
        flow: format!("{}#{}", last.source.file, last.number),
        file: last.source.file.clone(),
        client: last.flow.record.client.to_string(),
        server: last.flow.record.server.to_string(),
        taken_on: last.source.role,
        host: last.source.host.clone(),
        rungs,
    })
}

type Told = (Mark, Option<Side>, String);

fn rungs(part: &FlowPart<'_>) -> Vec<Rung> {
    let mut told = told(&part.flow.last_words, part.flow.record.ending.how);
    told.sort_by_key(|(mark, ..)| (mark.at, mark.packet));
    let mut rungs: Vec<Rung> = Vec::new();
    let mut before = None;
    for (mark, from, says) in told {
        if let Some(last) = rungs.last_mut().filter(|last| last.packet == mark.packet) {
            last.from = last.from.or(from);
            if !last.says.contains(&says) {
                last.says = format!("{}; {says}", last.says);
            }
            continue;
        }
        let now = mark.at.secs_f64();
        let after_s = before.map_or(0.0, |then: f64| ((now - then) * 1e3).round() / 1e3);
        before = Some(now);
        rungs.push(Rung { packet: mark.packet, at: stamp(mark.at), after_s, from, says });
    }
    rungs
}

fn told(words: &LastWords, how: How) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    let mut add = |mark: Option<Mark>, from: Option<Side>, says: String| {
        all.extend(mark.map(|mark| (mark, from, says)));
    };
    let reset = words.reset.as_ref();
    let end_by = reset.map(|r| r.by).filter(|_| how == How::Rst);
    for side in [Side::Client, Side::Server] {
        let opens = if side == Side::Client { "SYN" } else { "SYN, ACK" };
        add(*words.opened.of(side), Some(side), opens.to_owned());
        add(*words.last_payload.of(side), Some(side), "its last data".to_owned());
    }
    if let Some((gap, mark)) = &words.longest_silence {
        let says = format!("ends the longest silence, {:.3} s", gap.secs_f64());
        add(Some(*mark), None, says);
    }
    if let Some(silent) = &words.unanswered {
        let what = if silent.are_probes { "keepalive probe" } else { "data" };
        add(Some(silent.first), Some(silent.by), format!("{what}, never answered"));
        if silent.count > 1 {
            let says = format!("the last of {} tries, never answered", silent.count);
            add(Some(silent.last), Some(silent.by), says);
        }
    }
    add(words.last_before_end, None, "the last before the end".to_owned());
    match how {
        How::Rst => add(words.end, end_by, "RST: the end".to_owned()),
        How::Fin => add(words.end, None, "FIN: the end".to_owned()),
        How::Silence | How::Open | How::Refused | How::Unanswered => {
            add(words.end, None, "the first of the end".to_owned());
        }
    }
    // Whose a packet is that was kept without its side.
    let last = words.last_packet;
    for side in [Side::Client, Side::Server] {
        let Some(mark) = last.of(side) else { continue };
        for (known, from, _) in &mut all {
            if known.packet == mark.packet {
                *from = from.or(Some(side));
            }
        }
    }
    all
}
