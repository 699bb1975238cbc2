//! TCP states, kinds of packet, and the two transition tables.
//!
//! nf_conntrack_proto_tcp.c; identical in every version compared from 4.19 to 7.1.

use super::packet::{Tcp, flag};

/// Which way a packet goes: as the one that made the entry, or back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Dir {
    /// As the packet that made the entry.
    Original = 0,
    /// The other way.
    Reply = 1,
}

impl Dir {
    /// The other way.
    pub const fn other(self) -> Dir {
        match self {
            Dir::Original => Dir::Reply,
            Dir::Reply => Dir::Original,
        }
    }

    /// The contract's word.
    pub const fn word(self) -> &'static str {
        match self {
            Dir::Original => "original",
            Dir::Reply => "reply",
        }
    }
}

/// The kernel's TCP states, with its numbers (ctnetlink `CTA_PROTOINFO_TCP_STATE`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "the kernel's own names")]
pub enum State {
    None = 0,
    SynSent = 1,
    SynRecv = 2,
    Established = 3,
    FinWait = 4,
    CloseWait = 5,
    LastAck = 6,
    TimeWait = 7,
    Close = 8,
    SynSent2 = 9,
}

impl State {
    /// Every state, in the kernel's order.
    pub const ALL: [State; 10] = [
        State::None,
        State::SynSent,
        State::SynRecv,
        State::Established,
        State::FinWait,
        State::CloseWait,
        State::LastAck,
        State::TimeWait,
        State::Close,
        State::SynSent2,
    ];

    /// The name `conntrack -L` and the kernel's log print.
    pub const fn name(self) -> &'static str {
        match self {
            State::None => "NONE",
            State::SynSent => "SYN_SENT",
            State::SynRecv => "SYN_RECV",
            State::Established => "ESTABLISHED",
            State::FinWait => "FIN_WAIT",
            State::CloseWait => "CLOSE_WAIT",
            State::LastAck => "LAST_ACK",
            State::TimeWait => "TIME_WAIT",
            State::Close => "CLOSE",
            State::SynSent2 => "SYN_SENT2",
        }
    }

    /// The state of this name; LISTEN is the old name of SYN_SENT2.
    pub fn named(name: &str) -> Option<State> {
        if name == "LISTEN" {
            return Some(State::SynSent2);
        }
        State::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// What kind of packet, for the tables and the log's "index".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "named by the flags that decide")]
pub enum Kind {
    Syn = 0,
    SynAck = 1,
    Fin = 2,
    Ack = 3,
    Rst = 4,
    None = 5,
}

impl Kind {
    /// The first that matches: RST, SYN with ACK, SYN, FIN, ACK.
    pub const fn of(tcp: &Tcp) -> Kind {
        if tcp.has(flag::RST) {
            Kind::Rst
        } else if tcp.has(flag::SYN) {
            if tcp.has(flag::ACK) { Kind::SynAck } else { Kind::Syn }
        } else if tcp.has(flag::FIN) {
            Kind::Fin
        } else if tcp.has(flag::ACK) {
            Kind::Ack
        } else {
            Kind::None
        }
    }
}

/// What a table says of a kind of packet in a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Go there, if the window check agrees.
    To(State),
    /// Let pass, remember the packet, change nothing.
    Ignore,
    /// Refuse.
    Invalid,
}

/// By direction, kind and old state, each by its number.
pub type Transitions = [[[Next; 10]; 6]; 2];

const NO: Next = Next::Invalid;
const IG: Next = Next::Ignore;
const SS: Next = Next::To(State::SynSent);
const SR: Next = Next::To(State::SynRecv);
const ES: Next = Next::To(State::Established);
const FW: Next = Next::To(State::FinWait);
const CW: Next = Next::To(State::CloseWait);
const LA: Next = Next::To(State::LastAck);
const TW: Next = Next::To(State::TimeWait);
const CL: Next = Next::To(State::Close);
const S2: Next = Next::To(State::SynSent2);

/// The tables. Rows by [`Kind`]; columns NONE, SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT,
/// CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE, SYN_SENT2. SYN_SENT in the columns of TIME_WAIT and
/// CLOSE means a reopening, or an ignored packet where that is refused.
#[rustfmt::skip]
pub const TRANSITIONS: Transitions = [
    [
        [SS, SS, IG, IG, IG, IG, IG, SS, SS, S2],
        [NO, NO, SR, NO, NO, NO, NO, NO, NO, SR],
        [NO, NO, FW, FW, LA, LA, LA, TW, CL, NO],
        [ES, NO, ES, ES, CW, CW, TW, TW, CL, NO],
        [NO, CL, CL, CL, CL, CL, CL, CL, CL, CL],
        [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO],
    ],
    [
        [NO, S2, NO, NO, NO, NO, NO, SS, NO, S2],
        [NO, SR, IG, IG, IG, IG, IG, IG, IG, SR],
        [NO, NO, FW, FW, LA, LA, LA, TW, CL, NO],
        [NO, IG, SR, ES, CW, CW, TW, TW, CL, IG],
        [NO, CL, CL, CL, CL, CL, CL, CL, CL, CL],
        [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO],
    ],
];

/// Looks a packet up in `tables`.
pub const fn next(tables: &Transitions, dir: Dir, kind: Kind, old: State) -> Next {
    tables[dir as usize][kind as usize][old as usize]
}

/// Flag combinations the kernel knows, PSH, ECE and CWR aside.
pub const fn flags_make_sense(tcp: &Tcp) -> bool {
    use flag::{ACK, CWR, ECE, FIN, PSH, RST, SYN, URG};
    const SYN_URG: u8 = SYN | URG;
    const SYN_ACK: u8 = SYN | ACK;
    const RST_ACK: u8 = RST | ACK;
    const FIN_ACK: u8 = FIN | ACK;
    const FIN_ACK_URG: u8 = FIN | ACK | URG;
    const ACK_URG: u8 = ACK | URG;
    matches!(
        tcp.flags & !(PSH | ECE | CWR),
        SYN | SYN_URG | SYN_ACK | RST | RST_ACK | FIN_ACK | FIN_ACK_URG | ACK | ACK_URG
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_kernels() {
        for (n, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, n);
            assert_eq!(State::named(state.name()), Some(state));
        }
        assert_eq!(State::named("LISTEN"), Some(State::SynSent2));
    }

    #[test]
    fn nine_combinations_of_flags_make_sense() {
        let sensible = (0..64)
            .filter(|flags| flags & flag::PSH == 0)
            .filter(|&flags| flags_make_sense(&Tcp { flags, ..Tcp::default() }))
            .count();
        assert_eq!(sensible, 9);
    }
}
