//! Clients that live with a server for a while: each connects, says something now and then, and
//! connects again after its connection has ended, so that a scenario ends many connections and
//! their rhythm shows.

use hopclock_core::time::{Gap, Moment};
use std::time::Duration;

use crate::checks::Checks;
use crate::ends::{End, Heard};
use crate::journal::Broken;
use crate::stage::{Stage, now};
use crate::trouble::Trouble;

/// How long a client listens at a time.
const GLANCE: Duration = Duration::from_millis(15);

/// One life of a connection, as its client knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// It was open.
    pub opened: Moment,
    /// The last byte either way.
    pub last: Moment,
    /// The client knew of the end.
    pub ended: Moment,
    /// And how.
    pub how: Broken,
}

/// How a client opens a connection: what it says before it waits is its own affair.
pub(crate) type Opens<'c> = Box<dyn FnMut(&mut Stage<'_>) -> Result<Option<End>, Trouble> + 'c>;
/// What a client says now and then; `true` when it hangs up instead.
pub(crate) type Chats<'c> = Box<dyn FnMut(&mut End) -> bool + 'c>;

/// What a client does.
pub(crate) struct Habit<'c> {
    pub opens: Opens<'c>,
    /// And how often, in seconds.
    pub chats: Option<(f64, Chats<'c>)>,
    /// Seconds it waits for an answer before it gives a connection up.
    pub gives_up_s: Option<f64>,
}

/// Clients and what became of their connections.
pub(crate) struct Crowd<'c> {
    habit: Habit<'c>,
    seats: Vec<Seat>,
    /// Connections that have ended, in order.
    pub lives: Vec<Life>,
}

enum Seat {
    /// Nobody; somebody comes then.
    Empty(Moment),
    /// A connection, and when its client speaks next.
    Taken(Box<End>, Moment),
}

impl<'c> Crowd<'c> {
    /// This many clients of one habit, who come within a second.
    pub(crate) fn of(clients: u32, stage: &mut Stage<'_>, habit: Habit<'c>) -> Self {
        let mut seats = Vec::new();
        for _ in 0..clients {
            let wait = if clients == 1 { 0.0 } else { stage.plan.rng.f64() };
            seats.push(Seat::Empty(after(wait)));
        }
        Self { habit, seats, lives: Vec::new() }
    }

    /// One client that opens so and then only listens.
    pub(crate) fn silent(stage: &mut Stage<'_>, opens: Opens<'c>) -> Self {
        Self::of(1, stage, Habit { opens, chats: None, gives_up_s: None })
    }

    /// They live for this many seconds.
    pub(crate) fn live(&mut self, stage: &mut Stage<'_>, seconds: f64) -> Result<(), Trouble> {
        self.go_on(stage, seconds, usize::MAX)
    }

    /// They live for some time between these many seconds.
    pub(crate) fn live_about(
        &mut self,
        stage: &mut Stage<'_>,
        least: f64,
        most: f64,
    ) -> Result<(), Trouble> {
        let seconds = least + (most - least) * stage.plan.rng.f64();
        self.live(stage, seconds)
    }

    /// They live until so many connections have ended, but no longer than this.
    pub(crate) fn until(
        &mut self,
        stage: &mut Stage<'_>,
        lives: usize,
        seconds: f64,
    ) -> Result<(), Trouble> {
        self.go_on(stage, seconds, lives)?;
        let ended = self.lives.len();
        stage.checks.that(
            &format!("{lives} connections end, one after the other"),
            ended >= lives,
            ended,
        );
        Ok(())
    }

    fn go_on(&mut self, stage: &mut Stage<'_>, seconds: f64, lives: usize) -> Result<(), Trouble> {
        let until = after(seconds);
        while now() < until && self.lives.len() < lives {
            for at in 0..self.seats.len() {
                self.step(stage, at)?;
            }
            stage.rest(0.005)?;
        }
        Ok(())
    }

    /// The first who has a connection ends it, as a restart by hand does.
    pub(crate) fn cut_one(&mut self) {
        let mut ends = self.seats.iter_mut().filter_map(|seat| match seat {
            Seat::Taken(end, _) => Some(end),
            Seat::Empty(_) => None,
        });
        if let Some(end) = ends.next() {
            end.hangs_up();
        }
    }

    fn step(&mut self, stage: &mut Stage<'_>, at: usize) -> Result<(), Trouble> {
        let Some(seat) = self.seats.get_mut(at) else { return Ok(()) };
        match seat {
            Seat::Empty(due) if *due <= now() => {
                let came = (self.habit.opens)(stage)?;
                let next = self.habit.chats.as_ref().map_or(f64::MAX, |(every, _)| *every);
                *seat = match came {
                    Some(end) => Seat::Taken(Box::new(end), after(next.min(1e6))),
                    None => Seat::Empty(after(0.4)),
                };
            }
            Seat::Empty(_) => {}
            Seat::Taken(end, speaks) => {
                let heard = end.hear(GLANCE);
                if let (Heard::Nothing, true) = (heard, *speaks <= now())
                    && let Some((every, chat)) = &mut self.habit.chats
                {
                    *speaks = after(*every * (0.8 + 0.4 * stage.plan.rng.f64()));
                    if chat(end) && end.how().is_none() {
                        end.hangs_up();
                    }
                }
                let waited = end.waits_since.map_or(0.0, |since| now().since(since).secs_f64());
                if self.habit.gives_up_s.is_some_and(|most| waited > most) && end.how().is_none() {
                    end.gives_up();
                }
                if let Some((ended, how)) = end.how() {
                    self.lives.push(Life { opened: end.opened, last: end.last, ended, how });
                    end.reconnecting();
                    let pause = 0.2 + 0.7 * stage.plan.rng.f64();
                    *seat = Seat::Empty(after(pause));
                }
            }
        }
        Ok(())
    }
}

fn after(seconds: f64) -> Moment {
    now().plus(Gap::from_secs_f64(seconds))
}

impl Life {
    /// Seconds from the opening to the end.
    pub(crate) fn age(&self) -> f64 {
        self.ended.since(self.opened).secs_f64()
    }

    /// Seconds from the last byte to the end.
    pub(crate) fn silence(&self) -> f64 {
        self.ended.since(self.last).secs_f64()
    }
}

impl Checks {
    /// Of every life this many seconds, give or take.
    pub(crate) fn lasted(&mut self, says: &str, seconds: &[f64], (least, most): (f64, f64)) {
        let all = seconds.iter().all(|s| (least..=most).contains(s));
        self.that(says, all && !seconds.is_empty(), seconds);
    }
}
