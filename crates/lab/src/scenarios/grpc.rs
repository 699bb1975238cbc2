//! gRPC as people run it: servers in tonic and on gRPC's C core, whose clients are tonic's. What
//! ends a connection is the library's own, as it was told to be.

use std::fs;
use std::path::{Path, PathBuf};

use hopclock_core::time::Gap;

use crate::folder::Place;
use crate::journal::Ends;
use crate::program::{Order, Program, Writes};
use crate::scenario::Scenario;
use crate::scenarios::brokers::quiet_box;
use crate::stage::{Stage, now};
use crate::tape::{Away, Wired};
use crate::tool::Tool;
use crate::trouble::{Doing, Trouble};
use crate::truth::Truth;

const PROGRAM: &str = "hopclock-lab-grpc";
const TONIC: &[Tool] = &[Tool::built(PROGRAM)];
const CORE: &[Tool] = &[
    Tool::built(PROGRAM),
    Tool::file(
        "gRPC for Python",
        "python3-grpcio",
        "/usr/lib/python3/dist-packages/grpc/__init__.py",
    ),
];
/// Error codes (RFC 9113 §7): NO_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM.
const NO_ERROR: u32 = 0;
const INTERNAL: u32 = 2;
const CALM: u32 = 11;
/// Seconds between two events of a stream that is meant to be quiet.
const QUIET_S: f64 = 600.0;

/// A limit of age, in tonic.
pub(super) const TONIC_AGE: Scenario = Scenario {
    name: "tonic-max-connection-age",
    says: "tonic: at max_connection_age the server says GOAWAY, and closes when no call is under way; the next call opens a connection unasked",
    needs: TONIC,
    play: tonic_age,
};

/// The same with a grace.
pub(super) const TONIC_GRACE: Scenario = Scenario {
    name: "tonic-max-connection-age-grace",
    says: "tonic: with max_connection_age_grace there is no GOAWAY; once age and grace are over the server closes a busy stream with a FIN",
    needs: TONIC,
    play: tonic_grace,
};

/// A peer that does not answer, in tonic.
pub(super) const TONIC_KEEPALIVE: Scenario = Scenario {
    name: "tonic-keepalive-timeout",
    says: "tonic: a client that is stopped answers no PING and is dropped after http2_keepalive_interval and http2_keepalive_timeout",
    needs: TONIC,
    play: tonic_keepalive,
};

/// A limit of age, on the C core.
pub(super) const CORE_AGE: Scenario = Scenario {
    name: "grpc-max-connection-age",
    says: "gRPC's C core: GOAWAY at an age drawn for each connection, a tenth either way; a stream that goes on is cut off after the grace",
    needs: CORE,
    play: core_age,
};

/// An idle timer, on the C core.
pub(super) const CORE_IDLE: Scenario = Scenario {
    name: "grpc-max-connection-idle",
    says: "gRPC's C core: GOAWAY a while after the last call has ended, PINGs or not; the next call opens a connection unasked",
    needs: CORE,
    play: core_idle,
};

/// Pings that come too often.
pub(super) const CORE_PINGS: Scenario = Scenario {
    name: "grpc-too-many-pings",
    says: "gRPC's C core: a client that pings a quiet stream too often gets GOAWAY ENHANCE_YOUR_CALM, and again each time it is back",
    needs: CORE,
    play: core_pings,
};

/// Whether gRPC is played by a library here, and not by frames of the lab's own.
pub fn is_there() -> bool {
    TONIC.iter().all(Tool::is_there)
}

/// A server in tonic, told `words` besides where it listens.
pub(super) fn tonic(stage: &mut Stage<'_>, words: &str) -> Result<Program, Trouble> {
    let service = stage.service();
    // Below `info` tonic tells what it does to a connection, above it nothing.
    let log = if stage.plan.rng.bool() { "info,tonic=debug" } else { "info" };
    let order = Order {
        name: PROGRAM,
        script: format!("{PROGRAM} serve --listen {service} --log {log} {words}"),
        files: vec![],
        out: Writes::Nowhere,
        err: Writes::AsIs(stage.grows(Place::Server, "events.log")),
    };
    stage.starts(Place::Server, &order, service.port())
}

/// A server of the C core with these channel arguments and so many seconds between its events.
fn core(stage: &mut Stage<'_>, options: &[(&str, f64)], every_s: f64) -> Result<Program, Trouble> {
    let service = stage.service();
    let options: String =
        options.iter().map(|(name, value)| format!(" --option {name}={value:.0}")).collect();
    let order = Order {
        name: "grpc_server.py",
        script: format!(
            "GRPC_VERBOSITY=INFO /usr/bin/python3 -B grpc_server.py --listen {service} --every {every_s} \
             {options}"
        ),
        files: vec![("grpc_server.py", include_str!("grpc_server.py").to_owned())],
        out: Writes::Nowhere,
        err: Writes::AsIs(stage.grows(Place::Server, "events.log")),
    };
    stage.starts(Place::Server, &order, service.port())
}

/// A client in tonic at work, and its log.
pub(super) struct Client {
    program: Program,
    log: PathBuf,
}

impl Client {
    /// One that is told `words`, and what this run changes.
    pub(super) fn start(stage: &mut Stage<'_>, words: &str) -> Result<Self, Trouble> {
        let log = stage.grows(Place::Client, "stream.log");
        let order = order(stage, words, &log);
        let program = Program::start(&stage.client, &order)?;
        stage.until_said(&log, "connected to", 1)?;
        Ok(Self { program, log })
    }

    fn said(&self) -> Result<String, Trouble> {
        fs::read_to_string(&self.log).doing(|| "reading the client's log".to_owned())
    }

    /// How many events have arrived.
    pub(super) fn events(&self) -> Result<usize, Trouble> {
        Ok(self.said()?.matches(" received ").count())
    }

    /// What its log told of its connections.
    pub(super) fn told(&self) -> Result<Ends, Trouble> {
        let text = self.said()?;
        let lost = || text.lines().filter_map(|line| Some(line.split_once(" lost: ")?.1));
        let count = |words: &str| u32::try_from(text.matches(words).count()).unwrap_or(u32::MAX);
        Ok(Ends {
            opened: count(" connected to "),
            lost: count(" lost: ") + count(" ended"),
            first: lost().next().map(str::to_owned),
            lived_s: None,
        })
    }
}

fn order(stage: &mut Stage<'_>, words: &str, log: &Path) -> Order {
    let told = ["display", "debug", "chain"][stage.plan.rng.usize(0..3)];
    let (to, seed) = (stage.service(), stage.plan.rng.u32(..));
    let measures = stage.measures();
    let changed: String = [
        ("--tcp-keepalive", measures.keepalive_s),
        ("--user-timeout", measures.user_timeout_s),
        ("--ping", measures.heartbeat_s),
    ]
    .iter()
    .filter_map(|(word, seconds)| Some(format!(" {word} {}", (*seconds)?)))
    .collect();
    Order {
        name: PROGRAM,
        script: format!(
            "{PROGRAM} watch --to {to} --told {told} --seed {seed} --log info,{}=debug {words} \
             {changed}",
            PROGRAM.replace('-', "_")
        ),
        files: vec![],
        out: Writes::Nowhere,
        err: Writes::AsIs(log.to_owned()),
    }
}

/// Looks at everything once, waits until so many connections are over on the server's wire, and
/// gives back those.
fn watched(
    stage: &mut Stage<'_>,
    client: &Client,
    (lives, seconds): (usize, f64),
) -> Result<Vec<Wired>, Trouble> {
    let until = now().plus(Gap::from_secs_f64(seconds));
    stage.rest(1.0)?;
    stage.look()?;
    stage.sockets()?;
    let over = |all: &[Wired]| all.iter().filter(|wired| wired.over.is_some()).count();
    while over(&stage.wired_so_far()?) < lives && now() < until {
        stage.rest(0.25)?;
    }
    stage.look()?;
    let tape = stage.cut()?.server;
    let mut all = tape.connections(stage.service());
    all.retain(|wired| wired.over.is_some());
    let says = format!("{lives} connections end, one after the other");
    stage.checks.that(&says, all.len() >= lives, &all);
    let told = client.told()?;
    stage.tells(told);
    Ok(all)
}

impl Stage<'_> {
    /// Every connection was ended by the server, with a FIN.
    fn by_server(&mut self, all: &[Wired]) {
        let fin = all.iter().all(|w| w.over.is_some_and(|over| over.by_server && !over.reset));
        self.checks.that("the server's FIN comes first each time", fin, all);
    }

    /// Before each end the server said GOAWAY, and this.
    fn said_away(&mut self, all: &[Wired], code: u32, text: &str) {
        let said = |away: &Away| away.by_server && away.code == code && away.text.contains(text);
        let each = all.iter().all(|wired| wired.away.iter().any(said));
        self.checks.that(&format!("each time the server says GOAWAY {text}"), each, all);
    }
}

fn ages(all: &[Wired]) -> Vec<f64> {
    all.iter().filter_map(Wired::age).collect()
}

/// Seconds from the opening to the first GOAWAY.
fn announced(all: &[Wired]) -> Vec<f64> {
    all.iter().filter_map(|w| Some(w.away.first()?.at.since(w.opened).secs_f64())).collect()
}

/// How far apart the least and the most of these are.
fn spread(seconds: &[f64]) -> f64 {
    let most = seconds.iter().copied().fold(f64::MIN, f64::max);
    most - seconds.iter().copied().fold(f64::MAX, f64::min)
}

fn tonic_age(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let age_s = f64::from(stage.plan.timer_s);
    quiet_box(stage)?;
    let server = tonic(stage, &format!("--max-connection-age {age_s}"))?;
    let client = Client::start(stage, "--ask 0.3")?;
    let lives = stage.plan.rng.usize(5..=6);
    let all = watched(stage, &client, (lives, age_s * 12.0))?;
    stage.checks.lasted("each lives to one age", &ages(&all), (age_s - 0.3, age_s + 1.5));
    stage.said_away(&all, NO_ERROR, "");
    drop((client.program, server));
    Ok(Truth {
        // After a GOAWAY both close.
        signed_by: None,
        ..Truth::clock(("max-age-server", "age"), "open", age_s, "server")
            .set("max_connection_age", age_s)
    })
}

fn tonic_grace(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let (age_s, grace_s) = (f64::from(stage.plan.timer_s), f64::from(stage.plan.rng.u32(1..=2)));
    let limit = age_s + grace_s;
    quiet_box(stage)?;
    let words = format!("--max-connection-age {age_s} --max-connection-age-grace {grace_s}");
    let server = tonic(stage, &words)?;
    let client = Client::start(stage, "")?;
    let lives = stage.plan.rng.usize(5..=6);
    let all = watched(stage, &client, (lives, limit * 12.0))?;
    let says = "each lives to age and grace together";
    stage.checks.lasted(says, &ages(&all), (limit - 0.3, limit + 1.5));
    stage.by_server(&all);
    let silent = all.iter().all(|wired| wired.away.is_empty());
    stage.checks.that("nobody says GOAWAY before", silent, &all);
    drop((client.program, server));
    Ok(Truth::clock(("max-age-server", "age"), "open", limit, "server")
        .set("max_connection_age, max_connection_age_grace", format!("{age_s}, {grace_s}")))
}

fn tonic_keepalive(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let (every_s, timeout_s) = (1.0, f64::from(stage.plan.rng.u32(2..=3)));
    quiet_box(stage)?;
    let words = format!("--keepalive-interval {every_s} --keepalive-timeout {timeout_s}");
    let server = tonic(stage, &words)?;
    let client = Client::start(stage, "")?;
    let mut waits = Vec::new();
    // A program hangs whenever it likes: no age tells.
    let mut moments = [0.5, 3.0, 6.0, 10.0, 15.0];
    stage.plan.rng.shuffle(&mut moments);
    for (round, moment) in moments.into_iter().enumerate() {
        stage.pause(moment, moment + 1.5)?;
        if round == 1 {
            stage.look()?;
            stage.sockets()?;
        }
        client.program.signal("STOP")?;
        let stopped = now();
        while stage.talks()? > 0 && now().since(stopped).secs_f64() < 20.0 {
            stage.rest(0.1)?;
        }
        waits.push(now().since(stopped).secs_f64());
        stage.pause(0.3, 1.5)?;
        client.program.signal("CONT")?;
        stage.until_said(&client.log, "connected to", round + 2)?;
    }
    let span = (timeout_s - 0.3, every_s + timeout_s + 1.5);
    stage.checks.lasted("the server drops it when a PING was not answered in time", &waits, span);
    stage.look()?;
    let all = stage.cut()?.server.connections(stage.service());
    let over: Vec<Wired> = all.into_iter().filter(|wired| wired.over.is_some()).collect();
    stage.by_server(&over);
    let told = client.told()?;
    let lost = told.lost as usize;
    stage.checks.that(
        "going on, the client finds its connection closed",
        lost == moments.len(),
        &told,
    );
    stage.tells(told);
    drop((client.program, server));
    Ok(Truth {
        tolerance_s: Some(every_s),
        ..Truth::clock(("heartbeat-missed", "protocol"), "probe", every_s + timeout_s, "server")
            .set("http2_keepalive_timeout", timeout_s)
    })
}

fn core_age(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let (age_s, grace_s) = (f64::from(stage.plan.timer_s + 2), 1.0);
    quiet_box(stage)?;
    let options = [
        ("grpc.max_connection_age_ms", age_s * 1e3),
        ("grpc.max_connection_age_grace_ms", grace_s * 1e3),
    ];
    let server = core(stage, &options, 0.25)?;
    let client = Client::start(stage, "")?;
    let all = watched(stage, &client, (6, age_s * 12.0))?;
    let announced = announced(&all);
    let span = (age_s * 0.9 - 0.2, age_s * 1.1 + 0.5);
    stage.checks.lasted("GOAWAY comes within a tenth of the age", &announced, span);
    let apart = spread(&announced);
    stage.checks.that("and at another age each time", apart > 0.03 * age_s, &announced);
    stage.said_away(&all, NO_ERROR, "");
    let graces: Vec<f64> =
        ages(&all).iter().zip(&announced).map(|(age, away)| age - away).collect();
    let span = (grace_s - 0.3, grace_s + 1.0);
    stage.checks.lasted("the stream is cut off after the grace", &graces, span);
    drop((client.program, server));
    Ok(Truth {
        tolerance_s: Some(age_s * 0.1 + grace_s),
        ..Truth::clock(("max-age-server", "age"), "open", age_s, "server")
            .set("MAX_CONNECTION_AGE, MAX_CONNECTION_AGE_GRACE", format!("{age_s}, {grace_s}"))
    })
}

fn core_idle(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let idle_s = f64::from(stage.plan.rng.u32(2..=3));
    quiet_box(stage)?;
    let server = core(stage, &[("grpc.max_connection_idle_ms", idle_s * 1e3)], 0.25)?;
    let client = Client::start(stage, &format!("--ask {}", 2.0 * idle_s + 1.0))?;
    let all = watched(stage, &client, (6, 90.0))?;
    let says = "GOAWAY comes once no call was under way for that long";
    let since_last: Vec<f64> = all.iter().filter_map(Wired::announced_after).collect();
    // The C core looks again when a timer of that length runs out, which may be late by as much.
    stage.checks.lasted(says, &since_last, (idle_s - 0.3, 2.0 * idle_s + 1.0));
    stage.said_away(&all, INTERNAL, "enter idle");
    drop((client.program, server));
    Ok(Truth {
        // After a GOAWAY both close.
        signed_by: None,
        tolerance_s: Some(idle_s),
        ..Truth::clock(("server-idle-timeout", "idle"), "idle-app", idle_s, "server")
            .set("MAX_CONNECTION_IDLE", idle_s)
    })
}

fn core_pings(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let every_s = f64::from(stage.plan.rng.u32(1..=2));
    quiet_box(stage)?;
    let server = core(stage, &[], QUIET_S)?;
    let client = Client::start(stage, &format!("--ping {every_s} --ping-timeout 5"))?;
    let all = watched(stage, &client, (5, 60.0))?;
    stage.said_away(&all, CALM, "");
    let span = (every_s * 2.0, every_s * 6.0 + 1.0);
    stage.checks.lasted("after a few of its PINGs", &ages(&all), span);
    drop((client.program, server));
    Ok(Truth {
        interval_s: None,
        tolerance_s: None,
        ..Truth::clock(("ping-abuse-goaway", "protocol"), "count", 0.0, "server")
            .set("http2.min_ping_interval_without_data_ms", 300_000)
    })
}
