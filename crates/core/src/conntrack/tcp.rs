//! One TCP packet against one entry, in the kernel's order of evaluation.
//!
//! Header sanity is judged before this and the look-up belongs to the table; here are the state
//! machine, its special cases, and what a verdict does to state and timer.
//! nf_conntrack_proto_tcp.c, 6.18.

use super::entry::{Entry, Half, Proto, Status, TcpFlow, half_flag};
use super::packet::Tcp;
use super::reason::{Lowered, Reason};
use super::state::{Dir, Kind, Next, State, next};
use super::switch::Switches;
use super::timer;
use super::window::{self, Checked, Under, before};
use crate::time::{Gap, Moment};

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// It counts; the timer is set to this many seconds, the packet is accounted.
    Refresh(u32),
    /// It counts, but timer and accounting stay.
    Keep(Reason),
    /// It passes without effect.
    Ignore(Reason),
    /// It is refused.
    Invalid(Reason),
    /// It is refused, and the timer is lowered.
    InvalidLowered(Reason, Lowered),
    /// It counts, and the entry is gone.
    Kill,
    /// The entry is gone, and the packet starts a new one.
    Reopen,
}

/// Where the special cases before the window check lead.
enum Way {
    /// To the window check with this old and new state.
    Check { old: State, new: State },
    /// Past the window check.
    Skip { old: State, new: State },
    /// Nowhere: done.
    Done(Step),
}

/// Judges the first packet of a flow that has no entry yet.
///
/// The entry is fresh; on [`Step::Invalid`] it must be discarded.
pub(super) fn first(entry: &mut Entry, packet: &Tcp, at: Moment, under: Under<'_>) -> Step {
    let kind = Kind::of(packet);
    let Proto::Tcp(tcp) = &mut entry.proto else { return Step::Invalid(Reason::InvalidNew) };
    match next(&under.rules.transitions, Dir::Original, kind, State::None) {
        Next::To(State::SynSent) => {}
        // Loose decides here and nowhere else.
        Next::To(_) => {
            under.hangs_on(Switches::LOOSE);
            if !under.settings.tcp_loose {
                return Step::Invalid(Reason::NotLoose);
            }
        }
        _ => return Step::Invalid(Reason::InvalidNew),
    }
    window::begin(tcp, packet, kind, under.rules);
    known(entry, Dir::Original, packet, at, under)
}

/// Judges a packet of a flow that has an entry.
pub(super) fn known(
    entry: &mut Entry,
    dir: Dir,
    packet: &Tcp,
    at: Moment,
    under: Under<'_>,
) -> Step {
    let kind = Kind::of(packet);
    let status = entry.status;
    let Proto::Tcp(tcp) = &mut entry.proto else { return Step::Invalid(Reason::InvalidNew) };
    let (old, new) = match approach(tcp, dir, packet, status, under) {
        Way::Done(step) => return step,
        Way::Skip { old, new } => (old, new),
        Way::Check { old, new } => match window::check(tcp, dir, packet, kind, under) {
            Checked::Accept => (old, new),
            Checked::Ignore(bound) => return Step::Ignore(Reason::Window(bound)),
            Checked::Invalid(bound) => {
                let reason = Reason::Window(bound);
                return match after_invalid(entry, dir, kind, at, under) {
                    Some(lowered) => Step::InvalidLowered(reason, lowered),
                    None => Step::Invalid(reason),
                };
            }
        },
    };
    commit(tcp, dir, kind, old, new);
    settle(entry, kind, old, under)
}

/// The transition table, and what some of its cells mean in particular.
fn approach(tcp: &mut TcpFlow, dir: Dir, packet: &Tcp, status: Status, under: Under<'_>) -> Way {
    let kind = Kind::of(packet);
    let old = tcp.state;
    match next(&under.rules.transitions, dir, kind, old) {
        Next::Invalid => Way::Done(Step::Invalid(Reason::NotInState { kind, dir, state: old })),
        Next::Ignore => ignore(tcp, dir, packet, under),
        Next::To(State::SynSent) if matches!(old, State::TimeWait | State::Close) => {
            reopen(tcp, dir, packet, under)
        }
        Next::To(State::TimeWait) if answers_ignored_syn(tcp, dir, kind) => {
            tcp.last.flags &= !half_flag::EXP_CHALLENGE_ACK;
            Way::Done(Step::Ignore(Reason::ChallengeAck))
        }
        Next::To(State::SynSent2) => {
            tcp.last.flags |= half_flag::SIMULTANEOUS_OPEN;
            Way::Check { old, new: State::SynSent2 }
        }
        Next::To(State::SynRecv)
            if dir == Dir::Reply
                && kind == Kind::Ack
                && tcp.last.flags & half_flag::SIMULTANEOUS_OPEN != 0 =>
        {
            Way::Check { old, new: State::Established }
        }
        Next::To(State::Close) if kind == Kind::Rst => reset(tcp, dir, packet, status, under),
        Next::To(new) => Way::Check { old, new },
    }
}

/// A SYN on a closed entry: a new connection if one side closed by itself or this side reset it,
/// else a packet to ignore.
fn reopen(tcp: &mut TcpFlow, dir: Dir, packet: &Tcp, under: Under<'_>) -> Way {
    let closed = (tcp.original.flags | tcp.reply.flags) & half_flag::CLOSE_INIT != 0;
    if closed || (tcp.last.dir == dir && tcp.last.kind == Kind::Rst) {
        return Way::Done(Step::Reopen);
    }
    ignore(tcp, dir, packet, under)
}

/// The peer's ACK to a SYN that was ignored in LAST_ACK: it does not end the flow.
fn answers_ignored_syn(tcp: &TcpFlow, dir: Dir, kind: Kind) -> bool {
    tcp.state == State::LastAck
        && kind == Kind::Ack
        && tcp.last.dir != dir
        && tcp.last.kind == Kind::Syn
        && tcp.last.flags & half_flag::EXP_CHALLENGE_ACK != 0
}

/// Remembers a packet that passes without effect, or, when a SYN/ACK answers a SYN remembered so,
/// takes both for the beginning of a new connection.
fn ignore(tcp: &mut TcpFlow, dir: Dir, packet: &Tcp, under: Under<'_>) -> Way {
    let kind = Kind::of(packet);
    let old = tcp.state;
    let last = tcp.last;
    if kind == Kind::SynAck && last.kind == Kind::Syn && last.dir != dir && packet.ack == last.end {
        resynchronise(tcp, dir, under);
        return Way::Check { old: State::SynSent, new: State::SynRecv };
    }
    tcp.last.kind = kind;
    tcp.last.dir = dir;
    tcp.last.seq = packet.seq;
    tcp.last.end = packet.end();
    tcp.last.win = packet.win;
    if kind == Kind::Syn && dir == Dir::Original {
        let mut offered = Half::default();
        window::take_options(&mut offered, &packet.options, under.rules);
        tcp.last.flags = offered.flags;
        tcp.last.scale = offered.scale;
        if old == State::LastAck {
            tcp.last.flags |= half_flag::EXP_CHALLENGE_ACK;
        }
    }
    let challenged = old == State::SynSent && kind == Kind::Ack && dir == Dir::Reply;
    if challenged && under.rules.challenge_in_syn_sent {
        tcp.last.ack = packet.ack;
    }
    Way::Done(Step::Ignore(Reason::IgnoredInState { kind, dir, state: old }))
}

/// The ignored SYN was real after all: its sender's record becomes what it said, the answerer's
/// starts empty.
fn resynchronise(tcp: &mut TcpFlow, dir: Dir, under: Under<'_>) {
    let last = tcp.last;
    let opener = tcp.half_mut(last.dir);
    opener.end = last.end;
    opener.maxend = last.end;
    opener.maxwin = u32::from(last.win).max(1);
    opener.scale = last.scale;
    opener.flags = last.flags & !half_flag::EXP_CHALLENGE_ACK;
    let answerer = tcp.half_mut(dir);
    // R3: before 5.18 the liberal flag went, too.
    let kept = if under.rules.liberal_survives { half_flag::BE_LIBERAL } else { 0 };
    *answerer = Half { flags: answerer.flags & kept, ..Half::default() };
}

/// A reset: whether it is old, exact, or the answer to something remembered.
fn reset(tcp: &TcpFlow, dir: Dir, packet: &Tcp, status: Status, under: Under<'_>) -> Way {
    let Under { settings, rules, .. } = under;
    let old = tcp.state;
    let close = Way::Check { old, new: State::Close };
    let closing = !matches!(
        old,
        State::None | State::SynSent | State::SynRecv | State::Established | State::SynSent2
    );
    if closing && rules.lenient_reset {
        return Way::Skip { old, new: State::Close };
    }
    let peer = tcp.half(dir.other());
    let last = &tcp.last;
    let mut new = State::Close;
    let judged =
        peer.flags & half_flag::MAXACK_SET != 0 && (last.kind != Kind::Syn || !rules.lenient_reset);
    if judged {
        let solid = old == State::Established && status.assured;
        if packet.seq == 0 && !solid && rules.lenient_reset {
            return close;
        }
        if before(packet.seq, peer.maxack) {
            under.hangs_on(Switches::OLD_RESET);
            if !(settings.tcp_ignore_invalid_rst && rules.lenient_reset) {
                return Way::Done(Step::Invalid(Reason::InvalidRst));
            }
        }
        if !solid || packet.seq == peer.maxack {
            return close;
        }
        if last.kind == Kind::Ack && last.dir == dir && packet.seq == last.end {
            return close;
        }
        // Neither exact nor behind the sender's own data: the connection may live on.
        new = old;
    }
    let answers_syn = status.seen_reply
        && last.kind == Kind::Syn
        && (last.dir != dir || !rules.reset_answers_other_way);
    let answers_ack = !status.assured && last.kind == Kind::Ack;
    if packet.ack == last.end && (answers_syn || answers_ack) {
        return Way::Skip { old, new };
    }
    let answers_challenge = rules.challenge_in_syn_sent
        && old == State::SynSent
        && last.kind == Kind::Ack
        && last.dir == Dir::Reply
        && packet.seq == last.ack;
    if answers_challenge { Way::Skip { old, new } } else { Way::Check { old, new } }
}

/// R6: an assured entry whose ends both sent a FIN or reset out of window keeps its state but not
/// its long timer.
fn after_invalid(
    entry: &mut Entry,
    dir: Dir,
    kind: Kind,
    at: Moment,
    under: Under<'_>,
) -> Option<Lowered> {
    let Under { settings, rules, .. } = under;
    if !rules.out_of_window_end_lowers || !entry.status.assured || entry.status.fixed_timeout {
        return None;
    }
    let ends = |kind| matches!(kind, Kind::Rst | Kind::Fin);
    let remaining = entry.remaining(at);
    let Proto::Tcp(tcp) = &mut entry.proto else { return None };
    if !ends(kind) {
        return None;
    }
    if tcp.last.dir == dir || !ends(tcp.last.kind) {
        tcp.last.kind = kind;
        tcp.last.dir = dir;
        return None;
    }
    under.hangs_on(Switches::REMAINING);
    let lower = settings.tcp.unacknowledged;
    let gap = Gap::from_secs(i64::from(lower));
    let lowered = Lowered { seconds: lower, kind, dir, answered: tcp.last.kind };
    (remaining >= Gap::from_secs(120) && remaining > gap).then_some(lowered)
}

/// The packet counts: state, and who began the close.
fn commit(tcp: &mut TcpFlow, dir: Dir, kind: Kind, old: State, new: State) {
    tcp.last.kind = kind;
    tcp.last.dir = dir;
    tcp.state = new;
    if old != new && new == State::FinWait {
        tcp.half_mut(dir).flags |= half_flag::CLOSE_INIT;
    }
}

/// Timer and assured bit of a packet that counts.
fn settle(entry: &mut Entry, kind: Kind, old: State, under: Under<'_>) -> Step {
    let Under { settings, rules, .. } = under;
    let Proto::Tcp(tcp) = &entry.proto else { return Step::Kill };
    let seen_reply = entry.status.seen_reply;
    let timeout = timer::tcp(tcp, kind, seen_reply, (settings, rules));
    if seen_reply {
        let carried = matches!(old, State::SynRecv | State::Established);
        if carried && tcp.state == State::Established {
            entry.status.assured = true;
        }
        return Step::Refresh(timeout);
    }
    if kind == Kind::Rst {
        return Step::Kill;
    }
    if kind == Kind::Syn && old == State::SynSent && rules.syn_again_keeps_timer {
        return Step::Keep(Reason::SynAgain);
    }
    Step::Refresh(timeout)
}

/// Whether a TCP packet may be looked at at all: checksum, then flags.
pub(super) fn sane(packet: &Tcp, checksum_holds: bool) -> Option<Reason> {
    if !checksum_holds {
        return Some(Reason::BadChecksum);
    }
    (!super::state::flags_make_sense(packet)).then_some(Reason::BadFlags)
}
