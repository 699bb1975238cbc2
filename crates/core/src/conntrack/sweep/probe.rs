//! Keepalives and PINGs that were not sent, put between the packets that were.
//!
//! A probe is due when its sender has heard nothing for the interval, as Linux counts for
//! keepalives (tcp_timer.c, `tcp_keepalive_timer`: time since the last packet received, and none
//! while data is unacknowledged) and gRPC for PINGs. It is answered at once: a capture tells
//! of no shorter time than that. Connections whose opening was not captured, or whose two
//! directions were not, get none.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

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

#[derive(Clone, Copy, Debug)]
struct Line {
    flow: Tuple,
    client: End,
    server: Option<End>,
    /// A moment in the queue stands for it.
    queued: bool,
    over: bool,
}

/// The connections of one lane that get probes.
#[derive(Debug)]
pub(super) struct Injector {
    probes: Probes,
    lines: Vec<Line>,
    by_flow: HashMap<Tuple, usize, Quick>,
    queue: BinaryHeap<Reverse<(Moment, usize)>>,
}

/// A probe and what answers it, in the order they meet the table.
pub(super) struct Exchange {
    pub(super) at: Moment,
    pub(super) flow: Tuple,
    pub(super) packets: Vec<Packet>,
}

impl Injector {
    pub(super) fn new(probes: Probes) -> Self {
        let (by_flow, queue) = (HashMap::default(), BinaryHeap::new());
        Self { probes, lines: Vec::new(), by_flow, queue }
    }

    /// The next exchange that is due before `until`.
    pub(super) fn due(&mut self, until: Moment) -> Option<Exchange> {
        while let Some(&Reverse((due, index))) = self.queue.peek().filter(|r| r.0.0 < until) {
            self.queue.pop();
            let Some(line) = self.lines.get_mut(index) else { continue };
            line.queued = false;
            let Some(next) = line.due(&self.probes).filter(|_| !line.over) else { continue };
            // It heard something since, or waits for data to be acknowledged.
            let later = next > due;
            let waits = line.is_waiting(&self.probes);
            let packets = if later || waits { None } else { line.exchange(&self.probes, due) };
            let flow = line.flow;
            self.enqueue(if later { next } else { due.plus(self.probes.every) }, index);
            if let Some(packets) = packets {
                return Some(Exchange { at: due, flow, packets });
            }
        }
        None
    }

    fn enqueue(&mut self, at: Moment, index: usize) {
        if let Some(line) = self.lines.get_mut(index)
            && !line.queued
        {
            line.queued = true;
            self.queue.push(Reverse((at, index)));
        }
    }

    /// No more probes for this connection.
    pub(super) fn stop(&mut self, flow: &Tuple) {
        let line = self.by_flow.get(flow).and_then(|index| self.lines.get_mut(*index));
        if let Some(line) = line {
            line.over = true;
        }
    }

    /// Takes note of a recorded packet, and gives it the sequence numbers of this lane.
    pub(super) fn shift(&mut self, at: Moment, flow: &Tuple, packet: &mut Packet) {
        let tuple = packet.tuple;
        let Body::Tcp(tcp) = &mut packet.body else { return };
        let known = self.by_flow.get(flow).copied();
        if tcp.flags & (flag::SYN | flag::ACK) == flag::SYN {
            return self.open(known, Line::opening(*flow, End::opening(tuple, tcp, at)));
        }
        let Some(index) = known else { return };
        let Some(line) = self.lines.get_mut(index) else { return };
        line.take(at, tuple, tcp);
        if !line.over
            && let Some(due) = line.due(&self.probes)
        {
            self.enqueue(due, index);
        }
    }

    fn open(&mut self, known: Option<usize>, line: Line) {
        match known.and_then(|index| self.lines.get_mut(index)) {
            Some(old) => *old = Line { queued: old.queued, ..line },
            None => {
                self.by_flow.insert(line.flow, self.lines.len());
                self.lines.push(line);
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
    const fn opening(flow: Tuple, client: End) -> Self {
        Self { flow, client, server: None, queued: false, over: false }
    }

    /// A recorded packet of an open connection.
    fn take(&mut self, at: Moment, tuple: Tuple, tcp: &mut Tcp) {
        let from_client = tuple == self.client.tuple;
        if !from_client && self.server.is_none() && tcp.has(flag::SYN) {
            self.server = Some(End::opening(tuple, tcp, at));
        }
        let Some(server) = &mut self.server else { return };
        let (me, other) =
            if from_client { (&mut self.client, server) } else { (server, &mut self.client) };
        tcp.seq = tcp.seq.wrapping_add(me.more);
        if tcp.has(flag::ACK) {
            tcp.ack = tcp.ack.wrapping_add(other.more);
            me.acked = tcp.ack;
        }
        if !tcp.has(flag::RST) {
            me.win = tcp.win;
        }
        if after(tcp.end(), me.next) {
            me.next = tcp.end();
        }
        other.heard = at;
        self.over |= tcp.flags & (flag::FIN | flag::RST) != 0;
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
