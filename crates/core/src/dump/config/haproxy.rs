//! HAProxy: which timers its configuration sets, section by section.
//!
//! A setting of `defaults` holds for the sections after it, or for those that name it with `from`,
//! and is told once, where it is written. That no timeout is set at all is told too, since
//! connections then live for ever. Refused: what is decided while HAProxy runs or starts
//! (variables, `.if`), which costs a note.

use super::{Configured, File, Kind, Known, Place, Timer};
use std::collections::BTreeMap;

const fn time(within: &'static str, setting: &'static str, clock: Option<&'static str>) -> Known {
    // HAProxy takes 0 for "none" (configuration manual, 2.4: "timeouts of 0").
    Known { within, setting, kind: Kind::TimeOrOff, clock }
}

const fn switch(within: &'static str, setting: &'static str) -> Known {
    Known { within, setting, kind: Kind::Switch, clock: None }
}

const fn count(within: &'static str, setting: &'static str) -> Known {
    Known { within, setting, kind: Kind::Count, clock: None }
}

const KEEPALIVE: Option<&str> = Some("linux-tcp-keepalive-time");

/// What is known, by the configuration manual (3.0): in `global`, or on the side of the client or
/// of the server.
pub(super) const KNOWN: &[Known] = &[
    time("global", "hard-stop-after", Some("haproxy-hard-stop-after")),
    time("global", "close-spread-time", None),
    time("client", "timeout client", Some("haproxy-timeout-client")),
    time("client", "timeout client-fin", Some("haproxy-client-fin")),
    time("client", "timeout http-keep-alive", Some("haproxy-timeout-http-keep-alive")),
    time("client", "timeout http-request", None),
    time("server", "timeout server", Some("haproxy-timeout-server")),
    time("server", "timeout server-fin", Some("haproxy-client-fin")),
    time("server", "timeout tunnel", Some("haproxy-timeout-tunnel")),
    time("server", "timeout connect", None),
    time("server", "timeout queue", None),
    switch("client", "option clitcpka"),
    time("client", "clitcpka-idle", KEEPALIVE),
    time("client", "clitcpka-intvl", None),
    count("client", "clitcpka-cnt"),
    switch("server", "option srvtcpka"),
    time("server", "srvtcpka-idle", KEEPALIVE),
    time("server", "srvtcpka-intvl", None),
    count("server", "srvtcpka-cnt"),
    switch("both", "option tcpka"),
];

/// Timeouts without which a connection may be silent for ever.
const NEEDED: [&str; 2] = ["timeout client", "timeout server"];

/// Words that begin a section (configuration manual, chapters 3, 4 and 12).
const SECTIONS: [&str; 21] = [
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "peers",
    "resolvers",
    "userlist",
    "mailers",
    "cache",
    "program",
    "http-errors",
    "ring",
    "log-forward",
    "fcgi-app",
    "crt-store",
    "traces",
    "log-profile",
    "acme",
    "dynamic-update",
    "haterm",
];

/// Names of sections that are told in one scope.
const NAMES_MAX: usize = 5;

/// Reads a configuration: its files in the order HAProxy takes them.
pub fn read(files: &[File]) -> Configured {
    let mut reading = Reading::default();
    for file in files {
        if reading.out.may_read(&file.path) {
            reading.now = None;
            reading.file(file);
        }
    }
    reading.finish()
}

/// A section with what it sets.
struct Section {
    /// `global`, `defaults`, `frontend`, `backend` or `listen`.
    kind: &'static str,
    /// The name, where it has one.
    name: Option<String>,
    /// The `defaults` it takes the rest from, by its place among the sections.
    from: Option<usize>,
    set: BTreeMap<&'static str, Timer>,
    /// Settings in the order written.
    order: Vec<&'static str>,
}

impl Section {
    fn words(&self) -> String {
        match &self.name {
            Some(name) => format!("{} {name}", self.kind),
            None => self.kind.to_owned(),
        }
    }

    /// Whether a setting for this side has anything to do here.
    fn uses(&self, within: &str) -> bool {
        match self.kind {
            "frontend" => matches!(within, "client" | "both"),
            "backend" => matches!(within, "server" | "both"),
            "listen" => within != "global",
            _ => false,
        }
    }
}

#[derive(Default)]
struct Reading {
    out: Configured,
    sections: Vec<Section>,
    /// The section being read; none where it is one that holds no timers of connections.
    now: Option<usize>,
    /// The `defaults` that the next section takes.
    defaults: Option<usize>,
}

impl Reading {
    fn file(&mut self, file: &File) {
        for (line, raw) in (1..).zip(file.text.lines()) {
            let at = || Place { file: file.path.clone(), line };
            let (words, whole) = split(raw);
            if !whole {
                self.out.note(format!("{}: a quote is not closed", at()));
            }
            let plain: Vec<&str> = words.iter().map(|w| w.text.as_str()).collect();
            match plain.as_slice() {
                [] => {}
                [first, ..] if first.starts_with('.') => {
                    self.out.note(format!(
                        "{}: it has conditional blocks, which are read as if all held",
                        file.path
                    ));
                }
                [first, rest @ ..] if SECTIONS.contains(first) => self.section(first, rest, at),
                _ => self.line(&words, &plain, at),
            }
        }
    }

    fn section(&mut self, kind: &str, rest: &[&str], at: impl Fn() -> Place) {
        let known = ["global", "defaults", "frontend", "backend", "listen"];
        self.now = None;
        let Some(kind) = known.into_iter().find(|k| *k == kind) else { return };
        if self.sections.len() >= super::TIMERS_MAX {
            return self.out.note("it has too many sections; the rest is not read".to_owned());
        }
        let named = rest.windows(2).find(|w| w.first() == Some(&"from")).and_then(|w| w.get(1));
        let name = rest.first().filter(|name| **name != "from").map(|name| (*name).to_owned());
        let from = match named {
            Some(wanted) => {
                let found = self
                    .sections
                    .iter()
                    .rposition(|s| s.kind == "defaults" && s.name.as_deref() == Some(*wanted));
                if found.is_none() {
                    self.out.note(format!("{}: there are no defaults of the name it takes", at()));
                }
                found
            }
            None if kind == "defaults" || kind == "global" => None,
            None => self.defaults,
        };
        self.now = Some(self.sections.len());
        if kind == "defaults" {
            self.defaults = self.now;
        }
        let (set, order) = (BTreeMap::new(), Vec::new());
        self.sections.push(Section { kind, name, from, set, order });
    }

    fn line(&mut self, words: &[Word], plain: &[&str], at: impl Fn() -> Place) {
        let Some(section) = self.now.and_then(|now| self.sections.get_mut(now)) else { return };
        let (off, plain) = match plain {
            ["no", rest @ ..] => (true, rest),
            _ => (false, plain),
        };
        let skipped = words.len() - plain.len();
        let two = plain.get(..2).map(|two| two.join(" ")).unwrap_or_default();
        let known = KNOWN.iter().find(|k| {
            let of_global = (k.within == "global") == (section.kind == "global");
            of_global && (k.setting == two || plain.first() == Some(&k.setting))
        });
        let Some(known) = known else { return };
        let used = known.setting.split(' ').count();
        let value = match (known.kind, plain.get(used)) {
            (Kind::Switch, _) => if off { "off" } else { "on" }.to_owned(),
            (_, Some(value)) => (*value).to_owned(),
            (_, None) => return,
        };
        if words.get(used + skipped).is_some_and(|word| word.variable) {
            let says = format!("{}: {} comes from the environment", at(), known.setting);
            return self.out.note(says);
        }
        let seconds = match known.kind {
            Kind::Time | Kind::TimeOrOff => match seconds(&value) {
                Some(s) => Some(s).filter(|s| *s > 0.0),
                None => {
                    let says = format!("{}: {}: no time is understood in it", at(), known.setting);
                    return self.out.note(says);
                }
            },
            Kind::Count | Kind::Switch => None,
        };
        section.order.retain(|setting| *setting != known.setting);
        section.order.push(known.setting);
        let timer = Timer {
            clock: known.clock,
            setting: known.setting.to_owned(),
            value: Some(value),
            seconds,
            at: Some(at()),
            scope: Some(section.words()),
        };
        section.set.insert(known.setting, timer);
    }

    /// The section in which a setting is written that holds in this one.
    fn source(&self, section: usize, setting: &str) -> Option<usize> {
        let mut at = Some(section);
        // Sections take from earlier ones only, so this ends.
        while let Some(section) = at.and_then(|at| self.sections.get(at)) {
            if section.set.contains_key(setting) {
                return at;
            }
            at = section.from;
        }
        None
    }

    fn finish(mut self) -> Configured {
        let several = self.sections.iter().filter(|s| s.kind == "defaults").count() > 1;
        let mut timers = Vec::new();
        for (at, section) in self.sections.iter().enumerate() {
            for setting in &section.order {
                let Some(timer) = section.set.get(setting) else { continue };
                let mut timer = timer.clone();
                if section.kind == "defaults" && several {
                    let within = KNOWN.iter().find(|k| k.setting == *setting);
                    let heirs = self.those(|other, s| {
                        within.is_some_and(|k| s.uses(k.within))
                            && self.source(other, setting) == Some(at)
                    });
                    timer.scope = heirs.map(|heirs| format!("{} for {heirs}", section.words()));
                    timer.scope.get_or_insert_with(|| section.words());
                }
                timers.push(timer);
            }
        }
        for known in KNOWN.iter().filter(|k| NEEDED.contains(&k.setting)) {
            let without = self.those(|at, section| {
                section.uses(known.within) && self.source(at, known.setting).is_none()
            });
            timers.extend(without.map(|scope| Timer {
                clock: known.clock,
                setting: known.setting.to_owned(),
                value: None,
                seconds: None,
                at: None,
                scope: Some(scope),
            }));
        }
        timers.into_iter().for_each(|timer| self.out.push(timer));
        self.out
    }

    /// Sections that are wanted, in words; none where there are none.
    fn those(&self, wanted: impl Fn(usize, &Section) -> bool) -> Option<String> {
        let found = self.sections.iter().enumerate().filter(|(at, section)| wanted(*at, section));
        let names: Vec<String> = found.map(|(_, section)| section.words()).collect();
        let told = names.get(..NAMES_MAX).unwrap_or(&names).join(", ");
        match names.len().saturating_sub(NAMES_MAX) {
            _ if names.is_empty() => None,
            0 => Some(told),
            more => Some(format!("{told} and {more} more")),
        }
    }
}

/// A word of a line.
#[derive(Default)]
struct Word {
    text: String,
    /// A variable of the environment stands in it.
    variable: bool,
}

/// Words of a line as HAProxy takes it apart (configuration manual, 2.2 "Quoting and escaping"),
/// and whether every quote was closed.
fn split(line: &str) -> (Vec<Word>, bool) {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote: Option<char> = None;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('#', None) => break,
            (c, None) if c.is_ascii_whitespace() => words.extend(word.take()),
            ('\'' | '"', None) => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => {
                if let Some(escaped) = rest.next() {
                    word.get_or_insert_default().text.push(escaped);
                }
            }
            ('$', Some('"')) | ('$', None) => {
                let named = rest.peek().is_some_and(|c| *c == '{' || c.is_ascii_alphabetic());
                let word = word.get_or_insert_default();
                word.variable |= named;
                word.text.push('$');
            }
            (c, _) => word.get_or_insert_default().text.push(c),
        }
    }
    words.extend(word);
    (words, quote.is_none())
}

/// A time; a number alone is in milliseconds (configuration manual, 2.5 "Time format").
fn seconds(text: &str) -> Option<f64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let scale = match unit {
        "us" => 1e-6,
        "ms" | "" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    // Thousandths are divided, so that 1500 is 1.5 and nothing beside it.
    let number = number.parse::<f64>().ok()?;
    Some(match unit {
        "us" => number / 1e6,
        "ms" | "" => number / 1e3,
        _ => number * scale,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(text: &str) -> Configured {
        read(&[File { path: "h.cfg".to_owned(), text: text.to_owned() }])
    }

    fn told(read: &Configured) -> Vec<String> {
        let one = |t: &Timer| {
            let at = t.at.as_ref().map_or("built in".to_owned(), Place::to_string);
            let value = t.value.as_deref().unwrap_or("-");
            let scope = t.scope.as_deref().unwrap_or("-");
            format!("{} {value} {:?} {at} {scope}", t.setting, t.seconds)
        };
        read.timers.iter().map(one).collect()
    }

    #[test]
    fn times_are_read_as_haproxy_reads_them() {
        for (text, expected) in [
            ("30000", Some(30.0)),
            ("1500", Some(1.5)),
            ("30s", Some(30.0)),
            ("1h", Some(3600.0)),
            ("1d", Some(86_400.0)),
            ("500us", Some(0.0005)),
            ("s", None),
            ("1w", None),
            ("-1", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn words_are_taken_apart_as_haproxy_does() {
        let words = |line: &str| {
            let (words, whole) = split(line);
            (words.into_iter().map(|w| (w.text, w.variable)).collect::<Vec<_>>(), whole)
        };
        let plain = |text: &str| (text.to_owned(), false);
        assert_eq!(
            words("a\\ b 'c # \\' d#e"),
            (vec![plain("a b"), plain("c # \\"), plain("d")], true)
        );
        assert_eq!(
            words("\"x\\\" ${Y}\" '$Z'"),
            (vec![("x\" ${Y}".to_owned(), true), plain("$Z")], true)
        );
        assert!(!words("timeout \"client").1);
    }

    #[test]
    fn what_holds_in_a_section_is_told_where_it_is_written() {
        let text = "global\n hard-stop-after 30s\n timeout client 1s\ndefaults\n timeout client 30s\n \
            timeout server 1m # long\n option clitcpka\nfrontend web\n bind :80\n timeout client \
            5000\nbackend app\n no option srvtcpka\n timeout tunnel 1h\n timeout queue 0\nresolvers r\n \
            timeout resolve 1s\n";
        let read = alone(text);
        assert_eq!(
            told(&read),
            [
                "hard-stop-after 30s Some(30.0) h.cfg:2 global",
                "timeout client 30s Some(30.0) h.cfg:5 defaults",
                "timeout server 1m Some(60.0) h.cfg:6 defaults",
                "option clitcpka on None h.cfg:7 defaults",
                "timeout client 5000 Some(5.0) h.cfg:10 frontend web",
                "option srvtcpka off None h.cfg:12 backend app",
                "timeout tunnel 1h Some(3600.0) h.cfg:13 backend app",
                "timeout queue 0 None h.cfg:14 backend app",
            ]
        );
        assert!(read.notes.is_empty(), "{:?}", read.notes);
    }

    #[test]
    fn several_defaults_say_for_whom_they_are() {
        let text = "defaults tcp\n timeout client 1h\n timeout server 1h\ndefaults web from tcp\n \
            timeout client 10s\nlisten db from tcp\nfrontend site\n timeout client 3s\nlisten shop\n\
            defaults\nbackend plain\n";
        assert_eq!(
            told(&alone(text)),
            [
                "timeout client 1h Some(3600.0) h.cfg:2 defaults tcp for listen db",
                "timeout server 1h Some(3600.0) h.cfg:3 defaults tcp for listen db, listen shop",
                "timeout client 10s Some(10.0) h.cfg:5 defaults web for listen shop",
                "timeout client 3s Some(3.0) h.cfg:8 frontend site",
                "timeout server - None built in backend plain",
            ]
        );
    }

    #[test]
    fn what_comes_from_elsewhere_or_is_broken_costs_a_note() {
        let text = "defaults\n timeout client \"${SECRET_T}\"\n timeout server soon-secret\n .if \
            defined(X)\n timeout connect 5s\n .endif\nfrontend f from nowhere\n bind 'x\n";
        let read = alone(text);
        assert_eq!(read.timers.iter().filter(|t| t.at.is_some()).count(), 1, "{read:?}");
        for says in ["environment", "no time", "conditional", "no defaults", "a quote"] {
            assert!(read.notes.iter().any(|note| note.contains(says)), "{says}: {:?}", read.notes);
        }
        assert!(!read.notes.iter().any(|note| note.contains("secret")), "{:?}", read.notes);
    }
}
