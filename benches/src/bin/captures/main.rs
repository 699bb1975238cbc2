//! `captures`: how fast hopclock is, on captures made here and the same every time.
//!
//! Build with `--release`, the command too: it runs the `hopclock` that stands beside it. Times on
//! a machine that others use mean little; their ratios to the floor and the counts of instructions
//! mean more.
#![expect(clippy::print_stdout, reason = "this is a command")]
#![expect(clippy::print_stderr, reason = "this is a command")]
#![expect(unreachable_pub, reason = "nothing in a program is reachable from outside")]

mod guard;
mod made;
mod race;
mod run;
mod work;

use made::Plan;
use std::fs::File;
use std::io::BufWriter;
use std::process::ExitCode;

const USAGE: &str = "\
captures run [PACKETS [FLOWS]]    times: floor, flows, replay, and the peers that are installed
captures replay [PACKETS [FLOWS]] times of the table's pieces and of sweeps, at 1x, 2x and 4x
captures guard [PACKETS [FLOWS]]  instructions a packet, by callgrind; fails above what is allowed
captures make FILE [PACKETS [FLOWS [full]]]
                                  a capture, cut after 96 bytes, or full: packets of 1.4 kB
captures work NAME FILE           one piece of work, to be profiled:
                                  floor, capture, sift, flows, read, table, model, pair, map, unpack
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["run", rest @ ..] => plan(rest, (10_000_000, 20_000)).map(race::run),
        ["replay", rest @ ..] => plan(rest, (2_500_000, 20_000)).map(run::run),
        ["work", "map", file] => Some(work::mapped(file.as_ref()).map(|(packets, sum)| {
            println!("map: {packets} packets, {sum:x}");
            true
        })),
        ["work", "unpack", file] => Some(work::unpacked(file.as_ref()).map(|bytes| {
            println!("unpack: {bytes} bytes");
            true
        })),
        ["guard", rest @ ..] => plan(rest, (200_000, 2_000)).map(guard::run),
        ["make", file, rest @ ..] => plan(rest, (10_000_000, 20_000)).map(|plan| {
            made::write(plan, &mut BufWriter::new(File::create(file)?))?;
            Ok(true)
        }),
        ["work", name, file] => work::Work::named(name).map(|work| {
            let (packets, sum) = work::done(work, &std::fs::read(file)?);
            println!("{name}: {packets} packets, {sum:x}");
            Ok(true)
        }),
        _ => None,
    };
    match done {
        None => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
        Some(Ok(true)) => ExitCode::SUCCESS,
        Some(Ok(false)) => ExitCode::FAILURE,
        Some(Err(error)) => {
            eprintln!("captures: {error}");
            ExitCode::from(5)
        }
    }
}

fn plan(words: &[&str], (packets, flows): (u64, u64)) -> Option<Plan> {
    let number = |at: usize, default: u64| match words.get(at) {
        None => Some(default),
        Some(word) => word.replace('_', "").parse().ok(),
    };
    let flows = u32::try_from(number(1, flows)?).ok()?;
    let plan = Plan::cut(number(0, packets)?, flows);
    let full = words.get(2) == Some(&"full");
    (words.len() <= 2 + usize::from(full)).then_some(Plan { full, ..plan })
}
