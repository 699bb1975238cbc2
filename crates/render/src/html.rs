//! The report as one web page: the answer first, every claim a link to its evidence. Refuses to
//! fetch, to run a script, and to let a text of the evidence be anything but text.

mod finding;
mod ladder;
mod order;
mod sources;

use crate::svg::{self, escaped};
use crate::text;
use hopclock_core::report::Report;
use sources::Sources;

/// The style of the page; that of the pictures comes with them.
const STYLE: &str = include_str!("html/style.css");

/// The whole page. The same report gives the same bytes.
pub fn page(report: &Report) -> String {
    let sources = Sources::of(report);
    let title = report.findings.first().map_or_else(|| "nothing found".to_owned(), text::title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n<title>hopclock: {}</title>\n\
         <style>\n{STYLE}{}\n</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#answer\">Skip to the answer</a>\n\
         <header><h1>hopclock: what ends these connections</h1></header>\n\
         <main id=\"answer\">\n",
        escaped(&title),
        svg::STYLE
    );
    if report.findings.is_empty() {
        let says = escaped(text::NOTHING_FOUND);
        out += &format!("<div class=\"answer\"><p>{says}</p></div>\n");
    }
    for entry in &report.findings {
        finding::write(&mut out, entry, &sources);
    }
    order::write(&mut out, &report.timer_order, &sources);
    out += "<section aria-labelledby=\"rest\">\n<h2 id=\"rest\">What this stands on</h2>\n";
    sources.write(&mut out, report);
    list(&mut out, "Not looked at", &report.not_looked_at);
    inputs(&mut out, report);
    out += "</section>\n</main>\n</body>\n</html>\n";
    out
}

/// A heading and a list of sentences; nothing for none.
fn list(out: &mut String, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    *out += &format!("<h3>{title}</h3>\n<ul>\n");
    for item in items {
        *out += &format!("<li>{}</li>\n", escaped(item));
    }
    *out += "</ul>\n";
}

fn inputs(out: &mut String, report: &Report) {
    let says = report.inputs.iter().map(|input| {
        let skipped = match input.skipped {
            0 => String::new(),
            n => format!(", {n} skipped"),
        };
        let plural = if input.records == 1 { "" } else { "s" };
        let head = format!("{}: {}, {} record{plural}", input.file, input.kind, input.records);
        let notes: String = input.notes.iter().map(|note| format!("; {note}")).collect();
        format!("{head}{skipped}{notes}")
    });
    list(out, "Inputs", &says.collect::<Vec<_>>());
}

#[cfg(test)]
mod tests;
