//! nginx: which timers its configuration sets, level by level.
//!
//! A setting is told where it is written; it holds for everything inside unless it is set again
//! there. Of those nobody set, the ones that end long connections are told once for the outermost
//! level at which they are still what nginx has built in. Refused: what is computed while it runs
//! (variables, Lua), and everything that is no timer.

use super::nginx_lex::{Directive, read as read_file};
use super::{Configured, DEPTH_MAX, File, Kind, Known, Open, Place, Timer};
use std::collections::BTreeSet;
use std::rc::Rc;

const fn time(within: &'static str, setting: &'static str, clock: Option<&'static str>) -> Known {
    Known { within, setting, kind: Kind::Time, clock }
}

/// What is known, by nginx's own reference (nginx.org/en/docs/dirindex.html, 1.28).
pub(super) const KNOWN: &[Known] = &[
    time("main", "worker_shutdown_timeout", None),
    Known {
        within: "http",
        setting: "keepalive_timeout",
        kind: Kind::TimeOrOff,
        clock: Some("nginx-keepalive-timeout"),
    },
    time("http", "keepalive_time", Some("nginx-keepalive-time")),
    time("http", "keepalive_min_timeout", None),
    Known { within: "http", setting: "keepalive_requests", kind: Kind::Count, clock: None },
    time("http", "client_header_timeout", Some("nginx-client-header-timeout")),
    time("http", "client_body_timeout", Some("nginx-client-body-timeout")),
    time("http", "send_timeout", Some("nginx-send-timeout")),
    time("http", "lingering_time", Some("nginx-lingering")),
    time("http", "lingering_timeout", Some("nginx-lingering")),
    time("http", "http2_idle_timeout", None),
    time("http", "http2_recv_timeout", None),
    time("http", "proxy_connect_timeout", None),
    time("http", "proxy_read_timeout", Some("nginx-proxy-read-timeout")),
    time("http", "proxy_send_timeout", Some("nginx-proxy-send-timeout")),
    Known { within: "http", setting: "proxy_socket_keepalive", kind: Kind::Switch, clock: None },
    time("http", "grpc_connect_timeout", None),
    time("http", "grpc_read_timeout", Some("nginx-grpc-read-timeout")),
    time("http", "grpc_send_timeout", Some("nginx-grpc-send-timeout")),
    Known { within: "http", setting: "grpc_socket_keepalive", kind: Kind::Switch, clock: None },
    time("http", "fastcgi_read_timeout", None),
    time("http", "fastcgi_send_timeout", None),
    time("http", "uwsgi_read_timeout", None),
    time("http", "uwsgi_send_timeout", None),
    time("http", "scgi_read_timeout", None),
    time("http", "scgi_send_timeout", None),
    time("upstream", "keepalive_timeout", Some("nginx-upstream-keepalive-timeout")),
    time("upstream", "keepalive_time", Some("nginx-upstream-keepalive-time")),
    Known { within: "upstream", setting: "keepalive_requests", kind: Kind::Count, clock: None },
    time("stream", "proxy_timeout", Some("nginx-stream-proxy-timeout")),
    time("stream", "proxy_connect_timeout", None),
    time("stream", "preread_timeout", None),
    Known { within: "stream", setting: "proxy_socket_keepalive", kind: Kind::Switch, clock: None },
    time("mail", "proxy_timeout", Some("nginx-mail-proxy-timeout")),
    time("mail", "timeout", None),
    // A parameter of `listen`, in http, stream and mail alike.
    Known {
        within: "listen",
        setting: "so_keepalive",
        kind: Kind::Switch,
        clock: Some("linux-tcp-keepalive-time"),
    },
];

/// Settings told though nobody set them, and the directive whose presence makes them matter.
const BUILT_IN: &[(&str, &str, Needs)] = &[
    ("http", "keepalive_timeout", Needs::Server),
    ("http", "proxy_read_timeout", Needs::Directive("proxy_pass")),
    ("http", "grpc_read_timeout", Needs::Directive("grpc_pass")),
    ("upstream", "keepalive_timeout", Needs::Directive("keepalive")),
    ("stream", "proxy_timeout", Needs::Directive("proxy_pass")),
    ("mail", "proxy_timeout", Needs::Server),
];

/// When a built-in value is in force.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Wherever there is a server.
    Server,
    /// Where this directive stands.
    Directive(&'static str),
}

/// Reads a configuration from its first file on.
pub fn read(first: File, open: Open<'_>) -> Configured {
    let mut walk = Walk { out: Configured::default(), open, unset: BTreeSet::new() };
    let top = walk.file(first);
    let main = Level { within: "main", scope: Vec::new(), set: Vec::new(), depth: 0 };
    walk.level(&top, main);
    let unset = std::mem::take(&mut walk.unset);
    for (within, setting, scope) in unset {
        let known = KNOWN.iter().find(|k| k.within == within && k.setting == setting);
        walk.out.push(Timer {
            clock: known.and_then(|k| k.clock),
            setting: setting.to_owned(),
            value: None,
            seconds: None,
            at: None,
            scope: Some(scope),
        });
    }
    walk.out
}

/// A directive and the file it stands in.
#[derive(Clone)]
struct Line {
    file: Rc<str>,
    directive: Directive,
}

/// A block being walked, and what holds in it.
struct Level {
    /// `main`, `http`, `upstream`, `stream` or `mail`.
    within: &'static str,
    /// Blocks it lies in, in words.
    scope: Vec<String>,
    /// Settings written here or around it.
    set: Vec<&'static str>,
    depth: usize,
}

impl Level {
    fn words(&self) -> Option<String> {
        match self.scope.as_slice() {
            [] => None,
            // In a server it need not be said that it is one of http.
            [_, rest @ ..] if !rest.is_empty() => Some(rest.join(", ")),
            all => Some(all.join(", ")),
        }
    }
}

struct Walk<'a> {
    out: Configured,
    open: Open<'a>,
    /// Where something built in is in force: kind of block, setting, and for what.
    unset: BTreeSet<(&'static str, &'static str, String)>,
}

impl Walk<'_> {
    fn file(&mut self, file: File) -> Vec<Line> {
        if !self.out.may_read(&file.path) {
            return Vec::new();
        }
        let (directives, troubles) = read_file(&file.text);
        for (line, says) in troubles {
            self.out.note(format!("{}:{line}: {says}", file.path));
        }
        let path: Rc<str> = file.path.into();
        let line = |directive| Line { file: Rc::clone(&path), directive };
        directives.into_iter().map(line).collect()
    }

    /// A block with its includes in place.
    fn whole(&mut self, block: &[Line], depth: usize) -> Vec<Line> {
        let mut all = Vec::new();
        for line in block {
            let includes = line.directive.name() == "include" && line.directive.block.is_none();
            match line.directive.arguments() {
                [pattern, ..] if includes => {
                    let place = format!("{}:{}", line.file, line.directive.line);
                    if depth >= DEPTH_MAX {
                        self.out.note(format!("{place}: files include each other without end"));
                        continue;
                    }
                    match (self.open)(pattern) {
                        Ok(files) => {
                            for file in files {
                                let read = self.file(file);
                                all.extend(self.whole(&read, depth + 1));
                            }
                        }
                        Err(why) => self.out.note(format!("{place}: include: {why}")),
                    }
                }
                _ => all.push(line.clone()),
            }
        }
        all
    }

    fn level(&mut self, block: &[Line], mut level: Level) {
        let lines = self.whole(block, 0);
        for line in &lines {
            self.setting(line, &mut level);
        }
        self.built_in(&lines, &level);
        if level.depth > 60 {
            return;
        }
        for line in &lines {
            let Some(block) = &line.directive.block else { continue };
            let Some((within, scope)) = inside(&line.directive, level.within) else { continue };
            let inner: Vec<Line> = block
                .iter()
                .map(|directive| Line { file: Rc::clone(&line.file), directive: directive.clone() })
                .collect();
            let mut all = level.scope.clone();
            // A location is named by its own words alone, wherever it is nested.
            if scope.starts_with("location ") {
                all.retain(|word| !word.starts_with("location "));
            }
            all.push(match scope.as_str() {
                "server" => format!("server {}", name_of(&self.whole(&inner, 0))),
                _ => scope,
            });
            // An upstream takes nothing from around it.
            let set = if within == "upstream" { Vec::new() } else { level.set.clone() };
            self.level(&inner, Level { within, scope: all, set, depth: level.depth + 1 });
        }
    }

    fn setting(&mut self, line: &Line, level: &mut Level) {
        let name = line.directive.name();
        if name == "listen" {
            self.listen(line, level);
        }
        let known = KNOWN.iter().find(|k| k.within == level.within && k.setting == name);
        let (Some(known), [value, ..]) = (known, line.directive.arguments()) else { return };
        level.set.push(known.setting);
        let at = place(line);
        let seconds = match known.kind {
            Kind::Count | Kind::Switch => None,
            Kind::Time | Kind::TimeOrOff => match seconds(value) {
                Some(s) => Some(s).filter(|s| known.kind == Kind::Time || *s > 0.0),
                None => return self.out.note(format!("{at}: {name}: no time is understood in it")),
            },
        };
        self.out.push(Timer {
            clock: known.clock,
            setting: name.to_owned(),
            value: Some(line.directive.arguments().join(" ")),
            seconds,
            at: Some(at),
            scope: level.words(),
        });
    }

    /// `listen … so_keepalive=on|off|[idle]:[interval]:[probes]`.
    fn listen(&mut self, line: &Line, level: &Level) {
        let value = line.directive.arguments().iter().find_map(|a| a.strip_prefix("so_keepalive="));
        let Some(value) = value else { return };
        let known = KNOWN.iter().find(|k| k.within == "listen");
        let seconds = value.split(':').next().and_then(seconds);
        self.out.push(Timer {
            clock: known.and_then(|k| k.clock),
            setting: "so_keepalive".to_owned(),
            value: Some(value.to_owned()),
            seconds,
            at: Some(place(line)),
            scope: level.words(),
        });
    }

    fn built_in(&mut self, lines: &[Line], level: &Level) {
        let has = |name: &str| lines.iter().any(|line| line.directive.name() == name);
        for (within, setting, needs) in BUILT_IN {
            let needed = match needs {
                Needs::Server => level.scope.last().is_some_and(|s| s.starts_with("server ")),
                Needs::Directive(name) => has(name),
            };
            if *within == level.within && needed && !level.set.contains(setting) {
                // For all of http, but for one upstream.
                let scope = if *within == "upstream" { level.words() } else { None };
                self.unset.insert((within, setting, scope.unwrap_or_else(|| (*within).to_owned())));
            }
        }
    }
}

fn place(line: &Line) -> Place {
    Place { file: line.file.to_string(), line: line.directive.line }
}

/// What a block inside another is: which settings may stand in it, and its name.
fn inside(directive: &Directive, within: &'static str) -> Option<(&'static str, String)> {
    let arguments = directive.arguments().join(" ");
    match (directive.name(), within) {
        ("http", "main") => Some(("http", "http".to_owned())),
        ("stream", "main") => Some(("stream", "stream".to_owned())),
        ("mail", "main") => Some(("mail", "mail".to_owned())),
        ("server", "http" | "stream" | "mail") => Some((within, "server".to_owned())),
        ("location", "http") => Some((within, format!("location {arguments}"))),
        ("if", "http") => Some((within, "if".to_owned())),
        ("limit_except", "http") => Some((within, format!("limit_except {arguments}"))),
        ("upstream", "http" | "stream") => Some(("upstream", format!("upstream {arguments}"))),
        _ => None,
    }
}

/// What to call a server: its first name, or else what it listens on.
fn name_of(lines: &[Line]) -> String {
    let all = |name: &'static str| lines.iter().filter(move |l| l.directive.name() == name);
    let mut names = all("server_name").flat_map(|line| line.directive.arguments());
    let name = names.find(|name| !matches!(name.as_str(), "" | "_"));
    let name = name.or_else(|| all("listen").find_map(|line| line.directive.arguments().first()));
    name.cloned().unwrap_or_else(|| "80".to_owned())
}

/// `60`, `60s`, `1h 30m`, `500ms` in seconds (src/core/ngx_parse.c, 1.28).
fn seconds(text: &str) -> Option<f64> {
    let mut total = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at_checked(letters)?;
        let scale = match unit {
            "ms" => 0.001,
            "s" | "" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            "M" => 2_592_000.0,
            "y" => 31_536_000.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = after.trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    fn alone(text: &str) -> Configured {
        read(file("nginx.conf", text), &mut |_| Err("there is none".to_owned()))
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
    fn times_are_read_as_nginx_reads_them() {
        for (text, expected) in [
            ("60", Some(60.0)),
            ("1h 30m", Some(5400.0)),
            ("1h30m", Some(5400.0)),
            ("500ms", Some(0.5)),
            ("1M", Some(2_592_000.0)),
            ("1d", Some(86_400.0)),
            ("", None),
            ("h", None),
            ("1x", None),
            ("-1", None),
            ("1.5h", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn a_setting_holds_from_where_it_is_written() {
        let text = "worker_shutdown_timeout 10s;\nhttp {\n keepalive_timeout 75s 60s;\n upstream b { \
            keepalive 8; keepalive_time 30m; }\n server { server_name _ a.example b.example;\n \
            listen 443 ssl so_keepalive=30m::10;\n location /ws { proxy_pass http://b; \
            proxy_read_timeout \"1h 30m\";\n location ~ \\.x$ { keepalive_requests 10; \
            if ($x) { send_timeout 5; } } } }\n server { listen 8080; keepalive_timeout 0; } }\n";
        let read = alone(text);
        assert_eq!(
            told(&read),
            [
                "worker_shutdown_timeout 10s Some(10.0) nginx.conf:1 -",
                "keepalive_timeout 75s 60s Some(75.0) nginx.conf:3 http",
                "keepalive_time 30m Some(1800.0) nginx.conf:4 upstream b",
                "so_keepalive 30m::10 Some(1800.0) nginx.conf:6 server a.example",
                "proxy_read_timeout 1h 30m Some(5400.0) nginx.conf:7 server a.example, location /ws",
                "keepalive_requests 10 None nginx.conf:8 server a.example, location ~ \\.x$",
                "send_timeout 5 Some(5.0) nginx.conf:8 server a.example, location ~ \\.x$, if",
                "keepalive_timeout 0 None nginx.conf:9 server 8080",
                "keepalive_timeout - None built in upstream b",
            ]
        );
        assert!(read.notes.is_empty(), "{:?}", read.notes);
    }

    #[test]
    fn what_is_built_in_is_told_where_it_is_in_force() {
        let of = |text: &str| told(&alone(text));
        let passes = "http { server { location / { proxy_pass http://x; } } }";
        assert_eq!(
            of(passes),
            ["keepalive_timeout - None built in http", "proxy_read_timeout - None built in http",]
        );
        // Set above, set here, nothing that would use it.
        assert_eq!(of("http { keepalive_timeout 5; server { } }").len(), 1);
        assert_eq!(of("http { server { keepalive_timeout 5; } }").len(), 1);
        assert_eq!(of("http { }").len(), 0);
        // One server sets it and the other does not.
        assert_eq!(of("http { server { keepalive_timeout 5; } server { } }").len(), 2);
        let stream = "stream { server { listen 1; proxy_pass x; } upstream x { server a:1; } }";
        assert_eq!(of(stream), ["proxy_timeout - None built in stream"]);
    }

    #[test]
    fn includes_are_read_in_their_place() {
        let mut asked = Vec::new();
        let mut open = |pattern: &str| {
            asked.push(pattern.to_owned());
            match pattern {
                "sites/*" => Ok(vec![
                    file("sites/a", "server { server_name a; include loc; }"),
                    file("sites/b", "server { server_name b; proxy_read_timeout 5; }"),
                ]),
                "loc" => Ok(vec![file("loc", "\nproxy_send_timeout 7s;")]),
                _ => Err("there is none".to_owned()),
            }
        };
        let text = "http { include sites/*; keepalive_timeout 1; types { include mime; } }";
        let read = read(file("nginx.conf", text), &mut open);
        assert_eq!(
            told(&read),
            [
                "keepalive_timeout 1 Some(1.0) nginx.conf:1 http",
                "proxy_send_timeout 7s Some(7.0) loc:2 server a",
                "proxy_read_timeout 5 Some(5.0) sites/b:1 server b",
            ]
        );
        assert_eq!(read.files, ["nginx.conf", "sites/a", "sites/b", "loc"]);
        assert!(!asked.contains(&"mime".to_owned()), "what is no level is not walked");
    }

    #[test]
    fn files_that_include_themselves_end() {
        let text = "http { include x; keepalive_timeout 9; }";
        let own = file("x", "include x; send_timeout 3;");
        let read = read(file("nginx.conf", text), &mut |_| Ok(vec![own.clone()]));
        assert!(read.notes.iter().any(|n| n.contains("include each other")), "{:?}", read.notes);
        assert!(told(&read).iter().any(|t| t.starts_with("keepalive_timeout 9")));
        // Each level doubles: the number of files bounds it.
        let twice = file("x", "include x; include x;");
        let read = super::read(file("nginx.conf", text), &mut |_| Ok(vec![twice.clone()]));
        assert!(read.notes.iter().any(|n| n.contains("too often")), "{:?}", read.notes);
    }

    #[test]
    fn what_is_broken_costs_a_note_and_no_value_is_told_of_it() {
        let read = alone("http { keepalive_timeout secret; proxy_send_timeout 5; server {");
        assert_eq!(read.timers.first().map(|t| t.setting.as_str()), Some("proxy_send_timeout"));
        assert_eq!(read.notes.len(), 2, "{:?}", read.notes);
        assert!(!read.notes.iter().any(|n| n.contains("secret")), "{:?}", read.notes);
    }
}
