//! Waiting between the two looks: until the time is up, or somebody has had enough (Ctrl-C, a
//! request to end, a closed terminal).

use crate::exit::Trouble;
use crate::signals;
use hopclock_live::clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const ROUND: Duration = Duration::from_millis(50);

/// How long to wait, and whether to stop.
#[derive(Debug)]
pub struct Patience {
    length: Duration,
    enough: Arc<AtomicBool>,
}

impl Patience {
    /// Signals are listened to from now on: the first ends the wait, the second the program.
    pub fn new(length: Duration) -> Result<Self, Trouble> {
        let enough = signals::enough()?;
        Ok(Self { length, enough })
    }

    /// Waits, and does `each` now and then; how long it was.
    pub fn wait(&self, mut each: impl FnMut()) -> Duration {
        let began = clock::monotonic();
        loop {
            let gone = clock::monotonic().since(began).ns();
            let gone = Duration::from_nanos(u64::try_from(gone).unwrap_or(0));
            let left = self.length.saturating_sub(gone);
            if left.is_zero() || self.interrupted() {
                return gone;
            }
            each();
            thread::sleep(ROUND.min(left));
        }
    }

    /// Whether a signal came.
    pub fn interrupted(&self) -> bool {
        self.enough.load(Ordering::Relaxed)
    }
}
