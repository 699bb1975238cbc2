//! The entry of a live connection has expired: what each box then does, by who speaks first.

use hopclock_core::time::Moment;

use crate::ends::End;
use crate::journal::Broken;
use crate::rules::{Nat, Setup};
use crate::scenario::Scenario;
use crate::stage::{A_MOMENT, Stage, Tapes, now};
use crate::tape::{FRESH, PASSED_ON};
use crate::trouble::Trouble;
use crate::truth::Truth;

/// SNAT, `loose=0`, the client speaks.
pub(super) const CLIENT_FIRST: Scenario = Scenario {
    name: "nat-expiry-client-first",
    says: "SNAT, loose=0: after expiry the client's packets leave untranslated, and nothing answers",
    needs: &[],
    play: client_first,
};

/// The same, where the server can route to the client's address.
pub(super) const UPSTREAM_ROUTES_PRIVATE: Scenario = Scenario {
    name: "nat-expiry-upstream-routes-private",
    says: "SNAT, loose=0: an upstream that can route to the client's own address resets it",
    needs: &[],
    play: upstream_routes_private,
};

/// SNAT, the server speaks.
pub(super) const SERVER_FIRST: Scenario = Scenario {
    name: "nat-expiry-server-first",
    says: "SNAT: after expiry the server's packet is for the box itself, whose own stack resets the server",
    needs: &[],
    play: server_first,
};

/// SNAT, `loose=1`, the server speaks, then the client.
pub(super) const NAT_EXPIRY: Scenario = Scenario {
    name: "nat-expiry",
    says: "SNAT, loose=1: the box resets the server; then the client's data reaches a server without that socket, whose reset comes back",
    needs: &[],
    play: server_then_client,
};

/// The same with a closed INPUT.
pub(super) const INPUT_DROPS: Scenario = Scenario {
    name: "nat-expiry-input-drops",
    says: "SNAT, loose=1, INPUT drops: the box sends no reset, and the client's next packet revives the connection",
    needs: &[],
    play: input_drops,
};

/// SNAT, `loose=1`, the client speaks.
pub(super) const PICKED_UP: Scenario = Scenario {
    name: "nat-expiry-picked-up",
    says: "SNAT, loose=1: the client's packet is picked up with the same port, and the connection survives",
    needs: &[],
    play: picked_up,
};

/// The same where the port is chosen anew.
pub(super) const FULLY_RANDOM: Scenario = Scenario {
    name: "nat-expiry-fully-random",
    says: "SNAT fully-random, loose=1: picked up with another port, the server resets the client",
    needs: &[],
    play: fully_random,
};

/// The same where another client has taken the port.
pub(super) const PORT_TAKEN: Scenario = Scenario {
    name: "nat-expiry-port-taken",
    says: "SNAT, loose=1, the port taken meanwhile: picked up with another port, the server resets the client",
    needs: &[],
    play: port_taken,
};

/// No translation.
pub(super) const ROUTING_ONLY: Scenario = Scenario {
    name: "routing-expiry",
    says: "routing only, no rule drops INVALID: the connection survives the end of its entry, loose 0 or 1",
    needs: &[],
    play: routing_only,
};

/// The client only says FIN.
pub(super) const BARE_FIN: Scenario = Scenario {
    name: "nat-expiry-bare-fin",
    says: "SNAT: a FIN after expiry is never picked up and leaves untranslated, loose 0 or 1",
    needs: &[],
    play: bare_fin,
};

/// The client only says RST.
pub(super) const BARE_RST: Scenario = Scenario {
    name: "nat-expiry-bare-rst",
    says: "SNAT: a reset after expiry is never picked up and leaves untranslated, loose 0 or 1",
    needs: &[],
    play: bare_rst,
};

/// Opens a connection, looks at its entry, and waits until it is gone.
fn expired(stage: &mut Stage<'_>, setup: &Setup) -> Result<(End, End), Trouble> {
    let (client, server) = stage.begin(setup)?;
    stage.runs_for("the box has an entry that runs for the timer", &client, stage.plan.timer_s)?;
    stage.outlast()?;
    stage.no_entry("the entry is gone when the timer has run out", &client)?;
    stage.look()?;
    Ok((client, server))
}

/// The victim hears nothing for a while, and the program gives up.
fn hears_nothing(stage: &mut Stage<'_>, client: &mut End) {
    stage.in_vain("the client hears nothing", client, 1.5);
}

/// The box's own stack has reset the server, and said nothing to the client.
fn box_reset_the_server(stage: &mut Stage<'_>, tapes: &Tapes, since: Moment) {
    let who = stage.addresses();
    let reset = tapes.server.reset(who.wan, who.server, since);
    stage.checks.bare(
        "the server gets a bare reset from the box's address, with a TTL no hop has lowered",
        reset,
        FRESH,
    );
}

fn server_gone(stage: &mut Stage<'_>, server: &mut End) {
    stage.over(
        "the server's program is told that its peer reset the connection",
        server,
        Broken::Reset,
    );
}

fn client_first(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = Setup { loose: false, ..Setup::of(Nat::Snat, &stage.plan) };
    let (mut client, mut server) = expired(stage, &setup)?;
    let since = now();
    client.say(48);
    stage.answers(&mut server);
    hears_nothing(stage, &mut client);
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let leaked = tapes.server.data(who.client, who.server, since);
    stage.checks.that("its packets leave with the client's own address", leaked >= 2, leaked);
    let silence = tapes.client.sent(who.server, who.client, since).count();
    stage.checks.that("nothing comes back", silence == 0, silence);
    let again = tapes.client.data(who.client, who.server, since);
    stage.checks.that("the client retransmits", again >= 2, again);
    drop(server);
    Ok(Truth { accept: vec!["retransmission-timeout"], ..Truth::expiry(stage.plan.timer_s) })
}

fn upstream_routes_private(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = Setup { loose: false, ..Setup::of(Nat::Snat, &stage.plan) };
    stage.server.route_to(stage.plan.lan, stage.plan.wan.hop())?;
    let (mut client, _server) = expired(stage, &setup)?;
    let since = now();
    client.say(48);
    stage.over("the client is reset", &mut client, Broken::Reset);
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let leaked = tapes.server.data(who.client, who.server, since);
    stage.checks.that("its packet leaves with the client's own address", leaked >= 1, leaked);
    let reset = tapes.client.reset(who.server, who.client, since);
    stage.checks.bare(
        "the reset is bare and carries the server's address and TTL",
        reset,
        PASSED_ON,
    );
    Ok(Truth { signed_by: Some("server"), ..Truth::expiry(stage.plan.timer_s) })
}

fn server_first(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let loose = stage.plan.rng.bool();
    let setup = Setup { loose, ..Setup::of(Nat::Snat, &stage.plan) };
    let (mut client, mut server) = expired(stage, &setup)?;
    let since = now();
    server.say(48);
    server_gone(stage, &mut server);
    hears_nothing(stage, &mut client);
    let tapes = stage.cut()?;
    box_reset_the_server(stage, &tapes, since);
    let who = stage.addresses();
    let anything = tapes.client.sent(who.server, who.client, since).count();
    stage.checks.that("nothing reaches the client", anything == 0, anything);
    Ok(Truth { signed_by: Some("client"), ..Truth::expiry(stage.plan.timer_s) })
}

fn server_then_client(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = Setup::of(Nat::Snat, &stage.plan);
    let (mut client, mut server) = expired(stage, &setup)?;
    let since = now();
    server.say(48);
    server_gone(stage, &mut server);
    stage.quiet("the client hears nothing of it", &mut client, A_MOMENT);
    let spoke = now();
    client.say(48);
    stage.over("when it speaks it is reset", &mut client, Broken::Reset);
    stage.look()?;
    let tapes = stage.cut()?;
    box_reset_the_server(stage, &tapes, since);
    let who = stage.addresses();
    let reset = tapes.client.reset(who.server, who.client, spoke);
    stage.checks.bare(
        "the client's reset is bare and carries the server's address and TTL",
        reset,
        PASSED_ON,
    );
    let made = tapes.server.reset(who.server, who.wan, spoke);
    stage.checks.seen("the server's own machine made it", made);
    Ok(Truth { signed_by: Some("server"), ..Truth::expiry(stage.plan.timer_s) })
}

fn input_drops(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = Setup { input_drops: true, ..Setup::of(Nat::Snat, &stage.plan) };
    let (mut client, mut server) = expired(stage, &setup)?;
    let since = now();
    server.say(48);
    stage.quiet("the server's packet does not arrive", &mut client, A_MOMENT);
    client.say(48);
    stage.hears("after the client's next packet it does", &mut client);
    stage.hears("and the client's arrives, too", &mut server);
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let reset = tapes.server.reset(who.wan, who.server, since);
    stage.checks.unseen("nobody is reset", reset);
    Ok(Truth::survives())
}

/// Both ends still hear each other.
fn survives(stage: &mut Stage<'_>, client: &mut End, server: &mut End) {
    client.say(48);
    stage.hears("the server hears the client", server);
    server.say(48);
    stage.hears("the client hears the server", client);
}

fn picked_up(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = Setup::of(Nat::Snat, &stage.plan);
    let (mut client, mut server) = expired(stage, &setup)?;
    survives(stage, &mut client, &mut server);
    let entry = stage.entry(&client)?;
    let port = client.local.port();
    let same = entry.is_some_and(|e| e.reply.dport == port);
    stage.checks.that("the new entry has the same port outside", same, entry);
    stage.cut()?;
    Ok(Truth::survives())
}

/// The client's data is picked up with another port; the server, who has no such connection, resets
/// the client.
fn reset_for_another_port(stage: &mut Stage<'_>, mut client: End) -> Result<Truth, Trouble> {
    let since = now();
    client.say(48);
    stage.over("the client is reset", &mut client, Broken::Reset);
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let port = |since| tapes.server.sent(who.wan, who.server, since).next().map(|s| s.src.port());
    let (before, after) = (port(Moment::from_ns(0)), port(since));
    let differ = before.is_some() && after.is_some() && before != after;
    stage.checks.that("the server sees another port than before", differ, (before, after));
    let reset = tapes.client.reset(who.server, who.client, since);
    stage.checks.bare(
        "the reset is bare and carries the server's address and TTL",
        reset,
        PASSED_ON,
    );
    Ok(Truth { signed_by: Some("server"), ..Truth::expiry(stage.plan.timer_s) })
}

fn fully_random(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = Setup::of(Nat::FullyRandom, &stage.plan);
    let (client, _server) = expired(stage, &setup)?;
    reset_for_another_port(stage, client)
}

fn port_taken(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let neighbour = stage.neighbour()?;
    let setup = Setup::of(Nat::Snat, &stage.plan);
    let (client, server) = expired(stage, &setup)?;
    // Another client of the box connects from the port that is free outside by now.
    let listener = stage.listen()?;
    let taken = stage.connect_from(&neighbour, client.local.port())?;
    let truth = reset_for_another_port(stage, client)?;
    drop((server, listener, taken));
    Ok(truth)
}

fn routing_only(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let loose = stage.plan.rng.bool();
    let setup = Setup { loose, ..Setup::of(Nat::None, &stage.plan) };
    let (mut client, mut server) = expired(stage, &setup)?;
    if stage.plan.rng.bool() {
        server.say(32);
        stage.hears("the server may speak first", &mut client);
    }
    survives(stage, &mut client, &mut server);
    stage.cut()?;
    Ok(Truth::survives())
}

fn bare_fin(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let loose = stage.plan.rng.bool();
    let setup = Setup { loose, ..Setup::of(Nat::Snat, &stage.plan) };
    let (client, mut server) = expired(stage, &setup)?;
    let since = now();
    client.close();
    leaves_untranslated(stage, &mut server, since)
}

fn bare_rst(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let loose = stage.plan.rng.bool();
    let setup = Setup { loose, ..Setup::of(Nat::Snat, &stage.plan) };
    let (client, mut server) = expired(stage, &setup)?;
    let since = now();
    client.abort()?;
    leaves_untranslated(stage, &mut server, since)
}

fn leaves_untranslated(
    stage: &mut Stage<'_>,
    server: &mut End,
    since: Moment,
) -> Result<Truth, Trouble> {
    stage.quiet("the server does not learn of the end", server, 1.0);
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let ends = |from| {
        tapes
            .server
            .sent(from, who.server, since)
            .filter(|s| s.flags.fin() || s.flags.rst())
            .count()
    };
    let (leaked, translated) = (ends(who.client), ends(who.wan));
    stage.checks.that("the packet leaves with the client's own address", leaked >= 1, leaked);
    stage.checks.that("and not with the box's", translated == 0, translated);
    Ok(Truth {
        signed_by: None,
        detected_by: None,
        ..Truth::end_decided("client-idle-timeout", "idle", "client")
    })
}
