//! One scenario being played: a path client, box, server, its recorders, its programs, its time.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hopclock_core::conntrack::packet::{Tuple, proto};
use hopclock_core::time::Moment;
use hopclock_live::clock;
use hopclock_live::gather::{self, Missing, Piece, Wanted};
use hopclock_live::netlink::conntrack::Told;
use hopclock_live::record::{Options, Recorded, Recorder, Tap};

use crate::checks::Checks;
use crate::draw::Plan;
use crate::ends::{End, Heard, Listener, Log};
use crate::folder::{Folder, Place};
use crate::journal::Journal;
use crate::net::{Host, Port, wire};
use crate::rules::Setup;
use crate::tape::Tape;
use crate::trouble::{Doing, Trouble};

/// How often a waiting scenario looks whether it shall stop.
const SLICE: Duration = Duration::from_millis(50);
/// Time for a packet to cross three namespaces on a busy machine.
pub(crate) const A_MOMENT: f64 = 0.5;

/// The interfaces of the box.
pub(crate) const LAN: &str = "lan0";
pub(crate) const WAN: &str = "wan0";
/// The interface of the box to a second network inside.
pub(crate) const SIDE: &str = "side0";
/// The one interface of an end.
pub(crate) const ETH: &str = "eth0";

/// What was recorded on each machine.
#[derive(Debug)]
pub(crate) struct Tapes {
    pub client: Tape,
    pub server: Tape,
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
    client_log: Log,
    server_log: Log,
    recorders: Vec<Recorder>,
    looks: u32,
    stop: &'a AtomicBool,
}

impl<'a> Stage<'a> {
    /// Builds the path, without rules and without recording; [`Stage::set`] does that.
    pub(crate) fn build(
        plan: Plan,
        mut folder: Folder,
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
        let mut log = |place, name, style| {
            let path = folder.file(place, name);
            let journal =
                Journal::begin(&path, style).doing(|| format!("beginning {}", path.display()))?;
            Ok::<_, Trouble>(Arc::new(Mutex::new(journal)))
        };
        let client_log = log(Place::Client, "app.log", plan.client_style)?;
        let server_log = log(Place::Server, "server.log", plan.server_style)?;
        Ok(Self {
            plan,
            checks: Checks::default(),
            client,
            hop,
            server,
            folder,
            client_log,
            server_log,
            recorders: Vec::new(),
            looks: 0,
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
            let taps = host.run("opening packet sockets", || {
                if place == Place::Hop {
                    Ok(vec![Tap::open(LAN)?, Tap::open(WAN)?])
                } else {
                    Ok(vec![Tap::open(ETH)?])
                }
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
            let left = until - clock::monotonic().ns();
            if left <= 0 {
                return Ok(());
            }
            let slice = Duration::from_nanos(left.cast_unsigned()).min(SLICE);
            std::thread::sleep(slice);
        }
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

    /// The server listens.
    pub(crate) fn listen(&self) -> Result<Listener, Trouble> {
        Listener::open(&self.server, self.service(), &self.server_log)
    }

    /// The client connects to `to`.
    pub(crate) fn connect(&self, to: SocketAddr) -> Result<End, Trouble> {
        End::connect(&self.client, to, None, &self.client_log)
    }

    /// A connection with both its ends, and a first word in each direction.
    pub(crate) fn open(&self) -> Result<(End, End), Trouble> {
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
                self.gather(place, &host, "ss.txt", gather::sockets)?;
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
        let mut recorded = Vec::new();
        for recorder in std::mem::take(&mut self.recorders) {
            recorded.extend(recorder.stop().doing(|| "recording".to_owned())?);
        }
        let dropped: u64 = recorded.iter().map(|r: &Recorded| r.dropped).sum();
        self.checks.that("the recorders lost no packet", dropped == 0, &recorded);
        let read = |place| Ok(Tape::read(&self.folder.read(place, capture_of(place))?));
        Ok(Tapes { client: read(Place::Client)?, server: read(Place::Server)? })
    }

    /// Gives up the folder.
    pub(crate) fn into_folder(self) -> (Folder, Checks) {
        (self.folder, self.checks)
    }
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

    /// The neighbour connects to the server from this port. What it logs is no evidence.
    pub(crate) fn connect_from(&self, neighbour: &Host, port: u16) -> Result<End, Trouble> {
        let journal = Journal::begin(Path::new("/dev/null"), self.plan.client_style)
            .doing(|| "opening /dev/null".to_owned())?;
        let from = SocketAddr::new(self.plan.side.end(), port);
        End::connect(neighbour, self.service(), Some(from), &Arc::new(Mutex::new(journal)))
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
