//! The running kernel as judge of where packets go: random small rulesets of nftables and
//! iptables, loaded by their own tools and listed by them, and packets through them.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::process::{Command, Stdio};

use hopclock_core::conntrack::Tuple;
use hopclock_core::conntrack::nat::{Firewall, Interface, Known, Mapping};
use hopclock_core::conntrack::packet::{flag, proto};
use hopclock_core::conntrack::read::read;
use hopclock_core::dump::rules::ask::Does;
use hopclock_core::dump::rules::{CtState, Rules};
use hopclock_live::namespace::{enter_new, set_sysctl};
use hopclock_live::netlink::conntrack::Conntrack;
use hopclock_live::netlink::link::Links;
use hopclock_live::tun::Tun;

use super::frame::{Segment, Spoilt};
use super::rng::Rng;

/// The box: between two networks, with a table and rules.
#[derive(Debug)]
pub struct Hop {
    lan: Tun,
    wan: Tun,
    table: Conntrack,
    buffer: Vec<u8>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Packets whose way was foretold and seen.
    pub agreed: u64,
    /// Of these, translated.
    pub translated: u64,
    /// Of these, with a port that was drawn.
    pub drawn: u64,
    /// Dropped, reset or refused by a rule.
    pub stopped: u64,
    /// Packets of which nothing could be said.
    pub unsaid: u64,
}

const LAN: [u8; 4] = [192, 0, 2, 1];
const WAN: [u8; 4] = [198, 51, 100, 1];

fn interfaces() -> Vec<Interface> {
    let of = |name: &str, own: [u8; 4], reaches: Vec<(IpAddr, u8)>| Interface {
        name: name.to_owned(),
        addresses: vec![own.into()],
        reaches,
    };
    let default = ([0, 0, 0, 0].into(), 0);
    vec![of("lan0", LAN, vec![(LAN.into(), 24)]), of("wan0", WAN, vec![(WAN.into(), 24), default])]
}

/// Runs a tool in this thread's namespace.
fn tool(name: &str, args: &[&str], input: &str) -> io::Result<String> {
    let mut child = Command::new(name)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let out = child.wait_with_output()?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        return Err(io::Error::other(format!("{name}: {said}\n{input}")));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

impl Hop {
    /// Moves the calling thread into a namespace of its own and builds the box.
    ///
    /// # Errors
    ///
    /// What the kernel says; `EPERM` without root.
    pub fn start() -> io::Result<Self> {
        enter_new()?;
        let (lan, wan) = (Tun::make("lan0")?, Tun::make("wan0")?);
        for (name, value) in [
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/lan0/rp_filter", "0"),
            ("ipv4/conf/wan0/rp_filter", "0"),
            ("ipv4/conf/all/send_redirects", "0"),
            ("ipv4/icmp_ratelimit", "0"),
            ("ipv6/conf/lan0/disable_ipv6", "1"),
            ("ipv6/conf/wan0/disable_ipv6", "1"),
        ] {
            set_sysctl(name, value)?;
        }
        let mut links = Links::open()?;
        for (tun, own) in [(&lan, LAN), (&wan, WAN)] {
            links.address(tun.index, own.into(), 24)?;
            links.up(tun.index, 1500)?;
        }
        links.default_route(wan.index, false)?;
        Ok(Self { lan, wan, table: Conntrack::open()?, buffer: vec![0; 65_536] })
    }

    /// Loads rules of a tool and returns its own listing of them.
    ///
    /// # Errors
    ///
    /// What the tool says.
    pub fn load(&mut self, text: &str, iptables: bool) -> io::Result<String> {
        tool("nft", &["flush", "ruleset"], "")?;
        self.table.flush()?;
        let listed = if iptables {
            tool("iptables-nft-restore", &[], text)?;
            tool("iptables-nft-save", &[], "")?
        } else {
            tool("nft", &["-f", "-"], text)?;
            tool("nft", &["list", "ruleset"], "")?
        };
        set_sysctl("netfilter/nf_conntrack_tcp_loose", "0")?;
        Ok(listed)
    }

    /// What comes out when a packet arrives from the inner network: there, and outside.
    fn send(&mut self, bytes: &[u8]) -> io::Result<[Vec<Tuple>; 2]> {
        self.lan.send(bytes)?;
        let mut out = [Vec::new(), Vec::new()];
        for (tun, seen) in [&mut self.lan, &mut self.wan].into_iter().zip(&mut out) {
            while let Some(length) = tun.take(&mut self.buffer)? {
                let packet = self.buffer.get(..length).unwrap_or_default();
                seen.extend(read(packet).map(|packet| packet.tuple));
            }
        }
        Ok(out)
    }
}

/// What was seen of the table so far.
struct Seen<'a> {
    replies: &'a [Tuple],
    sources: &'a HashMap<(IpAddr, u16), Vec<(IpAddr, u16)>>,
}

impl Known for Seen<'_> {
    fn is_taken(&self, reply: &Tuple) -> bool {
        self.replies.contains(reply)
    }

    fn leaves_from(&self, source: (IpAddr, u16)) -> Vec<(IpAddr, u16)> {
        self.sources.get(&source).into_iter().flatten().rev().copied().collect()
    }
}

/// One ruleset and packets through it; the first that goes another way than was foretold.
///
/// # Errors
///
/// What the kernel or a tool says.
pub fn one(
    hop: &mut Hop,
    rng: &mut Rng,
    (packets, counted): (u32, &mut Counted),
) -> io::Result<Option<String>> {
    let iptables = rng.percent(40);
    let text = if iptables { super::rulesets::iptables(rng) } else { super::rulesets::nft(rng) };
    let listed = hop.load(&text, iptables)?;
    let firewall = Firewall { rules: Rules::read(&listed), interfaces: interfaces() };
    let (mut replies, mut sources) = (Vec::new(), HashMap::new());
    for _ in 0..packets {
        let tuple = Tuple {
            src: IpAddr::from([192, 0, 2, rng.pick(&[10, 20, 200])]),
            dst: IpAddr::from(rng.pick(&[[203, 0, 113, 7], [203, 0, 113, 9], LAN])),
            sport: rng.pick(&[40_000, 40_001, 1500, 700, 300]),
            dport: rng.pick(&[80, 443, 8050]),
            proto: proto::TCP,
        };
        if hop.table.get(&tuple)?.is_some() {
            continue;
        }
        let flags = rng.pick(&[flag::SYN, flag::SYN, flag::SYN, flag::ACK, flag::RST]);
        let bytes = Segment {
            tuple,
            flags,
            seq: rng.below(u32::MAX),
            ack: if flags == flag::SYN { 0 } else { 77 },
            win: 4000,
            options: Vec::new(),
            len: 0,
            spoilt: Spoilt::No,
        }
        .bytes();
        let known = Seen { replies: &replies, sources: &sources };
        let foretold = Foretold::of(&firewall, &known, (&tuple, flags));
        let seen = hop.send(&bytes)?;
        let wrong = foretold.compare(&seen, counted);
        if let Some(wrong) = wrong {
            return Ok(Some(format!("{tuple:?} flags {flags}: {wrong}; {foretold:?}\n{listed}")));
        }
        if let Some(told) = hop.table.get(&tuple)? {
            replies.push(told.reply);
            let left = (told.reply.dst, told.reply.dport);
            sources.entry((tuple.src, tuple.sport)).or_insert_with(Vec::new).push(left);
        }
    }
    Ok(None)
}

#[derive(Debug)]
enum Foretold {
    /// It leaves so.
    Leaves(Mapping, Tuple),
    /// It is for the box, which answers with a reset, or with nothing.
    Own {
        answered: bool,
    },
    /// Nothing comes out.
    Dropped,
    /// Its sender is told by a reset, or by ICMP, of which the kernel sends so many a second.
    Told {
        surely: bool,
    },
    Unsaid,
}

impl Foretold {
    fn of(firewall: &Firewall, known: &Seen<'_>, (tuple, flags): (&Tuple, u8)) -> Self {
        let new = flags == flag::SYN;
        let mapping = if new { firewall.mapping(tuple, known) } else { Ok(as_it_is(tuple)) };
        let Ok(mapping) = mapping else { return Foretold::Unsaid };
        let ends = Tuple { src: tuple.src, sport: tuple.sport, ..mapping.leaves_as };
        let state = if new { CtState::New } else { CtState::Invalid };
        let fates = firewall.fate(&ends, flags, state);
        let [fate] = fates.as_slice() else { return Foretold::Unsaid };
        match fate.does {
            Does::Passes if [LAN, WAN].contains(&octets(ends.dst)) => {
                Foretold::Own { answered: flags != flag::RST }
            }
            Does::Passes if mapping.exhausted => Foretold::Dropped,
            Does::Passes => Foretold::Leaves(mapping, *tuple),
            Does::Drops => Foretold::Dropped,
            // No reset answers a reset, nor does anything by ICMP tell of one that is INVALID.
            Does::Resets if flags == flag::RST => Foretold::Dropped,
            Does::Resets => Foretold::Told { surely: true },
            Does::Refuses => Foretold::Told { surely: false },
            _ => Foretold::Unsaid,
        }
    }

    fn compare(&self, [lan, wan]: &[Vec<Tuple>; 2], counted: &mut Counted) -> Option<String> {
        let right = match self {
            Foretold::Unsaid => {
                counted.unsaid += 1;
                return None;
            }
            Foretold::Leaves(mapping, tuple) => {
                counted.translated += u64::from(mapping.leaves_as != *tuple);
                counted.drawn += u64::from(mapping.drawn.is_some());
                matches!(wan.as_slice(), [left] if mapping.admits(left)) && lan.is_empty()
            }
            Foretold::Own { answered } => wan.is_empty() && lan.len() == usize::from(*answered),
            Foretold::Dropped => {
                counted.stopped += 1;
                wan.is_empty() && lan.is_empty()
            }
            Foretold::Told { surely } => {
                counted.stopped += 1;
                wan.is_empty() && (lan.len() == 1 || (!surely && lan.is_empty()))
            }
        };
        counted.agreed += u64::from(right);
        (!right).then(|| format!("came out: inside {lan:?}, outside {wan:?}"))
    }
}

fn octets(address: IpAddr) -> [u8; 4] {
    if let IpAddr::V4(v4) = address { v4.octets() } else { [0; 4] }
}

/// INVALID packets are not translated.
const fn as_it_is(tuple: &Tuple) -> Mapping {
    let (drawn, source_line, destination_line) = (None, None, None);
    let (leaves_as, exhausted) = (*tuple, false);
    Mapping { leaves_as, drawn, exhausted, source_line, destination_line }
}
