//! Patterns of paths as glob(7) has them: `*`, `?` and `[a-z]` within a part of a path.
//!
//! Refused: braces, tildes and classes by name, which nginx's includes do not know either.

/// Whether there is anything in it that stands for more than itself.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Whether one part of a path, without slashes, fits. A dot in front must be written.
pub fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stood, and how much of the name it took.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let rest = pattern.get(p..).unwrap_or_default();
        let here = name.get(n).copied().unwrap_or_default();
        match one(rest, here) {
            Step::Star => {
                star = Some((p, n));
                p += 1;
            }
            Step::Fits(used) => {
                p += used;
                n += 1;
            }
            Step::Not => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}

enum Step {
    Star,
    /// It fits, and so many characters of the pattern were for it.
    Fits(usize),
    Not,
}

fn one(pattern: &[char], c: char) -> Step {
    match pattern {
        ['*', ..] => Step::Star,
        ['?', ..] => Step::Fits(1),
        ['[', class @ ..] => match class_of(class, c) {
            Some((true, used)) => Step::Fits(used + 1),
            Some((false, _)) => Step::Not,
            None if c == '[' => Step::Fits(1),
            None => Step::Not,
        },
        ['\\', escaped, ..] if *escaped == c => Step::Fits(2),
        [same, ..] if *same == c => Step::Fits(1),
        _ => Step::Not,
    }
}

/// Whether `c` is in the class, and how long the class is with its closing bracket.
fn class_of(class: &[char], c: char) -> Option<(bool, usize)> {
    let not = matches!(class.first(), Some('!' | '^'));
    let from = usize::from(not);
    // A bracket that comes first is one of the class.
    let close = class.iter().skip(from + 1).position(|c| *c == ']')? + from + 1;
    let members = class.get(from..close)?;
    let mut found = false;
    let mut at = 0;
    while let Some(first) = members.get(at) {
        match (members.get(at + 1), members.get(at + 2)) {
            (Some('-'), Some(last)) => {
                found |= *first <= c && c <= *last;
                at += 3;
            }
            _ => {
                found |= *first == c;
                at += 1;
            }
        }
    }
    Some((found != not, close + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths_fit_as_glob_has_them() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".hidden.conf", false),
            (".*", ".hidden", true),
            ("*.conf", "a.conf.bak", false),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbX", false),
            ("?.conf", "a.conf", true),
            ("?.conf", "ab.conf", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]x", "]x", true),
            ("[ab", "[ab", true),
            ("\\*", "*", true),
            ("", "", true),
            ("***", "", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_made_to_take_long_does_not() {
        let (pattern, name) = ("*a".repeat(40), "a".repeat(300) + "b");
        assert!(!fits(&pattern, &name));
    }
}
