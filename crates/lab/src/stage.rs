//! One scenario being played: a path client, box, server, its recorders, its programs, its time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hopclock_core::conntrack::packet::{Tuple, proto};
use hopclock_core::time::{Gap, Moment};
use hopclock_live::clock;
use hopclock_live::gather::{self, Missing, Piece, Wanted};
use hopclock_live::netlink::conntrack::Told;
use hopclock_live::record::{Options, Recorded, Recorder, Tap};
use socket2::TcpKeepalive;

use crate::checks::Checks;
use crate::draw::Plan;
use crate::ends::{End, Heard, Listener, Log, tell};
use crate::folder::{Folder, Place};
use crate::journal::{Broken, Ends, Journal, Said};
use crate::measure::Measures;
use crate::net::{Host, Port, wire};
use crate::program::{Order, Program, listens};
use crate::rules::Setup;
use crate::scenarios::SecondPath;
use crate::tape::{Tape, Wired};
use crate::trouble::{Doing, Trouble};

/// How often a waiting scenario looks whether it shall stop.
const SLICE: Duration = Duration::from_millis(50);
/// Time for a packet to cross three namespaces on a busy machine.
pub(crate) const A_MOMENT: f64 = 0.5;

/// Seconds that a program has to begin to listen, on a busy machine.
const READY_S: f64 = 30.0;

/// The interfaces of the box.
pub(crate) const LAN: &str = "lan0";
pub(crate) const WAN: &str = "wan0";
/// The interface of the box to a second network inside.
pub(crate) const SIDE: &str = "side0";
/// The one interface of an end.
pub(crate) const ETH: &str = "eth0";

/// The interface of an end to a second path.
const SECOND: &str = "eth1";

/// What was recorded on each machine.
#[derive(Debug)]
pub(crate) struct Tapes {
    pub client: Tape,
    pub server: Tape,
}

/// What the logs of both sides told.
#[derive(Clone, Debug, Default)]
pub struct BySide {
    /// The client's.
    pub client: Ends,
    /// The server's, where it is the lab's own program.
    pub server: Ends,
}

/// A scenario being played.
pub(crate) struct Stage<'a> {
    /// What was drawn for it.
    pub plan: Plan,
    /// What must be seen.
    pub checks: Checks,
    pub client: Host,
    pub hop: Host,
    pub server: Host,
    folder: Folder,
    logs: BTreeMap<&'static str, Log>,
    recorders: Vec<Recorder>,
    looks: u32,
    /// Interfaces that are recorded besides each machine's own.
    more_taps: Vec<(Place, &'static str)>,
    /// What is changed.
    measures: Measures,
    /// What a client of this scenario says to be heard; empty where nothing can be said unasked.
    pub heartbeat: &'static [u8],
    hearts: RefCell<Vec<(TcpStream, Moment)>>,
    /// What a client's program told that is not the lab's.
    told: Option<Ends>,
    stop: &'a AtomicBool,
}

impl<'a> Stage<'a> {
    /// Builds the path, without rules and without recording; [`Stage::set`] does that.
    pub(crate) fn build(
        plan: Plan,
        folder: Folder,
        measures: Measures,
        stop: &'a AtomicBool,
    ) -> Result<Self, Trouble> {
        let client = Host::new(Place::Client.host())?;
        let hop = Host::new(Place::Hop.host())?;
        let server = Host::new(Place::Server.host())?;
        let prefix = plan.lan.prefix();
        let port = |host, interface, address| Port { host, interface, address };
        wire(&port(&client, ETH, plan.lan.end()), &port(&hop, LAN, plan.lan.hop()), prefix)?;
        wire(&port(&hop, WAN, plan.wan.hop()), &port(&server, ETH, plan.wan.end()), prefix)?;
        client.default_route(plan.lan.hop())?;
        hop.forwards()?;
        Ok(Self {
            plan,
            checks: Checks::default(),
            client,
            hop,
            server,
            folder,
            logs: BTreeMap::new(),
            recorders: Vec::new(),
            looks: 0,
            more_taps: Vec::new(),
            measures,
            heartbeat: b"beat\n",
            hearts: RefCell::new(Vec::new()),
            told: None,
            stop,
        })
    }

    /// Gives the box its rules and settings, writes them down, and begins to record.
    pub(crate) fn set(&mut self, setup: &Setup) -> Result<(), Trouble> {
        if !setup.translates_source() {
            // Without source translation the server must know where the client is.
            self.server.route_to(self.plan.lan, self.plan.wan.hop())?;
        }
        self.hop.rules(&setup.rules(&self.plan))?;
        for (name, value) in setup.sysctls() {
            self.hop.sysctl(&format!("netfilter/{name}"), &value)?;
        }
        for (place, name, value) in &self.measures.sysctls {
            let host = match place {
                Place::Client => &self.client,
                Place::Hop => &self.hop,
                Place::Server => &self.server,
            };
            host.sysctl(name, value)?;
        }
        self.record()?;
        for (place, host) in self.hosts() {
            self.gather(place, &host, "sysctl.txt", gather::sysctls)?;
        }
        let hop = self.hop.clone();
        self.rules(".txt")?;
        self.gather(Place::Hop, &hop, "nstat-before.txt", gather::counters)?;
        self.gather(Place::Hop, &hop, "conntrack-stat-before.txt", gather::conntrack_counters)
    }

    fn hosts(&self) -> [(Place, Host); 3] {
        [
            (Place::Client, self.client.clone()),
            (Place::Hop, self.hop.clone()),
            (Place::Server, self.server.clone()),
        ]
    }

    fn record(&mut self) -> Result<(), Trouble> {
        for (place, host) in self.hosts() {
            let mut names = if place == Place::Hop { vec![LAN, WAN] } else { vec![ETH] };
            let more = self.more_taps.iter().filter(|(of, _)| *of == place);
            names.extend(more.map(|(_, interface)| *interface));
            let taps = host.run("opening packet sockets", || {
                names.iter().map(|name| Tap::open(name)).collect::<std::io::Result<Vec<_>>>()
            })?;
            let path = self.folder.file(place, capture_of(place));
            let comment =
                format!("recorded on {} by the lab, seed {}", place.host(), self.plan.seed);
            let recorder = File::create(&path)
                .and_then(|out| {
                    Recorder::start(taps, out, Options { comment, ..Options::default() })
                })
                .doing(|| format!("recording into {}", path.display()))?;
            self.recorders.push(recorder);
        }
        Ok(())
    }

    fn gather(
        &mut self,
        place: Place,
        host: &Host,
        name: &str,
        ask: impl FnOnce() -> Result<Piece, Missing> + Send,
    ) -> Result<(), Trouble> {
        match host.run("reading a dump", || Ok(ask()))? {
            Ok(piece) => self.folder.dump(place, name, &piece),
            Err(missing) => {
                Err(Trouble::Missing(format!("{} cannot be had: {}", missing.what, missing.why)))
            }
        }
    }

    /// Waits this many seconds.
    pub(crate) fn rest(&self, seconds: f64) -> Result<(), Trouble> {
        let until = clock::monotonic().ns() + (seconds * 1e9) as i64;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Trouble::Interrupted);
            }
            self.beat();
            let left = until - clock::monotonic().ns();
            if left <= 0 {
                return Ok(());
            }
            let slice = Duration::from_nanos(left.cast_unsigned()).min(SLICE);
            std::thread::sleep(slice);
        }
    }

    /// Waits for some time between these many seconds.
    pub(crate) fn pause(&mut self, least: f64, most: f64) -> Result<(), Trouble> {
        let seconds = least + (most - least) * self.plan.rng.f64();
        self.rest(seconds)
    }

    /// Waits until the timer of this run has surely run out.
    pub(crate) fn outlast(&self) -> Result<(), Trouble> {
        self.rest(f64::from(self.plan.timer_s) + 1.2)
    }

    /// How long something may take that must happen: three times the timer.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(u64::from(self.plan.timer_s) * 3)
    }

    /// Where the server listens, as its own machine knows it.
    pub(crate) fn service(&self) -> SocketAddr {
        SocketAddr::new(self.plan.wan.end(), self.plan.port)
    }

    /// The log of the program on the client's or the server's machine; begun when first asked for.
    fn log(&mut self, place: Place) -> Result<Log, Trouble> {
        let (name, style) = match place {
            Place::Client => ("app.log", self.plan.client_style),
            Place::Hop | Place::Server => ("server.log", self.plan.server_style),
        };
        if let Some(log) = self.logs.get(name) {
            return Ok(Arc::clone(log));
        }
        let path = self.folder.file(place, name);
        let journal =
            Journal::begin(&path, style).doing(|| format!("beginning {}", path.display()))?;
        let log = Arc::new(Mutex::new(journal));
        self.logs.insert(name, Arc::clone(&log));
        Ok(log)
    }

    /// The server listens.
    pub(crate) fn listen(&mut self) -> Result<Listener, Trouble> {
        let log = self.log(Place::Server)?;
        Listener::open(&self.server, self.service(), &log)
    }

    /// The client connects to `to`.
    pub(crate) fn connect(&mut self, to: SocketAddr) -> Result<End, Trouble> {
        let log = self.log(Place::Client)?;
        let end = End::connect(&self.client, to, None, &log)?;
        let measures = self.measures.clone();
        end.tune(|socket| {
            if let Some(seconds) = measures.keepalive_s {
                let time = Duration::from_secs_f64(seconds);
                let keepalive = TcpKeepalive::new().with_time(time).with_interval(time);
                socket.set_tcp_keepalive(&keepalive)?;
            }
            if let Some(seconds) = measures.user_timeout_s {
                socket.set_tcp_user_timeout(Some(Duration::from_secs_f64(seconds)))?;
            }
            Ok(())
        })?;
        if measures.heartbeat_s.is_some() {
            self.hearts.borrow_mut().push((end.twin()?, now()));
        }
        Ok(end)
    }

    /// Every client whose program has a heartbeat says it when it is due.
    fn beat(&self) {
        let Some(every) = self.measures.heartbeat_s.filter(|_| !self.heartbeat.is_empty()) else {
            return;
        };
        self.hearts.borrow_mut().retain_mut(|(stream, last)| {
            if now().since(*last).secs_f64() < every {
                return true;
            }
            *last = now();
            stream.write_all(self.heartbeat).is_ok()
        });
    }

    /// The client connects to `to`, or says in its log why it cannot.
    pub(crate) fn dial(&mut self, to: SocketAddr) -> Result<Option<End>, Trouble> {
        let refused = match self.connect(to) {
            Err(Trouble::Machine(_, error)) => error,
            came => return came.map(Some),
        };
        let log = self.log(Place::Client)?;
        let local = SocketAddr::new(self.plan.lan.end(), 0);
        tell(&log, Said::NotConnected(Broken::of(&refused)), local, to);
        Ok(None)
    }

    /// A new file of the folder that grows, named in its manifest.
    pub(crate) fn grows(&mut self, place: Place, name: &str) -> PathBuf {
        self.folder.file(place, name)
    }

    /// Starts a program there and waits until it listens on `port`.
    pub(crate) fn starts(
        &self,
        place: Place,
        order: &Order,
        port: u16,
    ) -> Result<Program, Trouble> {
        let host = match place {
            Place::Client => &self.client,
            Place::Hop => &self.hop,
            Place::Server => &self.server,
        };
        let program = Program::start(host, order)?;
        let until = now().plus(Gap::from_secs_f64(READY_S));
        while !listens(host, port)? {
            self.rest(0.05)?;
            if now() > until {
                let why = format!("{} does not listen after {READY_S} s", order.name);
                return Err(Trouble::Broken(why));
            }
        }
        Ok(program)
    }

    /// A connection with both its ends, and a first word in each direction.
    pub(crate) fn open(&mut self) -> Result<(End, End), Trouble> {
        let listener = self.listen()?;
        let mut client = self.connect(self.service())?;
        let mut server = listener.accept()?;
        self.greet(&mut client, &mut server)?;
        Ok((client, server))
    }

    /// A word in each direction, acknowledged: the box has seen the connection to be assured.
    pub(crate) fn greet(&self, client: &mut End, server: &mut End) -> Result<(), Trouble> {
        let asked =
            client.say(64).is_none() && matches!(server.hear(self.patience()), Heard::Bytes(_));
        let answered =
            server.say(128).is_none() && matches!(client.hear(self.patience()), Heard::Bytes(_));
        if asked && answered {
            // The acknowledgement of the last word is on its way.
            self.rest(0.1)
        } else {
            Err(Trouble::Broken("the connection did not work to begin with".to_owned()))
        }
    }

    /// Takes down what the box's table holds now, with its time.
    pub(crate) fn look(&mut self) -> Result<(), Trouble> {
        self.looks += 1;
        let name = format!("conntrack-{}.txt", self.looks);
        let hop = self.hop.clone();
        self.gather(Place::Hop, &hop, &name, || {
            let mut piece = gather::conntrack_even_empty(&Wanted::default())?;
            if piece.bytes.is_empty() {
                // That nothing was there is worth as much as what was.
                piece.bytes = b"# 0 flow entries have been shown.\n".to_vec();
            }
            Ok(piece)
        })
    }

    /// The box's entry of the connection that `client` opened.
    pub(crate) fn entry(&self, client: &End) -> Result<Option<Told>, Trouble> {
        let tuple = tuple_of(client.local, client.peer);
        self.hop.table()?.get(&tuple).doing(|| "asking for an entry".to_owned())
    }

    /// What the sockets of both ends are set to and how they stand.
    pub(crate) fn sockets(&mut self) -> Result<(), Trouble> {
        for (place, host) in self.hosts() {
            if place != Place::Hop {
                // A machine on which nothing is connected just now has none to show.
                match host.run("reading a dump", || Ok(gather::sockets()))? {
                    Ok(piece) => self.folder.dump(place, "ss.txt", &piece)?,
                    Err(_) => self.rest(0.0)?,
                }
            }
        }
        Ok(())
    }

    /// Ends the recording and gives back what was recorded.
    pub(crate) fn cut(&mut self) -> Result<Tapes, Trouble> {
        self.rest(A_MOMENT)?;
        let hop = self.hop.clone();
        self.gather(Place::Hop, &hop, "nstat-after.txt", gather::counters)?;
        self.gather(Place::Hop, &hop, "conntrack-stat-after.txt", gather::conntrack_counters)?;
        for (place, host) in self.hosts() {
            self.gather(place, &host, "links.txt", gather::links)?;
        }
        let mut recorded = Vec::new();
        for recorder in std::mem::take(&mut self.recorders) {
            recorded.extend(recorder.stop().doing(|| "recording".to_owned())?);
        }
        let dropped: u64 = recorded.iter().map(|r: &Recorded| r.dropped).sum();
        self.checks.that("the recorders lost no packet", dropped == 0, &recorded);
        let read = |place| Ok(Tape::read(&self.folder.read(place, capture_of(place))?));
        Ok(Tapes { client: read(Place::Client)?, server: read(Place::Server)? })
    }

    /// Gives up the folder, and what the programs' logs told.
    pub(crate) fn into_folder(self) -> (Folder, Checks, BySide) {
        let ends = |name: &str| {
            let journal = self.logs.get(name).and_then(|log| log.lock().ok());
            journal.map(|journal| journal.ends.clone()).unwrap_or_default()
        };
        let client = self.told.clone().unwrap_or_else(|| ends("app.log"));
        let told = BySide { client, server: ends("server.log") };
        (self.folder, self.checks, told)
    }
}

/// A log that is no evidence.
fn nobodys_log(plan: &Plan) -> Result<Log, Trouble> {
    let journal = Journal::begin(Path::new("/dev/null"), plan.client_style)
        .doing(|| "opening /dev/null".to_owned())?;
    Ok(Arc::new(Mutex::new(journal)))
}

/// The tuple of a TCP connection in the direction it was opened.
pub(crate) fn tuple_of(client: SocketAddr, server: SocketAddr) -> Tuple {
    Tuple {
        src: client.ip(),
        dst: server.ip(),
        sport: client.port(),
        dport: server.port(),
        proto: proto::TCP,
    }
}

const fn capture_of(place: Place) -> &'static str {
    match place {
        Place::Client => "client.pcapng",
        Place::Hop => "hop.pcapng",
        Place::Server => "server.pcapng",
    }
}

/// Now, as the recorders stamp.
pub(crate) fn now() -> Moment {
    clock::now()
}

/// The addresses a scenario speaks of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    /// The client.
    pub client: IpAddr,
    /// The box, outside.
    pub wan: IpAddr,
    /// The server.
    pub server: IpAddr,
}

impl Stage<'_> {
    /// They.
    pub(crate) fn addresses(&self) -> Addresses {
        Addresses {
            client: self.plan.lan.end(),
            wan: self.plan.wan.hop(),
            server: self.plan.wan.end(),
        }
    }

    /// Another client, in a network of its own behind the same box.
    pub(crate) fn neighbour(&self) -> Result<Host, Trouble> {
        let neighbour = Host::new("app-2")?;
        let side = self.plan.side;
        let ends = [
            Port { host: &neighbour, interface: ETH, address: side.end() },
            Port { host: &self.hop, interface: SIDE, address: side.hop() },
        ];
        let [a, b] = &ends;
        wire(a, b, side.prefix())?;
        neighbour.default_route(side.hop())?;
        Ok(neighbour)
    }

    /// Somebody on the server's own machine connects to its service; what it logs is no evidence.
    pub(crate) fn administrator(&self) -> Result<End, Trouble> {
        End::connect(&self.server, self.service(), None, &nobodys_log(&self.plan)?)
    }

    /// From now on nothing of TCP passes the box, or everything again; its table sees none of it.
    pub(crate) fn outage(&self, on: bool) -> Result<(), Trouble> {
        self.hop.rules(if on {
            "table inet outage { chain path { type filter hook prerouting priority -400; \
             meta l4proto tcp drop; }; }"
        } else {
            "delete table inet outage"
        })
    }

    /// Waits until a log has said this so many times.
    pub(crate) fn until_said(&self, log: &Path, words: &str, times: usize) -> Result<(), Trouble> {
        let until = now().plus(Gap::from_secs_f64(READY_S));
        while now() < until {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            if text.matches(words).count() >= times {
                return Ok(());
            }
            self.rest(0.05)?;
        }
        Err(Trouble::Broken(format!("{} never said \"{words}\"", log.display())))
    }

    /// How many connections to the service the server's machine holds open.
    pub(crate) fn talks(&self) -> Result<usize, Trouble> {
        let wanted = format!(":{:04X}", self.plan.port);
        self.server.run("reading its sockets", || {
            let mut count = 0;
            for table in ["tcp", "tcp6"] {
                let path = Path::new("/proc/thread-self/net").join(table);
                let text = std::fs::read_to_string(path).unwrap_or_default();
                for line in text.lines() {
                    let mut fields = line.split_whitespace().skip(1);
                    let local = fields.next().is_some_and(|local| local.ends_with(&wanted));
                    // The state ESTABLISHED of the kernel's `tcp_states.h`.
                    count += usize::from(local && fields.nth(1) == Some("01"));
                }
            }
            Ok(count)
        })
    }

    /// A folder for what is no evidence; it goes with the run.
    pub(crate) fn scratch(&mut self) -> Result<PathBuf, Trouble> {
        self.folder.scratch()
    }

    /// What the client's machine says to itself is recorded, too.
    pub(crate) fn loopback_too(&mut self) {
        self.more_taps.push((Place::Client, "lo"));
    }

    /// A wire from the server straight to the client, which nothing takes yet; recorded at both
    /// ends.
    pub(crate) fn second_path(&mut self) -> Result<SecondPath, Trouble> {
        let side = self.plan.side;
        let end = |host, address| Port { host, interface: SECOND, address };
        let (client, server) = (end(&self.client, side.end()), end(&self.server, side.other()));
        wire(&client, &server, side.prefix())?;
        self.more_taps.extend([(Place::Client, SECOND), (Place::Server, SECOND)]);
        Ok(SecondPath { gateway: side.end(), own: side.other(), interface: SECOND })
    }

    /// The neighbour connects to the server from this port. What it logs is no evidence.
    pub(crate) fn connect_from(&self, neighbour: &Host, port: u16) -> Result<End, Trouble> {
        let from = SocketAddr::new(self.plan.side.end(), port);
        End::connect(neighbour, self.service(), Some(from), &nobodys_log(&self.plan)?)
    }

    /// Connections to the service on the server's wire by now.
    pub(crate) fn wired_so_far(&self) -> Result<Vec<Wired>, Trouble> {
        Ok(self.tape_so_far()?.connections(self.service()))
    }

    /// What is changed for this run.
    pub(crate) fn measures(&self) -> &Measures {
        &self.measures
    }

    /// What the log of a client told that is a program of its own.
    pub(crate) fn tells(&mut self, ends: Ends) {
        self.told = Some(ends);
    }

    /// What the server's recorder has written by now.
    pub(crate) fn tape_so_far(&self) -> Result<Tape, Trouble> {
        Ok(Tape::read(&self.folder.read(Place::Server, capture_of(Place::Server))?))
    }

    /// Packets the box has counted INVALID so far (`/proc/net/stat/nf_conntrack`).
    pub(crate) fn invalid(&self) -> Result<u64, Trouble> {
        let text = self.hop.run("reading conntrack's counters", || {
            std::fs::read_to_string("/proc/thread-self/net/stat/nf_conntrack")
        })?;
        let mut lines = text.lines();
        let column =
            lines.next().and_then(|head| head.split_whitespace().position(|w| w == "invalid"));
        let column = column.ok_or_else(|| {
            Trouble::Missing("this kernel counts no INVALID packets in /proc/net/stat".to_owned())
        })?;
        let value = |line: &str| {
            line.split_whitespace().nth(column).and_then(|w| u64::from_str_radix(w, 16).ok())
        };
        Ok(lines.filter_map(value).sum())
    }

    /// Takes down the box's rules once more, with their counters.
    pub(crate) fn rules_again(&mut self) -> Result<(), Trouble> {
        self.rules("-after.txt")
    }

    /// Takes down the box's rules in files whose names end so.
    fn rules(&mut self, ending: &str) -> Result<(), Trouble> {
        let rules = self.hop.run("reading the rules", || Ok(gather::rules()))?;
        for piece in rules.into_iter().flatten() {
            let name = piece.file.replace(".txt", ending);
            self.folder.dump(Place::Hop, &name, &piece)?;
        }
        Ok(())
    }
}
