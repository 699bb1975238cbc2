//! Clocks in evidence: timers whose value a dump or a note states, tied to the catalogue.
//!
//! A value read on the host that keeps the timer is direct. A value read elsewhere is a hint: boxes
//! of one owner are often tuned alike, and often not.

use super::evidence::{Cite, Evidence, Weighs};
use super::facts::{Content, Facts, Source};
use crate::clocks::{Catalogue, Clock, Owner};
use crate::dump::notes::{Documented, Holder};
use crate::dump::sysctl::Setting;
use crate::terms::{Anchor, Role};

/// How well a value seen belongs to the hop that may have done it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// Read on the host that keeps the timer, or stated by its documentation.
    Direct,
    /// Read on another host, or on a host nobody named.
    Hint,
}

/// A timer with a value somebody wrote down.
#[derive(Clone, Debug)]
pub struct SeenClock {
    /// Catalogue id, where the setting is known.
    pub clock: Option<Clock>,
    /// Who keeps it, in words.
    pub keeper: String,
    /// The kind of thing that keeps it, for matching with causes.
    pub owner: Owner,
    /// The setting's name.
    pub setting: String,
    /// Its value in seconds.
    pub seconds: f64,
    /// What it counts from.
    pub anchor: Anchor,
    /// How well it belongs.
    pub reading: Reading,
    /// Where it was read.
    pub role: Option<Role>,
    /// On which host.
    pub host: Option<String>,
    /// Index into the evidence, set when evidence is gathered.
    pub evidence: Option<usize>,
}

/// Every clock the facts state, and the evidence that states it, in step.
pub fn seen(facts: &Facts, catalogue: &Catalogue) -> Vec<(SeenClock, Evidence)> {
    let mut found: Vec<(SeenClock, Evidence)> = Vec::new();
    let alone = one_host(facts);
    for (source, setting) in facts.settings() {
        found.extend(from_setting(source, setting, catalogue, alone));
    }
    found.extend(keepalive_give_up(facts, catalogue));
    found.extend(balancers(facts, catalogue));
    for (source, notes) in facts.notes() {
        found.extend(notes.documented.iter().filter_map(|d| from_note(source, d)));
    }
    found
}

/// Whether nothing in the folder is said to be from anywhere and one file alone holds settings. An
/// end's own kernel settings then belong to the end whose log or capture lies beside them: who
/// gathers three files and names no host was on one (argued).
fn one_host(facts: &Facts) -> bool {
    let placed = facts.sources.iter().any(|s| s.role.is_some() || s.host.is_some());
    let mut files: Vec<&str> = facts.settings().map(|(s, _)| s.file.as_str()).collect();
    files.dedup();
    !placed && files.len() == 1
}

/// Conntrack's timers of what is not TCP; a TCP connection's entry never runs for one of them
/// (net/netfilter/nf_conntrack_proto_*.c, each its own).
const OTHER_PROTOCOLS: [&str; 7] = [
    "nf_conntrack_generic_timeout",
    "nf_conntrack_gre_timeout",
    "nf_conntrack_icmp_timeout",
    "nf_conntrack_icmpv6_timeout",
    "nf_conntrack_sctp_timeout",
    "nf_conntrack_dccp_timeout",
    "nf_conntrack_udp_timeout",
];

fn from_setting(
    source: &Source,
    setting: &Setting,
    catalogue: &Catalogue,
    alone: bool,
) -> Option<(SeenClock, Evidence)> {
    // Keepalive's three settings make one clock together; `tcp_retries2` is a count, not seconds.
    if setting.short().starts_with("tcp_keepalive") {
        return None;
    }
    if OTHER_PROTOCOLS.iter().any(|p| setting.short().starts_with(p)) {
        return None;
    }
    let clock = catalogue.by_setting(&setting.key)?;
    let value = setting.number()?;
    let seconds = match setting.short() {
        "tcp_retries2" => retries_s(value),
        _ => value,
    };
    if seconds <= 0.0 {
        return None;
    }
    let reading = match (clock.owner, source.role) {
        (Owner::Nat | Owner::Firewall, Some(Role::Hop)) => Reading::Direct,
        (Owner::Kernel, Some(Role::Client | Role::Server)) => Reading::Direct,
        (Owner::Kernel, None) if alone => Reading::Direct,
        _ => Reading::Hint,
    };
    let says = format!(
        "{}: {} = {}{}",
        whose(source),
        setting.key,
        setting.value,
        if seconds == value { String::new() } else { format!(" (about {seconds:.0} s)") }
    );
    let evidence =
        Evidence::new(Weighs::Clock, says, vec![cite(source, setting)]).on(source.host.as_ref());
    let seen = kept(source, clock, seconds, reading);
    Some((SeenClock { setting: setting.key.clone(), ..seen }, evidence))
}

/// A clock of the catalogue with the value a host has, under the catalogue's name for it.
fn kept(source: &Source, clock: &Clock, seconds: f64, reading: Reading) -> SeenClock {
    SeenClock {
        clock: Some(clock.clone()),
        keeper: whose(source),
        owner: clock.owner,
        setting: clock.setting.clone(),
        seconds,
        anchor: clock.anchor,
        reading,
        role: source.role,
        host: source.host.clone(),
        evidence: None,
    }
}

/// How long Linux retransmits before it gives up with `tcp_retries2` = n: the sum of a back-off
/// that starts at TCP_RTO_MIN (200 ms) and doubles up to TCP_RTO_MAX (120 s) (net/ipv4/tcp_timer.c,
/// `tcp_model_timeout`, 6.18): 924.6 s for 15.
pub fn retries_s(n: f64) -> f64 {
    let linear = 9.0; // log2(TCP_RTO_MAX / TCP_RTO_MIN), rounded down
    if n <= linear {
        0.2 * (2f64.powf(n + 1.0) - 1.0)
    } else {
        0.2 * (2f64.powf(linear + 1.0) - 1.0) + (n - linear) * 120.0
    }
}

/// Keepalive's give-up time: time + interval × probes. Counts only as a hint: a sysctl is not a
/// socket option, and no dump here says that the socket asked for keepalive.
fn keepalive_give_up(facts: &Facts, catalogue: &Catalogue) -> Vec<(SeenClock, Evidence)> {
    let mut found = Vec::new();
    for source in &facts.sources {
        let own: Vec<&Setting> = facts
            .settings()
            .filter(|(s, _)| s.file == source.file)
            .map(|(_, setting)| setting)
            .collect();
        let value = |name: &str| own.iter().find(|s| s.short() == name).and_then(|s| s.number());
        let Some(time) = value("tcp_keepalive_time") else { continue };
        // What is not set has the kernel's default (Documentation/networking/ip-sysctl.rst).
        let interval = value("tcp_keepalive_intvl").unwrap_or(75.0);
        let probes = value("tcp_keepalive_probes").unwrap_or(9.0);
        let seconds = time + interval * probes;
        let says = format!(
            "{}: TCP keepalive begins after {time:.0} s of silence and gives up after {seconds:.0} s, on sockets that ask for it",
            whose(source)
        );
        let lines = own.iter().filter(|s| s.short().starts_with("tcp_keepalive")).map(|s| s.line);
        let evidence = Evidence::new(Weighs::Clock, says, vec![Cite::lines(&source.file, lines)])
            .on(source.host.as_ref());
        let clock = SeenClock {
            clock: catalogue.by_id("linux-tcp-keepalive-give-up").cloned(),
            keeper: whose(source),
            owner: Owner::Kernel,
            setting: "TCP keepalive (time + interval × probes)".to_owned(),
            seconds,
            anchor: Anchor::Probe,
            reading: Reading::Hint,
            role: source.role,
            host: source.host.clone(),
            evidence: None,
        };
        found.push((clock, evidence));
    }
    found
}

/// The timeouts of a host's own balancer: what `ipvsadm --set` takes. A host that has them is the
/// box, whatever else it is.
fn balancers(facts: &Facts, catalogue: &Catalogue) -> Vec<(SeenClock, Evidence)> {
    let mut found = Vec::new();
    for source in &facts.sources {
        let Content::Balancer(timeouts) = &*source.content else { continue };
        let both =
            [("ipvs-tcp-established", timeouts.tcp_s), ("ipvs-tcp-fin-wait", timeouts.fin_s)];
        for (id, seconds) in both {
            let Some(clock) = catalogue.by_id(id).filter(|_| seconds > 0) else { continue };
            let says = format!("{}: {} = {seconds}", whose(source), clock.setting);
            let cites = vec![Cite::lines(&source.file, [timeouts.line])];
            let evidence = Evidence::new(Weighs::Clock, says, cites).on(source.host.as_ref());
            let reading = match source.role {
                Some(Role::Hop) | None => Reading::Direct,
                Some(Role::Client | Role::Server) => Reading::Hint,
            };
            found.push((kept(source, clock, seconds as f64, reading), evidence));
        }
    }
    found
}

fn from_note(source: &Source, told: &Documented) -> Option<(SeenClock, Evidence)> {
    let seconds = told.seconds?;
    let owner = match told.holder {
        Holder::Proxy => Owner::LoadBalancer,
        Holder::Server => Owner::Server,
        Holder::Client => Owner::ClientLibrary,
        Holder::Middlebox => Owner::Nat,
        Holder::Unknown => return None,
    };
    let (keeper, kept) = match told.holder {
        Holder::Proxy => ("the balancer", "balancer"),
        Holder::Server => ("the server", "server"),
        Holder::Client => ("the client", "client"),
        Holder::Middlebox | Holder::Unknown => ("the box", "box"),
    };
    let what = match told.anchor {
        Anchor::Open => "maximum age",
        Anchor::Probe => "keepalive",
        _ => "idle timeout",
    };
    let says = format!("documented for {keeper}: {what} {seconds:.0} s");
    let cites = vec![Cite::lines(&source.file, [told.line])];
    let evidence = Evidence::new(Weighs::Clock, says, cites).on(source.host.as_ref());
    let clock = SeenClock {
        clock: None,
        keeper: keeper.to_owned(),
        owner,
        setting: format!("{kept} {what}"),
        seconds,
        anchor: told.anchor,
        reading: Reading::Direct,
        role: None,
        host: None,
        evidence: None,
    };
    Some((clock, evidence))
}

/// A host in words: its name, or its role, or that nobody said.
pub fn whose(source: &Source) -> String {
    let role = match source.role {
        Some(Role::Client) => "the client",
        Some(Role::Hop) => "the box",
        Some(Role::Server) => "the server",
        None => "a host nobody named",
    };
    match &source.host {
        Some(host) => format!("{role} {host}"),
        None => role.to_owned(),
    }
}

fn cite(source: &Source, setting: &Setting) -> Cite {
    Cite::lines(&source.file, [setting.line])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_as_the_kernel_counts_them() {
        // Documentation/networking/ip-sysctl.rst: 15 "yields a hypothetical timeout of 924.6
        // seconds".
        assert!((retries_s(15.0) - 924.6).abs() < 0.05);
        // Measured give-up times run a little over the formula: 6.2, 12.6 and 25.4 s.
        for (n, seconds) in [(4.0, 6.2), (5.0, 12.6), (6.0, 25.4)] {
            assert!((retries_s(n) - seconds).abs() < 0.05, "{n}: {}", retries_s(n));
        }
    }
}
