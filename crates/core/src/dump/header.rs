//! The stamped line that says where a dump is from:
//! `# hopclock host=egress-1 role=hop at=2024-05-11T03:10:00Z cmd="conntrack -L"`.
//!
//! Unknown keys are stepped over, so that later versions may say more.

use crate::terms::Role;
use crate::time::Moment;

/// What a stamped line says. What it leaves out is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The host's name.
    pub host: Option<String>,
    /// Where on the path it stands.
    pub role: Option<Role>,
    /// When the dump was taken.
    pub at: Option<Moment>,
    /// The command that printed it.
    pub command: Option<String>,
    /// How the content was made, when it was not recorded.
    pub made: Option<String>,
}

impl Header {
    /// Reads one line; `None` when it is no stamped line.
    pub fn parse(line: &str) -> Option<Header> {
        let rest = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("hopclock ")?;
        let mut header = Header::default();
        for (key, value) in fields(rest) {
            match key {
                "host" => header.host = Some(value),
                "role" => header.role = role(&value),
                "at" => header.at = moment(&value),
                "cmd" => header.command = Some(value),
                "made" => header.made = Some(value),
                _ => {}
            }
        }
        Some(header)
    }

    /// The first stamped line among the first few of a text.
    pub fn find(text: &str) -> Option<Header> {
        text.lines().take(5).find_map(Header::parse)
    }
}

/// The contract's word for a role.
pub fn role(word: &str) -> Option<Role> {
    match word {
        "client" => Some(Role::Client),
        "hop" => Some(Role::Hop),
        "server" => Some(Role::Server),
        _ => None,
    }
}

/// A moment as an RFC 3339 time stamp in UTC, cut to the millisecond; [`moment`] reads it back.
pub fn stamp(at: Moment) -> String {
    match jiff::Timestamp::from_millisecond(at.ns().div_euclid(1_000_000)) {
        Ok(stamp) => stamp.to_string(),
        Err(_) => format!("{} ns since 1970", at.ns()),
    }
}

/// An RFC 3339 time stamp.
pub fn moment(text: &str) -> Option<Moment> {
    let at: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(at.as_nanosecond()).ok().map(Moment::from_ns)
}

/// `key=value` and `key="some words"`, in order.
fn fields(text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while let Some((key, after)) = rest.split_once('=') {
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        let key = key.rsplit(char::is_whitespace).next().unwrap_or(key);
        found.push((key, value.to_owned()));
        rest = left.trim_start();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_to_the_millisecond() {
        let at = Moment::from_ns(1_715_310_862_350_900_000);
        assert_eq!(stamp(at), "2024-05-10T03:14:22.35Z");
        assert_eq!(moment(&stamp(at)), Some(Moment::from_ns(1_715_310_862_350_000_000)));
    }

    #[test]
    fn a_stamped_line_says_host_role_time_and_command() {
        let line = "# hopclock host=egress-1 role=hop at=2024-05-11T03:10:00Z cmd=\"conntrack -L\"";
        let header = Header::parse(line).unwrap();
        assert_eq!(header.host.as_deref(), Some("egress-1"));
        assert_eq!(header.role, Some(Role::Hop));
        assert_eq!(header.at, Some(Moment::from_secs(1_715_397_000)));
        assert_eq!(header.command.as_deref(), Some("conntrack -L"));
    }

    #[test]
    fn an_unknown_key_hides_nothing_behind_it() {
        let header = Header::parse("# hopclock kernel=\"6.1 x\" host=a made=story").unwrap();
        assert_eq!(header.host.as_deref(), Some("a"));
        assert_eq!(header.made.as_deref(), Some("story"));
    }

    #[test]
    fn an_ordinary_comment_is_no_stamp() {
        assert_eq!(Header::parse("# net.ipv4.ip_forward = 1"), None);
        assert_eq!(Header::parse("tcp 6 431999 ESTABLISHED"), None);
    }
}
