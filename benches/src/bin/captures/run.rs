//! Processor times: each piece of work at one, two and four times as many packets, the best of
//! three.

use crate::made::{self, Plan};
use crate::work::{self, Work};
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const RUNS: u32 = 3;

/// A capture that is removed when it is no longer needed.
pub struct Made {
    /// Where it is.
    pub path: PathBuf,
}

impl Made {
    /// Makes a capture in the folder for such things.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn new(plan: Plan) -> io::Result<Self> {
        let kept = if plan.full { "full" } else { "cut" };
        let name = format!("hopclock-bench-{}-{}-{kept}.pcap", std::process::id(), plan.packets);
        let path = std::env::temp_dir().join(name);
        let made = Self { path };
        made::write(plan, &mut BufWriter::with_capacity(1 << 20, File::create(&made.path)?))?;
        Ok(made)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // Left behind, it is only a file in a folder of such.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The command that is measured: it stands beside this program.
///
/// # Errors
///
/// When it does not.
pub fn hopclock() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("hopclock");
    if path.is_file() {
        return Ok(path);
    }
    let why = format!("{}: not built; cargo build --release first", path.display());
    Err(io::Error::new(io::ErrorKind::NotFound, why))
}

/// Measures and prints.
///
/// # Errors
///
/// What the file system says, or that the command is not there.
pub fn run(plan: Plan) -> io::Result<bool> {
    let command = hopclock()?;
    println!("{} connections open at once; million packets a second, times the floor", plan.flows);
    println!(
        "{:>12}  {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}",
        "packets", "floor", "read", "table", "model", "pair", "replay"
    );
    for times in [1, 2, 4] {
        let plan = Plan { packets: plan.packets * times, ..plan };
        let made = Made::new(plan)?;
        let file = std::fs::read(&made.path)?;
        let of = |work: Work| {
            best(|| {
                std::hint::black_box(work::done(work, &file));
                Ok(())
            })
        };
        // The floor reads the file, as the command must.
        let floor = best(|| {
            std::hint::black_box(work::done(Work::Floor, &std::fs::read(&made.path)?));
            Ok(())
        })?;
        let packets = work::packets(&file);
        let seconds = [
            floor,
            of(Work::Read)?,
            best(|| {
                std::hint::black_box(work::table(&packets));
                Ok(())
            })?,
            of(Work::Model)?,
            // Of two captures of this many packets each.
            of(Work::Pair)? / 2.0,
            best(|| replayed(&command, &made.path, &[]))?,
        ];
        let cell = |s: &f64| format!("{:>6.2} {:>4.1}x", plan.packets as f64 / s / 1e6, s / floor);
        let cells: Vec<String> = seconds.iter().map(cell).collect();
        println!("{:>12}  {}", plan.packets, cells.join(" "));
        let [.., replay] = seconds;
        for (what, sweep) in SWEEPS {
            let swept = best(|| replayed(&command, &made.path, sweep))?;
            let tried = tried(sweep) as f64;
            println!(
                "{:>12}  a sweep of {tried} {what}: {:.2} of as many replays",
                "",
                swept / replay / tried
            );
        }
    }
    Ok(true)
}

/// What is swept. All of them share a table until something tells them apart.
const SWEEPS: [(&str, &[&str]); 3] = [
    ("timers", &["--sweep", "tcp_timeout_established=60,100,350,600,900,3600,7440,43200"]),
    ("switches", &["--sweep", "tcp_be_liberal=0,1"]),
    ("mixed settings", &MIXED),
];

/// Eight things to try, of every kind that shares a table.
pub const MIXED: [&str; 12] = [
    "--sweep",
    "tcp_loose=0,1",
    "--sweep",
    "tcp_timeout_established=350,43200",
    "--fix",
    "tcp_be_liberal=1",
    "--fix",
    "tcp_ignore_invalid_rst=1",
    "--fix",
    "tcp_max_retrans=1,tcp_timeout_max_retrans=60",
    "--fix",
    "keepalive=30",
];

/// How many things a sweep tries: a number of `--sweep` each, and a `--fix` each.
fn tried(sweep: &[&str]) -> usize {
    let pairs = sweep.iter().zip(sweep.iter().skip(1));
    let each = pairs.map(|(option, what)| match *option {
        "--sweep" => what.split(',').count(),
        "--fix" => 1,
        _ => 0,
    });
    each.sum()
}

/// The command as a user runs it, its answer thrown away.
fn replayed(command: &Path, file: &Path, more: &[&str]) -> io::Result<()> {
    let mut command = Command::new(command);
    let status = command.arg("replay").arg(file).args(more).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("replay: {status}"))) }
}

/// The least processor time of some runs, in seconds.
fn best(mut what: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..RUNS {
        let began = processor_s()?;
        what()?;
        least = least.min(processor_s()? - began);
    }
    Ok(least.max(TICK_S))
}

/// Linux tells processor times in hundredths (USER_HZ) to programs.
const TICK_S: f64 = 0.01;

/// Processor time of this process and of those it waited for, user and system (proc_pid_stat(5),
/// fields 14 to 17). Others on the machine do not count in it, but for the caches they share.
///
/// # Errors
///
/// What the file says that holds it.
pub fn processor_s() -> io::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let fields = behind.split_whitespace().skip(11).take(4);
    Ok(fields.filter_map(|f| f.parse::<f64>().ok()).sum::<f64>() * TICK_S)
}
