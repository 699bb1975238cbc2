//! Which ends and boxes send which reset, or none: the shapes that tell them apart.

use hopclock_core::time::Moment;

use crate::ends::End;
use crate::journal::Broken;
use crate::rules::{LONG_S, Nat, Setup};
use crate::scenario::Scenario;
use crate::stage::{A_MOMENT, ETH, Stage, now};
use crate::tape::{FRESH, PASSED_ON, is_abort, is_bare, told};
use crate::trouble::{Doing, Trouble};
use crate::truth::Truth;

/// Closed while something was unread.
pub(super) const CLOSE_UNREAD: Scenario = Scenario {
    name: "reset-close-unread",
    says: "a server that closes with unread data sends a reset with ACK, window and timestamps, unprompted",
    needs: &[],
    play: close_unread,
};

/// SO_LINGER of zero.
pub(super) const LINGER_ZERO: Scenario = Scenario {
    name: "reset-linger-zero",
    says: "a server that closes with SO_LINGER 0 sends the same reset instead of a FIN",
    needs: &[],
    play: linger_zero,
};

/// Killed while idle.
pub(super) const KILL: Scenario = Scenario {
    name: "kill-9",
    says: "kill -9 of an idle server is a FIN: the kernel closes for it, and the client reads end of file",
    needs: &[],
    play: kill,
};

/// Killed with something unread.
pub(super) const KILL_UNREAD: Scenario = Scenario {
    name: "kill-9-unread",
    says: "kill -9 of a server with unread data is a reset with ACK",
    needs: &[],
    play: kill_unread,
};

/// Killed, and started again.
pub(super) const PROCESS_RESTART: Scenario = Scenario {
    name: "process-restart",
    says: "after a restart of the process: a FIN, then a bare reset for whatever the client still sends",
    needs: &[],
    play: process_restart,
};

/// The machine lost its memory.
pub(super) const HOST_RESTART: Scenario = Scenario {
    name: "host-restart",
    says: "after a restart of the host: silence until the client speaks, then a bare reset with the server's TTL",
    needs: &[],
    play: host_restart,
};

/// A rule that refuses.
pub(super) const REJECT: Scenario = Scenario {
    name: "firewall-reject",
    says: "a firewall's `reject with tcp reset` is bare, has the server's address and the firewall's TTL; the server is told nothing",
    needs: &[],
    play: reject,
};

/// A connection through a box that only tracks and never forgets.
fn through_a_quiet_box(stage: &mut Stage<'_>) -> Result<(End, End), Trouble> {
    let setup = Setup { established_s: LONG_S, ..Setup::of(Nat::None, &stage.plan) };
    stage.set(&setup)?;
    let ends = stage.open()?;
    stage.look()?;
    stage.sockets()?;
    Ok(ends)
}

fn client_hears(stage: &mut Stage<'_>, client: &mut End, broken: Broken) {
    let says = match broken {
        Broken::Eof => "the client's program reads end of file",
        _ => "the client's program is told that its peer reset the connection",
    };
    stage.over(says, client, broken);
}

/// The reset that the client gets is one of a live socket.
fn aborted(stage: &mut Stage<'_>, since: Moment) -> Result<Truth, Trouble> {
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let reset = tapes.client.reset(who.server, who.client, since);
    stage.checks.that(
        "the reset has ACK, a window and timestamps",
        reset.is_some_and(|r| is_abort(r) && r.window > 0 && r.options.timestamps.is_some()),
        told(reset),
    );
    let same = tapes.server.reset(who.server, who.client, since);
    stage.checks.seen("the server's machine sent it", same);
    Ok(Truth {
        accept: vec!["server-crash", "deploy-restart"],
        outcome: "cannot-say",
        ..Truth::end_decided("unknown", "unknown", "server")
    })
}

fn close_unread(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let (mut client, server) = through_a_quiet_box(stage)?;
    client.say(64);
    stage.rest(A_MOMENT)?;
    let since = now();
    server.close();
    client_hears(stage, &mut client, Broken::Reset);
    aborted(stage, since)
}

fn linger_zero(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let (mut client, server) = through_a_quiet_box(stage)?;
    stage.rest(A_MOMENT)?;
    let since = now();
    server.abort()?;
    client_hears(stage, &mut client, Broken::Reset);
    aborted(stage, since)
}

/// Ends the process that alone holds the server's socket, as `kill -9` does.
fn killed(server: End) -> Result<(), Trouble> {
    let mut process = server.into_process()?;
    process.kill().and_then(|()| process.wait()).doing(|| "killing a process".to_owned())?;
    Ok(())
}

fn kill(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let (mut client, server) = through_a_quiet_box(stage)?;
    let since = now();
    killed(server)?;
    client_hears(stage, &mut client, Broken::Eof);
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let fin = tapes.client.sent(who.server, who.client, since).any(|s| s.flags.fin());
    stage.checks.that("the client gets a FIN", fin, fin);
    let reset = tapes.client.reset(who.server, who.client, since);
    stage.checks.unseen("and no reset", reset);
    Ok(Truth {
        accept: vec!["deploy-restart", "config-reload"],
        outcome: "cannot-say",
        ..Truth::end_decided("server-crash", "event", "server")
    })
}

fn kill_unread(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let (mut client, server) = through_a_quiet_box(stage)?;
    client.say(64);
    stage.rest(A_MOMENT)?;
    let since = now();
    killed(server)?;
    client_hears(stage, &mut client, Broken::Reset);
    let truth = aborted(stage, since)?;
    Ok(Truth {
        accept: vec!["deploy-restart"],
        ..Truth { cause: "server-crash", family: "event", ..truth }
    })
}

fn process_restart(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let (mut client, server) = through_a_quiet_box(stage)?;
    let since = now();
    killed(server)?;
    // Its successor listens on the same port and knows nothing of the connection.
    let listener = stage.listen()?;
    stage.rest(A_MOMENT)?;
    client.say(64);
    client_hears(stage, &mut client, Broken::Eof);
    stage.rest(A_MOMENT)?;
    client.reconnecting();
    let mut again = stage.connect(stage.service())?;
    let mut server = listener.accept()?;
    stage.greet(&mut again, &mut server)?;
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let fin = tapes.client.sent(who.server, who.client, since).any(|s| s.flags.fin());
    stage.checks.that("the client gets a FIN", fin, fin);
    let reset = tapes.client.reset(who.server, who.client, since);
    stage.checks.that(
        "its next data is answered by a bare reset",
        reset.is_some_and(is_bare),
        told(reset),
    );
    Ok(Truth {
        accept: vec!["server-crash", "config-reload"],
        outcome: "cannot-say",
        ..Truth::end_decided("deploy-restart", "event", "server")
    })
}

fn host_restart(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let (mut client, server) = through_a_quiet_box(stage)?;
    let host = stage.server.clone();
    // As a power cut: what its sockets would say does not leave any more, then they are gone.
    host.unplug(ETH)?;
    server.abort()?;
    stage.rest(A_MOMENT)?;
    host.plug(ETH)?;
    if stage.plan.v6 {
        // IPv6 addresses go with the link.
        host.add_address(ETH, stage.plan.wan.end(), stage.plan.wan.prefix())?;
    }
    host.route_to(stage.plan.lan, stage.plan.wan.hop())?;
    stage.quiet("the client hears nothing of the restart", &mut client, A_MOMENT);
    let since = now();
    client.say(64);
    client_hears(stage, &mut client, Broken::Reset);
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let reset = tapes.client.reset(who.server, who.client, since);
    stage.checks.bare("when it speaks, the reset is bare and has passed one hop", reset, PASSED_ON);
    let made = tapes.server.reset(who.server, who.client, since);
    stage.checks.seen("the server's machine made it", made);
    Ok(Truth {
        accept: vec!["deploy-restart", "target-removed", "state-flush", "idle-timeout-middlebox"],
        detected_by: Some("next-use"),
        outcome: "cannot-say",
        ..Truth::end_decided("server-crash", "event", "server")
    })
}

fn reject(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let (mut client, mut server) = through_a_quiet_box(stage)?;
    let port = stage.plan.port;
    stage.hop.rules(&format!(
        "table inet guard {{\n chain forward {{\n type filter hook forward priority -10;\n \
         tcp dport {port} reject with tcp reset\n }}\n}}\n"
    ))?;
    let since = now();
    client.say(64);
    client_hears(stage, &mut client, Broken::Reset);
    stage.quiet("the server hears nothing", &mut server, A_MOMENT);
    stage.rules_again()?;
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let reset = tapes.client.reset(who.server, who.client, since);
    stage.checks.bare(
        "the reset is bare, has the server's address, and a TTL no hop has lowered",
        reset,
        FRESH,
    );
    let usual = tapes.client.sent(who.server, who.client, Moment::from_ns(0)).next().map(|s| s.ttl);
    stage.checks.that("the server's own packets had one less", usual == Some(PASSED_ON), usual);
    let made = tapes.server.reset(who.server, who.client, since);
    stage.checks.unseen("the server's machine sent none", made);
    Ok(Truth {
        accept: vec!["forged-rst"],
        signed_by: Some("server"),
        detected_by: Some("next-use"),
        ..Truth::end_decided("state-flush", "state-lost", "middlebox")
    })
}
