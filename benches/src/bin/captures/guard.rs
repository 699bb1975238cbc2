//! Instructions a packet, counted by callgrind: what a shared machine cannot blur. The limits stand
//! here; a change that needs more says so by changing them.

use crate::made::Plan;
use crate::run::{MIXED, Made, hopclock};
use crate::work::Work;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Instructions that a packet may cost: a quarter more than it did when each number was written.
const ALLOWED: [(Counted, u64); 9] = [
    (Counted::Work(Work::Capture), 60),
    (Counted::Work(Work::Sift), 515),
    (Counted::Work(Work::Flows), 1_515),
    (Counted::Flows, 1_550),
    (Counted::Work(Work::Read), 1_050),
    (Counted::Work(Work::Model), 2_050),
    (Counted::Replay, 2_900),
    // Of a packet that both places have: read twice, its connection kept twice, and compared.
    (Counted::Work(Work::Pair), 17_200),
    (Counted::Sweep, 3_600),
];

#[derive(Clone, Copy)]
enum Counted {
    Work(Work),
    /// A whole command.
    Flows,
    Replay,
    /// The same under eight settings at once.
    Sweep,
}

/// Counts and prints; false when something costs more than it may.
///
/// # Errors
///
/// What the file system says, or that valgrind or the command is not there.
pub fn run(plan: Plan) -> io::Result<bool> {
    let (once, twice) = (Made::new(plan)?, Made::new(Plan { packets: plan.packets * 2, ..plan })?);
    let mut held = true;
    println!("instructions a packet, {} connections open at once", plan.flows);
    for (counted, allowed) in ALLOWED {
        // What is spent once, and the opening of every connection, falls out of the difference.
        let more = count(counted, &twice.path)? - count(counted, &once.path)?;
        let each = more / plan.packets;
        held &= each <= allowed;
        let verdict = if each <= allowed { "" } else { "  too many" };
        println!("{:>15} {each:>6} of {allowed:>6} allowed{verdict}", counted.name());
    }
    Ok(held)
}

impl Counted {
    const fn name(self) -> &'static str {
        match self {
            Counted::Work(work) => work.name(),
            Counted::Flows => "hopclock flows",
            Counted::Replay => "hopclock replay",
            Counted::Sweep => "a sweep of 8",
        }
    }
}

fn count(counted: Counted, file: &Path) -> io::Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    match counted {
        Counted::Work(work) => {
            command.arg(std::env::current_exe()?).args(["work", work.name()]).arg(file);
        }
        Counted::Flows => {
            command.arg(hopclock()?).args(["flows", "-q", "--threads", "1"]);
            command.args(["--format", "jsonl"]).arg(file);
        }
        Counted::Replay => {
            command.arg(hopclock()?).arg("replay").arg(file);
        }
        Counted::Sweep => {
            command.arg(hopclock()?).arg("replay").arg(file).args(MIXED);
        }
    }
    let ran = command.stdout(Stdio::null()).output()?;
    let told = String::from_utf8_lossy(&ran.stderr);
    let line = told.lines().find_map(|l| l.split_once("Collected : ").map(|(_, n)| n.trim()));
    line.and_then(|n| n.parse().ok()).ok_or_else(|| io::Error::other(format!("valgrind: {told}")))
}
