//! Entries that go for other reasons than an idle connection, and what translation does to the
//! rest: flush, half-close, unacknowledged data, a closed window, DNAT, an address that changes.

use std::time::Duration;

use hopclock_core::time::{Gap, Moment};

use crate::ends::{End, Heard};
use crate::journal::Broken;
use crate::rules::{LONG_S, Nat, Setup};
use crate::scenario::Scenario;
use crate::stage::{A_MOMENT, Stage, Tapes, WAN, now};
use crate::tape::{FRESH, PASSED_ON};
use crate::trouble::{Doing, Trouble};
use crate::truth::Truth;

/// The timer of runs that must wait until a sender's back-off is longer than it.
const SHORT_S: u32 = 3;
/// After this long a doubling back-off from 0.2 s has a gap longer than [`SHORT_S`] behind it.
const BACKED_OFF: Duration = Duration::from_secs(25);

/// Somebody empties the table.
pub(super) const FLUSH: Scenario = Scenario {
    name: "state-flush",
    says: "SNAT: a flushed table is an expiry at once; the box resets the server that speaks",
    needs: &[],
    play: flush,
};

/// DNAT, the client speaks.
pub(super) const DNAT_CLIENT: Scenario = Scenario {
    name: "dnat-expiry-client-first",
    says: "DNAT, loose=0: after expiry the client's packet is for the box itself, whose own stack resets the client",
    needs: &[],
    play: dnat_client,
};

/// DNAT, the server speaks.
pub(super) const DNAT_SERVER: Scenario = Scenario {
    name: "dnat-expiry-server-first",
    says: "DNAT: after expiry the server's packet arrives with the server's real address, and the client's own stack resets it",
    needs: &[],
    play: dnat_server,
};

/// One direction is finished.
pub(super) const HALF_CLOSE: Scenario = Scenario {
    name: "half-close",
    says: "a half-closed connection has its own, short timer: the answer that comes later is reset by the box",
    needs: &[],
    play: half_close,
};

/// Nothing is acknowledged.
pub(super) const UNACKNOWLEDGED: Scenario = Scenario {
    name: "unacknowledged",
    says: "data that is not acknowledged shortens an established entry's timer (300 s by default): a back-off longer than that finds no entry",
    needs: &[],
    play: unacknowledged,
};

/// The receiver does not read.
pub(super) const ZERO_WINDOW: Scenario = Scenario {
    name: "zero-window",
    says: "a closed window shortens an established entry's timer (300 s by default): a sender whose probes come less often is reset by the box",
    needs: &[],
    play: zero_window,
};

/// The box gets another address.
pub(super) const ADDRESS_CHANGE: Scenario = Scenario {
    name: "masquerade-address-change",
    says: "masquerade: entries go with the address; the client's next packet leaves with the new one, and the server resets it",
    needs: &[],
    play: address_change,
};

/// The server got the reset of the box's own stack.
fn reset_by_box(stage: &mut Stage<'_>, since: Moment) -> Result<Tapes, Trouble> {
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let reset = tapes.server.reset(who.wan, who.server, since);
    stage.checks.bare(
        "by a bare reset from the box's address, with a TTL no hop has lowered",
        reset,
        FRESH,
    );
    Ok(tapes)
}

fn flush(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let loose = stage.plan.rng.bool();
    let setup = Setup { loose, established_s: LONG_S, ..Setup::of(Nat::Snat, &stage.plan) };
    let (mut client, mut server) = stage.begin(&setup)?;
    stage.hop.table()?.flush().doing(|| "emptying the table".to_owned())?;
    stage.look()?;
    stage.quiet("nobody is told", &mut client, A_MOMENT);
    let since = now();
    server.say(48);
    stage.over("the server is told that its peer reset the connection", &mut server, Broken::Reset);
    reset_by_box(stage, since)?;
    stage.in_vain("the client hears nothing of it", &mut client, A_MOMENT);
    Ok(Truth {
        detected_by: Some("next-use"),
        signed_by: Some("client"),
        accept: vec!["deploy-restart"],
        ..Truth::end_decided("state-flush", "state-lost", "middlebox")
    })
}

/// Opens a connection to the box's inner address and waits until its entry is gone.
fn dnat_expired(stage: &mut Stage<'_>, loose: bool) -> Result<(End, End), Trouble> {
    let setup = Setup { loose, ..Setup::of(Nat::Dnat, &stage.plan) };
    stage.set(&setup)?;
    let listener = stage.listen()?;
    let front = std::net::SocketAddr::new(stage.plan.lan.hop(), stage.plan.port);
    let mut client = stage.connect(front)?;
    let mut server = listener.accept()?;
    stage.greet(&mut client, &mut server)?;
    stage.look()?;
    stage.sockets()?;
    stage.outlast()?;
    stage.no_entry("the entry is gone when the timer has run out", &client)?;
    Ok((client, server))
}

fn dnat_client(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let (mut client, server) = dnat_expired(stage, false)?;
    let since = now();
    client.say(48);
    stage.over("the client is reset", &mut client, Broken::Reset);
    let tapes = stage.cut()?;
    let front = stage.plan.lan.hop();
    let who = stage.addresses();
    let reset = tapes.client.reset(front, who.client, since);
    stage.checks.bare("the reset is bare, with a TTL no hop has lowered", reset, FRESH);
    let arrived = tapes.server.sent(who.client, who.server, since).count();
    stage.checks.that("nothing of it reaches the server", arrived == 0, arrived);
    drop(server);
    Ok(Truth { signed_by: Some("server"), ..Truth::expiry(stage.plan.timer_s) })
}

fn dnat_server(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let loose = stage.plan.rng.bool();
    let (mut client, mut server) = dnat_expired(stage, loose)?;
    let since = now();
    server.say(48);
    stage.over("the server is told that its peer reset the connection", &mut server, Broken::Reset);
    stage.in_vain("the client's program hears nothing", &mut client, A_MOMENT);
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let strange = tapes.client.data(who.server, who.client, since);
    stage.checks.that("the packet arrives with the server's real address", strange >= 1, strange);
    let reset = tapes.client.reset(who.client, who.server, since);
    stage.checks.bare("and the client's own stack answers it with a bare reset", reset, FRESH);
    Ok(Truth { signed_by: Some("client"), ..Truth::expiry(stage.plan.timer_s) })
}

fn half_close(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let timer_s = stage.plan.timer_s;
    let setup = Setup {
        established_s: LONG_S,
        more: vec![("nf_conntrack_tcp_timeout_close_wait", timer_s.to_string())],
        ..Setup::of(Nat::Snat, &stage.plan)
    };
    stage.set(&setup)?;
    let (mut client, mut server) = stage.open()?;
    // A request that is finished, whose answer takes longer than the box waits.
    client.say(64);
    let asked = matches!(server.hear(stage.patience()), Heard::Bytes(_));
    stage.checks.that("the request arrives", asked, asked);
    // Once it is acknowledged: a FIN that is sent twice (a tail loss probe of both) would take the
    // entry to LAST_ACK and TIME_WAIT, with their timers.
    stage.rest(A_MOMENT)?;
    client.finish_sending();
    stage.rest(A_MOMENT)?;
    stage.look()?;
    stage.sockets()?;
    stage.runs_for("the entry runs for the half-close timer", &client, timer_s)?;
    stage.outlast()?;
    stage.no_entry("the entry is gone when it has run out", &client)?;
    stage.look()?;
    let since = now();
    server.say(48);
    stage.rest(A_MOMENT)?;
    // Where the peer has finished already, a reset is told as EPIPE, and to a writer only.
    let broken = server.say(48);
    let over = matches!(broken, Some(Broken::Pipe | Broken::Reset));
    stage.checks.that("the server's program is told when it writes again", over, broken);
    reset_by_box(stage, since)?;
    stage.in_vain("the client waits for an answer that never comes", &mut client, A_MOMENT);
    Ok(Truth {
        signed_by: Some("client"),
        cause: "half-close-timer",
        setting: Some("nf_conntrack_tcp_timeout_close_wait"),
        accept: vec!["idle-timeout-middlebox"],
        ..Truth::expiry(timer_s)
    })
}

/// Waits until the box has no entry of the connection any more.
fn until_gone(stage: &mut Stage<'_>, client: &End) -> Result<(), Trouble> {
    let until = now().plus(Gap::from_secs_f64(BACKED_OFF.as_secs_f64()));
    let mut entry = stage.entry(client)?;
    while entry.is_some() && now() < until {
        stage.rest(0.1)?;
        entry = stage.entry(client)?;
    }
    stage.checks.that("between two tries the entry runs out", entry.is_none(), entry);
    stage.look()
}

fn unacknowledged(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = Setup {
        loose: false,
        established_s: LONG_S,
        // The third retransmission brings the second timer; both are 300 s by default.
        more: vec![
            ("nf_conntrack_tcp_timeout_unacknowledged", SHORT_S.to_string()),
            ("nf_conntrack_tcp_timeout_max_retrans", SHORT_S.to_string()),
        ],
        ..Setup::of(Nat::Snat, &stage.plan)
    };
    stage.set(&setup)?;
    let (mut client, _server) = stage.open()?;
    stage.look()?;
    let host = stage.server.clone();
    // Without a word: a link that is down is told by ICMP, and the client's back-off starts anew
    // (RFC 6069).
    host.rules(
        "table inet outage { chain input { type filter hook input priority raw; \
         meta l4proto tcp drop; }; }",
    )?;
    client.say(64);
    stage.rest(A_MOMENT)?;
    stage.look()?;
    stage.runs_for("the established entry runs for the shorter timer", &client, SHORT_S)?;
    until_gone(stage, &client)?;
    host.rules("delete table inet outage")?;
    let since = now();
    // Its next try.
    stage.rest(7.0)?;
    stage.in_vain("the server is back, and the client still hears nothing", &mut client, A_MOMENT);
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let translated = tapes.server.sent(who.wan, who.server, since).count();
    stage.checks.that("nothing translated leaves any more", translated == 0, translated);
    Ok(Truth {
        setting: Some("nf_conntrack_tcp_timeout_unacknowledged"),
        accept: vec!["retransmission-timeout", "one-sided-path"],
        detected_by: Some("heartbeat"),
        outcome: "narrowed",
        ..Truth::expiry(SHORT_S)
    })
}

fn zero_window(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = Setup {
        established_s: LONG_S,
        more: vec![("nf_conntrack_tcp_timeout_max_retrans", SHORT_S.to_string())],
        ..Setup::of(Nat::Snat, &stage.plan)
    };
    stage.set(&setup)?;
    let (client, mut server) = stage.open()?;
    let since = now();
    let taken = server.fill();
    stage.checks.that("the server fills every buffer there is", taken > 0, taken);
    // The last data is acknowledged, the window stays closed.
    stage.rest(A_MOMENT)?;
    stage.look()?;
    stage.sockets()?;
    stage.runs_for("the established entry runs for the shorter timer", &client, SHORT_S)?;
    until_gone(stage, &client)?;
    let heard = server.hear(BACKED_OFF);
    let reset = heard == Heard::Over(Broken::Reset);
    stage.checks.that("the server's next probe of the window is reset", reset, heard);
    let tapes = reset_by_box(stage, since)?;
    let who = stage.addresses();
    let closed =
        tapes.server.sent(who.wan, who.server, since).any(|s| s.window == 0 && s.flags.ack());
    stage.checks.that("the client had closed its window", closed, closed);
    Ok(Truth {
        signed_by: Some("client"),
        setting: Some("nf_conntrack_tcp_timeout_max_retrans"),
        accept: vec!["one-sided-path"],
        outcome: "narrowed",
        ..Truth::expiry(SHORT_S)
    })
}

fn address_change(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = Setup { established_s: LONG_S, ..Setup::of(Nat::Masquerade, &stage.plan) };
    let (mut client, _server) = stage.begin(&setup)?;
    let wan = stage.plan.wan;
    let hop = stage.hop.clone();
    // Or the second address of a network goes with the first.
    hop.sysctl("ipv4/conf/all/promote_secondaries", "1")?;
    hop.add_address(WAN, wan.other(), wan.prefix())?;
    hop.remove_address(WAN, wan.hop(), wan.prefix())?;
    stage.rest(A_MOMENT)?;
    stage.no_entry("the entry went with the address", &client)?;
    stage.look()?;
    let since = now();
    client.say(48);
    stage.over("the client is reset", &mut client, Broken::Reset);
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let moved = tapes.server.data(wan.other(), who.server, since);
    stage.checks.that("its packet left with the new address", moved >= 1, moved);
    let reset = tapes.client.reset(who.server, who.client, since);
    stage.checks.bare(
        "the reset is bare and carries the server's address and TTL",
        reset,
        PASSED_ON,
    );
    let before = tapes.server.sent(who.wan, who.server, Moment::from_ns(0)).count();
    stage.checks.that("those before had the old one", before > 0, before);
    Ok(Truth {
        signed_by: Some("server"),
        detected_by: Some("next-use"),
        accept: vec!["state-flush", "idle-timeout-middlebox"],
        outcome: "narrowed",
        ..Truth::end_decided("nat-rebind", "state-lost", "middlebox")
    })
}
