//! Lines whose meaning stands in fixed places: HAProxy's codes, Envoy's flags, the common log
//! format, and any `METHOD /path STATUS`. Refuses a line that only resembles them.

use super::phrasebook::Says;
use crate::time::Gap;

/// What such a line tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Shaped {
    /// What it means for a connection.
    pub says: Says,
    /// Words of the phrasebook's vocabulary.
    pub words: Vec<&'static str>,
    /// How long the connection or request lasted, where the line says.
    pub age: Option<Gap>,
    /// The stamp is that of the beginning: the end is `age` later.
    pub stamp_is_start: bool,
    /// Whether the form leaves no room for other words to decide.
    pub fixed: bool,
    /// Whose form it is.
    pub whose: &'static str,
}

/// Methods of RFC 9110 and RFC 5789 that servers meet.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT"];

/// Reads a line as one of these forms. `stamp_end` is where its stamp ends, `bracketed` whether
/// the stamp stands in brackets.
pub(crate) fn read(line: &str, stamp_end: usize, bracketed: bool) -> Option<Shaped> {
    haproxy(line, stamp_end).or_else(|| squid(line, stamp_end)).or_else(|| {
        let after = line.get(stamp_end..)?.strip_prefix(']').filter(|_| bracketed);
        after
            .and_then(|rest| envoy(rest).or_else(|| common(rest)))
            .or_else(|| balancer(line, stamp_end))
            .or_else(|| network_balancer(line))
            .or_else(|| cloudfront(line))
            .or_else(|| any_method(line.get(stamp_end..)?))
    })
}

/// Whether a line is one that [`read`] takes for the common log format with a status that tells of
/// a reply and nothing more, by a glance at its bytes. False says nothing: `read` decides then.
///
/// `stamp` is where the stamp begins and ends.
pub(crate) fn is_plain_reply(line: &[u8], stamp: (usize, usize)) -> bool {
    let (start, end) = stamp;
    let Some(tail) = line.get(end..).and_then(|rest| rest.strip_prefix(b"] \"")) else {
        return false;
    };
    let Some(open) = start.checked_sub(1) else { return false };
    // Another bracket, or a date of that length, may be HAProxy's.
    let brackets =
        || memchr::memchr(b'[', line) == Some(open) && memchr::memchr(b'[', tail).is_none();
    let Some(quote) = memchr::memchr(b'"', tail) else { return false };
    let (request, after) = tail.split_at(quote);
    let Some((status, after)) = after.strip_prefix(b"\" ").and_then(|t| t.split_first_chunk::<4>())
    else {
        return false;
    };
    let [hundreds, tens, ones, b' '] = *status else { return false };
    let digits = [hundreds, tens, ones].iter().all(u8::is_ascii_digit);
    // Where the bytes sent stand, Envoy has its flags.
    let size = after.iter().position(|b| !b.is_ascii_digit()).unwrap_or(after.len());
    let size = size > 0 && after.get(size).is_none_or(|b| *b == b' ');
    let telling = || {
        matches!(
            status,
            b"101 " | b"499 " | b"408 " | b"504 " | b"401 " | b"502 " | b"503 " | b"429 "
        )
    };
    digits && size && !telling() && begins_with_method(request) && end - start != 24 && brackets()
}

/// Whether a request begins with a method and a space.
fn begins_with_method(request: &[u8]) -> bool {
    let begins = |m: &&str| {
        request.strip_prefix(m.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b' ', ..]))
    };
    METHODS.iter().any(begins)
}

/// HAProxy, `option httplog` and `option tcplog` (doc/configuration.txt 8.2.2, 8.2.3).
///
/// After the accept date in brackets: frontend, backend/server, timers joined by `/` (five for
/// HTTP, three for TCP; the last is the total in milliseconds), status, bytes, … and the state at
/// disconnection, four characters for HTTP and two for TCP (section 8.5).
fn haproxy(line: &str, stamp_end: usize) -> Option<Shaped> {
    let open = line.find('[').filter(|_| line.contains("/"))?;
    let (from, rest) = accept_date(line, open)?;
    let tokens: Vec<&str> = rest.split_whitespace().take(16).collect();
    let timers_at = tokens.iter().position(|t| timers(t).is_some())?;
    if !(2..=3).contains(&timers_at) || !tokens.get(timers_at - 1)?.contains('/') {
        return None;
    }
    let (kinds, total_ms) = timers(tokens.get(timers_at)?)?;
    let state = tokens.iter().skip(timers_at + 1).find(|t| is_state(t, kinds))?;
    let mut chars = state.chars();
    let (first, second) = (chars.next()?, chars.next()?);
    let (says, words) = haproxy_words(first, second);
    let status = tokens.get(timers_at + 1).filter(|_| kinds >= 5);
    let quiet = says == Says::Alive && kinds < 5 || status == Some(&"101");
    let says = if quiet { Says::Ended } else { says };
    let words = if quiet && words.is_empty() { vec!["closed"] } else { words };
    Some(Shaped {
        says,
        words,
        age: Some(Gap::from_millis(total_ms)),
        // Without a syslog stamp in front, the accept date is all there is.
        stamp_is_start: from + 25 == stamp_end,
        fixed: true,
        whose: "wording of HAProxy (doc/configuration.txt 8.2 and 8.5)",
    })
}

/// The accept date `[14/Aug/2026:10:00:00.000]` at or after `open`: where it begins, and the rest.
fn accept_date(line: &str, mut open: usize) -> Option<(usize, &str)> {
    loop {
        let inner = line.get(open + 1..)?;
        let (date, rest) = inner.split_once(']')?;
        let b = date.as_bytes();
        if b.len() == 24 && b.get(2) == Some(&b'/') && b.get(11) == Some(&b':') {
            return Some((open, rest));
        }
        open += 1 + inner.find('[')?;
    }
}

/// Timers joined by slashes: how many, and the last one, the total.
fn timers(token: &str) -> Option<(usize, i64)> {
    let parts: Vec<&str> = token.split('/').collect();
    let number = |p: &&str| p.trim_start_matches('+').parse::<i64>().ok();
    let numbers: Option<Vec<i64>> = parts.iter().map(number).collect();
    let numbers = numbers.filter(|n| matches!(n.len(), 3 | 5))?;
    Some((numbers.len(), *numbers.last()?))
}

/// Whether a token is a state at disconnection.
fn is_state(token: &str, kinds: usize) -> bool {
    let want = if kinds >= 5 { 4 } else { 2 };
    let mut chars = token.chars();
    token.len() == want
        && chars.next().is_some_and(|c| "CSPLRIDUKcs-".contains(c))
        && chars.next().is_some_and(|c| "RQCHDLT-".contains(c))
        && chars.all(|c| "NIDVEOUPRK-".contains(c))
}

/// The first two characters of the state at disconnection (doc/configuration.txt 8.5).
fn haproxy_words(first: char, second: char) -> (Says, Vec<&'static str>) {
    match (first, second) {
        ('c', 'R') => (Says::Ended, vec!["idle-timeout-said", "timeout-client"]),
        ('c', _) => (Says::Ended, vec!["idle-timeout-said", "timeout-client"]),
        ('s', 'C') => (Says::Attempt, vec!["connect-timeout"]),
        ('s', 'H') => (Says::Ended, vec!["request-timeout-said", "timeout-server"]),
        ('s', 'Q') => (Says::Attempt, vec!["pool-full"]),
        ('s', _) => (Says::Ended, vec!["idle-timeout-said", "timeout-server"]),
        ('C', _) => (Says::Ended, vec!["client-gone"]),
        ('S', 'C') => (Says::Attempt, vec!["refused"]),
        ('S', _) => (Says::Ended, vec!["closed-by-peer"]),
        ('R', _) => (Says::Incident, vec!["port-exhaustion", "limit"]),
        ('D', _) => (Says::Ended, vec!["drained"]),
        ('K', _) => (Says::Ended, vec!["killed"]),
        ('P' | 'L' | 'I' | 'U', _) => (Says::Incident, vec!["closed-locally"]),
        _ => (Says::Alive, Vec::new()),
    }
}

/// AWS Application Load Balancer: the type, the time of the response, the balancer, client and
/// target, three times in seconds (-1 where it did not come so far), the status, the target's
/// status, bytes, request ("Access log entries" of its user guide). 460 is a client that closed
/// before its idle timeout. The order is that of the patterns others parse it by: the table of
/// Amazon Athena's guide, Vector's `parse_aws_alb_log`, logstash's and Elastic's grok patterns
/// (where the client may be `-`).
fn balancer(line: &str, stamp_end: usize) -> Option<Shaped> {
    let kind = line.split(' ').next()?;
    if !matches!(kind, "http" | "https" | "h2" | "grpcs" | "ws" | "wss") {
        return None;
    }
    let mut tokens = line.get(stamp_end..)?.split_whitespace();
    let name = tokens.next()?;
    let (client, _target) = (tokens.next()?, tokens.next()?);
    let mut secs = 0.0;
    for _ in 0..3 {
        secs += tokens.next()?.parse::<f64>().ok()?.max(0.0);
    }
    let status = tokens.next()?;
    let client = client.contains(':') || client == "-";
    if !name.contains('/') || !client || status.len() != 3 {
        return None;
    }
    let (says, words) = match status {
        "460" => (Says::Ended, vec!["client-gone"]),
        other => by_status(other),
    };
    Some(Shaped {
        says,
        words,
        // A WebSocket's line is written at its end and times only its handshake.
        age: Some(Gap::from_secs_f64(secs)).filter(|_| !kind.starts_with("ws")),
        stamp_is_start: false,
        fixed: true,
        whose: "an entry of AWS Application Load Balancer (user guide, access log entries)",
    })
}

/// AWS Network Load Balancer, of its TLS listeners alone: type, version, the time the connection
/// ended, balancer, listener, client and target, milliseconds that the connection and its handshake
/// took, bytes received and sent, the number of the alert the client sent ("Access log entries"
/// of its user guide). Alert 0 says that a side closes in order (RFC 8446, section 6.1). The order
/// is that of the table `nlb_tls_logs` of Amazon Athena's guide, and of tailb's and Tailpipe's.
fn network_balancer(line: &str) -> Option<Shaped> {
    let mut tokens = line.split(' ');
    let (kind, version, _time) = (tokens.next()?, tokens.next()?, tokens.next()?);
    let (name, _listener) = (tokens.next()?, tokens.next()?);
    let (client, _target) = (tokens.next()?, tokens.next()?);
    let (lasted, handshake) = (tokens.next()?.parse::<i64>().ok()?, tokens.next()?);
    let (_received, _sent, alert) = (tokens.next()?, tokens.next()?, tokens.next()?);
    if kind != "tls" || !version.contains('.') || !name.contains('/') || !client.contains(':') {
        return None;
    }
    let (says, words) = match (alert, handshake) {
        ("0", _) => (Says::Ended, vec!["closed-by-peer"]),
        // Without a handshake there was no connection to end.
        (_, "-") => (Says::Attempt, vec!["connect-failed"]),
        ("-", _) => (Says::Ended, vec!["closed"]),
        _ => (Says::Ended, vec!["stream-error"]),
    };
    Some(Shaped {
        says,
        words,
        age: Some(Gap::from_millis(lasted)),
        stamp_is_start: false,
        fixed: true,
        whose: "an entry of AWS Network Load Balancer (user guide, access log entries)",
    })
}

/// Amazon CloudFront's standard log, by tabs: date and time at which the answer was finished, …
/// 6 method, 9 status, 14 result, 19 seconds taken, … 29 the result in detail (developer guide,
/// "Standard logging reference"). Status 000 is a viewer that closed before the answer. The order
/// is that of the file's own `#Fields:` line and of the table `cloudfront_standard_logs` of Amazon
/// Athena's guide; third-party parsers name the same 33. Real-time logs, whose owner chooses the
/// fields, have none and are not read by their places.
fn cloudfront(line: &str) -> Option<Shaped> {
    let fields: Vec<&str> = line.split('\t').take(33).collect();
    let field = |number: usize| fields.get(number - 1).copied();
    let (method, status, result) = (field(6)?, field(9)?, field(14)?);
    let taken: f64 = field(19)?.parse().ok()?;
    let digits = status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit());
    if !is_method(method) || !digits || !(0.0..1e9).contains(&taken) {
        return None;
    }
    let detail = field(29).unwrap_or(result);
    let (says, words) = match (detail, status) {
        ("ClientCommError" | "ClientHungUpRequest", _) | (_, "000") => {
            (Says::Ended, vec!["client-gone"])
        }
        ("OriginReadError" | "OriginWriteError", _) => (Says::Ended, vec!["stream-error"]),
        ("OriginCommError", _) => (Says::Ended, vec!["request-timeout-said"]),
        ("OriginConnectError" | "OriginDnsError", _) => (Says::Attempt, vec!["connect-failed"]),
        (_, other) => by_status(other),
    };
    Some(Shaped {
        says,
        words,
        age: Some(Gap::from_secs_f64(taken)),
        stamp_is_start: false,
        fixed: true,
        whose: "an entry of Amazon CloudFront (developer guide, standard logging reference)",
    })
}

/// Squid's own access log after its time: elapsed milliseconds, client, result and status, bytes,
/// method, URL (squid.conf, `logformat squid`). Written when a request or a tunnel is over.
fn squid(line: &str, stamp_end: usize) -> Option<Shaped> {
    let mut tokens = line.get(stamp_end..)?.split_whitespace();
    let elapsed: i64 = tokens.next()?.parse().ok()?;
    let (_client, result) = (tokens.next()?, tokens.next()?);
    let (result, status) = result.split_once('/')?;
    let known = result.starts_with("TCP_") || result.starts_with("NONE");
    let digits = status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit());
    let _bytes: u64 = tokens.next()?.parse().ok()?;
    if !known || !(digits || status == "000") || !is_method(tokens.next()?) {
        return None;
    }
    let (says, words) = if result.contains("ABORTED") {
        (Says::Ended, vec!["client-gone"])
    } else if result.contains("TIMEDOUT") {
        (Says::Ended, vec!["request-timeout-said"])
    } else if result.contains("TUNNEL") {
        (Says::Ended, vec!["closed"])
    } else {
        by_status(status)
    };
    Some(Shaped {
        says,
        words,
        age: Some(Gap::from_millis(elapsed)),
        stamp_is_start: false,
        fixed: true,
        whose: "wording of Squid (squid.conf, logformat squid)",
    })
}

/// Envoy's default access log after its start time in brackets (access log command operators):
/// `"METHOD path protocol" code flags … received sent duration …`.
fn envoy(rest: &str) -> Option<Shaped> {
    let (request, tail) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
    let tokens: Vec<&str> = tail.split_whitespace().take(40).collect();
    let code = tokens.first().filter(|c| c.len() <= 3 && c.bytes().all(|b| b.is_ascii_digit()))?;
    let flags = tokens.get(1)?;
    let known: Vec<(Says, &'static str)> = flags.split(',').filter_map(envoy_flag).collect();
    if *flags != "-" && known.is_empty() {
        return None;
    }
    // Istio puts details between the flags and the counts: the first three numbers in a row are
    // bytes received, bytes sent, and the duration in milliseconds.
    let numbers: Vec<Option<i64>> = tokens.iter().skip(2).map(|t| t.parse().ok()).collect();
    let duration = numbers.windows(3).find_map(|w| match w {
        [Some(_), Some(_), Some(ms)] => Some(*ms),
        _ => None,
    })?;
    let (says, words) = match known.first() {
        Some((says, _)) => (*says, known.iter().map(|(_, w)| *w).collect()),
        // A TCP proxy writes one line a connection, at its end.
        None if request.starts_with("- -") => (Says::Ended, vec!["closed"]),
        None => by_status(code),
    };
    let age = Some(Gap::from_millis(duration));
    let whose = "wording of Envoy's access log (access log response flags)";
    Some(Shaped { says, words, age, stamp_is_start: true, fixed: true, whose })
}

/// Envoy's response flags, short and long (docs: configuration/observability/access_log/usage).
fn envoy_flag(flag: &str) -> Option<(Says, &'static str)> {
    Some(match flag {
        "UT" | "UpstreamRequestTimeout" => (Says::Ended, "request-timeout-said"),
        "SI" | "StreamIdleTimeout" => (Says::Ended, "idle-timeout-said"),
        "DPE" | "DownstreamProtocolError" => (Says::Ended, "stream-error"),
        "UPE" | "UpstreamProtocolError" => (Says::Ended, "stream-error"),
        "UC" | "UpstreamConnectionTermination" => (Says::Ended, "closed-by-peer"),
        "UR" | "UpstreamRemoteReset" => (Says::Ended, "reset"),
        "LR" | "ConnectionLocalReset" | "LocalReset" => (Says::Ended, "closed-locally"),
        "DC" | "DownstreamConnectionTermination" => (Says::Ended, "client-gone"),
        "DR" | "DownstreamRemoteReset" => (Says::Ended, "client-gone"),
        "DT" | "DurationTimeout" => (Says::Ended, "max-age-said"),
        "UMSDR" | "UpstreamMaxStreamDurationReached" => (Says::Ended, "max-age-said"),
        "UF" | "UpstreamConnectionFailure" => (Says::Attempt, "connect-failed"),
        "URX" | "UpstreamRetryLimitExceeded" => (Says::Attempt, "connect-failed"),
        "UH" | "NoHealthyUpstream" => (Says::Incident, "no-backend"),
        "NR" | "NoRouteFound" => (Says::Incident, "no-backend"),
        "UO" | "UpstreamOverflow" => (Says::Incident, "limit"),
        "OM" | "OverloadManagerTerminated" => (Says::Ended, "limit"),
        _ => return None,
    })
}

/// The common and combined log formats after their date: `"GET /x HTTP/1.1" 200 123`.
fn common(rest: &str) -> Option<Shaped> {
    let (request, tail) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
    let method = request.split(' ').next()?;
    if !is_method(method) && request != "-" {
        return None;
    }
    let status = tail.split_whitespace().next()?;
    let (says, words) = by_status(status);
    Some(Shaped {
        says,
        words,
        age: None,
        stamp_is_start: false,
        fixed: true,
        whose: "the common log format (httpd mod_log_config, nginx ngx_http_log_module)",
    })
}

/// A method, and within a few words a status: `GET /health 200`.
fn any_method(rest: &str) -> Option<Shaped> {
    let mut words = rest
        .split_whitespace()
        .take(24)
        .skip_while(|w| !is_method(w.trim_matches(|c: char| !c.is_ascii_alphabetic())));
    words.next()?;
    let path = words.next()?;
    let bare = |w: &str| w.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_string();
    if !path.contains('/') {
        return None;
    }
    for word in words.take(4) {
        let value = bare(word.rsplit('=').next().unwrap_or(word));
        if value == "start" || value == "started" || value == "sent" {
            return Some(shaped(Says::Request, vec!["request-start"]));
        }
        let status = value.len() == 3 && value.bytes().all(|b| b.is_ascii_digit());
        if status && value.starts_with(['1', '2', '3', '4', '5']) {
            let (says, words) = by_status(&value);
            return Some(shaped(says, words));
        }
    }
    None
}

/// A line read by method and status.
fn shaped(says: Says, words: Vec<&'static str>) -> Shaped {
    let whose = "an HTTP method and a status";
    Shaped { says, words, age: None, stamp_is_start: false, fixed: false, whose }
}

/// What a status says of the connection it came over. 499 is nginx's for a client that left
/// (src/http/ngx_http_request.h); 101 is logged when the upgraded connection ends.
fn by_status(status: &str) -> (Says, Vec<&'static str>) {
    match status {
        "101" => (Says::Ended, vec!["closed"]),
        "499" => (Says::Ended, vec!["client-gone"]),
        "408" | "504" => (Says::Ended, vec!["request-timeout-said"]),
        "401" => (Says::Incident, vec!["auth-failure"]),
        "502" => (Says::Attempt, vec!["bad-gateway"]),
        "503" => (Says::Attempt, vec!["no-backend"]),
        "429" => (Says::Incident, vec!["limit"]),
        _ => (Says::Alive, vec!["reply"]),
    }
}

/// An HTTP method.
fn is_method(word: &str) -> bool {
    METHODS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Act, words, seconds.
    fn told(line: &str) -> Option<(Says, String, Option<f64>)> {
        let end = line.find(']').unwrap_or(0);
        let bracketed = line.starts_with('[') || line.contains(" - - [");
        let s = read(line, if bracketed { end } else { 0 }, bracketed)?;
        Some((s.says, s.words.join(" "), s.age.map(Gap::secs_f64)))
    }

    #[test]
    fn haproxy_codes() {
        let http = "Aug 14 10:00:30 h haproxy[12]: 192.0.2.1:40000 [14/Aug/2026:10:00:00.000] f b/s1 0/0/1/4/30004 101 512 - - cD-- 3/3/2/2/0 0/0 \"GET /ws HTTP/1.1\"";
        assert_eq!(
            told(http),
            Some((Says::Ended, "idle-timeout-said timeout-client".into(), Some(30.004)))
        );
        let tcp =
            "192.0.2.1:40000 [14/Aug/2026:10:00:00.000] f b/s1 1/0/3600001 212 -- 1/1/1/1/0 0/0";
        assert_eq!(told(tcp), Some((Says::Ended, "closed".into(), Some(3600.001))));
        let sd = tcp.replace(" -- ", " sD ");
        assert_eq!(told(&sd).unwrap().1, "idle-timeout-said timeout-server");
        let start = read(tcp, tcp.find(']').unwrap(), true).unwrap();
        assert!(start.stamp_is_start && !read(http, 0, false).unwrap().stamp_is_start);
    }

    #[test]
    fn envoy_flags() {
        let line = "[2021-12-14T08:54:01.201Z] \"GET /x HTTP/1.1\" 504 UT upstream_response_timeout - \"-\" 0 24 15000 - \"-\"";
        assert_eq!(told(line), Some((Says::Ended, "request-timeout-said".into(), Some(15.0))));
        let tcp = "[2021-12-14T08:54:01.201Z] \"- - -\" 0 - - - \"-\" 1204 5333 210 - \"-\"";
        assert_eq!(told(tcp), Some((Says::Ended, "closed".into(), Some(0.21))));
    }

    #[test]
    fn statuses() {
        let clf = "192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] \"GET /x HTTP/1.0\" 499 0";
        assert_eq!(told(clf), Some((Says::Ended, "client-gone".into(), None)));
        assert_eq!(told("GET /health 200"), Some((Says::Alive, "reply".into(), None)));
        assert_eq!(told("POST https://x/op start").unwrap().0, Says::Request);
        assert_eq!(told("get up at 600"), None);
    }
}
