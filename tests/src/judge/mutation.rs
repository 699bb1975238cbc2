//! Changes to the model that the comparison must catch: each is a mistake somebody could make.
//!
//! The model itself knows nothing of them. A mistake in a rule of some kernel is another
//! [`Rules`]; one in reading a setting or a packet is another setting or packet; one in what is
//! remembered is made around the packet, on the entry.

use hopclock_core::conntrack::entry::{Entry, Proto, TcpFlow, half_flag};
use hopclock_core::conntrack::options::SackEdges;
use hopclock_core::conntrack::packet::{Body, Checksum, Tcp, flag};
use hopclock_core::conntrack::rules::{Overshoot, Reinit};
use hopclock_core::conntrack::state::Next;
use hopclock_core::conntrack::{Dir, Judged, Kind, Packet, Rules, Settings, State, Table, Verdict};
use hopclock_core::time::Gap;

macro_rules! mutations {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// A mistake, or none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutation {
            /// The model as it is.
            None,
            $($(#[$doc])* $name,)+
        }

        impl Mutation {
            /// Every mistake.
            pub const ALL: &[Mutation] = &[$(Mutation::$name),+];
        }
    };
}

mutations! {
    // ── rules of another kernel ──
    /// Any packet beyond the end initialises a direction again.
    ReinitByAnyPacket,
    /// A SYN in ORIGINAL, too, switches scaling off.
    ScaleClearedBothWays,
    /// The liberal flag is lost when options are read.
    LiberalLost,
    /// Data a little beyond the window is plainly INVALID.
    OvershootInvalid,
    /// Such data is INVALID but moves the end.
    OvershootInvalidMoved,
    /// Old segments are INVALID.
    OldSegmentsInvalid,
    /// FIN and reset out of window leave the timer alone.
    NoLowering,
    /// Resets on closing entries are judged like others.
    StrictReset,
    /// A reset that answers a challenge ACK goes through the window check.
    NoChallengeInSynSent,
    /// A reset may "answer" a SYN of its own side.
    ResetAnswersEitherWay,
    /// An inexact reset gives the unacknowledged timeout.
    InexactResetSpared,
    /// A SYN sent again refreshes.
    SynAgainRefreshes,
    /// No tolerance for keepalives seen first.
    NoKeepaliveTolerance,
    /// Identical segments are told by the scaled window.
    ScaledWindowCompared,
    // ── numbers and cells ──
    /// The acknowledgement window allows a byte more.
    AckWindowOneMore,
    /// The acknowledgement window is 64 KiB.
    AckWindow65536,
    /// A scale of 15 counts as 15.
    ScaleFifteen,
    /// An ACK in LAST_ACK does not end the flow.
    LastAckStays,
    /// A SYN from the server on a live connection is ignored, not INVALID.
    ReplySynIgnored,
    /// A SYN/ACK on a live connection is INVALID, not ignored.
    SynAckInvalid,
    // ── settings misread ──
    /// `loose` is taken for on.
    AlwaysLoose,
    /// `be_liberal` has no effect.
    NeverLiberal,
    /// `be_liberal` is taken for on.
    AlwaysLiberal,
    /// `ignore_invalid_rst` has no effect.
    OldResetsRefused,
    /// One identical segment more is needed.
    RetransOneMore,
    /// The two shortening timeouts are mixed up.
    ShorteningMixedUp,
    /// CLOSE_WAIT runs on FIN_WAIT's timeout.
    CloseWaitAsFinWait,
    /// SYN_SENT2 follows the sysctl of SYN_SENT.
    SynSent2AsSynSent,
    /// Checksums are never looked at.
    ChecksumIgnored,
    // ── packets misread ──
    /// A FIN takes no sequence number.
    FinTakesNone,
    /// A SYN takes no sequence number.
    SynTakesNone,
    /// SACK is not read.
    SackIgnored,
    /// SACK counts though the peer never permitted it, as the acknowledgement itself.
    SackAlways,
    /// A SYN's window is scaled.
    SynWindowScaled,
    /// PSH makes a packet something else than an ACK.
    PushIsNotAck,
    // ── memory ──
    /// The count of identical segments stays at 255.
    RetransSaturates,
    /// Any acknowledgement clears "data unacknowledged".
    PartialAckClears,
    /// The highest acknowledgement is not kept.
    MaxackForgotten,
    /// An INVALID reply counts as a reply.
    SeenReplyByInvalid,
    /// An ignored reply does not count as a reply.
    NoSeenReplyByIgnored,
    /// The first reply makes an entry assured.
    AssuredAtOnce,
    /// The largest window is the latest.
    WindowShrinks,
    /// A closed window lets no probe through.
    NoRoomForProbe,
    /// Ignored packets leave no trace.
    IgnoredForgotten,
    /// A FIN or reset out of window leaves no trace.
    InvalidEndForgotten,
    /// Ignored packets refresh.
    IgnoredRefreshes,
    /// The upper bound of sequence is one lower.
    SeqUpperOneLess,
    /// The upper bound of acknowledgement is one higher.
    AckUpperOneMore,
    /// The lower bound of sequence is one lower.
    SeqLowerOneLess,
    /// A flow taken up mid-stream is judged by its windows.
    PickupNotLiberal,
    /// A flow taken up mid-stream gets the long timer at once.
    PickupNotCapped,
    /// The side that began to close is not kept.
    CloseInitForgotten,
}

impl Mutation {
    /// The rules it makes.
    pub fn rules(self) -> Rules {
        let mut rules = Rules::default();
        match self {
            Self::ReinitByAnyPacket => rules.reinit = Reinit::AnyPacket,
            Self::ScaleClearedBothWays => rules.scale_cleared_both_ways = true,
            Self::LiberalLost => rules.liberal_survives = false,
            Self::OvershootInvalid => rules.overshoot = Overshoot::Invalid,
            Self::OvershootInvalidMoved => rules.overshoot = Overshoot::InvalidMoved,
            Self::OldSegmentsInvalid => rules.old_segments_pass = false,
            Self::NoLowering => rules.out_of_window_end_lowers = false,
            Self::StrictReset => rules.lenient_reset = false,
            Self::NoChallengeInSynSent => rules.challenge_in_syn_sent = false,
            Self::ResetAnswersEitherWay => rules.reset_answers_other_way = false,
            Self::InexactResetSpared => rules.inexact_reset_unacknowledged = true,
            Self::SynAgainRefreshes => rules.syn_again_keeps_timer = false,
            Self::NoKeepaliveTolerance => rules.keepalive_tolerance = false,
            Self::ScaledWindowCompared => rules.raw_window_compared = false,
            Self::AckWindowOneMore => rules.max_ack_window += 1,
            Self::AckWindow65536 => rules.max_ack_window = 65_536,
            Self::ScaleFifteen => rules.max_scale = 15,
            Self::LastAckStays => {
                let stays = Next::To(State::LastAck);
                cell(&mut rules, Dir::Original, Kind::Ack, State::LastAck, stays);
            }
            Self::ReplySynIgnored => {
                cell(&mut rules, Dir::Reply, Kind::Syn, State::Established, Next::Ignore);
            }
            Self::SynAckInvalid => {
                cell(&mut rules, Dir::Reply, Kind::SynAck, State::Established, Next::Invalid);
            }
            _ => {}
        }
        rules
    }

    /// The settings it sees.
    pub fn settings(self, mut settings: Settings) -> Settings {
        match self {
            Self::AlwaysLoose => settings.tcp_loose = true,
            Self::NeverLiberal => settings.tcp_be_liberal = false,
            Self::AlwaysLiberal => settings.tcp_be_liberal = true,
            Self::OldResetsRefused => settings.tcp_ignore_invalid_rst = false,
            Self::RetransOneMore => {
                settings.tcp_max_retrans = settings.tcp_max_retrans.saturating_add(1);
            }
            Self::ShorteningMixedUp => {
                let t = &mut settings.tcp;
                std::mem::swap(&mut t.max_retrans, &mut t.unacknowledged);
            }
            Self::CloseWaitAsFinWait => settings.tcp.close_wait = settings.tcp.fin_wait,
            Self::SynSent2AsSynSent => settings.tcp.syn_sent2 = settings.tcp.syn_sent,
            Self::ChecksumIgnored => settings.checksum = false,
            _ => {}
        }
        settings
    }

    /// The packet it sees.
    pub fn packet(self, mut packet: Packet) -> Packet {
        let Body::Tcp(tcp) = &mut packet.body else { return packet };
        match self {
            Self::FinTakesNone if tcp.has(flag::FIN) => tcp.len = tcp.len.wrapping_sub(1),
            Self::SynTakesNone if tcp.has(flag::SYN) => tcp.len = tcp.len.wrapping_sub(1),
            Self::SackIgnored => tcp.options.sack_right = SackEdges::default(),
            Self::SackAlways => {
                if let Some(edge) = tcp.options.sack_right.iter().next() {
                    tcp.ack = edge;
                }
            }
            Self::SynWindowScaled if tcp.has(flag::SYN) => {
                tcp.win = tcp.win.wrapping_shl(u32::from(tcp.options.scale.unwrap_or(0)));
            }
            Self::PushIsNotAck if tcp.has(flag::PSH) => tcp.flags &= !flag::ACK,
            Self::ChecksumIgnored => packet.checksum = Checksum::NotChecked,
            _ => {}
        }
        packet
    }

    /// What it does to the table before a packet.
    pub fn before(self, table: &mut Table, packet: &Packet) {
        shift_bounds(self, table, packet, 1);
    }

    /// What it does to the table after a packet, whose entry stood at `before`.
    pub fn after(
        self,
        table: &mut Table,
        packet: &Packet,
        before: Option<&Entry>,
        judged: &Judged,
    ) {
        shift_bounds(self, table, packet, -1);
        let Body::Tcp(tcp) = packet.body else { return };
        let Some((dir, settings)) = table.find(&packet.tuple).map(|(_, dir)| (dir, table.settings))
        else {
            return;
        };
        let now = table.now();
        table.change(&packet.tuple, |entry| {
            self.status(entry, dir, judged);
            let known = before.and_then(tcp_of);
            if let Proto::Tcp(flow) = &mut entry.proto {
                self.flow(flow, known, dir, (&tcp, judged));
            }
            let refreshed = self == Self::IgnoredRefreshes && judged.verdict == Verdict::Ignore;
            let long = self == Self::PickupNotCapped && judged.created;
            if let Some(state) = entry.tcp_state()
                && (refreshed || long)
            {
                entry.expires = now.plus(Gap::from_secs(i64::from(settings.tcp.of(state))));
            }
        });
    }

    fn status(self, entry: &mut Entry, dir: Dir, judged: &Judged) {
        let reply = dir == Dir::Reply;
        match self {
            Self::SeenReplyByInvalid if reply => entry.status.seen_reply = true,
            Self::NoSeenReplyByIgnored if reply && judged.verdict == Verdict::Ignore => {
                entry.status.seen_reply = false;
            }
            Self::AssuredAtOnce if reply => entry.status.assured = true,
            _ => {}
        }
    }

    fn flow(
        self,
        flow: &mut TcpFlow,
        known: Option<TcpFlow>,
        dir: Dir,
        (tcp, judged): (&Tcp, &Judged),
    ) {
        let accepted = judged.verdict == Verdict::Accept;
        let scale = flow.half(dir).scale;
        match (self, known) {
            (Self::RetransSaturates, Some(known)) if known.retrans == 255 && accepted => {
                flow.retrans = 255;
            }
            (Self::PartialAckClears, _) if accepted && tcp.has(flag::ACK) => {
                flow.half_mut(dir.other()).flags &= !half_flag::DATA_UNACKNOWLEDGED;
            }
            (Self::MaxackForgotten, _) => {
                flow.half_mut(dir).maxack = tcp.ack;
            }
            (Self::WindowShrinks, _) if accepted && !tcp.has(flag::SYN) => {
                flow.half_mut(dir).maxwin = (u32::from(tcp.win) << scale).max(1);
            }
            (Self::NoRoomForProbe, Some(known)) if tcp.win == 0 => {
                let peer = flow.half_mut(dir.other());
                if peer.maxend != known.half(dir.other()).maxend {
                    peer.maxend = peer.maxend.wrapping_sub(1);
                }
            }
            (Self::IgnoredForgotten, Some(known)) if judged.verdict == Verdict::Ignore => {
                flow.last = known.last;
            }
            (Self::InvalidEndForgotten, Some(known)) if judged.verdict == Verdict::Invalid => {
                flow.last = known.last;
            }
            (Self::PickupNotLiberal, _) => {
                for half in [&mut flow.original, &mut flow.reply] {
                    half.flags &= !half_flag::BE_LIBERAL;
                }
            }
            (Self::CloseInitForgotten, _) => {
                for half in [&mut flow.original, &mut flow.reply] {
                    half.flags &= !half_flag::CLOSE_INIT;
                }
            }
            _ => {}
        }
    }
}

/// Moves what a bound is made from by one, and back.
fn shift_bounds(mutation: Mutation, table: &mut Table, packet: &Packet, by: i32) {
    let by = by as u32;
    let Some((_, dir)) = table.find(&packet.tuple) else { return };
    table.change(&packet.tuple, |entry| {
        let Proto::Tcp(flow) = &mut entry.proto else { return };
        match mutation {
            Mutation::SeqUpperOneLess => {
                let half = flow.half_mut(dir);
                half.maxend = half.maxend.wrapping_sub(by);
            }
            Mutation::AckUpperOneMore => {
                let half = flow.half_mut(dir.other());
                half.end = half.end.wrapping_add(by);
            }
            Mutation::SeqLowerOneLess => {
                let half = flow.half_mut(dir.other());
                if half.maxwin > 1 {
                    half.maxwin = half.maxwin.wrapping_add(by);
                }
            }
            _ => {}
        }
    });
}

fn cell(rules: &mut Rules, dir: Dir, kind: Kind, state: State, next: Next) {
    rules.transitions[dir as usize][kind as usize][state as usize] = next;
}

fn tcp_of(entry: &Entry) -> Option<TcpFlow> {
    match entry.proto {
        Proto::Tcp(tcp) => Some(tcp),
        _ => None,
    }
}
