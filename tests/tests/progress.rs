//! How far a long reading has come is shown to a person at a terminal, and to nobody else.

use hopclock_core::capture::{LinkType, Writer};
use hopclock_core::time::Moment;
use hopclock_tests::command::{Hopclock, binary};
use hopclock_tests::packets::{Tcp, ipv4};
use hopclock_tests::{scratch, tool};
use std::fs;
use std::process::{Command, Stdio};

fn capture() -> Vec<u8> {
    let mut file = Writer::new(LinkType(101), "made for a test", "tests");
    for n in 0..40_000_u32 {
        let tcp = Tcp {
            src: 40_000,
            dst: 443,
            seq: n,
            ack: 1,
            flags: 0x18,
            window: 9,
            options: Vec::new(),
            payload: vec![1],
        };
        let ends = [[192, 0, 2, 1], [198, 51, 100, 7]];
        let packet = ipv4(ends, 6, (n as u16, 0x4000), &tcp.bytes());
        file.packet(Moment::from_secs(i64::from(n)), &packet);
    }
    file.finish()
}

/// `hopclock ARGS` on a terminal of its own, its input coming in two parts more than a second
/// apart; what the terminal showed.
fn shown(args: &str) -> Option<String> {
    let script = tool("progress", "script")?;
    let folder = scratch("progress");
    let path = folder.join("slow.pcapng");
    fs::write(&path, capture()).unwrap();
    let feed = format!(
        "(head -c 900000 {0}; sleep 1.3; tail -c +900001 {0}) | TERM=xterm {1} {args} - >{2}",
        path.display(),
        binary().display(),
        folder.join("out").display()
    );
    let ran = Command::new(script)
        .args(["-qec", &feed, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert!(!fs::read(folder.join("out")).unwrap().is_empty());
    fs::remove_dir_all(&folder).unwrap();
    Some(String::from_utf8_lossy(&ran.stdout).into_owned())
}

#[test]
fn a_terminal_is_shown_how_far_it_is_and_then_cleared() {
    let Some(screen) = shown("flows") else { return };
    let clear = "\r\u{1b}[K";
    assert!(screen.contains(&format!("{clear}read ")), "{screen:?}");
    assert!(screen.ends_with(clear), "{screen:?}");
}

#[test]
fn whoever_asks_for_quiet_is_shown_nothing() {
    let Some(screen) = shown("flows --quiet") else { return };
    assert_eq!(screen, "");
}

#[test]
fn a_pipe_is_shown_nothing() {
    let ran = Hopclock::new(["flows", "-"]).stdin(capture()).run();
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}
