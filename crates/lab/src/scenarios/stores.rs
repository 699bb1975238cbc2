//! PostgreSQL and Redis as people run them: their idle timers, an administrator's job, a keepalive
//! that finds its client gone, and the pools of clients before them.

use crate::crowd::{Crowd, Habit, Opens};
use crate::ends::{End, Heard};
use crate::folder::Place;
use crate::journal::Broken;
use crate::program::{Order, Program, Writes};
use crate::rules::{LONG_S, Nat, Setup};
use crate::scenario::Scenario;
use crate::stage::{Stage, now};
use crate::talk::{REDIS_PING, pg_query, pg_startup};
use crate::tool::Tool;
use crate::trouble::Trouble;
use crate::truth::Truth;

const POSTGRESQL: &[Tool] =
    &[Tool::installed("initdb", "postgresql"), Tool::installed("postgres", "postgresql")];
pub(super) const REDIS: &[Tool] = &[Tool::installed("redis-server", "redis-server")];

/// A database's idle timer.
pub(super) const IDLE_SESSION: Scenario = Scenario {
    name: "postgres-idle-session-timeout",
    says: "PostgreSQL: idle_session_timeout after the last query the server says FATAL and closes",
    needs: POSTGRESQL,
    play: idle_session,
};

/// An administrator's job.
pub(super) const TERMINATE: Scenario = Scenario {
    name: "postgres-terminate-backend",
    says: "PostgreSQL: a job on the clock of the wall terminates every backend, whatever its age",
    needs: POSTGRESQL,
    play: terminate,
};

/// A pool's maximum lifetime.
pub(super) const POOL_LIFETIME: Scenario = Scenario {
    name: "pool-max-lifetime",
    says: "a client's pool retires busy connections at an age, a little earlier for each: the client's FIN comes first",
    needs: POSTGRESQL,
    play: pool_lifetime,
};

/// A pool's idle timer.
pub(super) const POOL_IDLE: Scenario = Scenario {
    name: "pool-idle-timeout",
    says: "a client's pool closes connections nobody has borrowed for a while: the client's FIN comes first",
    needs: REDIS,
    play: pool_idle,
};

/// Redis's idle timer.
pub(super) const REDIS_TIMEOUT: Scenario = Scenario {
    name: "redis-timeout",
    says: "Redis: `timeout` after the last command the server closes with a FIN",
    needs: REDIS,
    play: redis_timeout,
};

/// Redis's keepalive.
pub(super) const REDIS_KEEPALIVE: Scenario = Scenario {
    name: "redis-tcp-keepalive",
    says: "Redis: a client that is gone is found by TCP keepalive, after twice `tcp-keepalive`; once back it is reset",
    needs: REDIS,
    play: redis_keepalive,
};

/// A box that only tracks.
fn quiet_box(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let nat = if stage.plan.rng.bool() { Nat::Snat } else { Nat::None };
    stage.set(&Setup { established_s: LONG_S, ..Setup::of(nat, &stage.plan) })
}

fn postgres(stage: &mut Stage<'_>, settings: &str) -> Result<Program, Trouble> {
    quiet_box(stage)?;
    let service = stage.service();
    let script = format!(
        "mkdir pg && chown postgres pg\n\
         as() {{ setpriv --reuid=postgres --regid=postgres --clear-groups \"$@\"; }}\n\
         as initdb -D pg --no-sync -A trust -U postgres --no-instructions >/dev/null\n\
         echo 'host all all all trust' >> pg/pg_hba.conf\n\
         echo 'CREATE ROLE app LOGIN;' | as postgres --single -D pg postgres >/dev/null 2>&1\n\
         as postgres -D pg -k /run/lab -p {} -c listen_addresses={} -c fsync=off \
         -c shared_buffers=2MB -c max_connections=20 -c log_connections=on \
         -c log_disconnections=on {settings}",
        service.port(),
        service.ip()
    );
    stage.heartbeat = b"Q\0\0\0\x0dSELECT 1\0";
    let log = stage.grows(Place::Server, "postgresql.log");
    let order = Order {
        name: "postgres",
        script,
        files: vec![],
        out: Writes::Nowhere,
        err: Writes::AsIs(log.clone()),
    };
    let program = stage.starts(Place::Server, &order, service.port())?;
    stage.until_said(&log, "ready to accept connections", 1)?;
    Ok(program)
}

/// A Redis on the server's machine, whose log goes on where an earlier one's ended.
pub(super) fn redis(
    stage: &mut Stage<'_>,
    settings: &str,
    log: &std::path::Path,
) -> Result<Program, Trouble> {
    let service = stage.service();
    stage.heartbeat = REDIS_PING;
    let config = format!(
        "bind {}\nport {}\nprotected-mode no\nloglevel verbose\nsave \"\"\ndatabases 1\n{settings}\n",
        service.ip(),
        service.port()
    );
    let order = Order {
        name: "redis-server",
        script: "redis-server redis.conf".to_owned(),
        files: vec![("redis.conf", config)],
        out: Writes::AsIs(log.to_owned()),
        err: Writes::Nowhere,
    };
    stage.starts(Place::Server, &order, service.port())
}

/// Logs in, asks a few times, and leaves the connection alone.
fn pg_idle<'c>() -> Opens<'c> {
    Box::new(|stage: &mut Stage<'_>| {
        let Some(mut end) = pg_login(stage)? else { return Ok(None) };
        for _ in 0..stage.plan.rng.u32(1..=3) {
            stage.pause(0.0, 0.6)?;
            end.asks(&pg_query("SELECT 1"));
        }
        Ok(Some(end))
    })
}

fn pg_login(stage: &mut Stage<'_>) -> Result<Option<End>, Trouble> {
    let Some(mut end) = stage.dial(stage.service())? else { return Ok(None) };
    end.asks(&pg_startup("app"));
    Ok(Some(end))
}

/// Looks at everything, and waits until so many have ended.
fn watched(stage: &mut Stage<'_>, crowd: &mut Crowd<'_>, each_s: f64) -> Result<usize, Trouble> {
    let lives = stage.plan.rng.usize(4..=6);
    crowd.live(stage, 2.0)?;
    stage.look()?;
    stage.sockets()?;
    crowd.until(stage, lives, each_s * 12.0)?;
    stage.look()?;
    Ok(lives)
}

/// All end this long after the last command.
fn silences(stage: &mut Stage<'_>, crowd: &Crowd<'_>, says: &str, (least, most): (f64, f64)) {
    let silences: Vec<f64> = crowd.lives.iter().map(|l| l.silence()).collect();
    stage.checks.lasted(says, &silences, (least, most));
}

fn idle_session(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let timer_s = stage.plan.timer_s;
    let timer = f64::from(timer_s);
    let postgres = postgres(stage, &format!("-c idle_session_timeout={timer_s}s"))?;
    let mut crowd = Crowd::silent(stage, pg_idle());
    watched(stage, &mut crowd, timer)?;
    // The server's last words come with the end, so that the age tells.
    let ages: Vec<f64> = crowd.lives.iter().map(|l| l.age()).collect();
    let says = "each ends idle_session_timeout after its last query";
    stage.checks.lasted(says, &ages, (timer - 0.3, timer + 4.0));
    stage.cut()?;
    drop(postgres);
    Ok(Truth::clock(("server-idle-timeout", "idle"), "idle", timer, "server")
        .set("idle_session_timeout", timer_s))
}

fn terminate(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let period_s = i64::from(stage.plan.timer_s) + 2;
    let postgres = postgres(stage, "")?;
    let habit = Habit {
        opens: Box::new(pg_login),
        chats: Some((
            0.5,
            Box::new(|end: &mut End| {
                end.asks(&pg_query("SELECT 1"));
                false
            }),
        )),
        gives_up_s: None,
    };
    let mut crowd = Crowd::of(3, stage, habit);
    crowd.live(stage, 2.0)?;
    stage.look()?;
    stage.sockets()?;
    let mut admin = stage.administrator()?;
    admin.asks(&pg_startup("postgres"));
    let rounds = 5;
    for _ in 0..rounds {
        // As cron does: at full multiples of the period, whatever happened before.
        let ns = period_s * 1_000_000_000;
        let wait = ns - now().ns().rem_euclid(ns);
        crowd.live(stage, wait as f64 / 1e9)?;
        let asked = admin.asks(&pg_query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'",
        ));
        stage.checks.that("the job is done", asked, asked);
    }
    crowd.live(stage, 1.0)?;
    let ended = crowd.lives.len();
    stage.checks.that("every client was cut off each time", ended >= 3 * (rounds - 1), ended);
    let period = period_s as f64;
    let late: Vec<f64> =
        crowd.lives.iter().map(|l| (l.ended.ns() as f64 / 1e9).rem_euclid(period)).collect();
    stage.checks.lasted("each right after a full multiple of the period", &late, (0.0, 1.5));
    stage.look()?;
    stage.cut()?;
    drop(postgres);
    Ok(Truth::clock(("wall-clock-schedule", "event"), "wall", period, "server")
        .accept(&["config-reload", "deploy-restart"]))
}

fn pool_lifetime(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let age_s = stage.plan.timer_s + 1;
    let age = f64::from(age_s);
    let postgres = postgres(stage, "")?;
    let rng = std::cell::RefCell::new(stage.plan.rng.fork());
    let habit = Habit {
        opens: Box::new(pg_login),
        chats: Some((
            0.25,
            Box::new(|end: &mut End| {
                // As HikariCP does it: the time of each varies by up to 2.5 %.
                let life = age * (1.0 - 0.025 * rng.borrow_mut().f64());
                if now().since(end.opened).secs_f64() < life {
                    end.asks(&pg_query("SELECT 1"));
                    return false;
                }
                end.notes("info", "pool-1: connection has passed maxLifetime, retiring it");
                true
            }),
        )),
        gives_up_s: None,
    };
    let mut crowd = Crowd::of(2, stage, habit);
    watched(stage, &mut crowd, age)?;
    let ages: Vec<f64> = crowd.lives.iter().map(|l| l.age()).collect();
    let span = (age * 0.95, age + 1.5);
    stage.checks.lasted("each ends at the maximum lifetime, while busy", &ages, span);
    let own = crowd.lives.iter().all(|l| l.how == Broken::Own);
    stage.checks.that("the client ends them itself", own, &crowd.lives);
    stage.cut()?;
    drop(postgres);
    Ok(Truth::clock(("max-age-client", "age"), "open", age, "client").set("maxLifetime", age_s))
}

fn pool_idle(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    quiet_box(stage)?;
    let timer = f64::from(stage.plan.timer_s);
    let log = stage.grows(Place::Server, "redis.log");
    let redis = redis(stage, "", &log)?;
    let habit = Habit {
        opens: Box::new(redis_idle),
        chats: Some((
            0.1,
            Box::new(move |end: &mut End| {
                let idle = now().since(end.last).secs_f64() >= timer;
                if idle {
                    end.notes("info", "pool-1: evicting connection: idle timeout");
                }
                idle
            }),
        )),
        gives_up_s: None,
    };
    let mut crowd = Crowd::of(1, stage, habit);
    watched(stage, &mut crowd, timer)?;
    let says = "each ends the pool's idle time after its last command";
    silences(stage, &crowd, says, (timer - 0.1, timer + 1.5));
    let tapes = stage.cut()?;
    let who = stage.addresses();
    let first = crowd.lives.first().map_or(now(), |l| l.opened);
    let fin = tapes.client.sent(who.client, who.server, first).any(|s| s.flags.fin());
    stage.checks.that("the client's FIN comes first", fin, fin);
    drop(redis);
    Ok(Truth::clock(("client-idle-timeout", "idle"), "idle", timer, "client")
        .set("idleTimeout", stage.plan.timer_s))
}

fn redis_idle(stage: &mut Stage<'_>) -> Result<Option<End>, Trouble> {
    let Some(mut end) = stage.dial(stage.service())? else { return Ok(None) };
    for _ in 0..stage.plan.rng.u32(1..=4) {
        stage.pause(0.0, 0.6)?;
        end.asks(REDIS_PING);
    }
    Ok(Some(end))
}

fn redis_timeout(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    quiet_box(stage)?;
    let timer_s = stage.plan.timer_s;
    let timer = f64::from(timer_s);
    let log = stage.grows(Place::Server, "redis.log");
    let redis = redis(stage, &format!("timeout {timer_s}"), &log)?;
    let mut crowd = Crowd::silent(stage, Box::new(redis_idle));
    watched(stage, &mut crowd, timer)?;
    // Redis counts in whole seconds, and looks at its clients about once a second.
    let says = "each ends `timeout` after its last command";
    silences(stage, &crowd, says, (timer - 1.1, timer + 2.5));
    stage.cut()?;
    drop(redis);
    Ok(Truth {
        tolerance_s: Some(1.5),
        ..Truth::clock(("server-idle-timeout", "idle"), "idle", timer, "server")
            .set("timeout", timer_s)
    })
}

fn redis_keepalive(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    quiet_box(stage)?;
    // A third of it is the interval between probes, of which there are three.
    let keepalive_s = 3;
    let log = stage.grows(Place::Server, "redis.log");
    let redis = redis(stage, &format!("tcp-keepalive {keepalive_s}"), &log)?;
    let mut silences = Vec::new();
    for round in 0..4 {
        let mut end = redis_idle(stage)?
            .ok_or_else(|| Trouble::Broken("Redis takes no connection".to_owned()))?;
        if round == 1 {
            stage.look()?;
            stage.sockets()?;
        }
        stage.outage(true)?;
        let gone = now();
        while stage.talks()? > 0 && now().since(gone).secs_f64() < 20.0 {
            stage.rest(0.1)?;
        }
        silences.push(now().since(end.last).secs_f64());
        stage.outage(false)?;
        stage.rest(0.3)?;
        end.send(REDIS_PING);
        let heard = end.hear(stage.patience());
        let reset = heard == Heard::Over(Broken::Reset);
        stage.checks.that("back again, the client is reset when it speaks", reset, heard);
        end.reconnecting();
        stage.pause(0.3, 1.3)?;
    }
    let says = "the server drops the connection after tcp-keepalive and three probes";
    stage.checks.lasted(says, &silences, (5.0, 8.5));
    stage.look()?;
    stage.cut()?;
    drop(redis);
    Ok(Truth {
        tolerance_s: Some(1.5),
        signed_by: Some("server"),
        detected_by: Some("keepalive"),
        outcome: "narrowed",
        also_accept_outcome: vec!["named", "cannot-say"],
        ..Truth::clock(("keepalive-dead-peer", "peer-gone"), "probe", 6.0, "server")
            .set("tcp-keepalive", keepalive_s)
            .accept(&["idle-timeout-middlebox"])
    })
}
