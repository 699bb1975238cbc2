//! `hopclock lab fix story`: one stream kept in three ways, through a NAT that forgets it and on an
//! entry whose timer is frozen: which live, and what each costs a day.

use crate::args::{Format, LabFix};
use crate::cmd::lab::ready;
use crate::exit::{Exit, Trouble};
use crate::{screen, signals};
use hopclock_lab::{Measures, Outcome, Runner, STORY, Trouble as LabTrouble, story_speaks_grpc};
use hopclock_live::kernel;
use hopclock_render::{Label, json};
use serde_json::{Value, json};
use std::io::{self, Write};

/// In the story a PING every 30 s stood beside a timer of hours: what it costs is told for that.
const EVERY_S: f64 = 30.0;
const DAY_S: f64 = 86_400.0;

/// The ways, and how each is called: the last is gRPC itself where the lab has it.
fn ways() -> [(&'static str, &'static str); 3] {
    let ping = if story_speaks_grpc() { "gRPC (tonic), PING" } else { "HTTP/2, PING" };
    [("plain", "HTTP/1.1, nothing"), ("keepalive", "HTTP/1.1, TCP keepalive"), ("ping", ping)]
}

/// Plays all six at once.
pub fn carry_out(typed: &LabFix) -> Result<Exit, Trouble> {
    ready(&typed.out)?;
    let stop = signals::enough()?;
    let seed = super::seed(typed.seed);
    let runner = Runner {
        out: typed.out.clone(),
        seed,
        timer_s: typed.timer,
        jobs: STORY.len(),
        measures: Measures::default(),
        suffix: String::new(),
        stop: &stop,
    };
    let mut came: Vec<Outcome> = Vec::new();
    runner.play(STORY, &mut |outcome| came.push(outcome));
    for outcome in &came {
        match &outcome.result {
            Err(LabTrouble::Interrupted) => return Ok(Exit::CannotSay),
            Err(trouble) => return Err(Trouble::Privilege(vec![trouble.to_string()])),
            Ok(_) => {}
        }
    }
    let rows: Vec<Value> = ways().iter().map(|way| row(&came, way)).collect();
    let mut out = io::BufWriter::new(io::stdout().lock());
    match typed.format {
        Format::Text => text(&rows, seed, &mut out)?,
        Format::Json => json::pretty(&rows, &mut out)?,
        Format::Jsonl => rows.iter().try_for_each(|row| json::line(row, &mut out))?,
        Format::Markdown => markdown(&rows, &mut out)?,
    }
    out.flush()?;
    let held = came.len() == STORY.len() && came.iter().all(Outcome::held);
    Ok(if held { Exit::Answered } else { Exit::Findings })
}

fn row(came: &[Outcome], (way, says): &(&str, &str)) -> Value {
    let truth = |situation: &str| {
        let name = format!("story-{way}-{situation}");
        let found = came.iter().find(|outcome| outcome.scenario.name == name);
        let folder = found.and_then(|o| o.result.as_ref().ok()).map(|p| p.folder.clone());
        let text = folder.and_then(|f| std::fs::read_to_string(f.join("truth.json")).ok());
        text.and_then(|text| serde_json::from_str::<Value>(&text).ok()).unwrap_or_default()
    };
    let (expiring, frozen) = (truth("expiring"), truth("frozen"));
    let cost = expiring["kept_bytes"].as_f64().unwrap_or(0.0);
    json!({
        "schema": "hopclock.story/1",
        "kernel": kernel::release(),
        "way": says,
        "expiring_nat": if expiring["cause"] == "none" { "lives" } else { "dead" },
        "frozen_entry": if frozen["cause"] == "none" { "lives" } else { "dead" },
        "frozen_lived_s": frozen["lived_s"],
        "frozen_timer_s": frozen["interval_s"],
        "bytes_each": cost.round(),
        "bytes_a_day": (cost * DAY_S / EVERY_S).round(),
    })
}

fn word(row: &Value, key: &str) -> String {
    match &row[key] {
        Value::String(text) => text.clone(),
        Value::Number(number) => format!("{:.1}", number.as_f64().unwrap_or(0.0)),
        _ => "-".to_owned(),
    }
}

fn text(rows: &[Value], seed: u64, out: &mut dyn Write) -> io::Result<()> {
    let page = screen::page();
    writeln!(out, "seed {seed}, kernel {}", kernel::release())?;
    writeln!(out, "\n{}", page.label(Label::Heading, "One stream, kept in three ways"))?;
    writeln!(out, "{:<27}{:<14}{:<23}bytes a day", "", "expiring NAT", "frozen entry")?;
    for row in rows {
        let lived = format!(
            "{}, {} s of {} s",
            word(row, "frozen_entry"),
            word(row, "frozen_lived_s"),
            word(row, "frozen_timer_s")
        );
        let cost = row["bytes_a_day"].as_f64().unwrap_or(0.0);
        writeln!(
            out,
            "  {:<24} {:<13} {lived:<22} {cost:.0}",
            word(row, "way"),
            word(row, "expiring_nat")
        )?;
    }
    let says = "The NAT forgets a quiet stream; on the frozen entry the stream is busy, and nothing \
        refreshes the timer. Costs are of IP packets both ways, one keepalive or PING with its \
        answer every 30 s; what counts on a NAT is any packet, so a probe costs less than a PING \
        and does as well. On a frozen entry neither helps: be_liberal does (lab fix \
        freeze-window-ignored).";
    writeln!(out)?;
    page.paragraph(out, 2, says)
}

fn markdown(rows: &[Value], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| way | expiring NAT | frozen entry | bytes a day |\n|---|---|---|---|")?;
    for row in rows {
        let cost = row["bytes_a_day"].as_f64().unwrap_or(0.0);
        let (way, nat, frozen) =
            (word(row, "way"), word(row, "expiring_nat"), word(row, "frozen_entry"));
        writeln!(out, "| {way} | {nat} | {frozen} | {cost:.0} |")?;
    }
    Ok(())
}
