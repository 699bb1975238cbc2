//! What a scenario foretells and whether it was so.

/// One thing a scenario foretells.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// What must be seen, as a sentence.
    pub says: String,
    /// It was.
    pub held: bool,
    /// What was seen, where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
}

/// The checks of a run, in the order they were made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checks(pub Vec<Check>);

impl Checks {
    /// Adds one; `seen` is told where it did not hold.
    pub(crate) fn that(&mut self, says: &str, held: bool, seen: impl std::fmt::Debug) {
        let seen = (!held).then(|| format!("{seen:?}"));
        self.0.push(Check { says: says.to_owned(), held, seen });
    }
}
