//! The silent freeze: packets are forwarded and translated while the entry's timer runs down, what
//! cures it, and what only looks like it.

use std::net::SocketAddr;
use std::time::Duration;

use hopclock_core::time::Moment;
use hopclock_live::netlink::conntrack::status;

use crate::ends::{End, Heard};
use crate::inject::Standing;
use crate::journal::Broken;
use crate::net::{Port, wire};
use crate::rules::{LONG_S, Nat, Setup};
use crate::scenario::Scenario;
use crate::stage::{A_MOMENT, Stage, Tapes, now, tuple_of};
use crate::tape::{FRESH, PASSED_ON};
use crate::trouble::{Doing, Trouble};
use crate::truth::Truth;

/// Seconds between the events of the stream.
const EVERY_S: f64 = 0.25;
/// Bytes the window check forgives an acknowledgement at least (`MAXACKWINDOW`, 6.18
/// nf_conntrack_proto_tcp.c). The stray segment must lead the entry further astray than that, or
/// the client's acknowledgements go on refreshing it.
const FORGIVEN: u32 = 66_000;
/// What the stream may send before it has caught up with the stray segment, which ends the freeze.
const AHEAD: u32 = 20_000;
/// Beyond any window.
const FAR: u32 = 10_000_000;

/// One stray segment.
pub(super) const WINDOW_IGNORED: Scenario = Scenario {
    name: "freeze-window-ignored",
    says: "SNAT, a one-way stream, one stray segment a little beyond the window: every event arrives while the timer runs down; at its end the box resets the server",
    needs: &[],
    play: window_ignored,
};

/// A fixed timeout.
pub(super) const FIXED_TIMEOUT: Scenario = Scenario {
    name: "freeze-fixed-timeout",
    says: "an entry with FIXED_TIMEOUT is not refreshed by any packet, in either direction",
    needs: &[],
    play: fixed_timeout,
};

/// `be_liberal`.
pub(super) const LIBERAL_CURES: Scenario = Scenario {
    name: "freeze-be-liberal-cures",
    says: "with be_liberal=1 from the start the same stray segment changes nothing: the timer is refreshed and the stream lives",
    needs: &[],
    play: liberal_cures,
};

/// INVALID, where nothing needs translating.
pub(super) const INVALID_ROUTED: Scenario = Scenario {
    name: "freeze-invalid-routed",
    says: "routing only, a detour past the box: INVALID packets pass and refresh nothing, until the entry is gone and a rule drops what has none",
    needs: &[],
    play: invalid_routed,
};

/// INVALID behind NAT.
pub(super) const INVALID_REPLY: Scenario = Scenario {
    name: "invalid-reply",
    says: "SNAT: one INVALID reply is not translated back, reaches the box itself, and its reset ends a healthy connection at once",
    needs: &[],
    play: invalid_reply,
};

/// Timers long enough for two looks at what remains.
fn setup(stage: &mut Stage<'_>, nat: Nat) -> Setup {
    stage.plan.timer_s += 3;
    Setup::of(nat, &stage.plan)
}

/// The server sends an event every quarter of a second until `seconds` have gone or it is told that
/// the connection is over.
fn stream(
    stage: &Stage<'_>,
    client: &mut End,
    server: &mut End,
    seconds: f64,
) -> Result<Streamed, Trouble> {
    let mut done = Streamed::default();
    let events = (seconds / EVERY_S) as u32;
    for _ in 0..events {
        done.broken = server.say(48);
        if done.broken.is_some() {
            break;
        }
        done.sent += 1;
        if matches!(client.hear(Duration::from_secs_f64(EVERY_S)), Heard::Bytes(_)) {
            done.arrived += 1;
        }
        stage.rest(EVERY_S)?;
    }
    Ok(done)
}

/// What became of a stretch of the stream.
#[derive(Clone, Copy, Debug, Default)]
struct Streamed {
    sent: u32,
    arrived: u32,
    /// What the server was told when it could send no more.
    broken: Option<Broken>,
}

impl Streamed {
    fn whole(self) -> bool {
        self.sent > 0 && self.sent == self.arrived
    }
}

/// How the direction of these ends stands on the server's wire.
fn standing(stage: &Stage<'_>, from: SocketAddr, to: SocketAddr) -> Result<Standing, Trouble> {
    // What was sent a moment ago is in the file by then.
    stage.rest(A_MOMENT)?;
    Standing::of(&stage.tape_so_far()?, from, to)
        .ok_or_else(|| Trouble::Broken("the stream is not on the server's tape".to_owned()))
}

/// From the server's end to its peer: a little beyond what the client has room for, and the
/// client's whole window not more.
pub(super) fn stray(
    stage: &Stage<'_>,
    server: SocketAddr,
    peer: SocketAddr,
) -> Result<(), Trouble> {
    let stands = standing(stage, server, peer)?;
    let beyond = FORGIVEN.saturating_sub(stands.window) + AHEAD;
    stands.inject(&stage.server, stands.window_end.wrapping_add(beyond), 32)
}

/// What remains of the entry now, in whole seconds.
fn remains(stage: &Stage<'_>, client: &End) -> Result<Option<u32>, Trouble> {
    Ok(stage.entry(client)?.and_then(|entry| entry.timeout_s))
}

/// Streams through two looks at the entry until it is gone, and sees that events arrive while what
/// remains only falls.
fn runs_down(stage: &mut Stage<'_>, client: &mut End, server: &mut End) -> Result<(), Trouble> {
    let first = remains(stage, client)?;
    stage.look()?;
    let done = stream(stage, client, server, 2.5)?;
    let second = remains(stage, client)?;
    stage.look()?;
    stage.checks.that("every event arrives", done.whole(), done);
    let falls = matches!((first, second), (Some(a), Some(b)) if b < a);
    stage.checks.that("while what remains of the entry falls", falls, (first, second));
    Ok(())
}

/// Goes on until the box has no entry any more; the server's next event is then for the box itself.
fn until_the_box_resets(
    stage: &mut Stage<'_>,
    client: &mut End,
    server: &mut End,
) -> Result<Tapes, Trouble> {
    let since = now();
    let longest = f64::from(stage.plan.timer_s) * 2.0;
    let done = stream(stage, client, server, longest)?;
    // Whichever call comes first is told; those after it are not.
    let told_reading =
        done.broken.is_none() && server.hear(Duration::from_secs(2)) == Heard::Over(Broken::Reset);
    let over = told_reading || matches!(done.broken, Some(Broken::Reset | Broken::Pipe));
    stage.checks.that("at the end the server's program is told of a reset", over, done);
    stage.quiet("the client hears nothing of it", client, A_MOMENT);
    if over {
        client.gives_up();
    }
    stage.look()?;
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let reset = tapes.server.reset(who.wan, who.server, since);
    stage.checks.bare(
        "it was reset by the box: bare, from the box's address, with a TTL no hop has lowered",
        reset,
        FRESH,
    );
    Ok(tapes)
}

fn frozen(stage: &Stage<'_>) -> Truth {
    Truth {
        cause: "conntrack-frozen-timer",
        family: "state-lost",
        signed_by: Some("client"),
        accept: vec![],
        tolerance_s: Some(f64::from(stage.plan.timer_s)),
        ..Truth::expiry(stage.plan.timer_s)
    }
}

fn window_ignored(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = setup(stage, Nat::Snat);
    stage.set(&setup)?;
    let (mut client, mut server) = stage.open()?;
    stream(stage, &mut client, &mut server, 1.0)?;
    stage.sockets()?;
    let invalid = stage.invalid()?;
    stray(stage, server.local, server.peer)?;
    runs_down(stage, &mut client, &mut server)?;
    let after = stage.invalid()?;
    stage.checks.that("the counter of INVALID packets stands", invalid == after, (invalid, after));
    until_the_box_resets(stage, &mut client, &mut server)?;
    Ok(frozen(stage))
}

fn fixed_timeout(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = setup(stage, Nat::Snat);
    stage.set(&setup)?;
    let (mut client, mut server) = stage.open()?;
    stream(stage, &mut client, &mut server, 1.0)?;
    stage.sockets()?;
    let tuple = tuple_of(client.local, client.peer);
    stage.hop.table()?.fix_timeout(&tuple).doing(|| "fixing the entry's timer".to_owned())?;
    let entry = stage.entry(&client)?;
    let fixed = entry.is_some_and(|e| e.status & status::FIXED_TIMEOUT != 0);
    stage.checks.that("the entry has the status bit FIXED_TIMEOUT", fixed, entry);
    client.say(16);
    stage.hears("the client's word arrives", &mut server);
    runs_down(stage, &mut client, &mut server)?;
    until_the_box_resets(stage, &mut client, &mut server)?;
    Ok(frozen(stage))
}

fn liberal_cures(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = Setup { liberal: true, ..setup(stage, Nat::Snat) };
    stage.set(&setup)?;
    let (mut client, mut server) = stage.open()?;
    stream(stage, &mut client, &mut server, 1.0)?;
    stray(stage, server.local, server.peer)?;
    stage.look()?;
    let longer = f64::from(stage.plan.timer_s) + 2.0;
    let done = stream(stage, &mut client, &mut server, longer)?;
    stage.checks.that("every event arrives, past the timer", done.whole(), done);
    let left = remains(stage, &client)?;
    let fresh = left.is_some_and(|s| s + 2 >= stage.plan.timer_s);
    stage.checks.that("the entry is as fresh as its last packet", fresh, left);
    stage.look()?;
    stage.sockets()?;
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let reset = tapes.server.reset(who.wan, who.server, Moment::from_ns(0));
    stage.checks.unseen("nobody is reset", reset);
    Ok(Truth::survives())
}

fn invalid_routed(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = Setup {
        forward: "ct state new tcp flags & syn == 0 counter drop".to_owned(),
        ..setup(stage, Nat::None)
    };
    stage.set(&setup)?;
    let (mut client, mut server) = stage.open()?;
    stream(stage, &mut client, &mut server, 1.0)?;
    stage.sockets()?;
    detour(stage, &mut client, &mut server)?;
    let invalid = stage.invalid()?;
    runs_down(stage, &mut client, &mut server)?;
    let after = stage.invalid()?;
    stage.checks.that("the counter of INVALID packets grows", after > invalid, (invalid, after));
    let longest = f64::from(stage.plan.timer_s) * 3.0;
    let done = stream(stage, &mut client, &mut server, longest)?;
    let cut = done.arrived < done.sent;
    stage.checks.that("when the entry is gone nothing arrives any more", cut, done);
    stage.no_entry("the box has no entry", &client)?;
    stage.in_vain("the client hears nothing", &mut client, A_MOMENT);
    stage.look()?;
    stage.rules_again()?;
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let reset = tapes.client.reset(who.server, who.client, Moment::from_ns(0));
    stage.checks.unseen("nobody is reset", reset);
    Ok(Truth { signed_by: None, detected_by: Some("heartbeat"), ..frozen(stage) })
}

/// A second wire from server to client; for a while everything goes over it, more than any window
/// holds, and then the old way again: the box has missed it.
fn detour(stage: &mut Stage<'_>, client: &mut End, server: &mut End) -> Result<(), Trouble> {
    const ALT: &str = "alt0";
    const WHOLE: [u8; 2] = [32, 128];
    let (a, b) = (stage.client.clone(), stage.server.clone());
    let side = stage.plan.side;
    let ends = [
        Port { host: &a, interface: ALT, address: side.end() },
        Port { host: &b, interface: ALT, address: side.other() },
    ];
    let [one, other] = &ends;
    wire(one, other, side.prefix())?;
    let whole = WHOLE[usize::from(stage.plan.v6)];
    a.route(stage.plan.wan.end(), whole, side.other())?;
    b.route(stage.plan.lan.end(), whole, side.end())?;
    let mut arrived = 0;
    for _ in 0..128 {
        if server.say(4096).is_some() {
            break;
        }
        let mut heard = client.hear(stage.patience());
        while let Heard::Bytes(bytes) = heard {
            arrived += bytes;
            heard = client.hear(Duration::from_millis(1));
        }
    }
    stage.checks.that("half a megabyte takes the detour", arrived >= 400_000, arrived);
    stage.rest(A_MOMENT)?;
    // The routes go with the wire.
    a.unplug(ALT)?;
    b.unplug(ALT)?;
    Ok(())
}

fn invalid_reply(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let setup = Setup { established_s: LONG_S, ..setup(stage, Nat::Snat) };
    stage.set(&setup)?;
    let (mut client, mut server) = stage.open()?;
    stream(stage, &mut client, &mut server, 1.0)?;
    stage.look()?;
    stage.sockets()?;
    let invalid = stage.invalid()?;
    let stands = standing(stage, server.local, server.peer)?;
    let since = now();
    stands.inject(&stage.server, stands.next.wrapping_add(FAR), 32)?;
    stage.over("the server is told that its peer reset the connection", &mut server, Broken::Reset);
    stage.quiet("the client hears nothing", &mut client, A_MOMENT);
    let after = stage.invalid()?;
    stage.checks.that("the counter of INVALID packets grows", after > invalid, (invalid, after));
    let entry = stage.entry(&client)?;
    stage.checks.that("the entry stands as if nothing had been", entry.is_some(), entry);
    stage.look()?;
    let spoke = now();
    client.say(48);
    stage.over("when the client speaks it is reset", &mut client, Broken::Reset);
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let reset = tapes.server.reset(who.wan, who.server, since);
    stage.checks.bare(
        "the server's reset is the box's own: bare, with a TTL no hop has lowered",
        reset,
        FRESH,
    );
    let reset = tapes.client.reset(who.server, who.client, spoke);
    stage.checks.bare("the client's is the server's: bare, one hop further", reset, PASSED_ON);
    Ok(Truth {
        signed_by: Some("server"),
        accept: vec!["forged-rst"],
        ..Truth::end_decided("conntrack-invalid-rst", "state-lost", "middlebox")
    })
}
