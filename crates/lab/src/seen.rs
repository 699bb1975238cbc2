//! What scenarios say again and again of what was seen: an end told of its end, an end that hears
//! nothing, an entry that is there or gone, a reset of this shape.

use std::time::Duration;

use hopclock_core::wire::Segment;

use crate::checks::Checks;
use crate::ends::{End, Heard};
use crate::journal::Broken;
use crate::rules::Setup;
use crate::stage::{A_MOMENT, Stage};
use crate::tape::{is_bare, told};
use crate::trouble::Trouble;

impl Checks {
    /// The reset is what a stack without the socket sends, and arrived with this TTL.
    pub(crate) fn bare(&mut self, says: &str, reset: Option<&Segment>, ttl: u8) {
        self.that(says, reset.is_some_and(|r| is_bare(r) && r.ttl == ttl), told(reset));
    }

    /// There is such a packet.
    pub(crate) fn seen(&mut self, says: &str, packet: Option<&Segment>) {
        self.that(says, packet.is_some(), told(packet));
    }

    /// There is no such packet.
    pub(crate) fn unseen(&mut self, says: &str, packet: Option<&Segment>) {
        self.that(says, packet.is_none(), told(packet));
    }
}

impl Stage<'_> {
    /// Gives the box this setup and opens a connection through it, looked at from all sides.
    pub(crate) fn begin(&mut self, setup: &Setup) -> Result<(End, End), Trouble> {
        self.set(setup)?;
        let ends = self.open()?;
        self.look()?;
        self.sockets()?;
        Ok(ends)
    }

    /// The end's program is told that its connection is over, and so.
    pub(crate) fn over(&mut self, says: &str, end: &mut End, broken: Broken) {
        let heard = end.hear(self.patience());
        self.checks.that(says, heard == Heard::Over(broken), heard);
    }

    /// Something arrives at the end.
    pub(crate) fn hears(&mut self, says: &str, end: &mut End) {
        let heard = end.hear(self.patience());
        self.checks.that(says, matches!(heard, Heard::Bytes(_)), heard);
    }

    /// For this many seconds nothing arrives at the end, and no word of its connection.
    pub(crate) fn quiet(&mut self, says: &str, end: &mut End, seconds: f64) {
        let heard = end.hear(Duration::from_secs_f64(seconds));
        self.checks.that(says, heard == Heard::Nothing, heard);
    }

    /// The same, and the end's program has waited long enough.
    pub(crate) fn in_vain(&mut self, says: &str, end: &mut End, seconds: f64) {
        let heard = end.hear(Duration::from_secs_f64(seconds));
        self.checks.that(says, heard == Heard::Nothing, heard);
        if heard == Heard::Nothing {
            end.gives_up();
        }
    }

    /// The other end answers, should what was said have arrived.
    pub(crate) fn answers(&self, end: &mut End) {
        if matches!(end.hear(Duration::from_secs_f64(A_MOMENT)), Heard::Bytes(_)) {
            end.say(96);
        }
    }

    /// The box has an entry of the client's connection that runs for a timer of this length.
    pub(crate) fn runs_for(
        &mut self,
        says: &str,
        client: &End,
        timer_s: u32,
    ) -> Result<(), Trouble> {
        let entry = self.entry(client)?;
        let runs = entry.is_some_and(|e| e.timeout_s.is_some_and(|s| s <= timer_s));
        self.checks.that(says, runs, entry);
        Ok(())
    }

    /// The box has no entry of the client's connection.
    pub(crate) fn no_entry(&mut self, says: &str, client: &End) -> Result<(), Trouble> {
        let entry = self.entry(client)?;
        self.checks.that(says, entry.is_none(), entry);
        Ok(())
    }
}
