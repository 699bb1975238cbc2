//! The kernel's counters, as `nstat -az` prints them.

use super::{Lines, Missing, Piece, now, of_thread};

const BYTES_MAX: usize = 1 << 20;

/// Fields of `/proc/net/snmp` that count nothing; `nstat` leaves them out as well.
const NO_COUNTERS: [&str; 7] = [
    "IpForwarding",
    "IpDefaultTTL",
    "TcpRtoAlgorithm",
    "TcpRtoMin",
    "TcpRtoMax",
    "TcpMaxConn",
    "TcpCurrEstab",
];

/// Every counter of the namespace since it began, zeros among them.
///
/// # Errors
///
/// Where `/proc` shows none.
pub fn counters() -> Result<Piece, Missing> {
    let at = now();
    let mut lines = Lines::new(BYTES_MAX);
    lines.push("#kernel");
    let begun = lines.text.len();
    for name in ["snmp", "snmp6", "netstat"] {
        // A kernel without IPv6 has no snmp6.
        let Ok(text) = of_thread(name, BYTES_MAX) else { continue };
        let counted = if name == "snmp6" { single(&text) } else { pairs(&text) };
        for (name, value) in counted {
            if !NO_COUNTERS.contains(&&*name) {
                // The last column is a rate, which only a second look would give.
                lines.push(&format!("{name:<32}{value:<16}{:6.1}", 0.0));
            }
        }
    }
    if lines.text.len() == begun {
        return Err(Missing::because("counters", "/proc shows no counters of the network"));
    }
    Ok(lines.piece("nstat.txt", "nstat -az", at, "counters"))
}

/// `Name value`, one a line.
fn single(text: &str) -> Vec<(String, i128)> {
    let pair = |line: &str| {
        let (name, value) = line.split_once(char::is_whitespace)?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

/// `Group: name name …` and below it `Group: value value …`.
fn pairs(text: &str) -> Vec<(String, i128)> {
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let (Some((group, names)), Some((_, values))) =
            (names.split_once(':'), values.split_once(':'))
        else {
            break;
        };
        let both = names.split_whitespace().zip(values.split_whitespace());
        found.extend(
            both.filter_map(|(name, value)| Some((format!("{group}{name}"), value.parse().ok()?))),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_stand_one_below_the_other() {
        let text = "Tcp: RtoMin MaxConn InSegs\nTcp: 200 -1 12\nUdp: InDatagrams\nUdp: 3\n";
        let counted = pairs(text);
        let expected = [("TcpRtoMin", 200), ("TcpMaxConn", -1), ("TcpInSegs", 12)];
        let expected = expected.into_iter().chain([("UdpInDatagrams", 3)]);
        assert!(counted.iter().map(|(n, v)| (&**n, *v)).eq(expected), "{counted:?}");
        assert_eq!(single("Ip6InReceives      \t7\nodd\n"), [("Ip6InReceives".to_owned(), 7)]);
    }
}
