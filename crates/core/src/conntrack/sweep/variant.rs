//! What is tried: settings of the box, and probes that an end would send.

use std::fmt;

use super::probe::{Kind, Prober, Probes};
use crate::conntrack::settings::{NotSet, Settings};
use crate::time::Gap;

/// One thing to try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Variant {
    /// As it was asked for.
    pub name: String,
    /// What the box is set to.
    pub settings: Settings,
    /// What an end sends besides.
    pub probes: Option<Probes>,
}

/// Why something cannot be tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// Not `KEY=NUMBER`.
    Form(String),
    /// A setting the model does not take.
    Setting(NotSet),
    /// Probes that are no fewer than one a second apart, or twice in one variant.
    Probes(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Form(text) => write!(f, "{text} is not KEY=NUMBER"),
            Wrong::Setting(why) => why.fmt(f),
            Wrong::Probes(text) => {
                write!(f, "{text}: one kind of probe, 1 to 604800 seconds apart")
            }
        }
    }
}

impl std::error::Error for Wrong {}

/// A week: the longest a probe can be apart to be of any use against the longest default timer.
const APART_MOST: i64 = 604_800;

impl Variant {
    /// Reads `KEY=NUMBER`, several joined by commas, over the settings `was`.
    ///
    /// A key is a sysctl as [`Settings::set`] spells it, also without `nf_conntrack_`, or
    /// `keepalive` or `ping`: seconds of silence after which the client sends one; behind `@`
    /// stands who sends it (`keepalive@server=60`).
    ///
    /// # Errors
    ///
    /// [`Wrong`] for the first part that cannot be tried.
    pub fn parse(text: &str, was: Settings) -> Result<Self, Wrong> {
        let mut variant = Self { name: text.trim().to_owned(), settings: was, probes: None };
        for part in text.split(',') {
            let form = || Wrong::Form(part.trim().to_owned());
            let (key, value) = part.split_once('=').ok_or_else(form)?;
            let value: i64 = value.trim().parse().map_err(|_| form())?;
            variant.take(key.trim(), value)?;
        }
        Ok(variant)
    }

    fn take(&mut self, key: &str, value: i64) -> Result<(), Wrong> {
        let Some((kind, from)) = probe_named(key) else { return self.set(key, value) };
        let wrong = || Wrong::Probes(format!("{key}={value}"));
        if self.probes.is_some() || !(1..=APART_MOST).contains(&value) {
            return Err(wrong());
        }
        self.probes = Some(Probes { kind, every: Gap::from_secs(value), from });
        Ok(())
    }

    fn set(&mut self, key: &str, value: i64) -> Result<(), Wrong> {
        match self.settings.set(key, value) {
            Err(NotSet::Unknown { .. }) => self
                .settings
                .set(&format!("nf_conntrack_{key}"), value)
                .map_err(|why| match why {
                    NotSet::Unknown { .. } => NotSet::Unknown { key: key.to_owned() },
                    NotSet::OutOfRange { value, most, .. } => {
                        NotSet::OutOfRange { key: key.to_owned(), value, most }
                    }
                })
                .map_err(Wrong::Setting),
            other => other.map_err(Wrong::Setting),
        }
    }
}

fn probe_named(key: &str) -> Option<(Kind, Prober)> {
    let (kind, from) = key.split_once('@').unwrap_or((key, "client"));
    let kind = match kind {
        "keepalive" => Kind::Keepalive,
        "ping" => Kind::Ping,
        _ => return None,
    };
    match from {
        "client" => Some((kind, Prober::Client)),
        "server" => Some((kind, Prober::Server)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_a_probe_make_one_variant() {
        let was = Settings::default();
        let variant = Variant::parse("tcp_be_liberal=1, ping@server=60", was).unwrap();
        assert!(variant.settings.tcp_be_liberal);
        let sent = Probes { kind: Kind::Ping, every: Gap::from_secs(60), from: Prober::Server };
        assert_eq!(variant.probes, Some(sent));
        let spelt = Variant::parse("net.netfilter.nf_conntrack_tcp_loose=0", was).unwrap();
        assert!(!spelt.settings.tcp_loose);
    }

    #[test]
    fn what_cannot_be_tried_is_said() {
        let why = |text: &str| Variant::parse(text, Settings::default()).unwrap_err().to_string();
        assert!(why("tcp_loose").contains("not KEY=NUMBER"));
        assert!(why("tcp_lose=1").starts_with("tcp_lose is no setting"));
        assert!(why("tcp_loose=2").contains("outside 0 to 1"));
        assert!(why("keepalive=0").contains("1 to 604800"));
        assert!(why("keepalive=9,ping=9").contains("one kind of probe"));
        assert!(why("keepalive@box=9").contains("no setting"));
    }
}
