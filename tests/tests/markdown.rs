//! The ticket, read by a CommonMark parser nobody here wrote (pulldown-cmark, with GitHub's
//! tables): evidence that tries to be markup stays text.

use hopclock_tests::command::run;
use hopclock_tests::scratch;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::fs;

/// What a ticket came to.
#[derive(Debug, Default)]
struct Ticket {
    headings: Vec<String>,
    items: usize,
    deepest_list: usize,
    rows: Vec<usize>,
    blocks: usize,
    foreign: Vec<String>,
    text: String,
}

fn read(markdown: &str) -> Ticket {
    let mut ticket = Ticket::default();
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_GFM
        | Options::ENABLE_MATH;
    let (mut heading, mut depth, mut cells) = (None::<String>, 0, 0);
    for event in Parser::new_ext(markdown, options) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => ticket.headings.extend(heading.take()),
            Event::Start(Tag::List(_)) => {
                depth += 1;
                ticket.deepest_list = ticket.deepest_list.max(depth);
            }
            Event::End(TagEnd::List(_)) => depth -= 1,
            Event::Start(Tag::Item) => ticket.items += 1,
            Event::Start(Tag::CodeBlock(_)) => ticket.blocks += 1,
            Event::Start(Tag::TableHead | Tag::TableRow) => cells = 0,
            Event::Start(Tag::TableCell) => cells += 1,
            Event::End(TagEnd::TableHead | TagEnd::TableRow) => ticket.rows.push(cells),
            Event::Text(text) | Event::Code(text) => {
                heading.iter_mut().for_each(|heading| heading.push_str(&text));
                ticket.text.push_str(&text);
            }
            Event::SoftBreak => ticket.text.push('\n'),
            Event::Start(Tag::Paragraph | Tag::Table(_) | Tag::Strong) | Event::End(_) => {}
            other => ticket.foreign.push(format!("{other:?}")),
        }
    }
    ticket
}

const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script><img src=x onerror=y>",
    "[click](http://192.0.2.1/x) ![p](http://192.0.2.1/p.png)",
    "| a | b | c |",
    "`one` ``two`` ```three```",
    "**bold** _it_ ~~gone~~ $x$ &amp; &#60;",
    "@everyone #1 https://www.example.net/?q=1",
    "\\` \\| \\[ \\",
    "- [ ] task # head > quote",
];

#[test]
fn evidence_that_tries_to_be_markup_stays_text() {
    for (n, hostile) in HOSTILE.into_iter().enumerate() {
        let folder = scratch("markdown");
        let mut log = String::new();
        for day in 1..8 {
            log += &format!("2024-05-0{day}T03:14:22Z INFO connected {hostile}\n");
            log +=
                &format!("2024-05-0{day}T15:14:2{day}Z ERROR connection reset by peer {hostile}\n");
        }
        let name = format!("a|b`c`<b>[x](y)_{n}_.log");
        fs::write(folder.join(&name), log).unwrap();
        let path = folder.to_string_lossy().into_owned();
        let ran = run(["diagnose", "--format", "markdown", &path]);
        assert!(matches!(ran.code, Some(0 | 4)), "{ran:#?}");
        let ticket = read(&ran.out);
        assert_eq!(ticket.foreign, Vec::<String>::new(), "{hostile}\n{}", ran.out);
        assert!(ticket.rows.len() > 3 && ticket.rows.iter().all(|n| *n == 4), "{:?}", ticket.rows);
        assert_eq!(ticket.deepest_list, 1, "{}", ran.out);
        let known =
            |h: &String| h.contains("ends)") || h.contains("Letter") || h.split(' ').count() <= 3;
        assert!(ticket.headings.iter().all(known), "{:?}", ticket.headings);
        assert!(ticket.blocks <= 1, "{}", ran.out);
        assert!(ticket.text.contains(&name), "{}", ran.out);
        let file = folder.join(&name).to_string_lossy().into_owned();
        let ticket = read(&run(["rhythm", "--format", "markdown", &file]).out);
        assert_eq!(ticket.foreign, Vec::<String>::new(), "rhythm {hostile}");
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn every_command_s_tables_have_as_many_cells_as_heads() {
    let capture = "examples/nat-expiry/hop-egress-1/hop.pcapng";
    for (words, cells) in [
        (&["clocks"][..], 5),
        (&["flows", capture], 8),
        (&["replay", capture], 7),
        (&["lab", "list"], 2),
        (&["diagnose", "examples/egress-12h"], 4),
    ] {
        let ran = run(words.iter().copied().chain(["--format", "markdown"]));
        let ticket = read(&ran.out);
        assert_eq!(ticket.foreign, Vec::<String>::new(), "{words:?}");
        assert!(ticket.rows.len() > 1 && ticket.rows.iter().all(|n| *n == cells), "{words:?}");
    }
}
