//! Which rules have to do with the state of connections, and their words without what somebody
//! wrote for people.
//!
//! Refused: what such a rule does to a packet; [`super::ask`] answers that.

use super::{Act, On, Rule, Rules};

/// A rule that asks for state, decides about tracking, or translates; or a chain that drops what
/// no rule stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stateful {
    /// Table and chain.
    pub chain: String,
    /// Its words, without counters, comments and prefixes of logs.
    pub text: String,
    /// Whether it translates addresses or ports.
    pub translates: bool,
    /// Whether it makes the kernel track connections where it is loaded.
    pub tracks: bool,
}

/// Words of a rule that make the kernel track, where what is understood of it does not show so.
const TRACKING: [&str; 8] = [
    "conntrack",
    "--ctstate",
    "--ctstatus",
    "connmark",
    "connlimit",
    "connbytes",
    "helper",
    "state",
];
/// Words that translate.
const TRANSLATING: [&str; 9] =
    ["masquerade", "snat", "dnat", "redirect", "MASQUERADE", "SNAT", "DNAT", "REDIRECT", "NETMAP"];
/// Words that decide whether connections are tracked, and for how long.
const DECIDING: [&str; 5] = ["notrack", "NOTRACK", "CT", "FLOWOFFLOAD", "--syn"];
/// Words whose next word somebody wrote for people.
const REMARKS: [&str; 5] = ["comment", "--comment", "prefix", "--log-prefix", "--nflog-prefix"];

/// Those rules of a listing, in its order.
pub fn stateful(listing: &str) -> Vec<Stateful> {
    let rules = Rules::read(listing);
    let lines: Vec<&str> = listing.lines().collect();
    let mut found = Vec::new();
    for chain in &rules.chains {
        let name = format!("{} {}", chain.table, chain.name);
        if chain.base.is_some_and(|base| !base.accepts) {
            let text = "policy drop".to_owned();
            found.push(Stateful { chain: name.clone(), text, translates: false, tracks: false });
        }
        let mut last = 0;
        for rule in &chain.rules {
            let line = usize::try_from(rule.line).unwrap_or(0);
            // A map of verdicts is several rules of one line.
            let repeated = std::mem::replace(&mut last, line) == line;
            let raw = line.checked_sub(1).and_then(|at| lines.get(at)).filter(|_| !repeated);
            let Some(words) = raw.map(|raw| plain(raw)) else { continue };
            found.extend(about(rule, &words).map(|(translates, tracks)| Stateful {
                chain: name.clone(),
                text: words.join(" "),
                translates,
                tracks,
            }));
        }
    }
    found
}

/// Whether it translates and whether it makes the kernel track; none for a rule that has nothing
/// to do with state.
fn about(rule: &Rule, words: &[&str]) -> Option<(bool, bool)> {
    let has = |any: &[&str]| words.iter().any(|word| any.contains(word));
    let pair = |first: &str, second: &[&str]| {
        words
            .windows(2)
            .any(|w| w.first() == Some(&first) && w.get(1).is_some_and(|s| second.contains(s)))
    };
    let translates = matches!(rule.act, Act::Translate(_)) || has(&TRANSLATING);
    let state = rule.matches.iter().any(|m| matches!(m.on, On::State(_)));
    let flags = rule.matches.iter().any(|m| matches!(m.on, On::Flags { .. }));
    let asks = ["state", "status", "timeout", "helper", "zone", "expiration", "count", "direction"];
    let module = pair("-m", &TRACKING) || has(&["--ctstate", "--state"]);
    let tracks = translates || state || module || words.contains(&"ct");
    let decides = matches!(rule.act, Act::NoTrack)
        || has(&DECIDING)
        || pair("flow", &["add", "offload"])
        || pair("ct", &asks);
    (translates || state || flags || module || decides).then_some((translates, tracks))
}

/// The words of a line, quotes kept, without what counts, names the chain, or is for people.
fn plain(line: &str) -> Vec<&str> {
    let mut words = quoted(line).into_iter().peekable();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "#" => break,
            "-A" | "-m" if word == "-A" || words.peek() == Some(&"comment") => drop(words.next()),
            "counter" => {
                for name in ["packets", "bytes"] {
                    if words.next_if_eq(&name).is_some() {
                        words.next();
                    }
                }
            }
            word if REMARKS.contains(&word) => drop(words.next()),
            // `iptables-save -c`.
            word if kept.is_empty() && word.starts_with('[') && word.ends_with(']') => {}
            word => kept.push(word),
        }
    }
    kept
}

/// Words by spaces; a quoted one is whole, with its quotes.
fn quoted(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let mut inside = false;
        let mut escaped = false;
        let end = rest.find(|c: char| {
            inside ^= c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            !inside && c.is_whitespace()
        });
        let (word, after) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, ""));
        words.push(word);
        rest = after.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(listing: &str) -> Vec<(String, String)> {
        stateful(listing).into_iter().map(|s| (s.chain, s.text)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn rules_of_nft_that_have_to_do_with_state() {
        let listing = "table inet f {\n\tchain fwd {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\t\
            ct state invalid counter packets 3 bytes 9 drop comment \"the \\\"secret\\\" office\"\n\t\t\
            ct state vmap { established : accept, related : accept }\n\t\tip saddr 192.0.2.1 accept\n\t\t\
            tcp flags & (fin | syn) == syn log prefix \"jo: \" accept\n\t\tflow add @ft\n\t\t\
            ct timeout set \"long\"\n\t\tct mark set 1\n\t}\n}\ntable ip nat {\n\tchain post {\n\t\t\
            type nat hook postrouting priority srcnat; policy accept;\n\t\toifname \"wan0\" masquerade\n\t}\n}\n";
        assert_eq!(
            told(listing),
            pairs(&[
                ("f fwd", "policy drop"),
                ("f fwd", "ct state invalid drop"),
                ("f fwd", "ct state vmap { established : accept, related : accept }"),
                ("f fwd", "tcp flags & (fin | syn) == syn log accept"),
                ("f fwd", "flow add @ft"),
                ("f fwd", "ct timeout set \"long\""),
                ("nat post", "oifname \"wan0\" masquerade"),
            ])
        );
        let translates: Vec<bool> = stateful(listing).iter().map(|s| s.translates).collect();
        assert_eq!(translates.iter().filter(|t| **t).count(), 1);
    }

    #[test]
    fn rules_of_iptables_that_have_to_do_with_state() {
        let listing = "# Generated by iptables-save v1.8.9\n*filter\n:FORWARD DROP [1:2]\n\
            [5:6] -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment \"jo's rule\" -j ACCEPT\n\
            -A FORWARD -p tcp ! --syn -j DROP\n-A FORWARD -s 192.0.2.1/32 -j ACCEPT\nCOMMIT\n*raw\n\
            :PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -j CT --notrack\nCOMMIT\n*nat\n\
            :POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o wan0 -j SNAT --to-source 192.0.2.9\nCOMMIT\n";
        assert_eq!(
            told(listing),
            pairs(&[
                ("filter FORWARD", "policy drop"),
                ("filter FORWARD", "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
                ("filter FORWARD", "-p tcp ! --syn -j DROP"),
                ("raw PREROUTING", "-p udp -j CT --notrack"),
                ("nat POSTROUTING", "-o wan0 -j SNAT --to-source 192.0.2.9"),
            ])
        );
    }
}
