//! Which timeout an entry gets. nf_conntrack_proto_tcp.c and nf_conntrack_proto_udp.c, 6.18.
//!
//! Everything here is in seconds as the sysctls have them, and read when the packet arrives.

use super::entry::{TcpFlow, half_flag};
use super::rules::Rules;
use super::settings::{Settings, Timeouts};
use super::state::{Kind, State};

impl Timeouts {
    /// The timeout of a state, seconds.
    pub const fn of(&self, state: State) -> u32 {
        match state {
            // The slot of NONE is that of no state an entry can be in.
            State::None | State::SynSent => self.syn_sent,
            State::SynRecv => self.syn_recv,
            State::Established => self.established,
            State::FinWait => self.fin_wait,
            State::CloseWait => self.close_wait,
            State::LastAck => self.last_ack,
            State::TimeWait => self.time_wait,
            State::Close => self.close,
            State::SynSent2 => self.syn_sent2,
        }
    }
}

/// The timeout of a TCP entry after a packet that counts; before any reply an established one (a
/// flow taken up mid-stream) gets no more than the unacknowledged timeout.
pub(super) fn tcp(
    tcp: &TcpFlow,
    kind: Kind,
    seen_reply: bool,
    (settings, rules): (&Settings, &Rules),
) -> u32 {
    let timeout = choose(tcp, kind, settings, rules);
    if !seen_reply && tcp.state == State::Established {
        return timeout.min(settings.tcp.unacknowledged);
    }
    timeout
}

/// The timeout after a packet that counts, by the first row that fits.
fn choose(tcp: &TcpFlow, kind: Kind, settings: &Settings, rules: &Rules) -> u32 {
    let t = &settings.tcp;
    let full = t.of(tcp.state);
    let unacknowledged =
        (tcp.original.flags | tcp.reply.flags) & half_flag::DATA_UNACKNOWLEDGED != 0;
    if tcp.retrans >= settings.tcp_max_retrans && full > t.max_retrans {
        return t.max_retrans;
    }
    if kind == Kind::Rst {
        // R10: 6.12.117 spares an entry that stays ESTABLISHED; others give it CLOSE's seconds.
        if !rules.inexact_reset_unacknowledged {
            return t.close;
        }
        if tcp.state == State::Established && full > t.unacknowledged {
            return t.unacknowledged;
        }
    }
    if unacknowledged && full > t.unacknowledged {
        return t.unacknowledged;
    }
    // A window of 0, or no ACK-kind packet yet.
    if tcp.last.win == 0 && full > t.max_retrans && !settings.tcp_no_window_check {
        return t.max_retrans;
    }
    full
}
