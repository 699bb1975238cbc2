//! Generated maps: clean ones in which no rule finds anything, and the same with one fault seeded,
//! which must be found by its rule, on its path, and by no other rule.

use super::*;
use crate::clocks::Catalogue;
use crate::map::inventory::{Beat, Hop, Inventory, Keepalive, Kind, Stated, Use};
use crate::map::job::Jobs;
use crate::map::settle::Sources;
use crate::map::snapshot::{Namespace, Snapshot, Sockets};
use crate::terms::Anchor;

/// Numbers that look drawn and are the same every time (Knuth's constants for 64 bits).
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn between(&mut self, low: u64, high: u64) -> f64 {
        (low + self.below(high - low + 1)) as f64
    }
}

fn stated(clock: Option<&str>, what: &str, anchor: Anchor, seconds: f64) -> Stated {
    Stated {
        clock: clock.map(str::to_owned),
        what: Some(what.to_owned()),
        seconds,
        anchor: Some(anchor),
        runs: None,
        stated_by: Some("its owner".to_owned()),
    }
}

fn hop(name: &str, kind: Kind, timers: Vec<Stated>) -> Hop {
    Hop {
        name: name.to_owned(),
        kind,
        snapshot: None,
        namespace: None,
        catalogue: Vec::new(),
        ends_tcp: None,
        pair: None,
        ping_at_least_s: None,
        timers,
    }
}

fn keepalive(kind: Beat, every_s: f64, by: &str) -> Keepalive {
    Keepalive { kind, every_s, by: Some(by.to_owned()) }
}

/// A map in order: a client, boxes that track, perhaps a proxy, more boxes, a server.
struct Clean {
    inventory: Inventory,
    snapshots: BTreeMap<String, Snapshot>,
    /// The shortest idle timer of its boxes.
    shortest_s: f64,
    proxied: bool,
}

/// The client as it was measured: its sockets to port 443 have keepalive.
fn client() -> Snapshot {
    let share = super::super::snapshot::Share { established: 4, with_keepalive: 4 };
    let sockets = Sockets {
        established: 5,
        with_keepalive: 4,
        to_port: BTreeMap::from([(443, share)]),
        at_port: BTreeMap::new(),
    };
    let namespace =
        Namespace { sockets: Some(sockets), tracks: Some(false), ..Namespace::default() };
    Snapshot {
        schema: super::super::snapshot::SCHEMA.to_owned(),
        at_ns: 0,
        host: "app".to_owned(),
        kernel: None,
        namespaces: vec![namespace],
        programs: Vec::new(),
        missing: Vec::new(),
    }
}

fn clean(seed: u64) -> Clean {
    let mut draw = Draw(seed);
    for _ in 0..8 {
        draw.below(2);
    }
    let proxied = draw.below(2) == 1;
    let mut hops = vec![hop("app", Kind::Client, Vec::new())];
    let mut shortest_s = f64::INFINITY;
    let boxes = 1 + draw.below(14);
    let proxy_at = draw.below(boxes + 1);
    for i in 0..=boxes {
        if proxied && i == proxy_at {
            let idle = stated(None, "idle timeout", Anchor::IdleApp, draw.between(200, 4000));
            hops.push(hop("proxy", Kind::Proxy, vec![idle]));
        }
        if i < boxes {
            let kind = [Kind::Nat, Kind::Firewall, Kind::Balancer][draw.below(3) as usize % 3];
            let idle = draw.between(60, 7440);
            shortest_s = shortest_s.min(idle);
            let mut timers = vec![stated(None, "idle timeout", Anchor::Idle, idle)];
            let closing = ("linux-ct-tcp-fin-wait", draw.between(100, 300));
            let waiting = ("linux-ct-tcp-unacknowledged", draw.between(130, 400));
            for (id, seconds) in [closing, waiting] {
                timers.push(stated(Some(id), id, Anchor::Idle, seconds));
            }
            hops.push(hop(&format!("box-{i}"), kind, timers));
        }
    }
    let age = stated(None, "maximum age", Anchor::Open, draw.between(3000, 90_000));
    let mut server = hop("upstream", Kind::Server, vec![age.clone()]);
    server.ping_at_least_s = Some(10.0);
    hops.push(server);
    let names: Vec<String> = hops.iter().map(|hop| hop.name.clone()).collect();
    let beat = if proxied { Beat::Heartbeat } else { Beat::Tcp };
    let path = Path {
        name: "events".to_owned(),
        hops: names,
        protocol: Some("grpc".to_owned()),
        port: Some(443),
        used: Use::Stream,
        // Half the shortest idle timer of any hop.
        keepalives: vec![keepalive(beat, shortest_s.min(200.0) / 2.0, "app")],
        silent_s: (draw.below(2) == 1).then_some(7200.0),
        speaks_first: None,
        half_close_s: Some(60.0),
        client_max_age_s: Some(age.seconds - 100.0),
    };
    if let Some(app) = hops.first_mut() {
        app.snapshot = Some("app.json".to_owned());
    }
    let inventory = Inventory {
        schema: super::super::inventory::SCHEMA.to_owned(),
        hops,
        paths: vec![path],
        accepted: Vec::new(),
    };
    let snapshots = BTreeMap::from([("app.json".to_owned(), client())]);
    Clean { inventory, snapshots, shortest_s, proxied }
}

fn tables() -> (Catalogue, Jobs) {
    (Catalogue::builtin().unwrap(), Jobs::builtin().unwrap())
}

fn linted(clean: &Clean, (catalogue, jobs): &(Catalogue, Jobs)) -> Linted {
    let map = Map::settle(Sources {
        inventory: &clean.inventory,
        snapshots: &clean.snapshots,
        catalogue,
        jobs,
    });
    assert_eq!(map.notes, Vec::<String>::new());
    lint(&map)
}

fn path(clean: &mut Clean) -> &mut Path {
    clean.inventory.paths.first_mut().unwrap()
}

fn named<'a>(clean: &'a mut Clean, name: &str) -> &'a mut Hop {
    clean.inventory.hops.iter_mut().find(|hop| hop.name == name).unwrap()
}

/// Seeds a fault, or says that this map has no place for it.
type Seed = fn(&mut Clean) -> bool;

const FAULTS: [(&str, Seed); 13] = [
    ("keepalive-late", |clean| {
        let late = clean.shortest_s + 10.0;
        let path = path(clean);
        path.silent_s = None;
        path.keepalives = vec![keepalive(Beat::Heartbeat, late.max(4100.0), "app")];
        true
    }),
    ("keepalive-not-counted", |clean| {
        // A timer of the application, behind a box that probes satisfy.
        let idle = stated(None, "application idle", Anchor::IdleApp, 30.0);
        path(clean).silent_s = None;
        named(clean, "upstream").timers.push(idle);
        let proxied = clean.proxied;
        if !proxied {
            path(clean).keepalives = vec![keepalive(Beat::Tcp, 20.0, "app")];
        }
        !proxied
    }),
    ("keepalive-does-not-pass", |clean| {
        let proxied = clean.proxied;
        if proxied {
            // Probes on the client's side only; on the server's side stands at least the proxy's
            // own timer, on the client's side data goes as well.
            named(clean, "proxy").timers.clear();
            named(clean, "proxy").timers.push(stated(None, "idle timeout", Anchor::Idle, 900.0));
            let path = path(clean);
            path.silent_s = None;
            path.keepalives = vec![keepalive(Beat::Tcp, 20.0, "app")];
        }
        proxied
    }),
    ("keepalive-missing", |clean| {
        let path = path(clean);
        path.keepalives.clear();
        path.silent_s = Some(8000.0);
        true
    }),
    ("keepalive-not-on-sockets", |clean| {
        let snapshot = clean.snapshots.get_mut("app.json").unwrap();
        let sockets = snapshot.namespaces.first_mut().unwrap().sockets.as_mut().unwrap();
        sockets.to_port.values_mut().for_each(|share| share.with_keepalive = 0);
        !clean.proxied
    }),
    ("ping-too-often", |clean| {
        let proxied = clean.proxied;
        path(clean).keepalives.push(keepalive(Beat::Http2Ping, 5.0, "app"));
        !proxied
    }),
    ("backend-lets-go-first", |clean| {
        let proxied = clean.proxied;
        if proxied {
            path(clean).used = Use::Requests;
            let idle = stated(None, "keep-alive", Anchor::IdleApp, 150.0);
            named(clean, "upstream").timers.push(idle);
        }
        proxied
    }),
    ("client-age-above-path", |clean| {
        path(clean).client_max_age_s = Some(100_000.0);
        true
    }),
    ("age-unplanned", |clean| {
        path(clean).client_max_age_s = None;
        true
    }),
    ("half-close-forgotten", |clean| {
        let idle =
            stated(Some("linux-ct-tcp-fin-wait"), "linux-ct-tcp-fin-wait", Anchor::Idle, 30.0);
        replace(named(clean, "box-0"), "linux-ct-tcp-fin-wait", idle);
        true
    }),
    ("unacknowledged-short", |clean| {
        let id = "linux-ct-tcp-unacknowledged";
        replace(named(clean, "box-0"), id, stated(Some(id), id, Anchor::Probe, 100.0));
        true
    }),
    ("unknown-clock", |clean| {
        let hop = named(clean, "box-0");
        hop.timers.retain(|timer| timer.clock.is_some());
        true
    }),
    ("pair-differs", |clean| {
        let mut twin = named(clean, "box-0").clone();
        twin.name = "box-0b".to_owned();
        twin.pair = Some("box-0".to_owned());
        twin.timers.first_mut().unwrap().seconds += 1.0;
        clean.inventory.hops.push(twin);
        true
    }),
];

fn replace(hop: &mut Hop, id: &str, timer: Stated) {
    hop.timers.retain(|timer| timer.clock.as_deref() != Some(id));
    hop.timers.push(timer);
}

#[test]
fn a_map_in_order_has_no_findings() {
    let tables = tables();
    for seed in 0..300 {
        let clean = clean(seed);
        assert_eq!(linted(&clean, &tables).findings, Vec::new(), "seed {seed}");
    }
}

#[test]
fn every_seeded_fault_is_found_by_its_rule_and_no_other() {
    let tables = tables();
    for (rule, seed_fault) in FAULTS {
        let mut seeded = 0;
        for seed in 0..300 {
            let mut clean = clean(seed);
            if !seed_fault(&mut clean) {
                continue;
            }
            seeded += 1;
            let found = linted(&clean, &tables).findings;
            assert!(!found.is_empty(), "{rule}, seed {seed}: not found");
            for finding in &found {
                assert_eq!(finding.rule, rule, "seed {seed}: {}", finding.says);
            }
        }
        assert!(seeded > 50, "{rule}: {seeded} maps had a place for it");
    }
}

#[test]
fn every_rule_has_a_fault_that_is_seeded() {
    let rules: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    let faults: Vec<&str> = FAULTS.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(rules, faults);
}

#[test]
fn an_accepted_finding_is_told_apart_and_one_that_is_gone_is_told() {
    let mut clean = clean(1);
    path(&mut clean).client_max_age_s = None;
    for rule in ["age-unplanned", "ping-too-often"] {
        clean.inventory.accepted.push(Accepted {
            rule: rule.to_owned(),
            path: Some("events".to_owned()),
            hop: None,
            reason: "the client reconnects within a second".to_owned(),
        });
    }
    let linted = linted(&clean, &tables());
    assert_eq!(linted.findings, Vec::new());
    let accepted: Vec<&str> = linted.accepted.iter().map(|(f, _)| f.rule).collect();
    assert_eq!(accepted, ["age-unplanned"]);
    let idle: Vec<&str> = linted.idle.iter().map(|a| a.rule.as_str()).collect();
    assert_eq!(idle, ["ping-too-often"]);
}
