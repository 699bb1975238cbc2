//! Connections told segment by segment, in the order of their states: opening, alive, ending.

use super::*;
use crate::terms::{Consistency, Origin, ResetKind, Side};
use crate::time::{Gap, Moment};
use crate::wire::{Flags, Segment, Seq, TcpOptions};
use std::net::SocketAddr;

const START: i64 = 1_715_310_862_000_000_000;
const MS: i64 = 1_000_000;
const SECOND: i64 = 1000 * MS;

/// A connection being told. Numbers run on by themselves; a round trip takes 20 ms.
struct Tale {
    table: Table,
    now: i64,
    packet: u64,
    seq: [u32; 2],
}

impl Tale {
    fn new() -> Self {
        Self {
            table: Table::new(vec!["told.pcap".into()], 100),
            now: 0,
            packet: 0,
            seq: [1000, 9000],
        }
    }

    fn wait(mut self, ns: i64) -> Self {
        self.now += ns;
        self
    }

    fn segment(&self, by: Side, flags: u16, payload: u32) -> Segment {
        let ends: [SocketAddr; 2] =
            ["192.0.2.1:49314".parse().unwrap(), "198.51.100.7:443".parse().unwrap()];
        let (own, other) = if by == Side::Client { (0, 1) } else { (1, 0) };
        Segment {
            packet: self.packet + 1,
            at: Moment::from_ns(START + self.now),
            src: ends[own],
            dst: ends[other],
            seq: Seq(self.seq[own]),
            ack: if flags & Flags::ACK == 0 { Seq(0) } else { Seq(self.seq[other]) },
            flags: Flags(flags),
            window: 500,
            options: TcpOptions::default(),
            payload,
            ttl: if by == Side::Client { 64 } else { 57 },
            ip_id: Some(self.packet as u16),
            dont_fragment: true,
            vantage: 1,
            checksum: 0,
            words: None,
        }
    }

    /// Pushes a segment as it is.
    fn push(mut self, segment: &Segment) -> Self {
        self.packet += 1;
        assert!(self.table.push(segment, 0).is_none());
        self
    }

    /// Says something new; the sender's numbers move on.
    fn say(mut self, by: Side, flags: u16, payload: u32) -> Self {
        let segment = self.segment(by, flags, payload);
        let own = usize::from(by == Side::Server);
        self.seq[own] += payload + u32::from(flags & 3 != 0);
        self = self.push(&segment);
        self
    }

    fn data(self, by: Side) -> Self {
        self.say(by, Flags::ACK | Flags::PSH, 100)
    }

    fn ack(self, by: Side) -> Self {
        self.say(by, Flags::ACK, 0)
    }

    /// The last 100 bytes once more.
    fn again(self, by: Side) -> Self {
        let mut segment = self.segment(by, Flags::ACK | Flags::PSH, 100);
        segment.seq = segment.seq.minus(100);
        self.push(&segment)
    }

    fn probe(self, by: Side) -> Self {
        let mut segment = self.segment(by, Flags::ACK, 0);
        segment.seq = segment.seq.minus(1);
        self.push(&segment)
    }

    /// A reset as a stack without the socket sends it.
    fn bare(self, by: Side) -> Self {
        let mut segment = self.segment(by, Flags::RST, 0);
        (segment.window, segment.ip_id) = (0, Some(0));
        self.push(&segment)
    }

    fn told(self) -> Vec<Finished> {
        self.table.finish().collect()
    }

    fn one(self) -> Finished {
        let [flow] = self.told().try_into().unwrap();
        flow
    }
}

// ── opening ──────────────────────────────────────────────────

fn opened() -> Tale {
    Tale::new()
        .say(Side::Client, Flags::SYN, 0)
        .wait(20 * MS)
        .say(Side::Server, Flags::SYN | Flags::ACK, 0)
        .ack(Side::Client)
}

#[test]
fn a_syn_without_an_answer_is_unanswered_and_nobody_signed() {
    let mut tale = Tale::new();
    for _ in 0..3 {
        let syn = tale.segment(Side::Client, Flags::SYN, 0);
        tale = tale.push(&syn).wait(SECOND);
    }
    let flow = tale.one();
    assert_eq!(flow.record.ending.how, How::Unanswered);
    assert_eq!(flow.record.ending.signed_by, None);
    assert_eq!(flow.record.retransmissions.client, 2);
    assert!(!flow.last_words.established);
}

#[test]
fn a_reset_to_a_syn_is_a_refusal() {
    let flow = Tale::new()
        .say(Side::Client, Flags::SYN, 0)
        .wait(20 * MS)
        .say(Side::Server, Flags::RST | Flags::ACK, 0)
        .one();
    assert_eq!(flow.record.ending.how, How::Refused);
    assert_eq!(flow.record.ending.reset.unwrap().kind, ResetKind::Refused);
}

#[test]
fn another_syn_on_the_same_ports_begins_another_connection() {
    let mut tale = opened().data(Side::Client);
    tale.seq = [700_000, 800_000];
    let flows = tale.say(Side::Client, Flags::SYN, 0).told();
    assert_eq!(flows.len(), 2);
    assert_eq!(flows[1].record.first_packet, 5);
}

// ── alive ────────────────────────────────────────────────────

#[test]
fn round_trips_are_measured_on_both_sides() {
    let flow = opened().data(Side::Server).wait(3 * MS).ack(Side::Client).one();
    assert_eq!(flow.record.rtt_us.server_side, Some(20_000));
    assert_eq!(flow.record.rtt_us.client_side, Some(0));
    assert_eq!(flow.record.ending.how, How::Open);
    assert_eq!(flow.last_words.opened.server.map(|mark| mark.packet), Some(2));
}

#[test]
fn a_keepalive_probe_is_no_payload_and_an_answer_is_counted() {
    let flow = opened()
        .data(Side::Client)
        .ack(Side::Server)
        .wait(7200 * SECOND)
        .probe(Side::Client)
        .wait(20 * MS)
        .ack(Side::Server)
        .wait(7200 * SECOND)
        .probe(Side::Client)
        .one();
    let keepalive = flow.last_words.keepalive.client;
    assert_eq!((keepalive.probes, keepalive.answered, keepalive.unanswered_at_end), (2, 1, 1));
    assert_eq!(keepalive.first_after, Some(Gap::from_secs(7200)));
    assert_eq!(flow.record.payload_bytes.client, 100);
    assert_eq!(flow.last_words.last_payload.client.map(|mark| mark.packet), Some(4));
}

#[test]
fn the_same_packet_on_another_interface_is_no_retransmission() {
    let tale = opened();
    let mut twin = tale.segment(Side::Client, Flags::ACK | Flags::PSH, 100);
    let tale = tale.data(Side::Client).wait(MS);
    twin.packet += 1;
    twin.vantage = 2;
    let flow = tale.push(&twin).one();
    assert_eq!(flow.record.packets.client, 3);
    assert_eq!((flow.record.seen_again.client, flow.record.seen_again_bytes.client), (1, 100));
    assert_eq!(flow.record.retransmissions.client, 0);
}

#[test]
fn what_fills_a_hole_late_is_no_retransmission() {
    let tale = opened();
    let early = tale.segment(Side::Server, Flags::ACK, 100);
    let mut tale = tale;
    tale.seq[1] += 100;
    let flow = tale.data(Side::Server).push(&early).data(Side::Server).again(Side::Server).one();
    assert_eq!(flow.record.retransmissions.server, 1);
    assert_eq!(flow.record.payload_bytes.server, 400);
}

// ── ending ───────────────────────────────────────────────────

#[test]
fn a_fin_is_signed_by_whose_address_it_carries_after_what_silence() {
    let flow = opened()
        .data(Side::Client)
        .ack(Side::Server)
        .wait(60 * SECOND)
        .say(Side::Server, Flags::FIN | Flags::ACK, 0)
        .one();
    let ending = flow.record.ending;
    assert_eq!((ending.how, ending.signed_by), (How::Fin, Some(Side::Server)));
    assert_eq!(ending.idle_before_ns, Some(Gap::from_secs(60)));
    assert_eq!(flow.record.first_fin.map(|fin| fin.packet), Some(6));
    // The client's word is as old as the connection.
    assert_eq!(flow.last_words.traffic_before_end, Traffic::None);
}

#[test]
fn who_spoke_lately_is_told_by_the_last_quarter_of_a_life() {
    let one_way = opened()
        .data(Side::Client)
        .wait(30 * SECOND)
        .data(Side::Server)
        .wait(2 * SECOND)
        .say(Side::Server, Flags::FIN | Flags::ACK, 0)
        .one();
    let traffic = one_way.last_words.traffic_before_end;
    assert_eq!(traffic, Traffic::OneWay { from: Side::Server });
}

#[test]
fn a_half_close_counts_what_still_came() {
    let flow = opened()
        .say(Side::Client, Flags::FIN | Flags::ACK, 0)
        .data(Side::Server)
        .data(Side::Server)
        .one();
    let half = flow.last_words.half_close.unwrap();
    assert_eq!((half.by, half.payload_after, half.other_fin), (Side::Client, 200, None));
}

#[test]
fn data_never_acknowledged_and_repeated_in_doubling_steps_is_silence() {
    let mut tale = opened().data(Side::Server).ack(Side::Client).wait(350 * SECOND);
    tale = tale.data(Side::Client);
    for n in 0..5 {
        tale = tale.wait((200 * MS) << n).again(Side::Client);
    }
    let flow = tale.one();
    assert_eq!(flow.record.ending.how, How::Silence);
    assert_eq!(flow.record.ending.idle_before_ns, Some(Gap::from_secs(350)));
    let tail = flow.last_words.unanswered.unwrap();
    assert_eq!((tail.by, tail.count, tail.bytes), (Side::Client, 6, 100));
    assert!(tail.backs_off && !tail.are_probes);
    assert_eq!(tail.first.packet, 6);
    assert_eq!(tail.gaps.first(), Some(&Gap::from_millis(200)));
}

#[test]
fn probes_without_an_answer_are_silence_too() {
    let mut tale = opened().data(Side::Client).ack(Side::Server).wait(7200 * SECOND);
    for _ in 0..9 {
        tale = tale.probe(Side::Client).wait(75 * SECOND);
    }
    let flow = tale.one();
    assert_eq!(flow.record.ending.how, How::Silence);
    let tail = flow.last_words.unanswered.unwrap();
    assert!(tail.are_probes);
    assert_eq!(tail.count, 9);
    assert_eq!(flow.last_words.keepalive.client.every, Some(Gap::from_secs(75)));
}

#[test]
fn one_direction_alone_is_open_not_silent() {
    let flow = Tale::new().data(Side::Client).wait(SECOND).data(Side::Client).one();
    assert_eq!(flow.record.ending.how, How::Open);
    assert_eq!(flow.record.client_known_by, KnownBy::Port);
}

// ── resets ───────────────────────────────────────────────────

#[test]
fn a_counter_of_identifications_is_known_after_many_packets() {
    let mut tale = opened();
    for _ in 0..7000 {
        tale = tale.data(Side::Server);
    }
    let mut segment = tale.segment(Side::Server, Flags::RST | Flags::ACK, 0);
    segment.ip_id = Some(50_000);
    let flow = tale.push(&segment).one();
    assert!(format!("{flow:?}").contains("IP identification 50000 after 7002"), "{flow:?}");
}

fn idle() -> Tale {
    opened().data(Side::Client).wait(20 * MS).ack(Side::Server).wait(400 * SECOND)
}

#[test]
fn a_bare_reset_one_round_trip_after_data_is_a_lost_socket() {
    let flow = idle().data(Side::Client).wait(20 * MS).bare(Side::Server).one();
    let reset = flow.last_words.reset.unwrap();
    assert_eq!(reset.summary.kind, ResetKind::NoSocket);
    assert_eq!(reset.summary.consistent, Consistency::Consistent);
    assert_eq!(reset.summary.origin, Origin::Endpoint);
    let answers = reset.answers.unwrap();
    assert_eq!((answers.segment.packet, answers.delay), (6, Gap::from_millis(20)));
    assert_eq!(answers.idle_before, Some(Gap::from_secs(400)));
    assert_eq!(flow.record.ending.signed_by, Some(Side::Server));
}

#[test]
fn a_reset_by_a_nearer_box_is_doubtful_and_a_hops() {
    let tale = idle().data(Side::Client).wait(20 * MS);
    let mut reset = tale.segment(Side::Server, Flags::RST, 0);
    (reset.window, reset.ip_id, reset.ttl) = (0, Some(0), 63);
    let summary = tale.push(&reset).one().record.ending.reset.unwrap();
    assert_eq!((summary.kind, summary.origin), (ResetKind::NoSocket, Origin::Hop));
    assert_eq!(summary.consistent, Consistency::Doubtful);
    assert!(summary.why.contains("TTL 63"), "{}", summary.why);
}

#[test]
fn after_its_own_close_a_bare_reset_answers_late_data() {
    let flow = opened()
        .say(Side::Server, Flags::FIN | Flags::ACK, 0)
        .wait(5 * SECOND)
        .data(Side::Client)
        .wait(20 * MS)
        .bare(Side::Server)
        .one();
    assert_eq!(flow.record.ending.how, How::Fin);
    assert_eq!(flow.record.ending.reset.unwrap().kind, ResetKind::AfterClose);
}

#[test]
fn a_sender_that_goes_on_after_its_reset_did_not_send_it() {
    let tale = idle().wait(5 * SECOND);
    let mut forged = tale.segment(Side::Server, Flags::RST, 0);
    (forged.window, forged.ip_id) = (512, Some(1));
    let tale = tale.push(&forged).wait(SECOND).data(Side::Server).wait(SECOND).data(Side::Server);
    let flow = tale.one();
    let reset = flow.last_words.reset.unwrap();
    assert!(reset.sender_went_on);
    assert_eq!(reset.summary.consistent, Consistency::Forged, "{}", reset.summary.why);
    assert_eq!(flow.last_words.data_after_reset.server, 2);
}

// ── many ─────────────────────────────────────────────────────

#[test]
fn a_full_table_lets_the_longest_silent_go_and_tells_it() {
    let mut table = Table::new(vec!["told.pcap".into()], 10);
    let like = Tale::new().segment(Side::Client, Flags::SYN, 0);
    let mut gone = Vec::new();
    for port in 0..25 {
        let mut syn = like.clone();
        syn.src.set_port(40_000 + port);
        syn.packet = u64::from(port) + 1;
        syn.at = Moment::from_ns(START + i64::from(port) * SECOND);
        gone.extend(table.push(&syn, 0).map(|flow| flow.record.first_packet));
    }
    assert_eq!(table.evicted(), 15);
    assert_eq!(gone, (1..=15).collect::<Vec<u64>>());
    let kept: Vec<u64> = table.finish().map(|flow| flow.record.first_packet).collect();
    assert_eq!(kept, (16..=25).collect::<Vec<u64>>());
}

/// Whatever is done, a connection ends at most once, never before its last own segment was seen,
/// and everything is counted exactly once.
#[test]
fn any_deeds_keep_the_laws() {
    for seed in 1..400_u64 {
        let mut dice = seed;
        let mut roll = |sides: u64| {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        let mut tale = opened();
        let mut pushed = 3;
        for _ in 0..roll(40) {
            let by = if roll(2) == 0 { Side::Client } else { Side::Server };
            tale = tale.wait(roll(1 << 40) as i64 - (1 << 37));
            tale = match roll(8) {
                0 => tale.ack(by),
                1 => tale.again(by),
                2 => tale.probe(by),
                3 => tale.say(by, Flags::FIN | Flags::ACK, 0),
                4 => tale.bare(by),
                5 => tale.say(by, Flags::RST | Flags::ACK, 0),
                _ => tale.data(by),
            };
            pushed += 1;
        }
        let flows = tale.told();
        let counted: u64 =
            flows.iter().map(|f| f.record.packets.client + f.record.packets.server).sum();
        assert_eq!(counted, pushed, "seed {seed}");
        for flow in &flows {
            let record = &flow.record;
            assert!(record.first_packet <= record.last_packet);
            let signed = record.ending.signed_by.is_some();
            assert_eq!(signed, record.first_fin.is_some() || record.first_rst.is_some());
            let ends = matches!(record.ending.how, How::Fin | How::Rst | How::Refused);
            assert_eq!(ends, signed, "seed {seed}: {record:?}");
            if let Some(end) = flow.last_words.end {
                assert!(end.packet <= record.last_packet && end.packet >= record.first_packet);
            }
        }
    }
}
