//! Where words and values stand in a line. Nothing here knows what is worth hiding.

/// Where something begins and ends.
pub(super) type Words = (usize, usize);

pub(super) const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

pub(super) fn ends_authority(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"/?#\"'<>(){},;|\\`".contains(&byte)
}

pub(super) fn ends_path(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"\"'<>(){}|\\`,;]".contains(&byte)
}

/// The next run of letters, digits, `_`, `-` (and `:` before it, as HTTP/2 has it) from `at` on.
pub(super) fn word(line: &[u8], at: usize) -> Option<Words> {
    let in_word = |byte: &u8| is_word_byte(*byte) || *byte == b'-';
    let from = at + line.get(at..)?.iter().position(in_word)?;
    let long = line.get(from..)?.iter().take_while(|b| in_word(b)).count();
    Some((from, from + long))
}

/// The value behind a field's name: within quotes where there are any, else up to a blank or a
/// bracket.
pub(super) fn value(line: &[u8], name: Words) -> Option<Words> {
    let byte = |at: usize| line.get(at).copied();
    let mut at = name.1;
    let quoted_name = name.0.checked_sub(1).and_then(byte) == Some(b'"') && byte(at) == Some(b'"');
    at += usize::from(quoted_name);
    let blanks =
        |at: usize| line.get(at..).map_or(0, |r| r.iter().take_while(|b| **b == b' ').count());
    let spaced = blanks(at);
    match byte(at + spaced)? {
        b'=' => at += spaced + 1,
        b':' if quoted_name => at += spaced + 1,
        _ => return None,
    }
    let after = blanks(at);
    match byte(at + after)? {
        quote @ (b'"' | b'\'') => quoted(line, at + after, quote),
        // `a = b` without quotes may be prose or a formula.
        _ if spaced + after > 0 => None,
        _ => bare(line, at),
    }
}

/// The next word behind a blank, or what stands in quotes there.
pub(super) fn next(line: &[u8], at: usize) -> Option<Words> {
    let rest = line.get(at..)?;
    let blanks = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let from = at + blanks;
    match line.get(from)? {
        _ if blanks == 0 => None,
        b'"' => quoted(line, from, b'"'),
        _ => bare(line, from),
    }
}

fn quoted(line: &[u8], open: usize, quote: u8) -> Option<Words> {
    let inside = line.get(open + 1..)?;
    let long = inside.iter().position(|b| *b == quote)?;
    (long > 0).then_some((open + 1, open + 1 + long))
}

fn bare(line: &[u8], from: usize) -> Option<Words> {
    let ends = |b: u8| b.is_ascii_whitespace() || b"\"',;)}]|<>".contains(&b);
    let long = line.get(from..)?.iter().take_while(|b| !ends(**b)).count();
    (long > 0).then_some((from, from + long))
}

/// `name:443` without its port.
pub(super) fn without_port(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            name
        }
        _ => text,
    }
}

/// The host of a line of syslog: behind the stamp of RFC 3164, of RFC 5424 or of RFC 3339, and
/// before a tag that ends in a colon or holds a number in brackets.
pub(super) fn syslog_host(line: &[u8]) -> Option<&str> {
    const HEAD: usize = 512;
    let head = line.get(..HEAD.min(line.len()))?;
    let text = match str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => str::from_utf8(head.get(..error.valid_up_to())?).ok()?,
    };
    let mut words = text.split_whitespace();
    let first = words.next()?;
    let host = if is_stamp(first) {
        words.next()?
    } else if first.ends_with(">1") && first.starts_with('<') {
        // RFC 5424: what follows the host needs no colon.
        return is_stamp(words.next()?).then(|| words.next()).flatten().filter(|h| is_name(h));
    } else {
        let is_month = first.len() >= 3 && MONTHS.iter().any(|month| first.ends_with(month));
        let (day, time) = (words.next()?, words.next()?);
        let is_time = time.len() >= 8 && time.as_bytes().get(2) == Some(&b':');
        if !is_month || !is_time || day.parse::<u8>().is_err() {
            return None;
        }
        words.next()?
    };
    let tag = words.next()?;
    let is_tag = tag.ends_with("]:") || (tag.ends_with(':') && !tag.contains('='));
    (is_tag && is_name(host)).then_some(host)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn is_stamp(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.get(4) == Some(&b'-') && bytes.get(10) == Some(&b'T') && bytes.get(13) == Some(&b':')
}

/// A level ("INFO") or a logger's name with a bracket is no host.
fn is_name(word: &str) -> bool {
    const LEVELS: [&str; 9] =
        ["INFO", "WARN", "WARNING", "ERROR", "DEBUG", "TRACE", "FATAL", "NOTICE", "CRITICAL"];
    let plain = word.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    plain && !LEVELS.contains(&&*word.to_ascii_uppercase()) && word.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, name: &str) -> Option<String> {
        let from = line.find(name).unwrap();
        let (from, to) = value(line.as_bytes(), (from, from + name.len()))?;
        Some(line[from..to].to_owned())
    }

    #[test]
    fn values_are_found_in_each_spelling() {
        for line in
            ["host=a-1 x", "host=\"a-1\"", "{\"host\": \"a-1\"}", "host = \"a-1\"", "(host=a-1)"]
        {
            assert_eq!(of(line, "host").as_deref(), Some("a-1"), "{line}");
        }
        for line in ["no route to host: a-1", "host", "host=", "host = a-1"] {
            assert_eq!(of(line, "host"), None, "{line}");
        }
    }

    #[test]
    fn a_host_stands_behind_the_stamp_and_before_a_tag() {
        let host = |line: &str| syslog_host(line.as_bytes()).map(str::to_owned);
        for line in [
            "May 10 03:14:22 web-1 app[12]: gone",
            "2024-05-10T03:14:22Z web-1 app: gone",
            "<134>1 2024-05-10T03:14:22Z web-1 app 12 - - gone",
            "<13>May 10 03:14:22 web-1 app[12]: gone",
        ] {
            assert_eq!(host(line).as_deref(), Some("web-1"), "{line}");
        }
        for line in
            ["2024-05-10T03:14:22Z INFO app: gone", "2024-05-10T03:14:22Z reconnecting upstream"]
        {
            assert_eq!(host(line), None, "{line}");
        }
    }
}
