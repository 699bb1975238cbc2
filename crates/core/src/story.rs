//! A told story becomes packets on a virtual clock: for examples, tests and the state diagrams they
//! are.
//!
//! A story says who sends what when; sequence numbers, acknowledgements, addresses and checksums
//! follow. It is no TCP: nothing is retransmitted or answered unless the story says so. Captures
//! made from it say in their section comment that they are made, not recorded.

pub mod frame;
mod teller;

use crate::capture::{LinkType, Writer};
use crate::dump::header;
use crate::time::Moment;
use serde::Deserialize;
use std::net::SocketAddr;

/// LINKTYPE_ETHERNET.
const ETHERNET: u16 = 1;

/// What made captures carry as their program's name.
pub const MADE_BY: &str = "hopclock story";

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaker {
    /// The end that opened.
    Client,
    /// The end that accepted.
    Server,
}

/// One end of the told connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndPoint {
    /// Address and port.
    pub addr: SocketAddr,
    /// TTL its packets arrive with.
    pub ttl: u8,
    /// Its next sequence number when the story begins.
    pub seq: u32,
    /// Its window field, unscaled.
    pub window: u16,
}

/// One thing said, perhaps many times.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Seconds after the story's start.
    pub at_s: f64,
    /// Who sends it.
    pub from: Speaker,
    /// What: words `SYN`, `ACK`, `PSH`, `FIN`, `RST`, `len=N`, `again` (the last payload once more)
    /// and
    /// `bare` (a reset as a stack without the socket sends it, RFC 9293 §3.10.7.1).
    pub segment: String,
    /// Said again every so many seconds …
    pub every_s: Option<f64>,
    /// … until this second.
    pub until_s: Option<f64>,
    /// Each time moved by up to this many seconds either way, by the story's own dice.
    #[serde(default)]
    pub jitter_s: f64,
    /// The other end acknowledges it so many seconds later.
    pub answered_after_s: Option<f64>,
}

/// A connection, told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// What happens, in a sentence; becomes the capture's comment.
    pub story: String,
    /// When it begins, RFC 3339.
    pub start: String,
    /// The dice's seed.
    #[serde(default)]
    pub seed: u64,
    /// Only so many bytes of each frame are kept in a capture.
    pub snaplen: Option<usize>,
    /// The opener.
    pub client: EndPoint,
    /// The other end.
    pub server: EndPoint,
    /// What is said, in any order.
    pub said: Vec<Said>,
}

/// One packet of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When it passes the point of capture.
    pub at: Moment,
    /// An Ethernet frame.
    pub frame: Vec<u8>,
}

impl Story {
    /// Reads a story. The error names the place.
    pub fn parse(text: &str) -> Result<Story, String> {
        let story: Story = toml::from_str(text).map_err(|e| e.to_string())?;
        if story.client.addr.is_ipv4() != story.server.addr.is_ipv4() {
            return Err("client and server speak different versions of IP".to_owned());
        }
        story.start().map(|_| story)
    }

    fn start(&self) -> Result<Moment, String> {
        header::moment(&self.start).ok_or_else(|| format!("start: no time: {:?}", self.start))
    }

    /// The packets, in order of time.
    pub fn tell(&self) -> Result<Vec<Told>, String> {
        teller::tell(self, self.start()?)
    }

    /// The packets as a pcapng file that says it was made.
    pub fn capture(&self) -> Result<Vec<u8>, String> {
        let comment = format!("made, not recorded: {}", self.story);
        let mut writer = Writer::new(LinkType(ETHERNET), &comment, MADE_BY);
        for told in self.tell()? {
            let kept = told.frame.get(..self.snaplen.unwrap_or(usize::MAX)).unwrap_or(&told.frame);
            writer.cut_packet(told.at, kept, told.frame.len() as u32);
        }
        Ok(writer.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = r#"
        story = "The server speaks, the client acknowledges, and then a stack without the socket answers."
        start = "2024-05-10T03:14:22Z"
        client = { addr = "192.0.2.12:49314", ttl = 64, seq = 1000, window = 501 }
        server = { addr = "198.51.100.8:443", ttl = 57, seq = 5000, window = 600 }
        [[said]]
        at_s = 0.0
        from = "server"
        segment = "PSH ACK len=100"
        every_s = 2.0
        until_s = 4.5
        answered_after_s = 0.001
        [[said]]
        at_s = 6.0
        from = "client"
        segment = "ACK"
        [[said]]
        at_s = 6.02
        from = "server"
        segment = "RST bare"
    "#;

    /// Sequence and acknowledgement numbers and flags of a told IPv4 frame.
    fn numbers(told: &Told) -> (u32, u32, u8) {
        let tcp = told.frame.get(34..).unwrap();
        let be32 = |at: usize| u32::from_be_bytes(tcp.get(at..at + 4).unwrap().try_into().unwrap());
        (be32(4), be32(8), *tcp.get(13).unwrap())
    }

    #[test]
    fn numbers_follow_from_what_is_said() {
        let told = Story::parse(SHORT).unwrap().tell().unwrap();
        assert_eq!(told.len(), 8, "three said and answered, one acknowledgement, one reset");
        assert_eq!(numbers(told.first().unwrap()), (5000, 1000, 0x18));
        assert_eq!(numbers(told.get(1).unwrap()), (1000, 5100, 0x10));
        assert_eq!(numbers(told.get(6).unwrap()), (1000, 5300, 0x10));
    }

    #[test]
    fn a_bare_reset_takes_its_number_from_the_segment_it_answers() {
        let told = Story::parse(SHORT).unwrap().tell().unwrap();
        assert_eq!(numbers(told.last().unwrap()), (5300, 0, 0x04));
    }

    #[test]
    fn an_unknown_word_or_field_is_refused() {
        let bad = SHORT.replace("RST bare", "RST barefoot");
        assert!(Story::parse(&bad).unwrap().tell().is_err());
        assert!(Story::parse(&SHORT.replace("ttl = 64", "tll = 64")).is_err());
    }
}
