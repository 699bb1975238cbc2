//! `conntrack -L`, `conntrack -L -o extended` and `/proc/net/nf_conntrack`: one entry a line.
//!
//! The number before the state is what *remains* until the entry expires, in whole seconds
//! (`ct_seq_show` prints `nf_ct_expires(ct) / HZ`; net/netfilter/nf_conntrack_standalone.c, 6.18).
//! It is not an age, and a large number means a fresh refresh.

use std::net::IpAddr;

/// One direction of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source port; 0 where the protocol has none.
    pub sport: u16,
    /// Destination port; 0 where the protocol has none.
    pub dport: u16,
}

/// One entry of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Line number, from 1.
    pub line: u64,
    /// Protocol name as printed: `tcp`, `udp`, `icmp` …
    pub protocol: String,
    /// Seconds until it expires; absent while offloaded (conntrack prints none).
    pub remaining_s: Option<u64>,
    /// TCP state as printed.
    pub tcp_state: Option<String>,
    /// As the opener's packets came in.
    pub original: Tuple,
    /// As answers come in: differs from the mirrored original where addresses are translated.
    pub reply: Option<Tuple>,
    /// Traffic went both ways and the entry is kept under pressure.
    pub assured: bool,
    /// No answer was seen yet.
    pub unreplied: bool,
    /// Handed to a flowtable: the timer is not refreshed by packets.
    pub offloaded: bool,
}

impl Entry {
    /// Whether the source address or port is translated: answers go to another address than the
    /// opener's.
    pub fn source_translated(&self) -> bool {
        self.reply.is_some_and(|r| (r.dst, r.dport) != (self.original.src, self.original.sport))
    }

    /// Whether the destination is translated.
    pub fn destination_translated(&self) -> bool {
        self.reply.is_some_and(|r| (r.src, r.sport) != (self.original.dst, self.original.dport))
    }
}

/// Reads one line; `None` when it is no entry.
pub fn line(number: u64, text: &str) -> Option<Entry> {
    let mut words = text.split_whitespace().peekable();
    // /proc and -o extended print the layer 3 protocol and its number first.
    if matches!(words.peek(), Some(&"ipv4" | &"ipv6")) {
        words.next();
        words.next();
    }
    let protocol = words.next()?;
    let _protocol_number: u8 = words.next()?.parse().ok()?;
    let mut parts = Parts::default();
    for word in words {
        parts.take(word)?;
    }
    Some(Entry {
        line: number,
        protocol: protocol.to_owned(),
        remaining_s: parts.remaining_s,
        tcp_state: parts.state,
        original: parts.original.tuple()?,
        reply: parts.reply.tuple(),
        assured: parts.assured,
        unreplied: parts.unreplied,
        offloaded: parts.offloaded,
    })
}

/// All entries of a text, and how many of its lines were neither entries, comments nor blank.
pub fn read(text: &str) -> (Vec<Entry>, u64) {
    let mut skipped = 0;
    let mut entries = Vec::new();
    for (number, raw) in (1..).zip(text.lines()) {
        match line(number, raw) {
            Some(entry) => entries.push(entry),
            None if raw.trim().is_empty() || raw.starts_with('#') => {}
            // What the tool says of itself on standard error, often kept with the dump.
            None if raw.starts_with("conntrack v") => {}
            None => skipped += 1,
        }
    }
    (entries, skipped)
}

#[derive(Default)]
struct Parts {
    remaining_s: Option<u64>,
    state: Option<String>,
    original: Ends,
    reply: Ends,
    assured: bool,
    unreplied: bool,
    offloaded: bool,
}

#[derive(Default)]
struct Ends {
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    sport: Option<u16>,
    dport: Option<u16>,
}

impl Ends {
    fn tuple(&self) -> Option<Tuple> {
        Some(Tuple {
            src: self.src?,
            dst: self.dst?,
            sport: self.sport.unwrap_or(0),
            dport: self.dport.unwrap_or(0),
        })
    }
}

impl Parts {
    /// Takes one word; `None` when it makes the line no entry (an address that is none).
    fn take(&mut self, word: &str) -> Option<()> {
        match word {
            "[ASSURED]" => self.assured = true,
            "[UNREPLIED]" => self.unreplied = true,
            "[OFFLOAD]" | "[HW_OFFLOAD]" => self.offloaded = true,
            _ => match word.split_once('=') {
                Some((key, value)) => self.field(key, value)?,
                None if self.original.src.is_some() => {}
                None if word.bytes().all(|b| b.is_ascii_digit()) => {
                    self.remaining_s = word.parse().ok();
                }
                None if word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b == b'2') => {
                    self.state = Some(word.to_owned());
                }
                None => return None,
            },
        }
        Some(())
    }

    /// The first of each name belongs to the original direction, the second to the reply.
    fn field(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "src" => *first_unset(&mut self.original.src, &mut self.reply.src) = value.parse().ok(),
            "dst" => *first_unset(&mut self.original.dst, &mut self.reply.dst) = value.parse().ok(),
            "sport" => {
                *first_unset(&mut self.original.sport, &mut self.reply.sport) = value.parse().ok();
            }
            "dport" => {
                *first_unset(&mut self.original.dport, &mut self.reply.dport) = value.parse().ok();
            }
            _ => return Some(()),
        }
        (key.len() > 3 || value.parse::<IpAddr>().is_ok()).then_some(())
    }
}

fn first_unset<'a, T>(first: &'a mut Option<T>, second: &'a mut Option<T>) -> &'a mut Option<T> {
    if first.is_none() { first } else { second }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: &str = "tcp      6 43199 ESTABLISHED src=10.0.0.12 dst=10.42.11.8 sport=49314 dport=443 \
        src=10.42.11.8 dst=192.0.2.1 sport=443 dport=49314 [ASSURED] mark=0 use=1";

    #[test]
    fn the_number_is_what_remains_and_the_reply_shows_the_translation() {
        let entry = line(1, STORY).unwrap();
        assert_eq!(entry.remaining_s, Some(43_199));
        assert_eq!(entry.tcp_state.as_deref(), Some("ESTABLISHED"));
        assert!(entry.assured && entry.source_translated() && !entry.destination_translated());
        assert_eq!(entry.original.sport, 49_314);
    }

    #[test]
    fn proc_and_extended_lines_name_the_layer_3_protocol_first() {
        let entry = line(7, &format!("ipv4     2 {STORY}")).unwrap();
        assert_eq!((entry.line, entry.remaining_s), (7, Some(43_199)));
    }

    #[test]
    fn an_offloaded_entry_has_no_timer() {
        let text = "tcp 6 src=192.0.2.1 dst=192.0.2.2 sport=1 dport=2 src=192.0.2.2 dst=192.0.2.1 \
            sport=2 dport=1 [OFFLOAD] mark=0 use=2";
        let entry = line(1, text).unwrap();
        assert_eq!((entry.remaining_s, entry.offloaded), (None, true));
    }

    #[test]
    fn udp_icmp_and_the_tools_own_closing_line() {
        let text = "udp 17 29 src=192.0.2.1 dst=192.0.2.53 sport=9 dport=53 [UNREPLIED] src=192.0.2.53 \
            dst=192.0.2.1 sport=53 dport=9 mark=0 use=1\n\
            icmp 1 3 src=192.0.2.1 dst=192.0.2.2 type=8 code=0 id=1 src=192.0.2.2 dst=192.0.2.1 type=0 code=0 id=1\n\
            conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.\nnonsense\n";
        let (entries, skipped) = read(text);
        assert_eq!(entries.len(), 2);
        assert!(entries.first().is_some_and(|e| e.unreplied));
        assert_eq!(skipped, 1);
    }

    #[test]
    fn broken_lines_are_no_entries() {
        for text in ["", "tcp", "tcp 6", "tcp 6 12 ESTABLISHED src=x dst=y", "tcp six 12"] {
            assert_eq!(line(1, text), None, "{text:?}");
        }
    }
}
