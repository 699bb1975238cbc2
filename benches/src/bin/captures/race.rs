//! One run, one table: a floor, `flows`, `replay`, and the peers that are installed, on captures
//! made here. It judges nothing: a machine that others use too gives numbers, not verdicts.
//!
//! Everything is a process of its own, its answer thrown away. Rounds are interleaved and a ratio
//! is taken within its round, so that what else the machine does falls on all alike; the median of
//! the rounds is printed.

use crate::made::Plan;
use crate::run::{Made, hopclock, processor_s};
use hopclock_live::clock;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const ROUNDS: usize = 3;
/// Between two looks at a process's memory.
const LOOK: Duration = Duration::from_millis(10);

/// One that runs, and how often: what takes minutes runs once.
struct Runner {
    name: &'static str,
    command: Vec<OsString>,
    rounds: usize,
}

/// What one run took.
#[derive(Clone, Copy)]
struct Took {
    wall_s: f64,
    processor_s: f64,
    anonymous_mb: f64,
}

/// Races over headers at three lengths, over whole packets, and over what is packed.
///
/// # Errors
///
/// What the file system says, or that the command is not there.
pub fn run(plan: Plan) -> io::Result<bool> {
    let scratch = std::env::temp_dir().join(format!("hopclock-bench-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let done = all(plan, &scratch);
    fs::remove_dir_all(&scratch)?;
    done.map(|()| true)
}

fn all(plan: Plan, scratch: &Path) -> io::Result<()> {
    for share in [4, 2] {
        let plan = Plan { packets: plan.packets / share, ..plan };
        let made = Made::new(plan)?;
        race(&title(plan), plan.packets, &ours(&made.path)?)?;
    }
    let made = Made::new(plan)?;
    let mut runners = ours(&made.path)?;
    runners.extend(peers(&made.path, scratch)?);
    race(&title(plan), plan.packets, &runners)?;
    for (tool, end) in [("gzip", "gz"), ("zstd", "zst")] {
        if let Some(packed) = packed(tool, end, &made.path, scratch)? {
            race(
                &format!("the same, packed: {tool} -1"),
                plan.packets,
                &unpacking(tool, &packed)?,
            )?;
            fs::remove_file(packed)?;
        }
    }
    drop(made);
    let full = Plan { packets: plan.packets / 10, flows: plan.flows, full: true };
    let made = Made::new(full)?;
    let mut runners = ours(&made.path)?;
    runners.extend(peers(&made.path, scratch)?);
    race(&title(full), full.packets, &runners)
}

fn title(plan: Plan) -> String {
    let kept = if plan.full { "1.4 kB each, all of it kept" } else { "cut after 96 bytes" };
    format!("{} packets, {} connections at once, {kept}", plan.packets, plan.flows)
}

fn runner(name: &'static str, rounds: usize, words: &[&dyn AsRef<std::ffi::OsStr>]) -> Runner {
    let command = words.iter().map(|word| word.as_ref().to_owned()).collect();
    Runner { name, command, rounds }
}

/// The floor first, then what hopclock does.
fn ours(file: &Path) -> io::Result<Vec<Runner>> {
    let (own, hopclock) = (std::env::current_exe()?, hopclock()?);
    Ok(vec![
        runner("floor", ROUNDS, &[&own, &"work", &"map", &file]),
        runner("flows", ROUNDS, &[&hopclock, &"flows", &"-q", &"--format", &"jsonl", &file]),
        runner(
            "flows, one thread",
            ROUNDS,
            &[&hopclock, &"flows", &"-q", &"--threads", &"1", &"--format", &"jsonl", &file],
        ),
        runner("replay", ROUNDS, &[&hopclock, &"replay", &file]),
    ])
}

/// Those that are installed, each asked for connections and nothing else.
fn peers(file: &Path, scratch: &Path) -> io::Result<Vec<Runner>> {
    let flows = scratch.join("nfpcapd");
    fs::create_dir_all(&flows)?;
    let argus = scratch.join("argus.out");
    let all = [
        runner("nfpcapd", ROUNDS, &[&"nfpcapd", &"-r", &file, &"-w", &flows]),
        runner("argus", 1, &[&"argus", &"-r", &file, &"-w", &argus]),
        runner("tcptrace", 1, &[&"tcptrace", &"-n", &file]),
        runner("tshark", 1, &[&"tshark", &"-n", &"-q", &"-z", &"conv,tcp", &"-r", &file]),
    ];
    Ok(all.into_iter().filter(|r| installed(r.name).is_some()).collect())
}

/// What only unpacks, by the same library and by the tool itself, then `flows`.
fn unpacking(tool: &'static str, file: &Path) -> io::Result<Vec<Runner>> {
    let (own, hopclock) = (std::env::current_exe()?, hopclock()?);
    Ok(vec![
        runner("unpacked alone", ROUNDS, &[&own, &"work", &"unpack", &file]),
        runner("flows", ROUNDS, &[&hopclock, &"flows", &"-q", &"--format", &"jsonl", &file]),
        runner(tool, ROUNDS, &[&tool, &"-dc", &file]),
    ])
}

fn packed(tool: &str, end: &str, file: &Path, scratch: &Path) -> io::Result<Option<PathBuf>> {
    if installed(tool).is_none() {
        return Ok(None);
    }
    let packed = scratch.join(format!("made.pcap.{end}"));
    let out = fs::File::create(&packed)?;
    let status = Command::new(tool).args(["-1", "-c"]).arg(file).stdout(out).status()?;
    Ok(status.success().then_some(packed))
}

/// Where a program is, on the path or where administrators have theirs.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|p| p.join(name)).find(|p| p.is_file())
}

/// Runs all of them, round by round, and prints a line for each.
fn race(title: &str, packets: u64, runners: &[Runner]) -> io::Result<()> {
    println!("\n{title}");
    println!(
        "{:>18} {:>9} {:>9} {:>9} {:>10} {:>10}",
        "", "wall s", "ns/packet", "x first", "processor", "anonymous"
    );
    let mut took: Vec<Vec<Took>> = runners.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for (runner, took) in runners.iter().zip(&mut took) {
            if round < runner.rounds {
                took.push(one(runner)?);
            }
        }
    }
    let first = took.first().cloned().unwrap_or_default();
    for (runner, took) in runners.iter().zip(&took) {
        let ratios = took.iter().zip(&first).map(|(own, first)| own.wall_s / first.wall_s);
        let wall = median(took.iter().map(|t| t.wall_s));
        println!(
            "{:>18} {wall:>9.2} {:>9.0} {:>9.1} {:>8.2} s {:>7.0} MB",
            runner.name,
            wall * 1e9 / packets as f64,
            median(ratios),
            median(took.iter().map(|t| t.processor_s)),
            median(took.iter().map(|t| t.anonymous_mb)),
        );
    }
    Ok(())
}

fn one(runner: &Runner) -> io::Result<Took> {
    let [program, args @ ..] = runner.command.as_slice() else {
        return Err(io::Error::other("nothing to run"));
    };
    let program = installed(&program.to_string_lossy()).unwrap_or_else(|| program.into());
    let (before, began) = (processor_s()?, clock::monotonic());
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let (id, most) = (child.id(), AtomicU64::new(0));
    let over = AtomicU64::new(0);
    let (wall_s, status) = thread::scope(|scope| {
        scope.spawn(|| {
            while over.load(Ordering::Relaxed) == 0 {
                most.fetch_max(anonymous_kb(id), Ordering::Relaxed);
                thread::sleep(LOOK);
            }
        });
        let status = child.wait();
        over.store(1, Ordering::Relaxed);
        (clock::monotonic().since(began).secs_f64(), status)
    });
    if !status?.success() {
        return Err(io::Error::other(format!("{} failed", runner.name)));
    }
    let anonymous_mb = most.into_inner() as f64 / 1000.0;
    Ok(Took { wall_s, processor_s: processor_s()? - before, anonymous_mb })
}

/// Anonymous memory of a process now (`RssAnon` of proc_pid_status(5)); 0 when it is gone.
fn anonymous_kb(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
