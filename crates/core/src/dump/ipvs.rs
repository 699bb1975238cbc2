//! `ipvsadm`: the timeouts of Linux' own balancer (`-l --timeout`).
//!
//! Refused: the services and connections that other options print; they tell of no timer that is
//! set.

/// The three timeouts, with the line they stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Line number, from 1.
    pub line: u64,
    /// Of an established TCP connection, in seconds.
    pub tcp_s: u64,
    /// After a FIN.
    pub fin_s: u64,
    /// Of UDP.
    pub udp_s: u64,
}

/// Finds `Timeout (tcp tcpfin udp): 900 120 300`.
pub fn read(text: &str) -> Option<Timeouts> {
    (1..).zip(text.lines()).find_map(|(line, raw)| {
        let told = raw.trim().strip_prefix("Timeout (tcp tcpfin udp):")?;
        let mut numbers = told.split_whitespace().map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        Some(Timeouts { line, tcp_s: next()?, fin_s: next()?, udp_s: next()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_timeouts_are_found() {
        let text =
            "IP Virtual Server version 1.2.1 (size=4096)\nTimeout (tcp tcpfin udp): 900 120 300\n";
        let expected = Timeouts { line: 2, tcp_s: 900, fin_s: 120, udp_s: 300 };
        assert_eq!(read(text), Some(expected));
        assert_eq!(read("Timeout (tcp tcpfin udp): 900 120\n"), None);
    }
}
