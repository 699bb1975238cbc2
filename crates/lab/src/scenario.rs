//! A scenario: a name, what it shows, and how it is played.

use crate::stage::Stage;
use crate::tool::Tool;
use crate::trouble::Trouble;
use crate::truth::Truth;

/// One way a connection ends, or does not.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// As it is typed.
    pub name: &'static str,
    /// What happens, in one sentence.
    pub says: &'static str,
    /// Programs that it takes besides the lab's own.
    pub needs: &'static [Tool],
    /// Plays it and returns the truth of it.
    pub(crate) play: fn(&mut Stage<'_>) -> Result<Truth, Trouble>,
}

impl Scenario {
    /// What it needs and this machine lacks.
    pub fn missing(&self) -> Option<Tool> {
        self.needs.iter().copied().find(|tool| !tool.is_there())
    }
}
