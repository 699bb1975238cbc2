//! Pseudonyms of names: hosts, users, parts of paths. A name of several labels keeps its shape, and
//! two names of one domain keep it in common.

use super::Redactor;

/// Numbers of the keyed function's domains.
const LABEL: u8 = 16;
const USER: u8 = 17;
const PART: u8 = 18;
const DIGITS: u8 = 19;
const REMARK: u8 = 20;

/// Parts of paths that name a kind of thing, and tell a log's reader what is streamed.
const PARTS: [&str; 30] = [
    "api",
    "v1",
    "v2",
    "v3",
    "ws",
    "wss",
    "websocket",
    "socket.io",
    "sse",
    "events",
    "event",
    "stream",
    "streams",
    "streaming",
    "subscribe",
    "watch",
    "poll",
    "connect",
    "rpc",
    "graphql",
    "health",
    "healthz",
    "live",
    "ready",
    "metrics",
    "status",
    "user.slice",
    "system.slice",
    "machine.slice",
    "kubepods.slice",
];

/// Labels that name nobody: what a name is in, not whose it is. Special names of RFC 6761 and what
/// clusters and clouds have in every name.
const COMMON: [&str; 48] = [
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intern",
    "lan",
    "corp",
    "home",
    "arpa",
    "example",
    "invalid",
    "test",
    "cluster",
    "svc",
    "pod",
    "compute",
    "ec2",
    "in-addr",
    "ip6",
    "kubernetes",
    "default",
    "any",
    "none",
    "unknown",
    "null",
    "client",
    "server",
    "hop",
    "all",
    "self",
    "true",
    "app",
    "application",
    "backend",
    "database",
    "gateway",
    "host",
    "kernel",
    "nginx",
    "node",
    "proxy",
    "redis",
    "service",
    "session",
    "stream",
    "system",
    "systemd",
    "upstream",
];

/// Endings of names that are not two letters: the most frequent ones, and those of private nets. A
/// name of several labels without such an ending may be a class of Java.
const ENDINGS: [&str; 29] = [
    "com",
    "net",
    "org",
    "edu",
    "gov",
    "mil",
    "int",
    "info",
    "biz",
    "dev",
    "app",
    "cloud",
    "tech",
    "online",
    "site",
    "xyz",
    "systems",
    "services",
    "network",
    "local",
    "localdomain",
    "internal",
    "intern",
    "lan",
    "corp",
    "home",
    "arpa",
    "svc",
    "cluster",
];

/// Endings of two letters that are files' more often than countries'.
const FILES: [&str; 16] = [
    "rs", "py", "sh", "pl", "so", "md", "cc", "js", "ts", "go", "rb", "gz", "id", "is", "in", "to",
];

/// Whether a dotted word is a host's name rather than a file, a class or a setting.
pub(super) fn is_host(word: &str) -> bool {
    let Some((rest, ending)) = word.rsplit_once('.') else { return false };
    let small = ending.to_ascii_lowercase();
    let one_case = *ending == *small || ending.bytes().all(|b| b.is_ascii_uppercase());
    let country = small.len() == 2
        && small.bytes().all(|b| b.is_ascii_lowercase())
        && !FILES.contains(&&*small);
    let labels = rest.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
    });
    // `com.example.app` is a package, `java.net` a part of one.
    let package = ["com.", "org.", "net.", "io.", "java.", "javax.", "sun.", "kernel.", "jdk."];
    let is_package = package.iter().any(|start| word.starts_with(start));
    let has_letter = rest.bytes().any(|b| b.is_ascii_alphabetic());
    one_case && labels && has_letter && !is_package && (country || ENDINGS.contains(&&*small))
}

impl Redactor {
    /// Makes a host's name one that is replaced wherever it stands as a word of its own; its short
    /// form as well. Names that every host has are not learnt.
    pub fn know_host(&mut self, name: &str) {
        let name = name.trim().to_ascii_lowercase();
        let short = name.split('.').next().unwrap_or_default().to_owned();
        for name in [name, short] {
            let is_number = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            let fits = name.len() > 2 && name.len() <= 253 && !is_number;
            let common = COMMON.contains(&&*name) || name.contains(char::is_whitespace);
            if fits && !common && name.parse::<std::net::IpAddr>().is_err() {
                self.known.insert(name);
            }
        }
    }

    pub(super) fn is_known(&self, word: &str) -> bool {
        !self.known.is_empty() && self.known.contains(&word.to_ascii_lowercase())
    }

    /// A host's pseudonym. Labels that name nobody, and endings, stay.
    pub fn host(&mut self, name: &str) -> String {
        if let Ok(address) = name.parse() {
            return self.address(address).to_string();
        }
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let labels: Vec<&str> = name.split('.').collect();
        let mut new = Vec::new();
        for (at, label) in labels.iter().enumerate() {
            let below = labels.get(at..).unwrap_or_default().join(".").to_ascii_lowercase();
            let is_ending = at > 0 && at + 1 == labels.len();
            new.push(if is_ending || is_common(&below, label) {
                (*label).to_owned()
            } else {
                // By its own label where it stands first, so that long and short form agree.
                let of = if at == 0 { label.to_ascii_lowercase() } else { below };
                self.word('h', LABEL, &of)
            });
        }
        self.keep(name, new.join("."))
    }

    /// A user's pseudonym.
    pub fn user(&mut self, name: &str) -> String {
        const OF_SYSTEMS: [&str; 6] = ["root", "nobody", "admin", "anonymous", "-", ""];
        if OF_SYSTEMS.contains(&name) {
            return name.to_owned();
        }
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let new = self.word('u', USER, name);
        self.keep(name, new)
    }

    /// A path of a URL: each part on its own, numbers as numbers, what is asked for as one part.
    pub(super) fn path(&mut self, path: &str) -> String {
        let (path, query) = path.split_once(['?', '#']).map_or((path, None), |(p, q)| (p, Some(q)));
        let parts: Vec<String> = path.split('/').map(|part| self.part(part)).collect();
        let mut new = parts.join("/");
        if let Some(query) = query {
            new.push('?');
            new.push_str(&self.part(query));
        }
        new
    }

    /// What somebody wrote for people beside a rule.
    pub(super) fn remark(&mut self, text: &str) -> String {
        let new = self.word('t', REMARK, text);
        self.keep(text, new)
    }

    fn part(&mut self, part: &str) -> String {
        if part.is_empty() || PARTS.contains(&part) {
            return part.to_owned();
        }
        if part.bytes().all(|b| b.is_ascii_digit()) {
            // Each digit is moved by what the key makes of those before it: one to one.
            let digits = part.bytes().enumerate().map(|(at, byte)| {
                let before = part.as_bytes().get(..at).unwrap_or_default();
                let moved = u64::from(byte - b'0') + self.key.number(DIGITS, before) % 10;
                char::from(b'0' + (moved % 10) as u8)
            });
            let new = digits.collect();
            return self.keep(part, new);
        }
        let new = self.word('p', PART, part);
        self.keep(part, new)
    }

    /// Remembers a replacement.
    fn keep(&mut self, original: &str, new: String) -> String {
        self.names.insert(original.to_owned(), new.clone());
        new
    }

    /// A letter and ten hexadecimal digits.
    fn word(&self, kind: char, domain: u8, of: &str) -> String {
        format!("{kind}{:010x}", self.key.number(domain, of.as_bytes()) >> 24)
    }
}

/// `below` is the name from this label on.
fn is_common(below: &str, label: &str) -> bool {
    let small = label.to_ascii_lowercase();
    // RFC 2606's names for examples are nobody's.
    let example = ["example.com", "example.net", "example.org", "example.edu"];
    COMMON.contains(&&*small) || example.contains(&below)
}
