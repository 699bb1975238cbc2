//! Protocols with a heartbeat of their own: MQTT's keepalive and its one connection a client, and
//! what OpenSSH asks a client that says nothing.

use std::fs;

use crate::crowd::{Crowd, Habit, Opens};
use crate::ends::End;
use crate::folder::Place;
use crate::program::{Order, Program, Writes};
use crate::rules::{LONG_S, Nat, Setup};
use crate::scenario::Scenario;
use crate::stage::{Stage, now};
use crate::talk::{MQTT_PINGREQ, mqtt_connect};
use crate::tool::Tool;
use crate::trouble::{Doing, Trouble};
use crate::truth::Truth;

const MOSQUITTO: &[Tool] = &[Tool::installed("mosquitto", "mosquitto")];
const OPENSSH: &[Tool] = &[
    Tool::installed("sshd", "openssh-server"),
    Tool::installed("ssh", "openssh-client"),
    Tool::installed("ssh-keygen", "openssh-client"),
];

/// A heartbeat that is not sent.
pub(super) const MQTT_KEEPALIVE: Scenario = Scenario {
    name: "mqtt-keepalive-missed",
    says: "mosquitto: a client that sends no PINGREQ is disconnected after one and a half times its keepalive, at the broker's next look",
    needs: MOSQUITTO,
    play: mqtt_keepalive,
};

/// Another of the same name.
pub(super) const MQTT_TAKEOVER: Scenario = Scenario {
    name: "mqtt-takeover",
    says: "mosquitto: two clients of one name end each other's connections for ever, each as soon as the other is back",
    needs: MOSQUITTO,
    play: mqtt_takeover,
};

/// A client that does not answer.
pub(super) const SSH_ALIVE: Scenario = Scenario {
    name: "ssh-client-alive",
    says: "OpenSSH: a client that is stopped answers nothing and is dropped after ClientAliveInterval times ClientAliveCountMax",
    needs: OPENSSH,
    play: ssh_alive,
};

pub(super) fn quiet_box(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let nat = if stage.plan.rng.bool() { Nat::Snat } else { Nat::None };
    stage.set(&Setup { established_s: LONG_S, ..Setup::of(nat, &stage.plan) })
}

fn mosquitto(stage: &mut Stage<'_>) -> Result<Program, Trouble> {
    quiet_box(stage)?;
    stage.heartbeat = MQTT_PINGREQ;
    let service = stage.service();
    let config = format!(
        "listener {} {}\nallow_anonymous true\nlog_dest stderr\nlog_type all\n\
         log_timestamp_format %Y-%m-%dT%H:%M:%S\n",
        service.port(),
        service.ip()
    );
    let order = Order {
        name: "mosquitto",
        script: "mosquitto -c mosquitto.conf".to_owned(),
        files: vec![("mosquitto.conf", config)],
        out: Writes::Nowhere,
        err: Writes::AsIs(stage.grows(Place::Server, "mosquitto.log")),
    };
    stage.starts(Place::Server, &order, service.port())
}

fn mqtt_keepalive(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let keepalive_s = stage.plan.rng.u32(4..=5) as u16;
    let broker = mosquitto(stage)?;
    let opens: Opens<'_> = Box::new(move |stage: &mut Stage<'_>| {
        let Some(mut end) = stage.dial(stage.service())? else { return Ok(None) };
        end.asks(&mqtt_connect("sensor-7", keepalive_s));
        // Its thread for heartbeats dies some time later.
        for _ in 0..stage.plan.rng.u32(0..=2) {
            stage.pause(0.0, 2.0)?;
            end.asks(MQTT_PINGREQ);
        }
        Ok(Some(end))
    });
    let mut crowd = Crowd::silent(stage, opens);
    crowd.live(stage, 2.0)?;
    stage.look()?;
    stage.sockets()?;
    crowd.until(stage, 4, 80.0)?;
    let silences: Vec<f64> = crowd.lives.iter().map(|l| l.silence()).collect();
    let limit = 1.5 * f64::from(keepalive_s);
    // mosquitto 2.0 looks at its clients every five seconds or so.
    let span = (limit - 1.1, limit + 8.0);
    let says =
        "each ends one and a half times the keepalive after its last packet, or a little later";
    stage.checks.lasted(says, &silences, span);
    stage.look()?;
    stage.cut()?;
    drop(broker);
    Ok(Truth {
        tolerance_s: Some(7.0),
        ..Truth::clock(("heartbeat-missed", "protocol"), "idle-app", limit, "server")
            .set("keepalive", keepalive_s)
    })
}

fn mqtt_takeover(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    let broker = mosquitto(stage)?;
    let neighbour = stage.neighbour()?;
    let service = stage.service();
    stage.server.route_to(stage.plan.side, stage.plan.wan.hop())?;
    let habit = || -> Option<(f64, crate::crowd::Chats<'_>)> {
        Some((
            0.7,
            Box::new(|end: &mut End| {
                end.asks(MQTT_PINGREQ);
                false
            }),
        ))
    };
    let opens: Opens<'_> = Box::new(|stage: &mut Stage<'_>| {
        let Some(mut end) = stage.dial(service)? else { return Ok(None) };
        end.asks(&mqtt_connect("exporter", 30));
        Ok(Some(end))
    });
    let mut ours = Crowd::of(1, stage, Habit { opens, chats: habit(), gives_up_s: None });
    let mut port = 40_000;
    let theirs: Opens<'_> = Box::new(move |stage: &mut Stage<'_>| {
        // A forgotten copy elsewhere, which takes its time.
        stage.pause(0.5, 1.5)?;
        port += 1;
        let mut end = stage.connect_from(&neighbour, port)?;
        end.asks(&mqtt_connect("exporter", 30));
        Ok(Some(end))
    });
    let mut other = Crowd::of(1, stage, Habit { opens: theirs, chats: habit(), gives_up_s: None });
    let until = now().plus(hopclock_core::time::Gap::from_secs_f64(40.0));
    let mut looked = false;
    while ours.lives.len() < 6 && now() < until {
        ours.live(stage, 0.15)?;
        other.live(stage, 0.15)?;
        if !looked && ours.lives.len() == 2 {
            looked = true;
            stage.look()?;
            stage.sockets()?;
        }
    }
    let (ended, took) = (ours.lives.len(), other.lives.len());
    stage.checks.that("the client is thrown out again and again", ended >= 6, ended);
    stage.checks.that("and so is the other", took + 1 >= ended, took);
    stage.look()?;
    stage.cut()?;
    drop(broker);
    Ok(Truth::end_decided("peer-takeover", "event", "server"))
}

/// A pair of keys, private first.
fn keys(stage: &mut Stage<'_>, name: &str) -> Result<(String, String), Trouble> {
    let folder = stage.scratch()?;
    let path = folder.join(name);
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "app-1", "-f"])
        .arg(&path)
        .stdin(std::process::Stdio::null())
        .output()
        .doing(|| "running ssh-keygen".to_owned())?;
    if !made.status.success() {
        return Err(Trouble::Broken(String::from_utf8_lossy(&made.stderr).trim().to_owned()));
    }
    let read = |path| fs::read_to_string(path).doing(|| "reading a key".to_owned());
    Ok((read(path.clone())?, read(path.with_extension("pub"))?))
}

fn sshd(
    stage: &mut Stage<'_>,
    interval_s: u32,
    count: u32,
    client_key: String,
) -> Result<Program, Trouble> {
    let service = stage.service();
    let (host_key, _) = keys(stage, "host")?;
    let config = format!(
        "Port {}\nListenAddress {}\nHostKey /run/lab/host_key\nPidFile none\nUsePAM no\n\
         StrictModes no\nAuthorizedKeysFile /run/lab/authorized_keys\n\
         PermitRootLogin prohibit-password\nLogLevel VERBOSE\nPrintMotd no\n\
         ClientAliveInterval {interval_s}\nClientAliveCountMax {count}\n",
        service.port(),
        service.ip()
    );
    let order = Order {
        name: "sshd",
        script: "chmod 600 host_key\n/usr/sbin/sshd -D -e -f sshd_config".to_owned(),
        files: vec![
            ("host_key", host_key),
            ("authorized_keys", client_key),
            ("sshd_config", config),
        ],
        out: Writes::Nowhere,
        err: Writes::Syslog(stage.grows(Place::Server, "auth.log"), "upstream-1", "sshd[1]"),
    };
    stage.starts(Place::Server, &order, service.port())
}

fn ssh_alive(stage: &mut Stage<'_>) -> Result<Truth, Trouble> {
    quiet_box(stage)?;
    let (interval_s, count) = (stage.plan.rng.u32(1..=2), stage.plan.rng.u32(2..=3));
    let (private, public) = keys(stage, "client")?;
    let sshd = sshd(stage, interval_s, count, public)?;
    let service = stage.service();
    let log = stage.grows(Place::Client, "ssh.log");
    let order = Order {
        name: "ssh",
        script: format!(
            "chmod 600 key\nssh -v -F none -i key -o IdentitiesOnly=yes -o BatchMode=yes \
             -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
             -o ServerAliveInterval=0 -p {} root@{} 'exec sleep 600'",
            service.port(),
            service.ip()
        ),
        files: vec![("key", private)],
        out: Writes::Nowhere,
        err: Writes::Syslog(log.clone(), "app-1", "tunnel[1]"),
    };
    let mut waits = Vec::new();
    // The last question is not waited for in vain: the one after it drops the client.
    let limit = f64::from(interval_s * (count + 1));
    for round in 0..4 {
        let ssh = Program::start(&stage.client, &order)?;
        stage.until_said(&log, "Sending command", round + 1)?;
        stage.pause(0.5, 2.5)?;
        if round == 1 {
            stage.look()?;
            stage.sockets()?;
        }
        ssh.signal("STOP")?;
        let stopped = now();
        while stage.talks()? > 0 && now().since(stopped).secs_f64() < 20.0 {
            stage.rest(0.1)?;
        }
        waits.push(now().since(stopped).secs_f64());
        ssh.signal("CONT")?;
        stage.pause(0.4, 1.4)?;
        let gone = !ssh.is_alive();
        stage.checks.that("going on, the client finds its connection closed", gone, gone);
    }
    // sshd counts in whole seconds: a wait that ends a little early is waited once more.
    let span = (limit - f64::from(interval_s) - 0.3, 2.0 * limit + 1.5);
    stage.checks.lasted("the server drops it after that many questions", &waits, span);
    stage.look()?;
    stage.cut()?;
    drop(sshd);
    Ok(Truth {
        tolerance_s: Some(0.6 * limit),
        ..Truth::clock(("heartbeat-missed", "protocol"), "probe", 1.5 * limit, "server")
            .set("ClientAliveInterval", interval_s)
    })
}
