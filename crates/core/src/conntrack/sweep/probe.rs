//! Keepalives and PINGs that were not sent, put between the packets that were.
//!
//! A probe is due when its sender has heard nothing for the interval, as Linux counts for
//! keepalives (tcp_timer.c, `tcp_keepalive_timer`: time since the last packet received, and none
//! while data is unacknowledged) and gRPC for PINGs. It is answered at once: a capture tells
//! of no shorter time than that. Connections whose opening was not captured, or whose two
//! directions were not, get none.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::conntrack::hash::Quick;
use crate::conntrack::packet::{Body, Checksum, Hook, Packet, Tcp, Tuple, flag};
use crate::time::{Gap, Moment};

/// An HTTP/2 PING frame (RFC 9113 §6.7): a header of 9 bytes and 8 of payload. What TLS adds
/// makes no difference to a window.
const PING_BYTES: u32 = 17;

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A TCP keepalive: one before the next sequence number, without data (RFC 1122 §4.2.3.6).
    Keepalive,
    /// A message of the application, and its answer.
    Ping,
}

/// Who sends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prober {
    /// The end that sent the first SYN.
    Client,
    /// The other one.
    Server,
}

/// Probes at an interval.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probes {
    /// What is sent.
    pub kind: Kind,
    /// Silence after which one is sent.
    pub every: Gap,
    /// By whom.
    pub from: Prober,
}

/// What one end has said so far, in the lane's own sequence numbers.
#[derive(Clone, Copy, Debug)]
struct End {
    /// Its packets arrive as this.
    tuple: Tuple,
    next: u32,
    /// What it has acknowledged of the other's.
    acked: u32,
    win: u16,
    /// When it heard of the other last.
    heard: Moment,
    /// Bytes the lane made it send beyond what was recorded.
    more: u32,
}

/// What both ends of a connection have said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    client: End,
    server: Option<End>,
    /// Every lane that sends probes has been asked when.
    asked: bool,
    over: bool,
}

/// What both ends have said of every connection whose opening was captured, by its number: as
/// recorded, and so in each lane until it sends a probe.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Option<Line>>);

impl Lines {
    /// Takes note of a recorded packet; the connection, where lanes are to be asked when they
    /// would send a probe.
    pub(super) fn take(&mut self, at: Moment, flow: u32, packet: &Packet) -> Option<&mut Line> {
        let Body::Tcp(tcp) = &packet.body else { return None };
        let index = flow as usize;
        if tcp.flags & (flag::SYN | flag::ACK) == flag::SYN {
            self.0.resize(self.0.len().max(index + 1), None);
            *self.0.get_mut(index)? = Some(Line::opening(End::opening(packet.tuple, tcp, at)));
            return None;
        }
        let line = self.0.get_mut(index)?.as_mut()?;
        line.take(at, packet.tuple, tcp);
        (!line.asked && !line.over && line.server.is_some()).then_some(line)
    }

    fn of(&self, flow: u32) -> Option<&Line> {
        self.0.get(flow as usize)?.as_ref()
    }
}

/// The probes of one lane.
#[derive(Debug)]
pub(super) struct Injector {
    probes: Probes,
    /// Connections to which one was sent, in the lane's own sequence numbers.
    own: HashMap<u32, Line, Quick>,
    /// Connections whose ends would by now say something else.
    stopped: HashSet<u32, Quick>,
    queue: BinaryHeap<Reverse<(Moment, u32)>>,
    /// Those for which a moment in the queue stands.
    queued: HashSet<u32, Quick>,
}

/// A probe and what answers it, in the order they meet the table.
pub(super) struct Exchange {
    pub(super) at: Moment,
    pub(super) flow: u32,
    pub(super) packets: Vec<Packet>,
}

impl Injector {
    pub(super) fn new(probes: Probes) -> Self {
        Self {
            probes,
            own: HashMap::default(),
            stopped: HashSet::default(),
            queue: BinaryHeap::new(),
            queued: HashSet::default(),
        }
    }

    /// Nothing is sent before this.
    pub(super) fn next(&self) -> Option<Moment> {
        self.queue.peek().map(|r| r.0.0)
    }

    /// The next exchange that is due before `until`.
    pub(super) fn due(&mut self, until: Moment, lines: &Lines) -> Option<Exchange> {
        while let Some(&Reverse((due, flow))) = self.queue.peek().filter(|r| r.0.0 < until) {
            self.queue.pop();
            self.queued.remove(&flow);
            let Some(mut line) = self.own.get(&flow).or_else(|| lines.of(flow)).copied() else {
                continue;
            };
            let over = line.over || self.stopped.contains(&flow);
            let Some(next) = line.due(&self.probes).filter(|_| !over) else { continue };
            // It heard something since, or waits for data to be acknowledged.
            let later = next > due;
            let waits = line.is_waiting(&self.probes);
            let mut packets = None;
            if !later && !waits {
                packets = line.exchange(&self.probes, due);
                self.own.insert(flow, line);
            }
            self.enqueue(if later { next } else { due.plus(self.probes.every) }, flow);
            if let Some(packets) = packets {
                return Some(Exchange { at: due, flow, packets });
            }
        }
        None
    }

    fn enqueue(&mut self, at: Moment, flow: u32) {
        if self.queued.insert(flow) {
            self.queue.push(Reverse((at, flow)));
        }
    }

    /// Takes note of when a connection will want a probe.
    pub(super) fn awaits(&mut self, flow: u32, line: &Line) {
        if let Some(due) = line.due(&self.probes) {
            self.enqueue(due, flow);
        }
    }

    /// No more probes for this connection.
    pub(super) fn stop(&mut self, flow: u32) {
        self.stopped.insert(flow);
    }

    /// Gives a recorded packet the sequence numbers of this lane.
    pub(super) fn shift(&mut self, at: Moment, flow: u32, packet: &mut Packet) {
        let tuple = packet.tuple;
        let Body::Tcp(tcp) = &mut packet.body else { return };
        if tcp.flags & (flag::SYN | flag::ACK) == flag::SYN {
            // What is said from here on is as recorded.
            self.own.remove(&flow);
            self.stopped.remove(&flow);
        } else if let Some(line) = self.own.get_mut(&flow)
            && let Some((mine, others)) = line.take(at, tuple, tcp)
        {
            tcp.seq = tcp.seq.wrapping_add(mine);
            if tcp.has(flag::ACK) {
                tcp.ack = tcp.ack.wrapping_add(others);
            }
        }
    }
}

impl End {
    fn opening(tuple: Tuple, tcp: &Tcp, at: Moment) -> Self {
        let (next, acked, win) = (tcp.end(), tcp.ack, tcp.win);
        Self { tuple, next, acked, win, heard: at, more: 0 }
    }

    fn says(&self, flags: u8, seq: u32, len: u32) -> Packet {
        let ip_header = if self.tuple.src.is_ipv4() { 20 } else { 40 };
        let (ack, win) = (self.acked, self.win);
        let tcp = Tcp { flags, seq, ack, win, len, ..Tcp::default() };
        Packet {
            tuple: self.tuple,
            l3_len: ip_header + 20 + len,
            checksum: Checksum::NotChecked,
            hook: Hook::Prerouting,
            body: Body::Tcp(tcp),
        }
    }
}

/// Whether `a` lies behind `b` (RFC 9293 §3.4).
const fn after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}

impl Line {
    const fn opening(client: End) -> Self {
        Self { client, server: None, asked: false, over: false }
    }

    /// Every lane knows by now when it would send a probe here.
    pub(super) const fn is_asked(&mut self) {
        self.asked = true;
    }

    /// Takes note of a recorded packet; by how much its sender, and the other end, have said more
    /// than was recorded.
    fn take(&mut self, at: Moment, tuple: Tuple, tcp: &Tcp) -> Option<(u32, u32)> {
        let from_client = tuple == self.client.tuple;
        if !from_client && self.server.is_none() && tcp.has(flag::SYN) {
            self.server = Some(End::opening(tuple, tcp, at));
        }
        let server = self.server.as_mut()?;
        let (me, other) =
            if from_client { (&mut self.client, server) } else { (server, &mut self.client) };
        if tcp.has(flag::ACK) {
            me.acked = tcp.ack.wrapping_add(other.more);
        }
        if !tcp.has(flag::RST) {
            me.win = tcp.win;
        }
        let end = tcp.end().wrapping_add(me.more);
        if after(end, me.next) {
            me.next = end;
        }
        other.heard = at;
        self.over |= tcp.flags & (flag::FIN | flag::RST) != 0;
        Some((me.more, other.more))
    }

    fn prober(&self, probes: &Probes) -> Option<(&End, &End)> {
        let server = self.server.as_ref()?;
        Some(match probes.from {
            Prober::Client => (&self.client, server),
            Prober::Server => (server, &self.client),
        })
    }

    fn due(&self, probes: &Probes) -> Option<Moment> {
        self.prober(probes).map(|(me, _)| me.heard.plus(probes.every))
    }

    /// Data is on its way and was not acknowledged: keepalives are not sent then, and a PING
    /// would wait behind it.
    fn is_waiting(&self, probes: &Probes) -> bool {
        self.prober(probes).is_some_and(|(me, other)| me.next != other.acked)
    }

    fn exchange(&mut self, probes: &Probes, at: Moment) -> Option<Vec<Packet>> {
        let server = self.server.as_mut()?;
        let (me, other) = match probes.from {
            Prober::Client => (&mut self.client, server),
            Prober::Server => (server, &mut self.client),
        };
        (me.heard, other.heard) = (at, at);
        const DATA: u8 = flag::PSH | flag::ACK;
        if probes.kind == Kind::Keepalive {
            let probe = me.says(flag::ACK, me.next.wrapping_sub(1), 0);
            return Some(vec![probe, other.says(flag::ACK, other.next, 0)]);
        }
        let ping = me.says(DATA, me.next, PING_BYTES);
        me.next = me.next.wrapping_add(PING_BYTES);
        me.more = me.more.wrapping_add(PING_BYTES);
        other.acked = me.next;
        let answer = other.says(DATA, other.next, PING_BYTES);
        other.next = other.next.wrapping_add(PING_BYTES);
        other.more = other.more.wrapping_add(PING_BYTES);
        me.acked = other.next;
        Some(vec![ping, answer, me.says(flag::ACK, me.next, 0)])
    }
}
