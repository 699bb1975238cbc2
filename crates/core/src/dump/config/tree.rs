//! YAML and JSON as a tree whose leaves know their line. JSON is YAML.
//!
//! Only what a configuration needs: maps, lists, words. An alias stands for nothing here, so that a
//! small file cannot become a large tree.

use saphyr_parser::{Event, Parser};

/// Nodes of one file.
const NODES_MAX: usize = 500_000;
/// Nodes within nodes.
const NESTED_MAX: usize = 100;

/// A node and the line it begins on, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Anything that is one word or text.
    Word(String),
    List(Vec<Node>),
    /// Pairs in the order written.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// What stands under a key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.pairs().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// What stands under keys, one below the other.
    pub(super) fn at(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    pub(super) fn word(&self) -> Option<&str> {
        match &self.value {
            Value::Word(word) => Some(word),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    pub(super) fn pairs(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Map(pairs) => pairs,
            Value::Word(_) | Value::List(_) => &[],
        }
    }

    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Word(_) | Value::Map(_) => &[],
        }
    }
}

/// A map or list being filled.
struct Open {
    node: Node,
    /// The key whose value comes next.
    key: Option<String>,
}

impl Open {
    fn new(line: usize, value: Value) -> Self {
        Self { node: Node { line, value }, key: None }
    }

    fn add(&mut self, child: Node) {
        match (&mut self.node.value, self.key.take()) {
            (Value::List(items), _) => items.push(child),
            (Value::Map(pairs), Some(key)) => pairs.push((key, child)),
            // Keys of protobuf's JSON may be spelt in two ways; here they are spelt in one.
            (Value::Map(_), None) => self.key = child.word().map(snake).or(Some(String::new())),
            (Value::Word(_), _) => {}
        }
    }
}

/// The documents of a text, and what is wrong with it with the line.
pub(super) fn read(text: &str) -> (Vec<Node>, Option<(usize, &'static str)>) {
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut count = 0_usize;
    let mut trouble = None;
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else {
            let line = event.err().map_or(0, |error| error.marker().line());
            trouble = Some((line, "it is neither YAML nor JSON from here on"));
            break;
        };
        count += 1;
        if count > NODES_MAX || open.len() > NESTED_MAX {
            trouble = Some((span.start.line(), "it is too large; the rest is not read"));
            break;
        }
        let line = span.start.line();
        let whole = match event {
            Event::MappingStart(..) => {
                open.push(Open::new(line, Value::Map(Vec::new())));
                continue;
            }
            Event::SequenceStart(..) => {
                open.push(Open::new(line, Value::List(Vec::new())));
                continue;
            }
            Event::Scalar(word, ..) => Node { line, value: Value::Word(word.into_owned()) },
            Event::Alias(_) => Node { line, value: Value::Word(String::new()) },
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some(closed) => closed.node,
                None => continue,
            },
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => continue,
        };
        match open.last_mut() {
            Some(around) => around.add(whole),
            None => documents.push(whole),
        }
    }
    // What was open when it broke is still worth reading.
    while let Some(closed) = open.pop() {
        match open.last_mut() {
            Some(around) => around.add(closed.node),
            None => documents.push(closed.node),
        }
    }
    (documents, trouble)
}

/// `idleTimeout` as `idle_timeout`; a word with anything else in it stays.
fn snake(word: &str) -> String {
    let plain = word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_alphanumeric());
    if !plain {
        return word.to_owned();
    }
    let mut out = String::with_capacity(word.len() + 4);
    for c in word.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_are_one_tree() {
        let yaml = "a:\n  idle_timeout: 3600s\n  list:\n  - x: \"1\"\n  - y\n";
        let json = "{\"a\": {\"idleTimeout\": \"3600s\", \"list\": [{\"x\": \"1\"}, \"y\"]}}";
        let (yaml, json) = (read(yaml), read(json));
        assert_eq!((&yaml.1, &json.1), (&None, &None));
        let timeout = |nodes: &[Node]| {
            let node = nodes.first()?.at(&["a", "idle_timeout"])?;
            Some((node.line, node.word()?.to_owned()))
        };
        assert_eq!(timeout(&yaml.0), Some((2, "3600s".to_owned())));
        assert_eq!(timeout(&json.0), Some((1, "3600s".to_owned())));
        let list = json.0.first().and_then(|node| node.at(&["a", "list"])).map(Node::items);
        assert_eq!(list.map(<[Node]>::len), Some(2));
    }

    #[test]
    fn what_is_broken_or_made_to_grow_ends() {
        let (kept, trouble) = read("a: 1\nb: {c: 2, d: [3\n");
        assert!(trouble.is_some());
        assert_eq!(kept.first().and_then(|n| n.at(&["b", "c"])).and_then(Node::word), Some("2"));
        let (_, deep) = read(&"[".repeat(100_000));
        assert!(deep.is_some());
        let laughs = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n";
        assert_eq!(read(laughs).1, None);
        assert!(read("\u{0}\u{1}\u{7f}{]").1.is_some());
    }
}
