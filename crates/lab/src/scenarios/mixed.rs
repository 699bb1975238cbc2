//! What is nobody's timer or several at once: credentials that run out, two causes in one log, and
//! nothing wrong at all.

use std::cell::RefCell;

use hopclock_core::time::{Gap, Moment};

use crate::crowd::{Crowd, Habit};
use crate::ends::End;
use crate::folder::Place;
use crate::rules::{LONG_S, Nat, Setup};
use crate::scenario::Scenario;
use crate::scenarios::stores::{REDIS, redis};
use crate::stage::{Stage, now};
use crate::talk::REDIS_PING;
use crate::trouble::Trouble;
use crate::truth::Truth;

/// A token runs out.
pub(super) const CREDENTIAL: Scenario = Scenario {
    name: "credential-expiry",
    says: "a server ends a connection when its token runs out, counted from when the token was issued and not from the opening",
    needs: &[],
    play: credential,
};

/// Two causes.
pub(super) const SEVERAL: Scenario = Scenario {
    name: "several-causes",
    says: "an idle timer for one client and restarts on the wall's clock for both: two causes in one log",
    needs: REDIS,
    play: several,
};

/// No cause.
pub(super) const NOTHING_WRONG: Scenario = Scenario {
    name: "nothing-wrong",
    says: "busy and idle connections through a NAT, none of which ends",
    needs: REDIS,
    play: nothing_wrong,
};

fn quiet_box(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let nat = if stage.plan.rng.bool() { Nat::Snat } else { Nat::None };
    stage.set(&Setup { established_s: LONG_S, ..Setup::of(nat, &stage.plan) })
}

fn credential(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    quiet_box(stage)?;
    let life_s = stage.plan.timer_s + 1;
    let life = f64::from(life_s);
    let listener = stage.listen()?;
    let servers: RefCell<Vec<(End, Moment)>> = RefCell::new(Vec::new());
    let leads = RefCell::new(Vec::new());
    let habit = Habit {
        opens: Box::new(|stage: &mut Stage<'_>| {
            let issued = now();
            stage.pause(0.0, 0.8)?;
            let mut client = stage.connect(stage.service())?;
            client.notes("info", "authenticated with the token of this cycle");
            let mut server = listener.accept()?;
            leads.borrow_mut().push(client.opened.since(issued).secs_f64());
            stage.greet(&mut client, &mut server)?;
            servers.borrow_mut().push((server, issued.plus(Gap::from_secs_f64(life))));
            Ok(Some(client))
        }),
        chats: Some((
            0.1,
            Box::new(|client: &mut End| {
                if now().since(client.last).secs_f64() > 0.5 {
                    client.say(48);
                }
                servers.borrow_mut().retain_mut(|(server, expires)| {
                    let over = *expires <= now();
                    if over {
                        server.drains();
                        server.notes("info", "token expired, closing the connection");
                        server.hangs_up();
                    }
                    !over
                });
                false
            }),
        )),
        gives_up_s: None,
    };
    let lives = stage.plan.rng.usize(5..=6);
    let mut crowd = Crowd::of(1, stage, habit);
    crowd.live(stage, 2.0)?;
    stage.look()?;
    stage.sockets()?;
    crowd.until(stage, lives, life * 12.0)?;
    let from_issue: Vec<f64> =
        crowd.lives.iter().zip(leads.borrow().iter()).map(|(l, lead)| l.age() + lead).collect();
    let span = (life - 0.2, life + 1.5);
    stage.checks.lasted("each ends the token's life after it was issued", &from_issue, span);
    stage.cut()?;
    Ok(Truth {
        tolerance_s: Some(1.2),
        ..Truth::clock(("credential-expiry", "age"), "open", life, "server")
            .set("token lifetime", life_s)
            .accept(&["max-age-server"])
    })
}

/// Opens, and asks once.
fn opens(stage: &mut Stage<'_>) -> Result<Option<End>, Trouble> {
    let Some(mut end) = stage.dial(stage.service())? else { return Ok(None) };
    end.asks(REDIS_PING);
    Ok(Some(end))
}

fn busy<'c>() -> Habit<'c> {
    Habit {
        opens: Box::new(opens),
        chats: Some((
            0.6,
            Box::new(|end: &mut End| {
                end.asks(REDIS_PING);
                false
            }),
        )),
        gives_up_s: None,
    }
}

fn several(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    quiet_box(stage)?;
    let timer_s = 2;
    let timer = f64::from(timer_s);
    let settings = format!("timeout {timer_s}");
    let log = stage.grows(Place::Server, "redis.log");
    let mut server = redis(stage, &settings, &log)?;
    let mut quiet = Crowd::silent(stage, Box::new(opens));
    let mut loud = Crowd::of(1, stage, busy());
    quiet.live(stage, 0.5)?;
    loud.live(stage, 1.0)?;
    stage.look()?;
    stage.sockets()?;
    let period_s = 12;
    for _ in 0..3 {
        let ns = period_s * 1_000_000_000_i64;
        let due = now().plus(Gap::from_secs_f64((ns - now().ns().rem_euclid(ns)) as f64 / 1e9));
        while now() < due {
            quiet.live(stage, 0.1)?;
            loud.live(stage, 0.1)?;
        }
        server.signal("TERM")?;
        quiet.live(stage, 0.2)?;
        loud.live(stage, 0.2)?;
        drop(server);
        server = redis(stage, &settings, &log)?;
    }
    quiet.live(stage, 0.5)?;
    let idle = quiet.lives.iter().filter(|l| l.silence() > timer - 1.1).count();
    stage.checks.that("the quiet client is closed for being idle, many times", idle >= 5, idle);
    let cut = loud.lives.len();
    stage.checks.that("the busy one is cut off by each restart", cut == 3, &loud.lives);
    stage.look()?;
    stage.cut()?;
    drop(server);
    Ok(Truth {
        also: vec!["wall-clock-schedule"],
        tolerance_s: Some(1.5),
        ..Truth::clock(("server-idle-timeout", "idle"), "idle", timer, "server")
            .set("timeout", timer_s)
            .accept(&["wall-clock-schedule", "deploy-restart"])
    })
}

fn nothing_wrong(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let established_s = [7_440, 86_400, 432_000][stage.plan.rng.usize(0..3)];
    stage.set(&Setup { established_s, ..Setup::of(Nat::Snat, &stage.plan) })?;
    let log = stage.grows(Place::Server, "redis.log");
    let server = redis(stage, "", &log)?;
    let mut loud = Crowd::of(2, stage, busy());
    let mut quiet = Crowd::silent(stage, Box::new(opens));
    quiet.live(stage, 0.5)?;
    loud.live(stage, 6.0)?;
    stage.look()?;
    stage.sockets()?;
    quiet.live(stage, 1.0)?;
    loud.live(stage, 6.0)?;
    let ended = quiet.lives.len() + loud.lives.len();
    stage.checks.that("no connection ends", ended == 0, ended);
    stage.look()?;
    let tapes = stage.cut()?;
    let over = tapes.client.segments.iter().filter(|s| s.flags.fin() || s.flags.rst()).count();
    stage.checks.that("no FIN and no reset is sent", over == 0, over);
    drop(server);
    Ok(Truth::survives())
}
