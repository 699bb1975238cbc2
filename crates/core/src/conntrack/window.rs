//! The window check: whether a segment fits what both ends have said so far.
//!
//! Three answers, as from 6.1 on; older kernels are a matter of [`Rules`]. All sequence numbers
//! wrap at 2³². "Sender" and "receiver" are the records of the packet's direction and the other.
//! nf_conntrack_proto_tcp.c, 6.18.

use std::cell::Cell;

use super::entry::{Half, TcpFlow, half_flag};
use super::options::Options;
use super::packet::{Tcp, flag};
use super::reason::Bound;
use super::rules::{Overshoot, Reinit, Rules};
use super::settings::Settings;
use super::state::{Dir, Kind, State};
use super::switch::Switches;

/// `a` comes before `b`.
pub(super) const fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// `a` comes after `b`.
pub(super) const fn after(a: u32, b: u32) -> bool {
    before(b, a)
}

/// A window of 0 would read as "not initialised".
const fn at_least_one(win: u32) -> u32 {
    if win == 0 { 1 } else { win }
}

/// What the check says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Checked {
    /// The packet counts.
    Accept,
    /// It passes and counts for nothing.
    Ignore(Bound),
    /// It is refused.
    Invalid(Bound),
}

/// What the check reads besides the flow and the packet.
#[derive(Clone, Copy)]
pub(super) struct Under<'a> {
    pub settings: &'a Settings,
    pub rules: &'a Rules,
    /// What the verdict hung on.
    pub hung: &'a Cell<Switches>,
}

impl Under<'_> {
    /// The verdict hangs on one of these.
    pub(super) fn hangs_on(&self, switches: Switches) {
        self.hung.set(self.hung.get().and(switches));
    }
}

/// Sequence, end and acknowledgements of a packet as the check ends up seeing them.
#[derive(Clone, Copy)]
struct Seen {
    seq: u32,
    end: u32,
    ack: u32,
    sack: u32,
}

/// Takes the window scale and the SACK flag from a packet's options. A packet without any leaves
/// what is known; any options at all clear it first.
pub(super) fn take_options(half: &mut Half, options: &Options, rules: &Rules) {
    if !options.present {
        return;
    }
    half.scale = 0;
    // R3: before 5.18 the liberal flag went, too.
    half.flags &= if rules.liberal_survives { half_flag::BE_LIBERAL } else { 0 };
    if options.sack_permitted {
        half.flags |= half_flag::SACK_PERM;
    }
    if let Some(shift) = options.scale {
        half.scale = shift.min(rules.max_scale);
        half.flags |= half_flag::WINDOW_SCALE;
    }
}

/// The first packet of a flow, ORIGINAL and not yet in the table: a SYN, or an ACK taken up
/// mid-stream.
pub(super) fn begin(tcp: &mut TcpFlow, packet: &Tcp, kind: Kind, rules: &Rules) {
    let win = at_least_one(u32::from(packet.win));
    let sender = &mut tcp.original;
    sender.end = packet.end();
    sender.maxwin = win;
    if kind == Kind::Syn {
        sender.maxend = sender.end;
        take_options(sender, &packet.options, rules);
    } else {
        // The scale is unknown and stays 0 for good; window verdicts are waived instead.
        sender.maxend = sender.end.wrapping_add(win);
        sender.flags = half_flag::SACK_PERM | half_flag::BE_LIBERAL;
        tcp.reply.flags = sender.flags;
    }
}

/// A side's first SYN, or a later one that starts it again.
fn init_sender(tcp: &mut TcpFlow, dir: Dir, packet: &Tcp, rules: &Rules) {
    let (sender, receiver) = tcp.ends(dir);
    restart(sender, packet, rules);
    // R2: only the answer settles whether scaling is on.
    let settles = dir == Dir::Reply || rules.scale_cleared_both_ways;
    if settles && sender.flags & receiver.flags & half_flag::WINDOW_SCALE == 0 {
        sender.scale = 0;
        receiver.scale = 0;
    }
}

/// End and window from this packet alone; the window of a SYN is never scaled.
fn restart(sender: &mut Half, packet: &Tcp, rules: &Rules) {
    sender.end = packet.end();
    sender.maxend = sender.end;
    sender.maxwin = at_least_one(u32::from(packet.win));
    take_options(sender, &packet.options, rules);
}

/// A direction first seen in the middle: nothing is known but this packet.
fn begin_midstream(tcp: &mut TcpFlow, dir: Dir, packet: &Tcp, sack: u32, rules: &Rules) {
    let (sender, receiver) = tcp.ends(dir);
    sender.end = packet.end();
    sender.maxwin = at_least_one(u32::from(packet.win) << sender.scale);
    sender.maxend = sender.end.wrapping_add(sender.maxwin);
    if receiver.maxwin == 0 {
        receiver.end = sack;
        receiver.maxend = sack;
    } else if rules.keepalive_tolerance && sack == receiver.end.wrapping_add(1) {
        // R12: the peer's last packet was a keepalive, one byte before its end.
        receiver.end = sack;
    }
}

/// Initialises or re-initialises the sender where the packet calls for it; true if the packet is
/// accepted on the spot, as a SYN that crosses another is.
fn prepare(tcp: &mut TcpFlow, dir: Dir, packet: &Tcp, sack: u32, rules: &Rules) -> bool {
    let syn = packet.has(flag::SYN);
    let crossing = syn && !packet.has(flag::ACK);
    let sender = tcp.half(dir);
    if sender.maxwin == 0 {
        if syn {
            init_sender(tcp, dir, packet, rules);
            return crossing;
        }
        begin_midstream(tcp, dir, packet, sack, rules);
        return false;
    }
    if !after(packet.end(), sender.end) {
        return false;
    }
    let at_syn = match dir {
        Dir::Original => tcp.state == State::SynSent,
        Dir::Reply => tcp.state == State::SynRecv,
    };
    let opening = matches!(tcp.state, State::SynSent | State::SynRecv);
    match rules.reinit {
        Reinit::SynOnly if syn && opening => {
            init_sender(tcp, dir, packet, rules);
            dir == Dir::Reply && crossing
        }
        Reinit::AnyPacket | Reinit::AnyPacketOrSyn if at_syn => {
            restart(tcp.half_mut(dir), packet, rules);
            false
        }
        Reinit::AnyPacketOrSyn if syn && dir == Dir::Reply && tcp.state == State::SynSent => {
            init_sender(tcp, dir, packet, rules);
            crossing
        }
        _ => false,
    }
}

/// The acknowledgement, carried forward by SACK where the peer said it takes SACK.
fn with_sack(packet: &Tcp, receiver: &Half) -> u32 {
    if receiver.flags & half_flag::SACK_PERM == 0 {
        return packet.ack;
    }
    packet.options.sack_right.iter().fold(
        packet.ack,
        |most, right| {
            if after(right, most) { right } else { most }
        },
    )
}

/// The sequence numbers to judge, after the substitutions for packets that carry no meaningful
/// ones.
fn seen(tcp: &TcpFlow, dir: Dir, packet: &Tcp, sack: u32) -> Seen {
    let (sender, receiver) = (tcp.half(dir), tcp.half(dir.other()));
    let reset = packet.has(flag::RST);
    let mut seen = Seen { seq: packet.seq, end: packet.end(), ack: packet.ack, sack };
    if !packet.has(flag::ACK) || (reset && packet.ack == 0) {
        seen.ack = receiver.end;
        seen.sack = receiver.end;
    }
    if reset && packet.seq == 0 && tcp.state == State::SynSent {
        seen.seq = sender.end;
        seen.end = sender.end;
    }
    seen
}

/// The lower bounds of sequence and acknowledgement.
fn lower_bounds(sender: &Half, receiver: &Half, rules: &Rules) -> (u32, u32) {
    let seq = sender.end.wrapping_sub(receiver.maxwin).wrapping_sub(1);
    let window = sender.maxwin.max(rules.max_ack_window);
    (seq, receiver.end.wrapping_sub(window).wrapping_sub(1))
}

/// Compares with the four bounds, in the order of the kernel: I, III, II, IV since 6.1, else I,
/// II, III, IV. A little too far ahead moves the sender's end even so.
fn compare(tcp: &mut TcpFlow, dir: Dir, seen: &Seen, rules: &Rules) -> Checked {
    let (sender, receiver) = tcp.ends(dir);
    let (seq_low, ack_low) = lower_bounds(sender, receiver, rules);
    let not_ahead = before(seen.seq, sender.maxend.wrapping_add(1)); // I
    let not_behind = receiver.maxwin == 0 || after(seen.end, seq_low); // II
    let ack_known = before(seen.sack, receiver.end.wrapping_add(1)); // III
    let ack_recent = after(seen.sack, ack_low); // IV
    let ack_over = Bound::AckOver(receiver.end.wrapping_add(1));
    if !not_ahead {
        let over = seen.end.wrapping_sub(sender.maxend).wrapping_add(1);
        let near = receiver.maxwin != 0 && not_behind && ack_recent && over <= receiver.maxwin;
        if rules.overshoot != Overshoot::Invalid && near && ack_known {
            sender.end = seen.end;
            sender.flags |= half_flag::DATA_UNACKNOWLEDGED;
            return match rules.overshoot {
                Overshoot::Ignored => Checked::Ignore(Bound::Overshoot(over)),
                _ => Checked::Invalid(Bound::Overshoot(over)),
            };
        }
        return Checked::Invalid(Bound::SeqOver(sender.maxend.wrapping_add(1)));
    }
    let old = |bound| {
        if rules.old_segments_pass { Checked::Ignore(bound) } else { Checked::Invalid(bound) }
    };
    if !ack_known && (rules.old_segments_pass || not_behind) {
        return Checked::Invalid(ack_over);
    }
    if !not_behind {
        return old(Bound::SeqUnder(seq_low));
    }
    if !ack_recent {
        return old(Bound::AckUnder(ack_low));
    }
    Checked::Accept
}

/// What a packet within its window teaches.
fn learn(tcp: &mut TcpFlow, dir: Dir, packet: &Tcp, seen: &Seen) -> u32 {
    let (sender, receiver) = tcp.ends(dir);
    let scale = if packet.has(flag::SYN) { 0 } else { sender.scale };
    let win = u32::from(packet.win) << scale;
    let reach = win.wrapping_add(seen.sack.wrapping_sub(seen.ack));
    sender.maxwin = sender.maxwin.max(reach);
    if after(seen.end, sender.end) {
        sender.end = seen.end;
        sender.flags |= half_flag::DATA_UNACKNOWLEDGED;
    }
    if packet.has(flag::ACK)
        && (sender.flags & half_flag::MAXACK_SET == 0 || after(seen.ack, sender.maxack))
    {
        sender.maxack = seen.ack;
        sender.flags |= half_flag::MAXACK_SET;
    }
    if receiver.maxwin != 0 && after(seen.end, sender.maxend) {
        let more = seen.end.wrapping_sub(sender.maxend);
        receiver.maxwin = receiver.maxwin.wrapping_add(more);
    }
    let edge = seen.sack.wrapping_add(win);
    if after(edge, receiver.maxend.wrapping_sub(1)) {
        // A closed window still lets a probe of one byte through.
        receiver.maxend = edge.wrapping_add(u32::from(win == 0));
    }
    if seen.ack == receiver.end {
        receiver.flags &= !half_flag::DATA_UNACKNOWLEDGED;
    }
    win
}

/// Counts identical segments in a row; only ACK-kind packets count or break the row.
fn count_again(tcp: &mut TcpFlow, dir: Dir, seen: &Seen, win: u16) {
    let last = &mut tcp.last;
    let now = (seen.seq, seen.ack, seen.end, win);
    if last.dir == dir && (last.seq, last.ack, last.end, last.win) == now {
        tcp.retrans = tcp.retrans.wrapping_add(1);
        return;
    }
    (last.seq, last.ack, last.end, last.win) = now;
    last.dir = dir;
    tcp.retrans = 0;
}

/// Checks one packet and updates both records. [`TcpFlow::state`] is still the old state.
pub(super) fn check(
    tcp: &mut TcpFlow,
    dir: Dir,
    packet: &Tcp,
    kind: Kind,
    under: Under<'_>,
) -> Checked {
    let Under { settings, rules, .. } = under;
    if settings.tcp_no_window_check {
        return Checked::Accept;
    }
    let sack = with_sack(packet, tcp.half(dir.other()));
    if prepare(tcp, dir, packet, sack, rules) {
        return Checked::Accept;
    }
    let seen = seen(tcp, dir, packet, sack);
    let checked = compare(tcp, dir, &seen, rules);
    if checked != Checked::Accept {
        if tcp.half(dir).flags & half_flag::BE_LIBERAL != 0 {
            return Checked::Accept;
        }
        under.hangs_on(Switches::LIBERAL);
        return if settings.tcp_be_liberal { Checked::Accept } else { checked };
    }
    let win = learn(tcp, dir, packet, &seen);
    if kind == Kind::Ack {
        // R13: older kernels compared the scaled window, cut to 16 bits.
        let win = if rules.raw_window_compared { packet.win } else { win as u16 };
        count_again(tcp, dir, &seen, win);
    }
    checked
}
