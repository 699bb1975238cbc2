//! `sysctl` output and sysctl.conf files: `key = value`, one a line.
//!
//! A dump says what a host had; it never says what a socket used.

/// One setting and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Line number, from 1.
    pub line: u64,
    /// The dotted name; `/` as separator is turned into `.`.
    pub key: String,
    /// Its value as text.
    pub value: String,
}

impl Setting {
    /// The value as a number, where it is one.
    pub fn number(&self) -> Option<f64> {
        self.value.parse().ok()
    }

    /// The last part of the name.
    pub fn short(&self) -> &str {
        self.key.rsplit('.').next().unwrap_or(&self.key)
    }
}

/// Reads one line; `None` for comments, blank lines and anything that is no setting.
pub fn line(number: u64, text: &str) -> Option<Setting> {
    let text = text.trim();
    if text.starts_with(['#', ';']) {
        return None;
    }
    let (key, value) = text.split_once('=')?;
    let key = key.trim().trim_start_matches('-').replace('/', ".");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name = key.contains('.') || key.starts_with("nf_conntrack") || key.starts_with("tcp_");
    if !name || !key.chars().all(plain) {
        return None;
    }
    Some(Setting { line: number, key, value: value.trim().to_owned() })
}

/// All settings of a text, and how many of its lines were neither settings, comments nor blank.
pub fn read(text: &str) -> (Vec<Setting>, u64) {
    let mut skipped = 0;
    let mut settings = Vec::new();
    for (number, raw) in (1..).zip(text.lines()) {
        match line(number, raw) {
            Some(setting) => settings.push(setting),
            None if raw.trim().is_empty() || raw.trim_start().starts_with(['#', ';']) => {}
            None => skipped += 1,
        }
    }
    (settings, skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_file_spellings_are_one() {
        let text =
            "net.ipv4.tcp_keepalive_time = 7200\n# a comment\nnet/ipv4/tcp_retries2=15\n\nwhat\n";
        let (settings, skipped) = read(text);
        let keys: Vec<_> = settings.iter().map(|s| (s.line, s.key.as_str(), s.number())).collect();
        let expected = [
            (1, "net.ipv4.tcp_keepalive_time", Some(7200.0)),
            (3, "net.ipv4.tcp_retries2", Some(15.0)),
        ];
        assert_eq!(keys, expected);
        assert_eq!(skipped, 1);
    }

    #[test]
    fn a_log_line_with_an_equals_sign_is_no_setting() {
        assert_eq!(line(1, "2024-05-10T03:14:22Z INFO batch size=12"), None);
    }
}
