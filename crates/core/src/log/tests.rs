//! Whole logs, small ones.

use super::*;

fn read(log: &str) -> LogReading {
    let mut reader = LogReader::new(Options::default());
    for line in log.lines() {
        reader.line(line.as_bytes());
    }
    reader.finish()
}

/// `open-alive-end` line numbers of each life of each series.
fn lives(r: &LogReading) -> Vec<Vec<String>> {
    let line = |i: Option<usize>| i.map_or("?".into(), |i| r.events[i].line.to_string());
    let one = |l: &Life| format!("{}-{}-{}", line(l.open), line(l.last_alive), line(l.end));
    r.series.iter().map(|s| s.lives.iter().map(one).collect()).collect()
}

#[test]
fn only_ends() {
    let r = read(
        "2024-05-10T03:14:22Z INFO reconnecting upstream: unexpected EOF\n\
         2024-05-10T15:14:23Z INFO reconnecting upstream: unexpected EOF\n\
         2024-05-11T03:14:23Z INFO reconnecting upstream: unexpected EOF\n",
    );
    assert_eq!(lives(&r), [["?-?-1", "?-?-2", "?-?-3"]]);
    assert_eq!(r.events[0].words, ["reconnecting", "eof"]);
    assert_eq!(r.resolution, Gap::from_secs(1));
    assert!(!r.zone_assumed && r.notes.is_empty());
    assert_eq!(r.events[1].at.since(r.events[0].at), Gap::from_secs(43_201));
}

#[test]
fn opens_alive_ends_in_order() {
    let r = read(
        "2020-05-26T05:00:00.000Z pool: open conn to db:5432\n\
         2020-05-26T05:02:29.449Z pool: query ok\n\
         2020-05-26T08:32:13.475Z pool: checkout after 12584s idle -> FATAL: connection reset by peer\n\
         2020-05-26T08:32:16.324Z pool: open conn to db:5432\n",
    );
    assert_eq!(lives(&r), [["1-2-3", "4-?-?"]]);
    assert_eq!(r.events[2].stated_idle, Some(Gap::from_secs(12_584)));
}

#[test]
fn identity_beats_order() {
    let r = read(
        "2020-05-26T05:00:00Z session 1 opened\n\
         2020-05-26T05:01:00Z session 2 opened\n\
         2020-05-26T05:02:00Z session 1 closed\n\
         2020-05-26T05:03:00Z session 2 closed\n",
    );
    assert_eq!(lives(&r), [["1-?-3", "2-?-4"]]);
    assert_eq!(r.events[3].who.as_deref(), Some("session 2"));
}

#[test]
fn several_lines_of_one_ending_are_one() {
    let r = read(
        "2014-07-17T10:00:00.000Z connected\n\
         2014-07-17T10:00:20.000Z Redis connection to x:6379 failed - read ECONNRESET\n\
         2014-07-17T10:00:20.260Z Retry connection in 255 ms\n",
    );
    assert_eq!(lives(&r), [["1-?-2"]]);
    assert_eq!(r.series[0].lives[0].also.len(), 1);
}

#[test]
fn a_record_of_several_lines_is_one_event() {
    let r = read(
        "2017-09-26 08:04:36.102 [info] <0.2.6> connection <0.2.6>: user guest authenticated\n\
         2017-09-26 08:04:53.596 [warning] <0.2.6> closing AMQP connection <0.2.6>:\n\
         missed heartbeats from client, timeout: 8s\n",
    );
    assert_eq!(lives(&r), [["1-?-2"]]);
    assert_eq!(r.events[1].words, ["closed", "missed-heartbeat"]);
    assert_eq!(r.events[1].stated_limit, Some(Gap::from_secs(8)));
}

#[test]
fn a_failing_request_ends_what_its_start_opened() {
    let r = read(
        "2024-08-14T09:00:00.000Z http-client POST https://x.example/op request start\n\
         2024-08-14T09:05:50.961Z http-client POST https://x.example/op error ECONNRESET\n",
    );
    assert_eq!(lives(&r), [["1-?-2"]]);
}

#[test]
fn refused_retries_are_no_ends() {
    let r = read(
        "2024-08-14T09:00:00Z connected\n\
         2024-08-14T09:05:00Z connection lost\n\
         2024-08-14T09:05:05Z dial tcp 192.0.2.1:80: connect: connection refused\n\
         2024-08-14T09:05:15Z dial tcp 192.0.2.1:80: connect: connection refused\n\
         2024-08-14T09:05:25Z connected\n",
    );
    assert_eq!(lives(&r), [["1-?-2", "5-?-?"]]);
    assert_eq!(r.events[2].act, Act::Incident);
}

#[test]
fn bare_stamps_are_ends() {
    let r = read("1715310862\n1715354063\n1715397263\n");
    assert_eq!(lives(&r), [["?-?-1", "?-?-2", "?-?-3"]]);
}

#[test]
fn hostile_lines_cost_a_note() {
    let mut reader = LogReader::new(Options::default());
    reader.line(&vec![b'x'; 3 << 20]);
    reader.line(b"\x002\x000\x00");
    reader.line(b"2024-05-10T03:14:22Z \xff\xfe connection reset by peer");
    reader.line(b"\x1b[31m2024-05-10T03:14:23Z\x1b[0m connection reset by peer");
    let r = reader.finish();
    assert_eq!(r.events.len(), 2);
    assert_eq!(r.notes.len(), 3, "{:?}", r.notes);
}

#[test]
fn the_callers_texts_replace_the_phrasebook() {
    let options = Options { end: vec!["boop".into()], ..Options::default() };
    let mut reader = LogReader::new(options);
    reader.line(b"2024-05-10T03:14:22Z connection reset by peer");
    reader.line(b"2024-05-10T03:14:25Z boop");
    let r = reader.finish();
    assert_eq!(lives(&r), [["?-?-2"]]);
}

#[test]
fn one_connection_may_be_closed_twice_in_words() {
    let r = read(
        "2021-11-22 09:47:27.468546+00:00 [info] <0.4623.0> accepting Web MQTT connection <0.4623.0> (192.0.2.1:55698 -> 192.0.2.2:15675)\n\
         2021-11-22 10:03:27.696946+00:00 [erro] <0.4623.0> closing Web MQTT connection \"192.0.2.1:55698 -> 192.0.2.2:15675\" (keepalive timeout)\n\
         2021-11-22 10:03:27.697218+00:00 [info] <0.4623.0> closing Web MQTT connection <0.4623.0> (192.0.2.1:55698 -> 192.0.2.2:15675)\n",
    );
    assert_eq!(lives(&r), [["1-?-2"]]);
}

#[test]
fn a_stated_age_finds_its_opening_among_many() {
    let r = read(
        "2024-04-29T19:54:15.000Z INFO connected to 192.0.2.8:3128\n\
         2024-04-29T19:54:16.000Z INFO connected to 192.0.2.8:3128\n\
         2024-04-29T19:54:17.000Z INFO connected to 192.0.2.8:3128\n\
         2024-04-29T19:55:16.002Z WARN disconnected from 192.0.2.8:3128 after 60.001s state=SF\n\
         2024-04-29T19:55:17.000Z WARN disconnected from 192.0.2.8:3128 after 62.000s state=SF\n",
    );
    assert_eq!(lives(&r), [["2-?-4", "1-?-5", "3-?-?"]]);
}

#[test]
fn haproxy_states_the_age_and_what_timed_out() {
    let r = read(
        "192.0.2.1:40000 [14/Aug/2026:10:00:00.000] f b/s1 1/0/60001 212 cD 1/1/1/1/0 0/0\n\
         192.0.2.1:40001 [14/Aug/2026:10:01:01.000] f b/s1 1/0/60002 212 cD 1/1/1/1/0 0/0\n",
    );
    assert_eq!(lives(&r), [["?-?-1", "?-?-2"]]);
    assert_eq!(r.events[0].stated_age, Some(Gap::from_millis(60_001)));
    assert_eq!(r.events[0].words, ["idle-timeout-said", "timeout-client"]);
    assert_eq!(r.events[1].at.since(r.events[0].at), Gap::from_millis(61_001));
}

#[test]
fn two_upstreams_are_two_series_and_a_moving_one_is_one() {
    let two = read(
        "2024-05-10T00:00:00Z lost connection to 192.0.2.1:80\n\
         2024-05-10T00:13:00Z lost connection to 192.0.2.2:80\n\
         2024-05-10T01:00:00Z lost connection to 192.0.2.1:80\n\
         2024-05-10T01:43:00Z lost connection to 192.0.2.2:80\n\
         2024-05-10T02:00:00Z lost connection to 192.0.2.1:80\n\
         2024-05-10T03:00:00Z lost connection to 192.0.2.1:80\n\
         2024-05-10T03:13:00Z lost connection to 192.0.2.2:80\n",
    );
    assert_eq!(lives(&two).iter().map(Vec::len).collect::<Vec<_>>(), [4, 3]);
    let one = read(
        "2024-05-10T00:00:00Z lost connection to 192.0.2.1:80\n\
         2024-05-10T01:00:00Z lost connection to 192.0.2.2:80\n\
         2024-05-10T02:00:00Z lost connection to 192.0.2.2:80\n\
         2024-05-10T03:00:00Z lost connection to 192.0.2.1:80\n\
         2024-05-10T04:00:00Z lost connection to 192.0.2.1:80\n\
         2024-05-10T05:00:00Z lost connection to 192.0.2.2:80\n",
    );
    assert_eq!(one.series.len(), 1);
}

#[test]
fn json_lines_pair_by_their_ids_and_are_alike_by_their_messages() {
    let r = read(
        "{\"ts\":1715310864.5,\"msg\":\"connected\",\"peer\":\"192.0.2.1:443\",\"conn_id\":7}\n\
         {\"ts\":1715310865.5,\"msg\":\"connected\",\"peer\":\"192.0.2.1:443\",\"conn_id\":8}\n\
         {\"ts\":1715310874.5,\"msg\":\"stream closed\",\"err\":\"EOF\",\"conn_id\":7,\"duration\":\"10.0s\"}\n\
         {\"ts\":1715310875.5,\"msg\":\"stream closed\",\"err\":\"EOF\",\"conn_id\":8,\"duration\":\"10.0s\"}\n",
    );
    assert_eq!(lives(&r), [["1-?-3", "2-?-4"]]);
    assert_eq!(r.events[2].stated_age, Some(Gap::from_secs(10)));
    assert_eq!(r.series[0].what, "stream closed");
}
