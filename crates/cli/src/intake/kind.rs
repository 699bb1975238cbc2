//! Recognition: what an input is, told by its first bytes.

use hopclock_core::dump::{conntrack, notes, sysctl};
use hopclock_core::log::{self, LogReader, Options};
use hopclock_core::time::Moment;

/// A file that begins with this line is for people, not for the inquest.
const NOT_EVIDENCE: &str = "<!-- hopclock: not evidence -->";

/// What an input is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// pcap or pcapng.
    Capture,
    /// A log.
    Log,
    /// `conntrack -L` or `/proc/net/nf_conntrack`.
    Conntrack,
    /// `sysctl` output or a file of settings.
    Sysctl,
    /// What somebody wrote down.
    Notes,
    /// `nft list ruleset`, `iptables-save`: which.
    Rules(&'static str),
    /// `ss`.
    Sockets,
    /// `nstat`, `conntrack -S`, `/proc/net/stat/nf_conntrack`: which.
    Counters(&'static str),
    /// `conntrack -E`.
    TableEvents,
    /// `ipvsadm`.
    Balancer,
    /// `ip addr; ip route`.
    Links,
    /// `evidence.toml`, already read with its folder.
    Manifest,
    /// For people: a page that says so, a truth file.
    NotEvidence,
    /// Of a kind the contract knows and this version does not argue from; its name.
    Unused(&'static str),
    /// No bytes at all.
    Empty,
    /// Bytes that are no text and no capture.
    Binary,
    /// Text in which nothing was understood.
    Text,
}

impl Kind {
    /// As the report prints it.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Capture => "capture",
            Kind::Log => "log",
            Kind::Conntrack => "conntrack",
            Kind::Sysctl => "sysctl",
            Kind::Notes => "notes",
            Kind::Sockets => "ss",
            Kind::TableEvents => "conntrack -E",
            Kind::Balancer => "ipvsadm",
            Kind::Links => "links and routes",
            Kind::Manifest => "evidence.toml",
            Kind::NotEvidence => "not evidence",
            Kind::Rules(name) | Kind::Counters(name) | Kind::Unused(name) => name,
            Kind::Empty => "empty",
            Kind::Binary => "unknown bytes",
            Kind::Text => "unknown text",
        }
    }
}

/// Recognises an input by its head. `modified` helps to date stamps without a year.
pub fn recognise(head: &[u8], modified: Option<Moment>) -> Kind {
    if head.is_empty() {
        return Kind::Empty;
    }
    if is_capture(head) {
        return Kind::Capture;
    }
    if super::archive::is_tar(head) {
        return Kind::Unused("tar archive within another input");
    }
    if looks_binary(head) {
        return Kind::Binary;
    }
    let text = String::from_utf8_lossy(head);
    if text.trim().is_empty() {
        return Kind::Empty;
    }
    if head.iter().all(|b| *b == 0) {
        return Kind::Text;
    }
    if text.trim_start().starts_with(NOT_EVIDENCE) || is_truth(&text) {
        return Kind::NotEvidence;
    }
    if text.contains("hopclock.evidence/1") && text.contains("schema") {
        return Kind::Manifest;
    }
    if is_empty_table(&text) {
        return Kind::Conntrack;
    }
    if let Some(kind) = dump(&text) {
        return kind;
    }
    of_lines(&text, modified)
}

/// Magic numbers of pcap (both byte orders, micro- and nanoseconds, and the modified kind) and
/// pcapng.
fn is_capture(head: &[u8]) -> bool {
    let Some(magic) = head.first_chunk::<4>() else { return false };
    let numbers = [0xa1b2_c3d4_u32, 0xa1b2_3c4d, 0xa1b2_cd34];
    *magic == [0x0a, 0x0d, 0x0d, 0x0a]
        || numbers.contains(&u32::from_be_bytes(*magic))
        || numbers.contains(&u32::from_le_bytes(*magic))
}

/// Text may hold broken UTF-8, and NULs where a block was lost or a file was cut while it was
/// written to; a tenth of other control bytes is no text.
fn looks_binary(head: &[u8]) -> bool {
    let written = head.iter().filter(|b| **b != 0);
    let (mut all, mut odd) = (0, 0);
    for byte in written {
        all += 1;
        let space = matches!(*byte, b'\n' | b'\r' | b'\t' | 0x1b);
        odd += usize::from(*byte < 0x20 && !space);
    }
    odd * 10 > all
}

/// A truth file of a case or a lab run: its keys, whatever its name.
fn is_truth(text: &str) -> bool {
    text.trim_start().starts_with('{')
        && ["\"cause\"", "\"family\"", "\"accept\"", "\"outcome\""].iter().all(|k| text.contains(k))
}

/// A table nothing is in: a stamped dump of `conntrack -L` that holds comments only. That an entry
/// is not there any more is worth knowing.
fn is_empty_table(text: &str) -> bool {
    let told = hopclock_core::dump::header::Header::find(text);
    let asked = told.and_then(|h| h.command).is_some_and(|c| c.starts_with("conntrack -L"));
    asked && text.lines().all(|line| line.trim().is_empty() || line.starts_with('#'))
}

/// Dumps told by how they begin.
fn dump(text: &str) -> Option<Kind> {
    let mut lines = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with("# hopclock"));
    let first = lines.next()?;
    let starts = |words: &[&str]| words.iter().any(|w| first.starts_with(w));
    const NFT: [&str; 6] =
        ["table ip ", "table inet ", "table ip6 ", "table netdev ", "table arp ", "table bridge "];
    const IPTABLES: [&str; 5] =
        ["*filter", "*nat", "*mangle", "*raw", "# Generated by iptables-save"];
    if starts(&NFT) {
        Some(Kind::Rules("nft rules"))
    } else if starts(&IPTABLES) {
        Some(Kind::Rules("iptables rules"))
    } else if (first.starts_with("State") && first.contains("Recv-Q"))
        || (first.starts_with("Netid") && first.contains("Recv-Q"))
        || (first.starts_with("ESTAB") && first.matches(':').count() >= 2)
    {
        Some(Kind::Sockets)
    } else if first.starts_with("1: ") && first.contains(": <") {
        Some(Kind::Links)
    } else if starts(&["Timeout (tcp tcpfin udp)", "IP Virtual Server"]) {
        Some(Kind::Balancer)
    } else if first.starts_with("#kernel") {
        Some(Kind::Counters("nstat"))
    } else if first.starts_with("cpu=") && first.contains("found=") {
        Some(Kind::Counters("conntrack -S"))
    } else if first.starts_with("entries ") && first.contains("insert_failed") {
        Some(Kind::Counters("/proc/net/stat/nf_conntrack"))
    } else if ["[NEW]", "[UPDATE]", "[DESTROY]"].iter().any(|w| first.contains(w))
        && first.contains("src=")
    {
        Some(Kind::TableEvents)
    } else {
        None
    }
}

/// Entries and settings are told by most of their lines; of the rest a log has stamps, a note has
/// statements.
fn of_lines(text: &str, modified: Option<Moment>) -> Kind {
    let lines: Vec<&str> =
        text.lines().filter(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#')).collect();
    let (entries, _) = conntrack::read(text);
    if entries.len() * 2 > lines.len() {
        return Kind::Conntrack;
    }
    let (settings, _) = sysctl::read(text);
    if settings.len() * 2 > lines.len() {
        return Kind::Sysctl;
    }
    // A log, as most inputs are, is read once only: here its stamps are enough.
    let stamped = log::stamped_lines(text.as_bytes());
    if stamped * 10 >= (lines.len() as u64) * 4 && stamped > 0 {
        return Kind::Log;
    }
    let mut reader = LogReader::new(Options { not_after: modified, ..Options::default() });
    reader.feed(text.as_bytes());
    let log = reader.finish();
    let told = notes::read(text);
    if !told.documented.is_empty() || (!told.incidents.is_empty() && log.events.len() <= 1) {
        return Kind::Notes;
    }
    match (log.stamped > 0, told == notes::Notes::default()) {
        (true, _) => Kind::Log,
        (false, false) => Kind::Notes,
        (false, true) => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        let entry = "tcp 6 431999 ESTABLISHED src=192.0.2.1 dst=192.0.2.2 sport=1 dport=2 src=192.0.2.2 \
                     dst=192.0.2.1 sport=2 dport=1 [ASSURED] use=1\n";
        let cases: [(&[u8], Kind); 9] = [
            (b"", Kind::Empty),
            (b" \n\n", Kind::Empty),
            (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", Kind::Capture),
            (b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00", Kind::Capture),
            (b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00", Kind::Binary),
            (entry.as_bytes(), Kind::Conntrack),
            (b"net.ipv4.tcp_keepalive_time = 7200\n", Kind::Sysctl),
            (b"balancer: idle timeout 350 s\n", Kind::Notes),
            (b"<!-- hopclock: not evidence -->\nbalancer: idle timeout 350 s\n", Kind::NotEvidence),
        ];
        for (head, expected) in cases {
            assert_eq!(recognise(head, None), expected, "{:?}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn kinds_known_and_not_used_are_named() {
        assert_eq!(recognise(b"table inet filter {\n}\n", None), Kind::Rules("nft rules"));
        let links = b"# hopclock host=a\n1: lo: <LOOPBACK,UP> mtu 65536\n    inet 127.0.0.1/8\n";
        assert_eq!(recognise(links, None), Kind::Links);
        assert_eq!(recognise(b"*filter\n:INPUT ACCEPT\n", None), Kind::Rules("iptables rules"));
    }
}
