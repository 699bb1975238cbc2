//! How many packets a second the conntrack model judges, at so many open flows.
//!
//! `bench-conntrack [FLOWS [PACKETS]]`, 20 000 flows and 20 million packets by default; build with
//! `--release`. Packets are made before the clock starts; the time is of the table alone.
#![expect(clippy::print_stdout, reason = "this is a command")]

use hopclock_core::conntrack::packet::{Body, Checksum, Hook, Tcp, Tuple, flag, proto};
use hopclock_core::conntrack::{Dir, Packet, Rules, Settings, Table};
use hopclock_core::time::{Gap, Moment};
use hopclock_live::clock::monotonic;
use std::net::{IpAddr, Ipv4Addr};

fn main() {
    let mut args = std::env::args().skip(1).filter_map(|arg| arg.parse().ok());
    let flows: u32 = args.next().unwrap_or(20_000);
    let packets: u32 = args.next().unwrap_or(20_000_000);
    let mut table = Table::new(Settings::default(), Rules::default());
    let mut at = Moment::from_secs(1_715_310_862);
    let opening = [(true, flag::SYN, 0, 0), (false, flag::SYN | flag::ACK, 0, 1)];
    let opening = opening.iter().chain(&[(true, flag::ACK, 1, 1)]);
    for (up, flags, seq, ack) in opening {
        for flow in 0..flows {
            table.packet(at, &packet(flow, *up, *flags, (*seq, *ack), 0));
        }
    }
    let rounds = (packets / flows).max(1);
    let mut round: Vec<Packet> = Vec::new();
    let (mut spent, mut refreshed) = (Gap::ZERO, 0u64);
    for n in 0..rounds {
        round.clear();
        // Data up, its acknowledgement down, in turn.
        let sent = (n / 2) * 100;
        round.extend((0..flows).map(|flow| match n % 2 {
            0 => packet(flow, true, flag::PSH | flag::ACK, (1 + sent, 1), 100),
            _ => packet(flow, false, flag::ACK, (1, 101 + sent), 0),
        }));
        let begun = monotonic();
        for packet in &round {
            at = at.plus(Gap::from_ns(200));
            refreshed += u64::from(table.packet(at, packet).refreshed);
        }
        spent = Gap::from_ns(spent.ns() + monotonic().since(begun).ns());
    }
    let judged = f64::from(rounds) * f64::from(flows);
    println!(
        "{flows} flows, {judged} packets, {refreshed} refreshed: {:.2} million packets a second",
        judged / spent.secs_f64() / 1e6
    );
}

fn packet(flow: u32, up: bool, flags: u8, (seq, ack): (u32, u32), len: u32) -> Packet {
    let [_, a, b, c] = flow.to_be_bytes();
    let client = Tuple {
        src: IpAddr::V4(Ipv4Addr::new(10, a, b, c)),
        dst: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        sport: 1024 + (flow % 60_000) as u16,
        dport: 443,
        proto: proto::TCP,
    };
    let dir = if up { Dir::Original } else { Dir::Reply };
    let tuple = if dir == Dir::Reply { client.inverse().unwrap_or(client) } else { client };
    let tcp = Tcp { flags, seq, ack, win: 64_240, len, ..Tcp::default() };
    Packet {
        tuple,
        l3_len: 40 + len,
        checksum: Checksum::Good,
        hook: Hook::Prerouting,
        body: Body::Tcp(tcp),
    }
}
