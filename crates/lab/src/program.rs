//! Real servers and clients of the distribution, run as children inside a machine of the lab.
//!
//! Each has a mount and a process namespace of its own and a `/run` in memory: what it writes, and
//! every process it starts, ends with it, and it ends with the thread that started it, whatever
//! becomes of the lab. It refuses nothing a program does to itself: what it says is its log.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use hopclock_live::clock;
use jiff::Timestamp;

use crate::net::Host;
use crate::tool::search_path;
use crate::trouble::{Doing, Trouble};

/// Before a program's own lines run: its own folder, in memory, with its files. As first process of
/// its namespace a shell stays, as root: one that drops its privileges would lose the signal that
/// ends it with the lab.
const BEFORE: &str = "set -e\nmount -t tmpfs -o mode=755 lab /run\n\
     mkdir -p /run/sshd /run/lab\nchmod 1777 /run/lab\ncd /run/lab\n\
     i=0\nwhile [ $i -lt \"$LAB_FILES\" ]; do\n\
     eval \"printf %s \\\"\\$LAB_TEXT_$i\\\" > \\\"\\$LAB_NAME_$i\\\"\"\ni=$((i+1))\ndone\n";
/// A shell that has nothing left to do would make way for its last command.
const AFTER: &str = "\nexit $?\n";

/// Where a stream of a program goes.
#[derive(Clone, Debug)]
pub(crate) enum Writes {
    /// Nowhere.
    Nowhere,
    /// Into this file as it is, behind what is there.
    AsIs(PathBuf),
    /// Into this file, each line stamped as a syslog daemon does, with host and tag.
    Syslog(PathBuf, &'static str, &'static str),
}

/// What is started.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// What it is, for messages.
    pub name: &'static str,
    /// Lines of a shell in `/run/lab`; the last one is the program, in the foreground.
    pub script: String,
    /// Files there, by name.
    pub files: Vec<(&'static str, String)>,
    /// Standard output.
    pub out: Writes,
    /// Standard error.
    pub err: Writes,
}

/// A program at work. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    name: &'static str,
    /// The process that made its namespaces.
    outer: u32,
    stop: Option<Sender<()>>,
    guardian: Option<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
}

impl Program {
    /// Starts it on this machine.
    pub(crate) fn start(host: &Host, order: &Order) -> Result<Self, Trouble> {
        let (told, heard) = mpsc::channel();
        let (stop, stopped) = mpsc::channel();
        let mut command = command(order);
        let ns = host.ns.clone();
        // A child ends with the *thread* that started it, so that thread stays.
        let guardian = thread::spawn(move || {
            let started = ns.enter().and_then(|()| command.spawn());
            guard(started, &told, &stopped);
        });
        let doing = || format!("starting {} on {}", order.name, host.name);
        let started = heard.recv().unwrap_or_else(|_| Err(io::Error::other("its thread ended")));
        let mut pipes = started.doing(doing)?;
        let mut readers = Vec::new();
        for (pipe, writes) in [(pipes.out.take(), &order.out), (pipes.err.take(), &order.err)] {
            if let Some(pipe) = pipe {
                readers.push(reader(pipe, writes.clone()));
            }
        }
        let stop = Some(stop);
        Ok(Self { name: order.name, outer: pipes.process, stop, guardian: Some(guardian), readers })
    }

    /// The program itself, behind the shell: its number in the lab's own namespace.
    fn process(&self) -> Option<u32> {
        child_of(child_of(self.outer)?)
    }

    /// It runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.process().is_some()
    }

    /// Sends it a signal, by its short name.
    pub(crate) fn signal(&self, signal: &str) -> Result<(), Trouble> {
        let Some(process) = self.process() else {
            return Err(Trouble::Broken(format!("{} is gone already", self.name)));
        };
        let line = format!("kill -{signal} {process}");
        let sent = Command::new("/bin/sh").args(["-c", &line]).status();
        let sent = sent.doing(|| format!("signalling {}", self.name))?;
        if sent.success() {
            Ok(())
        } else {
            Err(Trouble::Broken(format!("{} could not be sent {signal}", self.name)))
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop = None;
        // The streams end when the last process that holds them has ended.
        for thread in self.guardian.take().into_iter().chain(self.readers.drain(..)) {
            let _ = thread.join();
        }
    }
}

/// What a started process hands over.
struct Pipes {
    process: u32,
    out: Option<Box<dyn Read + Send>>,
    err: Option<Box<dyn Read + Send>>,
}

fn guard(started: io::Result<Child>, told: &Sender<io::Result<Pipes>>, stopped: &Receiver<()>) {
    match started {
        Ok(mut child) => {
            let out = child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
            let err = child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
            let _ = told.send(Ok(Pipes { process: child.id(), out, err }));
            let _ = stopped.recv();
            let _ = child.kill();
            let _ = child.wait();
        }
        Err(error) => {
            let _ = told.send(Err(error));
        }
    }
}

fn command(order: &Order) -> Command {
    let mut command = Command::new("/usr/bin/setpriv");
    command
        .args(["--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork"])
        .args(["--kill-child=KILL", "/bin/sh", "-c"])
        .arg(format!("{BEFORE}{}{AFTER}", order.script))
        .env("PATH", search_path())
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .env("LAB_FILES", order.files.len().to_string())
        .current_dir("/")
        .stdin(Stdio::null());
    for (at, (name, text)) in order.files.iter().enumerate() {
        command.env(format!("LAB_NAME_{at}"), name).env(format!("LAB_TEXT_{at}"), text);
    }
    let stream = |writes: &Writes| match writes {
        Writes::Nowhere => Stdio::null(),
        Writes::AsIs(_) | Writes::Syslog(..) => Stdio::piped(),
    };
    command.stdout(stream(&order.out)).stderr(stream(&order.err));
    command
}

/// Copies a stream line by line, until it ends.
fn reader(pipe: Box<dyn Read + Send>, writes: Writes) -> JoinHandle<()> {
    thread::spawn(move || {
        let (Writes::AsIs(path) | Writes::Syslog(path, ..)) = &writes else { return };
        let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) else { return };
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if let Writes::Syslog(_, host, tag) = &writes {
                let _ = file.write_all(format!("{} {host} {tag}: ", stamp()).as_bytes());
            }
            let _ = file.write_all(&line);
            line.clear();
        }
    })
}

/// Now, as rsyslog writes it by default.
fn stamp() -> String {
    let now = Timestamp::from_nanosecond(i128::from(clock::now().ns())).unwrap_or_default();
    now.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

/// The eldest child of a process.
fn child_of(process: u32) -> Option<u32> {
    let children = std::fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name, in brackets, may hold anything.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let is_zombie = fields.next() == Some("Z");
        let parent: u32 = fields.next()?.parse().ok()?;
        (parent == process && !is_zombie).then_some(number)
    });
    children.min()
}

/// Whether somebody listens on this port of the machine.
pub(crate) fn listens(host: &Host, port: u16) -> Result<bool, Trouble> {
    let wanted = format!(":{port:04X}");
    host.run("reading its sockets", || {
        let mut found = false;
        for table in ["tcp", "tcp6"] {
            let text = std::fs::read_to_string(Path::new("/proc/thread-self/net").join(table));
            found |= text.unwrap_or_default().lines().any(|line| {
                let mut fields = line.split_whitespace().skip(1);
                let local = fields.next().is_some_and(|local| local.ends_with(&wanted));
                // The state LISTEN of the kernel's `tcp_states.h`.
                local && fields.nth(1) == Some("0A")
            });
        }
        Ok(found)
    })
}
