//! Lines of logs and dumps under pseudonyms.
//!
//! The text is walked once; wherever something begins that tells who somebody is (an address, a
//! name, a URL, the value of a field for a host or a user), it is replaced, and everything else is
//! copied byte for byte. What is only possibly a name (a dotted word without a known ending, a word
//! of prose) is copied: a log whose every word is replaced proves nothing.

use super::Redactor;
use super::name::is_host;
use super::place::{self, Words};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Fields whose value is a host's name.
const HOST_FIELDS: [&str; 19] = [
    "host",
    "hostname",
    "_hostname",
    "node",
    "nodename",
    "node_name",
    "pod",
    "pod_name",
    "sni",
    "servername",
    "server_name",
    "authority",
    ":authority",
    "fqdn",
    "machine",
    "instance",
    "vm",
    "hostname_s",
    "container_name",
];
/// Fields whose value is a user's name.
const USER_FIELDS: [&str; 13] = [
    "user",
    "username",
    "user_name",
    "login",
    "account",
    "email",
    "customer",
    "tenant",
    "owner",
    "usr",
    "auser",
    "acct",
    "principal",
];
/// Fields whose value is a path of a URL.
const PATH_FIELDS: [&str; 7] =
    ["path", "uri", "request_uri", "url", "request_path", "target", "referer"];
/// Words before a text that somebody wrote for people, in rules of a firewall.
const REMARKS: [&str; 5] = ["comment", "--comment", "prefix", "--log-prefix", "--nflog-prefix"];
/// Words before a user's name, in rules of a firewall and logs of logins.
const OWNERS: [&str; 4] = ["skuid", "--uid-owner", "skgid", "--gid-owner"];
const METHODS: [&str; 9] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE"];
/// Folders that hold one of each user's.
const HOMES: [&str; 3] = [concat!("/ho", "me/"), "/Users/", "/var/spool/mail/"];

/// As `ip link` writes it.
pub(super) fn of_mac(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}

/// Something found: how many bytes of the input it is, and what stands there now.
type Found = Option<(usize, String)>;

impl Redactor {
    /// A text under pseudonyms. Learns hosts' names from it first ([`Redactor::learn`]).
    pub fn text(&mut self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// As [`Redactor::text`], for what may not be UTF-8.
    pub fn bytes(&mut self, text: &[u8]) -> Vec<u8> {
        self.learn(text);
        let mut out = Vec::with_capacity(text.len() + text.len() / 8);
        for line in text.split_inclusive(|b| *b == b'\n') {
            self.line(line, &mut out);
        }
        out
    }

    /// Learns the hosts named where a line of syslog, or a field, names one. Names are replaced
    /// everywhere once they are known: show every text before the first is redacted.
    pub fn learn(&mut self, text: &[u8]) {
        for line in text.split(|b| *b == b'\n') {
            if let Some(host) = place::syslog_host(line) {
                self.know_host(host);
            }
            let mut at = 0;
            while let Some(word) = place::word(line, at) {
                if let Some((from, to)) = field(line, word, &HOST_FIELDS)
                    && let Some(value) = line.get(from..to).and_then(|v| str::from_utf8(v).ok())
                {
                    self.know_host(place::without_port(value));
                }
                at = word.1;
            }
        }
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let mut at = 0;
        while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
            let before = at.checked_sub(1).and_then(|i| line.get(i)).copied();
            let begins = !before.is_some_and(place::is_word_byte);
            let found = if begins { self.at(line, at) } else { None };
            if let Some((used, new)) = found.filter(|(used, _)| *used > 0) {
                out.extend_from_slice(new.as_bytes());
                at += used;
                continue;
            }
            // A word that is nothing of ours is copied whole, so that no part of it is taken; so
            // are the numbers of a version.
            let numbers = length(rest, |b| b.is_ascii_digit() || b == b'.');
            let used = length(rest, place::is_word_byte).max(numbers).max(1);
            out.extend_from_slice(rest.get(..used).unwrap_or_default());
            at += used;
        }
    }

    /// What begins at `at`, if it is something to replace.
    fn at(&mut self, line: &[u8], at: usize) -> Found {
        let rest = line.get(at..)?;
        self.url(rest)
            .or_else(|| self.home(rest))
            .or_else(|| self.mail(rest))
            .or_else(|| self.after(line, at))
            .or_else(|| self.named(rest))
            .or_else(|| self.numbers(line, at))
    }

    /// `scheme://user@host:port/path?query`.
    fn url(&mut self, rest: &[u8]) -> Found {
        let scheme = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'+').count();
        let after = rest.get(scheme..)?.strip_prefix(b"://").filter(|_| scheme > 0)?;
        let head = str::from_utf8(rest.get(..scheme + 3)?).ok()?;
        let authority = length(after, |b| !place::ends_authority(b));
        let path = length(after.get(authority..)?, |b| !place::ends_path(b));
        let (authority, path) =
            (words(after, 0, authority)?, words(after, authority, authority + path)?);
        let used = scheme + 3 + authority.len() + path.len();
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let mut new = head.to_owned();
        if let Some(user) = user {
            new.push_str(&self.user(user));
            new.push('@');
        }
        new.push_str(&self.host_and_port(host));
        new.push_str(&self.path(path));
        Some((used, new))
    }

    /// `host`, `host:port`, `[address]:port`.
    fn host_and_port(&mut self, text: &str) -> String {
        if let Some((address, port)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
            return format!("[{}]{port}", self.host(address));
        }
        let host = place::without_port(text);
        let port = text.get(host.len()..).unwrap_or_default();
        if host.is_empty() { text.to_owned() } else { format!("{}{port}", self.host(host)) }
    }

    fn home(&mut self, rest: &[u8]) -> Found {
        let folder = HOMES.iter().find(|folder| rest.starts_with(folder.as_bytes()))?;
        let name = length(rest.get(folder.len()..)?, |b| place::is_word_byte(b) || b == b'-');
        let name = words(rest, folder.len(), folder.len() + name).filter(|n| !n.is_empty())?;
        Some((folder.len() + name.len(), format!("{folder}{}", self.user(name))))
    }

    /// `user@host`.
    fn mail(&mut self, rest: &[u8]) -> Found {
        let in_name = |b: u8| b.is_ascii_alphanumeric() || b"._%+-".contains(&b);
        let user = length(rest, in_name);
        let host = rest.get(user..)?.strip_prefix(b"@")?;
        let host = length(host, |b| b.is_ascii_alphanumeric() || b".-".contains(&b));
        let (user, host) = (words(rest, 0, user)?, words(rest, user + 1, user + 1 + host)?);
        let host = host.trim_end_matches(['.', '-']);
        if user.is_empty() || !(is_host(host) || self.is_known(host)) {
            return None;
        }
        let new = format!("{}@{}", self.user(user), self.host(host));
        Some((user.len() + 1 + host.len(), new))
    }

    /// A value behind the name of its field, a path behind a method, a remark behind its word.
    fn after(&mut self, line: &[u8], at: usize) -> Found {
        let word = place::word(line, at).filter(|word| word.0 == at)?;
        let text = words(line, word.0, word.1)?;
        let replaced = |(from, to): (usize, usize), new: String| {
            let kept = words(line, at, from)?;
            Some((to - at, format!("{kept}{new}")))
        };
        if let Some(place) = field(line, word, &HOST_FIELDS).or_else(|| setting_of_host(line, word))
        {
            let value = words(line, place.0, place.1)?;
            let new = self.host_and_port(value);
            return replaced(place, new);
        }
        if let Some(place) = field(line, word, &USER_FIELDS) {
            let value = words(line, place.0, place.1)?;
            let new = match value.split_once('@') {
                Some((user, host)) => format!("{}@{}", self.user(user), self.host(host)),
                None => self.user(value),
            };
            return replaced(place, new);
        }
        let next = place::next(line, word.1);
        if let Some(place) = field(line, word, &PATH_FIELDS)
            .or_else(|| next.filter(|_| METHODS.contains(&text)))
            .filter(|place| line.get(place.0) == Some(&b'/'))
        {
            let value = words(line, place.0, place.1)?;
            let new = self.path(value);
            return replaced(place, new);
        }
        if let Some(place) = next.filter(|_| REMARKS.contains(&text)) {
            let value = words(line, place.0, place.1)?;
            // `-m comment --comment …`: the first is the name of a match.
            if !value.starts_with("--") {
                let new = self.remark(value);
                return replaced(place, new);
            }
        }
        if let Some(place) = next.filter(|_| OWNERS.contains(&text)) {
            let value = words(line, place.0, place.1)?;
            let is_number = value.bytes().all(|b| b.is_ascii_digit());
            let new = if is_number { value.to_owned() } else { self.user(value) };
            return replaced(place, new);
        }
        self.login(line, word).and_then(|(place, new)| replaced(place, new))
    }

    /// `for alice from` of sshd, `for user alice` of PAM, `cgroup:/…` of ss.
    fn login(&mut self, line: &[u8], word: Words) -> Option<(Words, String)> {
        let text = words(line, word.0, word.1)?;
        if text == "cgroup" && line.get(word.1..)?.starts_with(b":/") {
            let path = length(line.get(word.1 + 1..)?, |b| !b.is_ascii_whitespace());
            let place = (word.1 + 1, word.1 + 1 + path);
            let value = words(line, place.0, place.1)?;
            let new = self.path(value);
            return Some((place, new));
        }
        if !matches!(text, "for" | "user") {
            return None;
        }
        let name = place::next(line, word.1)?;
        let from_login = text == "for"
            && line.windows(5).any(|part| part == b"sshd[")
            && place::next(line, name.1)
                .is_some_and(|next| words(line, next.0, next.1) == Some("from"));
        let before = line.get(..word.0)?.ends_with(b"for ");
        if !(from_login || (text == "user" && before)) {
            return None;
        }
        let user = words(line, name.0, name.1)?;
        let plain = user.trim_end_matches(['.', ',', ';', ':', ')']);
        let new = self.user(plain.split('(').next().unwrap_or(plain));
        Some(((name.0, name.0 + plain.split('(').next().unwrap_or(plain).len()), new))
    }

    /// A known host's name, or a word that can be nothing else.
    fn named(&mut self, rest: &[u8]) -> Found {
        let long = length(rest, |b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let word = words(rest, 0, long)?.trim_end_matches(['.', '-', '_']);
        if word.is_empty() {
            return None;
        }
        if is_host(word) || self.is_known(word) {
            return Some((word.len(), self.host(word)));
        }
        if let Some(new) = self.dashed(word) {
            return Some((word.len(), new));
        }
        // A folder of an evidence folder, a name with a dot before an ending of a file's.
        let known = word.rfind(['.', '_']).and_then(|cut| word.get(..cut));
        if let Some(name) = known.filter(|name| self.is_known(name)) {
            return Some((name.len(), self.host(name)));
        }
        let name = word.strip_prefix("hop-").filter(|name| self.is_known(name))?;
        Some((word.len(), format!("hop-{}", self.host(name))))
    }

    /// An IPv4 address with dashes in a name, as clouds call their machines: `ip-10-0-0-12`.
    fn dashed(&mut self, word: &str) -> Option<String> {
        let mut parts: Vec<&str> = word.split('-').collect();
        let last = parts.len().checked_sub(4)?;
        let address: Ipv4Addr = parts.get(last..)?.join(".").parse().ok()?;
        let is_name = parts.first()?.bytes().any(|b| b.is_ascii_alphabetic());
        parts.truncate(last);
        let new = self.v4(address).to_string().replace('.', "-");
        parts.push(&new);
        is_name.then(|| parts.join("-"))
    }

    /// Numbers and colons: an address, if anything.
    fn numbers(&mut self, line: &[u8], at: usize) -> Found {
        let rest = line.get(at..)?;
        let long = length(rest, |b| b.is_ascii_hexdigit() || b":.".contains(&b));
        let run = words(rest, 0, long)?.trim_end_matches(['.']);
        if rest.get(2) == Some(&b'-') {
            return self.dashed_mac(rest);
        }
        if rest.get(run.len()).is_some_and(|b| place::is_word_byte(*b)) {
            return None;
        }
        let before = at.checked_sub(1).and_then(|i| line.get(i)).copied();
        let skip = usize::from(run.starts_with(':') && !run.starts_with("::"));
        let run = run.get(skip..)?;
        let tail = rest.get(skip + run.len()..)?;
        let (used, new) = self
            .mac_run(run)
            .or_else(|| self.v4_run(run, tail))
            .or_else(|| self.v6_run(run, tail, before))
            .or_else(|| self.hex_run(run))?;
        Some((skip + used, format!("{}{new}", if skip == 1 { ":" } else { "" })))
    }

    /// `10.0.0.12`, `10.0.0.12:443`, `10.0.0.12.443` as tcpdump writes it, `10.0.0.0/8`.
    fn v4_run(&mut self, run: &str, tail: &[u8]) -> Found {
        let digits = length(run.as_bytes(), |b| b.is_ascii_digit() || b == b'.');
        let dotted = run.get(..digits)?.trim_end_matches('.');
        let numbers: Vec<&str> = dotted.split('.').collect();
        if !(4..=5).contains(&numbers.len())
            || run.get(digits..digits + 1).is_some_and(|c| c != ":")
        {
            return None;
        }
        let text = numbers.get(..4)?.join(".");
        let address: Ipv4Addr = text.parse().ok()?;
        let plain = dotted.len() == run.len();
        let new = match prefix(tail).filter(|length| plain && *length <= 32) {
            Some(length) if host_bits(u128::from(address.to_bits()), 32 - length) == 0 => {
                let whole = self.v4(address).to_bits();
                Ipv4Addr::from_bits(clear(u128::from(whole), 32 - length) as u32)
            }
            _ => self.v4(address),
        };
        Some((text.len(), new.to_string()))
    }

    fn v6_run(&mut self, run: &str, tail: &[u8], before: Option<u8>) -> Found {
        // Times have colons as well: "2017::08:04:36" behind a date's dash.
        let is_year = before == Some(b'-') && run.get(4..6) == Some("::") && {
            run.starts_with("19") || run.starts_with("20")
        };
        if run.matches(':').count() < 2 || is_year {
            return None;
        }
        let trimmed = if run.ends_with("::") { run } else { run.trim_end_matches(':') };
        let shorter = |mark| trimmed.rsplit_once(mark).map(|(front, _): (&str, &str)| front);
        let candidates = [Some(trimmed), shorter('.'), shorter(':')];
        let (text, address) = candidates
            .into_iter()
            .flatten()
            .find_map(|text| Some((text, text.parse::<Ipv6Addr>().ok()?)))?;
        let plain = text.len() == run.len();
        let new = match prefix(tail).filter(|length| plain && *length <= 128) {
            Some(length) if host_bits(address.to_bits(), 128 - length) == 0 => {
                Ipv6Addr::from_bits(clear(self.v6(address).to_bits(), 128 - length))
            }
            _ => self.v6(address),
        };
        Some((text.len(), new.to_string()))
    }

    /// Six pairs of digits, or several addresses of six one after the other (the firewall's log).
    fn mac_run(&mut self, run: &str) -> Found {
        let groups: Vec<&str> = run.trim_end_matches(':').split(':').collect();
        if groups.len() < 6 || groups.iter().any(|group| group.len() != 2) {
            return None;
        }
        let mut new = Vec::new();
        for six in groups.chunks(6) {
            new.push(match pairs(six) {
                Some(address) => of_mac(self.mac(address)),
                None => six.join(":"),
            });
        }
        Some((groups.len() * 3 - 1, new.join(":")))
    }

    fn dashed_mac(&mut self, rest: &[u8]) -> Found {
        let text = words(rest, 0, 17)?;
        let groups: Vec<&str> = text.split('-').collect();
        if groups.len() != 6 || rest.get(17).is_some_and(|b| place::is_word_byte(*b)) {
            return None;
        }
        let new = of_mac(self.mac(pairs(&groups)?)).replace(':', "-");
        Some((17, new))
    }

    /// `C0A80001:0050`, as `/proc` writes ends of connections.
    fn hex_run(&mut self, run: &str) -> Found {
        let (address, port) = run.split_once(':')?;
        if address.len() != 8 || port.len() != 4 {
            return None;
        }
        let address = u32::from_str_radix(address, 16).ok()?;
        let new = self.v4(Ipv4Addr::from_bits(address)).to_bits();
        Some((8, format!("{new:08X}")))
    }
}

/// Where the value of a field stands whose name, the word `word`, is one of `names`:
/// `name=value`, `name="value"`, `name = "value"`, `"name": "value"`.
fn field(line: &[u8], word: Words, names: &[&str]) -> Option<Words> {
    let name = words(line, word.0, word.1)?.to_ascii_lowercase();
    if !names.contains(&&*name) {
        return None;
    }
    place::value(line, word)
}

/// `kernel.hostname = web-1`.
fn setting_of_host(line: &[u8], word: Words) -> Option<Words> {
    let name = words(line, word.0, word.1)?;
    let of_kernel = line.get(..word.0)?.ends_with(b"kernel.");
    if !of_kernel || !matches!(name, "hostname" | "domainname") {
        return None;
    }
    let equals = line.get(word.1..)?.iter().position(|b| *b == b'=')?;
    place::next(line, word.1 + equals + 1)
}

fn words(bytes: &[u8], from: usize, to: usize) -> Option<&str> {
    str::from_utf8(bytes.get(from..to)?).ok()
}

/// How many bytes at the beginning are of a kind.
fn length(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| is(**byte)).count()
}

/// The length of a network's prefix behind its address.
fn prefix(tail: &[u8]) -> Option<u32> {
    let digits = tail.strip_prefix(b"/")?;
    let long = length(digits, |b| b.is_ascii_digit());
    words(digits, 0, long)?.parse().ok()
}

fn host_bits(bits: u128, count: u32) -> u128 {
    bits & 1u128.checked_shl(count).map_or(u128::MAX, |bit| bit - 1)
}

fn clear(bits: u128, count: u32) -> u128 {
    bits & !1u128.checked_shl(count).map_or(u128::MAX, |bit| bit - 1)
}

fn pairs(groups: &[&str]) -> Option<[u8; 6]> {
    let mut address = [0; 6];
    if groups.len() != 6 {
        return None;
    }
    for (place, group) in address.iter_mut().zip(groups) {
        let is_pair = group.len() == 2 && group.bytes().all(|b| b.is_ascii_hexdigit());
        *place = u8::from_str_radix(group, 16).ok().filter(|_| is_pair)?;
    }
    Some(address)
}
