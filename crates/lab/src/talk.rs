//! What clients say to real servers: just enough of each protocol to be let in and to be heard.

use crate::ends::{End, Heard};
use std::time::Duration;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

impl End {
    /// Says this, and hears an answer of whatever kind.
    pub(crate) fn asks(&mut self, words: &[u8]) -> bool {
        self.send(words).is_none() && matches!(self.hear(PATIENCE), Heard::Bytes(_))
    }
}

/// An HTTP/1.1 request that leaves the connection open.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: upstream-1\r\nUser-Agent: stream/1.4\r\n\r\n")
        .into_bytes()
}

/// The head of an answer that goes on for ever.
pub(crate) const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n";

/// A PING of Redis.
pub(crate) const REDIS_PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// The first words to PostgreSQL, protocol 3.0.
pub(crate) fn pg_startup(user: &str) -> Vec<u8> {
    let body = format!("user\0{user}\0database\0postgres\0application_name\0stream\0\0");
    let length = u32::try_from(body.len() + 8).unwrap_or(0);
    [&length.to_be_bytes()[..], &196_608_u32.to_be_bytes(), body.as_bytes()].concat()
}

/// A simple query.
pub(crate) fn pg_query(query: &str) -> Vec<u8> {
    let length = u32::try_from(query.len() + 5).unwrap_or(0);
    [b"Q", &length.to_be_bytes()[..], query.as_bytes(), b"\0"].concat()
}

/// CONNECT of MQTT 3.1.1 with a clean session: this name, this keepalive.
pub(crate) fn mqtt_connect(client: &str, keepalive_s: u16) -> Vec<u8> {
    let name = u16::try_from(client.len()).unwrap_or(0).to_be_bytes();
    let body =
        [&b"\0\x04MQTT\x04\x02"[..], &keepalive_s.to_be_bytes(), &name, client.as_bytes()].concat();
    [&[0x10, u8::try_from(body.len()).unwrap_or(0)][..], &body].concat()
}

/// PINGREQ of MQTT.
pub(crate) const MQTT_PINGREQ: &[u8] = &[0xc0, 0];

/// What an HTTP/2 client says first (RFC 9113 §3.4, §6.5, §6.2): the preface, empty SETTINGS, and
/// the head of a request for `/events`.
pub(crate) const H2_OPENS: [&[u8]; 3] = [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\0\0\0\x04\0\0\0\0\0",
    // :method GET, :scheme http, :path and :authority spelt out (RFC 7541 §6).
    b"\0\0\x17\x01\x05\0\0\0\x01\x82\x86\x04\x07/events\x01\x0aupstream-1",
];

/// What its server answers: SETTINGS, the acknowledgement of the client's, and `:status 200`.
pub(crate) const H2_SERVES: &[u8] =
    b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0\0\0\x01\x01\x04\0\0\0\x01\x88";

/// PING (RFC 9113 §6.7).
pub(crate) const H2_PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0hopclock";

/// Its answer.
pub(crate) const H2_PONG: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0hopclock";

/// DATA of the first stream.
pub(crate) fn h2_data(bytes: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
    [&[a, b, c, 0, 0, 0, 0, 0, 1][..], bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_long_as_they_say() {
        for frames in [H2_OPENS[1..].concat(), H2_SERVES.to_vec(), h2_data(b"tick")] {
            let mut rest = &frames[..];
            while let [a, b, c, after @ ..] = rest {
                let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                rest = &after[6 + length..];
            }
        }
        assert_eq!((H2_PING.len(), H2_PONG.len()), (17, 17));
    }
}
