//! A small world of which everything is known: connections through a translating box between two
//! captures, losses, forged resets, two clocks. What [`super::align`] says is held against it.

mod world;

use super::*;
use crate::terms::Side;
use world::{Captured, Kind, Plan, World};

fn worlds(plan: Plan) -> impl Iterator<Item = (World, Captured, Path)> {
    (1..=6).map(move |seed| {
        let world = World::new(Plan { seed, ..plan });
        let captured = world.capture();
        let [a, b] = &captured.points;
        let path = align(a, b);
        (world, captured, path)
    })
}

/// Every connection has its own counterpart, and no other.
fn pairs_are_right(world: &World, path: &Path) {
    assert_eq!(path.paired, world.connections.len() as u64);
    for pair in &path.connections {
        let [one, other] = &pair.views;
        let (client, server) = (one.client, one.server);
        let of = world.connections.iter().find(|c| c.inside == (client, server));
        assert_eq!((other.client, other.server), of.unwrap().outside, "{client} {server}");
    }
}

/// The true clock is within the bounds wherever they are asked for.
fn clock_is_bounded(world: &World, path: &Path) {
    let clock = path.clock.as_ref().unwrap();
    let true_offset = |at: Moment| world.offset_at(at.ns());
    let off = (true_offset(clock.at_ns) - clock.offset_ns as f64).abs();
    assert!(off <= clock.error_ns.unwrap() as f64, "{off} {clock:?}");
    let (least, most) = clock.skew_range_ppm.unwrap();
    let skew = world.plan.skew_ppm;
    assert!(least <= skew && skew <= most, "{least} {skew} {most}");
    let (first, last) = (path.points[0].first_ns, path.points[0].last_ns);
    for at in [first, last] {
        let (low, high) = clock.range_at(at);
        let truth = true_offset(at);
        assert!(low as f64 - 1.0 <= truth && truth <= high as f64 + 1.0, "{low} {truth} {high}");
    }
    assert!(clock.steady);
    // In the middle of so many packets the bound is near half of the shortest round trip.
    let error = clock.error_ns.unwrap() as f64;
    let trip = clock.round_trip_ns.unwrap() as f64;
    assert!(error <= trip, "{error} {trip}");
}

/// No packet is said to have another fate than it had; gives how many were told right, and how many
/// of the lost and made ones were not recognised.
fn fates_are_true(captured: &Captured, path: &Path) -> (u64, u64) {
    let (mut right, mut silent) = (0, 0);
    for told in path.connections.iter().flat_map(|pair| &pair.told) {
        let truth = captured.truth(told.packets);
        match (told.fate, truth) {
            (Fate::Unclear | Fate::Uncovered, Kind::Lost | Kind::Made) => silent += 1,
            (Fate::Unclear | Fate::Uncovered, _) => {}
            (Fate::Both, kind) => assert_eq!(kind, Kind::Both, "{told:?}"),
            (Fate::Lost, kind) => {
                assert_eq!(kind, Kind::Lost, "{told:?}");
                right += 1;
            }
            (Fate::Made, kind) => {
                assert_eq!(kind, Kind::Made, "{told:?}");
                right += 1;
            }
            (Fate::Missed, kind) => {
                assert_eq!(kind, Kind::Missed, "{told:?}");
                right += 1;
            }
        }
    }
    (right, silent)
}

#[test]
fn connections_behind_a_translation_with_random_ports_are_paired() {
    for (world, captured, path) in worlds(Plan::default()) {
        pairs_are_right(&world, &path);
        clock_is_bounded(&world, &path);
        assert_eq!(path.nearer_client, Some(0));
        assert_eq!((path.packets.lost, path.packets.made, path.packets.missed), (0, 0, 0));
        assert_eq!(path.rewritten, 0);
        assert_eq!(path.translations.len(), 5, "one for each client");
        let of_all: u64 = path.translations.iter().map(|t| t.connections).sum();
        assert_eq!(of_all, world.connections.len() as u64);
        let outside = "203.0.113.1".parse::<std::net::IpAddr>().unwrap();
        assert!(path.translations.iter().all(|t| t.to == outside && t.ports_changed > 0));
        fates_are_true(&captured, &path);
    }
}

#[test]
fn what_is_lost_between_is_lost_and_what_a_capture_missed_is_missed() {
    let plan = Plan { loss: 0.02, missed: [0.01, 0.01], snaplen: [96, 4096], ..Plan::default() };
    for (world, captured, path) in worlds(plan) {
        pairs_are_right(&world, &path);
        clock_is_bounded(&world, &path);
        let (right, _) = fates_are_true(&captured, &path);
        assert!(right > 20, "{right}");
        assert!(path.packets.lost > 10, "{:?}", path.packets);
        assert!(path.points[0].missed > 5 && path.points[1].missed > 5, "{:?}", path.points);
    }
}

#[test]
fn numbers_that_a_box_rewrites_are_noticed() {
    for digests in [true, false] {
        let plan = Plan { rewrites: true, missed: [0.01, 0.0], digests, ..Plan::default() };
        for (world, _, path) in worlds(plan) {
            pairs_are_right(&world, &path);
            clock_is_bounded(&world, &path);
            assert_eq!(path.rewritten, path.paired);
            for pair in &path.connections {
                let client = pair.views[0].client;
                let of = world.connections.iter().find(|c| c.inside.0 == client).unwrap();
                let rewrites = pair.rewrites.unwrap();
                assert_eq!((rewrites.client, rewrites.server), of.delta);
            }
        }
    }
}

#[test]
fn a_reset_made_between_is_told_from_one_that_came_the_whole_way() {
    let plan = Plan { forged: 4, aborted: 4, ..Plan::default() };
    for (world, captured, path) in worlds(plan) {
        pairs_are_right(&world, &path);
        let (_, silent) = fates_are_true(&captured, &path);
        assert_eq!(silent, 0);
        let resets = |fate: Fate, by: Side| {
            let all = path.connections.iter().flat_map(|p| &p.told);
            all.filter(|t| t.flags.contains('R') && t.fate == fate && t.by == by).count()
        };
        assert_eq!(resets(Fate::Made, Side::Server), 4);
        assert_eq!(resets(Fate::Made, Side::Client), 4);
        assert_eq!(resets(Fate::Both, Side::Server), 4);
    }
}

#[test]
fn captures_that_begin_in_the_middle_are_paired_all_the_same() {
    let plan = Plan { from: [0.3, 0.0], to: [1.0, 0.8], ..Plan::default() };
    for (world, captured, path) in worlds(plan) {
        fates_are_true(&captured, &path);
        clock_is_bounded(&world, &path);
        assert_eq!((path.packets.lost, path.packets.made), (0, 0), "{:?}", path.packets);
        let shared = captured.shared_connections();
        assert_eq!(path.paired, shared, "of {}", world.connections.len());
    }
}

#[test]
fn packets_that_leave_untranslated_are_named() {
    let plan = Plan { untranslated: 3, ..Plan::default() };
    for (world, _, path) in worlds(plan) {
        pairs_are_right(&world, &path);
        let of_some = path.connections.iter().filter(|p| p.packets.untranslated > 0).count();
        assert_eq!(of_some, 3, "{:?}", path.packets);
    }
}

#[test]
fn a_capture_of_both_sides_of_the_box_is_taken_from_the_side_of_the_other() {
    let plan = Plan { both_sides: true, aborted: 2, ..Plan::default() };
    for (world, captured, path) in worlds(plan) {
        assert_eq!(path.paired, world.connections.len() as u64);
        clock_is_bounded(&world, &path);
        fates_are_true(&captured, &path);
        assert_eq!(path.translations, [], "it has the connections as the client does, too");
        assert_eq!((path.packets.untranslated, path.packets.at_one()), (0, 0));
        assert!(path.connections.iter().all(|pair| pair.translates.is_none()));
    }
}

#[test]
fn which_capture_is_named_first_makes_no_difference() {
    let plan = Plan { loss: 0.01, forged: 2, ..Plan::default() };
    for (_, captured, path) in worlds(plan) {
        let [a, b] = &captured.points;
        let turned = align(b, a);
        assert_eq!(turned.paired, path.paired);
        assert_eq!(turned.nearer_client, Some(1));
        assert_eq!(
            (turned.packets.lost, turned.packets.made),
            (path.packets.lost, path.packets.made)
        );
        let (one, other) = (path.clock.unwrap(), turned.clock.unwrap());
        assert!((one.skew_ppm + other.skew_ppm).abs() < 0.1);
    }
}

#[test]
fn a_clock_that_was_set_is_cut_and_said_to_be() {
    let plan = Plan { step_ns: 30_000_000, ..Plan::default() };
    for (world, _, path) in worlds(plan) {
        pairs_are_right(&world, &path);
        let clock = path.clock.unwrap();
        assert!(!clock.steady);
        for at in [path.points[0].first_ns, path.points[0].last_ns] {
            let (low, high) = clock.range_at(at);
            let truth = world.offset_at(at.ns());
            assert!(low as f64 <= truth && truth <= high as f64, "{low} {truth} {high}");
        }
    }
}

#[test]
fn strangers_are_not_paired() {
    let one = World::new(Plan { seed: 1, ..Plan::default() }).capture();
    let other = World::new(Plan { seed: 2, ..Plan::default() }).capture();
    let path = align(&one.points[0], &other.points[1]);
    assert_eq!(path.paired, 0);
    assert_eq!(path.clock, None);
    let nothing = PointReader::new().finish("none", &[], false);
    assert_eq!(align(&nothing, &one.points[0]).paired, 0);
}
