//! Walks one line of JSON far enough to name its values. Refuses to judge: broken JSON simply
//! stops giving values where it breaks.

/// A value found under a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value<'a> {
    /// The text between the quotes, escapes left as they are.
    Text(&'a [u8]),
    /// A number, `true`, `false` or `null`, as written.
    Bare(&'a [u8]),
}

/// One value with the key it stands under.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Field<'a> {
    /// How many objects enclose it; 1 is the line's own object.
    pub depth: usize,
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: Value<'a>,
    /// Where the value begins in the line.
    pub at: usize,
}

/// How deep objects are followed.
const DEEPEST: usize = 8;

/// Iterates over the scalar values of the object a line consists of.
pub(crate) struct Fields<'a> {
    line: &'a [u8],
    at: usize,
    depth: usize,
    key: &'a [u8],
}

/// The scalar values of `line`, in order; nothing when it does not begin with `{`.
pub(crate) fn fields(line: &[u8]) -> Fields<'_> {
    Fields { line, at: 0, depth: 0, key: b"" }
}

impl<'a> Fields<'a> {
    /// A string beginning at the quote under the cursor; steps past its closing quote.
    fn text(&mut self) -> Option<&'a [u8]> {
        let from = self.at + 1;
        let mut at = from;
        loop {
            let step = memchr::memchr2(b'"', b'\\', self.line.get(at..)?)?;
            at += step;
            if self.line.get(at) == Some(&b'"') {
                self.at = at + 1;
                return self.line.get(from..at);
            }
            at += 2;
        }
    }

    /// A number or a literal under the cursor; steps past it.
    fn bare(&mut self) -> Option<&'a [u8]> {
        let rest = self.line.get(self.at..)?;
        let len = rest.iter().take_while(|b| !b",}] \t\r\n".contains(b)).count();
        self.at += len.max(1);
        rest.get(..len)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.depth == 0 && (self.at > 0 || self.line.first() != Some(&b'{')) {
            return None;
        }
        loop {
            let here = *self.line.get(self.at)?;
            match here {
                b'{' => {
                    self.depth += 1;
                    self.at += 1;
                    if self.depth > DEEPEST {
                        return None;
                    }
                }
                b'}' => {
                    self.at += 1;
                    self.depth = self.depth.checked_sub(1).filter(|d| *d > 0)?;
                }
                b' ' | b'\t' | b',' | b'[' | b']' | b':' => self.at += 1,
                b'"' => {
                    let at = self.at + 1;
                    let text = self.text()?;
                    let after = self.line.get(self.at..).unwrap_or_default();
                    let colon = after.iter().position(|b| *b != b' ');
                    if colon.and_then(|c| after.get(c)) == Some(&b':') {
                        self.key = text;
                        continue;
                    }
                    let value = Value::Text(text);
                    return Some(Field { depth: self.depth, key: self.key, value, at });
                }
                _ => {
                    let at = self.at;
                    let value = Value::Bare(self.bare()?);
                    return Some(Field { depth: self.depth, key: self.key, value, at });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_with_their_keys_and_escapes_do_not_end_a_string() {
        let line = br#"{"a": "x\"y", "b": {"c": 1.5}, "d": [true, "z"]}"#;
        let seen: Vec<_> = fields(line).map(|f| (f.depth, f.key, f.value)).collect();
        assert_eq!(
            seen,
            [
                (1, &b"a"[..], Value::Text(br#"x\"y"#)),
                (2, b"c", Value::Bare(b"1.5")),
                (1, b"d", Value::Bare(b"true")),
                (1, b"d", Value::Text(b"z")),
            ]
        );
    }

    #[test]
    fn broken_json_stops_quietly() {
        for line in
            [&b"{"[..], b"{\"", b"{\"a", b"{\"a\\", b"{\"a\":", b"{{{{{{{{{{{{", b"{}}", b"x"]
        {
            assert_eq!(fields(line).count(), 0, "{line:?}");
        }
    }
}
