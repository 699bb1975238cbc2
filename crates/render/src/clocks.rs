//! The catalogue as a table.

use crate::markdown::safe;
use crate::page::{Label, Page, columns};
use hopclock_core::clocks::Clock;
use std::io::{self, Write};

/// For a terminal: three lines a timer.
pub fn text(clocks: &[&Clock], page: Page, out: &mut dyn Write) -> io::Result<()> {
    for clock in clocks {
        let value = values(clock);
        let mark = if clock.source.is_some() { "" } else { " (unverified)" };
        let first = format!("{}  ", page.label(Label::Heading, &clock.id));
        let says = format!("{value}{mark}");
        page.wrap(out, (&first, columns(&clock.id) + 2), 4, &says)?;
        page.paragraph(out, 4, &format!("{}: {}", clock.product, clock.setting))?;
        page.paragraph(out, 4, &format!("restarted by: {}", clock.refreshed_by))?;
        page.paragraph(out, 4, &clock.note)?;
    }
    let n = clocks.len();
    match n {
        0 => writeln!(out, "no timer in the catalogue fits"),
        1 => writeln!(out, "\n1 timer. A match suggests; other evidence names."),
        _ => writeln!(out, "\n{n} timers. A match suggests; other evidence names."),
    }
}

/// For a ticket.
pub fn markdown(clocks: &[&Clock], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| timer | product | setting | seconds | restarted by |\n|---|---|---|---|---|")?;
    for clock in clocks {
        let cell = safe::text;
        writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            clock.id,
            cell(&clock.product),
            safe::cell_code(&clock.setting),
            values(clock),
            cell(&clock.refreshed_by)
        )?;
    }
    Ok(())
}

fn values(clock: &Clock) -> String {
    let usual: Vec<String> = clock.typical_s.iter().map(|s| format!("{s}")).collect();
    let usual = usual.join(", ");
    match (clock.default_s, usual.is_empty()) {
        (Some(default), true) => format!("{default} s"),
        (Some(default), false) => format!("{default} s (also {usual})"),
        (None, false) => format!("off by default (often {usual} s)"),
        (None, true) => "off by default".to_owned(),
    }
}
