//! The phrasebook's data, and lines it must or must not understand.

use super::*;

fn look(line: &str) -> Option<(Says, String)> {
    Looker::new().look(line.as_bytes()).0.map(|l| (l.act, l.words.join(" ")))
}

#[test]
fn the_data_is_whole() {
    let file: File = toml::from_str(DATA).unwrap();
    let kebab = |w: &String| w.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    for product in &file.product {
        assert!(!product.source.is_empty(), "{} has no source", product.name);
        for entry in &product.says {
            assert!(entry.words.iter().all(kebab), "{}", entry.text);
        }
    }
    assert!(book().phrases.len() > 300);
}

#[test]
fn every_phrase_is_found_in_its_own_text() {
    let file: File = toml::from_str(DATA).unwrap();
    for entry in file.product.iter().flat_map(|p| &p.says) {
        let line = entry.text.replace(" * ", " something ").replace('~', "");
        let (got, _) = Looker::new().look(line.as_bytes());
        let decided = entry.act != Says::Word || !entry.words.is_empty();
        assert!(got.is_some() || !decided, "{line}");
        for word in &entry.words {
            let said = got
                .as_ref()
                .is_some_and(|l| l.words.contains(&word.as_str()) || word == "timed-out");
            assert!(said, "{line}: {word} not among {got:?}");
        }
    }
}

#[test]
fn lines_of_known_software() {
    let rows = [
        ("INFO reconnecting upstream: unexpected EOF", Says::Ended, "reconnecting eof"),
        (
            "read tcp 10.0.0.4:40100->198.51.100.3:443: read: connection timed out",
            Says::Ended,
            "timed-out",
        ),
        (
            "dial tcp 198.51.100.3:443: connect: connection timed out",
            Says::Attempt,
            "connect-timeout",
        ),
        ("upload: write: connection reset by peer", Says::Ended, "reset"),
        ("Client user01 already connected, closing old connection.", Says::Ended, "takeover"),
        ("nf_conntrack: table full, dropping packet", Says::Incident, "table-full"),
        (
            "SIGUSR1[soft,auth-failure] received, process restarting",
            Says::Ended,
            "auth-failure closed",
        ),
        ("ws close 1001 Going away", Says::Ended, "going-away"),
        ("Reconnected to broker after connection reset by peer", Says::Reopened, "connected reset"),
        ("lost connection to pod", Says::Ended, "closed"),
        ("WebSocket from 10.0.0.1 for session closed", Says::Ended, "closed"),
        ("MQT: Connected", Says::Opened, "connected"),
        ("frame received", Says::Alive, ""),
        ("helper query start", Says::Request, "request-start"),
    ];
    for (line, act, words) in rows {
        assert_eq!(look(line), Some((act, words.to_string())), "{line}");
    }
}

#[test]
fn software_never_heard_of() {
    for (line, act) in [
        ("uplink session torn down", Says::Ended),
        ("gizmo tunnel to frankfurt went down", Says::Ended),
        ("subscription 77 expired", Says::Ended),
        ("opened channel 5 to hub", Says::Opened),
        ("camera stream started", Says::Opened),
        ("12 events received", Says::Alive),
    ] {
        assert_eq!(look(line).map(|l| l.0), Some(act), "{line}");
    }
}

#[test]
fn settings_and_negations_end_nothing() {
    for line in [
        "idle_timeout=300 keepalive_timeout=60",
        "connection will be closed in 30 s",
        "not connected yet",
        "typeof geofence",
        "NATGW ActiveConnectionCount=3000 ErrorPortAllocation=0",
        "nothing to see",
    ] {
        let act = look(line).map(|l| l.0);
        assert!(
            !matches!(act, Some(Says::Ended | Says::Opened | Says::Incident)),
            "{line}: {act:?}"
        );
    }
}

#[test]
fn the_automaton_holds_every_text() {
    // Were it too large, an empty one would stand in and nothing would be found.
    let mut hits = Vec::new();
    book().sieve.hits(b"connection reset by peer", 10, &mut hits);
    assert!(!hits.is_empty());
}

#[test]
fn words_that_most_lines_hold_let_no_line_through() {
    // A phrase whose longest piece is one of them would have nearly every line read in full.
    for word in ["a", "by", "for", "from", "has", "http", "in", "is", "of", "on", "the", "was"] {
        let line = format!("order 17 {word} 18");
        assert!(!Looker::new().may_speak(line.as_bytes(), 0, None), "{word}");
    }
}
