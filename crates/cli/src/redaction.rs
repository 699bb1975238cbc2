//! Pseudonyms as `--redact` asks for them: with a key from another run, or with a new one, and the
//! map of what became what. It invents no names of its own; `hopclock_core::redact` makes them.

use crate::args::Redaction;
use crate::cmd::collect::sink;
use crate::exit::Trouble;
use hopclock_core::inquest::facts::Facts;
use hopclock_core::redact::{Key, Redactor};
use hopclock_core::report::Report;
use std::fs::File;
use std::io::{self, Read, Write};

/// What hides names, as it was asked for.
#[derive(Debug)]
pub struct Hiding {
    /// Makes the pseudonyms.
    pub redactor: Redactor,
    made: bool,
    map: Option<File>,
}

impl Hiding {
    /// None where nothing is to be redacted.
    pub fn asked(typed: &Redaction) -> Result<Option<Self>, Trouble> {
        let Some((redactor, made)) = redactor(typed)? else {
            let stray = typed.redact_map.is_some();
            let why = "--redact-map has nothing to write without --redact";
            return if stray { Err(Trouble::Usage(why.to_owned())) } else { Ok(None) };
        };
        let map = typed.redact_map.as_deref().map(sink::new_file).transpose();
        Ok(Some(Self { redactor, made, map: map.map_err(Trouble::Usage)? }))
    }

    /// The key, where it was made here and nobody else knows it.
    pub fn new_key(&self) -> Option<Key> {
        self.made.then(|| self.redactor.key())
    }

    /// Writes what was replaced by what, where that was asked for.
    pub fn write_map(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.map else { return Ok(()) };
        let mut text = String::new();
        for (original, pseudonym) in self.redactor.replaced() {
            text.push_str(&format!("{pseudonym}\t{original}\n"));
        }
        file.write_all(text.as_bytes())
    }

    /// The report under pseudonyms. Hosts are those the evidence is from and those its lines name.
    pub fn report(&mut self, report: &mut Report, facts: &Facts) {
        if let Ok(text) = serde_json::to_vec_pretty(report) {
            self.redactor.learn(&text);
        }
        let mut hosts: Vec<String> = facts.sources.iter().filter_map(|s| s.host.clone()).collect();
        hosts.sort_by_key(|host| std::cmp::Reverse(host.len()));
        hosts.dedup();
        hosts.iter().for_each(|host| self.redactor.know_host(host));
        let redactor = &mut self.redactor;
        report.rewrite(&mut |text| {
            let mut text = text.to_owned();
            for host in &hosts {
                text = apart(&text, host, redactor);
            }
            redactor.text(&text)
        });
    }
}

/// A known host's name also where it is part of a file's name, `hop-egress-1/sysctl.txt`.
fn apart(text: &str, host: &str, redactor: &mut Redactor) -> String {
    let new = redactor.text(host);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(host) {
        let ends = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        let own = ends(before.chars().next_back()) && ends(after.chars().next());
        out.push_str(before);
        out.push_str(if own { &new } else { host });
        rest = after;
    }
    out + rest
}

fn redactor(typed: &Redaction) -> Result<Option<(Redactor, bool)>, Trouble> {
    if let Some(text) = &typed.redact_key {
        let usage =
            || Trouble::Usage("--redact-key takes the 32 digits that --redact prints".into());
        return Ok(Some((Redactor::new(Key::parse(text).ok_or_else(usage)?), false)));
    }
    if !typed.redact {
        return Ok(None);
    }
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(Some((Redactor::new(Key::from_bytes(bytes)), true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_in_a_files_name_and_not_inside_a_word() {
        let mut redactor = Redactor::new(Key::from_bytes(*b"not a secret key"));
        redactor.know_host("egress-1");
        let new = redactor.text("egress-1");
        assert_ne!(new, "egress-1");
        let said = apart("hop-egress-1/a, egress-12, regress-1", "egress-1", &mut redactor);
        assert_eq!(said, format!("hop-{new}/a, egress-12, regress-1"));
    }
}
