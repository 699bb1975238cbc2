//! What the times of the ends say.

use super::super::evidence::{Cite, Evidence, Weighs};
use super::super::numbers::number as seconds;
use super::super::subject::{LogPart, Subject};
use super::ages::WAITED;
use crate::terms::Anchor;

/// When the connections ended, against what a timer may count from.
pub(super) fn rhythm(subject: &Subject<'_>) -> Option<Evidence> {
    let reading = subject.rhythm.as_ref()?;
    let rhythm = &reading.rhythm;
    if reading.models.is_empty() || rhythm.events < 3 {
        return None;
    }
    let mut says = match rhythm.period_s {
        Some(period) => format!(
            "{} ends, one every {} s ({} to {})",
            rhythm.events,
            precise(period),
            precise(rhythm.low_s.unwrap_or(period)),
            precise(rhythm.high_s.unwrap_or(period))
        ),
        None => format!("{} ends without a period", rhythm.events),
    };
    if let (Some(drift), Some(against)) = (rhythm.drift_s_per_cycle, rhythm.drift_against_s) {
        says += &format!(", {drift:+.1} s a cycle against {} s", seconds(against));
    }
    if !reading.breaks.is_empty() {
        says += &format!(", {} jump(s) of phase", reading.breaks.len());
    }
    says += match rhythm.anchor {
        Anchor::Open => ": counted from the opening of the connection",
        Anchor::Wall => ": at fixed times of day",
        Anchor::FreeRunning => ": a loop or clock of its own, tied to no connection",
        Anchor::Idle | Anchor::IdleApp => ": counted from the last traffic",
        Anchor::Random => ": no clock",
        Anchor::Event => ": many at once",
        Anchor::Mixed => ": more than one clock",
        Anchor::Probe | Anchor::Count | Anchor::Undetermined => {
            ": what they count from cannot be told from these times"
        }
    };
    let piece = Evidence::new(Weighs::Rhythm, says, cites(subject)).on(host(subject));
    // Ends that a program finds when its wait for an answer is over repeat by that wait, whatever
    // took the answer.
    let waited = subject.log.as_ref().is_some_and(waited);
    let from_traffic = matches!(rhythm.anchor, Anchor::Idle | Anchor::IdleApp);
    Some(if waited && from_traffic { piece.weaker(0.3) } else { piece })
}

/// Whether most ends of a log come after a wait for an answer.
fn waited(log: &LogPart<'_>) -> bool {
    let (mut all, mut after) = (0usize, 0usize);
    for (life, end) in log.ended() {
        all += 1;
        after += usize::from(log.words_of(life, end).iter().any(|w| WAITED.contains(w)));
    }
    after * 2 > all
}

/// How long the connections lived or were silent, for comparison with clocks.
pub(super) fn number(subject: &Subject<'_>) -> Option<Evidence> {
    let measured = &subject.measured;
    let mut parts = Vec::new();
    if let Some(age) = measured.lifetime {
        let what =
            if measured.opens_known { "they lived" } else { "one end follows the other after" };
        parts.push(format!("{what} {} s", precise(age.mid)));
    }
    if let Some(silence) = measured.silence {
        let up_to = if silence.low <= 0.0 { "at most " } else { "" };
        let what = match measured.since_any_line {
            true => "the last line of any kind stands before the end by",
            false => "the silence before the end was",
        };
        parts.push(format!("{what} {up_to}{} s", precise(silence.mid)));
    }
    if let Some(waited) = measured.detection {
        parts.push(format!("data went unanswered for {} s", precise(waited.mid)));
    }
    if parts.is_empty() {
        return None;
    }
    let says = format!("measured times: {}", parts.join("; "));
    // A line of anything may have stood there by chance: half the weight.
    let strength = if measured.since_any_line { 0.5 } else { 1.0 };
    let evidence = Evidence::new(Weighs::Number, says, cites(subject)).on(host(subject));
    Some(evidence.weaker(strength))
}

fn host<'a>(subject: &'a Subject<'_>) -> Option<&'a String> {
    match (&subject.log, subject.flows.first()) {
        (Some(log), _) => log.source.host.as_ref(),
        (None, Some(flow)) => flow.source.host.as_ref(),
        (None, None) => None,
    }
}

fn cites(subject: &Subject<'_>) -> Vec<Cite> {
    let mut cites = Vec::new();
    if let Some(log) = &subject.log {
        cites.push(Cite::lines(&log.source.file, log.ended().map(|(_, e)| e.line)));
    }
    cites.extend(subject.flows.iter().filter(|f| f.ended()).take(20).filter_map(|f| {
        let end = f.end()?;
        let before = f.flow.last_words.last_before_end.map(|m| m.packet);
        Some(Cite::packets(&f.source.file, before.into_iter().chain([end.packet])))
    }));
    cites
}

/// Two decimals, which is what a period over many cycles deserves.
fn precise(seconds: f64) -> String {
    if seconds >= 10.0 { format!("{seconds:.2}") } else { format!("{seconds:.3}") }
}
