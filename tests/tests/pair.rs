//! Two captures of one path, recorded on the running kernel: hundreds of connections at once
//! through a box that masquerades with random ports, drops packets and resets some. What the
//! kernel knows (its table, its counters) is the truth; then one recording is changed in known
//! ways: its clock, its losses, its sequence numbers.
//!
//! Needs root and `nft`; skipped by name without. What needs neither stands in `core::path`.

use crate::collect::nft;
use hopclock_core::capture::{LinkType, Packet, Ready, Stream, Writer};
use hopclock_core::flow::{BySide, Observer};
use hopclock_core::path::{Fate, KnownBy, Path, Point, PointReader, align};
use hopclock_core::terms::Side;
use hopclock_core::time::Moment;
use hopclock_live::namespace::{Namespace, set_sysctl};
use hopclock_live::netlink::conntrack::Conntrack;
use hopclock_live::netlink::link::{End, Links, index_of};
use hopclock_live::record::{Options, Recorder, Tap};
use hopclock_tests::command::run;
use hopclock_tests::packets::Dice;
use hopclock_tests::{repo, schema, scratch, skip, tool};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

/// Open at once.
pub(crate) const CONNECTIONS: usize = 300;
/// Questions each asks, in rounds.
const ROUNDS: usize = 8;
/// Connections the box resets at the end.
const REJECTED: usize = 5;
const SERVER: &str = "198.51.100.2:7443";
const OUTSIDE: &str = "198.51.100.1";
const ETHERNET: u16 = 1;
const COOKED: u16 = 276;

/// What was recorded, and what the kernel says of it.
pub(crate) struct Recorded {
    pub(crate) client: Vec<u8>,
    pub(crate) server: Vec<u8>,
    /// Client's end inside, and what the box makes of it.
    table: BTreeMap<SocketAddr, SocketAddr>,
    dropped: u64,
    rejected: Vec<SocketAddr>,
}

pub(crate) fn in_ns<T: Send>(
    ns: &Namespace,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    ns.run(work)?
}

pub(crate) fn up(interface: &'static str, address: &str) -> io::Result<()> {
    let mut links = Links::open()?;
    links.up(1, 65_536)?;
    let index = index_of(interface)?;
    links.up(index, 1500)?;
    let address = address.parse().map_err(io::Error::other)?;
    links.address(index, address, 24)
}

pub(crate) fn end(name: &str, last: u8) -> End {
    End { name: name.to_owned(), mac: [0, 0, 0x5e, 0, 0x53, last] }
}

/// Client, box and server, joined by wires.
fn net() -> io::Result<[Namespace; 3]> {
    let all = [Namespace::new()?, Namespace::new()?, Namespace::new()?];
    let [client, middle, server] = &all;
    in_ns(middle, || Links::open()?.pair(&end("lan", 1), &end("eth0", 2), client))?;
    in_ns(middle, || Links::open()?.pair(&end("wan", 3), &end("eth0", 4), server))?;
    in_ns(middle, || {
        up("lan", "192.0.2.1")?;
        up("wan", OUTSIDE)?;
        set_sysctl("ipv4/ip_forward", "1")?;
        nft("table ip t {
            chain post { type nat hook postrouting priority 100; oifname wan masquerade fully-random; }
            counter dropped { }
            counter refused { }
            set doomed { type inet_service; }
            chain forward { type filter hook forward priority 0;
                tcp sport @doomed tcp flags & (rst | psh) == psh counter name refused reject with tcp reset
                tcp flags & (syn | rst) == 0 numgen random mod 100 == 0 counter name dropped drop
            }
        }");
        Ok(())
    })?;
    in_ns(client, || {
        up("eth0", "192.0.2.2")?;
        Links::open()?.route("0.0.0.0".parse().unwrap(), 0, "192.0.2.1".parse().unwrap())
    })?;
    in_ns(server, || up("eth0", "198.51.100.2"))?;
    Ok(all)
}

/// Answers whoever asks, for as long as connections come.
fn serve(listener: TcpListener) {
    for stream in listener.incoming().map_while(Result::ok).take(CONNECTIONS) {
        thread::Builder::new().stack_size(64 << 10).spawn(move || echo(stream)).unwrap();
    }
}

fn echo(mut stream: TcpStream) {
    let mut asked = [0; 64];
    while let Ok(n) = stream.read(&mut asked) {
        let answer = [asked.first().copied().unwrap_or(0); 700];
        if n == 0 || stream.write_all(&answer).is_err() {
            return;
        }
    }
}

fn ask(stream: &mut TcpStream, word: u8) -> io::Result<()> {
    stream.write_all(&[word; 64])?;
    stream.read_exact(&mut [0; 700])
}

/// Plays the traffic; which connections the box was told to reset.
fn play([client, middle, server]: &[Namespace; 3]) -> io::Result<Vec<SocketAddr>> {
    let listener = in_ns(server, || TcpListener::bind(SERVER))?;
    thread::spawn(move || serve(listener));
    let streams = in_ns(client, || {
        (0..CONNECTIONS).map(|_| TcpStream::connect(SERVER)).collect::<io::Result<Vec<_>>>()
    })?;
    let workers: Vec<_> = group(streams, 16)
        .into_iter()
        .map(|mut own| {
            thread::spawn(move || -> io::Result<Vec<TcpStream>> {
                for round in 0..ROUNDS {
                    for stream in &mut own {
                        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
                        ask(stream, round as u8)?;
                    }
                }
                Ok(own)
            })
        })
        .collect();
    let mut streams = Vec::new();
    for worker in workers {
        streams.extend(worker.join().unwrap()?);
    }
    let mut doomed: Vec<TcpStream> = streams.drain(..REJECTED).collect();
    let ends = doomed.iter().map(TcpStream::local_addr).collect::<io::Result<Vec<_>>>()?;
    let ports: Vec<String> = ends.iter().map(|end| end.port().to_string()).collect();
    in_ns(middle, || {
        nft(&format!("add element ip t doomed {{ {} }}", ports.join(", ")));
        Ok(())
    })?;
    for stream in &mut doomed {
        assert!(ask(stream, 9).is_err(), "the box resets");
    }
    drop(streams);
    thread::sleep(Duration::from_millis(1500));
    Ok(ends)
}

fn group(all: Vec<TcpStream>, count: usize) -> Vec<Vec<TcpStream>> {
    let mut groups: Vec<Vec<TcpStream>> = (0..count).map(|_| Vec::new()).collect();
    for (at, one) in all.into_iter().enumerate() {
        groups[at % count].push(one);
    }
    groups
}

/// A packet before and after everything else, so that both captures are known to cover the rest.
pub(crate) fn knock(client: &Namespace) -> io::Result<()> {
    in_ns(client, || UdpSocket::bind("192.0.2.2:0")?.send_to(b"knock", SERVER))?;
    thread::sleep(Duration::from_millis(200));
    Ok(())
}

/// How many packets of how many bytes a named counter counted.
pub(crate) fn counted(name: &str) -> (u64, u64) {
    let path = tool("pair", "nft").unwrap();
    let out = Command::new(path).args(["list", "counter", "ip", "t", name]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let after = |word: &str| -> u64 {
        let after = text.split(word).nth(1).unwrap();
        after.split_whitespace().next().unwrap().parse().unwrap()
    };
    (after("packets "), after("bytes "))
}

fn record() -> io::Result<Recorded> {
    let net = net()?;
    let [client, middle, server] = &net;
    let folder = scratch("pair");
    let start = |ns: &Namespace, name: &str, any: bool, snaplen: usize| -> io::Result<Recorder> {
        let tap = in_ns(ns, || if any { Tap::any() } else { Tap::open("eth0") })?;
        let options = Options { snaplen, ..Options::default() };
        Recorder::start(vec![tap], File::create(folder.join(name))?, options)
    };
    let recorders = [start(client, "client", false, 96)?, start(server, "server", true, 262_144)?];
    thread::sleep(Duration::from_millis(200));
    knock(client)?;
    let rejected = play(&net)?;
    knock(client)?;
    let mut table = BTreeMap::new();
    for told in in_ns(middle, || Conntrack::open()?.dump())?.iter().filter(|t| t.tcp.is_some()) {
        let inside = SocketAddr::new(told.original.src, told.original.sport);
        table.insert(inside, SocketAddr::new(told.reply.dst, told.reply.dport));
    }
    let (dropped, reset) = in_ns(middle, || Ok((counted("dropped").0, counted("refused").0)))?;
    assert_eq!(reset, REJECTED as u64);
    for recorder in recorders {
        for told in recorder.stop()? {
            assert_eq!(told.dropped, 0, "the recorder kept up");
        }
    }
    let [client, server] = ["client", "server"].map(|name| fs::read(folder.join(name)).unwrap());
    fs::remove_dir_all(folder)?;
    Ok(Recorded { client, server, table, dropped, rejected })
}

/// The one recording that all tests of this file look at.
pub(crate) fn recorded(test: &'static str) -> Option<&'static Recorded> {
    static RECORDED: OnceLock<Option<Recorded>> = OnceLock::new();
    tool(test, "nft")?;
    let recorded = RECORDED.get_or_init(|| match Namespace::new() {
        Ok(_) => Some(record().unwrap()),
        Err(_) => None,
    });
    if recorded.is_none() {
        skip(test, "no network namespace");
    }
    recorded.as_ref()
}

/// A recorded packet, to be changed.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) at: i64,
    pub(crate) link: u16,
    pub(crate) wire_len: u32,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn packets(file: &[u8]) -> Vec<Kept> {
    let mut stream = Stream::new();
    stream.feed(file);
    stream.end();
    let mut all = Vec::new();
    while stream.advance() == Ready::Packet {
        let Packet { at, link, wire_len, bytes, .. } = stream.packet().unwrap();
        all.push(Kept { at: at.ns(), link: link.0, wire_len, bytes: bytes.to_vec() });
    }
    all
}

pub(crate) fn file(kept: &[Kept]) -> Vec<u8> {
    let link = kept.first().map_or(ETHERNET, |k| k.link);
    let mut writer = Writer::new(LinkType(link), "", "tests");
    for packet in kept {
        writer.cut_packet(Moment::from_ns(packet.at), &packet.bytes, packet.wire_len);
    }
    writer.finish()
}

pub(crate) fn point(name: &str, file: &[u8]) -> Point {
    let mut stream = Stream::new();
    let (mut observer, mut reader) = (Observer::new(vec![name.to_owned()]), PointReader::new());
    stream.feed(file);
    stream.end();
    while stream.advance() == Ready::Packet {
        let packet = stream.packet().unwrap();
        observer.packet(&packet, 0);
        reader.packet(&packet);
    }
    let flows: Vec<_> = observer.finish().collect();
    reader.finish(name, &flows, false)
}

/// Every connection has the counterpart the kernel's table says, and no other.
fn pairs_are_the_kernels(path: &Path, recorded: &Recorded) {
    assert_eq!(path.paired, CONNECTIONS as u64, "{:?}", path.points);
    for pair in &path.connections {
        let [inside, outside] = &pair.views;
        assert_eq!(recorded.table.get(&inside.client), Some(&outside.client), "{pair:?}");
    }
    let translated: u64 = path.translations.iter().map(|t| t.connections).sum();
    assert_eq!((path.translations.len(), translated), (1, CONNECTIONS as u64));
    assert_eq!(path.translations[0].to.to_string(), OUTSIDE);
    assert_eq!(path.nearer_client, Some(0));
}

#[test]
fn a_recording_behind_random_ports_is_read_as_the_kernel_knows_it() {
    let test = "a_recording_behind_random_ports_is_read_as_the_kernel_knows_it";
    let Some(recorded) = recorded(test) else { return };
    let path = align(&point("client", &recorded.client), &point("server", &recorded.server));
    pairs_are_the_kernels(&path, recorded);
    // One kernel stamps both: the true offset is zero, and so is the skew.
    let clock = path.clock.as_ref().unwrap();
    assert!(clock.steady, "{clock:?}");
    assert!(clock.offset_ns.abs() <= clock.error_ns.unwrap(), "{clock:?}");
    let (least, most) = clock.skew_range_ppm.unwrap();
    assert!(least <= 0.0 && 0.0 <= most, "{clock:?}");
    // Every dropped packet is known for one, and nothing else is; so is every reset.
    let tally = path.packets;
    // What the box rejects never arrives either.
    let gone = recorded.dropped + REJECTED as u64;
    assert_eq!((tally.lost, tally.missed, tally.uncovered), (gone, 0, 0), "{tally:?}");
    assert_eq!((tally.made, tally.unclear), (REJECTED as u64, 0), "{tally:?}");
    assert!(recorded.dropped > 20, "{}", recorded.dropped);
    for pair in &path.connections {
        let made = pair.told.iter().filter(|t| t.fate == Fate::Made);
        let resets = made.filter(|t| t.flags.contains('R') && t.by == Side::Server).count();
        let is_rejected = recorded.rejected.contains(&pair.views[0].client);
        assert_eq!(resets, usize::from(is_rejected), "{pair:?}");
    }
}

#[test]
fn clocks_losses_and_formats_of_one_side_are_seen_through() {
    let test = "clocks_losses_and_formats_of_one_side_are_seen_through";
    let Some(recorded) = recorded(test) else { return };
    let original = packets(&recorded.server);
    assert!(original.iter().all(|p| p.link == COOKED));
    let one = point("client", &recorded.client);
    let begins = original[0].at;
    for seed in 1..=5 {
        let mut dice = Dice(seed);
        let offset = dice.below(10_000_000_000) as i64 - 5_000_000_000;
        let ppm = if seed % 2 == 0 { -50.0 } else { 50.0 };
        let mut removed = 0;
        let mut changed = Vec::new();
        for packet in &original {
            if dice.below(100) == 0 {
                removed += 1;
                continue;
            }
            let drift = ((packet.at - begins) as f64 * ppm / 1e6).round() as i64;
            changed.push(Kept { at: packet.at + offset + drift, ..packet.clone() });
        }
        let path = align(&one, &point("server", &file(&changed)));
        pairs_are_the_kernels(&path, recorded);
        let clock = path.clock.as_ref().unwrap();
        let truth = offset as f64 + (clock.at_ns.ns() - begins) as f64 * ppm / 1e6;
        let off = (truth - clock.offset_ns as f64).abs();
        assert!(off <= clock.error_ns.unwrap() as f64, "{off} {clock:?}");
        let (least, most) = clock.skew_range_ppm.unwrap();
        assert!(least <= ppm && ppm <= most && clock.steady, "{ppm} {clock:?}");
        // What the changed capture does not have was missed, not lost, as far as it can be known.
        let tally = path.packets;
        let gone = recorded.dropped + REJECTED as u64;
        assert!(tally.missed * 4 > removed && tally.missed <= removed, "{removed} {tally:?}");
        assert!(tally.lost <= gone && tally.lost > recorded.dropped / 4, "{gone} {tally:?}");
        assert!(tally.at_one() <= gone + removed + REJECTED as u64, "{gone} {removed} {tally:?}");
    }
}

/// Adds a constant of its connection to the numbers of both sides, as a box that draws its own
/// does.
fn rewrite(packet: &mut Kept, by: &mut BTreeMap<u16, BySide<u32>>, dice: &mut Dice) {
    let ip = if packet.link == COOKED { 20 } else { 14 };
    let tcp = ip + usize::from(packet.bytes[ip] & 0x0f) * 4;
    if packet.bytes[ip] >> 4 != 4 || packet.bytes[ip + 9] != 6 {
        return;
    }
    let word = |at: usize| u16::from_be_bytes([packet.bytes[at], packet.bytes[at + 1]]);
    let to_server = word(tcp + 2) == 7443;
    let port = if to_server { word(tcp) } else { word(tcp + 2) };
    let delta = by.entry(port).or_insert_with(|| BySide {
        client: dice.roll() as u32 | 1,
        server: dice.roll() as u32 | 1,
    });
    let (own, other) =
        if to_server { (delta.client, delta.server) } else { (delta.server, delta.client) };
    let has_ack = packet.bytes[tcp + 13] & 0x10 != 0;
    for (at, more) in [(tcp + 4, own), (tcp + 8, if has_ack { other } else { 0 })] {
        let field: &mut [u8] = &mut packet.bytes[at..at + 4];
        let number = u32::from_be_bytes(field.try_into().unwrap()).wrapping_add(more);
        field.copy_from_slice(&number.to_be_bytes());
    }
}

#[test]
fn a_box_that_draws_its_own_sequence_numbers_is_noticed() {
    let test = "a_box_that_draws_its_own_sequence_numbers_is_noticed";
    let Some(recorded) = recorded(test) else { return };
    let (mut by, mut dice) = (BTreeMap::new(), Dice(7));
    let mut changed = packets(&recorded.server);
    changed.iter_mut().for_each(|packet| rewrite(packet, &mut by, &mut dice));
    let path = align(&point("client", &recorded.client), &point("server", &file(&changed)));
    pairs_are_the_kernels(&path, recorded);
    assert_eq!(path.rewritten, CONNECTIONS as u64);
    for pair in &path.connections {
        assert_eq!(pair.rewrites.as_ref(), by.get(&pair.views[1].client.port()));
        assert_ne!(pair.known_by, KnownBy::SequenceNumbers);
    }
    assert_eq!(path.packets.lost, recorded.dropped + REJECTED as u64, "{:?}", path.packets);
}

#[test]
fn the_command_prints_what_the_schema_says() {
    let Some(recorded) = recorded("the_command_prints_what_the_schema_says") else { return };
    let folder = scratch("pair");
    let [client, server] = ["client.pcapng", "server.pcapng"].map(|name| folder.join(name));
    fs::write(&client, &recorded.client).unwrap();
    fs::write(&server, &recorded.server).unwrap();
    let args = |format: &str| {
        let files = [&client, &server].map(|path| path.display().to_string());
        let words = ["flows", "--pair", "--format", format].map(str::to_owned);
        words.into_iter().chain(files).collect::<Vec<String>>()
    };
    let document = run(args("json")).json();
    schema::validate("pairs", &document);
    assert_eq!(document["paths"][0]["paired"], CONNECTIONS);
    let lines = run(args("jsonl")).jsonl();
    assert_eq!(lines.len(), 1);
    schema::validate("pair", &lines[0]);
    let text = run(args("text"));
    assert_eq!(text.code, Some(0));
    assert!(text.out.lines().all(|line: &str| line.chars().count() <= 80), "{}", text.out);
    let words: Vec<&str> = text.out.split_whitespace().collect();
    let words = words.join(" ");
    for wanted in ["300 connections in both", "stands nearer to the clients", "made between"] {
        assert!(words.contains(wanted), "{wanted}: {words}");
    }
    let markdown = run(args("markdown"));
    assert!(markdown.out.starts_with("## "), "{}", markdown.out);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_cannot_be_compared_gets_one_sentence() {
    let Some(recorded) = recorded("what_cannot_be_compared_gets_one_sentence") else { return };
    let folder = scratch("pair");
    let day = 86_400_000_000_000;
    let tomorrow: Vec<Kept> =
        packets(&recorded.server).into_iter().map(|p| Kept { at: p.at + day, ..p }).collect();
    let stranger = repo().join("examples/nat-expiry/client/client.pcapng");
    let made = [
        ("client.pcapng", recorded.client.clone()),
        ("tomorrow.pcapng", file(&tomorrow)),
        ("stranger.pcapng", fs::read(stranger).unwrap()),
        ("none.pcapng", file(&[])),
        ("nothing.pcapng", Vec::new()),
    ];
    let paths = made.map(|(name, bytes)| {
        fs::write(folder.join(name), bytes).unwrap();
        folder.join(name).display().to_string()
    });
    let [client, tomorrow, stranger, none, nothing] = paths.each_ref().map(String::as_str);
    let said = |files: &[&str]| {
        let ran = run(["flows", "--pair"].iter().chain(files));
        let words: Vec<&str> = ran.out.split_whitespace().collect();
        (ran.code, words.join(" "), ran.err)
    };
    for (files, code, wanted) in [
        (vec![client, client], 0, "it is one capture, named twice"),
        (vec![client, stranger], 4, "they do not meet:"),
        (vec![client, none], 4, "none.pcapng holds no TCP packet"),
        // Clocks of other days are no hindrance.
        (vec![client, tomorrow], 0, "tomorrow.pcapng is 86400.0000"),
        (vec![stranger, client, tomorrow], 0, "have no connection in common"),
        (vec![client, nothing, tomorrow], 0, "300 connections in both"),
    ] {
        let (own, out, err) = said(&files);
        assert_eq!(own, Some(code), "{files:?}: {out} {err}");
        assert!(out.contains(wanted), "{files:?}: {out} {err}");
    }
    let (code, out, err) = said(&[client, nothing]);
    assert_eq!((code, out.as_str()), (Some(3), ""), "{err}");
    assert!(err.contains("nothing.pcapng: it is empty"), "{err}");
    let alone = run(["flows", "--pair", client]);
    assert_eq!(alone.code, Some(2), "{alone:?}");
    fs::remove_dir_all(folder).unwrap();
}
