//! hopclock-lab: network namespaces and the real kernel, in which each way a long-lived connection
//! ends is made to happen in seconds, recorded, and held against what was foretold.
//!
//! Needs root. It touches no network but its own: hosts are namespaces without a name, wires are
//! veth pairs between them.
#![forbid(unsafe_code)]

mod checks;
mod crowd;
mod draw;
mod ends;
mod folder;
mod inject;
mod journal;
mod measure;
mod net;
mod program;
mod rules;
mod run;
mod scenario;
mod scenarios;
pub mod score;
mod seen;
mod stage;
mod talk;
mod tape;
mod tool;
mod trouble;
mod truth;

pub use checks::Check;
pub use folder::clean;
pub use journal::Ends;
pub use measure::{Measures, Moves};
pub use run::{Outcome, Played, Runner};
pub use scenario::Scenario;
pub use scenarios::{ALL, STORY, story_speaks_grpc};
pub use stage::BySide;
pub use tool::Tool;
pub use trouble::{Trouble, missing};
