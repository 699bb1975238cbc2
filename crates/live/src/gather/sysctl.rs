//! Settings, as `sysctl` prints them: those that set, or decide about, a timer of a connection.
//!
//! `/proc/sys/net` shows the calling thread's namespace. A setting that is not there says that the
//! kernel or the namespace does not have it, so nothing is filled in.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Lines, Missing, Piece, now, short_file};

/// A host with ten thousand links has as many `rp_filter`s; more than this nobody reads.
const BYTES_MAX: usize = 1 << 20;
/// A value longer than this is no timer.
const VALUE_MAX: usize = 4096;

/// Folders below `/proc/sys`, and what names in them begin with.
const WANTED: &[(&str, &[&str])] = &[
    ("kernel", &["osrelease"]),
    ("net", &["nf_conntrack_max"]),
    ("net/bridge", &["bridge-nf-call-"]),
    ("net/core", &["busy_poll", "busy_read", "default_qdisc", "netdev_max_backlog", "somaxconn"]),
    (
        "net/ipv4",
        &[
            "icmp_ignore_bogus",
            "icmp_ratelimit",
            "ip_default_ttl",
            "ip_dynaddr",
            "ip_forward",
            "ip_local_port_range",
            "ip_local_reserved_ports",
            "ip_nonlocal_bind",
            "ip_no_pmtu_disc",
            "ip_unprivileged_port_start",
            "ipfrag_time",
            "tcp_abort_on_overflow",
            "tcp_base_mss",
            "tcp_challenge_ack_limit",
            "tcp_congestion_control",
            "tcp_ecn",
            "tcp_fin_timeout",
            "tcp_frto",
            "tcp_invalid_ratelimit",
            "tcp_keepalive_",
            "tcp_l3mdev_accept",
            "tcp_linear_timeouts",
            "tcp_max_orphans",
            "tcp_max_syn_backlog",
            "tcp_max_tw_buckets",
            "tcp_migrate_req",
            "tcp_mtu_prob",
            "tcp_orphan_retries",
            "tcp_pingpong_thresh",
            "tcp_probe_",
            "tcp_retries",
            "tcp_rfc1337",
            "tcp_rto_",
            "tcp_sack",
            "tcp_slow_start_after_idle",
            "tcp_stdurg",
            "tcp_syn",
            "tcp_thin_linear_timeouts",
            "tcp_timestamps",
            "tcp_tw_reuse",
            "tcp_user",
            "tcp_window_scaling",
        ],
    ),
    ("net/ipv4/route", &["gc_timeout", "min_pmtu", "mtu_expires"]),
    ("net/ipv4/vs", &[""]),
    ("net/ipv6", &["bindv6only", "ip_nonlocal_bind", "ip6frag_time"]),
    ("net/ipv6/route", &["gc_timeout", "mtu_expires"]),
    ("net/netfilter", &["nf_conntrack_", "nf_flowtable_", "nf_log", "nf_hooks_"]),
];

/// The same for folders that hold one folder for each link.
const PER_LINK: &[(&str, &[&str])] = &[
    (
        "net/ipv4/conf",
        &["accept_local", "accept_redirects", "arp_", "forwarding", "route_localnet", "rp_filter"],
    ),
    (
        "net/ipv6/conf",
        &["accept_ra", "addr_gen_mode", "disable_ipv6", "forwarding", "temp_", "use_tempaddr"],
    ),
];

/// What `sysctl` would print of the settings that matter here, in order of name.
///
/// # Errors
///
/// Where `/proc/sys` shows none of them.
pub fn sysctls() -> Result<Piece, Missing> {
    let at = now();
    let root = Path::new("/proc/sys");
    let mut found: Vec<PathBuf> = Vec::new();
    for (folder, starts) in WANTED {
        list(&root.join(folder), starts, &mut found);
    }
    for (folder, starts) in PER_LINK {
        for link in names(&root.join(folder)) {
            list(&link, starts, &mut found);
        }
    }
    found.sort();
    let mut lines = Lines::new(BYTES_MAX);
    for path in &found {
        let Ok(value) = short_file(&path.to_string_lossy(), VALUE_MAX) else { continue };
        let name = dotted(path.strip_prefix(root).unwrap_or(path));
        for line in value.lines() {
            lines.push(&format!("{name} = {}", line.trim_end()));
        }
    }
    if lines.is_empty() {
        return Err(Missing::because("settings", "/proc/sys shows no settings of the network"));
    }
    let command = "sysctl net.netfilter net.ipv4 net.ipv6 kernel.osrelease";
    Ok(lines.piece("sysctl.txt", command, at, "settings"))
}

fn list(folder: &Path, starts: &[&str], into: &mut Vec<PathBuf>) {
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        starts.iter().any(|start| name.starts_with(start)) && path.is_file()
    };
    into.extend(names(folder).into_iter().filter(wanted));
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

/// Dots between the parts; a dot within one (a VLAN's link) becomes a slash, as `sysctl` has it.
fn dotted(path: &Path) -> String {
    let parts = path.iter().map(|part| part.to_string_lossy().replace('.', "/"));
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_within_a_name_becomes_a_slash() {
        let path = Path::new("net/ipv4/conf/eth0.100/rp_filter");
        assert_eq!(dotted(path), "net.ipv4.conf.eth0/100.rp_filter");
    }

    #[test]
    fn anybody_may_read_the_settings_that_matter() {
        let text = String::from_utf8(sysctls().unwrap().bytes).unwrap();
        for key in ["kernel.osrelease", "net.ipv4.tcp_keepalive_time", "net.ipv4.ip_forward"] {
            assert!(text.contains(&format!("{key} = ")), "{key} is not in\n{text}");
        }
    }
}
