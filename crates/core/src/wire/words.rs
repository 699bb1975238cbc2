//! Words in clear: what the first bytes of a payload say about the connection's end.
//!
//! Only segments that begin with such words are understood; nothing is put together over segments,
//! and nothing of the payload is kept but the words. Encrypted alerts are told by their record's
//! type alone: what they say is not known.

use super::Words;
use crate::capture::Cursor;
use memchr::memmem;

/// Debug text of a GOAWAY that is kept.
const TEXT_MAX: usize = 64;
/// How far into a payload frames and records are followed.
const STEPS_MAX: usize = 64;

/// What `payload`, the beginning of a segment's bytes, says; `whole` bytes were on the wire.
#[inline]
pub(super) fn read(payload: &[u8], whole: u32) -> Option<Box<Words>> {
    match payload {
        [] => None,
        // Nearly all payload: one TLS record that is no alert, and no more of it was kept. No
        // frame of HTTP/2 is so long.
        [0x17, 3, 0..=4, high, low, rest @ ..]
            if usize::from(u16::from_be_bytes([*high, *low])) >= rest.len() =>
        {
            None
        }
        _ => look(payload, whole),
    }
}

fn look(payload: &[u8], whole: u32) -> Option<Box<Words>> {
    let found = match payload.first()? {
        0x14..=0x17 => tls(payload),
        b'A'..=b'Z' => http1(payload),
        0x88 => close_frame(payload, whole),
        _ => None,
    };
    found.or_else(|| go_away(payload)).map(Box::new)
}

/// RFC 8446 §5.1: records follow each other; an alert of two bytes is in clear (§6), a longer one
/// is encrypted.
fn tls(payload: &[u8]) -> Option<Words> {
    let mut cursor = Cursor::new(payload);
    for _ in 0..STEPS_MAX {
        let kind = cursor.byte("record type").ok()?;
        let version = cursor.be16("record version").ok()?;
        let length = usize::from(cursor.be16("record length").ok()?);
        let sane = matches!(kind, 0x14..=0x17) && matches!(version, 0x0300..=0x0304);
        if !sane || length > 16_384 + 256 {
            return None;
        }
        if kind == 0x15 {
            let body = cursor.take(length, "alert").unwrap_or_default();
            return Some(match body {
                [level @ 1..=2, description] => {
                    Words::TlsAlert { level: Some(*level), description: Some(*description) }
                }
                _ => Words::TlsAlert { level: None, description: None },
            });
        }
        cursor.take(length, "record").ok()?;
    }
    None
}

/// RFC 9112 §3 and §4: a request or a status line, and the fields of its head that were kept.
fn http1(payload: &[u8]) -> Option<Words> {
    let head = payload.get(..payload.len().min(2048))?;
    // A request ends its first line with it, a status line begins so.
    if !head.starts_with(b"HTTP/1.") && memmem::find(head, b" HTTP/1.").is_none() {
        return None;
    }
    let end = head.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(head.len());
    let head = String::from_utf8_lossy(head.get(..end)?);
    let mut lines = head.split("\r\n");
    let first = lines.next()?;
    let status = match first.strip_prefix("HTTP/1.") {
        Some(rest) => Some(rest.get(2..5)?.parse::<u16>().ok()?),
        None if first.contains(" HTTP/1.") => None,
        None => return None,
    };
    let (mut close, mut keep_alive_s) = (false, None);
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if name.eq_ignore_ascii_case("connection") {
            close |= value.split(',').any(|word| word.trim().eq_ignore_ascii_case("close"));
        }
        if name.eq_ignore_ascii_case("keep-alive") {
            let timeout = value.split(',').find_map(|word| word.trim().strip_prefix("timeout="));
            keep_alive_s = timeout.and_then(|seconds| seconds.trim().parse().ok());
        }
    }
    // An ordinary exchange says nothing of the connection's end.
    let failed = status.is_some_and(|status| status >= 400);
    let tells = close || failed || keep_alive_s.is_some();
    tells.then_some(Words::Http1 { status, close, keep_alive_s })
}

/// RFC 9113 §4.1 and §6.8: frames follow each other; GOAWAY is type 7 on stream 0.
fn go_away(payload: &[u8]) -> Option<Words> {
    let mut cursor = Cursor::new(payload);
    for _ in 0..STEPS_MAX {
        let [a, b, c] = cursor.bytes("frame length").ok()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let kind = cursor.byte("frame type").ok()?;
        let flags = cursor.byte("frame flags").ok()?;
        let stream = cursor.be32("stream").ok()?;
        // Frame types 0 to 9 and no others, and the reserved bit unset: payload that only looks
        // like a frame does not get far.
        if kind > 9 || length > 16_384 || stream & 0x8000_0000 != 0 {
            return None;
        }
        if kind == 7 && stream == 0 && flags == 0 && (8..=1024).contains(&length) {
            cursor.be32("last stream").ok()?;
            let code = cursor.be32("error code").ok()?;
            let text = cursor.take(length - 8, "debug data").unwrap_or_default();
            let text = text.get(..TEXT_MAX).unwrap_or(text);
            let text = String::from_utf8_lossy(text).into_owned();
            return (code <= 0xff).then_some(Words::Http2GoAway { code, text });
        }
        cursor.take(length, "frame").ok()?;
    }
    None
}

/// RFC 6455 §5.2 and §5.5.1: FIN, opcode 8; a client's is masked. It ends the segment.
fn close_frame(payload: &[u8], whole: u32) -> Option<Words> {
    let mut cursor = Cursor::new(payload);
    cursor.byte("opcode").ok()?;
    let length = cursor.byte("length").ok()?;
    let (masked, length) = (length & 0x80 != 0, u32::from(length & 0x7f));
    if length > 125 || whole != 2 + length + if masked { 4 } else { 0 } {
        return None;
    }
    let mask: [u8; 4] = if masked { cursor.bytes("mask").ok()? } else { [0; 4] };
    if length < 2 {
        return (length == 0).then_some(Words::WebSocketClose { code: None });
    }
    let [high, low] = cursor.bytes("status").ok()?;
    let code = u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]);
    (1000..5000).contains(&code).then_some(Words::WebSocketClose { code: Some(code) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(payload: &[u8]) -> Option<Words> {
        read(payload, payload.len() as u32).map(|words| *words)
    }

    #[test]
    fn tls_alerts_in_clear_and_encrypted() {
        let clear = said(&[0x15, 3, 3, 0, 2, 1, 0]);
        assert_eq!(clear, Some(Words::TlsAlert { level: Some(1), description: Some(0) }));
        let behind_data = [&[0x17, 3, 3, 0, 3, 9, 9, 9, 0x15, 3, 3, 0, 26][..], &[7; 26]].concat();
        assert_eq!(said(&behind_data), Some(Words::TlsAlert { level: None, description: None }));
        assert_eq!(said(&[0x17, 3, 3, 0, 3, 9, 9, 9]), None);
    }

    #[test]
    fn http_says_whether_it_will_close() {
        let answer =
            b"HTTP/1.1 503 Busy\r\nKeep-Alive: timeout=5, max=9\r\nConnection: close\r\n\r\n";
        let words = Words::Http1 { status: Some(503), close: true, keep_alive_s: Some(5) };
        assert_eq!(said(answer), Some(words));
        let words = Words::Http1 { status: None, close: true, keep_alive_s: None };
        assert_eq!(said(b"GET / HTTP/1.1\r\nconnection: TE, Close\r\n\r\n"), Some(words));
        assert_eq!(said(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), None);
        assert_eq!(said(b"QUIT\r\n"), None);
    }

    #[test]
    fn goaway_with_its_text_behind_another_frame() {
        let ping = [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &[0; 8]].concat();
        let away = [&[0, 0, 15, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2][..], b"max_age"].concat();
        let words = Words::Http2GoAway { code: 2, text: "max_age".into() };
        assert_eq!(said(&[ping, away].concat()), Some(words));
        assert_eq!(said(&[0; 40]), None);
    }

    #[test]
    fn websocket_close_masked_and_not() {
        assert_eq!(said(&[0x88, 2, 3, 0xe9]), Some(Words::WebSocketClose { code: Some(1001) }));
        let masked = [0x88, 0x82, 1, 2, 3, 4, 3 ^ 1, 0xe8 ^ 2];
        assert_eq!(said(&masked), Some(Words::WebSocketClose { code: Some(1000) }));
        assert_eq!(said(&[0x88, 0]), Some(Words::WebSocketClose { code: None }));
        assert_eq!(said(&[0x88, 2, 0, 0]), None);
    }
}
