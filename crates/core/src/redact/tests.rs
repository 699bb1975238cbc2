//! What must hold of any redaction: the same gives the same, different stays different, nothing of
//! the original is left, and what proves something is untouched.

use super::*;
use crate::capture::LinkType;

fn redactor() -> Redactor {
    Redactor::new(Key::from_bytes(*b"a key for tests!"))
}

#[test]
fn lines_lose_who_and_keep_what() {
    let mut redactor = redactor();
    let text =
        redactor.text("May 10 03:14:22 web-1 app[12]: reset by 10.0.0.12:443 after 43200 s\n");
    assert!(text.starts_with("May 10 03:14:22 h"), "{text}");
    assert!(text.contains(" app[12]: reset by 10.") && text.ends_with(":443 after 43200 s\n"));
    assert!(!text.contains("web-1") && !text.contains("10.0.0.12"), "{text}");
}

/// Originals, each of which tells who somebody is.
const TELLING: [(&str, &str); 29] = [
    ("backend-10.0.0.12", "10.0.0.12"),
    ("elements = { fd12:3456::1-fd12:3456::9 }", "fd12:3456::9"),
    ("elements = { 10.0.0.1-10.0.0.12 }", "10.0.0.12"),
    ("src=10.0.0.12 dst=10.42.11.8", "10.42.11.8"),
    ("IP 10.0.0.12.49314 > 10.42.11.8.443: Flags [R]", "10.0.0.12"),
    ("connect to [fd12:3456:789a::17]:443 failed", "fd12:3456:789a::17"),
    ("peer fe80::5054:ff:fe12:3456%eth0", "5054:ff:fe12:3456"),
    ("from ::ffff:10.0.0.12", "10.0.0.12"),
    ("link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff", "12:34:56"),
    ("MAC=52:54:00:12:34:56:52:54:00:aa:bb:cc:08:00", "aa:bb:cc"),
    ("hw 52-54-00-12-34-56.", "12-34-56"),
    ("TCP  0A00000C:01BB rr", "0A00000C"),
    ("dial tcp: lookup api.acme-corp.io: no such host", "acme"),
    ("GET https://jo:pw@api.acme-corp.io:8443/customers/4711?q=blue HTTP/1.1", "4711"),
    ("GET https://jo:pw@api.acme-corp.io:8443/customers/4711?q=blue HTTP/1.1", "blue"),
    ("GET https://jo:pw@api.acme-corp.io:8443/customers/4711?q=blue HTTP/1.1", "jo:pw"),
    ("wss://backend/feed closed", "//backend2"),
    ("\"GET /customers/4711 HTTP/1.1\" 200", "customers"),
    ("{\"host\": \"egress-1\", \"user\":\"jo\"}", "egress-1"),
    ("{\"host\": \"egress-1\", \"user\":\"jo.smith\"}", "smith"),
    ("mail from jo.smith@acme-corp.io", "smith"),
    (concat!("open /ho", "me/josmith/stream.sock"), "josmith"),
    ("node ip-10-0-0-12 is gone", "10-0-0-12"),
    ("sshd[1]: Accepted publickey for josmith from 10.0.0.12 port 22", "josmith"),
    ("session opened for user josmith(uid=1000)", "josmith"),
    ("tcp dport 22 accept comment \"Munich office\"", "Munich"),
    ("-A INPUT -m comment --comment acme-vpn -j ACCEPT", "acme-vpn"),
    ("ESTAB 0 0 cgroup:/system.slice/acme-billing.service <->", "acme"),
    ("kernel.hostname = egress-1", "egress-1"),
];

#[test]
fn nothing_that_tells_who_is_left() {
    for (line, telling) in TELLING {
        let text = redactor().text(line);
        assert!(!text.contains(telling), "{line}\n{text}");
    }
}

/// Lines that tell nothing of anybody.
const HARMLESS: [&str; 24] = [
    "2024-05-10T03:14:22Z INFO reconnecting upstream: unexpected EOF",
    "10/May/2024:03:14:22 +0000 closed after 12.5 s",
    "26-Sep-2017::08:04:36 java.net.SocketException: Connection reset",
    "at com.example.app.Stream.read(Stream.java:17)",
    "net.ipv4.tcp_keepalive_time = 7200",
    "net.ipv4.ip_local_port_range = 32768\t60999",
    "kernel.osrelease = 6.18.0-1-amd64",
    "std::net::TcpStream main.rs:12 lib.so.6 v1.2.3.4 and 1.2.3.4.5.6",
    "lo UNKNOWN 127.0.0.1/8 ::1/128 0.0.0.0 255.255.255.255 224.0.0.1",
    "listening on [::]:443 and *:80, 192.0.2.7 and 2001:db8::7",
    "no route to host: gave up for data from upstream",
    "host = something is not decided, user left",
    "tcp      6 43199 ESTABLISHED src=192.0.2.1 dst=192.0.2.2 sport=49314 dport=443 [ASSURED] use=1",
    "cpu=0   \tfound=0 invalid=3 insert=0",
    "TcpExtTCPAbortOnTimeout         2                  0.0",
    "ct state established,related accept",
    "connection timeout=350s idle_timeout=60 max_age=3600",
    "curl http://localhost:8080/healthz",
    "timer:(keepalive,119min,0) ino:371794 sk:3b <->",
    "rto:204 rtt:0.029/0.014 wscale:10,10 cwnd:10",
    "status=200 bytes=1234 duration=00:12:34",
    "deadbeef cafe:babe 12:34 a:b",
    "root@localhost user=root",
    "https://example.com/",
];

#[test]
fn what_tells_nothing_of_anybody_stays_as_it_is() {
    for line in HARMLESS {
        assert_eq!(redactor().text(line), line);
    }
}

#[test]
fn the_same_is_the_same_in_every_text_and_with_every_tool() {
    let (mut one, mut other) = (redactor(), redactor());
    let address = one.text("10.42.11.8");
    for (line, around) in [
        ("[::ffff:10.42.11.8]:443", ("[::ffff:", "]:443")),
        ("10.42.11.8.443 >", ("", ".443 >")),
        ("tcp://10.42.11.8:443", ("tcp://", ":443")),
        ("host=10.42.11.8", ("host=", "")),
    ] {
        assert_eq!(other.text(line), format!("{}{address}{}", around.0, around.1));
    }
    let long = one.text("web-1.prod.acme-corp.io");
    let short = one.text("host=web-1").replace("host=", "");
    assert!(long.starts_with(&format!("{short}.")), "{long} {short}");
    let sister = one.text("web-2.prod.acme-corp.io");
    assert_eq!(long.split_once('.').unwrap().1, sister.split_once('.').unwrap().1);
    assert_ne!(long, sister);
    let key = Key::from_bytes([1; 16]);
    assert_ne!(Redactor::new(key).text("10.42.11.8"), address);
}

#[test]
fn networks_hold_the_addresses_they_held() {
    let text = redactor().text("10.42.11.0/24 10.42.11.8 10.0.0.0/8 fd12:3456::/32 fd12:3456::17");
    let words: Vec<&str> = text.split(' ').collect();
    assert!(words[0].ends_with(".0/24"), "{text}");
    let network = words[0].trim_end_matches("0/24");
    assert!(words[1].starts_with(network), "{text}");
    assert_eq!(words[2], "10.0.0.0/8");
    let network = words[3].trim_end_matches("::/32");
    assert!(words[4].starts_with(network), "{text}");
}

#[test]
fn a_name_once_learnt_is_replaced_wherever_it_stands() {
    let mut redactor = redactor();
    redactor.learn(b"# hopclock host=gandalf role=hop\n");
    let text = redactor.text("rebooted gandalf; see hop-gandalf/sysctl.txt, gandalf.log, gandalfs");
    assert_eq!(text.matches("gandalf").count(), 1, "{text}");
}

#[test]
fn what_was_replaced_can_be_listed() {
    let mut redactor = redactor();
    let text = redactor.text("10.0.0.12 127.0.0.1 host=web-1");
    let all = redactor.replaced();
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all.iter().all(|(_, pseudonym)| text.contains(pseudonym)), "{all:?}\n{text}");
}

#[test]
fn any_bytes_are_redacted_without_a_panic() {
    let source = Key::from_bytes([3; 16]);
    let mut redactor = redactor();
    let alphabet = b"0123456789abcdef:./-@\"= host\xff[]\\GET";
    for round in 0..3000u32 {
        let number = |n: u8| source.number(n, &round.to_be_bytes()) as usize;
        let line: Vec<u8> =
            (0..number(0) % 60).map(|i| alphabet[number(i as u8 + 1) % alphabet.len()]).collect();
        let text = redactor.bytes(&line);
        assert!(text.len() <= line.len() * 12 + 64);
        for link in [1, 113, 276, 101] {
            let layers = Layers::of(LinkType(link), &line);
            assert!(layers.end() <= line.len());
        }
    }
}
