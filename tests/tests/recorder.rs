//! The recorder on real interfaces: nothing is lost of a burst, order is that of time, limits are
//! kept and counted, and another reader of captures reads what it writes.
//!
//! Needs root for the namespaces; skipped by name without.

use crate::collect::in_namespace;
use hopclock_core::capture::{LinkType, Ready, Stream};
use hopclock_live::namespace::Namespace;
use hopclock_live::netlink::link::{End, Links, index_of};
use hopclock_live::record::{Keep, Options, Recorded, Recorder, Tap};
use hopclock_tests::{scratch, tool};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Packets each way.
const BURST: u32 = 4096;
/// Sent before as many are awaited. Two rounds may wait at a receiver that does not run, and each
/// packet takes several times its length there: they must fit into a socket's ordinary buffer, or
/// UDP loses them.
const AT_ONCE: u32 = 16;
const LENGTH: usize = 200;
/// Ethernet, IPv4 and UDP headers in front of the payload.
const HEADERS: usize = 14 + 20 + 8;
const PORTS: [u16; 2] = [7001, 7002];

/// Two namespaces and a wire.
struct Wire([Namespace; 2]);

impl Wire {
    fn new() -> Self {
        let both = [Namespace::new().unwrap(), Namespace::new().unwrap()];
        let end =
            |name: &str, last| End { name: name.to_owned(), mac: [0, 0, 0x5e, 0, 0x53, last] };
        let other = both[1].clone();
        let made = both[0].run(|| Links::open()?.pair(&end("here", 1), &end("there", 2), &other));
        made.unwrap().unwrap();
        let wire = Self(both);
        for side in [0, 1] {
            let up = || -> io::Result<()> {
                let mut links = Links::open()?;
                let index = index_of(Self::name(side))?;
                links.up(1, 65_536)?;
                links.up(index, 1500)?;
                links.address(index, Self::address(side).parse().unwrap(), 24)
            };
            wire.0[side].run(up).unwrap().unwrap();
        }
        wire
    }

    fn name(side: usize) -> &'static str {
        ["here", "there"][side]
    }

    fn address(side: usize) -> &'static str {
        ["192.0.2.1", "192.0.2.2"][side]
    }

    fn taps(&self) -> Vec<Tap> {
        let open = |side: usize| self.0[side].run(|| Tap::open(Self::name(side))).unwrap().unwrap();
        vec![open(0), open(1)]
    }

    /// Packets with numbers, both ways at once.
    fn burst(&self) {
        let bound = |side: usize| {
            let bind = || UdpSocket::bind((Self::address(side), PORTS[side]));
            self.0[side].run(bind).unwrap().unwrap()
        };
        let sockets = [bound(0), bound(1)];
        std::thread::scope(|scope| {
            for (side, socket) in sockets.iter().enumerate() {
                scope.spawn(move || {
                    socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
                    socket.connect((Self::address(1 - side), PORTS[1 - side])).unwrap();
                    for first in (0..BURST).step_by(AT_ONCE as usize) {
                        for number in first..first + AT_ONCE {
                            let mut payload = [0; LENGTH];
                            payload[..4].copy_from_slice(&number.to_be_bytes());
                            socket.send(&payload).unwrap();
                        }
                        for _ in 0..AT_ONCE {
                            assert_eq!(socket.recv(&mut [0; 512]).unwrap(), LENGTH);
                        }
                    }
                });
            }
        });
    }
}

/// Wants UDP over IPv4 alone: neighbours ask for each other as they like.
fn udp() -> Option<Keep> {
    Some(Box::new(|link, frame| {
        let at = if link == LinkType(1) { (12, 23) } else { (0, 29) };
        frame.get(at.0..at.0 + 2) == Some(&[8, 0]) && frame.get(at.1) == Some(&17)
    }))
}

/// Records a burst; the file and what the recorder counted.
fn record(options: Options) -> (Vec<u8>, Vec<Recorded>) {
    let folder = scratch("recorder");
    let path = folder.join("burst.pcapng");
    let wire = Wire::new();
    let file = File::create(&path).unwrap();
    let recorder = Recorder::start(wire.taps(), file, Options { keep: udp(), ..options }).unwrap();
    wire.burst();
    let recorded = recorder.stop().unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::remove_dir_all(folder).unwrap();
    (bytes, recorded)
}

/// A packet of the burst, as read back.
#[derive(Debug)]
struct Read {
    ns: i64,
    interface: u32,
    from: u16,
    number: u32,
    kept: usize,
    wire: usize,
}

fn read(bytes: &[u8]) -> Vec<Read> {
    let mut stream = Stream::new();
    stream.feed(bytes);
    stream.end();
    let mut all = Vec::new();
    while stream.advance() == Ready::Packet {
        let packet = stream.packet().unwrap();
        let frame = packet.bytes;
        all.push(Read {
            ns: packet.at.ns(),
            interface: packet.interface,
            from: u16::from_be_bytes(frame[34..36].try_into().unwrap()),
            number: u32::from_be_bytes(frame[HEADERS..HEADERS + 4].try_into().unwrap()),
            kept: frame.len(),
            wire: packet.wire_len as usize,
        });
    }
    all
}

#[test]
fn every_packet_of_a_burst_is_recorded_at_both_ends_in_order_of_time() {
    let name = "every_packet_of_a_burst_is_recorded_at_both_ends_in_order_of_time";
    in_namespace(name, &[], || {
        let (bytes, recorded) = record(Options::default());
        for (side, one) in recorded.iter().enumerate() {
            assert_eq!(one.interface, Wire::name(side));
            let counted = (one.written, one.left_out, one.dropped);
            assert_eq!(counted, (u64::from(BURST) * 2, 0, 0), "{recorded:?}");
        }
        let all = read(&bytes);
        assert_eq!(all.len(), BURST as usize * 4);
        assert!(all.windows(2).all(|two| two[0].ns <= two[1].ns), "not in order of time");
        assert!(all.iter().all(|p| p.kept == HEADERS + LENGTH && p.wire == p.kept));
        for interface in [0, 1] {
            for from in PORTS {
                let seen = all.iter().filter(|p| p.interface == interface && p.from == from);
                let numbers: Vec<u32> = seen.map(|p| p.number).collect();
                assert!(numbers.into_iter().eq(0..BURST), "interface {interface}, from {from}");
            }
        }
    });
}

#[test]
fn limits_are_kept_and_what_they_left_out_is_counted() {
    in_namespace("limits_are_kept_and_what_they_left_out_is_counted", &[], || {
        let sum = |recorded: &[Recorded], of: fn(&Recorded) -> u64| recorded.iter().map(of).sum();
        let sent = u64::from(BURST) * 4;
        let (bytes, recorded) =
            record(Options { snaplen: 64, packets_max: 1000, ..Options::default() });
        let all = read(&bytes);
        assert_eq!(all.len(), 1000);
        assert!(all.iter().all(|p| p.kept == 64 && p.wire == HEADERS + LENGTH));
        let (written, left_out): (u64, u64) =
            (sum(&recorded, |r| r.written), sum(&recorded, |r| r.left_out));
        assert_eq!((written, left_out), (1000, sent - 1000), "{recorded:?}");

        let (bytes, recorded) = record(Options { bytes_max: 50_000, ..Options::default() });
        let kept: usize = read(&bytes).iter().map(|p| p.kept).sum();
        // The packet that reaches the limit is the last.
        assert!((50_000..50_000 + HEADERS + LENGTH).contains(&kept), "{kept} bytes");
        let (written, left_out): (u64, u64) =
            (sum(&recorded, |r| r.written), sum(&recorded, |r| r.left_out));
        assert_eq!(written + left_out, sent, "{recorded:?}");
    });
}

/// One line a packet: the fields, by tabs.
fn tshark(path: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new(tool("tshark", "tshark").unwrap());
    command.arg("-n").arg("-r").arg(path).args(["-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn all_interfaces_at_once_are_read_by_tshark_as_they_were() {
    let name = "all_interfaces_at_once_are_read_by_tshark_as_they_were";
    in_namespace(name, &["tshark"], || {
        let folder = scratch("recorder-any");
        let path = folder.join("any.pcapng");
        let wire = Wire::new();
        let tap = wire.0[0].run(Tap::any).unwrap().unwrap();
        let options = Options { keep: udp(), ..Options::default() };
        let recorder = Recorder::start(vec![tap], File::create(&path).unwrap(), options).unwrap();
        wire.burst();
        // And some to oneself, which the loopback both sends and receives.
        let to_itself = || -> io::Result<()> {
            let socket = UdpSocket::bind(("127.0.0.1", 7003))?;
            socket.send_to(&[1; LENGTH], ("127.0.0.1", 7003)).map(|_| ())
        };
        wire.0[0].run(to_itself).unwrap().unwrap();
        let recorded = recorder.stop().unwrap();
        let fields = ["sll.ifindex", "sll.pkttype", "sll.hatype", "udp.srcport", "udp.length"];
        let all = tshark(&path, &fields);
        assert_eq!(all.len() as u64, recorded[0].written);
        assert_eq!(recorded[0].dropped, 0);
        let index = wire.0[0].run(|| index_of("here")).unwrap().unwrap().to_string();
        let length = (LENGTH + 8).to_string();
        // Packet types of packet(7): 0 to us, 4 from us. ARPHRD: 1 Ethernet, 772 loopback.
        for (link, kind, hardware, port, times) in [
            (index.as_str(), "0", "1", "7002", BURST as usize),
            (index.as_str(), "4", "1", "7001", BURST as usize),
            ("1", "0", "772", "7003", 1),
            ("1", "4", "772", "7003", 1),
        ] {
            let wanted = [link, kind, hardware, port, length.as_str()];
            let seen = all.iter().filter(|packet| packet.iter().eq(wanted)).count();
            let kinds: BTreeSet<&Vec<String>> = all.iter().collect();
            assert_eq!(seen, times, "{wanted:?} of {kinds:?}");
        }
        fs::remove_dir_all(folder).unwrap();
    });
}

/// A file that tells when it is let go.
struct Telling(File, Arc<AtomicBool>);

impl Write for Telling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.1.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_recorder_that_is_dropped_stops_with_all_it_had() {
    in_namespace("a_recorder_that_is_dropped_stops_with_all_it_had", &[], || {
        let folder = scratch("recorder-dropped");
        let path = folder.join("dropped.pcapng");
        let wire = Wire::new();
        let gone = Arc::new(AtomicBool::new(false));
        let file = Telling(File::create(&path).unwrap(), Arc::clone(&gone));
        let options = Options { keep: udp(), ..Options::default() };
        let recorder = Recorder::start(wire.taps(), file, options).unwrap();
        wire.burst();
        assert!(!gone.load(Ordering::SeqCst));
        drop(recorder);
        assert!(gone.load(Ordering::SeqCst), "the recorder still writes");
        let whole = fs::read(&path).unwrap();
        assert_eq!(read(&whole).len(), BURST as usize * 4);
        wire.burst();
        assert_eq!(fs::read(&path).unwrap().len(), whole.len());
        fs::remove_dir_all(folder).unwrap();
    });
}
