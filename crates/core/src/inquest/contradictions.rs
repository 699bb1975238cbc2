//! Contradictions: pieces of evidence, beliefs and settings that do not fit together, each rule a
//! function of its own. A contradiction decides nothing; it names what a reader must not take at
//! its word.

use super::clocks_seen::{Reading, SeenClock};
use super::evidence::{Evidence, Weighs};
use super::finding::Finding;
use super::numbers::number;
use crate::terms::Role;

/// What does not fit together.
#[derive(Clone, Debug, PartialEq)]
pub struct Contradiction {
    /// In one or two sentences.
    pub says: String,
    /// The evidence it stands on.
    pub between: Vec<String>,
}

type Rule = fn(&View<'_>) -> Option<Contradiction>;

const RULES: [Rule; 12] = [
    words_against_wire,
    words_against_words,
    what_remains,
    read_elsewhere,
    idle_clock_on_busy_flow,
    freeze_at_incident,
    loose_is_no_window,
    invalid_is_untranslated,
    same_ttl_proves_nothing,
    silence_of_documents,
    drift_proves_nothing,
    impossible_remainder,
];

struct View<'a> {
    finding: &'a Finding,
}

/// Every rule that applies.
pub fn find(finding: &Finding) -> Vec<Contradiction> {
    let view = View { finding };
    RULES.iter().filter_map(|rule| rule(&view)).collect()
}

impl View<'_> {
    fn seen(&self, kind: &str, values: &[&str]) -> Option<&Evidence> {
        self.finding.seen(kind, values)
    }

    fn weighed_by(&self, weighs: &Weighs) -> Option<&Evidence> {
        self.finding.gathered.evidence.iter().find(|e| e.weighs == *weighs)
    }

    /// Background evidence of this kind.
    fn context(&self, tag: &'static str) -> Option<&Evidence> {
        self.weighed_by(&Weighs::Context(tag))
    }

    /// The established timeout somebody read, with its evidence; the box's own before any other.
    fn established(&self) -> Option<(&SeenClock, &Evidence)> {
        let clocks = &self.finding.gathered.clocks;
        let direct = clocks.iter().filter(|c| c.reading == Reading::Direct);
        direct.chain(clocks).find_map(|c| {
            let own = c.clock.as_ref().is_some_and(|k| k.id == "linux-ct-tcp-established");
            let evidence = self.finding.gathered.evidence.get(c.evidence?)?;
            own.then_some((c, evidence))
        })
    }

    /// The age at the ends, or their period.
    fn period(&self) -> Option<f64> {
        self.finding.measured.lifetime.map(|l| l.mid)
    }
}

fn between(says: String, evidence: &[&Evidence]) -> Option<Contradiction> {
    Some(Contradiction { says, between: evidence.iter().map(|e| e.id.clone()).collect() })
}

fn words_against_wire(view: &View<'_>) -> Option<Contradiction> {
    let resets = ["no-socket-reset", "abort-reset", "other-reset"];
    if let (Some(log), Some(wire)) =
        (view.seen("last-words", &["eof"]), view.seen("ending", &resets))
    {
        let says = "The log says end of file, the capture shows a reset. A FIN gives end of file, a reset gives \
                    \u{201c}connection reset\u{201d}: either a library wraps the error, or a proxy stands between the \
                    program and the point of capture";
        return between(says.to_owned(), &[log, wire]);
    }
    let log = view.seen("last-words", &["reset"])?;
    let wire = view.seen("ending", &["fin"])?;
    let says = "The log says connection reset, the capture shows a FIN: the program wrote after the close, or a \
                proxy stands between them";
    between(says.to_owned(), &[log, wire])
}

/// The log alone: where a capture shows the end, that settles which word was right.
fn words_against_words(view: &View<'_>) -> Option<Contradiction> {
    let both = view.context("eof-and-reset")?;
    let said = view.seen("last-words", &["eof", "reset"])?;
    let says = "One end is called both an end of file and a reset. A FIN gives the first, a reset the second, and a \
                connection ends with one of them: one of the words is a library's wrapping, or they are of two \
                connections, such as both sides of a proxy";
    between(says.to_owned(), &[said, both])
}

fn what_remains(view: &View<'_>) -> Option<Contradiction> {
    let entry = view.seen("box-entry", &["just-refreshed"])?;
    let claim = view.context("counter-not-refreshed")?;
    let says = "What conntrack -L prints is what remains, not an age: the full timeout less a second or two means \
                the entry was refreshed a moment ago, the opposite of a counter nobody refreshes";
    between(says.to_owned(), &[claim, entry])
}

fn read_elsewhere(view: &View<'_>) -> Option<Contradiction> {
    let (clock, read) = view.established()?;
    if clock.reading == Reading::Direct {
        return None;
    }
    let at = match clock.role {
        Some(Role::Client) => "on the client",
        Some(Role::Server) => "on the server",
        Some(Role::Hop) | None => "on a host nobody named",
    };
    let translated = view.context("translated")?;
    let says = format!(
        "{} s was read {at}, whose own table is a hop too; the box that translates this connection keeps \
         its own value, and that is not in evidence",
        number(clock.seconds)
    );
    between(says, &[read, translated])
}

fn idle_clock_on_busy_flow(view: &View<'_>) -> Option<Contradiction> {
    let (clock, read) = view.established()?;
    let busy = view.seen("activity", &["busy"])?;
    // A freeze that was seen resolves it.
    let frozen = view.seen("hop-table", &["frozen"]);
    if frozen.or(view.seen("box-entry", &["running-down"])).is_some() {
        return None;
    }
    let period = view.period()?;
    if (period - clock.seconds).abs() > 0.05 * clock.seconds {
        return None;
    }
    let says = format!(
        "{} counts from the last packet, and this connection carried traffic to its end: it can have run out only on an \
         entry that was frozen within seconds of every opening",
        clock.setting
    );
    between(says, &[read, busy])
}

fn freeze_at_incident(view: &View<'_>) -> Option<Contradiction> {
    let incident = view.seen("incident", &["outlived"])?;
    let (clock, read) = view.established()?;
    let says = format!(
        "A timer frozen at that incident would have ended the connection {} s after it, whatever its age; this one ended at \
         its usual age",
        number(clock.seconds)
    );
    between(says, &[incident, read])
}

fn loose_is_no_window(view: &View<'_>) -> Option<Contradiction> {
    let claim = view.context("loose")?;
    let other = view.context("translated").or(view.seen("activity", &["busy"]))?;
    let says = "nf_conntrack_tcp_loose only decides whether a connection without an entry may be picked up mid-stream; \
                whether a packet fits the window is nf_conntrack_tcp_be_liberal's business, and neither refreshes a frozen \
                entry";
    between(says.to_owned(), &[claim, other])
}

fn invalid_is_untranslated(view: &View<'_>) -> Option<Contradiction> {
    let claim = view.context("invalid-let-through")?;
    let translated = view.context("translated")?;
    let says = "A packet the box holds for INVALID is not translated: behind this box the connection would have broken at \
                once, not at a timer's end";
    between(says.to_owned(), &[claim, translated])
}

fn same_ttl_proves_nothing(view: &View<'_>) -> Option<Contradiction> {
    let claim = view.context("no-middlebox-by-ttl")?;
    let reset = view.seen("ending", &["no-socket-reset"])?;
    let says = "The reset has the server's TTL because the server's own stack sent it, for a connection it did not know: \
                that is what a box that lost the translation makes it do, so the TTL clears no box";
    between(says.to_owned(), &[claim, reset])
}

fn silence_of_documents(view: &View<'_>) -> Option<Contradiction> {
    let silent = view.context("no-age-documented")?;
    let rhythm = view.weighed_by(&Weighs::Rhythm)?;
    let says = "The connections end at one age, and no maximum age is documented: not documented does not mean there is \
                none";
    between(says.to_owned(), &[silent, rhythm])
}

fn drift_proves_nothing(view: &View<'_>) -> Option<Contradiction> {
    let reading = view.finding.rhythm.as_ref()?;
    let drift = reading.rhythm.drift_s_per_cycle.filter(|d| d.abs() > 0.05)?;
    let against = reading.rhythm.drift_against_s?;
    if reading.rhythm.reconnect_delay_s.is_some() || !reading.breaks.is_empty() {
        return None;
    }
    let rhythm = view.weighed_by(&Weighs::Rhythm)?;
    let says = format!(
        "A drift of {drift:+.1} s a cycle is what a timer counted from the opening shows (the reconnect delay adds up), and \
         also what a loop that sleeps {} s or a clock off by {:.0} ppm shows: the delay itself was not measured",
        number(against),
        (drift / against * 1e6).abs()
    );
    between(says, &[rhythm])
}

/// A remaining time that no connection of this age can have under the box's own timeout.
fn impossible_remainder(view: &View<'_>) -> Option<Contradiction> {
    let (clock, read) = view.established()?;
    let entry = view.context("impossible-remainder")?;
    let (age, since) = (view.period()?, entry.seconds?);
    let says = format!(
        "Under a timeout of {} s the printed entry had seen no packet for {} s, longer than any of these connections \
         lives ({} s): the line and the setting are not of one box, or not of one time",
        number(clock.seconds),
        number(since),
        number(age)
    );
    between(says, &[entry, read])
}
