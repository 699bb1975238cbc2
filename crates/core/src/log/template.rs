//! Lines of one kind: what is left of a message when its variable parts are taken out. Refuses to
//! learn: two lines are alike when their words are, whatever stands between.

use super::words::{SPACE, Words};

/// Bytes of a message that make its template.
const REACH: usize = 160;

/// Writes the message with every word that holds a digit replaced by `*`, in lower case.
fn mask_into(message: &str, out: &mut String) {
    out.clear();
    for word in Words::new(message, &SPACE) {
        if out.len() > REACH {
            break;
        }
        let variable = word.len() > 40 || word.bytes().any(|b| b.is_ascii_digit());
        let next = if variable { "*" } else { word };
        if next == "*" && out.ends_with('*') {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        let from = out.len();
        out.push_str(next);
        if let Some(word) = out.get_mut(from..) {
            word.make_ascii_lowercase();
        }
    }
}

/// Numbers templates in the order they are met, at most [`Templates::MOST`]; later ones share one.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    known: std::collections::HashMap<String, u32>,
    texts: Vec<String>,
    masked: String,
}

impl Templates {
    /// More kinds of line than this are free text.
    const MOST: usize = 4096;

    /// The number of a message's template.
    pub(crate) fn number(&mut self, message: &str) -> u32 {
        mask_into(message, &mut self.masked);
        if let Some(known) = self.known.get(&self.masked) {
            return *known;
        }
        if self.texts.len() >= Self::MOST {
            return u32::MAX;
        }
        let fresh = self.texts.len() as u32;
        self.texts.push(self.masked.clone());
        self.known.insert(self.masked.clone(), fresh);
        fresh
    }

    /// A template's text.
    pub(crate) fn text(&self, number: u32) -> &str {
        self.texts.get(number as usize).map_or("(other lines)", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(message: &str) -> String {
        let mut out = String::from("what stood there before");
        mask_into(message, &mut out);
        out
    }

    #[test]
    fn variable_parts_fold() {
        assert_eq!(mask("client 31 ws close 1001"), "client * ws close *");
        assert_eq!(mask("from 10.0.0.1:55 port 7 closed"), "from * port * closed");
        let mut t = Templates::default();
        assert_eq!(t.number("watch exited after 3s"), t.number("watch exited after 9s"));
        assert_ne!(t.number("a b"), t.number("a c"));
    }
}
