//! Which connection a line speaks of: every id, port, address and name it carries, each with the
//! kind of place it stands in. Refuses to choose between them: that takes the whole log
//! ([`pairing`](super::pairing)).

use super::json::{Value, fields};
use super::words::{SPACE, Sorts, Words, ends};

/// One identity.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Id {
    /// What kind of place it stands in: "session", "[C", "tuple", "peer", "pid" …
    pub kind: String,
    /// What stands there.
    pub value: String,
}

/// Identities kept of one line.
const MOST: usize = 10;

/// Words that are known, in lower case.
struct Vocabulary<const N: usize> {
    words: [&'static str; N],
    /// For each letter the lengths of the words that begin with it, a bit each: nearly all other
    /// words end there.
    lengths: [u32; 26],
}

impl<const N: usize> Vocabulary<N> {
    const fn new(words: [&'static str; N]) -> Self {
        let (mut lengths, mut at) = ([0; 26], 0);
        while at < N {
            let word = words[at].as_bytes();
            lengths[(word[0] - b'a') as usize] |= 1 << word.len();
            at += 1;
        }
        Self { words, lengths }
    }

    /// The one of these that a word is, in any case.
    fn known(&self, word: &[u8]) -> Option<&'static str> {
        let first = word.first()?.to_ascii_lowercase().wrapping_sub(b'a');
        let lengths = self.lengths.get(usize::from(first))?;
        if word.len() >= 32 || lengths >> word.len() & 1 == 0 {
            return None;
        }
        self.words.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(word)).copied()
    }
}

/// Nouns that a number, an id or a name follows.
static NOUNS: Vocabulary<34> = Vocabulary::new([
    "connection",
    "conn",
    "session",
    "client",
    "stream",
    "channel",
    "socket",
    "user",
    "node",
    "peer",
    "watch",
    "subscription",
    "tunnel",
    "worker",
    "request",
    "req",
    "fd",
    "device",
    "consumer",
    "producer",
    "id",
    "sid",
    "cid",
    "clientid",
    "connid",
    "sessionid",
    "sub",
    "slot",
    "thread",
    "call",
    "circuit",
    "port",
    "vpn",
    "as",
]);

/// Keys of structured logs that tell connections apart.
static KEYS: Vocabulary<30> = Vocabulary::new([
    "conn",
    "conn_id",
    "connid",
    "connection",
    "connection_id",
    "connectionid",
    "connid",
    "session",
    "session_id",
    "sessionid",
    "sid",
    "client",
    "client_id",
    "clientid",
    "stream",
    "stream_id",
    "streamid",
    "remote",
    "remote_addr",
    "remoteaddr",
    "peer",
    "peer_id",
    "src",
    "source",
    "ctx",
    "subscription",
    "worker",
    "device",
    "channel",
    "trace_id",
]);

/// What names of source files end in.
const SOURCES: [&str; 18] = [
    "c", "h", "cc", "cpp", "go", "rs", "py", "js", "ts", "java", "kt", "rb", "erl", "ex", "php",
    "cs", "scala", "lua",
];

/// All identities of a message; `line` is the whole line, and `text` the same as text.
pub(crate) fn identities(line: &[u8], text: &str, message: &str, key: Option<&str>) -> Vec<Id> {
    let mut ids = Vec::new();
    if let Some(key) = key {
        wanted(line, message, key, &mut ids);
    }
    structured(line, text, &mut ids);
    brackets(message, &mut ids);
    addresses(message, &mut ids);
    named(message, &mut ids);
    ids.truncate(MOST);
    ids
}

/// Adds an identity unless its kind is known already or its value is empty.
fn add(ids: &mut Vec<Id>, kind: &str, value: &str) {
    // Docker and containerd name the stream a line came by.
    if kind == "stream" && matches!(value, "stdout" | "stderr") {
        return;
    }
    let value = value.trim_matches(is_wrapping);
    if !value.is_empty() && value.len() <= 100 && !ids.iter().any(|i| i.kind == kind) {
        ids.push(Id { kind: kind.into(), value: value.into() });
    }
}

/// What stands around a value and is no part of it.
fn is_wrapping(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | ',' | ';' | ':' | '.' | '(' | ')' | '<' | '>' | '[' | ']')
}

/// The field the user named, as `name=value` or as a JSON key.
fn wanted(line: &[u8], message: &str, key: &str, ids: &mut Vec<Id>) {
    for field in fields(line) {
        if field.key.eq_ignore_ascii_case(key.as_bytes()) {
            let (Value::Text(text) | Value::Bare(text)) = field.value;
            add(ids, "key", &String::from_utf8_lossy(text));
        }
    }
    for (name, value) in pairs(message) {
        if name.eq_ignore_ascii_case(key) {
            add(ids, "key", value);
        }
    }
}

/// `name=value` pairs of a message.
fn pairs(message: &str) -> impl Iterator<Item = (&str, &str)> {
    message
        .split([' ', '\t', ',', ';', '(', ')', '[', ']', '{', '}'])
        .filter_map(|word| word.split_once('='))
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
}

/// What any of the places in [`brackets`] is marked by.
const fn is_mark(byte: u8) -> bool {
    matches!(byte, b'[' | b'<' | b'@' | b'#' | b'*')
}

/// Known keys of JSON and of `name=value`.
fn structured(line: &[u8], text: &str, ids: &mut Vec<Id>) {
    for field in fields(line).take(100) {
        if let Some(key) = KEYS.known(field.key) {
            let (Value::Text(text) | Value::Bare(text)) = field.value;
            add(ids, key, &String::from_utf8_lossy(text));
        }
    }
    if memchr::memchr(b'=', line).is_none() {
        return;
    }
    for (name, value) in pairs(text) {
        if let Some(key) = KEYS.known(name.as_bytes()) {
            add(ids, key, value);
        }
    }
}

/// `[C52]`, `<0.2375.628>`, `sshd[123]`, `@88a834f`, `#12`, nginx's `*5`.
fn brackets(message: &str, ids: &mut Vec<Id>) {
    if !message.bytes().any(is_mark) {
        return;
    }
    let words = Words::new(message, &SPACE).take(60);
    for word in words.filter(|word| word.bytes().any(is_mark)) {
        for part in word.split_inclusive(']') {
            let Some((head, tail)) = part.split_once('[') else { continue };
            let Some((inner, _)) = tail.split_once(']') else { continue };
            let plain = inner.len() <= 24 && !inner.contains([':', '/', '.']);
            if !plain || !inner.bytes().any(|b| b.is_ascii_digit()) {
                continue;
            }
            let digits = inner.bytes().all(|b| b.is_ascii_digit());
            if digits && !head.is_empty() {
                // stunnel's `LOG5[0]` and `LOG6[0]` differ in their level only.
                let head = head.trim_end_matches(|c: char| c.is_ascii_digit());
                add(ids, "pid", &format!("{head} {inner}"));
            } else {
                let letters: String =
                    inner.chars().take_while(|c| c.is_ascii_alphabetic()).collect();
                add(ids, &format!("[{letters}"), inner);
            }
        }
        if word.starts_with('<') && word.contains('.') {
            add(ids, "<pid>", word.trim_matches(is_wrapping));
        }
        if let Some((_, object)) = word.split_once('@')
            && object.len() >= 5
            && object.bytes().all(|b| b.is_ascii_hexdigit())
        {
            add(ids, "object", object);
        }
        for (mark, kind) in [('#', "#"), ('*', "*")] {
            let number = word.strip_prefix(mark).unwrap_or_default();
            if number.trim_end_matches(':').parse::<u64>().is_ok() {
                add(ids, kind, number);
            }
        }
    }
    label(message, ids);
}

/// A bracketed label in front of the message that holds no digits: `[cdn path]`.
fn label(message: &str, ids: &mut Vec<Id>) {
    let levels = ["info", "warn", "warning", "error", "debug", "notice", "trace", "fatal", "err"];
    let mut rest = message;
    while let Some((before, tail)) = rest.split_once('[') {
        let Some((inner, after)) = tail.split_once(']') else { return };
        let plain = !inner.is_empty() && inner.len() <= 40 && !inner.contains(['=', '"', '[']);
        let level = levels.iter().any(|l| inner.eq_ignore_ascii_case(l));
        if plain && !level && before.len() <= 40 && !inner.bytes().any(|b| b.is_ascii_digit()) {
            add(ids, "label", inner);
            return;
        }
        rest = after;
    }
}

/// What stands around an address.
static AROUND: Sorts = ends(b"()[]\"',;=|<>\\");

/// Ports and addresses: the pair of ends, one client's end, and the server's.
fn addresses(message: &str, ids: &mut Vec<Id>) {
    if !message.contains(':') {
        return;
    }
    let mut ends: Vec<&str> = Vec::new();
    let mut words = Words::new(message, &AROUND);
    while let Some(token) = words.next() {
        // An arrow's head has cut the word, its shaft is left.
        let arrow = message.as_bytes().get(words.at()) == Some(&b'>');
        let token = token.strip_suffix('-').filter(|_| arrow).unwrap_or(token);
        if memchr::memchr(b':', token.as_bytes()).is_none() {
            continue;
        }
        let token = token.trim_end_matches([':', '.']);
        let token = token.rsplit("//").next().unwrap_or(token);
        let token = token.split('/').next().unwrap_or(token);
        if is_end(token) {
            ends.push(token);
        }
    }
    if let [first, second, ..] = ends.as_slice() {
        add(ids, "tuple", &format!("{first} -> {second}"));
    }
    // A service's port is low or well known; the other one is drawn afresh by each connection.
    let port = |e: &str| e.rsplit(':').next().and_then(|p| p.parse::<u32>().ok()).unwrap_or(0);
    if let Some(client) = ends.iter().find(|e| port(e) >= 32_768) {
        add(ids, "address", client);
    }
    if let Some(server) = ends.iter().rev().find(|e| port(e) < 32_768) {
        add(ids, "peer", server);
    }
}

/// Whether a token is `host:port`.
fn is_end(token: &str) -> bool {
    let Some((host, port)) = token.rsplit_once(':') else { return false };
    let named = host.contains('.') || host.contains(':') || host == "localhost";
    let digits = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    // So do places in sources (`reactor.cc:450`).
    let source = host.rsplit('.').next().is_some_and(|e| SOURCES.contains(&e));
    let v6 = host.bytes().all(|b| b.is_ascii_hexdigit() || b":.[]%".contains(&b));
    if source || host.contains(':') && !v6 {
        return false;
    }
    // A time of day also ends in a colon and digits.
    let letters = host.bytes().any(|b| b.is_ascii_alphabetic() || b == b'.');
    let clean = host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-_%".contains(&b));
    named && digits && letters && clean && host.len() >= 3
}

/// What ends a noun and what follows it.
static BESIDE: Sorts = ends(b"=:#(\"'");

/// A noun and what follows it: `session 0`, `client user01`, `connection <0.1.2>`, `fd=7`.
fn named(message: &str, ids: &mut Vec<Id>) {
    let mut words = Words::new(message, &BESIDE);
    while let Some(noun) = words.next() {
        let Some(noun) = NOUNS.known(noun.as_bytes()) else { continue };
        let mut ahead = words.clone();
        let Some(value) = ahead.next() else { continue };
        // An address that goes on with its port is `addresses`' business.
        let address = value.contains('.') && message.contains(&format!("{value}:"));
        let long = value.len() > 40 || is_end(value.trim_end_matches(':')) || value.contains('/');
        let next = ahead.next().unwrap_or("");
        if !long
            && !address
            && (is_name(value)
                || has_name(noun) && is_verb(next) && !is_verb(value) && !is_noun(value))
        {
            let kind = if noun == "as" { "client" } else { noun };
            add(ids, kind, value);
        }
    }
}

/// Whether a word is no ordinary one: it holds a digit, or is joined of parts.
fn is_name(word: &str) -> bool {
    let inner = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let joined = inner.contains(['-', '_']) && inner.len() <= 24;
    word.bytes().any(|b| b.is_ascii_digit()) || joined
}

/// One of [`NOUNS`], which is nobody's name.
fn is_noun(word: &str) -> bool {
    NOUNS.known(word.as_bytes()).is_some()
}

/// Nouns that go by names.
fn has_name(noun: &str) -> bool {
    matches!(noun, "client" | "device" | "user" | "node" | "peer" | "as" | "consumer" | "worker")
}

/// Verbs that follow the name of whom they are about.
fn is_verb(word: &str) -> bool {
    const VERBS: [&str; 16] = [
        "closed",
        "disconnected",
        "connected",
        "has",
        "already",
        "timed",
        "lost",
        "went",
        "left",
        "joined",
        "is",
        "exceeded",
        "dropped",
        "reconnected",
        "closing",
        "ws",
    ];
    VERBS.iter().any(|v| v.eq_ignore_ascii_case(word.trim_end_matches([',', '.', ':'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(message: &str) -> String {
        let ids = identities(message.as_bytes(), message, message, None);
        ids.iter().map(|i| format!("{}={}", i.kind, i.value)).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn what_lines_carry() {
        let rows = [
            ("client 31 ws close 1001", "client=31"),
            ("session 0 ETIMEDOUT", "session=0"),
            ("envoy connection [C52] remote close", "[C=C52 | connection=C52"),
            (
                "closing AMQP connection <0.2375.628> (127.0.0.1:54720 -> 127.0.0.1:5672):",
                "<pid>=0.2375.628 | tuple=127.0.0.1:54720 -> 127.0.0.1:5672 | address=127.0.0.1:54720 | peer=127.0.0.1:5672 | connection=0.2375.628",
            ),
            ("disconnected from 192.0.2.1:22 after 5s", "peer=192.0.2.1:22"),
            (
                "read tcp 10.0.0.4:40100->198.51.100.3:443: read",
                "tuple=10.0.0.4:40100 -> 198.51.100.3:443 | address=10.0.0.4:40100 | peer=198.51.100.3:443",
            ),
            ("[cdn path] ws close", "label=cdn path"),
            ("Client user01 already connected, closing old connection.", "client=user01"),
            ("New client connected from 127.0.0.1 as user01 (c1, k60, uuser).", "client=user01"),
            ("sshd[812]: Connection closed by 192.0.2.7 port 40112", "pid=sshd 812 | port=40112"),
            ("Client dev-b closed its connection.", "client=dev-b"),
            ("device kitchen went offline", "device=kitchen"),
            ("client closed connection", ""),
            ("*5 upstream timed out", "*=5"),
            ("ConnectionImpl@88a834f", "object=88a834f"),
            ("level=info conn_id=7 msg=closed", "conn_id=7"),
        ];
        for (line, want) in rows {
            assert_eq!(all(line), want, "{line}");
        }
    }
}
