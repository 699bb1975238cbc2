//! What is gathered from the running machine, held against the programs whose text it imitates.
//!
//! Those that look into a namespace of their own need root; they are skipped by name without.

use crate::collect::{connection, in_namespace, nft};
use hopclock_live::gather::{self, Missing, Piece};
use hopclock_live::namespace;
use hopclock_tests::tool;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;

/// What a program prints, run in the calling thread's namespace.
fn printed(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let path = tool("printed", words[0]).unwrap();
    let output = Command::new(path).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn text(piece: Result<Piece, Missing>) -> String {
    String::from_utf8(piece.unwrap().bytes).unwrap()
}

/// Sorted lines: the table has no order of its own.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// Lines with numbers that count seconds taken out. They may differ by one between two askings.
fn still(text: &str) -> Vec<String> {
    let steady = |line: &str| {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words.get(2).is_some_and(|word| word.bytes().all(|b| b.is_ascii_digit())) {
            words.remove(2);
        }
        words.retain(|word| !word.starts_with("delta-time="));
        words.join(" ")
    };
    let mut lines: Vec<String> = text.lines().map(steady).collect();
    lines.sort();
    lines
}

#[test]
fn the_table_is_printed_as_conntrack_prints_it() {
    in_namespace(
        "the_table_is_printed_as_conntrack_prints_it",
        &["conntrack", "nft", "python3"],
        the_table,
    );
}

/// Marks, zones and everything else an entry can carry, set by rules.
const RULES: &str = "table inet t {
  chain early {
    type filter hook output priority -300;
    tcp dport 9002 ct zone set 5
    tcp dport 9004 ct original zone set 7
  }
  chain out {
    type filter hook output priority 0;
    ct state new counter
    tcp dport 9001 ct mark set 7
    udp dport 9003 ct mark set 0xffffffff
  }
}
";

fn the_table() {
    for (key, value) in
        [("netfilter/nf_conntrack_acct", "1"), ("netfilter/nf_conntrack_timestamp", "1")]
    {
        namespace::set_sysctl(key, value).unwrap();
    }
    nft(RULES);
    let ends = ["127.0.0.1:9001", "127.0.0.1:9002", "[::1]:9001", "127.0.0.1:9004"];
    let mut connections: Vec<_> = ends.iter().map(|end| connection(end)).collect();
    connections[0].1.write_all(b"hello").unwrap();
    // Closed on one side only.
    connections[2].1.shutdown(std::net::Shutdown::Write).unwrap();
    let listener = UdpSocket::bind("127.0.0.1:9003").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"x", listener.local_addr().unwrap()).unwrap();
    // Nobody listens there: an entry without an answer, and an ICMP error of no entry's own.
    socket.send_to(b"x", "127.0.0.99:9").unwrap();
    for address in ["127.0.0.1", "::1"] {
        echo(address);
    }
    let ours = text(gather::conntrack());
    let theirs = printed("conntrack -L");
    assert_eq!(still(&ours), still(&theirs));
    // Nothing is lost by leaving out what moves: all the rest is the same, to the last blank.
    let shape = |text: &str| sorted(text).iter().map(|l| l.len()).sum::<usize>();
    assert!(shape(&ours).abs_diff(shape(&theirs)) <= ours.lines().count());
    for seen in ["[ASSURED]", "[UNREPLIED]", "mark=7", "mark=4294967295", "zone=5", "zone-orig=7"] {
        assert!(theirs.contains(seen), "{seen} was to be tried:\n{theirs}");
    }
    for seen in ["icmp ", "icmpv6 ", "udp ", "delta-time=", "packets=", "src=::1"] {
        assert!(theirs.contains(seen), "{seen} was to be tried:\n{theirs}");
    }
    let six = printed("conntrack -L -f ipv6");
    let ours: String =
        ours.lines().filter(|l| l.contains("::")).map(|l| format!("{l}\n")).collect();
    assert_eq!(still(&ours), still(&six));
    let counters = gather::conntrack_counters();
    assert_eq!(text(counters), printed("conntrack -S"));
}

/// One echo request and its answer, through a socket that needs no `ping`.
fn echo(address: &str) {
    let script = "import socket,sys
six = ':' in sys.argv[1]
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, 58 if six else 1)
b = bytes([128 if six else 8, 0, 0, 0, 0x12, 0x34, 0, 1])
t = sum(int.from_bytes(b[i:i+2], 'big') for i in range(0, 8, 2))
t = ~((t & 0xffff) + (t >> 16)) & 0xffff
s.sendto(b if six else b[:2] + t.to_bytes(2, 'big') + b[4:], (sys.argv[1], 0))";
    let ran = Command::new("python3").args(["-c", script, address]).status().unwrap();
    assert!(ran.success());
}

#[test]
fn counters_are_printed_as_nstat_prints_them() {
    in_namespace("counters_are_printed_as_nstat_prints_them", &["nstat"], || {
        let _kept = connection("127.0.0.1:9001");
        let ours = text(gather::counters());
        // Without a history of its own, which would be another user's file.
        let theirs = printed("nstat -asz");
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(&ours), lines(&theirs));
        assert!(ours.contains("TcpActiveOpens                  1                  0.0"), "{ours}");
    });
}

#[test]
fn sockets_are_printed_as_ss_prints_them() {
    in_namespace("sockets_are_printed_as_ss_prints_them", &["ss"], || {
        let mut kept = [connection("127.0.0.1:9001"), connection("[::1]:9002")];
        let dual = TcpListener::bind("[::]:9003").unwrap();
        let mapped = TcpStream::connect("127.0.0.1:9003").unwrap();
        kept[0].1.write_all(b"not read by the other end").unwrap();
        kept[1].2.shutdown(std::net::Shutdown::Write).unwrap();
        let (ours, theirs) = held_against_ss();
        assert_eq!(ours.len(), 6);
        assert_eq!(ours, theirs);
        drop((dual, mapped));
    });
}

/// Ours and theirs, taken between two askings of ours that were alike: acknowledgements are late,
/// and a socket may move in between.
fn held_against_ss() -> (Sockets, Sockets) {
    let ours = || by_ends(&text(gather::sockets()));
    let mut before = ours();
    for _ in 0..100 {
        let theirs = by_ends(&printed("ss -tinoep"));
        let after = ours();
        if before == after {
            return (before, theirs);
        }
        before = after;
    }
    (before, Sockets::new())
}

/// What is told of each socket.
type Sockets = BTreeMap<String, Vec<String>>;

/// Words of `ss` by the ends of the socket, but for those that move by themselves or that we do not
/// print: what congestion control keeps for itself, and rates computed from other fields.
fn by_ends(text: &str) -> Sockets {
    const MOVES: [&str; 6] = ["lastsnd:", "lastrcv:", "lastack:", "bbr:(", "busy:", "timer:("];
    let mut lines = text.lines().skip(1);
    let mut found = BTreeMap::new();
    while let (Some(first), Some(second)) = (lines.next(), lines.next()) {
        let first: Vec<&str> = first.split_whitespace().collect();
        let mut words: Vec<&str> = first.iter().copied().chain(second.split_whitespace()).collect();
        if let Some(at) = words.iter().position(|word| *word == "send") {
            words.drain(at..at + 2);
        }
        words.retain(|word| !MOVES.iter().any(|start| word.starts_with(start)));
        // A child of another test holds every descriptor until it becomes another program.
        let first_holder =
            |word: &str| word.split("),(").next().unwrap_or(word).trim_end_matches(')').to_owned();
        let words = words.into_iter().map(first_holder).collect();
        found.insert(format!("{} {}", first[3], first[4]), words);
    }
    found
}

#[test]
fn settings_are_printed_as_sysctl_prints_them() {
    const NAME: &str = "settings_are_printed_as_sysctl_prints_them";
    in_namespace(NAME, &["sysctl"], || {
        let ours = text(gather::sysctls());
        let keys: Vec<&str> =
            ours.lines().filter_map(|l| l.split_once(" = ")).map(|p| p.0).collect();
        let theirs = printed(&format!("sysctl {}", keys.join(" ")));
        // Blanks at the end of a line say nothing.
        let of = |text: &str| text.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(of(&ours), of(&theirs));
        for key in
            ["net.netfilter.nf_conntrack_tcp_timeout_established", "net.ipv4.conf.lo.rp_filter"]
        {
            assert!(ours.contains(&format!("{key} = ")), "{key} is not in\n{ours}");
        }
    });
}

#[test]
fn rules_made_by_either_program_are_listed_once() {
    const NAME: &str = "rules_made_by_either_program_are_listed_once";
    in_namespace(NAME, &["nft", "iptables-save", "iptables"], || {
        let pieces = || gather::rules().into_iter().filter_map(Result::ok).collect::<Vec<_>>();
        assert_eq!(pieces(), [], "a new namespace has no rules");
        printed("iptables -A INPUT -p tcp --dport 22 -j ACCEPT");
        let files: Vec<String> = pieces().into_iter().map(|piece| piece.file).collect();
        assert_eq!(files, ["nft.txt"]);
        // A match that nft cannot spell makes the other listing worth having.
        printed("iptables -A INPUT -m u32 --u32 0x0=0x0 -j DROP");
        let files: Vec<String> = pieces().into_iter().map(|piece| piece.file).collect();
        assert_eq!(files, ["nft.txt", "iptables.txt"]);
    });
}

#[test]
fn links_tell_addresses_and_routes() {
    in_namespace("links_tell_addresses_and_routes", &["ip"], || {
        let text = text(gather::links());
        for seen in ["1: lo: <LOOPBACK,UP", "inet 127.0.0.1/8", "local 127.0.0.1 dev lo"] {
            assert!(text.contains(seen), "{seen} is not in\n{text}");
        }
    });
}
