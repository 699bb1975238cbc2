//! Recordings of the lab as judges of what is foretold: a row a run, and a row for each what-if
//! that another scenario is the deed of.

use std::fs;
use std::io::{self, Error};
use std::path::{Path, PathBuf};

use hopclock_core::capture::{Ready, Stream};
use hopclock_core::conntrack::nat::Firewall;
use hopclock_core::conntrack::packet::{Body, Tuple, flag, proto};
use hopclock_core::conntrack::reach::Reaches;
use hopclock_core::conntrack::read::read;
use hopclock_core::conntrack::sweep::{Row, RunOut, Sweep, Variant};
use hopclock_core::conntrack::version::JUDGED;
use hopclock_core::conntrack::{Settings, Verdict};
use hopclock_core::dump::rules::ask::{Asked, Does, Ruled};
use hopclock_core::dump::rules::{Act, CtState, Hook, Rule, Rules};
use hopclock_core::dump::{conntrack, links, sysctl};
use hopclock_core::time::Gap;

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Told {
    /// The run's folder.
    pub run: String,
    /// What was tried on its packets.
    pub tried: String,
    /// What the model says.
    pub foretold: String,
    /// What the recording shows.
    pub seen: String,
    /// Whether the two are one; `None` where what is foretold leaves it open.
    pub agrees: Option<bool>,
}

/// Scenarios whose deed is another's what-if: recorded, tried, the scenario that did it.
const DEEDS: [(&str, &str, &str); 2] = [
    ("freeze-window-ignored", "tcp_be_liberal=1", "freeze-be-liberal-cures"),
    ("nat-expiry-client-first", "tcp_loose=1", "nat-expiry-picked-up"),
];

/// Every run below a folder.
///
/// # Errors
///
/// A folder or a file of it that cannot be read.
pub fn rows(folder: &Path) -> io::Result<Vec<Told>> {
    let mut runs: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<io::Result<Vec<_>>>()?;
    runs.retain(|run| hop(run).is_some());
    runs.sort();
    let mut all = Vec::new();
    for run in &runs {
        all.extend(as_captured(run)?);
        for (scenario, tried, deed) in DEEDS {
            let done = runs.iter().find(|other| scenario_of(other) == deed);
            if let Some(done) = done.filter(|_| scenario_of(run) == scenario) {
                all.extend(what_if(run, tried, done)?);
            }
        }
    }
    Ok(all)
}

/// The scenario of a run: its folder's name without its number.
fn scenario_of(run: &Path) -> String {
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once('-').map_or(name.to_string(), |(scenario, _)| scenario.to_owned())
}

/// The folder of the hop.
fn hop(run: &Path) -> Option<PathBuf> {
    let folders = fs::read_dir(run).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut own = folders.filter(|path| path.join("hop.pcapng").is_file());
    own.find(|path| path.join("sysctl.txt").is_file())
}

/// One packet of the capture, as far as it is looked at here.
struct Seen {
    number: u64,
    at: hopclock_core::time::Moment,
    tuple: Tuple,
    flags: u8,
    len: u32,
}

/// Rows of a sweep over a run's own hop, its packets, and the connections of which a dump tells how
/// they are translated.
fn sweep(run: &Path, tried: &[&str]) -> io::Result<(Vec<Row>, Vec<Seen>, Vec<Tuple>)> {
    let hop = hop(run).ok_or_else(|| Error::other("no hop"))?;
    let mut was = Settings::default();
    for setting in sysctl::read(&fs::read_to_string(hop.join("sysctl.txt"))?).0 {
        if let Ok(value) = setting.value.parse() {
            // What the model does not know changes nothing in it.
            let _ = was.set(&setting.key, value);
        }
    }
    was.max = None;
    let variants: Result<Vec<Variant>, _> =
        tried.iter().map(|text| Variant::parse(text, was)).collect();
    let mut sweep = Sweep::new(was, JUDGED, variants.map_err(Error::other)?);
    let mut translated = Vec::new();
    for entry in fs::read_dir(&hop)?.filter_map(Result::ok) {
        if entry.file_name().to_string_lossy().starts_with("conntrack-") {
            for told in conntrack::read(&fs::read_to_string(entry.path())?).0 {
                if let (Some(reply), "tcp") = (told.reply, told.protocol.as_str()) {
                    sweep.translate(tuple(&told.original), tuple(&reply));
                    translated.extend([tuple(&told.original), tuple(&reply)]);
                }
            }
        }
    }
    let mut stream = Stream::new();
    stream.feed(&fs::read(hop.join("hop.pcapng"))?);
    stream.end();
    let mut seen = Vec::new();
    while stream.advance() == Ready::Packet {
        let Some(packet) = stream.packet() else { break };
        sweep.packet(&packet, 0);
        if let Some(ip) = hopclock_core::wire::ip_packet(&packet)
            && let Ok(found) = read(ip)
            && let Body::Tcp(tcp) = found.body
        {
            let (number, at, tuple) = (packet.number, packet.at, found.tuple);
            seen.push(Seen { number, at, tuple, flags: tcp.flags, len: tcp.len });
        }
    }
    Ok((sweep.rows(), seen, translated))
}

fn tuple(told: &conntrack::Tuple) -> Tuple {
    let proto = proto::TCP;
    Tuple { src: told.src, dst: told.dst, sport: told.sport, dport: told.dport, proto }
}

/// Where an entry ran out and was needed: whom the packet reaches, and what came of it.
fn as_captured(run: &Path) -> io::Result<Option<Told>> {
    let (rows, seen, translated) = sweep(run, &[])?;
    let Some(out) = rows.first().and_then(|row| row.first_run_out.as_ref()) else {
        return Ok(None);
    };
    let Some(needed) = seen.iter().find(|s| Some(s.number) == out.packet) else { return Ok(None) };
    // Within a round trip or so the answer comes, from where the packet went.
    let soon =
        |s: &&Seen| s.number > needed.number && s.at.since(needed.at) <= Gap::from_millis(400);
    let back = needed.tuple.inverse();
    let answer = seen.iter().filter(soon).find(|s| Some(s.tuple) == back);
    let (reset, data) =
        answer.map_or((false, false), |s| (s.flags & flag::RST != 0, s.flags & flag::ACK != 0));
    let shown = match (reset, data) {
        (true, _) => "reset to the sender",
        (false, true) => "answered",
        (false, false) => "no answer",
    };
    let known = translated.contains(&needed.tuple);
    if !known && translates(run)? {
        let foretold = "found none; no dump tells how it was translated";
        return Ok(Some(told(run, "as captured", (foretold, shown), None)));
    }
    let (foretold, agrees) = match way(run, needed, out)? {
        Way::Stopped => ("found none, and a rule drops it", Some(answer.is_none())),
        Way::Anew => {
            ("found none and made one, with another port: its peer resets it", Some(reset))
        }
        Way::To(Reaches::Box) => {
            ("found none, is for the box: the box resets the sender", Some(reset))
        }
        Way::To(Reaches::Nobody) => ("found none, dropped", Some(answer.is_none())),
        Way::To(Reaches::Stranger) => match has_way_back(run, needed)? {
            Some(true) => (
                "found none, leaves untranslated, and its receiver has a way back: a reset",
                Some(reset),
            ),
            Some(false) => (
                "found none, leaves untranslated, and its receiver has no way back: no answer",
                Some(answer.is_none()),
            ),
            None => ("found none, leaves untranslated: a reset where its answer finds a way", None),
        },
        // Whether a bare acknowledgement arrived no answer tells.
        Way::To(Reaches::Peer) => {
            let goes_on = answer.is_some() && !reset;
            ("found none, and arrives: it goes on", (needed.len > 0 || reset).then_some(goes_on))
        }
    };
    Ok(Some(told(run, "as captured", (foretold, shown), agrees)))
}

/// Whether a rule of the box translates anything.
fn translates(run: &Path) -> io::Result<bool> {
    let act = |rule: &Rule| matches!(rule.act, Act::Translate(_));
    Ok(rules(run)?.is_some_and(|rules| rules.rules().any(|(_, rule)| act(rule))))
}

/// Whether the host that has a packet's destination for its own knows a way to its source, and the
/// box lets the answer by; `None` where no host of the run tells of its interfaces and routes.
fn has_way_back(run: &Path, needed: &Seen) -> io::Result<Option<bool>> {
    for host in fs::read_dir(run)?.filter_map(Result::ok) {
        let listing = host.path().join("links.txt");
        if !listing.is_file() {
            continue;
        }
        let interfaces = links::read(&fs::read_to_string(listing)?);
        if interfaces.iter().any(|i| i.addresses.contains(&needed.tuple.dst)) {
            let there = Firewall { interfaces, ..Firewall::default() };
            let back = there.has_way_to(needed.tuple.src);
            return Ok(Some(back && !answer_is_stopped(run, &needed.tuple)?));
        }
    }
    Ok(None)
}

/// Whether the box's rules surely stop a reset that answers a packet which found no entry.
fn answer_is_stopped(run: &Path, tuple: &Tuple) -> io::Result<bool> {
    let Some(rules) = rules(run)? else { return Ok(false) };
    let Some(back) = tuple.inverse() else { return Ok(false) };
    let asked = asked(&back, flag::RST, CtState::Invalid);
    let stopped = [Does::Drops, Does::Resets, Does::Refuses];
    let ruled = rules.filter(Hook::Forward, &asked);
    Ok(matches!(ruled.as_slice(), [one] if stopped.contains(&one.does)))
}

/// The box's own listing.
fn rules(run: &Path) -> io::Result<Option<Rules>> {
    let listing = hop(run).map(|hop| hop.join("nft.txt")).filter(|path| path.is_file());
    listing.map(|path| Ok(Rules::read(&fs::read_to_string(path)?))).transpose()
}

/// A packet of which nothing is known but its ends, flags and state.
fn asked(tuple: &Tuple, flags: u8, state: CtState) -> Asked<'static> {
    Asked {
        v6: tuple.src.is_ipv6(),
        src: Some(tuple.src),
        dst: Some(tuple.dst),
        sport: Some(tuple.sport),
        dport: Some(tuple.dport),
        protocol: Some(tuple.proto),
        flags: Some(flags),
        state: Some(state),
        iif: None,
        oif: None,
    }
}

/// Where a packet without an entry goes.
enum Way {
    /// A rule of the box surely stops it.
    Stopped,
    /// The box draws a port for it anew.
    Anew,
    /// As the table alone says.
    To(Reaches),
}

/// The box's own rules beside what the table says.
fn way(run: &Path, needed: &Seen, out: &RunOut) -> io::Result<Way> {
    let Some(rules) = rules(run)? else { return Ok(Way::To(out.reaches)) };
    let made = out.verdict == Verdict::Accept;
    let state = if made { CtState::New } else { CtState::Invalid };
    let hook = if out.reaches == Reaches::Box { Hook::Input } else { Hook::Forward };
    let asked = asked(&needed.tuple, needed.flags, state);
    if let [Ruled { does: Does::Drops, .. }] = rules.filter(hook, &asked).as_slice() {
        return Ok(Way::Stopped);
    }
    let drawn = rules
        .rules()
        .any(|(_, rule)| matches!(&rule.act, Act::Translate(to) if to.random || to.fully_random));
    Ok(if drawn && made && out.reaches == Reaches::Peer { Way::Anew } else { Way::To(out.reaches) })
}

/// A what-if of one run, and what became of the run that did it.
fn what_if(run: &Path, tried: &str, deed: &Path) -> io::Result<Option<Told>> {
    let (rows, ..) = sweep(run, &[tried])?;
    let [base, row] = rows.as_slice() else { return Ok(None) };
    if base.lost == 0 {
        return Ok(None);
    }
    let saved = row.lost == 0 && row.saved > row.moved;
    let foretold = if saved { "it goes on (simulated)" } else { "it is lost all the same" };
    let truth: serde_json::Value = serde_json::from_slice(&fs::read(deed.join("truth.json"))?)?;
    let lived = truth.get("cause").is_some_and(|cause| cause == "none");
    let shown = if lived { "it lived on" } else { "it ended" };
    let shown = format!("{}: {shown}", scenario_of(deed));
    Ok(Some(told(run, tried, (foretold, &shown), Some(saved == lived))))
}

fn told(run: &Path, tried: &str, (foretold, seen): (&str, &str), agrees: Option<bool>) -> Told {
    Told {
        run: run.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        tried: tried.to_owned(),
        foretold: foretold.to_owned(),
        seen: seen.to_owned(),
        agrees,
    }
}
