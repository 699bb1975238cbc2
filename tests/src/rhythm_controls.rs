//! The labelled series of the material as `hopclock rhythm` reads them: how many of the negative
//! controls are told to have a clock, and what is said of the series that have one. Refuses to
//! judge single readings: tests do.

use crate::command::Hopclock;
use hopclock_core::terms::Anchor;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Anchors that claim a clock.
pub const CLOCKS: [&str; 6] = ["open", "wall", "free-running", "idle", "idle-app", "mixed"];

/// Whether an anchor claims a clock.
pub fn is_clock(anchor: Anchor) -> bool {
    use Anchor::{Count, Event, Random, Undetermined};
    !matches!(anchor, Count | Event | Random | Undetermined)
}

/// One series: what is known of it, and what was read.
#[derive(Debug)]
pub struct Known {
    /// Its entry in the index.
    pub told: Value,
    /// The first series of the reading.
    pub read: Value,
}

impl Known {
    /// It has no clock.
    pub fn is_control(&self) -> bool {
        self.told["is_negative_control"] == true
    }

    /// The reading claims a clock by its anchor, or tells a period.
    pub fn claims(&self) -> (bool, bool) {
        let rhythm = &self.read["rhythm"];
        let anchor = rhythm["anchor"].as_str().unwrap_or_default();
        (CLOCKS.contains(&anchor), rhythm["period_s"].is_number())
    }
}

/// Reads every series of the folder `timing`.
///
/// # Errors
///
/// What the file system says, or that the index is no JSON.
pub fn read(timing: &Path) -> io::Result<Vec<Known>> {
    let index: Vec<Value> = serde_json::from_slice(&fs::read(timing.join("index.json"))?)?;
    index
        .into_iter()
        .map(|told| {
            let name = format!("{}.log", told["id"].as_str().unwrap_or_default());
            let log = fs::read_to_string(timing.join(name))?;
            let ran = Hopclock::new(["rhythm", "--format", "json", "-"]).stdin(log).run();
            let read = ran.json()["series"][0].clone();
            Ok(Known { told, read })
        })
        .collect()
}

/// By label, controls first: series, those with a clock named, those with a period told.
pub fn scored(all: &[Known]) -> BTreeMap<(bool, String), [u32; 3]> {
    let mut rows: BTreeMap<(bool, String), [u32; 3]> = BTreeMap::new();
    for known in all {
        let label = known.told["label"].as_str().unwrap_or_default().to_owned();
        let (named, period) = known.claims();
        let row = rows.entry((!known.is_control(), label)).or_default();
        for (count, more) in row.iter_mut().zip([true, named, period]) {
            *count += u32::from(more);
        }
    }
    rows
}
