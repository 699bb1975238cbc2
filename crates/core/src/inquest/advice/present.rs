//! What the dumps say of a setting today: no measure is proposed that is in place already, and a
//! change names the value it starts from.
//!
//! A dump says what a host has, never what a socket uses; options of sockets are not looked up.

use super::super::facts::Facts;
use crate::terms::Role;
use crate::time::Moment;

/// One setting of one host, as the latest dump has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stands {
    /// The host, where the dump names it.
    pub(super) host: Option<String>,
    role: Role,
    short: String,
    /// Its value as printed.
    pub(super) value: String,
    taken_at: Option<Moment>,
}

impl Stands {
    /// The value as a number, where it is one.
    pub(super) fn number(&self) -> Option<f64> {
        self.value.parse().ok()
    }
}

/// Every setting of every host whose place on the path is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Present(Vec<Stands>);

impl Present {
    pub(super) fn of(facts: &Facts) -> Present {
        let mut all: Vec<Stands> = Vec::new();
        for (source, setting) in facts.settings() {
            let Some(role) = source.role else { continue };
            let new = Stands {
                host: source.host.clone(),
                role,
                short: setting.short().to_owned(),
                value: setting.value.clone(),
                taken_at: source.taken_at,
            };
            let same =
                |s: &&mut Stands| (&s.host, s.role, &s.short) == (&new.host, new.role, &new.short);
            match all.iter_mut().find(same) {
                Some(known) if known.taken_at <= new.taken_at => *known = new,
                Some(_) => {}
                None => all.push(new),
            }
        }
        Present(all)
    }

    /// The setting on every host of a role; `key` may be the dotted name.
    fn all<'a>(&'a self, role: Role, key: &'a str) -> impl Iterator<Item = &'a Stands> {
        let short = key.rsplit('.').next().unwrap_or(key);
        self.0.iter().filter(move |s| s.role == role && s.short == short)
    }

    /// The smallest value on any host of a role: the one that acts first.
    pub(super) fn least<'a>(&'a self, role: Role, key: &'a str) -> Option<&'a Stands> {
        let numbers = self.all(role, key).filter(|s| s.number().is_some());
        numbers.min_by(|a, b| a.number().unwrap_or(0.0).total_cmp(&b.number().unwrap_or(0.0)))
    }

    /// Whether every host of a role whose setting was read has this value already, or a larger one:
    /// no measure lowers a sysctl. `false` where none was read.
    pub(super) fn is_so(&self, role: Role, key: &str, value: &str) -> bool {
        let mut seen = self.all(role, key).peekable();
        seen.peek().is_some() && seen.all(|s| enough(&s.value, value))
    }

    /// A host whose setting falls short of what it should be.
    pub(super) fn differs<'a>(
        &'a self,
        role: Role,
        key: &'a str,
        value: &str,
    ) -> Option<&'a Stands> {
        self.all(role, key).find(|s| !enough(&s.value, value))
    }
}

fn enough(now: &str, wanted: &str) -> bool {
    match (now.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(now), Ok(wanted)) => now >= wanted,
        _ => now == wanted,
    }
}
