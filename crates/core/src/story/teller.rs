//! Telling: what is said becomes segments with numbers, in the order of time.

use super::frame::{self, Segment};
use super::{EndPoint, Said, Speaker, Story, Told};
use crate::time::{Gap, Moment};

/// A story longer than this is a mistake in its `every_s`.
const PACKETS_MAX: usize = 1_000_000;

/// One sending, before numbers are given.
struct Sending {
    at_s: f64,
    from: Speaker,
    words: Words,
}

#[derive(Clone, Copy, Default)]
struct Words {
    flags: u8,
    len: u32,
    bare: bool,
    again: bool,
}

/// What one end has said and heard so far.
struct End<'a> {
    point: &'a EndPoint,
    next: u32,
    heard: u32,
    last_len: u32,
    ip_id: u16,
}

pub(super) fn tell(story: &Story, start: Moment) -> Result<Vec<Told>, String> {
    let mut sendings = Vec::new();
    let mut dice = Dice(story.seed);
    for said in &story.said {
        repeat(said, &mut dice, &mut sendings)?;
    }
    sendings.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    let end = |point| End { point, next: 0, heard: 0, last_len: 0, ip_id: 1 };
    let mut client = End { next: story.client.seq, heard: story.server.seq, ..end(&story.client) };
    let mut server = End { next: story.server.seq, heard: story.client.seq, ..end(&story.server) };
    let told = sendings.iter().map(|sending| {
        let at = start.plus(Gap::from_secs_f64(sending.at_s));
        let (me, peer) = match sending.from {
            Speaker::Client => (&mut client, &mut server),
            Speaker::Server => (&mut server, &mut client),
        };
        Told { at, frame: frame::ethernet(&send(sending, me, peer, at), me.point, peer.point) }
    });
    Ok(told.collect())
}

fn send(sending: &Sending, me: &mut End<'_>, peer: &mut End<'_>, at: Moment) -> Segment {
    let words = sending.words;
    if words.bare {
        // RFC 9293 §3.10.7.1: sequence number from the acknowledgement of the segment it answers,
        // no ACK.
        return Segment { seq: peer.heard, flags: frame::RST, ..Segment::default() };
    }
    let seq = if words.again { me.next.wrapping_sub(me.last_len) } else { me.next };
    let len = if words.again { me.last_len } else { words.len };
    let fills =
        len + u32::from(words.flags & frame::SYN != 0) + u32::from(words.flags & frame::FIN != 0);
    if !words.again {
        me.next = me.next.wrapping_add(fills);
    }
    if fills > 0 {
        me.last_len = fills;
    }
    // What is told was received: the other end's acknowledgements move on.
    peer.heard = me.next;
    me.ip_id = me.ip_id.wrapping_add(1);
    Segment {
        seq,
        ack: if words.flags & frame::ACK != 0 { me.heard } else { 0 },
        flags: words.flags,
        window: me.point.window,
        len,
        ip_id: me.ip_id,
        // Milliseconds, as Linux counts its timestamps (net/ipv4/tcp_output.c,
        // `tcp_skb_timestamp_ts`).
        timestamp: Some((at.ns() / 1_000_000) as u32),
    }
}

fn repeat(said: &Said, dice: &mut Dice, into: &mut Vec<Sending>) -> Result<(), String> {
    let words = words(&said.segment)?;
    let until = said.until_s.unwrap_or(said.at_s);
    let mut at = said.at_s;
    while at <= until {
        if into.len() >= PACKETS_MAX {
            return Err(format!("more than {PACKETS_MAX} packets"));
        }
        let moved = at + said.jitter_s * (2.0 * dice.next() - 1.0);
        into.push(Sending { at_s: moved, from: said.from, words });
        if let Some(after) = said.answered_after_s {
            let from = match said.from {
                Speaker::Client => Speaker::Server,
                Speaker::Server => Speaker::Client,
            };
            let words = Words { flags: frame::ACK, ..Words::default() };
            into.push(Sending { at_s: moved + after, from, words });
        }
        match said.every_s {
            Some(every) if every > 0.0 => at += every,
            _ => break,
        }
    }
    Ok(())
}

fn words(text: &str) -> Result<Words, String> {
    let mut words = Words::default();
    for word in text.split_whitespace() {
        match word {
            "FIN" => words.flags |= frame::FIN,
            "SYN" => words.flags |= frame::SYN,
            "RST" => words.flags |= frame::RST,
            "PSH" => words.flags |= frame::PSH,
            "ACK" => words.flags |= frame::ACK,
            "bare" => words.bare = true,
            "again" => words.again = true,
            _ => match word.strip_prefix("len=").and_then(|n| n.parse().ok()) {
                // One Ethernet frame holds no more.
                Some(len) if len <= 1400 => words.len = len,
                _ => return Err(format!("segment {text:?}: {word:?} is no word of a story")),
            },
        }
    }
    Ok(words)
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): the same story is told the same way everywhere.
struct Dice(u64);

impl Dice {
    /// Uniform in 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
