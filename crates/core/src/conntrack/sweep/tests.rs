//! Lanes that share a table against lanes that do not, over random packets: settings, switches and
//! probes of every kind, packets out of window, old resets, entries that run out, port pairs that
//! are used again. The rows must be the same to the letter.

use super::*;
use crate::conntrack::packet::{Checksum, Hook, Tcp, flag, proto};
use crate::time::Gap;
use std::net::Ipv4Addr;

/// More entries than this a box without limit has room for; one with this has a table for each
/// lane.
const OWN_TABLES: u32 = 99_999;

/// Numbers that are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        ((self.0 >> 33) % u64::from(most)) as u32
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let at = self.below(u32::try_from(all.len()).unwrap()) as usize;
        *all.get(at).unwrap()
    }
}

/// A port pair and what its ends have said.
#[derive(Clone, Copy)]
struct Talk {
    original: Tuple,
    reply: Tuple,
    seq: [u32; 2],
}

impl Talk {
    fn new(number: u8, random: &mut Random) -> Self {
        let v4 = |last| Ipv4Addr::new(192, 0, 2, last).into();
        let proto = if number == 0 { proto::UDP } else { proto::TCP };
        let (sport, dport) = (40_000 + u16::from(number), 443);
        let original = Tuple { src: v4(10), dst: v4(20), sport, dport, proto };
        let mut reply = original.inverse().unwrap();
        if number % 2 == 1 {
            reply.dst = v4(1);
        }
        Self { original, reply, seq: [random.below(u32::MAX), random.below(u32::MAX)] }
    }

    /// Something one of the ends says, or somebody about them.
    fn says(&mut self, random: &mut Random) -> Packet {
        let up = random.below(2) == 0;
        let mut packet = Packet {
            tuple: if up { self.original } else { self.reply },
            l3_len: 100,
            checksum: if random.below(60) == 0 { Checksum::Bad } else { Checksum::Good },
            hook: Hook::Prerouting,
            body: Body::Udp,
        };
        if random.below(25) == 0 {
            // Of a packet as it left, to whom it came from.
            let about = if up { self.original } else { self.reply };
            let left = if up { self.reply.inverse() } else { self.original.inverse() };
            let proto = proto::ICMP;
            let from = Tuple { src: about.dst, dst: about.src, sport: 0, dport: 0x0301, proto };
            return Packet { tuple: from, body: Body::IcmpError { about: left }, ..packet };
        }
        if self.original.proto == proto::TCP {
            packet.body = Body::Tcp(self.segment(up, random));
        }
        packet
    }

    fn segment(&mut self, up: bool, random: &mut Random) -> Tcp {
        let [client, server] = &mut self.seq;
        let (mine, theirs) = if up { (client, server) } else { (server, client) };
        let mut tcp = Tcp { seq: *mine, ack: *theirs, win: 1000, ..Tcp::default() };
        (tcp.flags, tcp.len) = match random.below(20) {
            0 if up => (flag::SYN, 0),
            1 | 0 => (flag::SYN | flag::ACK, 0),
            2 => (flag::FIN | flag::ACK, 0),
            3 => (flag::RST, 0),
            4 => (flag::RST | flag::ACK, 0),
            5..10 => (flag::ACK, 0),
            _ => (flag::ACK | flag::PSH, 1 + random.below(400)),
        };
        if tcp.flags == flag::SYN {
            // Ports are used again with other numbers.
            *mine = mine.wrapping_add(random.below(3) * 100_000);
            tcp.seq = *mine;
            tcp.ack = 0;
        }
        match random.below(12) {
            0 => tcp.seq = tcp.seq.wrapping_add(random.below(2500)),
            1 => tcp.seq = tcp.seq.wrapping_sub(random.below(100_000)),
            2 => tcp.seq = tcp.seq.wrapping_add(70_000 + random.below(100_000)),
            3 => tcp.ack = tcp.ack.wrapping_add(random.below(2000)),
            4 if tcp.has(flag::RST) => tcp.seq = 0,
            5 => tcp.win = 0,
            _ => *mine = tcp.end(),
        }
        tcp
    }
}

const TRIED: [&str; 18] = [
    "tcp_be_liberal=1",
    "tcp_be_liberal=0",
    "tcp_loose=0",
    "tcp_loose=1",
    "tcp_ignore_invalid_rst=1",
    "tcp_ignore_invalid_rst=0",
    "nf_conntrack_checksum=0",
    "tcp_no_window_check=1",
    "tcp_timeout_established=7",
    "tcp_timeout_established=60",
    "tcp_timeout_close=2,tcp_timeout_time_wait=3,tcp_loose=0",
    "tcp_max_retrans=0,tcp_timeout_max_retrans=4",
    "tcp_timeout_unacknowledged=5,tcp_be_liberal=1",
    "udp_timeout=3",
    "keepalive=5",
    "ping=6",
    "keepalive@server=9,tcp_timeout_established=60",
    "ping@server=4,tcp_be_liberal=1,tcp_loose=0",
];

/// A box that stops some of what belongs to nothing.
fn behind(filter: usize) -> Firewall {
    let (hook, rule) = [
        ("forward", "ct state invalid drop"),
        ("input", "ct state invalid drop"),
        ("forward", "tcp flags & (fin | syn | rst | ack) != syn ct state new drop"),
    ]
    .get(filter)
    .copied()
    .unwrap();
    let text = format!(
        "table inet t {{\nchain c {{\ntype filter hook {hook} priority filter; policy accept;\n\
         {rule}\n}}\n}}\n"
    );
    let links = "1: lan0: <UP> mtu 1500\n    inet 192.0.2.1/24 scope global lan0\n";
    let interfaces = crate::dump::links::read(links);
    Firewall { rules: crate::dump::rules::Rules::read(&text), interfaces }
}

/// Rows over the packets of this seed, as text.
fn rows(seed: u32, max: Option<u32>) -> Vec<String> {
    let mut random = Random(u64::from(seed));
    let mut was = Settings { max, udp: 9, udp_stream: 9, ..Settings::default() };
    was.tcp.established = 20;
    (was.tcp.unacknowledged, was.tcp.max_retrans) = (12, 12);
    was.tcp_loose = random.below(2) == 0;
    was.tcp_be_liberal = random.below(4) == 0;
    was.tcp_ignore_invalid_rst = random.below(4) == 0;
    let tried = (0..1 + random.below(7)).map(|_| random.one_of(&TRIED));
    let variants = tried.map(|text| Variant::parse(text, was).unwrap()).collect();
    let mut sweep = Sweep::new(was, Kernel::parse("6.18").unwrap(), variants);
    if let Some(filter) = random.one_of(&[None, Some(0), Some(1), Some(2)]) {
        sweep = sweep.behind(behind(filter));
    }
    let mut talks: Vec<Talk> = (0..6).map(|n| Talk::new(n, &mut random)).collect();
    for talk in &talks {
        sweep.translate(talk.original, talk.reply);
    }
    let mut at = Moment::from_secs(1_715_310_862);
    for number in 1..=400 {
        let wait_ms = match random.below(30) {
            0 => random.below(40_000),
            1 | 2 => random.below(8_000),
            _ => random.below(700),
        };
        at = at.plus(Gap::from_millis(i64::from(wait_ms)));
        let whose = random.below(6) as usize;
        let packet = talks.get_mut(whose).unwrap().says(&mut random);
        sweep.arrives((number, at), packet);
    }
    sweep.rows().iter().map(|row| format!("{row:#?}")).collect()
}

#[test]
fn lanes_that_share_a_table_are_as_lanes_that_do_not() {
    let (mut parted, mut out) = (0, 0);
    for seed in 0..1500 {
        let (shared, own) = (rows(seed, None), rows(seed, Some(OWN_TABLES)));
        for (one, other) in shared.iter().zip(&own) {
            assert_eq!(one, other, "seed {seed}");
        }
        assert_eq!(shared.len(), own.len());
        parted += shared.iter().filter(|row| row.contains("first_parted: Some")).count();
        out += shared.iter().filter(|row| row.contains("first_run_out: Some")).count();
    }
    assert!(parted > 1000 && out > 1000, "{parted} rows part and in {out} an entry runs out");
}
