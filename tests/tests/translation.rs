//! Both sides of a translating box in one capture: a packet before and after is one packet. The
//! recordings are the kernel's own (`captures/record-nat.sh` makes them anew, and a test does);
//! what must never be taken for one connection is drawn by dice.

use hopclock_core::flow::{CaptureReader, Finished, FlowRecord, How, Translates};
use hopclock_core::terms::{Consistency, Origin, ResetKind, Side};
use hopclock_tests::packets::{Dice, Tcp, ipv4, ipv6};
use hopclock_tests::{repo, scratch, skip, tool};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn read(file: &[u8]) -> Vec<Finished> {
    let mut reader = CaptureReader::new("translated");
    for chunk in file.chunks(4096) {
        reader.feed(chunk);
    }
    reader.finish().flows
}

fn recorded(folder: &Path, name: &str) -> Vec<FlowRecord> {
    let found = ["pcap", "pcapng"].map(|kind| folder.join(format!("{name}.{kind}")));
    let path = found.iter().find(|path| path.is_file()).unwrap();
    read(&fs::read(path).unwrap()).into_iter().map(|flow| flow.record).collect()
}

/// Every packet was seen twice, is counted once, and nothing was sent again.
fn seen_twice(flow: &FlowRecord, translates: Translates) {
    let told = format!("{flow:#?}");
    assert_eq!(flow.packets, flow.seen_again, "{told}");
    assert_eq!(flow.payload_bytes, flow.seen_again_bytes, "{told}");
    assert_eq!(flow.retransmissions.client + flow.retransmissions.server, 0, "{told}");
    let names: Vec<_> =
        flow.also_known_as.iter().map(|name| (name.translates, name.packets)).collect();
    assert_eq!(names, [(translates, flow.packets)], "{told}");
    assert_eq!(flow.untranslated.client + flow.one_sided.client, 0, "{told}");
    assert_eq!(flow.untranslated.server + flow.one_sided.server, 0, "{told}");
}

fn one(mut flows: Vec<FlowRecord>) -> FlowRecord {
    assert_eq!(flows.len(), 1, "one connection: {flows:#?}");
    flows.remove(0)
}

/// What the kernel's recordings must be read as, wherever they were made.
fn judge(folder: &Path) {
    for (name, translates) in [
        ("snat", Translates::Source),
        ("dnat", Translates::Destination),
        ("both", Translates::Both),
    ] {
        let flows = recorded(folder, name);
        assert_eq!(flows.len(), 2, "{name}: over IPv4 and IPv6: {flows:#?}");
        for flow in &flows {
            seen_twice(flow, translates);
            assert_eq!((flow.ending.how, flow.ending.signed_by), (How::Fin, Some(Side::Client)));
        }
    }
    let lost = recorded(folder, "lost");
    let endings: Vec<How> = lost.iter().map(|flow| flow.ending.how).collect();
    assert_eq!(endings, [How::Refused, How::Unanswered]);
    let syns = lost.get(1).unwrap();
    assert_eq!(syns.packets.client, syns.seen_again.client);
    assert_eq!(syns.retransmissions.client + 1, syns.packets.client, "the stack's own repetitions");
    let reused = recorded(folder, "reuse");
    assert_eq!(reused.len(), 3, "one port of the box after the other: {reused:#?}");
    for flow in &reused {
        assert_eq!((flow.packets, flow.syn.client), (flow.seen_again, 1));
        assert_eq!(flow.also_known_as.first().unwrap().client.port(), 20_000);
    }
    judge_losses(folder);
}

/// What a box does when it has lost or refuses the connection.
fn judge_losses(folder: &Path) {
    let reset = |flow: &FlowRecord| {
        let reset = flow.ending.reset.clone().unwrap();
        (reset.kind, reset.origin, reset.consistent)
    };
    let by_box = (ResetKind::NoSocket, Origin::Hop, Consistency::Doubtful);
    let flow = one(recorded(folder, "box-reset"));
    let first = flow.first_rst.unwrap();
    assert_eq!(first.by, Side::Client);
    assert_eq!(first.seen_as.unwrap().to_string(), "203.0.113.1:40008");
    assert_eq!((reset(&flow), flow.one_sided.client), (by_box, 1));
    let flow = one(recorded(folder, "rejected"));
    assert_eq!((reset(&flow), flow.one_sided.server), (by_box, 1));
    let by_end = (ResetKind::NoSocket, Origin::Endpoint, Consistency::Consistent);
    let flow = one(recorded(folder, "untranslated"));
    assert_eq!((reset(&flow), flow.untranslated.client), (by_end, 1));
    assert_eq!(flow.first_rst.unwrap().seen_as, None);
    let flow = one(recorded(folder, "picked-up"));
    assert_eq!((reset(&flow), flow.also_known_as.len()), (by_end, 2), "{flow:#?}");
    assert_eq!(flow.packets, flow.seen_again);
}

#[test]
fn a_packet_before_and_after_a_translation_is_one() {
    judge(&repo().join("tests/captures/nat"));
}

#[test]
fn the_running_kernel_translates_as_recorded() {
    const NAME: &str = "the_running_kernel_translates_as_recorded";
    for program in ["ip", "nft", "tcpdump", "dumpcap", "python3", "conntrack", "timeout"] {
        if tool(NAME, program).is_none() {
            return;
        }
    }
    let may = Command::new("unshare").args(["--net", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        return skip(NAME, "network namespaces need root");
    }
    let folder = scratch("nat");
    let script = repo().join("tests/captures/record-nat.sh");
    let ran = Command::new("timeout")
        .args(["-k", "5", "120", "bash"])
        .arg(&script)
        .arg(&folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    judge(&folder);
    fs::remove_dir_all(&folder).unwrap();
}

// ── made packets ─────────────────────────────────────────────

/// An end: address and port.
type End = (u8, u16);

/// A connection's numbers, and how it looks at a place of capture.
#[derive(Clone, Copy)]
struct Made {
    v6: bool,
    client: End,
    server: End,
    seq: u32,
    ack: u32,
    stamp: u32,
    id: u16,
    ttl: u8,
    interface: u8,
}

fn address4(host: u8) -> [u8; 4] {
    [192, 0, 2, host]
}

fn address6(host: u8) -> [u8; 16] {
    [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]
}

impl Made {
    fn drawn(dice: &mut Dice, v6: bool) -> Self {
        Self {
            v6,
            client: (1 + dice.below(100) as u8, 32_768 + dice.below(28_000) as u16),
            server: (101 + dice.below(100) as u8, 443),
            seq: dice.roll() as u32,
            ack: dice.roll() as u32,
            stamp: dice.roll() as u32 | 1,
            id: dice.roll() as u16,
            ttl: 64,
            interface: 2,
        }
    }

    /// A packet as Linux cooked 2 has it, checksum and all.
    fn packet(&self, by_client: bool, flags: u8, payload: &[u8]) -> Vec<u8> {
        let (from, to) =
            if by_client { (self.client, self.server) } else { (self.server, self.client) };
        let (seq, ack) = if by_client { (self.seq, self.ack) } else { (self.ack, self.seq) };
        let mut options = vec![1, 1, 8, 10];
        options.extend(self.stamp.to_be_bytes());
        options.extend([0; 4]);
        let tcp = Tcp {
            src: from.1,
            dst: to.1,
            seq,
            ack: if flags & 0x10 == 0 { 0 } else { ack },
            flags,
            window: 500,
            options: if self.stamp == 0 { Vec::new() } else { options },
            payload: payload.to_vec(),
        };
        let mut tcp = tcp.bytes();
        let pseudo = if self.v6 {
            [address6(from.0), address6(to.0)].concat()
        } else {
            [address4(from.0), address4(to.0)].concat()
        };
        let sum = checksum(&[&pseudo[..], &[0, 6], &(tcp.len() as u16).to_be_bytes(), &tcp]);
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        let mut ip = if self.v6 {
            ipv6([address6(from.0), address6(to.0)], 6, &tcp)
        } else {
            ipv4([address4(from.0), address4(to.0)], 6, (self.id, 0x4000), &tcp)
        };
        ip[if self.v6 { 7 } else { 8 }] = self.ttl;
        let kind: [u8; 2] = if self.v6 { [0x86, 0xdd] } else { [8, 0] };
        let rest = [0, 0, 0, 0, 0, self.interface, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0];
        [&kind[..], &rest, &ip].concat()
    }

    /// The same on the far side of a router that rewrites the ends.
    fn beyond(self, client: End, server: End) -> Self {
        Self { client, server, ttl: self.ttl - 1, interface: self.interface + 1, ..self }
    }
}

fn checksum(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let words =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A capture of cooked packets, a tenth of a millisecond apart.
fn capture(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 276] {
        file.extend(word.to_le_bytes());
    }
    for (n, packet) in packets.iter().enumerate() {
        let (n, length) = (n as u32 * 100, packet.len() as u32);
        for word in [1_700_000_000 + n / 1_000_000, n % 1_000_000, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// The steps of a short life: who sends, flags, payload.
const LIFE: [(bool, u8, &[u8]); 7] = [
    (true, 0x02, b""),
    (false, 0x12, b""),
    (true, 0x10, b""),
    (true, 0x18, b"a question"),
    (false, 0x18, b"an answer"),
    (true, 0x11, b""),
    (false, 0x04, b""),
];

/// The numbers after a step.
fn step(made: &mut Made, (by_client, flags, payload): (bool, u8, &[u8])) {
    let filled = payload.len() as u32 + u32::from(flags & 3 != 0);
    let number = if by_client { &mut made.seq } else { &mut made.ack };
    *number = number.wrapping_add(filled);
    (made.id, made.stamp) = (made.id.wrapping_add(1), made.stamp.saturating_add(made.stamp.min(1)));
}

/// Any mapping, either version of IP, with or without time stamps: one connection.
#[test]
fn whatever_is_rewritten_the_connection_is_one() {
    let mut dice = Dice(41);
    for round in 0..400 {
        let mut inside = Made::drawn(&mut dice, round % 2 == 0);
        // Without time stamps and identification IPv6 leaves little to go by: enough all the same.
        inside.stamp = if round % 3 == 0 { 0 } else { inside.stamp };
        let change = 1 + dice.below(3);
        let port = 1024 + dice.below(60_000) as u16;
        let client = if change & 1 == 1 { (220, port) } else { inside.client };
        let server = if change & 2 == 2 { (221, 8443) } else { inside.server };
        let mut packets = Vec::new();
        for (by_client, flags, payload) in LIFE {
            let mut sides = [inside, inside.beyond(client, server)];
            // The server's packets come in on the other side.
            if !by_client {
                (sides[0].ttl, sides[1].ttl) = (56, 57);
                sides.reverse();
            }
            packets.extend(sides.map(|side| side.packet(by_client, flags, payload)));
            step(&mut inside, (by_client, flags, payload));
        }
        let flows = read(&capture(&packets));
        let record = &flows[0].record;
        assert_eq!(flows.len(), 1, "round {round}: {flows:#?}");
        assert_eq!((record.packets.client, record.packets.server), (4, 3), "round {round}");
        assert_eq!(record.packets, record.seen_again, "round {round}");
        assert_eq!(record.client.port(), inside.client.1, "round {round}");
    }
}

/// Plays lives at once, a packet of one after a packet of another.
fn interleaved(lives: &mut [Made], dice: &mut Dice, payloads_differ: bool) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for (by_client, flags, payload) in LIFE {
        for made in &mut *lives {
            let mut payload = payload.to_vec();
            if payloads_differ && let Some(byte) = payload.first_mut() {
                *byte = dice.roll() as u8;
            }
            packets.push(made.packet(by_client, flags, &payload));
            step(made, (by_client, flags, &payload));
        }
    }
    packets
}

/// Connections that are none of each other's translation, though everything that can be alike by
/// accident or by a generator's habit is: ports, addresses, one side of a proxy, TTL, times.
#[test]
fn unrelated_connections_are_never_taken_for_one() {
    let mut dice = Dice(42);
    for round in 0..300 {
        let v6 = dice.below(2) == 0;
        let habit = dice.below(4);
        let pattern = Made::drawn(&mut dice, v6);
        let mut lives: Vec<Made> = (0..12_u8)
            .map(|n| {
                let drawn = Made::drawn(&mut dice, v6);
                let near = Made { client: (n + 1, drawn.client.1), ..pattern };
                let elsewhere = 2 + n % 3;
                match habit {
                    // Everything drawn anew: as on any busy link, one router apart.
                    0 => Made { ttl: 64 - n % 2, interface: elsewhere, ..drawn },
                    // A proxy's two sides: the same server, the same moment, other numbers.
                    1 => Made {
                        server: pattern.server,
                        ttl: 64 - n % 2,
                        interface: elsewhere,
                        ..drawn
                    },
                    // A generator's: small numbers, all alike, no time stamps.
                    2 => Made { seq: 1000, ack: 0, stamp: 0, interface: elsewhere, ..near },
                    // A stack that counts its numbers up, a step a connection (RFC 793).
                    _ => Made {
                        seq: pattern.seq + u32::from(n) * 64_000,
                        stamp: 0,
                        ttl: 64 - n % 2,
                        interface: elsewhere,
                        ..near
                    },
                }
            })
            .collect();
        let count = lives.len();
        let packets = interleaved(&mut lives, &mut dice, habit == 2);
        let flows = read(&capture(&packets));
        assert_eq!(flows.len(), count, "round {round}, habit {habit}: {flows:#?}");
        for flow in &flows {
            let record = &flow.record;
            assert!(record.also_known_as.is_empty(), "round {round}: {record:#?}");
            assert_eq!(record.seen_again.client + record.seen_again.server, 0, "{record:#?}");
        }
    }
}

/// Two connections with every number alike and one TTL less, but another payload: the checksums do
/// not add up.
#[test]
fn another_payload_is_another_packet() {
    let mut dice = Dice(43);
    let inside = Made::drawn(&mut dice, false);
    let outside = inside.beyond((220, 4711), inside.server);
    let packets =
        [inside.packet(true, 0x18, b"some words"), outside.packet(true, 0x18, b"same words")];
    assert_eq!(read(&capture(&packets)).len(), 2);
    let packets =
        [inside.packet(true, 0x18, b"some words"), outside.packet(true, 0x18, b"some words")];
    assert_eq!(read(&capture(&packets)).len(), 1);
}

/// Two packets that could both be the one before the translation: neither is.
#[test]
fn two_candidates_are_none() {
    let mut dice = Dice(44);
    let one = Made::drawn(&mut dice, false);
    let other = Made { client: (one.client.0 + 1, one.client.1), ..one };
    let beyond = one.beyond((220, 4711), one.server);
    let packets = [one, other, beyond].map(|made| made.packet(true, 2, b""));
    assert_eq!(read(&capture(&packets)).len(), 3);
}

/// Receive offload joins segments before a capture sees them; they are cut again on the way out.
#[test]
fn pieces_of_a_joined_segment_are_no_retransmissions() {
    let mut dice = Dice(45);
    for v6 in [false, true] {
        let mut inside = Made::drawn(&mut dice, v6);
        let moved = (220, 4711);
        let mut packets = Vec::new();
        for (by_client, flags) in [(true, 2), (false, 0x12), (true, 0x10)] {
            let mut sides = [inside, inside.beyond(moved, inside.server)];
            if !by_client {
                sides.reverse();
                (sides[0].ttl, sides[1].ttl) = (57, 56);
            }
            packets.extend(sides.map(|side| side.packet(by_client, flags, b"")));
            step(&mut inside, (by_client, flags, b""));
        }
        packets.push(inside.packet(true, 0x18, &[7; 2800]));
        let mut piece = inside.beyond(moved, inside.server);
        for part in [1400, 1400] {
            packets.push(piece.packet(true, 0x18, &vec![7; part]));
            piece.seq = piece.seq.wrapping_add(part as u32);
            piece.id = piece.id.wrapping_add(1);
        }
        let flows = read(&capture(&packets));
        assert_eq!(flows.len(), 1, "{flows:#?}");
        let record = &flows[0].record;
        assert_eq!((record.packets.client, record.payload_bytes.client), (3, 2800), "{record:#?}");
        assert_eq!(
            (record.seen_again.client, record.retransmissions.client),
            (4, 0),
            "{record:#?}"
        );
    }
}

/// A container's packet: on its own link, on the bridge with the same TTL, and translated behind
/// the host's router, where the segment size is lowered too.
#[test]
fn a_bridge_and_a_lowered_segment_size_hide_nothing() {
    let mut dice = Dice(46);
    let inside = Made::drawn(&mut dice, false);
    let bridged = Made { interface: 9, ..inside };
    let outside = Made { interface: 11, ..inside.beyond((220, 4711), inside.server) };
    let with_mss = |made: &Made, mss: u8| {
        let mut packet = made.packet(true, 2, &[]);
        // The two padding bytes before the time stamps are too few: the option goes to the end.
        packet[20 + 20 + 12] = 0x90;
        packet[20 + 2..20 + 4].copy_from_slice(&56_u16.to_be_bytes());
        packet.extend([2, 4, 5, mss]);
        let sum = &mut packet[20 + 20 + 16..20 + 20 + 18];
        sum.copy_from_slice(&u16::from(mss).to_be_bytes());
        packet
    };
    let packets = [with_mss(&inside, 180), with_mss(&bridged, 180), with_mss(&outside, 100)];
    let flows = read(&capture(&packets));
    assert_eq!(flows.len(), 1, "{flows:#?}");
    let record = &flows[0].record;
    assert_eq!((record.packets.client, record.seen_again.client, record.syn.client), (1, 2, 1));
    assert_eq!((record.mss.client, record.also_known_as.len()), (Some(1460), 1), "{record:#?}");
}
