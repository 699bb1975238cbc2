//! What will end a path's connections, when, and what each end will see: for its traffic, as the
//! file has it or as somebody asks.
//!
//! What is seen when an entry is gone depends on who speaks first and on the box's rules; the
//! cases are those measured on Linux and told in `docs/mechanisms.md`. What is not known is said.

use super::idle::{self, Held};
use super::inventory::{Kind, Path};
use super::job::Job;
use super::settle::{Kept, Map, Met, Stop};
use crate::clocks::OnExpiry;
use crate::terms::Side;
use serde::Serialize;

/// One clock that will run out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Due {
    /// After so many seconds: of silence for an idle timer, of age for an age.
    pub after_s: f64,
    /// Of what: `silence` or `age`.
    pub of: &'static str,
    /// The hop that keeps it.
    pub hop: String,
    /// The timer, its value and how it is known.
    pub timer: String,
    /// The row of the catalogue.
    pub clock: Option<String>,
    /// The hops between which the connection ends.
    pub between: [String; 2],
    /// What happens, and what the client and the server see of it.
    pub sees: String,
}

/// Everything that ends a path's connections, earliest first. `path` may carry another pattern of
/// traffic than the file's.
pub fn forecast(map: &Map, path: &Path) -> Vec<Due> {
    let mut due: Vec<Due> = Vec::new();
    for met in idle::timers(map, path) {
        let asked = path.silent_s.is_none_or(|silent| silent >= idle::seconds(&met));
        if asked && matches!(idle::held(map, path, &met), Held::Not(..)) {
            due.push(of(path, &met, "silence", at_silence(path, &met)));
        }
    }
    for met in map.met(path, |job| job == Job::Age) {
        if met.at > 0 && met.kept.seconds.is_some() {
            due.push(of(path, &met, "age", at_expiry(met.kept).to_owned()));
        }
    }
    due.sort_by(|a, b| a.after_s.total_cmp(&b.after_s));
    due
}

fn of(path: &Path, met: &Met<'_>, of: &'static str, sees: String) -> Due {
    let name = |at: usize| path.hops.get(at).cloned().unwrap_or_default();
    Due {
        after_s: idle::seconds(met),
        of,
        hop: met.hop.name.clone(),
        timer: format!("{} ({})", met.kept.what, met.kept.from),
        clock: met.kept.clock.clone(),
        between: [name(met.segment.from), name(met.segment.to)],
        sees,
    }
}

fn at_silence(path: &Path, met: &Met<'_>) -> String {
    if met.kept.job != Job::Forgets {
        return at_expiry(met.kept).to_owned();
    }
    let linux = met.kept.clock.as_deref().is_some_and(|id| id.starts_with("linux-ct-"));
    if linux { by_linux(path, met.hop) } else { at_expiry(met.kept).to_owned() }
}

/// What a Linux box does with the first packet of a connection it has forgotten.
fn by_linux(path: &Path, hop: &Stop) -> String {
    let measured = hop.measured.as_ref();
    let translates = match hop.kind {
        Kind::Nat => Some(true),
        _ => measured.and_then(|m| m.translates),
    };
    let loose = measured.and_then(|m| m.loose);
    match (translates, path.speaks_first, loose) {
        (Some(false), _, _) => {
            "the entry goes in silence; nothing is translated, so that packets pass unless a rule drops what is INVALID or new without SYN"
        }
        (None, _, _) => {
            "the entry goes in silence; whether the box translates is not known, and with it whether the connection survives"
        }
        (Some(true), Some(Side::Client), Some(true)) => {
            "the entry goes in silence; the client's next data makes a new one, and the connection goes on unless another port is chosen, which the server resets"
        }
        (Some(true), Some(Side::Client), Some(false)) => {
            "the entry goes in silence; the client's next data leaves untranslated and is sent again without an answer, until the client gives up"
        }
        (Some(true), Some(Side::Client), None) => {
            "the entry goes in silence; the client's next data leaves untranslated (loose = 0), or makes a new entry (loose = 1); which, no snapshot tells"
        }
        (Some(true), Some(Side::Server), _) => {
            "the entry goes in silence; the server's next data is for the box itself, whose stack resets the server unless INPUT drops it; the client hears nothing until it speaks"
        }
        (Some(true), None, _) => {
            "the entry goes in silence; what is seen depends on who speaks first: after the server the box resets the server and the client hears nothing, after the client its data leaves untranslated or makes a new entry"
        }
    }
    .to_owned()
}

const fn at_expiry(kept: &Kept) -> &'static str {
    match kept.on_expiry {
        OnExpiry::Fin => "the hop closes in order: both ends read an end of file",
        OnExpiry::SilentDrop => {
            "the hop forgets in silence: who speaks next gets no answer, or a reset from whom it reaches"
        }
        OnExpiry::ErrorFrame => "the hop says so in the protocol's own words, and closes",
        OnExpiry::Goaway => "the hop sends GOAWAY: new streams are refused, old ones may finish",
        OnExpiry::RstBoth => "the hop resets both ends",
        OnExpiry::RstClient => "the hop resets the client",
        OnExpiry::RstOnNextPacket => "the hop forgets, and answers the next packet with a reset",
        OnExpiry::Unknown => "what the hop does then is not known",
    }
}
