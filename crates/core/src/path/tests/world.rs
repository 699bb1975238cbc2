//! The world of the tests: what is sent, what becomes of it, and what two captures keep of it.

use crate::capture::{LinkType, Packet};
use crate::flow::{Numbering, Observer};
use crate::path::{Point, PointReader};
use crate::story::frame::{ACK, FIN, PSH, RST, SYN, Segment, ip};
use crate::time::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// What happens in a world.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub seed: u64,
    pub connections: usize,
    pub offset_ns: i64,
    pub skew_ppm: f64,
    /// Added to the second clock in the middle of the time.
    pub step_ns: i64,
    pub loss: f64,
    pub missed: [f64; 2],
    pub snaplen: [usize; 2],
    /// A box between rewrites sequence numbers.
    pub rewrites: bool,
    /// Digests of payload may be used: else the captures keep none of it.
    pub digests: bool,
    /// Connections that end by resets made between, one each way; the ends go on.
    pub forged: usize,
    /// Connections that the server resets.
    pub aborted: usize,
    /// Connections whose last packets of the client leave untranslated.
    pub untranslated: usize,
    /// The second capture is the box's own, on both its sides.
    pub both_sides: bool,
    /// The share of the time at which each capture begins and ends.
    pub from: [f64; 2],
    pub to: [f64; 2],
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            connections: 120,
            offset_ns: -4_321_000_000,
            skew_ppm: 50.0,
            step_ns: 0,
            loss: 0.0,
            missed: [0.0; 2],
            snaplen: [4096; 2],
            rewrites: false,
            digests: true,
            forged: 0,
            aborted: 0,
            untranslated: 0,
            both_sides: false,
            from: [0.0; 2],
            to: [1.0; 2],
        }
    }
}

/// What truly became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Both,
    Lost,
    Made,
    Missed,
}

pub(super) struct Connection {
    pub inside: (SocketAddr, SocketAddr),
    pub outside: (SocketAddr, SocketAddr),
    pub delta: (u32, u32),
}

/// A packet, and when it passes each place.
struct Sent {
    connection: usize,
    by_client: bool,
    untranslated: bool,
    segment: Segment,
    passes: [Option<i64>; 2],
}

pub(super) struct World {
    pub plan: Plan,
    pub connections: Vec<Connection>,
    sent: Vec<Sent>,
    ends: (i64, i64),
}

pub(super) struct Captured {
    pub points: [Point; 2],
    /// What each packet number of each capture is.
    is: [BTreeMap<u64, usize>; 2],
    kinds: Vec<Kind>,
    of: Vec<usize>,
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.roll() >> 16) % end
    }

    fn share(&mut self) -> f64 {
        self.below(1 << 30) as f64 / f64::from(1 << 30)
    }
}

const BEGINS: i64 = 1_715_310_862_000_000_000;
const MS: i64 = 1_000_000;

/// One connection while it is played: numbers, and where time stands.
struct Play {
    number: usize,
    now: i64,
    next: [u32; 2],
    id: [u16; 2],
    untranslated: bool,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let mut dice = Dice(plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut world = Self { plan, connections: Vec::new(), sent: Vec::new(), ends: (0, 0) };
        for number in 0..plan.connections {
            let at = |text: String| text.parse::<SocketAddr>().unwrap();
            let server = at(format!("198.51.100.{}:443", 7 + number % 3));
            let inside = at(format!("192.0.2.{}:{}", 10 + number % 5, 40_000 + number));
            let port = 1024 + (dice.below(60) * 1000) as usize + number;
            let outside = at(format!("203.0.113.1:{port}"));
            let delta = if plan.rewrites {
                (dice.roll() as u32 | 1, dice.roll() as u32 | 1)
            } else {
                (0, 0)
            };
            let connection =
                Connection { inside: (inside, server), outside: (outside, server), delta };
            world.connections.push(connection);
            world.play(number, &mut dice);
        }
        let all = world.sent.iter().flat_map(|s| s.passes.into_iter().flatten());
        world.ends = (all.clone().min().unwrap(), all.max().unwrap());
        world
    }

    /// What the second clock shows beyond the first's at a moment.
    pub(super) fn offset_at(&self, at: i64) -> f64 {
        let step = if at > (self.ends.0 / 2 + self.ends.1 / 2) { self.plan.step_ns } else { 0 };
        (self.plan.offset_ns + step) as f64 + (at - BEGINS) as f64 * self.plan.skew_ppm / 1e6
    }

    fn play(&mut self, number: usize, dice: &mut Dice) {
        let mut play = Play {
            number,
            now: BEGINS + dice.below(10_000) as i64 * MS,
            next: [dice.roll() as u32, dice.roll() as u32],
            id: [dice.roll() as u16, dice.roll() as u16],
            untranslated: false,
        };
        self.say(&mut play, dice, (true, SYN, 0));
        self.say(&mut play, dice, (false, SYN | ACK, 0));
        self.say(&mut play, dice, (true, ACK, 0));
        for _ in 0..4 + dice.below(12) {
            let (request, answer) = (20 + dice.below(200) as u32, 50 + dice.below(1200) as u32);
            self.say(&mut play, dice, (true, PSH | ACK, request));
            self.say(&mut play, dice, (false, PSH | ACK, answer));
            self.say(&mut play, dice, (true, ACK, 0));
            play.now += dice.below(600) as i64 * MS;
        }
        let plan = self.plan;
        if number < plan.forged {
            self.forge(&mut play, dice);
        } else if number < plan.forged + plan.aborted {
            self.say(&mut play, dice, (false, RST | ACK, 0));
            return;
        } else if number < plan.forged + plan.aborted + plan.untranslated {
            play.untranslated = true;
            for _ in 0..4 {
                self.say(&mut play, dice, (true, PSH | ACK, 10));
                play.now += 400 * MS;
            }
            return;
        }
        self.say(&mut play, dice, (true, FIN | ACK, 0));
        self.say(&mut play, dice, (false, FIN | ACK, 0));
        self.say(&mut play, dice, (true, ACK, 0));
    }

    /// One end speaks until it got through, as a stack does; time goes on to the arrival.
    fn say(&mut self, play: &mut Play, dice: &mut Dice, (by_client, flags, len): (bool, u8, u32)) {
        let own = usize::from(!by_client);
        let fills = len + u32::from(flags & (SYN | FIN) != 0);
        let mut wait = 200 * MS;
        loop {
            play.id[own] = play.id[own].wrapping_add(1);
            let stamp = (play.now / MS) as u32 ^ 0x5555_0000;
            let segment = Segment {
                seq: play.next[own],
                ack: if flags & ACK != 0 { play.next[1 - own] } else { 0 },
                flags,
                window: 500,
                len,
                ip_id: play.id[own].max(1),
                timestamp: Some(stamp),
            };
            // A way of a fifth of a millisecond at least to the nearer place, and between.
            let delay = |dice: &mut Dice| 200_000 + (dice.share().powi(6) * 8e6) as i64;
            let near = play.now + delay(dice);
            let far = near + delay(dice);
            let lost = dice.share() < self.plan.loss && fills > 0;
            let (near, far) = (Some(near), (!lost).then_some(far));
            let passes = if by_client { [near, far] } else { [far, near] };
            let untranslated = play.untranslated;
            self.sent.push(Sent {
                connection: play.number,
                by_client,
                untranslated,
                segment,
                passes,
            });
            if lost {
                play.now += wait;
                wait *= 2;
                continue;
            }
            play.now = far.unwrap() + delay(dice);
            break;
        }
        play.next[own] = play.next[own].wrapping_add(fills);
    }

    /// Something between resets both ends, which go on.
    fn forge(&mut self, play: &mut Play, dice: &mut Dice) {
        for by_client in [true, false] {
            let own = usize::from(!by_client);
            let segment = Segment {
                seq: play.next[own],
                ack: 0,
                flags: RST,
                window: 0,
                ip_id: 0,
                ..Segment::default()
            };
            let at = Some(play.now + MS + dice.below(1000) as i64);
            let passes = if by_client { [None, at] } else { [at, None] };
            let connection = play.number;
            self.sent.push(Sent { connection, by_client, untranslated: false, segment, passes });
        }
        play.now += 5 * MS;
    }

    /// Both captures.
    pub(super) fn capture(&self) -> Captured {
        let mut dice = Dice(self.plan.seed ^ 0x00c0_ffee);
        let length = (self.ends.1 - self.ends.0) as f64;
        let mut kept = [Vec::new(), Vec::new()];
        let mut kinds = Vec::new();
        for (at, sent) in self.sent.iter().enumerate() {
            let [a, b] = sent.passes;
            let upstream = if sent.by_client { a } else { b };
            let mut kind = match (a, b) {
                (Some(_), Some(_)) => Kind::Both,
                _ if upstream.is_some() => Kind::Lost,
                _ => Kind::Made,
            };
            for (place, passes) in sent.passes.into_iter().enumerate() {
                let Some(when) = passes else { continue };
                let share = (when - self.ends.0) as f64 / length;
                if share < self.plan.from[place] || share > self.plan.to[place] {
                    continue;
                }
                if dice.share() < self.plan.missed[place] {
                    kind = if kind == Kind::Both { Kind::Missed } else { kind };
                    continue;
                }
                kept[place].push((when, at));
            }
            kinds.push(kind);
        }
        let mut is = [BTreeMap::new(), BTreeMap::new()];
        let points = [0, 1].map(|place| {
            kept[place].sort_unstable();
            self.point(place, &kept[place], &mut is[place])
        });
        let of = self.sent.iter().map(|s| s.connection).collect();
        Captured { points, is, kinds, of }
    }

    fn point(&self, place: usize, kept: &[(i64, usize)], is: &mut BTreeMap<u64, usize>) -> Point {
        let mut observer = Observer::new(vec![format!("{place}.pcap")]);
        let mut reader = PointReader::new();
        let mut numbering = Numbering::new();
        let mut frames: Vec<(i64, u32, usize, Vec<u8>)> = Vec::new();
        for (when, at) in kept {
            let sent = &self.sent[*at];
            let inside = self.frame(sent, place, false);
            let outside = self.frame(sent, place, place == 1 && !sent.untranslated);
            let step = if sent.by_client { 20_000 } else { -20_000 };
            match (place == 1 && self.plan.both_sides, sent.by_client) {
                (true, _) => {
                    frames.push((*when, 0, *at, inside));
                    frames.push((when + step, 1, *at, outside));
                }
                (false, _) => frames.push((*when, 0, *at, outside)),
            }
        }
        frames.sort();
        for (nth, (when, interface, at, frame)) in frames.iter().enumerate() {
            let most = if self.plan.digests { self.plan.snaplen[place] } else { 52 };
            let bytes = frame.get(..most).unwrap_or(frame);
            let offset = if place == 1 { self.offset_at(*when).round() as i64 } else { 0 };
            let number = numbering.next(0, nth as u64 + 1);
            is.insert(number, *at);
            let packet = Packet {
                number,
                at: Moment::from_ns(when + offset),
                stamped: true,
                link: LinkType(101),
                interface: *interface,
                fcs_bytes: 0,
                bytes,
                wire_len: frame.len() as u32,
            };
            observer.packet(&packet, 0);
            reader.packet(&packet);
        }
        let flows: Vec<_> = observer.finish().collect();
        reader.finish(&format!("{place}.pcap"), &flows, false)
    }
}

impl World {
    fn frame(&self, sent: &Sent, place: usize, outside: bool) -> Vec<u8> {
        let connection = &self.connections[sent.connection];
        let (client, server) = if outside { connection.outside } else { connection.inside };
        let (from, to) = if sent.by_client { (client, server) } else { (server, client) };
        let mut segment = sent.segment;
        if place == 1 {
            let (client, server) = connection.delta;
            let (own, other) = if sent.by_client { (client, server) } else { (server, client) };
            segment.seq = segment.seq.wrapping_add(own);
            if segment.flags & ACK != 0 {
                segment.ack = segment.ack.wrapping_add(other);
            }
        }
        let near = sent.by_client == (place == 0);
        let through = self.plan.both_sides && sent.by_client == outside;
        ip(&segment, (from, if near { 64 } else { 63 } - u8::from(through)), to)
    }
}

impl Captured {
    /// What became of the packet with these numbers. Two numbers of different packets are a
    /// mistake in any case.
    pub(super) fn truth(&self, packets: [Option<u64>; 2]) -> Kind {
        let of = |place: usize| packets[place].map(|n| self.is[place][&n]);
        match (of(0), of(1)) {
            (Some(one), Some(other)) => {
                assert_eq!(one, other, "two packets taken for one");
                Kind::Both
            }
            (Some(one), None) | (None, Some(one)) => self.kinds[one],
            (None, None) => panic!("a packet of no capture"),
        }
    }

    /// Connections of which both captures have packets in common.
    pub(super) fn shared_connections(&self) -> u64 {
        let [a, b] = &self.is;
        let of_a: BTreeSet<usize> = a.values().copied().collect();
        let both = b.values().filter(|at| of_a.contains(at));
        both.map(|at| self.of[*at]).collect::<BTreeSet<usize>>().len() as u64
    }
}
