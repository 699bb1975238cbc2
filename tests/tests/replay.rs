//! `hopclock replay`, run as a user runs it: what it says of captures whose fate is known.

use hopclock_core::capture::{LinkType, Packet as Captured, Writer};
use hopclock_core::conntrack;
use hopclock_core::conntrack::packet::{Tuple, flag, proto};
use hopclock_core::time::{Gap, Moment};
use hopclock_core::wire::{Dissector, Reading};
use hopclock_tests::command::{Ran, run};
use hopclock_tests::judge::frame::{Segment, Spoilt};
use hopclock_tests::schema;
use serde_json::Value;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

pub(crate) const SA: u8 = flag::SYN | flag::ACK;
pub(crate) const PA: u8 = flag::PSH | flag::ACK;
pub(crate) const FA: u8 = flag::FIN | flag::ACK;
const RAW_IP: LinkType = LinkType(101);

/// A capture in the making; the client is 192.0.2.10:49314, the server 198.51.100.20:443.
pub(crate) struct Story {
    file: Writer,
    pub(crate) at: Moment,
    pub(crate) server: (IpAddr, u16),
    pub(crate) client: (IpAddr, u16),
}

impl Story {
    pub(crate) fn begin() -> Self {
        Self {
            file: Writer::new(RAW_IP, "a told story", "hopclock tests"),
            at: Moment::from_secs(1_715_310_862),
            client: ([192, 0, 2, 10].into(), 49_314),
            server: ([198, 51, 100, 20].into(), 443),
        }
    }

    pub(crate) fn wait(&mut self, seconds: i64) {
        self.at = self.at.plus(Gap::from_secs(seconds));
    }

    /// One packet, a millisecond after the one before.
    pub(crate) fn send(&mut self, up: bool, flags: u8, (seq, ack): (u32, u32), len: u16) {
        self.at = self.at.plus(Gap::from_millis(1));
        let (from, to) = if up { (self.client, self.server) } else { (self.server, self.client) };
        let tuple = Tuple { src: from.0, dst: to.0, sport: from.1, dport: to.1, proto: proto::TCP };
        let options = Vec::new();
        // A stack without the socket has no window to offer.
        let win = if flags == flag::RST { 0 } else { 1000 };
        let segment = Segment { tuple, flags, seq, ack, win, options, len, spoilt: Spoilt::No };
        self.file.packet(self.at, &segment.bytes());
    }

    pub(crate) fn handshake(&mut self) {
        self.send(true, flag::SYN, (0, 0), 0);
        self.send(false, SA, (0, 1), 0);
        self.send(true, flag::ACK, (1, 1), 0);
    }

    pub(crate) fn finish(self, name: &str) -> PathBuf {
        made(name, &self.bytes())
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.file.finish()
    }
}

pub(crate) fn made(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

pub(crate) fn replay(capture: &Path, more: &[&str]) -> Ran {
    let mut args = vec!["replay", capture.to_str().unwrap()];
    args.extend(more);
    run(args)
}

/// The records, each held against its schema.
pub(crate) fn records(capture: &Path, more: &[&str]) -> Vec<Value> {
    let ran = replay(capture, &[more, &["--format", "jsonl"]].concat());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let records = ran.jsonl();
    for record in &records {
        schema::validate("replay", record);
    }
    records
}

fn column(records: &[Value], field: &str) -> Vec<String> {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    records.iter().map(|record| word(&record[field])).collect()
}

/// A handshake, a stray segment a little beyond the window, and from then on the server's own
/// packets lie before the window the table has for it: they pass and refresh nothing.
fn freeze() -> PathBuf {
    let mut story = Story::begin();
    story.handshake();
    story.send(false, PA, (1, 1), 500);
    story.send(true, flag::ACK, (1, 501), 0);
    story.wait(100);
    story.send(false, PA, (1601, 1), 100);
    story.wait(100);
    story.send(false, flag::ACK, (501, 1), 0);
    story.finish("freeze.pcapng")
}

#[test]
fn a_segment_beyond_the_window_passes_and_refreshes_nothing() {
    let records = records(&freeze(), &[]);
    let verdicts = column(&records, "verdict");
    assert_eq!(
        verdicts,
        ["accept", "accept", "accept", "accept", "accept", "ignore", "ignore"],
        "{records:#?}"
    );
    assert_eq!(records[5]["reason"], "201 bytes more than expected");
    assert_eq!(records[5]["refreshed"], false);
    assert_eq!(records[5]["timeout_s"], 431_899);
    assert_eq!(records[6]["timeout_s"], 431_799);
    assert!(records[6]["reason"].as_str().unwrap().starts_with("SEQ is under lower bound"));
    assert_eq!(records[2]["tcp_state"], "ESTABLISHED");
    assert_eq!(records[2]["assured"], true);
}

#[test]
fn older_kernels_refuse_it_and_say_they_were_not_run() {
    let ran = replay(&freeze(), &["--kernel", "5.15.100", "--format", "jsonl"]);
    assert!(ran.err.contains("5.15.100 were read in source, not run"), "{ran:#?}");
    assert_eq!(ran.jsonl()[5]["verdict"], "invalid");
    let ran = replay(&freeze(), &["--format", "jsonl"]);
    assert!(!ran.err.contains("read in source"), "{ran:#?}");
}

#[test]
fn an_expired_entry_is_an_event_and_loose_decides_what_follows() {
    let mut story = Story::begin();
    story.handshake();
    story.wait(3600);
    story.send(true, PA, (1, 1), 10);
    let capture = story.finish("expired.pcapng");
    let sysctl = made(
        "expired.sysctl",
        b"net.netfilter.nf_conntrack_tcp_timeout_established = 1800\n\
          net.netfilter.nf_conntrack_tcp_loose = 0\nnet.ipv4.ip_forward = 1\n",
    );
    let sysctl = sysctl.to_str().unwrap();
    let strict = records(&capture, &["--sysctl", sysctl]);
    assert_eq!(column(&strict, "event")[3], "expired");
    assert_eq!(strict[3]["at_ns"], strict[2]["at_ns"].as_i64().unwrap() + 1_800_000_000_000);
    assert_eq!(strict[4]["verdict"], "invalid");
    assert_eq!(strict[4]["entry"], Value::Null);
    let loose = records(&capture, &["--sysctl", sysctl, "--set", "nf_conntrack_tcp_loose=1"]);
    assert_eq!((&loose[4]["ctstate"], &loose[4]["timeout_s"]), (&"new".into(), &300.into()));
}

#[test]
fn a_what_if_is_marked_from_the_packet_after_the_first_whose_fate_differs() {
    let mut story = Story::begin();
    story.handshake();
    story.wait(3600);
    story.send(true, PA, (1, 1), 10);
    story.send(false, flag::ACK, (1, 11), 0);
    let capture = story.finish("whatif.pcapng");
    let sysctl = made("whatif.sysctl", b"net.netfilter.nf_conntrack_tcp_loose = 0\n");
    let more = ["--sysctl", sysctl.to_str().unwrap(), "--set"];
    let same = records(&capture, &[&more[..], &["nf_conntrack_tcp_loose=1"]].concat());
    assert!(column(&same, "simulated").iter().all(|s| s != "true"), "{same:#?}");
    let shorter =
        records(&capture, &[&more[..], &["nf_conntrack_tcp_timeout_established=600"]].concat());
    assert_eq!(
        column(&shorter, "simulated"),
        ["false", "false", "false", "null", "false", "true"],
        "{shorter:#?}"
    );
}

#[test]
fn a_start_state_brings_translations_and_its_age() {
    let mut story = Story::begin();
    story.send(true, PA, (5000, 7000), 10);
    story.send(false, flag::ACK, (7000, 5010), 0);
    let capture = story.finish("start.pcapng");
    let dump = made(
        "start.conntrack",
        b"# hopclock host=egress-1 role=hop at=2024-05-10T03:13:22Z cmd=\"conntrack -L\"\n\
          tcp 6 200 ESTABLISHED src=192.0.2.10 dst=198.51.100.20 sport=49314 dport=443 \
          src=198.51.100.20 dst=203.0.113.1 sport=443 dport=61000 [ASSURED] mark=0 use=1\n\
          tcp 6 10 CLOSE src=192.0.2.10 dst=198.51.100.20 sport=49315 dport=443 \
          src=198.51.100.20 dst=203.0.113.1 sport=443 dport=61001 [ASSURED] mark=0 use=1\n",
    );
    let more = ["--start-state", dump.to_str().unwrap(), "--set", "nf_conntrack_tcp_loose=0"];
    let records = records(&capture, &more);
    assert_eq!(column(&records, "verdict"), ["accept", "accept"], "{records:#?}");
    assert_eq!(records[0]["leaves_as"]["src"], "203.0.113.1:61000");
    assert_eq!(records[1]["leaves_as"]["dst"], "192.0.2.10:49314");
    assert_eq!(records[1]["direction"], "reply");
    let ran = replay(&capture, &more);
    assert!(ran.out.contains("a dump tells no windows"), "{}", ran.out);
    assert!(ran.out.contains("1 entries had expired"), "{}", ran.out);
}

#[test]
fn a_flow_that_began_before_the_capture_is_said_to() {
    let mut story = Story::begin();
    story.send(true, PA, (5000, 7000), 10);
    story.send(true, FA, (5010, 7000), 0);
    let capture = story.finish("midstream.pcapng");
    let ran = replay(&capture, &[]);
    assert!(ran.out.contains("1 flows that begin before the capture"), "{}", ran.out);
    assert!(ran.out.contains("FIN_WAIT"), "{}", ran.out);
}

#[test]
fn only_what_matters_is_a_row_unless_all_is_asked_for() {
    let mut story = Story::begin();
    story.handshake();
    for n in 0..50 {
        story.send(true, PA, (1 + n * 10, 1), 10);
        story.send(false, flag::ACK, (1, 11 + n * 10), 0);
    }
    let capture = story.finish("rows.pcapng");
    let rows = |more: &[&str]| {
        let out = replay(&capture, more).out;
        out.lines().filter(|line| line.contains(" accept ")).count()
    };
    assert_eq!((rows(&[]), rows(&["--all"])), (3, 103));
    let markdown = replay(&capture, &["--format", "markdown"]).out;
    assert_eq!(markdown.lines().filter(|line| line.starts_with("| ")).count(), 4, "{markdown}");
    let document = replay(&capture, &["--format", "json"]).json();
    assert_eq!(document["schema"], "hopclock.replay/1");
    assert_eq!(document["records"].as_array().unwrap().len(), 103);
    assert_eq!(document["summary"]["judged"], 103);
}

#[test]
fn a_segment_is_the_packet_its_bytes_are() {
    let mut options = vec![2, 4, 5, 180, 4, 2, 1, 3, 3, 7, 1, 1];
    options.extend([5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]);
    let (src, dst) = ([192, 0, 2, 10].into(), [198, 51, 100, 20].into());
    let tuple = Tuple { src, dst, sport: 49_314, dport: 443, proto: proto::TCP };
    let spoilt = Spoilt::No;
    let segment = Segment { tuple, flags: SA, seq: 7, ack: 9, win: 1000, options, len: 40, spoilt };
    let bytes = segment.bytes();
    let captured = Captured {
        number: 1,
        at: Moment::from_secs(1),
        stamped: true,
        link: RAW_IP,
        interface: 0,
        fcs_bytes: 0,
        bytes: &bytes,
        wire_len: bytes.len() as u32,
    };
    let reading = Dissector::new().read(&captured, 0);
    let told = if let Reading::Segment(told) = reading { Some(told) } else { None };
    let mut by_bytes = conntrack::read::read(&bytes).unwrap();
    by_bytes.checksum = conntrack::packet::Checksum::NotChecked;
    assert_eq!(conntrack::Packet::from(&told.unwrap()), by_bytes);
}

#[test]
fn mistakes_of_typing_are_told_before_a_file_is_opened() {
    for more in [
        &["--set", "nf_conntrack_tcp_loose"][..],
        &["--set", "nf_conntrack_tcp_loose=yes"],
        &["--set", "nf_conntrack_tcp_loose=2"],
        &["--set", "tcp_keepalive_time=60"],
        &["--kernel", "new"],
    ] {
        let ran = replay(Path::new("no-such.pcap"), more);
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.err.contains(more[1]), "{ran:#?}");
    }
    let ran = replay(Path::new("no-such.pcap"), &[]);
    assert_eq!(ran.code, Some(3), "{ran:#?}");
    let empty = made("empty.conntrack", b"\n");
    let ran = replay(&freeze(), &["--start-state", empty.to_str().unwrap()]);
    assert_eq!(ran.code, Some(3), "{ran:#?}");
}
