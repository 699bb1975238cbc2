//! Segments that are whole at one capture and in pieces at the other, recorded on the running
//! kernel: the sender's host captures what its card is to cut, and a wire that takes no large ones
//! has it cut (GSO). A router behind that drops single pieces; its counter is the truth.
//!
//! Needs root, `ip` and `nft`; skipped by name without.

use crate::collect::nft;
use crate::pair::{counted, end, in_ns, knock, point, up};
use hopclock_core::path::{Change, Fate, Path, align};
use hopclock_core::terms::Side;
use hopclock_live::namespace::{Namespace, set_sysctl};
use hopclock_live::netlink::link::Links;
use hopclock_live::record::{Options, Recorder, Tap};
use hopclock_tests::{scratch, skip, tool};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

const SERVER: &str = "198.51.100.2:7443";
/// Open at once.
const CONNECTIONS: usize = 6;
/// Bytes each sends: some hundred pieces, of which some are lost.
const BYTES: usize = 600_000;
/// Headers of a piece: IPv4, and TCP with time stamps.
const HEADERS: u64 = 52;

/// Both captures, and how many packets of how many bytes the router dropped.
struct Recorded {
    client: Vec<u8>,
    server: Vec<u8>,
    dropped: (u64, u64),
}

/// Client, a box that translates and cuts, a router that drops, and the server.
fn net() -> io::Result<[Namespace; 4]> {
    let all = [Namespace::new()?, Namespace::new()?, Namespace::new()?, Namespace::new()?];
    let [client, middle, router, server] = &all;
    in_ns(middle, || Links::open()?.pair(&end("lan", 1), &end("eth0", 2), client))?;
    in_ns(middle, || Links::open()?.pair(&end("wan", 3), &end("in", 4), router))?;
    in_ns(router, || Links::open()?.pair(&end("out", 5), &end("eth0", 6), server))?;
    let route = |to: &str, length, by: &str| -> io::Result<()> {
        let address = |text: &str| text.parse().map_err(io::Error::other);
        Links::open()?.route(address(to)?, length, address(by)?)
    };
    in_ns(middle, || {
        up("lan", "192.0.2.1")?;
        up("wan", "203.0.113.1")?;
        set_sysctl("ipv4/ip_forward", "1")?;
        // No segment that is yet to be cut goes out here: the stack cuts it before.
        let words = ["link", "set", "dev", "wan", "gso_max_segs", "1"];
        assert!(Command::new("ip").args(words).status()?.success());
        nft("table ip t {
            chain post { type nat hook postrouting priority 100; oifname wan masquerade fully-random; }
        }");
        route("198.51.100.0", 24, "203.0.113.2")
    })?;
    in_ns(router, || {
        up("in", "203.0.113.2")?;
        up("out", "198.51.100.1")?;
        set_sysctl("ipv4/ip_forward", "1")?;
        nft("table ip t {
            counter dropped { }
            chain forward { type filter hook forward priority 0;
                iifname in ip length > 1400 numgen random mod 150 == 0 counter name dropped drop
            }
        }");
        Ok(())
    })?;
    in_ns(client, || {
        up("eth0", "192.0.2.2")?;
        route("0.0.0.0", 0, "192.0.2.1")
    })?;
    in_ns(server, || {
        up("eth0", "198.51.100.2")?;
        route("203.0.113.0", 24, "198.51.100.1")
    })?;
    Ok(all)
}

/// Takes what comes and gives as much back: the answers are large as well, and stay whole.
fn serve(listener: &TcpListener) {
    for mut stream in listener.incoming().map_while(Result::ok).take(CONNECTIONS) {
        thread::spawn(move || -> io::Result<()> {
            io::copy(&mut Read::by_ref(&mut stream).take(BYTES as u64), &mut io::sink())?;
            stream.write_all(&vec![7; BYTES / 4])
        });
    }
}

fn play([client, _, _, server]: &[Namespace; 4]) -> io::Result<()> {
    let listener = in_ns(server, || TcpListener::bind(SERVER))?;
    thread::spawn(move || serve(&listener));
    let talk = || -> io::Result<()> {
        let mut stream = TcpStream::connect(SERVER)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(&vec![1; BYTES])?;
        io::copy(&mut stream, &mut io::sink()).map(|_| ())
    };
    in_ns(client, || {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| thread::spawn(talk)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap())
    })?;
    thread::sleep(Duration::from_millis(300));
    Ok(())
}

fn record() -> io::Result<Recorded> {
    let net = net()?;
    let [client, _, router, server] = &net;
    let folder = scratch("pieces");
    let start = |ns: &Namespace, name: &str, snaplen: usize| -> io::Result<Recorder> {
        let tap = in_ns(ns, || Tap::open("eth0"))?;
        let options = Options { snaplen, ..Options::default() };
        Recorder::start(vec![tap], File::create(folder.join(name))?, options)
    };
    let recorders = [start(client, "client", 96)?, start(server, "server", 128)?];
    thread::sleep(Duration::from_millis(200));
    knock(client)?;
    play(&net)?;
    knock(client)?;
    let dropped = in_ns(router, || Ok(counted("dropped")))?;
    for recorder in recorders {
        for told in recorder.stop()? {
            assert_eq!(told.dropped, 0, "the recorder kept up");
        }
    }
    let [client, server] = ["client", "server"].map(|name| fs::read(folder.join(name)).unwrap());
    fs::remove_dir_all(folder)?;
    Ok(Recorded { client, server, dropped })
}

/// Payload bytes told to have had this fate, of what the client sent.
fn missing(path: &Path, fate: Fate) -> u64 {
    let told = path.connections.iter().flat_map(|pair| &pair.told);
    let own = told.filter(|told| told.fate == fate && told.by == Side::Client);
    own.map(|told| u64::from(told.missing)).sum()
}

#[test]
fn what_a_card_cuts_is_neither_lost_nor_made_and_what_is_lost_of_it_is() {
    let test = "what_a_card_cuts_is_neither_lost_nor_made_and_what_is_lost_of_it_is";
    if tool(test, "nft").is_none() || tool(test, "ip").is_none() {
        return;
    }
    if Namespace::new().is_err() {
        skip(test, "no network namespace");
        return;
    }
    let recorded = record().unwrap();
    let [client, server] = [point("client", &recorded.client), point("server", &recorded.server)];
    // Who stands first makes no difference: pieces are put together as well as cut.
    for (path, first) in [(align(&client, &server), true), (align(&server, &client), false)] {
        let tally = path.packets;
        assert_eq!(path.paired, CONNECTIONS as u64);
        assert_eq!((tally.made, tally.missed, tally.unclear), (0, 0, 0), "{tally:?}");
        assert!(tally.pieces > 40, "nothing was cut: {tally:?}");
        // Every byte the router dropped is told, and no other.
        let (packets, bytes) = recorded.dropped;
        assert!(packets > 5 && tally.lost > 0 && tally.lost <= packets, "{packets} {tally:?}");
        assert_eq!(path.connections.iter().map(|pair| pair.left_out).sum::<u64>(), 0);
        assert_eq!(missing(&path, Fate::Lost), bytes - packets * HEADERS, "{tally:?}");
        // Some of what was cut lost a piece.
        let all = || path.connections.iter().flat_map(|pair| &pair.told);
        let in_pieces = |fate: Fate| {
            all().filter(|t| t.fate == fate && t.changed.contains(&Change::Pieces)).count()
        };
        assert!(in_pieces(Fate::Lost) > 0, "{tally:?}");
        let clock = path.clock.as_ref().unwrap();
        assert!(clock.offset_ns.abs() <= clock.error_ns.unwrap(), "{clock:?}");
        assert_eq!(path.nearer_client, Some(usize::from(!first)));
    }
}
