//! The made examples: the story's evidence folder and its siblings, each differing in one piece.
//!
//! Everything here is made on a virtual clock and says so in its files. `make-examples` writes it;
//! a test compares what is in the repository with what would be written.

use hopclock_core::story::{Said, Speaker, Story};
use hopclock_core::time::{Gap, Moment};
use std::collections::BTreeMap;

/// A folder's files: path below `examples/`, and bytes.
pub type Files = BTreeMap<String, Vec<u8>>;

const STORY: &str = include_str!("../stories/egress-12h.toml");
/// 2024-05-10T03:14:22.35Z: the first of the story's three quoted lines, with a fraction nobody
/// printed.
const FIRST_END: Moment = Moment::from_ns(1_715_310_862_350_000_000);
/// Two weeks of a twelve-hour clock.
const ENDS: usize = 28;
/// Reconnect delays in milliseconds, in turn: 0.9 s on average.
const DELAYS_MS: [i64; 9] = [820, 760, 1010, 930, 640, 1190, 880, 1040, 830];

/// What a folder differs in from the story as the engineer had it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// Not at all.
    Story,
    /// The reset has ACK and timestamps.
    AbortReset,
    /// The ends keep to the second.
    NoDrift,
    /// One reconnect was made by hand.
    PhaseBreak,
    /// The box's own sysctl is there, and says 432000.
    Box432000,
    /// The dump shows another connection's entry.
    OtherPort,
    /// Data goes both ways.
    TwoWay,
    /// It ends in a FIN.
    Fin,
    /// There is no capture.
    NoCapture,
}

impl Variant {
    /// All folders.
    pub const ALL: [Variant; 9] = [
        Variant::Story,
        Variant::AbortReset,
        Variant::NoDrift,
        Variant::PhaseBreak,
        Variant::Box432000,
        Variant::OtherPort,
        Variant::TwoWay,
        Variant::Fin,
        Variant::NoCapture,
    ];

    /// The folder's name.
    pub const fn folder(self) -> &'static str {
        match self {
            Variant::Story => "egress-12h",
            Variant::AbortReset => "egress-12h-abort-reset",
            Variant::NoDrift => "egress-12h-no-drift",
            Variant::PhaseBreak => "egress-12h-phase-break",
            Variant::Box432000 => "egress-12h-box-432000",
            Variant::OtherPort => "egress-12h-other-port",
            Variant::TwoWay => "egress-12h-two-way",
            Variant::Fin => "egress-12h-fin",
            Variant::NoCapture => "egress-12h-no-capture",
        }
    }
}

/// Every made file of every folder, READMEs apart: those are written by hand.
pub fn all() -> Files {
    Variant::ALL.into_iter().flat_map(files).collect()
}

/// The made files of one folder.
pub fn files(variant: Variant) -> Files {
    let ends = ends(variant);
    let mut files = Files::new();
    let mut put = |name: &str, bytes: Vec<u8>| {
        files.insert(format!("{}/{name}", variant.folder()), bytes);
    };
    put("client/app.log", log(&ends, variant).into_bytes());
    put("client/sysctl.txt", CLIENT_SYSCTL.to_owned().into_bytes());
    put("hop-egress-1/conntrack.txt", conntrack(variant).into_bytes());
    put("notes.md", NOTES.to_owned().into_bytes());
    put("evidence.toml", manifest(variant).into_bytes());
    if variant == Variant::Box432000 {
        put("hop-egress-1/sysctl.txt", BOX_SYSCTL.to_owned().into_bytes());
    }
    if variant != Variant::NoCapture
        && let Some(last) = ends.last()
    {
        put("client/client.pcapng", capture(*last, variant));
    }
    files
}

/// When the connections ended.
fn ends(variant: Variant) -> Vec<Moment> {
    let mut ends = vec![FIRST_END];
    let timer = Gap::from_secs(43_200);
    // Between the 13th and the 14th end somebody restarts the client, five hours and a bit into a
    // connection.
    let by_hand = (variant == Variant::PhaseBreak).then_some((13, Gap::from_secs(19_608)));
    for (cycle, delay) in (1..).zip(DELAYS_MS.iter().cycle()) {
        if ends.len() >= ENDS {
            break;
        }
        let Some(last) = ends.last().copied() else { break };
        let delay = if variant == Variant::NoDrift { Gap::ZERO } else { Gap::from_millis(*delay) };
        let age = match by_hand {
            Some((at, early)) if at == cycle => early,
            _ => timer,
        };
        ends.push(last.plus(delay).plus(age));
    }
    ends
}

fn log(ends: &[Moment], variant: Variant) -> String {
    let mut lines: Vec<(Moment, String)> = Vec::new();
    for (index, end) in ends.iter().enumerate() {
        let why = if variant == Variant::PhaseBreak && index == 13 {
            "requested by operator"
        } else {
            "unexpected EOF"
        };
        lines.push((*end, format!("INFO reconnecting upstream: {why}")));
    }
    // What an event processor says of itself once an hour, from the hour before the first end on.
    let first_hour = Moment::from_secs(FIRST_END.ns() / 1_000_000_000 / 3600 * 3600 + 7);
    if let Some(last) = ends.last() {
        let mut at = first_hour.plus(Gap::from_secs(-12 * 3600));
        let mut count: u32 = 1;
        while at < *last {
            let events = 700 + count.wrapping_mul(2_654_435_761) % 41;
            lines.push((at, format!("INFO received {events} events in the last hour")));
            at = at.plus(Gap::from_secs(3600));
            count += 1;
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    let mut text = String::new();
    for (at, says) in lines {
        text += &format!("{} {says}\n", stamp(at));
    }
    text
}

/// RFC 3339 in UTC, cut to the second as the program's logger does.
fn stamp(at: Moment) -> String {
    let secs = at.ns().div_euclid(1_000_000_000);
    let (days, rest) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (h, m, s) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
}

/// Days since the epoch as a Gregorian date, by counting: examples stay in a few years.
fn civil(mut days: i64) -> (i64, usize, i64) {
    let leap = |y: i64| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    let mut year = 1970;
    while days >= 365 + i64::from(leap(year)) {
        days -= 365 + i64::from(leap(year));
        year += 1;
    }
    let february = 28 + i64::from(leap(year));
    for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
    }
    (year, 12, 31)
}

fn conntrack(variant: Variant) -> String {
    // No time: the line was copied into a chat.
    let port = if variant == Variant::OtherPort { 40_112 } else { 49_314 };
    let peer = if variant == Variant::OtherPort { "10.42.11.9" } else { "10.42.11.8" };
    format!(
        "tcp      6 43199 ESTABLISHED src=10.0.0.12 dst={peer} sport={port} dport=443 src={peer} \
         dst=192.0.2.1 sport=443 dport={port} [ASSURED] mark=0 use=1\n"
    )
}

fn manifest(variant: Variant) -> String {
    let mut text = String::from("schema = \"hopclock.evidence/1\"\n");
    let made = "told after a published incident; three of the ending lines are quoted from it";
    let mut file = |path: &str, rest: &str| {
        text += &format!("\n[[file]]\npath = \"{path}\"\n{rest}");
    };
    file("client/app.log", &format!("host = \"app-7\"\nrole = \"client\"\nmade = \"{made}\"\n"));
    file("client/sysctl.txt", "host = \"app-7\"\nrole = \"client\"\ncommand = \"sysctl -a\"\n");
    file(
        "hop-egress-1/conntrack.txt",
        "host = \"egress-1\"\nrole = \"hop\"\ncommand = \"conntrack -L\"\n",
    );
    if variant == Variant::Box432000 {
        let rest = "host = \"egress-1\"\nrole = \"hop\"\ncommand = \"sysctl net.netfilter\"\n";
        file("hop-egress-1/sysctl.txt", rest);
    }
    if variant != Variant::NoCapture {
        file("client/client.pcapng", "host = \"app-7\"\nrole = \"client\"\n");
    }
    text
}

const CLIENT_SYSCTL: &str = "\
net.ipv4.tcp_keepalive_intvl = 75
net.ipv4.tcp_keepalive_probes = 9
net.ipv4.tcp_keepalive_time = 7200
net.netfilter.nf_conntrack_tcp_be_liberal = 0
net.netfilter.nf_conntrack_tcp_loose = 0
net.netfilter.nf_conntrack_tcp_timeout_established = 43200
";

const BOX_SYSCTL: &str = "\
net.netfilter.nf_conntrack_tcp_be_liberal = 0
net.netfilter.nf_conntrack_tcp_loose = 1
net.netfilter.nf_conntrack_tcp_timeout_established = 432000
";

const NOTES: &str = "\
# What was found out so far

Documented timers:

- the upstream's balancer: idle timeout 350 s, maximum age: not documented
- the upstream's server: keep-alive 60 s

What happened meanwhile:

- 2024-05-20T21:14:40Z failover of the egress pair, six hours into a connection

What we think:

- the reset has the TTL of the server's other packets, so no obvious middlebox
- conntrack -L on the egress box says 43199: the counter is not being refreshed
- after the failover the flow became INVALID: let through, but not counted as traffic
- all that with loose = 0, so nothing picks it up again

What we plan:

- nf_conntrack_tcp_timeout_established to 86400, an extra day
- loose = 1 on the egress box
- move the stream to gRPC with HTTP/2 PING every 30 seconds
";

/// The last hour of the connection that ended at `end`.
fn capture(end: Moment, variant: Variant) -> Vec<u8> {
    let mut story = match Story::parse(STORY) {
        Ok(story) => story,
        Err(why) => unreachable(&why),
    };
    vary(&mut story, variant);
    let last = story.said.iter().map(|s| s.until_s.unwrap_or(s.at_s)).fold(0.0, f64::max);
    let start = end.plus(Gap::from_secs_f64(-last)).plus(Gap::from_millis(-3));
    story.start = rfc3339_ns(start);
    match story.capture() {
        Ok(bytes) => bytes,
        Err(why) => unreachable(&why),
    }
}

fn rfc3339_ns(at: Moment) -> String {
    let whole = stamp(at);
    format!("{}.{:09}Z", whole.trim_end_matches('Z'), at.ns().rem_euclid(1_000_000_000))
}

/// The story file stands in the repository and is tested; a broken one stops whoever broke it.
#[expect(clippy::panic, reason = "only a broken story file leads here, and its author must see it")]
fn unreachable(why: &str) -> ! {
    panic!("stories/egress-12h.toml: {why}")
}

fn vary(story: &mut Story, variant: Variant) {
    let said = |at_s: f64, from: Speaker, segment: &str| Said {
        at_s,
        from,
        segment: segment.to_owned(),
        every_s: None,
        until_s: None,
        jitter_s: 0.0,
        answered_after_s: None,
    };
    match variant {
        Variant::AbortReset => {
            // A live socket aborts by itself: nothing the client said provoked it.
            story.said.truncate(1);
            story.said.push(said(3599.0215, Speaker::Server, "RST ACK"));
            story.story =
                "the last hour of one connection, which the server's socket aborts".to_owned();
        }
        Variant::Fin => {
            story.said.truncate(1);
            story.said.push(said(3599.0215, Speaker::Server, "FIN ACK"));
            story.said.push(said(3599.0219, Speaker::Client, "ACK"));
            story.said.push(said(3599.0311, Speaker::Client, "FIN ACK"));
            story.said.push(said(3599.0526, Speaker::Server, "ACK"));
            story.story =
                "the last hour of one connection, which the server closes in order".to_owned();
        }
        Variant::TwoWay => {
            story.said.push(Said {
                every_s: Some(30.0),
                until_s: Some(3598.0),
                jitter_s: 0.5,
                answered_after_s: Some(0.0215),
                ..said(12.0, Speaker::Client, "PSH ACK len=46")
            });
            story.story += "; here the client speaks too, every half minute";
        }
        Variant::Story
        | Variant::NoDrift
        | Variant::PhaseBreak
        | Variant::Box432000
        | Variant::OtherPort
        | Variant::NoCapture => {}
    }
}
