//! Checks what a script's line expects.

use super::super::entry::{Half, Proto, half_flag};
use super::super::{Dir, Entry, Judged, State, Verdict};
use super::Play;

pub(super) fn check(play: &Play, line: &str, judged: &Judged, expected: &str) {
    let (words, log) = match expected.split_once("log ") {
        Some((words, log)) => (words, Some(log.trim())),
        None => (expected, None),
    };
    let entry = play.table.find(&play.tuple).map(|(entry, _)| entry);
    for word in words.split_whitespace() {
        one(play, line, judged, entry, word);
    }
    if let Some(text) = log {
        let logged = judged.reason.and_then(|r| r.log(play.table.rules())).unwrap_or_default();
        assert!(logged.contains(text), "{line}\n  logged {logged:?}");
    }
}

fn one(play: &Play, line: &str, judged: &Judged, entry: Option<&Entry>, word: &str) {
    let state = State::ALL.into_iter().find(|s| s.name() == word);
    let ok = match word {
        "accept" => judged.verdict == Verdict::Accept,
        "ignored" => judged.verdict == Verdict::Ignore,
        "INVALID" => judged.verdict == Verdict::Invalid,
        "new" | "established" => format!("{:?}", judged.ct_state).to_lowercase() == word,
        "created" => judged.created,
        "kept" => !judged.refreshed,
        "gone" => judged.killed && entry.is_none(),
        "none" => entry.is_none(),
        "ASSURED" => entry.is_some_and(|e| e.status.assured),
        "unassured" => entry.is_some_and(|e| !e.status.assured),
        "UNREPLIED" => entry.is_some_and(|e| !e.status.seen_reply),
        "REPLIED" => entry.is_some_and(|e| e.status.seen_reply),
        _ if state.is_some() => entry.and_then(Entry::tcp_state) == state,
        _ if word.starts_with("fl(") => flags(entry) == word,
        _ if word.starts_with("o(") => half(play, entry, Dir::Original) == word,
        _ if word.starts_with("r(") => half(play, entry, Dir::Reply) == word,
        _ => {
            let seconds: u32 = word.parse().unwrap_or_else(|_| panic!("what is {word}?"));
            entry.is_some_and(|e| e.remaining_s(play.at) == seconds)
        }
    };
    assert!(ok, "{line}\n  expected {word}\n  judged {judged:?}\n  entry {entry:#?}");
}

fn flags(entry: Option<&Entry>) -> String {
    match entry.map(|e| e.proto) {
        Some(Proto::Tcp(tcp)) => format!("fl({:x},{:x})", tcp.original.flags, tcp.reply.flags),
        _ => String::new(),
    }
}

fn half(play: &Play, entry: Option<&Entry>, dir: Dir) -> String {
    let Some(Proto::Tcp(tcp)) = entry.map(|e| e.proto) else { return String::new() };
    let (letter, own, peer) = match dir {
        Dir::Original => ('o', play.isn.0, play.isn.1),
        Dir::Reply => ('r', play.isn.1, play.isn.0),
    };
    let h: &Half = tcp.half(dir);
    let maxack = match h.flags & half_flag::MAXACK_SET {
        0 => "-".to_owned(),
        _ => h.maxack.wrapping_sub(peer).to_string(),
    };
    let (end, maxend) = (h.end.wrapping_sub(own), h.maxend.wrapping_sub(own));
    format!("{letter}({end},{maxend},{},{maxack})", h.maxwin)
}
