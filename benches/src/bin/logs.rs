//! What reading logs costs: the whole pass over lines nobody prepared, beside a floor (counting
//! line feeds in the same bytes), beside `wc -l`, and beside `rg` and `grep` looking for the
//! phrasebook's texts.
//!
//! `cargo run --release -p hopclock-benches --bin logs [-- MEGABYTES [ROUNDS]]` writes logs of its
//! own (always the same ones) to a folder it removes again, reads each of them in turn ROUNDS
//! times in the same run, and prints medians, their ratios to the floor, and, where valgrind is
//! installed, instructions a byte. The machine's speed cancels out of the ratios and does not touch
//! the instructions; the megabytes a second are this machine's, at this moment.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hopclock_core::log::{LogReader, Options};
use hopclock_live::clock::monotonic;

/// Bytes read at once, by the pass and by the floor.
const CHUNK: usize = 256 * 1024;

/// The kinds of log, with what is written in them.
const KINDS: [(&str, Writer); 4] =
    [("access", access), ("app", app), ("json", json), ("syslog", syslog)];

/// Writes one line for a number of the log and its time in milliseconds.
type Writer = fn(&mut Dice, u64, &mut String);

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    if let ["--only", what, path] = words.as_slice() {
        return once(what, Path::new(path)).map(|told| println!("{told}"));
    }
    if let ["--write", kind, megabytes, path] = words.as_slice() {
        let size = megabytes.parse().unwrap_or(1) << 20;
        let writer = KINDS.iter().find(|(name, _)| name == kind).map(|(_, writer)| *writer);
        return write_log(&PathBuf::from(path), size, writer.unwrap_or(access)).map(drop);
    }
    let number =
        |at: usize, usual: u64| words.get(at).and_then(|w| w.parse().ok()).unwrap_or(usual);
    let (megabytes, rounds) = (number(0, 64), number(1, 7));
    let folder = std::env::temp_dir().join(format!("hopclock-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let done = all(&folder, megabytes, rounds as usize);
    std::fs::remove_dir_all(&folder)?;
    done
}

/// Measures every kind.
fn all(folder: &Path, megabytes: u64, rounds: usize) -> io::Result<()> {
    let phrases = folder.join("phrases");
    std::fs::write(&phrases, texts().join("\n"))?;
    let mut sums: Vec<(String, f64)> = Vec::new();
    let mut bytes = 0;
    println!(
        "{:8} {:>6} {:14} {:>8} {:>8} {:>9}",
        "log", "MB", "what", "MB/s", "x floor", "instr/B"
    );
    for (name, writer) in KINDS {
        let path = folder.join(name);
        let size = write_log(&path, megabytes << 20, writer)?;
        bytes += size;
        let measured = measure(&path, &phrases, rounds)?;
        let floor = floor_of(&measured);
        for (what, secs) in measured {
            let each = instructions(folder, &what, writer)?;
            row(name, size, (&what, secs), floor, each);
            match sums.iter_mut().find(|(w, _)| *w == what) {
                Some((_, sum)) => *sum += secs,
                None => sums.push((what, secs)),
            }
        }
        std::fs::remove_file(&path)?;
    }
    for (what, secs) in &sums {
        row("all", bytes, (what, *secs), floor_of(&sums), None);
    }
    Ok(())
}

/// The seconds of the floor among others.
fn floor_of(rows: &[(String, f64)]) -> f64 {
    rows.iter().find(|(what, _)| what == "floor").map_or(f64::NAN, |(_, secs)| *secs)
}

/// Median seconds of each reader over one file; the rounds take turns.
fn measure(path: &Path, phrases: &Path, rounds: usize) -> io::Result<Vec<(String, f64)>> {
    let mut all: Vec<(String, Vec<f64>)> = Vec::new();
    for _ in 0..rounds.max(1) {
        for what in ["floor", "pass", "wc", "rg", "grep"] {
            let began = monotonic();
            let ran = match what {
                "wc" => peer("wc", &["-l"], None, path)?,
                "rg" => {
                    peer("rg", &["-c", "-i", "-F", "--no-mmap", "-j1", "-f"], Some(phrases), path)?
                }
                "grep" => peer("grep", &["-c", "-i", "-F", "-f"], Some(phrases), path)?,
                own => once(own, path).map(|_| true)?,
            };
            let secs = monotonic().since(began).secs_f64();
            match all.iter_mut().find(|(w, _)| w == what) {
                _ if !ran => {}
                Some((_, times)) => times.push(secs),
                None => all.push((what.into(), vec![secs])),
            }
        }
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Ok(all.into_iter().map(|(what, times)| (what, median(times))).collect())
}

/// One line of the table.
fn row(name: &str, size: u64, (what, secs): (&str, f64), floor: f64, each: Option<f64>) {
    let mb = size as f64 / 1e6;
    let each = each.map_or("-".into(), |i| format!("{i:.2}"));
    let ratio = secs / floor;
    println!("{name:8} {mb:6.0} {what:6} {:8.0} {ratio:8.2} {each:>8}", mb / secs);
}

/// One of this program's own readers over a file; what it found.
fn once(what: &str, path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; CHUNK];
    let (mut lines, mut reader) = (0, LogReader::new(Options::default()));
    loop {
        let n = file.read(&mut buffer)?;
        let part = buffer.get(..n).unwrap_or_default();
        match what {
            _ if n == 0 => break,
            "floor" => lines += memchr::memchr_iter(b'\n', part).count(),
            _ => reader.feed(part),
        }
    }
    if what == "floor" {
        return Ok(format!("{lines} lines"));
    }
    let told = reader.finish();
    Ok(format!("{} lines, {} events, {:?}", told.lines, told.events.len(), told.notes))
}

/// Runs a program people know; false where it is not installed.
fn peer(program: &str, args: &[&str], phrases: Option<&Path>, path: &Path) -> io::Result<bool> {
    let mut command = Command::new(program);
    // Writing to /dev/null, grep would stop at the first match.
    command.args(args).args(phrases).arg(path).env("LC_ALL", "C");
    match command.stdin(Stdio::null()).output() {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Instructions a byte of one of this program's own readers: what the second half of a file adds,
/// so that starting up does not count.
fn instructions(folder: &Path, what: &str, writer: Writer) -> io::Result<Option<f64>> {
    if !matches!(what, "floor" | "pass") {
        return Ok(None);
    }
    let (small, large) = (folder.join("small"), folder.join("large"));
    let sizes = (write_log(&small, 8 << 20, writer)?, write_log(&large, 16 << 20, writer)?);
    let counts = counted(what, &small)?.zip(counted(what, &large)?);
    Ok(counts.map(|(a, b)| (b - a) / (sizes.1 - sizes.0) as f64))
}

/// Instructions of one run under callgrind.
fn counted(what: &str, path: &Path) -> io::Result<Option<f64>> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--only", what])
        .arg(path)
        .output();
    let Ok(run) = run else { return Ok(None) };
    let said = String::from_utf8_lossy(&run.stderr);
    let total = said.lines().find_map(|l| l.split("Collected : ").nth(1));
    Ok(total.and_then(|t| t.trim().parse().ok()))
}

/// The phrasebook's texts, as `rg` and `grep` take them: the longest piece of each.
fn texts() -> Vec<String> {
    let book = include_str!("../../../crates/core/src/log/phrasebook.toml");
    let Ok(book) = book.parse::<toml::Table>() else { return Vec::new() };
    let products = book.get("product").and_then(|p| p.as_array()).into_iter().flatten();
    let says = products.filter_map(|p| p.get("says")?.as_array()).flatten();
    let texts = says.filter_map(|s| s.get("text")?.as_str());
    let longest = |t: &str| t.split(" * ").max_by_key(|p| p.len()).map(|p| p.replace('~', ""));
    let mut all: Vec<String> = texts.filter_map(longest).collect();
    all.sort();
    all.dedup();
    all
}

/// Writes a log of at least `size` bytes; how many it became.
fn write_log(path: &PathBuf, size: u64, writer: Writer) -> io::Result<u64> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut text, mut at) = (String::with_capacity(size as usize + 1024), 1_715_310_862_000);
    while (text.len() as u64) < size {
        writer(&mut dice, at, &mut text);
        text.push('\n');
        at += dice.below(40);
    }
    std::fs::write(path, &text)?;
    Ok(text.len() as u64)
}

/// A small generator: the same lines on every machine (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let at = self.below(words.len() as u64) as usize;
        words.get(at).copied().unwrap_or_default()
    }
}

/// Year, month, day, hour, minute, second (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(ms: u64) -> (u64, u64, u64, u64, u64, u64) {
    let (secs, days) = (ms / 1000 % 86_400, ms / 86_400_000 + 719_468);
    let (era, doe) = (days / 146_097, days % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    (year, month, doy - (153 * mp + 2) / 5 + 1, secs / 3600, secs / 60 % 60, secs % 60)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const PATHS: [&str; 8] = [
    "/",
    "/api/v1/orders",
    "/api/v1/items/4711",
    "/static/app.3f9c1b.js",
    "/static/site.css",
    "/img/logo.png",
    "/search?q=shoes&page=2",
    "/healthz",
];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
     Chrome/124.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14.4; rv:125.0) Gecko/20100101 Firefox/125.0",
    "curl/8.5.0",
    "kube-probe/1.29",
];

fn month(number: u64) -> &'static str {
    MONTHS.get(number.saturating_sub(1) as usize).copied().unwrap_or("Jan")
}

/// nginx's combined form: in a thousand lines two tell of an end.
fn access(dice: &mut Dice, at: u64, out: &mut String) {
    let (y, mo, d, h, mi, s) = civil(at);
    let status = match dice.below(1000) {
        0 => "499",
        1 => "504",
        2..30 => "304",
        30..50 => "404",
        _ => "200",
    };
    let (ip, size) = (dice.below(254), dice.below(60_000));
    let (verb, path) = (dice.of(&["GET", "GET", "GET", "POST"]), dice.of(&PATHS));
    let agent = dice.of(&AGENTS);
    let mo = month(mo);
    let _ = write!(
        out,
        "198.51.100.{ip} - - [{d:02}/{mo}/{y}:{h:02}:{mi:02}:{s:02} +0000] \
         \"{verb} {path} HTTP/1.1\" {status} {size} \"https://shop.example/\" \"{agent}\""
    );
}

/// What an application says of its own affairs, and in two lines of a hundred of a connection.
fn message(dice: &mut Dice, out: &mut String) {
    let n = dice.below(100_000);
    let _ = match dice.below(1000) {
        0..4 => write!(out, "upstream 192.0.2.{}:443 connection reset by peer", n % 9),
        4..8 => write!(out, "connected to 192.0.2.{}:443", n % 9),
        8..12 => write!(out, "session {n} closed: unexpected EOF"),
        12..20 => write!(out, "heartbeat received from node-{}", n % 7),
        20..200 => {
            write!(out, "order {n} priced at {}.{:02} EUR for customer {}", n % 400, n % 100, n / 3)
        }
        200..400 => write!(out, "cache hit for key user:{n}:profile in {} us", n % 900),
        400..550 => write!(out, "rendered template invoice.html for account {n} ({} rows)", n % 50),
        550..700 => {
            write!(out, "SELECT id, total FROM orders WHERE customer = {n} took {} ms", n % 30)
        }
        700..800 => {
            write!(out, "garbage collection pause {} ms, heap {} MiB of 2048 MiB", n % 20, n % 2048)
        }
        800..900 => write!(out, "worker pool size adjusted from {} to {}", n % 16, n % 17),
        _ => write!(
            out,
            "feature flag checkout-v2 evaluated to {} for tenant {}",
            n.is_multiple_of(2),
            n % 40
        ),
    };
}

/// A Java service's form.
fn app(dice: &mut Dice, at: u64, out: &mut String) {
    let (y, mo, d, h, mi, s) = civil(at);
    let level = dice.of(&["INFO ", "INFO ", "INFO ", "DEBUG", "WARN "]);
    let class = dice.of(&["c.e.shop.OrderService", "c.e.shop.Pricing", "c.e.web.Filter"]);
    let ms = at % 1000;
    let _ = write!(
        out,
        "{y}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}.{ms:03} {level} [http-nio-8080-exec-{}] {class} - ",
        dice.below(32)
    );
    message(dice, out);
}

/// JSON lines as zap writes them.
fn json(dice: &mut Dice, at: u64, out: &mut String) {
    let level = dice.of(&["info", "info", "info", "debug", "warn"]);
    let file = dice.of(&["order/service.go", "pricing/rules.go", "web/filter.go"]);
    let (secs, ms) = (at / 1000, at % 1000);
    let _ = write!(
        out,
        "{{\"level\":\"{level}\",\"ts\":{secs}.{ms:03},\"caller\":\"{file}:{}\",\"msg\":\"",
        dice.below(400)
    );
    message(dice, out);
    let _ = write!(
        out,
        "\",\"tenant\":\"t{}\",\"span\":\"{:016x}\"}}",
        dice.below(40),
        dice.below(u64::MAX)
    );
}

/// rsyslog's traditional form, several programs.
fn syslog(dice: &mut Dice, at: u64, out: &mut String) {
    let (_, mo, d, h, mi, s) = civil(at);
    let program = dice.of(&["kernel:", "systemd[1]:", "CRON[4711]:", "shop[812]:", "shop[813]:"]);
    let mo = month(mo);
    let _ = write!(out, "{mo} {d:2} {h:02}:{mi:02}:{s:02} web-1 {program} ");
    message(dice, out);
}
