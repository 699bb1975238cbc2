//! hopclock and tshark over the same made captures: every link type and tunnel, fragments, cuts,
//! reorderings, and conversations no stack would hold. Each case is told apart by its ports, so one
//! file, and one run of tshark, holds many.

use hopclock_core::flow::{CaptureReader, FlowRecord};
use hopclock_tests::packets::{Dice, Pcapng, Tcp, ethernet, ipv4, ipv6, udp};
use hopclock_tests::quarrel::Quarrels;
use hopclock_tests::skip;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

const V4: [[u8; 4]; 2] = [[192, 0, 2, 1], [198, 51, 100, 7]];
const V6: [[u8; 16]; 2] = [
    [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
];

/// A segment with its direction, before it is put into IP.
struct Step {
    from_client: bool,
    v6: bool,
    tcp: Tcp,
}

impl Step {
    fn ip(&self, id: u16) -> Vec<u8> {
        let tcp = self.tcp.bytes();
        if self.v6 {
            ipv6(if self.from_client { V6 } else { [V6[1], V6[0]] }, 6, &tcp)
        } else {
            ipv4(if self.from_client { V4 } else { [V4[1], V4[0]] }, 6, (id, 0x4000), &tcp)
        }
    }

    fn ether_type(&self) -> u16 {
        if self.v6 { 0x86dd } else { 0x0800 }
    }

    fn ppp(&self, id: u16) -> Vec<u8> {
        let protocol: u16 = if self.v6 { 0x57 } else { 0x21 };
        [&protocol.to_be_bytes()[..], &self.ip(id)].concat()
    }
}

/// A whole life on one client port, over IPv4 and another over IPv6.
fn life(port: u16, dice: &mut Dice) -> Vec<Step> {
    let mss = vec![2, 4, 5, 180, 3, 3, 7];
    let steps: [(bool, u8, u64, Vec<u8>); 8] = [
        (true, 0x02, 0, mss.clone()),
        (false, 0x12, 0, mss),
        (true, 0x10, 0, vec![]),
        (true, 0x18, 200, vec![8, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
        (false, 0x18, 300, vec![30, 4, 0, 0]),
        (true, 0x11, 0, vec![]),
        (false, 0x11, 9, vec![]),
        (false, 0x04, 0, vec![]),
    ];
    let mut told = Vec::new();
    for v6 in [false, true] {
        for (n, (from_client, flags, payload, options)) in steps.iter().enumerate() {
            let (src, dst) = if *from_client { (port, 443) } else { (443, port) };
            let payload = if *payload == 0 { 0 } else { 1 + dice.below(*payload) };
            let n = n as u32;
            told.push(Step {
                from_client: *from_client,
                v6,
                tcp: Tcp {
                    src,
                    dst,
                    seq: 1000 + n * 300,
                    ack: 5000 + n * 300,
                    flags: *flags,
                    window: if dice.below(4) == 0 { 0 } else { 1000 },
                    options: options.clone(),
                    payload: vec![b'x'; payload as usize],
                },
            });
        }
    }
    told
}

type Wrap = fn(&Step, u16) -> Vec<u8>;

fn llc(step: &Step, id: u16) -> Vec<u8> {
    let kind = step.ether_type().to_be_bytes();
    [&[0xaa, 0xaa, 3, 0, 0, 0][..], &kind, &step.ip(id)].concat()
}

fn gre(head: &[u8], payload: &[u8]) -> Vec<u8> {
    ipv4(V4, 47, (1, 0x4000), &[head, payload].concat())
}

fn over_udp(port: u16, head: &[u8], payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(V4, 17, (1, 0), &udp(5555, port, &[head, payload].concat())))
}

fn frame(step: &Step, id: u16) -> Vec<u8> {
    ethernet(step.ether_type(), &step.ip(id))
}

fn extended(step: &Step, id: u16) -> Vec<u8> {
    if !step.v6 {
        return step.ip(id);
    }
    let tcp = step.tcp.bytes();
    let routing = [&[6, 0, 0, 0, 0, 0, 0, 0][..], &tcp].concat();
    let options = [&[43, 1, 1, 12][..], &[0; 12], &routing].concat();
    let hop_by_hop = [&[60, 0, 1, 4, 0, 0, 0, 0][..], &options].concat();
    ipv6(if step.from_client { V6 } else { [V6[1], V6[0]] }, 0, &hop_by_hop)
}

/// Every way to carry a segment: what it is called, its link type, and how it is wrapped.
const CARRIERS: &[(&str, u16, Wrap)] = &[
    ("Ethernet", 1, frame),
    ("Ethernet, padded", 1, |s, id| [frame(s, id), vec![0; 7]].concat()),
    ("VLAN", 1, |s, id| {
        ethernet(0x8100, &[&[0, 5][..], &s.ether_type().to_be_bytes(), &s.ip(id)].concat())
    }),
    ("QinQ", 1, |s, id| {
        let inner = [&[0, 5, 0x81, 0, 0, 6][..], &s.ether_type().to_be_bytes(), &s.ip(id)].concat();
        ethernet(0x88a8, &inner)
    }),
    ("802.3", 1, |s, id| {
        let inner = llc(s, id);
        ethernet(inner.len() as u16, &inner)
    }),
    ("MPLS", 1, |s, id| {
        ethernet(0x8847, &[&[0, 6, 0x40, 64, 0, 0x0c, 0x81, 64][..], &s.ip(id)].concat())
    }),
    ("pseudo-wire with control word", 1, |s, id| {
        ethernet(0x8847, &[&[0, 0x0c, 0x81, 64, 0, 0, 0, 0][..], &frame(s, id)].concat())
    }),
    ("PPPoE", 1, |s, id| {
        let ppp = s.ppp(id);
        let head = [&[0x11, 0, 0, 9][..], &(ppp.len() as u16).to_be_bytes()].concat();
        ethernet(0x8864, &[head, ppp].concat())
    }),
    ("Linux cooked", 113, |s, id| {
        let kind = s.ether_type().to_be_bytes();
        [&[0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0][..], &kind, &s.ip(id)].concat()
    }),
    ("Linux cooked 2", 276, |s, id| {
        let kind = s.ether_type().to_be_bytes();
        let rest = [0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0];
        [&kind[..], &rest, &s.ip(id)].concat()
    }),
    ("raw IP", 101, |s, id| s.ip(id)),
    ("BSD loopback", 0, |s, id| [&[if s.v6 { 30 } else { 2 }, 0, 0, 0][..], &s.ip(id)].concat()),
    ("OpenBSD loopback", 108, |s, id| {
        [&[0, 0, 0, if s.v6 { 24 } else { 2 }][..], &s.ip(id)].concat()
    }),
    ("PPP", 9, |s, id| [&[0xff, 3][..], &s.ppp(id)].concat()),
    ("PPP without address", 9, |s, id| s.ppp(id)),
    ("PPP with direction", 204, |s, id| [&[1, 0xff, 3][..], &s.ppp(id)].concat()),
    ("Cisco HDLC", 104, |s, id| {
        [&[0x0f, 0][..], &s.ether_type().to_be_bytes(), &s.ip(id)].concat()
    }),
    ("frame relay", 107, |s, id| {
        let head = [0x18, 0x41, 3, 0, 0x80, 0, 0, 0];
        [&head[..], &s.ether_type().to_be_bytes(), &s.ip(id)].concat()
    }),
    ("ATM LLC", 100, llc),
    ("802.11", 105, |s, id| {
        let head = [8, 1, 0, 0, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 3, 0, 0];
        [&head[..], &llc(s, id)].concat()
    }),
    ("extension headers", 101, extended),
    ("GRE", 101, |s, id| gre(&[&[0, 0][..], &s.ether_type().to_be_bytes()].concat(), &s.ip(id))),
    ("GRE with Ethernet", 101, |s, id| gre(&[0, 0, 0x65, 0x58], &frame(s, id))),
    ("GRE with key and number", 101, |s, id| {
        let kind = s.ether_type().to_be_bytes();
        gre(&[&[0x30, 0][..], &kind, &[0, 0, 0, 7, 0, 0, 0, 8]].concat(), &s.ip(id))
    }),
    ("IP in IP", 101, |s, id| ipv4(V4, if s.v6 { 41 } else { 4 }, (1, 0x4000), &s.ip(id))),
    ("IP in IPv6", 101, |s, id| ipv6(V6, if s.v6 { 41 } else { 4 }, &s.ip(id))),
    ("VXLAN", 1, |s, id| over_udp(4789, &[8, 0, 0, 0, 0, 0, 77, 0], &frame(s, id))),
    ("vxlan over its old port", 1, |s, id| {
        over_udp(8472, &[8, 0, 0, 0, 0, 0, 77, 0], &frame(s, id))
    }),
    ("Geneve", 1, |s, id| {
        over_udp(6081, &[1, 0, 0x65, 0x58, 0, 0, 77, 0, 1, 2, 3, 0], &frame(s, id))
    }),
    ("IPv6 without a length", 101, |s, id| {
        let mut ip = s.ip(id);
        if s.v6 {
            ip[4..6].fill(0);
        }
        ip
    }),
];

/// What both are asked of a connection.
type Tally = BTreeMap<String, [u64; 12]>;

fn ours(file: &[u8]) -> Tally {
    let mut reader = CaptureReader::new("made.pcapng");
    for chunk in file.chunks(1000) {
        reader.feed(chunk);
    }
    let flows = reader.finish().flows;
    flows.iter().map(|flow| of_record(&flow.record)).fold(Tally::new(), |mut all, (ends, row)| {
        all.insert(ends, row);
        all
    })
}

fn of_record(record: &FlowRecord) -> (String, [u64; 12]) {
    let mut sides = [
        (record.client.to_string(), hopclock_core::terms::Side::Client),
        (record.server.to_string(), hopclock_core::terms::Side::Server),
    ];
    sides.sort();
    let mut row = [0; 12];
    for (n, (_, side)) in sides.iter().enumerate() {
        let side = *side;
        row[n] = record.packets.of(side) + record.seen_again.of(side);
        row[2 + n] = record.payload_bytes.of(side) + record.seen_again_bytes.of(side);
        row[4 + n] = *record.syn.of(side);
        row[6 + n] = *record.fin.of(side);
        row[8 + n] = *record.rst.of(side);
    }
    row[10] = record.first_packet;
    row[11] = record.last_packet;
    (format!("{} {} #{}", sides[0].0, sides[1].0, record.first_packet), row)
}

/// tshark's answer, or `None` where it is not installed.
fn theirs(name: &str, file: &[u8]) -> Option<Tally> {
    let path = std::env::temp_dir().join(format!("hopclock-{name}-{}.pcapng", std::process::id()));
    fs::write(&path, file).unwrap();
    let fields = "frame.number tcp.stream ip.src ip.dst ipv6.src ipv6.dst tcp.srcport tcp.dstport \
                  tcp.len tcp.flags frame.protocols";
    let mut command = Command::new("tshark");
    command.args(["-n", "-Y", "tcp", "-T", "fields", "-E", "occurrence=l", "-r"]).arg(&path);
    for field in fields.split_whitespace() {
        command.args(["-e", field]);
    }
    let output = command.output();
    fs::remove_file(&path).unwrap();
    let output = output.ok()?;
    let mut streams: BTreeMap<u64, ([String; 2], [u64; 12])> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        one_line(line, &mut streams);
    }
    let told = streams
        .into_values()
        .map(|(ends, row)| (format!("{} {} #{}", ends[0], ends[1], row[10]), row));
    Some(told.collect())
}

fn one_line(line: &str, streams: &mut BTreeMap<u64, ([String; 2], [u64; 12])>) {
    let fields: Vec<&str> = line.split('\t').collect();
    let [number, stream, ip_src, ip_dst, ip6_src, ip6_dst, src, dst, len, flags, layers] =
        fields.try_into().unwrap();
    if stream.is_empty() {
        return;
    }
    let last = |name: &str| layers.rfind(name).map_or(0, |at| at + 1);
    let v6 = last(":ipv6") > last(":ip:");
    let end = |addr: &str, port: &str| {
        if v6 { format!("[{addr}]:{port}") } else { format!("{addr}:{port}") }
    };
    let (from, to) = if v6 { (ip6_src, ip6_dst) } else { (ip_src, ip_dst) };
    let (from, to) = (end(from, src), end(to, dst));
    let mut ends = [from.clone(), to];
    ends.sort();
    let number = number.parse().unwrap();
    let (ends, row) = streams.entry(stream.parse().unwrap()).or_insert_with(|| (ends, [0; 12]));
    let n = usize::from(ends[0] != from);
    let flags = u64::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0);
    row[n] += 1;
    row[2 + n] += len.parse().unwrap_or(0);
    for (at, bit) in [(4, 2), (6, 1), (8, 4)] {
        row[at + n] += u64::from(flags & bit != 0);
    }
    if row[10] == 0 {
        row[10] = number;
    }
    row[11] = number;
}

/// Compares what both say; `explained` may excuse a difference.
fn compare(name: &str, file: &[u8], mut explained: impl FnMut(&str) -> bool) -> bool {
    let Some(theirs) = theirs(name, file) else {
        skip(name, "tshark is not installed");
        return false;
    };
    let ours = ours(file);
    assert!(!theirs.is_empty());
    let wrong: Vec<String> = ours
        .keys()
        .chain(theirs.keys())
        .filter(|ends| ours.get(*ends) != theirs.get(*ends) && !explained(ends))
        .map(|ends| format!("{ends}\n ours   {:?}\n theirs {:?}", ours.get(ends), theirs.get(ends)))
        .collect();
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
    true
}

/// The port a case's connections use.
fn port_of(case: usize) -> u16 {
    40_000 + case as u16
}

fn case_of(ends: &str) -> Option<&'static str> {
    let ports = ends.split(' ').filter_map(|end| end.rsplit(':').next()?.parse::<u16>().ok());
    let case = ports.filter(|port| *port >= 40_000).map(|port| port - 40_000).next()?;
    CARRIERS.get(usize::from(case)).map(|(name, ..)| *name)
}

/// A capture for each carrier, of one conversation over IPv4 and one over IPv6.
pub fn carried() -> Vec<Vec<u8>> {
    let mut dice = Dice(11);
    let each = CARRIERS.iter().enumerate().map(|(case, (_, link, wrap))| {
        let mut file = Pcapng::default();
        for (id, step) in life(port_of(case), &mut dice).iter().enumerate() {
            file.packet(*link, &wrap(step, id as u16), usize::MAX);
        }
        file.finish()
    });
    each.collect()
}

#[test]
fn every_carrier_leads_to_the_same_connections() {
    let mut quarrels = Quarrels::load(|quarrel| quarrel.case.is_some());
    let mut dice = Dice(11);
    let mut file = Pcapng::default();
    for (case, (_, link, wrap)) in CARRIERS.iter().enumerate() {
        for (id, step) in life(port_of(case), &mut dice).iter().enumerate() {
            file.packet(*link, &wrap(step, id as u16), usize::MAX);
        }
    }
    let compared = compare("carriers", &file.finish(), |ends| {
        let case = case_of(ends);
        quarrels.explain(|quarrel| quarrel.case.as_deref() == case)
    });
    if compared {
        quarrels.settle();
    }
}

#[test]
fn cut_packets_are_read_as_far() {
    let mut dice = Dice(12);
    let mut file = Pcapng::default();
    let quarrels = Quarrels::load(|quarrel| quarrel.case.is_some());
    for (case, (name, link, wrap)) in CARRIERS.iter().enumerate() {
        if quarrels.knows(|quarrel| quarrel.case.as_deref() == Some(name)) {
            continue;
        }
        for (id, step) in life(port_of(case), &mut dice).iter().enumerate() {
            file.packet(*link, &wrap(step, id as u16), 14 + dice.below(150) as usize);
        }
    }
    compare("cuts", &file.finish(), |_| false);
}

#[test]
fn fragments_in_any_order_make_a_segment() {
    let mut dice = Dice(13);
    let mut file = Pcapng::default();
    for case in 0..40 {
        let mut life = life(port_of(case), &mut dice);
        let step = life.swap_remove(dice.below(16) as usize);
        let mut pieces = fragments(&step, 100 + case as u16, 8 + 8 * dice.below(3) as usize);
        for at in (1..pieces.len()).rev() {
            pieces.swap(at, dice.below(at as u64 + 1) as usize);
        }
        match dice.below(4) {
            0 => drop(pieces.pop()),
            1 => pieces.push(pieces[0].clone()),
            _ => {}
        }
        for piece in pieces {
            file.packet(101, &piece, usize::MAX);
        }
    }
    compare("fragments", &file.finish(), |_| false);
}

fn fragments(step: &Step, id: u16, size: usize) -> Vec<Vec<u8>> {
    let tcp = step.tcp.bytes();
    let count = tcp.len().div_ceil(size);
    let pieces = tcp.chunks(size).enumerate().map(|(n, bytes)| {
        let (offset, more) = ((n * size) as u16, n + 1 < count);
        if step.v6 {
            let place = (offset | u16::from(more)).to_be_bytes();
            let head = [&[6, 0][..], &place, &[0, 0], &id.to_be_bytes()].concat();
            ipv6(if step.from_client { V6 } else { [V6[1], V6[0]] }, 44, &[&head, bytes].concat())
        } else {
            let place = (offset / 8) | if more { 0x2000 } else { 0 };
            ipv4(if step.from_client { V4 } else { [V4[1], V4[0]] }, 6, (id, place), bytes)
        }
    });
    pieces.collect()
}

/// Segments with flags and numbers by the dice: where one connection ends and another begins on
/// the same ports is the same for both.
#[test]
fn conversations_no_stack_would_hold_begin_and_end_alike() {
    let mut dice = Dice(14);
    let mut file = Pcapng::default();
    let mut pick = |from: &[u32]| from[dice.below(from.len() as u64) as usize];
    for case in 0..150 {
        for id in 0..pick(&[3, 8, 20]) {
            let from_client = pick(&[0, 1]) == 1;
            let (src, dst) = if from_client { (port_of(case), 443) } else { (443, port_of(case)) };
            let step = Step {
                from_client,
                v6: false,
                tcp: Tcp {
                    src,
                    dst,
                    seq: pick(&[1000, 1001, 1002, 1007, 1013, 5000]),
                    ack: pick(&[2000, 2001, 2002, 7000, 0]),
                    flags: pick(&[2, 2, 0x12, 0x10, 0x18, 0x11, 4, 0x14]) as u8,
                    window: pick(&[0, 100]) as u16,
                    options: Vec::new(),
                    payload: vec![b'q'; pick(&[0, 0, 1, 5]) as usize],
                },
            };
            file.packet(101, &step.ip(id as u16), usize::MAX);
        }
    }
    compare("conversations", &file.finish(), |_| false);
}

/// A capture's account of its own loss: the latest count of each interface, as tshark reads the
/// file's blocks.
#[test]
fn what_the_capture_lost_itself_is_told() {
    let mut dice = Dice(15);
    let mut file = Pcapng::default();
    for (id, step) in life(port_of(0), &mut dice).iter().enumerate() {
        file.packet(if id % 2 == 0 { 1 } else { 101 }, &frame(step, id as u16), usize::MAX);
        file.statistics(0, id as u64, 2 * id as u64);
    }
    file.statistics(1, 1 << 40, 0);
    let file = file.finish();
    let mut reader = CaptureReader::new("made here");
    reader.feed(&file);
    let notes = reader.finish().notes.join("; ");
    let sums = [(1_u64 << 40) + 15, 30];
    for sum in sums {
        assert!(notes.contains(&format!("{sum} ")), "{notes}");
    }
    let path = std::env::temp_dir().join(format!("hopclock-loss-{}.pcapng", std::process::id()));
    fs::write(&path, &file).unwrap();
    let option = "pcapng.options.option.data.interface";
    let asked = Command::new("tshark")
        .args(["-X", "read_format:MIME Files Format", "-T", "fields", "-r"])
        .arg(&path)
        .args(["-e", &format!("{option}.dropped"), "-e", &format!("{option}.dropped_by_os")])
        .output();
    let _ = fs::remove_file(&path);
    let Ok(told) = asked else {
        skip("loss", "tshark is not installed");
        return;
    };
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let counts = told.trim().split('\t').map(|column| -> Vec<u64> {
        column.split(',').map(|count| count.parse().unwrap()).collect()
    });
    // Sixteen counts of the first interface, of which the last stands, and one of the second.
    let theirs: Vec<u64> = counts.map(|counts| counts[15] + counts[16]).collect();
    assert_eq!(theirs, sums);
}
