//! Resets from somebody who is neither end nor box, with the server's name on them.

use hopclock_core::time::Moment;

use crate::ends::{End, Heard};
use crate::inject::Standing;
use crate::journal::Broken;
use crate::net::Host;
use crate::rules::{LONG_S, Nat, Setup};
use crate::scenario::Scenario;
use crate::stage::{A_MOMENT, Stage, now};
use crate::tape::{FRESH, PASSED_ON, is_bare, told};
use crate::trouble::Trouble;
use crate::truth::Truth;

/// With a stranger's TTL.
pub(super) const FORGED: Scenario = Scenario {
    name: "forged-reset",
    says: "a third host forges the server's reset, in the window: the client is reset, and the TTL is a stranger's",
    needs: &[],
    play: |stage| forged(stage, 128),
};

/// With the right one.
pub(super) const RIGHT_TTL: Scenario = Scenario {
    name: "forged-reset-right-ttl",
    says: "a third host as far away as the server forges its reset: the TTL is right, and the server's next packet gives it away",
    needs: &[],
    play: |stage| forged(stage, FRESH),
};

/// With a wrong number.
pub(super) const OUT_OF_WINDOW: Scenario = Scenario {
    name: "forged-reset-out-of-window",
    says: "a forged reset whose number is not exactly the next harms nobody: ignored beyond the window, asked about within",
    needs: &[],
    play: out_of_window,
};

/// A connection, and a third host that knows all of it.
fn begin(stage: &mut Stage<'_>) -> Result<Host, Trouble> {
    let third = stage.neighbour()?;
    stage.server.route_to(stage.plan.side, stage.plan.wan.hop())?;
    stage.set(&Setup { established_s: LONG_S, ..Setup::of(Nat::None, &stage.plan) })?;
    Ok(third)
}

/// Words both ways, at leisure.
fn chatter(stage: &mut Stage<'_>, client: &mut End, server: &mut End) -> Result<(), Trouble> {
    for _ in 0..stage.plan.rng.u32(2..=6) {
        stage.greet(client, server)?;
        stage.pause(0.1, 0.8)?;
    }
    Ok(())
}

/// The server's side of the connection, as the wire shows it.
fn standing(stage: &Stage<'_>, client: &End) -> Result<Standing, Trouble> {
    Standing::of(&stage.tape_so_far()?, client.peer, client.local)
        .ok_or_else(|| Trouble::Broken("the connection was not recorded".to_owned()))
}

fn forged(stage: &mut Stage<'_>, ttl: u8) -> Result<Truth, Trouble> {
    let third = begin(stage)?;
    let listener = stage.listen()?;
    let mut sinces = Vec::new();
    for round in 0..4 {
        let mut client = stage.connect(stage.service())?;
        let mut server = listener.accept()?;
        chatter(stage, &mut client, &mut server)?;
        if round == 1 {
            stage.look()?;
            stage.sockets()?;
        }
        stage.rest(0.3)?;
        let at = standing(stage, &client)?;
        sinces.push(now());
        at.reset(&third, at.next, ttl)?;
        stage.over("the client is reset", &mut client, Broken::Reset);
        // The server knows nothing of it and goes on.
        server.say(96);
        stage.over(
            "the server's next word is reset by the client's stack",
            &mut server,
            Broken::Reset,
        );
        client.reconnecting();
        stage.pause(0.2, 0.9)?;
    }
    let tapes = stage.cut()?;
    let who = stage.addresses();
    for since in sinces {
        let reset = tapes.client.reset(who.server, who.client, since);
        let right = reset.is_some_and(|r| is_bare(r) && r.ttl == ttl - 1);
        stage.checks.that(
            "the reset carries the third host's TTL, one hop less",
            right,
            told(reset),
        );
    }
    let first = Moment::from_ns(0);
    let usual = tapes.client.sent(who.server, who.client, first).next().map(|s| s.ttl);
    stage.checks.that("the server's own packets have their own", usual == Some(PASSED_ON), usual);
    let made = tapes.server.reset(who.server, who.client, first);
    stage.checks.unseen("the server's machine sent none", made);
    let hard = ttl == FRESH;
    Ok(Truth {
        signed_by: Some("server"),
        detected_by: Some("peer-message"),
        accept: if hard { vec!["state-flush", "server-crash"] } else { vec![] },
        outcome: if hard { "narrowed" } else { "named" },
        also_accept_outcome: if hard { vec!["named", "cannot-say"] } else { vec!["narrowed"] },
        ..Truth::end_decided("forged-rst", "path", "middlebox")
    })
}

fn out_of_window(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let third = begin(stage)?;
    let (mut client, mut server) = stage.open()?;
    stage.look()?;
    stage.sockets()?;
    for (off, says) in [
        (0x4000_0000, "beyond the window: nothing happens"),
        (0xe000_0000, "before it: nothing happens"),
        (1_000, "within it and not next: nothing happens"),
    ] {
        chatter(stage, &mut client, &mut server)?;
        let at = standing(stage, &client)?;
        at.reset(&third, at.next.wrapping_add(off), FRESH)?;
        stage.quiet(says, &mut client, A_MOMENT);
    }
    server.say(96);
    stage.hears("the client hears the server after all three", &mut client);
    client.say(48);
    let heard = server.hear(stage.patience());
    stage.checks.that("and the server the client", matches!(heard, Heard::Bytes(_)), heard);
    stage.look()?;
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let resets = tapes.client.sent(who.server, who.client, Moment::from_ns(0));
    let resets = resets.filter(|s| s.flags.rst()).count();
    stage.checks.that("forged resets reached the client", resets >= 1, resets);
    Ok(Truth { distractors: vec!["forged resets"], ..Truth::survives() })
}
