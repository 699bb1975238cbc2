//! Evidence and its sources: what claims link to, with the way back.

use super::escaped;
use crate::text::range;
use hopclock_core::inquest::evidence::Cite;
use hopclock_core::report::Report;
use std::collections::BTreeMap;

/// Where each piece of evidence is used, and each source cited.
pub(super) struct Sources {
    files: Vec<String>,
    used: BTreeMap<String, Vec<(String, String)>>,
    cited: BTreeMap<(usize, char, u64, u64), Vec<String>>,
}

impl Sources {
    /// Gathers both from the report.
    pub(super) fn of(report: &Report) -> Sources {
        let mut sources =
            Sources { files: Vec::new(), used: BTreeMap::new(), cited: BTreeMap::new() };
        for evidence in &report.evidence {
            sources.used.entry(evidence.id.clone()).or_default();
            for (file, kind, from, to) in evidence.cites.iter().flat_map(each) {
                let file = sources.file(file);
                sources.cited.entry((file, kind, from, to)).or_default().push(evidence.id.clone());
            }
        }
        for f in &report.findings {
            for (n, h) in f.hypotheses.iter().enumerate() {
                let place = format!("{}-h{n}", f.id);
                sources.uses(&h.speaks_for, &place, &format!("for {}", h.cause));
                sources.uses(&h.against, &place, &format!("against {}", h.cause));
            }
            for (n, c) in f.contradictions.iter().enumerate() {
                sources.uses(&c.between, &format!("{}-c{n}", f.id), "what does not fit together");
            }
            for (n, r) in f.red_herrings.iter().enumerate() {
                sources.uses(&r.evidence, &format!("{}-r{n}", f.id), "red herrings");
            }
        }
        for (n, o) in report.timer_order.iter().enumerate() {
            let ids = [o.shorter.evidence.as_slice(), &o.longer.evidence].concat();
            sources.uses(&ids, &super::order::place(n), "the order of timers");
        }
        sources
    }

    fn file(&mut self, name: &str) -> usize {
        self.files.iter().position(|known| known == name).unwrap_or_else(|| {
            self.files.push(name.to_owned());
            self.files.len() - 1
        })
    }

    fn uses(&mut self, ids: &[String], place: &str, says: &str) {
        for id in ids {
            if let Some(used) = self.used.get_mut(id) {
                used.push((place.to_owned(), says.to_owned()));
            }
        }
    }

    /// Links to these pieces of evidence.
    pub(super) fn links(&self, ids: &[String]) -> String {
        let link = |id: &String| match self.used.contains_key(id) {
            true => format!("<a href=\"#{0}\">{0}</a>", escaped(id)),
            false => escaped(id),
        };
        ids.iter().map(link).collect::<Vec<_>>().join(" ")
    }

    /// The evidence, then the sources it cites.
    pub(super) fn write(&self, out: &mut String, report: &Report) {
        if report.evidence.is_empty() {
            return;
        }
        *out += "<h3 id=\"evidence\">Evidence</h3>\n<ul>\n";
        for e in &report.evidence {
            let (id, says) = (escaped(&e.id), escaped(&e.says));
            let host = e.host.as_ref().map_or(String::new(), |h| format!(" On {}.", escaped(h)));
            let with = e.counted_with.as_ref().map_or(String::new(), |with| {
                format!(" Same event as {}, counted there.", self.links(std::slice::from_ref(with)))
            });
            *out += &format!("<li id=\"{id}\"><strong>{id}</strong> {says}.{host}{with} See ");
            let cites: Vec<String> = e.cites.iter().map(|c| self.cite(c)).collect();
            *out += &format!("{}.", cites.join("; "));
            let used = self.used.get(&e.id).map_or(&[][..], Vec::as_slice);
            let back = |(place, says): &(String, String)| {
                format!("<a href=\"#{place}\">{}</a>", escaped(says))
            };
            if !used.is_empty() {
                let back: Vec<String> = used.iter().map(back).collect();
                let (n, back) = (used.len(), back.join(", "));
                let times = if n == 1 { "once".to_owned() } else { format!("{n} times") };
                *out += &format!("<details><summary>Used {times}</summary>{back}</details>");
            }
            *out += "</li>\n";
        }
        *out += "</ul>\n<h3 id=\"sources\">Sources cited</h3>\n<ul>\n";
        for ((file, kind, from, to), by) in &self.cited {
            let name = self.files.get(*file).map_or("", String::as_str);
            let (id, what) = (place(*file, *kind, *from, *to), word(*kind, *from, *to));
            let (name, by) = (escaped(name), self.links(by));
            *out += &format!("<li id=\"{id}\">{name}, {what}: cited by {by}</li>\n");
        }
        *out += "</ul>\n";
    }

    fn cite(&self, cite: &Cite) -> String {
        let file = self.files.iter().position(|known| *known == cite.file).unwrap_or(0);
        let links: Vec<String> = each(cite)
            .map(|(_, kind, from, to)| {
                let (id, what) = (place(file, kind, from, to), word(kind, from, to));
                format!("<a href=\"#{id}\">{what}</a>")
            })
            .collect();
        format!("{} {}", escaped(&cite.file), links.join(", "))
    }

    /// A packet, as a link where a source holds it.
    pub(super) fn packet(&self, file: &str, number: u64) -> String {
        let index = self.files.iter().position(|known| known == file);
        let holds = |key: &&(usize, char, u64, u64)| {
            Some(key.0) == index && key.1 == 'p' && key.2 <= number && number <= key.3
        };
        match self.cited.keys().filter(holds).min_by_key(|key| key.3 - key.2) {
            Some((f, k, a, b)) => format!("<a href=\"#{}\">{number}</a>", place(*f, *k, *a, *b)),
            None => number.to_string(),
        }
    }
}

fn each(cite: &Cite) -> impl Iterator<Item = (&str, char, u64, u64)> {
    let lines = cite.lines.iter().map(|(a, b)| (cite.file.as_str(), 'l', *a, *b));
    lines.chain(cite.packets.iter().map(|(a, b)| (cite.file.as_str(), 'p', *a, *b)))
}

fn place(file: usize, kind: char, from: u64, to: u64) -> String {
    format!("s{file}-{kind}{from}-{to}")
}

fn word(kind: char, from: u64, to: u64) -> String {
    let what = if kind == 'l' { "line" } else { "packet" };
    let plural = if from == to { "" } else { "s" };
    format!("{what}{plural} {}", range(from, to))
}
