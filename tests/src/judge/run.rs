//! Runs conversations against the kernel, and traces against models.

use std::io;

use hopclock_core::conntrack::entry::Proto;
use hopclock_core::conntrack::packet::Tuple;
use hopclock_core::conntrack::read::read;
use hopclock_core::conntrack::{Rules, Settings, Table};
use hopclock_core::time::{Gap, Moment};
use hopclock_live::clock::monotonic;

use super::Kernel;
use super::compare::differences;
use super::mutation::Mutation;
use super::rng::Rng;
use super::talk::Talk;
use super::trace::{Answer, Deed, Trace};

/// Conversations at a time.
const AT_ONCE: usize = 48;
/// Around an expiry neither side can be held to the tick.
const NEAR: Gap = Gap::from_millis(40);

/// A packet on which model and kernel differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Which deed, from 0.
    pub deed: usize,
    /// What differs.
    pub what: Vec<String>,
    /// The deed, the entry before it, and the settings: enough to think.
    pub about: String,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Packets sent.
    pub packets: u64,
    /// Conversations begun.
    pub talks: u32,
}

/// Drives one namespace.
#[derive(Debug)]
pub struct Runner {
    kernel: Kernel,
    rng: Rng,
    talks: Vec<Talk>,
    rules: Rules,
    guide: Table,
    /// What was done so far.
    pub tally: Tally,
}

impl Runner {
    /// Moves the calling thread into a namespace of its own.
    ///
    /// # Errors
    ///
    /// What the kernel says; `EPERM` without root.
    pub fn start(seed: u64) -> io::Result<Self> {
        Ok(Self {
            kernel: Kernel::start()?,
            rng: Rng::new(seed),
            talks: Vec::new(),
            rules: Rules::default(),
            guide: Table::new(base(), Rules::default()),
            tally: Tally::default(),
        })
    }

    /// The conversations follow what a kernel of these rules would do.
    #[must_use]
    pub fn following(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self.guide = Table::new(base(), rules);
        self
    }

    /// Sends this many packets and keeps what the kernel said. Each call begins with an empty
    /// table.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn run(&mut self, packets: u64) -> io::Result<Trace> {
        let mut trace = Trace::default();
        self.kernel.table.flush()?;
        self.talks.clear();
        let before = self.guide.settings;
        self.guide = Table::new(base(), self.rules);
        self.guide.settings = before;
        self.settings(&mut trace)?;
        let goal = self.tally.packets + packets;
        while self.tally.packets < goal {
            if let Some(which) = self.talks.iter().position(Talk::is_insistent) {
                self.packet(which, &mut trace)?;
                continue;
            }
            if self.rng.once_in(1500) {
                self.settings(&mut trace)?;
            }
            self.one(&mut trace)?;
        }
        Ok(trace)
    }

    fn settings(&mut self, trace: &mut Trace) -> io::Result<()> {
        let settings = random_settings(&mut self.rng);
        self.kernel.set(&self.guide.settings, &settings)?;
        self.guide.settings = settings;
        trace.deeds.push(Deed::Set(Box::new(settings)));
        Ok(())
    }

    /// One deed of one conversation.
    fn one(&mut self, trace: &mut Trace) -> io::Result<()> {
        while self.talks.len() < AT_ONCE {
            self.tally.talks += 1;
            self.talks.push(Talk::new(&mut self.rng, self.tally.talks));
        }
        let at = monotonic();
        self.guide.advance_to(at);
        let which = self.rng.below(AT_ONCE as u32) as usize;
        let talk = &mut self.talks[which];
        let tuple = talk.tuple;
        if talk.silent_until.is_some_and(|until| at < until) {
            return Ok(());
        }
        let silent = talk.silent_until.take().is_some();
        if talk.left == 0 {
            self.talks.swap_remove(which);
            return self.remove(&tuple, trace);
        }
        if uncertain(&self.guide, &tuple, at) {
            return if silent { Ok(()) } else { self.remove(&tuple, trace) };
        }
        match self.rng.below(400) {
            0..12 => {
                let seconds = self.rng.pick(&[1, 2, 60, 119, 121, 122, 300, 301, 5000, 500_000]);
                self.timeout(which, seconds, at, trace)
            }
            12 | 13 => self.timeout(which, 0, at, trace),
            _ => self.packet(which, trace),
        }
    }

    fn packet(&mut self, which: usize, trace: &mut Trace) -> io::Result<()> {
        let next = self.talks[which].next(&mut self.rng, &self.guide);
        let at = monotonic();
        let answer = self.kernel.packet(&next.bytes, &next.tuple)?;
        self.tally.packets += 1;
        let Ok(packet) = read(&next.bytes) else { return Ok(()) };
        self.guide.packet(at, &packet);
        let (bytes, tuple) = (next.bytes, next.tuple);
        trace.deeds.push(Deed::Packet { at, bytes, tuple, answer });
        Ok(())
    }

    fn timeout(
        &mut self,
        which: usize,
        seconds: u32,
        at: Moment,
        trace: &mut Trace,
    ) -> io::Result<()> {
        let tuple = &self.talks[which].tuple.clone();
        if self.guide.find(tuple).is_none() {
            return Ok(());
        }
        match self.kernel.table.set_timeout(tuple, seconds) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        }
        // A second of life: silence until it is surely over, and the next packet finds nothing.
        if seconds == 1 {
            self.talks[which].silent_until = Some(at.plus(Gap::from_millis(1100)));
        }
        set_timeout(&mut self.guide, tuple, seconds, at);
        trace.deeds.push(Deed::Timeout { at, tuple: *tuple, seconds });
        Ok(())
    }

    fn remove(&mut self, tuple: &Tuple, trace: &mut Trace) -> io::Result<()> {
        self.kernel.table.delete(tuple)?;
        self.guide.remove(tuple);
        trace.deeds.push(Deed::Remove { tuple: *tuple });
        Ok(())
    }
}

/// Holds a model against a trace; the first difference, if any.
pub fn judge(trace: &Trace, mutation: Mutation) -> Option<Difference> {
    hold(trace, mutation.rules(), mutation)
}

/// Holds the model by the rules of one kernel against a trace; the first difference, if any.
pub fn judge_by(trace: &Trace, rules: Rules) -> Option<Difference> {
    hold(trace, rules, Mutation::None)
}

fn hold(trace: &Trace, rules: Rules, mutation: Mutation) -> Option<Difference> {
    let mut table = Table::new(base(), rules);
    for (number, deed) in trace.deeds.iter().enumerate() {
        match deed {
            Deed::Set(settings) => table.settings = mutation.settings(**settings),
            Deed::Timeout { at, tuple, seconds } => {
                table.advance_to(*at);
                set_timeout(&mut table, tuple, *seconds, *at);
            }
            Deed::Remove { tuple } => {
                table.remove(tuple);
            }
            Deed::Packet { at, bytes, tuple, answer } => {
                let what = packet(&mut table, mutation, *at, bytes, (tuple, answer));
                if let Some((what, about)) = what {
                    return Some(Difference { deed: number, what, about });
                }
            }
        }
    }
    None
}

fn packet(
    table: &mut Table,
    mutation: Mutation,
    at: Moment,
    bytes: &[u8],
    (tuple, answer): (&Tuple, &Answer),
) -> Option<(Vec<String>, String)> {
    let packet = mutation.packet(read(bytes).ok()?);
    table.advance_to(at);
    let before = table.find(tuple).map(|(entry, _)| *entry);
    mutation.before(table, &packet);
    let judged = table.packet(at, &packet);
    mutation.after(table, &packet, before.as_ref(), &judged);
    let what = differences(table, &packet, &judged, tuple, answer);
    if what.is_empty() {
        return None;
    }
    let after = table.find(tuple).map(|(entry, _)| *entry);
    let about = format!(
        "packet {packet:?}\nbefore {before:?}\njudged {judged:?}\nafter {after:?}\n\
         kernel {answer:?}\nsettings {:?}",
        table.settings
    );
    Some((what, about))
}

/// Gives an entry seconds from `at`, as ctnetlink does.
pub fn set_timeout(table: &mut Table, tuple: &Tuple, seconds: u32, at: Moment) {
    table.change(tuple, |entry| entry.expires = at.plus(Gap::from_secs(i64::from(seconds))));
    table.advance_to(at);
}

/// Whether a tick more or less would decide.
fn uncertain(table: &Table, tuple: &Tuple, at: Moment) -> bool {
    let near = |moment: Moment| moment.since(at).abs() < NEAR;
    table.find(tuple).is_some_and(|(entry, _)| {
        let stream = matches!(entry.proto, Proto::Udp { stream_from } if near(stream_from));
        // Where the model asks whether 120 seconds are left, the kernel counts in ticks.
        let limit = near(entry.expires.plus(Gap::from_secs(-120))) && entry.status.assured;
        near(entry.expires) || stream || limit
    })
}

/// What a fresh namespace is set to, as far as the model looks.
fn base() -> Settings {
    Settings { log_invalid: 255, acct: true, ..Settings::default() }
}

fn random_settings(rng: &mut Rng) -> Settings {
    let mut settings = base();
    let names: Vec<&str> =
        settings.all().map(|(name, _)| name).filter(|name| name.contains("timeout")).collect();
    for name in names {
        let seconds = match rng.below(20) {
            0 => 0,
            1..5 => 2 + rng.below(20),
            5..8 => continue,
            8..12 => 100 + rng.below(100),
            _ => 20 + rng.below(600_000),
        };
        // Every name came from the settings themselves, and every value is in range.
        let _ = settings.set(name, i64::from(seconds));
    }
    settings.tcp_max_retrans = rng.pick(&[0, 1, 2, 3, 3, 3, 5, 254, 255]);
    settings.tcp_loose = rng.percent(70);
    settings.tcp_be_liberal = rng.percent(15);
    settings.tcp_ignore_invalid_rst = rng.percent(25);
    settings.checksum = rng.percent(80);
    settings
}
