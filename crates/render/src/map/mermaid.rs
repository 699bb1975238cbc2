//! The map as a Mermaid flowchart, for pages that draw those: a box a hop, an arrow a step.

use super::facts;
use hopclock_core::map::settle::Map;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Writes a `flowchart`.
pub fn write(map: &Map, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "flowchart TB")?;
    for (i, hop) in map.hops.iter().enumerate() {
        let mut text = format!("<b>{}</b> ({})", safe(&hop.name), hop.kind.word());
        let lines = facts::lines(map, hop, false);
        for line in &lines {
            let (sign, _) = facts::sign(line.known);
            text.push_str(&format!("<br/>{sign} {}", safe(&line.says)));
        }
        if lines.is_empty() {
            text.push_str("<br/>no timer known");
        }
        writeln!(out, "  h{i}[\"{text}\"]")?;
        if lines.iter().any(|line| !line.shortest_of.is_empty()) {
            writeln!(out, "  class h{i} shortest")?;
        }
    }
    for ((from, to), numbers) in steps(map) {
        writeln!(out, "  h{from} -->|{}| h{to}", facts::ranges(&numbers))?;
    }
    for (number, path) in (1..).zip(&map.paths) {
        let (way, says) = facts::path(map, path);
        writeln!(out, "  p{number}[\"{number} {}<br/>{}\"]:::path", safe(&way), safe(&says))?;
    }
    writeln!(out, "  classDef shortest stroke:#b00020,stroke-width:3px")?;
    writeln!(out, "  classDef path fill:none,stroke:none,text-align:left")
}

/// Every step of a path, with the numbers of the paths that take it.
pub(super) fn steps(map: &Map) -> BTreeMap<(usize, usize), Vec<usize>> {
    let at = |name: &String| map.hops.iter().position(|hop| hop.name == *name);
    let mut steps: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (number, path) in (1..).zip(&map.paths) {
        for pair in path.hops.windows(2) {
            if let [from, to] = pair
                && let (Some(from), Some(to)) = (at(from), at(to))
            {
                steps.entry((from, to)).or_default().push(number);
            }
        }
    }
    steps
}

/// Text that ends no string and begins no markup: Mermaid's own entities.
fn safe(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '"' => safe.push_str("#quot;"),
            '#' => safe.push_str("#35;"),
            '<' => safe.push_str("#lt;"),
            '>' => safe.push_str("#gt;"),
            '&' => safe.push_str("#amp;"),
            '`' => safe.push_str("#96;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
