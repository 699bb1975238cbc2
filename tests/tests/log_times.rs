//! Every form of time that a log is promised to be read in, one row an item: a piece of such a log,
//! the moments meant, and whether the zone is told or assumed. The moments were computed by GNU
//! `date` and by Python's `zoneinfo`, not by what is tested.

use hopclock_core::log::{LogReader, LogReading, Options};
use hopclock_core::time::Moment;

/// When the files of this table were last written.
const WRITTEN: &str = "2024-11-20T00:00:00Z";

/// How the zone of a row's stamps is known.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Zone {
    /// Each stamp tells it.
    Told,
    /// No stamp does: read as UTC, and a note says so.
    Assumed,
    /// Some do.
    Mixed,
}
use Zone::{Assumed, Mixed, Told};

/// What it is, a piece of the log, the moments of its lines, the zone.
type Row = (&'static str, &'static str, &'static [&'static str], Zone);

/// Reads a log every record of which speaks of a connection, by that very word.
fn read(text: &str, written: Option<&str>) -> LogReading {
    read_by(text, written, vec!["connection".to_owned()])
}

/// The same, with the texts that mark an end; without any the phrasebook's are looked for.
fn read_by(text: &str, written: Option<&str>, end: Vec<String>) -> LogReading {
    let not_after = written.map(|at| {
        let at: jiff::Timestamp = at.parse().unwrap();
        Moment::from_secs(at.as_second())
    });
    let mut reader = LogReader::new(Options { end, not_after, ..Options::default() });
    reader.feed(text.as_bytes());
    reader.finish()
}

/// Moments as RFC 3339 has them.
fn moments(r: &LogReading) -> Vec<String> {
    let told = r.events.iter().filter(|e| !e.words.contains(&"other-line"));
    told.map(|e| jiff::Timestamp::from_nanosecond(i128::from(e.at.ns())).unwrap().to_string())
        .collect()
}

/// Holds rows to what they mean.
fn hold(rows: &[Row]) {
    hold_by(rows, &["connection".to_owned()]);
}

fn hold_by(rows: &[Row], end: &[String]) {
    let mut wrong = Vec::new();
    for (what, log, want, zone) in rows {
        let r = read_by(log, Some(WRITTEN), end.to_vec());
        let got = moments(&r);
        if got != *want {
            wrong.push(format!("{what}: {got:?}\n   wanted {want:?}\n   {:?}", r.notes));
        }
        let assumed = r.notes.iter().any(|n| n.contains("read as UTC"));
        if (r.zone_assumed, assumed) != (*zone != Told, *zone != Told) {
            wrong.push(format!("{what}: {zone:?}, and {:?}", r.notes));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn standards() {
    hold(&[
        (
            "RFC 3339 with any precision and offset",
            "2024-05-10T03:14:22Z connection reset by peer\n\
             2024-05-10T03:14:22.5Z connection reset by peer\n\
             2024-05-10T05:14:23.123456789+02:00 connection reset by peer\n\
             2024-05-09T23:44:24.000001-03:30 connection reset by peer\n\
             2024-05-10t03:14:25,25z connection reset by peer\n\
             2024-05-10 09:00:26.123+0545 connection reset by peer\n",
            &[
                "2024-05-10T03:14:22Z",
                "2024-05-10T03:14:22.5Z",
                "2024-05-10T03:14:23.123456789Z",
                "2024-05-10T03:14:24.000001Z",
                "2024-05-10T03:14:25.25Z",
                "2024-05-10T03:15:26.123Z",
            ],
            Told,
        ),
        (
            "syslog, RFC 3164, without a year",
            "May  9 23:59:58 web-1 shop[812]: connection reset by peer\n\
             <134>May 10 00:00:03 web-1 shop[812]: connection reset by peer\n",
            &["2024-05-09T23:59:58Z", "2024-05-10T00:00:03Z"],
            Assumed,
        ),
        (
            "syslog, RFC 5424",
            "<165>1 2024-05-10T05:14:15.000003-07:00 web-1 shop 812 ID47 - connection lost\n",
            &["2024-05-10T12:14:15.000003Z"],
            Told,
        ),
        (
            "klog",
            "E0510 03:14:22.114201    1201 reflector.go:147] watch: connection refused\n\
             W0510 03:14:23.000007       1 transport.go:301] lost connection\n",
            &["2024-05-10T03:14:22.114201Z", "2024-05-10T03:14:23.000007Z"],
            Assumed,
        ),
    ]);
}

#[test]
fn journald() {
    hold(&[
        (
            "journald, JSON",
            "{\"__CURSOR\":\"s=6b1f\",\"__REALTIME_TIMESTAMP\":\"1715310862123456\",\
             \"__MONOTONIC_TIMESTAMP\":\"86400000000\",\"_PID\":\"812\",\
             \"SYSLOG_IDENTIFIER\":\"sshd\",\"MESSAGE\":\"connection reset\"}\n",
            &["2024-05-10T03:14:22.123456Z"],
            Told,
        ),
        (
            "journald, short and short-precise",
            "May 10 03:14:22 web-1 sshd[812]: connection reset\n\
             May 10 03:14:22.654321 web-1 sshd[812]: connection reset\n",
            &["2024-05-10T03:14:22Z", "2024-05-10T03:14:22.654321Z"],
            Assumed,
        ),
        (
            "journald, short-iso, short-iso-precise, short-full, with-unit, short-unix",
            "2024-05-10T05:14:22+0200 web-1 sshd[812]: connection reset\n\
             2024-05-10T05:14:22+02:00 web-1 sshd[812]: connection reset\n\
             2024-05-10T05:14:22.654321+0200 web-1 sshd[812]: connection reset\n\
             Fri 2024-05-10 05:14:23 CEST web-1 sshd[812]: connection reset\n\
             Fri 2024-05-10 03:14:24 UTC web-1 ssh.service[812]: connection reset\n\
             1715310865.123456 web-1 sshd[812]: connection reset\n",
            &[
                "2024-05-10T03:14:22Z",
                "2024-05-10T03:14:22Z",
                "2024-05-10T03:14:22.654321Z",
                "2024-05-10T03:14:23Z",
                "2024-05-10T03:14:24Z",
                "2024-05-10T03:14:25.123456Z",
            ],
            Told,
        ),
    ]);
}

#[test]
fn fields_with_names() {
    hold(&[(
        "logfmt",
        "time=2024-05-10T03:14:22.123Z level=ERROR msg=\"connection reset\"\n\
             ts=2024-05-10T05:14:23+02:00 caller=a.go:7 level=warn err=\"connection reset\"\n\
             level=info ts=1715310864.25 msg=\"connection reset\"\n\
             t=2024-05-10T03:14:25+0000 lvl=eror msg=\"connection reset\"\n\
             time=\"2024-05-10T03:14:26Z\" level=info msg=\"connection reset\"\n",
        &[
            "2024-05-10T03:14:22.123Z",
            "2024-05-10T03:14:23Z",
            "2024-05-10T03:14:24.25Z",
            "2024-05-10T03:14:25Z",
            "2024-05-10T03:14:26Z",
        ],
        Told,
    )]);
}

#[test]
fn keys_of_json() {
    hold(&[
        (
            "JSON lines: zap, logrus, pino, slog, Serilog, log4j2, MongoDB, Google, OpenTelemetry",
            "{\"level\":\"error\",\"ts\":1715310862.123,\"msg\":\"connection reset\"}\n\
             {\"level\":\"error\",\"msg\":\"connection reset\",\"time\":\"2024-05-10T05:14:22+02:00\"}\n\
             {\"level\":50,\"time\":1715310862456,\"pid\":7,\"msg\":\"connection reset\"}\n\
             {\"time\":\"2024-05-10T03:14:22.789012345Z\",\"level\":\"WARN\",\"msg\":\"connection reset\"}\n\
             {\"@t\":\"2024-05-10T03:14:23.1234567Z\",\"@m\":\"connection reset\"}\n\
             {\"instant\":{\"epochSecond\":1715310863,\"nanoOfSecond\":500000000},\
              \"message\":\"connection reset\"}\n\
             {\"t\":{\"$date\":\"2024-05-10T05:14:24.000+02:00\"},\"s\":\"I\",\"c\":\"NETWORK\",\
              \"msg\":\"connection ended\"}\n\
             {\"severity\":\"ERROR\",\"timestamp\":{\"seconds\":1715310864,\"nanos\":250000000},\
              \"message\":\"connection reset\"}\n\
             {\"timeUnixNano\":\"1715310865000000001\",\"severityText\":\"ERROR\",\
              \"body\":\"connection reset\"}\n",
            &[
                "2024-05-10T03:14:22.123Z",
                "2024-05-10T03:14:22Z",
                "2024-05-10T03:14:22.456Z",
                "2024-05-10T03:14:22.789012345Z",
                "2024-05-10T03:14:23.1234567Z",
                "2024-05-10T03:14:23.5Z",
                "2024-05-10T03:14:24Z",
                "2024-05-10T03:14:24.25Z",
                "2024-05-10T03:14:25.000000001Z",
            ],
            Told,
        ),
        (
            "JSON lines: further keys",
            "{\"msg\":\"connection reset\",\"@timestamp\":\"2024-05-10T03:14:22.000Z\"}\n\
             {\"msg\":\"connection reset\",\"timestamp\":1715310863000}\n\
             {\"msg\":\"connection reset\",\"timeMillis\":1715310864000}\n\
             {\"msg\":\"connection reset\",\"ts_ms\":1715310865000}\n\
             {\"msg\":\"connection reset\",\"unixtime\":1715310866}\n\
             {\"msg\":\"connection reset\",\"datetime\":\"2024-05-10T03:14:27+00:00\"}\n\
             {\"msg\":\"connection reset\",\"created_at\":\"2024-05-10 03:14:28Z\"}\n\
             {\"msg\":\"connection reset\",\"event_time\":\"Fri, 10 May 2024 03:14:29 GMT\"}\n\
             {\"msg\":\"connection reset\",\"time_local\":\"10/May/2024:05:14:30 +0200\"}\n\
             {\"msg\":\"connection reset\",\"msec\":\"1715310871.250\"}\n\
             {\"msg\":\"connection reset\",\"StartUTC\":\"2024-05-10T03:14:32.5Z\"}\n\
             {\"log\":\"connection reset\\n\",\"stream\":\"stderr\",\
              \"time\":\"2024-05-10T03:14:33.000000001Z\"}\n",
            &[
                "2024-05-10T03:14:22Z",
                "2024-05-10T03:14:23Z",
                "2024-05-10T03:14:24Z",
                "2024-05-10T03:14:25Z",
                "2024-05-10T03:14:26Z",
                "2024-05-10T03:14:27Z",
                "2024-05-10T03:14:28Z",
                "2024-05-10T03:14:29Z",
                "2024-05-10T03:14:30Z",
                "2024-05-10T03:14:31.25Z",
                "2024-05-10T03:14:32.5Z",
                "2024-05-10T03:14:33.000000001Z",
            ],
            Told,
        ),
    ]);
}

#[test]
fn languages() {
    hold(&[
        (
            "Python: logging",
            "2024-05-10 03:14:22,123 - pool - ERROR - connection reset\n\
             2024-05-10 03:14:23,001 ERROR [pool:88] connection reset\n",
            &["2024-05-10T03:14:22.123Z", "2024-05-10T03:14:23.001Z"],
            Assumed,
        ),
        (
            "Java: log4j, logback, java.util.logging before and since Java 20, Spring",
            "2024-05-10 03:14:22,123 WARN  [main] c.e.Pool - connection reset\n\
             03:14:22.456 [main] WARN  c.e.Pool - connection reset\n\
             May 10, 2024 3:14:23 AM org.example.Pool run connection reset\n\
             May 10, 2024 3:14:24\u{202f}PM org.example.Pool run connection reset\n\
             10-May-2024 15:14:25.123 SEVERE [http-nio-8080] o.a.c.Pool connection reset\n",
            &[
                "2024-05-10T03:14:22.123Z",
                "2024-05-10T03:14:22.456Z",
                "2024-05-10T03:14:23Z",
                "2024-05-10T15:14:24Z",
                "2024-05-10T15:14:25.123Z",
            ],
            Assumed,
        ),
        (
            "Java: Spring Boot since 3, unified logging",
            "2024-05-10T05:14:22.123+02:00  WARN 1 --- [main] c.e.Pool : connection reset\n\
             [2024-05-10T05:14:23.456+0200][warning][net] connection reset\n",
            &["2024-05-10T03:14:22.123Z", "2024-05-10T03:14:23.456Z"],
            Told,
        ),
        (
            "Go: log",
            "2024/05/10 03:14:22 connection reset\n\
             2024/05/10 03:14:22.123456 main.go:41: connection reset\n",
            &["2024-05-10T03:14:22Z", "2024-05-10T03:14:22.123456Z"],
            Assumed,
        ),
        (
            "Ruby: Logger",
            "E, [2024-05-10T03:14:22.123456 #20373] ERROR -- : connection reset\n",
            &["2024-05-10T03:14:22.123456Z"],
            Assumed,
        ),
    ]);
}

#[test]
fn databases_and_proxies() {
    let rows: &[Row] = &[
        (
            "PostgreSQL, with abbreviations and with offsets for zones that have none",
            "2024-05-10 03:14:22.123 UTC [812] LOG:  could not receive: connection reset by peer\n\
             2024-05-10 05:14:23.123 CEST [812] LOG:  unexpected EOF on client connection\n\
             2024-05-10 00:14:24.123 -03 [812] LOG:  unexpected EOF on client connection\n\
             2024-05-10 05:14:25.123 SAST [812] LOG:  unexpected EOF on client connection\n",
            &[
                "2024-05-10T03:14:22.123Z",
                "2024-05-10T03:14:23.123Z",
                "2024-05-10T03:14:24.123Z",
                "2024-05-10T03:14:25.123Z",
            ],
            Told,
        ),
        (
            "MySQL 8",
            "2024-05-10T03:14:22.123456Z 12 [Note] [MY-010914] [Server] Aborted connection 12\n",
            &["2024-05-10T03:14:22.123456Z"],
            Told,
        ),
        (
            "MySQL 5.5 and 5.6, MariaDB",
            "240510  3:14:22 [Warning] Aborted connection 12 to db: 'shop'\n\
             2024-05-10 03:14:23 1234 [Warning] Aborted connection 12 to db: 'shop'\n\
             2024-05-10  3:14:24 12 [Warning] Aborted connection 12 to db: 'shop'\n",
            &["2024-05-10T03:14:22Z", "2024-05-10T03:14:23Z", "2024-05-10T03:14:24Z"],
            Assumed,
        ),
        (
            "the common log format",
            "192.0.2.4 - - [10/May/2024:05:14:22 +0200] \"GET /connection HTTP/1.1\" 499 0\n",
            &["2024-05-10T03:14:22Z"],
            Told,
        ),
        (
            "nginx's error log",
            "2024/05/10 03:14:22 [error] 29#29: *7 upstream prematurely closed connection\n",
            &["2024-05-10T03:14:22Z"],
            Assumed,
        ),
        (
            "HAProxy: its own date is the beginning, the line's end a minute later",
            "192.0.2.1:40000 [10/May/2024:03:13:22.123] connection b/s1 1/0/60000 212 cD 1/1/1/1/0 0/0\n",
            &["2024-05-10T03:14:22.123Z"],
            Assumed,
        ),
        (
            "Envoy: access log (a beginning) and its own log",
            "[2024-05-10T03:14:07.500Z] \"GET /connection HTTP/1.1\" 504 UT 0 24 15000 - \"-\"\n\
             [2024-05-10 03:14:23.001][15][warning][config] stream to xds closed: connection reset\n",
            &["2024-05-10T03:14:22.5Z", "2024-05-10T03:14:23.001Z"],
            Mixed,
        ),
    ];
    // Read for what they say: some stamp the beginning of what they tell of.
    hold_by(rows, &[]);
}

#[test]
fn numbers_and_wrappers() {
    hold(&[
        (
            "a kernel's uptime: gaps, no dates; dmesg, dmesg -d, journalctl -o short-delta",
            "[   12.345678] nf_conntrack: table full, dropping connection\n\
             <4>[   13.000001] nf_conntrack: table full, dropping connection\n\
             [   14.500000 <    1.499999>] nf_conntrack: table full, dropping connection\n\
             [   15.500000 <    1.000000 >] web-1 kernel: table full, dropping connection\n",
            &[
                "1970-01-01T00:00:12.345678Z",
                "1970-01-01T00:00:13.000001Z",
                "1970-01-01T00:00:14.5Z",
                "1970-01-01T00:00:15.5Z",
            ],
            Told,
        ),
        (
            "dmesg -T, which carries no zone, and dmesg --time-format iso",
            "[Fri May 10 03:14:22 2024] nf_conntrack: table full, dropping connection\n\
             2024-05-10T03:14:23,123456+00:00 nf_conntrack: table full, dropping connection\n",
            &["2024-05-10T03:14:22Z", "2024-05-10T03:14:23.123456Z"],
            Mixed,
        ),
        (
            "seconds, milliseconds, microseconds and nanoseconds since the epoch",
            "1715310862 connection reset\n1715310862.5 connection reset\n\
             1715310863250 connection reset\n1715310864000001 connection reset\n\
             1715310865000000001 connection reset\n",
            &[
                "2024-05-10T03:14:22Z",
                "2024-05-10T03:14:22.5Z",
                "2024-05-10T03:14:23.25Z",
                "2024-05-10T03:14:24.000001Z",
                "2024-05-10T03:14:25.000000001Z",
            ],
            Told,
        ),
        (
            "containers: CRI, docker compose, docker logs -t, kubectl logs --prefix --timestamps",
            "2024-05-10T05:14:22.123456789+02:00 stderr F 04:00:00 connection reset\n\
             web-1  | 2024-05-10T03:14:23Z connection reset\n\
             2024-05-10T03:14:24.000000001Z INFO connection reset\n\
             [pod/web-7f9c/app] 2024-05-10T03:14:25.5Z connection reset\n",
            &[
                "2024-05-10T03:14:22.123456789Z",
                "2024-05-10T03:14:23Z",
                "2024-05-10T03:14:24.000000001Z",
                "2024-05-10T03:14:25.5Z",
            ],
            Told,
        ),
        (
            "kubectl logs --timestamps before the program's own stamps, which tell no zone",
            "2024-05-10T03:14:22.500000000Z 2024-05-10 05:14:22,481 ERROR connection reset\n\
             2024-05-10T03:14:23.000000000Z E0510 05:14:22.999 1 a.go:7] connection reset\n",
            &["2024-05-10T03:14:22.5Z", "2024-05-10T03:14:23Z"],
            Told,
        ),
        (
            "colours",
            "\u{1b}[90m2024-05-10T03:14:22Z\u{1b}[0m \u{1b}[31mERR\u{1b}[0m connection reset\n\
             \u{1b}[2m2024-05-10T03:14:23.5Z\u{1b}[0m \u{1b}[38;5;196mconnection\u{1b}[0m reset\n",
            &["2024-05-10T03:14:22Z", "2024-05-10T03:14:23.5Z"],
            Told,
        ),
    ]);
    let bare = "2024-05-10T03:14:22Z\n2024-05-10T15:14:23Z\n1715397264\n";
    let want = ["2024-05-10T03:14:22Z", "2024-05-10T15:14:23Z", "2024-05-11T03:14:24Z"];
    assert_eq!(moments(&read(bare, None)), want, "bare stamps, one a line");
}

#[test]
fn calendars() {
    hold(&[
        (
            "the year turns in syslog",
            "Dec 31 23:59:58 web-1 shop[812]: connection reset\n\
             Jan  1 00:00:03 web-1 shop[812]: connection reset\n\
             Feb 29 12:00:00 web-1 shop[812]: connection reset\n",
            &["2023-12-31T23:59:58Z", "2024-01-01T00:00:03Z", "2024-02-29T12:00:00Z"],
            Assumed,
        ),
        (
            "midnight turns where stamps are times of day, twice; the last day is the file's",
            "22:00:00.5 connection reset\n04:00:00.5 connection reset\n\
             23:30:00 connection reset\n00:30:00 connection reset\n",
            &[
                "2024-11-18T22:00:00.5Z",
                "2024-11-19T04:00:00.5Z",
                "2024-11-19T23:30:00Z",
                "2024-11-20T00:30:00Z",
            ],
            Assumed,
        ),
    ]);
}

#[test]
fn zones() {
    hold(&[
        (
            "summer time by its abbreviations: in Berlin it ends, in New York it ends, it begins",
            "2024-10-27 02:59:58.000 CEST [8] LOG:  connection reset\n\
             2024-10-27 02:00:03.000 CET [8] LOG:  connection reset\n\
             2024-11-03 01:59:58.000 EDT [8] LOG:  connection reset\n\
             2024-11-03 01:00:03.000 EST [8] LOG:  connection reset\n",
            &[
                "2024-10-27T00:59:58Z",
                "2024-10-27T01:00:03Z",
                "2024-11-03T05:59:58Z",
                "2024-11-03T06:00:03Z",
            ],
            Told,
        ),
        (
            "summer time begins, by abbreviations",
            "2024-03-10 01:59:58 EST [8] LOG:  connection reset\n\
             2024-03-10 03:00:03 EDT [8] LOG:  connection reset\n\
             2024-03-31 01:59:58 CET [8] LOG:  connection reset\n\
             2024-03-31 03:00:03 CEST [8] LOG:  connection reset\n",
            &[
                "2024-03-10T06:59:58Z",
                "2024-03-10T07:00:03Z",
                "2024-03-31T00:59:58Z",
                "2024-03-31T01:00:03Z",
            ],
            Told,
        ),
        (
            "summer time ends, by offsets",
            "2024-10-27T02:59:58+02:00 connection reset\n\
             2024-10-27T02:00:03+01:00 connection reset\n",
            &["2024-10-27T00:59:58Z", "2024-10-27T01:00:03Z"],
            Told,
        ),
        (
            "several zones in one file",
            "2024-05-10T03:14:22Z a: connection reset\n\
             2024-05-10 05:14:23.000 CEST [8] LOG:  connection reset\n\
             2024-05-09T20:14:24-07:00 c: connection reset\n\
             2024-05-10 12:14:25 JST d: connection reset\n\
             2024-05-10 15:14:26 NZST e: connection reset\n",
            &[
                "2024-05-10T03:14:22Z",
                "2024-05-10T03:14:23Z",
                "2024-05-10T03:14:24Z",
                "2024-05-10T03:14:25Z",
                "2024-05-10T03:14:26Z",
            ],
            Told,
        ),
    ]);
}

/// The notes of a log in one text.
fn notes(text: &str) -> String {
    read(text, Some(WRITTEN)).notes.join("; ")
}

/// Seconds between neighbours.
fn steps(r: &LogReading) -> Vec<f64> {
    r.events.windows(2).map(|w| w[1].at.since(w[0].at).secs_f64()).collect()
}

#[test]
fn summer_time_without_offsets_is_seen_or_said() {
    let dated = "2024-10-27 02:59:58 connection reset\n2024-10-27 02:00:03 connection reset\n\
                 2024-10-28 02:00:03 connection reset\n";
    let syslog = "Oct 27 02:59:58 h a: connection reset\nOct 27 02:00:03 h a: connection reset\n\
                  Oct 28 02:00:03 h a: connection reset\n";
    for log in [dated, syslog] {
        // Five seconds, not an hour less five, and from then on each day has its hours.
        assert_eq!(steps(&read(log, Some(WRITTEN))), [5.0, 86_400.0], "{log}");
        assert!(notes(log).contains("set back by an hour"), "{}", notes(log));
    }
    // In spring the hour that is missing may have been a quiet one.
    let spring = "2024-03-31 01:59:58 connection reset\n2024-03-31 03:00:03 connection reset\n";
    assert_eq!(steps(&read(spring, Some(WRITTEN))), [3605.0]);
    assert!(notes(spring).contains("an hour is missing in the night"), "{}", notes(spring));
    // A log that followed summer time in autumn does in spring.
    let both = "2023-10-29 02:59:58 connection reset\n2023-10-29 02:00:03 connection reset\n\
                2024-03-31 01:59:58 connection reset\n2024-03-31 03:00:03 connection reset\n";
    assert_eq!(steps(&read(both, Some(WRITTEN)))[2], 5.0);
    // Lines too rare to show it.
    for (rare, night) in [
        ("2024-10-26 12:00:00 connection reset\n2024-10-28 12:00:00 connection reset\n", "10-27"),
        ("Nov  2 12:00:00 h a: connection reset\nNov  4 12:00:00 h a: connection reset\n", "11-03"),
        ("Mar 30 12:00:00 h a: connection reset\nApr  4 12:00:00 h a: connection reset\n", "03-31"),
    ] {
        let said = format!("in the night of 2024-{night} clocks were set");
        assert!(notes(rare).contains(&said), "{}", notes(rare));
    }
    let summer = "2024-05-10 12:00:00 connection reset\n2024-05-12 12:00:00 connection reset\n";
    assert_eq!(notes(summer), "the stamps carry no zone: read as UTC");
}

#[test]
fn disorder_duplicates_and_records_of_several_lines() {
    let disorder = "2024-05-10T03:14:24Z connection a reset\n\
                    2024-05-10T03:10:24Z connection b reset\n\
                    2024-05-10T03:20:24Z connection c reset\n";
    let r = read(disorder, None);
    assert_eq!(steps(&r), [-240.0, 600.0], "the file's order, each line's own time");
    assert!(r.notes.join(";").contains("1 lines are earlier"), "{:?}", r.notes);
    let lives = r.series.iter().flat_map(|s| &s.lives);
    let ends: Vec<u64> = lives.map(|l| r.events[l.end.unwrap()].line).collect();
    assert_eq!(ends, [2, 1, 3], "lives in the order of time");

    let twice: String = (0..6)
        .flat_map(|hour| {
            let line = format!("2024-05-10T0{hour}:14:22Z connection reset\n");
            [line.clone(), line]
        })
        .collect();
    let r = read(&twice, None);
    assert_eq!(r.events.len(), 6, "exact duplicates count once");
    assert!(r.notes.join(";").contains("twice to the letter"), "{:?}", r.notes);

    let records = [
        (
            "a Java stack trace",
            "2024-05-10 03:14:22,123 ERROR [main] c.e.Pool - connection lost\n\
             java.io.IOException: Connection reset by peer\n\
             \tat java.base/sun.nio.ch.SocketDispatcher.read0(Native Method)\n\
             Caused by: java.net.SocketException: Broken pipe\n\
             \t... 12 more\n\
             2024-05-10 04:14:22,123 INFO  [main] c.e.Pool - connection lost\n",
            "reset",
        ),
        (
            "a Python traceback",
            "2024-05-10 03:14:22,123 ERROR pool: connection lost\n\
             Traceback (most recent call last):\n\
             \x20 File \"/srv/pool.py\", line 88, in read\n\
             \x20   data = self.sock.recv(4096)\n\
             ConnectionResetError: [Errno 104] Connection reset by peer\n\
             2024-05-10 04:14:22,123 INFO pool: connection lost\n",
            "reset",
        ),
        (
            "PostgreSQL's further lines",
            "2024-05-10 03:14:22.123 UTC [8] FATAL:  terminating connection\n\
             2024-05-10 03:14:22.123 UTC [8] DETAIL:  the server\n\
             \tconnection timed out\n\
             2024-05-10 04:14:22.123 UTC [8] LOG:  the next connection\n",
            "timed-out",
        ),
    ];
    for (what, text, word) in records {
        let r = read(text, Some(WRITTEN));
        let at = |e: &hopclock_core::log::Event| e.at.ns() / 1_000_000 % 86_400_000;
        let (first, last) = (r.events.first().unwrap(), r.events.last().unwrap());
        assert_eq!((at(first), at(last)), (11_662_123, 15_262_123), "{what}: {:#?}", r.events);
        let said = r.events.iter().filter(|e| at(e) == 11_662_123).flat_map(|e| &e.words);
        assert!(said.copied().any(|w| w == word), "{what}: {:#?}", r.events);
    }
}
