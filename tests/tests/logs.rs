//! Logs nobody prepared: what is read of them, against what a person reads.

use std::fmt::Write as _;
use std::path::Path;

use hopclock_core::log::{Act, LogReader, LogReading, Options};

use hopclock_tests::material;

/// Reads one log file as the command line would.
fn read(path: &Path) -> LogReading {
    let bytes = std::fs::read(path).expect("a readable file");
    let mut reader = LogReader::new(Options::default());
    for line in bytes.split(|b| *b == b'\n') {
        reader.line(line);
    }
    reader.finish()
}

/// One row of the table: events, lives with an opening, an end, and both, by series.
fn row(name: &str, r: &LogReading) -> String {
    let count = |act| r.events.iter().filter(|e| e.act == act).count();
    let mut row = format!(
        "{name:32} lines {:4} stamped {:4} | opened {:3} ended {:3} alive {:3} incident {:3} |",
        r.lines,
        r.stamped,
        count(Act::Opened),
        count(Act::Ended),
        count(Act::Alive),
        count(Act::Incident)
    );
    for s in &r.series {
        let ends = s.lives.iter().filter(|l| l.end.is_some()).count();
        let both = s.lives.iter().filter(|l| l.end.is_some() && l.open.is_some()).count();
        let alive = s.lives.iter().filter(|l| l.end.is_some() && l.last_alive.is_some()).count();
        let _ = write!(
            row,
            " [{} lives, {ends} ends, {both} whole, {alive} with traffic: {}]",
            s.lives.len(),
            s.what
        );
    }
    row
}

#[test]
fn the_table_of_cases() {
    let Some(folder) = material("the_table_of_cases") else { return };
    let mut names: Vec<_> = std::fs::read_dir(folder.join("cases"))
        .expect("cases")
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.join("evidence/app.log").exists())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for path in names {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let r = read(&path.join("evidence/app.log"));
        println!("{}", row(&name, &r));
        for n in &r.notes {
            println!("      note: {n}");
        }
        if std::env::var_os("HOPCLOCK_SHOW_LINES").is_some() {
            for t in &r.taken {
                println!("      {:?} {}x {} ({})", t.act, t.lines, t.template, t.because);
            }
        }
    }
}

#[test]
fn the_table_of_timing() {
    let Some(folder) = material("the_table_of_timing") else { return };
    let mut names: Vec<_> = std::fs::read_dir(folder.join("timing"))
        .expect("timing")
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "log"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for path in names {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let r = read(&path);
        println!("{}", row(&name, &r));
        let text = std::fs::read_to_string(&path).expect("text");
        let said = |w: &str| text.lines().filter(|l| l.contains(w)).count();
        let acts = |act| r.events.iter().filter(|e| e.act == act).count();
        assert_eq!(acts(Act::Opened), said(" connected to "), "{name}");
        assert_eq!(acts(Act::Ended), said(" disconnected from "), "{name}");
        let lives = || r.series.iter().flat_map(|s| &s.lives);
        let ends = lives().filter(|l| l.end.is_some()).count();
        assert_eq!(ends, said(" disconnected from "), "{name}: every end is a life's");
        for life in lives() {
            // The file states each life's length: the opening found must agree with it.
            let event = |i: Option<usize>| i.and_then(|i| r.events.get(i));
            let (Some(open), Some(end)) = (event(life.open), event(life.end)) else { continue };
            let stated = end.stated_age.expect("a stated age");
            let off = (end.at.since(open.at).secs_f64() - stated.secs_f64()).abs();
            assert!(off < 0.02, "{name}: {} and {}", open.text, end.text);
        }
    }
}

/// A log beside these tests, read; its lives as `opening line-ending line: words`.
fn fixture(name: &str) -> Vec<String> {
    let r = read(&hopclock_tests::repo().join("tests/logs").join(name));
    let line = |i: Option<usize>| match i.and_then(|i| r.events.get(i)) {
        Some(e) => e.line.to_string(),
        None => "?".into(),
    };
    let words = |i: Option<usize>| i.and_then(|i| r.events.get(i)).map(|e| e.words.join(" "));
    let lives = r.series.iter().flat_map(|s| &s.lives);
    lives
        .filter(|l| l.end.is_some())
        .map(|l| format!("{}-{}: {}", line(l.open), line(l.end), words(l.end).unwrap_or_default()))
        .collect()
}

#[test]
fn postgresql_pairs_by_process_and_says_which_timeout() {
    let want = [
        "6-8: idle-timeout-said closed",
        "10-12: idle-timeout-said closed",
        "14-16: reset closed",
        "18-20: eof closed",
        "22-26: killed closed",
        "24-28: closed",
    ];
    assert_eq!(fixture("postgresql.log"), want);
}

#[test]
fn rabbitmq_pairs_by_process_and_says_what_was_missed() {
    let want = [
        "4-6: closed missed-heartbeat",
        "8-10: closed",
        "11-13: closed closed-by-peer eof",
        "15-17: closed closed-by-peer eof",
    ];
    assert_eq!(fixture("rabbitmq.log"), want);
}

#[test]
fn mosquitto_pairs_by_client_and_sees_the_takeover() {
    let want = [
        "10-14: takeover",
        "19-26: closed-by-peer",
        "23-27: closed-by-peer",
        "15-28: closed-by-peer",
        "6-29: closed-by-peer",
        "31-39: closed",
    ];
    assert_eq!(fixture("mosquitto.log"), want);
}

#[test]
fn redis_pairs_where_a_line_names_the_client() {
    let want = ["10-12: closed-by-peer", "?-13: reset", "?-14: idle-timeout-said"];
    assert_eq!(fixture("redis.log"), want);
}

#[test]
fn sshd_pairs_by_process() {
    let want = ["2-3: closed-by-peer closed", "6-7: keepalive-timeout-said"];
    assert_eq!(fixture("sshd.log"), want);
}

#[test]
fn nginx_says_who_closed_and_what_timed_out() {
    let want = [
        "?-6: reset",
        "?-7: closed-by-peer eof",
        "?-8: client-gone reset",
        "?-9: client-gone",
        "?-10: request-timeout-said",
        "?-11: request-timeout-said",
    ];
    assert_eq!(fixture("nginx-error.log"), want);
    let want = ["?-6: client-gone", "?-8: request-timeout-said"];
    assert_eq!(fixture("nginx-access.log"), want);
}

#[test]
fn haproxy_codes_are_words() {
    let mut got = fixture("haproxy.log");
    got.sort();
    let want = [
        "?-10: idle-timeout-said timeout-server",
        "?-11: idle-timeout-said timeout-server",
        "?-1: closed-by-peer",
        "?-2: closed-by-peer",
        "?-3: request-timeout-said timeout-server",
        "?-4: idle-timeout-said timeout-server",
        "?-5: closed-by-peer",
        "?-6: closed",
        "?-7: request-timeout-said timeout-server",
        "?-8: client-gone",
    ];
    let mut want = want.map(String::from).to_vec();
    want.sort();
    assert_eq!(got, want);
}

#[test]
fn software_the_phrasebook_never_heard_of_is_understood_by_its_nouns_and_verbs() {
    let want: [(&str, &[&str]); 10] = [
        // A broker: a client that resets, closes, speaks nonsense, leaves; then its own shutdown.
        (
            "nats.log",
            &["2-6: closed", "7-11: closed-by-peer", "12-15: closed", "16-17: closed-by-peer"],
        ),
        ("tinyproxy.log", &["5-9: reset closed", "14-18: idle-timeout-said closed"]),
        (
            "stunnel.log",
            &["2-8: reset closed", "11-17: reset closed", "20-26: idle-timeout-said reset"],
        ),
        (
            "mariadb.log",
            &["?-3: closed idle-timeout-said", "?-5: closed auth-failure", "?-7: closed eof"],
        ),
        (
            "slapd.log",
            &[
                "2-5: closed closed-by-peer",
                "6-9: closed closed-by-peer",
                "10-13: closed idle-timeout-said",
            ],
        ),
        // It logs no client that leaves: only its own timeout is there to be seen.
        ("vsftpd.log", &["11-16: idle-timeout-said"]),
        ("dropbear.log", &["5-7: closed", "8-10: closed idle-timeout-said"]),
        ("squid-access.log", &["?-1: closed", "?-2: closed", "?-4: request-timeout-said"]),
        (
            "prosody.log",
            &[
                "1-6: closed-by-peer closed",
                "10-15: closed-by-peer closed",
                "19-30: closed closed-by-peer",
            ],
        ),
        (
            "dovecot.log",
            &["2-3: closed-by-peer reset", "4-5: closed-by-peer", "9-10: closed-by-peer reset"],
        ),
    ];
    for (name, lives) in want {
        let found = fixture(name);
        for life in lives {
            assert!(found.iter().any(|f| f == life), "{name}: {life} not among {found:?}");
        }
        // One more may be told: the software's own stop, or a client that never logged in.
        assert!(found.len() <= lives.len() + 1, "{name}: {found:?}");
    }
}

#[test]
fn every_shape_has_its_time_and_its_meaning() {
    let path = hopclock_tests::repo().join("tests/logs/shapes.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once('\t'));
    let (mut seen, mut wrong) = (0, Vec::new());
    for (want, line) in rows {
        let mut reader = LogReader::new(Options::default());
        reader.line(line.as_bytes());
        let r = reader.finish();
        let told = r.events.first().map_or("-".into(), |e| e.words.join(" "));
        let stamped = u64::from(!line.starts_with("fail: "));
        if (r.stamped, told.as_str()) != (stamped, want) {
            wrong.push(format!("{} stamps, {told:?}: {line}", r.stamped));
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 30, "{seen}");
}

#[test]
fn a_balancers_line_states_how_long_the_request_took() {
    let mut reader = LogReader::new(Options::default());
    reader.line(
        b"http 2018-07-02T22:23:00.186641Z app/lb/50dc6c495c0c9188 192.0.2.10:2817 \
          198.51.100.1:80 0.000 60.001 -1 504 - 34 366 \"GET http://www.example.com:80/ HTTP/1.1\"",
    );
    let r = reader.finish();
    assert_eq!(r.events[0].stated_age.map(|g| g.secs_f64()), Some(60.001));
}

#[test]
fn a_network_balancers_line_and_a_distributions_state_how_long_it_took() {
    let path = hopclock_tests::repo().join("tests/logs/shapes.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let told = |begins: &str| {
        let (_, line) = text
            .lines()
            .filter_map(|l| l.split_once('\t'))
            .find(|(words, line)| format!("{words} {line}").starts_with(begins))
            .unwrap();
        let mut reader = LogReader::new(Options::default());
        reader.line(line.as_bytes());
        let r = reader.finish();
        let secs = r.events[0].at.ns() / 1_000_000_000;
        (secs, r.events[0].stated_age.map(|g| g.secs_f64()))
    };
    // 2018-12-20T02:59:40Z, when the connection ended; 2019-12-04T21:02:31Z, when the answer did.
    assert_eq!(told("closed-by-peer tls 2.0"), (1_545_274_780, Some(300.012)));
    assert_eq!(told("client-gone 2019-12-04"), (1_575_493_351, Some(12.345)));
}

/// One entry as `journalctl -o export` writes it; the message with its length in front if asked.
fn exported(us: u64, pid: u32, message: &str, binary: bool) -> Vec<u8> {
    let mut entry = format!(
        "__CURSOR=s=6b1f;i={us:x};b=1;m=2;t=3;x=4\n__REALTIME_TIMESTAMP={us}\n\
         __MONOTONIC_TIMESTAMP=86400000000\n_BOOT_ID=8f1c\n_TRANSPORT=syslog\nPRIORITY=6\n\
         SYSLOG_IDENTIFIER=sshd\nSYSLOG_TIMESTAMP=May 10 05:14:22 \n_PID={pid}\n"
    )
    .into_bytes();
    if binary {
        entry.extend_from_slice(b"MESSAGE\n");
        entry.extend_from_slice(&(message.len() as u64).to_le_bytes());
        entry.extend_from_slice(message.as_bytes());
    } else {
        entry.extend_from_slice(format!("MESSAGE={message}").as_bytes());
    }
    entry.extend_from_slice(b"\n_CMDLINE=sshd: connection closed, session lost\n_UID=0\n\n");
    entry
}

#[test]
fn a_journals_export_is_read_as_its_lines() {
    let mut text = Vec::new();
    let opened = "Accepted publickey for deploy from 192.0.2.7 port 40112 ssh2";
    text.extend(exported(1_715_310_862_123_456, 812, opened, false));
    // Ten bytes: the length holds a line feed.
    text.extend(exported(1_715_310_900_000_000, 813, "ten\nbytes.", true));
    let ended = "Timeout, client not responding from user deploy 192.0.2.7 port 40112";
    text.extend(exported(1_715_311_162_123_456, 812, ended, true));
    for size in [1, 7, 4096] {
        let mut reader = LogReader::new(Options::default());
        text.chunks(size).for_each(|part| reader.feed(part));
        let r = reader.finish();
        let lives: Vec<_> = r.series.iter().flat_map(|s| &s.lives).collect();
        assert_eq!(lives.len(), 1, "{:#?}", r.events);
        let at = |i: Option<usize>| r.events[i.unwrap()].at;
        assert_eq!(at(lives[0].end).since(at(lives[0].open)).secs_f64(), 300.0);
        let end = &r.events[lives[0].end.unwrap()];
        assert_eq!(end.words, ["keepalive-timeout-said"]);
        let named = text.split(|b| *b == b'\n').nth(end.line as usize - 1);
        assert_eq!(named, Some(&b"MESSAGE"[..]), "the line is the message's");
        assert!(!r.zone_assumed && r.stamped == 3, "{:?}", r.notes);
    }
}

/// A small generator: the tests must not change from run to run (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// Lines stitched from pieces that logs are made of, and from bytes that they are not.
fn any_line(dice: &mut Dice) -> Vec<u8> {
    const PIECES: [&[u8]; 33] = [
        b"__CURSOR=s=1",
        b"MESSAGE",
        b"__REALTIME_TIMESTAMP=1715310862123456",
        b"2024-05-10T03:14:22Z ",
        b"May  5 10:00:00 host ",
        b"10:00:00 ",
        b"1715310862 ",
        b"I0718 09:00:00.114201 1 x.go:1] ",
        b"[14/Aug/2026:10:00:00.000] ",
        b"{\"ts\":1600000000.5,",
        b"\"msg\":\"",
        b"connection reset by peer",
        b"connected to 192.0.2.1:80",
        b"session 5 ",
        b"closed after 350s",
        b" unexpected EOF",
        b"query ok",
        b"\0",
        b"\xff\xfe",
        b"\x1b[31m",
        b"GET /x 200",
        b"f b/s1 1/0/350001 212 cD 1/1/1/1/0 0/0",
        b"\"}",
        b"=",
        b"99999999999999999999",
        b"Retry in 10 sec",
        b"\xe2\x82\xac",
        b"  at com.example.X",
        b"reconnecting",
        b"-",
        b"[",
        b"]",
        b"<0.1.2>",
    ];
    let mut line = Vec::new();
    for _ in 0..dice.roll(8) {
        if dice.roll(12) == 0 {
            line.extend((0..dice.roll(40)).map(|_| dice.roll(256) as u8).filter(|b| *b != b'\n'));
        } else {
            line.extend_from_slice(PIECES[dice.roll(PIECES.len())]);
        }
    }
    line
}

/// The phrasebook's own texts and words, with their spaces turned into what may stand there, in any
/// case, whole or cut short.
fn line_of_phrases(dice: &mut Dice, texts: &[String]) -> Vec<u8> {
    const GAPS: [&str; 12] =
        [" ", "-", "_", " ", ": ", "\"", " 17 ", "/", ".", "é", " the ", "=300 "];
    const FRONTS: [&str; 7] = [
        "2024-05-10T03:14:22Z ",
        "2024-05-10 03:14:22,123 INFO [main] ",
        "May 10 03:14:22 host app[7]: ",
        "203.0.113.7 - - [10/May/2024:03:14:22 +0000] \"GET /a HTTP/1.1\" 200 51 \"-\" \"",
        "{\"level\":\"info\",\"ts\":1715310862.5,\"msg\":\"",
        "[2024-05-10T03:14:22.000Z] \"GET / HTTP/1.1\" 200 - 0 24 15 - ",
        "",
    ];
    let mut line = FRONTS[dice.roll(FRONTS.len())].to_string();
    for _ in 0..1 + dice.roll(4) {
        let text = &texts[dice.roll(texts.len())];
        let gap = GAPS[dice.roll(GAPS.len())];
        let text = text.replace(" * ", " ").replace(' ', gap);
        let keep = if dice.roll(4) == 0 { dice.roll(text.len() + 1) } else { text.len() };
        let text: String = text.chars().take(keep).collect();
        line += &if dice.roll(3) == 0 { text.to_uppercase() } else { text };
        line += GAPS[dice.roll(GAPS.len())];
    }
    line.into_bytes()
}

/// Every text and every word of the phrasebook.
fn phrasebook_texts() -> Vec<String> {
    let path = hopclock_tests::repo().join("crates/core/src/log/phrasebook.toml");
    let book: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let says = book["product"].as_array().unwrap().iter().flat_map(|p| p["says"].as_array());
    let phrases = says.flatten().map(|s| s["text"].as_str().unwrap().to_string());
    let lists = book["lexicon"].as_table().unwrap().values().filter_map(|l| l.as_array());
    let words = lists.flatten().map(|w| w.as_str().unwrap().to_string());
    phrases.chain(words).map(|t| t.replace('~', "")).collect()
}

/// Reads lines by both readers, the quick one in parts of an odd size: the same must come out.
fn quick_is_thorough(name: &str, bytes: &[u8]) {
    let mut quick = LogReader::new(Options::default());
    bytes.chunks(997).for_each(|part| quick.feed(part));
    let mut thorough = LogReader::thorough(Options::default());
    thorough.feed(bytes);
    let (quick, thorough) = (quick.finish(), thorough.finish());
    for (q, t) in quick.events.iter().zip(&thorough.events) {
        assert_eq!(format!("{q:?}"), format!("{t:?}"), "{name}");
    }
    assert_eq!(format!("{quick:?}"), format!("{thorough:?}"), "{name}");
}

#[test]
fn the_quick_reader_takes_the_very_lines_of_the_thorough_one() {
    for entry in std::fs::read_dir(hopclock_tests::repo().join("tests/logs")).unwrap() {
        let path = entry.unwrap().path();
        quick_is_thorough(&path.display().to_string(), &std::fs::read(&path).unwrap());
    }
    let texts = phrasebook_texts();
    let mut dice = Dice(0x51_7cc1_b727_220a);
    for round in 0..300 {
        let mut log = Vec::new();
        for _ in 0..200 {
            if dice.roll(5) == 0 {
                log.extend(any_line(&mut dice));
            } else {
                log.extend(line_of_phrases(&mut dice, &texts));
            }
            log.push(b'\n');
        }
        quick_is_thorough(&format!("round {round}"), &log);
    }
    let mut log = Vec::new();
    for text in &texts {
        log.extend_from_slice(format!("2024-05-10T03:14:22Z {text}\n").as_bytes());
    }
    quick_is_thorough("every text", &log);
}

#[test]
fn the_quick_reader_takes_the_very_lines_of_all_material() {
    let Some(folder) = material("the_quick_reader_takes_the_very_lines_of_all_material") else {
        return;
    };
    let mut folders = vec![folder];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "log" || e == "txt" || e == "md") {
                quick_is_thorough(&path.display().to_string(), &std::fs::read(&path).unwrap());
                read += 1;
            }
        }
    }
    assert!(read > 40, "{read} files");
}

#[test]
fn any_lines_give_a_reading_that_holds_together() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..1500 {
        let lines: Vec<Vec<u8>> = (0..dice.roll(40)).map(|_| any_line(&mut dice)).collect();
        let mut reader = LogReader::new(Options::default());
        for line in &lines {
            reader.line(line);
        }
        let r = reader.finish();
        assert_eq!(r.lines, lines.len() as u64);
        assert!(r.events.windows(2).all(|w| w[0].line < w[1].line), "in the file's order");
        assert!(r.events.iter().all(|e| e.text.len() <= 200 && e.line <= r.lines));
        let mut ends = std::collections::BTreeSet::new();
        for life in r.series.iter().flat_map(|s| &s.lives) {
            assert!(life.open.is_some() || life.end.is_some(), "a life has a side");
            for index in [life.open, life.last_alive, life.end].into_iter().flatten() {
                assert!(index < r.events.len());
            }
            if let Some(end) = life.end {
                assert!(ends.insert(end), "an ending ends one life");
                assert_eq!(r.events[end].act, Act::Ended);
                let later = life.open.is_none_or(|o| r.events[o].at <= r.events[end].at);
                assert!(later, "nothing ends before it began");
            }
        }
    }
}

#[test]
fn later_by_a_day_is_the_same_reading_a_day_later() {
    let log = |day: u32| {
        format!(
            "2024-05-{day:02}T03:14:22.5+02:00 connected\n\
             2024-05-{day:02}T03:20:22.5+02:00 query ok\n\
             2024-05-{day:02}T04:14:22.5+02:00 connection reset by peer\n"
        )
    };
    let read = |text: String| {
        let mut reader = LogReader::new(Options::default());
        text.lines().for_each(|l| reader.line(l.as_bytes()));
        reader.finish()
    };
    let (a, b) = (read(log(9)), read(log(10)));
    assert_eq!(a.events.len(), 3);
    for (x, y) in a.events.iter().zip(&b.events) {
        assert_eq!(y.at.since(x.at).secs_f64(), 86_400.0);
        assert_eq!(x.words, y.words);
    }
}
