//! What a box is set to: translation, policy, timers. Rules as `nft` reads them.

use crate::draw::Plan;
use crate::stage::{LAN, WAN};

/// A timer longer than any run: the box's entry stays.
pub(crate) const LONG_S: u32 = 3600;

/// How a box translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nat {
    /// Not at all; it tracks.
    None,
    /// The client's address becomes the box's.
    Snat,
    /// The same, with whatever address the interface has.
    Masquerade,
    /// The same, with a port of the kernel's choice each time.
    FullyRandom,
    /// Connections to the box's inner address go to the server.
    Dnat,
}

/// What a box is set to.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Translation.
    pub nat: Nat,
    /// `nf_conntrack_tcp_loose`.
    pub loose: bool,
    /// `nf_conntrack_tcp_be_liberal`.
    pub liberal: bool,
    /// Packets for the box itself are dropped.
    pub input_drops: bool,
    /// Statements of the FORWARD chain, one a line.
    pub forward: String,
    /// `nf_conntrack_tcp_timeout_established`.
    pub established_s: u32,
    /// Other settings of conntrack.
    pub more: Vec<(&'static str, String)>,
}

impl Setup {
    /// A box that does `nat` and forgets after the plan's timer.
    pub(crate) fn of(nat: Nat, plan: &Plan) -> Self {
        Self {
            nat,
            loose: true,
            liberal: false,
            input_drops: false,
            forward: String::new(),
            established_s: plan.timer_s,
            more: Vec::new(),
        }
    }

    /// The server sees the box's address instead of the client's.
    pub(crate) fn translates_source(&self) -> bool {
        matches!(self.nat, Nat::Snat | Nat::Masquerade | Nat::FullyRandom)
    }

    /// Settings to write, named as under `net.netfilter`.
    pub(crate) fn sysctls(&self) -> Vec<(&'static str, String)> {
        let flag = |on: bool| u8::from(on).to_string();
        let mut all = vec![
            ("nf_conntrack_tcp_timeout_established", self.established_s.to_string()),
            ("nf_conntrack_tcp_loose", flag(self.loose)),
            ("nf_conntrack_tcp_be_liberal", flag(self.liberal)),
            ("nf_conntrack_acct", flag(true)),
        ];
        all.extend(self.more.iter().cloned());
        all
    }

    /// The rules.
    pub(crate) fn rules(&self, plan: &Plan) -> String {
        let ip = if plan.v6 { "ip6" } else { "ip" };
        let nat = match self.nat {
            Nat::None => String::new(),
            Nat::Snat => format!("oifname {WAN} snat {ip} to {}", plan.wan.hop()),
            Nat::Masquerade => format!("oifname {WAN} masquerade"),
            Nat::FullyRandom => format!("oifname {WAN} masquerade fully-random"),
            Nat::Dnat => format!(
                "iifname {LAN} {ip} daddr {} tcp dport {} dnat {ip} to {}",
                plan.lan.hop(),
                plan.port,
                plan.wan.end()
            ),
        };
        let (hook, priority) = match self.nat {
            Nat::Dnat => ("prerouting", "dstnat"),
            _ => ("postrouting", "srcnat"),
        };
        let nat = if nat.is_empty() {
            nat
        } else {
            format!("chain nat {{\n type nat hook {hook} priority {priority};\n {nat}\n }}\n")
        };
        let input = if self.input_drops { "drop" } else { "accept" };
        // Neighbour discovery is not what is meant by a closed box.
        let neighbours = "meta l4proto { icmp, ipv6-icmp } accept";
        format!(
            "table inet hop {{\n{nat}\
             chain input {{\n type filter hook input priority filter; policy {input};\n {neighbours}\n }}\n\
             chain forward {{\n type filter hook forward priority filter;\n {}\n \
             ct state established counter accept\n }}\n}}\n",
            self.forward
        )
    }
}
