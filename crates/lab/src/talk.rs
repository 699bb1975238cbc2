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
