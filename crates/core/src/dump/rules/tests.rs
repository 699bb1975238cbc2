//! Listings as the tools print them, and what follows for packets.

use super::ask::{Asked, Does};
use super::*;

const NFT: &str = include_str!("samples/nft.txt");

const IPTABLES: &str = include_str!("samples/iptables.txt");

fn tcp(state: CtState, flags: u8) -> Asked<'static> {
    Asked {
        v6: false,
        src: "192.0.2.7".parse().ok(),
        dst: "198.51.100.9".parse().ok(),
        sport: Some(40_000),
        dport: Some(443),
        protocol: Some(6),
        flags: Some(flags),
        state: Some(state),
        iif: Some("lan0"),
        oif: Some("wan0"),
    }
}

fn does(ruled: &[ask::Ruled]) -> Vec<(Does, Option<u64>)> {
    ruled.iter().map(|r| (r.does, r.line)).collect()
}

#[test]
fn nft_is_read_with_hooks_policies_and_lines() {
    let rules = Rules::read(NFT);
    let told: Vec<_> = rules
        .chains
        .iter()
        .map(|c| (c.name.as_str(), c.line, c.base.map(|b| (b.hook, b.priority, b.accepts))))
        .collect();
    let base = |hook, priority, accepts| Some((hook, Some(priority), accepts));
    let expected = [
        ("nat", 9, base(Hook::Postrouting, 100, true)),
        ("input", 16, base(Hook::Input, 0, false)),
        ("broken", 23, None),
        ("forward", 28, base(Hook::Forward, 10, true)),
        ("pre", 38, None),
    ];
    assert_eq!(told, expected);
    assert_eq!(rules.skipped, 0);
    let broken = &rules.chains[2].rules[0];
    let text = "tcp flags & (fin | syn | rst | ack) != syn reject with tcp reset";
    assert_eq!((broken.line, broken.text.as_str(), broken.counter), (24, text, Some((3, 120))));
    assert_eq!(broken.matches[0], Match { not: true, on: On::Flags { mask: 0x17, is: 2 } });
    assert_eq!(broken.act, Act::Reset);
    let forward = &rules.chains[3].rules;
    assert!(forward[0].asks_for(CtState::New) && !forward[1].asks_for(CtState::Established));
    assert_eq!(forward[0].matches[1].on, On::Flags { mask: 2, is: 0 });
    assert_eq!(forward[2].not_understood(), None, "{:?}", forward[2]);
    assert_eq!(forward[3].act, Act::Refuse);
    assert_eq!(forward[4].not_understood(), Some("queue num 4"));
}

#[test]
fn packets_meet_the_rules_of_nft() {
    let rules = Rules::read(NFT);
    let drops = |line| vec![(Does::Drops, Some(line))];
    let ask = |hook, state, flags| does(&rules.filter(hook, &tcp(state, flags)));
    assert_eq!(ask(Hook::Input, CtState::Invalid, 16), [(Does::Resets, Some(24))]);
    // The chain that is jumped to lets it return, and no other rule takes it.
    assert_eq!(ask(Hook::Input, CtState::Invalid, 2), drops(16));
    assert_eq!(ask(Hook::Input, CtState::Established, 16), [(Does::Passes, Some(19))]);
    assert_eq!(ask(Hook::Forward, CtState::New, 16), drops(29));
    assert_eq!(ask(Hook::Forward, CtState::New, 2), [(Does::Passes, Some(28))]);
    let unsure = ask(Hook::Forward, CtState::Invalid, 16);
    assert_eq!(unsure, [(Does::NotUnderstood, Some(33)), (Does::Passes, Some(28))]);
    let mut ping = tcp(CtState::New, 0);
    (ping.protocol, ping.flags) = (Some(1), None);
    let ping = does(&rules.filter(Hook::Input, &ping));
    assert_eq!(ping, [(Does::Drops, Some(16)), (Does::Passes, Some(18))]);
}

#[test]
fn translations_are_told_as_far_as_they_are_sure() {
    let rules = Rules::read(NFT);
    let mut asked = tcp(CtState::New, 2);
    let all = rules.translation(Hook::Postrouting, &asked);
    let [set, masquerade] = all.as_slice() else { panic!("{all:?}") };
    // Whether the set holds the address is not known.
    assert_eq!((masquerade.does, masquerade.line), (Does::Passes, Some(10)));
    let Does::Translates(to) = set.does else { panic!("{set:?}") };
    assert_eq!((to.kind, to.fully_random), (TranslationKind::Masquerade, true));
    asked.sport = Some(1500);
    let all = rules.translation(Hook::Postrouting, &asked);
    let Some(Does::Translates(to)) = all.first().map(|r| r.does) else { panic!("{all:?}") };
    assert_eq!(to.ports, Some((2000, 2999)));
    assert_eq!(to.addresses.map(|a| a.0), "198.51.100.1".parse().ok());
    assert!(to.persistent && to.kind == TranslationKind::Source);
    asked.oif = Some("lan0");
    let all = rules.translation(Hook::Postrouting, &asked);
    assert_eq!(does(&all), [(Does::Passes, Some(10))]);
}

#[test]
fn packets_meet_the_rules_of_iptables() {
    let rules = Rules::read(IPTABLES);
    assert_eq!(rules.skipped, 0);
    let ask = |hook, state, flags| does(&rules.filter(hook, &tcp(state, flags)));
    assert_eq!(ask(Hook::Forward, CtState::Invalid, 16), [(Does::Drops, Some(18))]);
    assert_eq!(ask(Hook::Forward, CtState::New, 16), [(Does::Resets, Some(14))]);
    assert_eq!(ask(Hook::Forward, CtState::New, 2), [(Does::Passes, Some(15))]);
    assert_eq!(ask(Hook::Input, CtState::Invalid, 16), [(Does::Passes, Some(10))]);
    let out = rules.translation(Hook::Postrouting, &tcp(CtState::New, 2));
    let [ask::Ruled { does: Does::Translates(to), line: Some(7) }] = out.as_slice() else {
        panic!("{out:?}")
    };
    assert_eq!((to.kind, to.fully_random), (TranslationKind::Masquerade, true));
    let mut inward = tcp(CtState::New, 2);
    (inward.dst, inward.iif) = ("198.51.100.1".parse().ok(), Some("wan7"));
    let to = rules.translation(Hook::Prerouting, &inward);
    let Some(Does::Translates(to)) = to.first().map(|r| r.does) else { panic!("{to:?}") };
    assert_eq!(
        (to.addresses.map(|a| a.0), to.ports),
        ("192.0.2.7".parse().ok(), Some((8443, 8443)))
    );
    inward.dport = Some(9000);
    assert_eq!(does(&rules.tracked(Hook::Prerouting, &inward)), [(Does::Untracks, Some(22))]);
    inward.dport = None;
    assert_eq!(rules.tracked(Hook::Prerouting, &inward).len(), 2);
}

#[test]
fn flags_are_read_however_they_are_spelt() {
    let flags = |words: &str| {
        let text = format!("table ip t {{\nchain c {{\ntcp flags {words} drop\n}}\n}}\n");
        let rules = Rules::read(&text);
        let rule = &rules.chains[0].rules[0];
        assert_eq!(rule.act, Act::Drop, "{words}");
        match rule.matches[0] {
            Match { not, on: On::Flags { mask, is } } => (not, mask, is),
            ref other => panic!("{words}: {other:?}"),
        }
    };
    assert_eq!(flags("syn"), (true, 2, 0));
    assert_eq!(flags("! syn"), (false, 2, 0));
    assert_eq!(flags("!= syn"), (true, 0xff, 2));
    assert_eq!(flags("syn / fin,syn,rst,ack"), (false, 0x17, 2));
    assert_eq!(flags("!= syn / fin,syn,rst,ack"), (true, 0x17, 2));
    assert_eq!(flags("& (fin | syn | rst | ack) == syn | ack"), (false, 0x17, 0x12));
    assert_eq!(flags("& rst == rst"), (false, 4, 4));
    assert_eq!(flags("& (fin | syn) == 0x0"), (false, 3, 0));
}

#[test]
fn chains_that_jump_in_a_tangle_are_given_up() {
    let mut text = String::from("*filter\n:FORWARD ACCEPT [0:0]\n");
    for n in 0..15 {
        text += &format!(":C{n} - [0:0]\n");
    }
    text += "-A FORWARD -j C0\n";
    for n in 0..14 {
        for _ in 0..4 {
            text += &format!("-A C{n} -m mark --mark 1 -j C{}\n", n + 1);
        }
    }
    let ruled = Rules::read(&text).filter(Hook::Forward, &tcp(CtState::New, 2));
    assert!(ruled.iter().any(|r| r.does == Does::NotUnderstood), "{ruled:?}");
}
