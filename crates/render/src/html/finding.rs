//! One finding: the answer, then its parts in the order a reader asks for them.

use super::sources::Sources;
use super::{escaped, ladder, list};
use crate::page::percent;
use crate::plots;
use crate::text;
use hopclock_core::inquest::advice::{Change, Effect};
use hopclock_core::report::{FindingEntry, Hypothesis};
use hopclock_core::terms::Outcome;

/// The whole finding.
pub(super) fn write(out: &mut String, f: &FindingEntry, sources: &Sources) {
    let (id, title) = (escaped(&f.id), escaped(&text::title(f)));
    *out += &format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n");
    answer(out, f);
    pictures(out, f);
    if let Some(rungs) = &f.ladder {
        ladder::write(out, rungs, &format!("{id}-ladder"), sources);
    }
    hypotheses(out, f, sources);
    herrings(out, f, sources);
    contradictions(out, f, sources);
    next(out, f);
    fixes(out, f);
    if let Some(letter) = &f.letter {
        *out += "<h3>Letter to the other side&#39;s team</h3>\n<pre tabindex=\"0\">";
        *out += &format!("{}</pre>\n", lines(letter));
    }
    *out += "</section>\n";
}

fn answer(out: &mut String, f: &FindingEntry) {
    let (word, says) = text::answer_words(f);
    *out += "<div class=\"answer\">\n";
    *out += &format!("<p><strong>{word}</strong>: {}</p>\n<ul>\n", escaped(&says));
    for h in f.hypotheses.iter().take(f.short_list) {
        let share = percent(h.probability, 0);
        *out += &format!("<li><strong>{share}</strong> {}</li>\n", escaped(&text::line(h)));
    }
    let held: f64 = f.hypotheses.iter().take(f.short_list).map(|h| h.probability).sum();
    let rest = percent((1.0 - held).max(0.0), 0);
    *out += &format!("<li><strong>{rest}</strong> everything else on the list</li>\n");
    *out += "</ul>\n</div>\n<dl>\n";
    let mut row = |name: &str, says: &str| {
        *out += &format!("<dt>{name}</dt><dd>{}</dd>\n", escaped(says));
    };
    if let Some(says) = text::rhythm_words(f) {
        row("Rhythm", &says);
    }
    if let Some(verdict) = &f.verdict {
        row("Decided by", text::ended_by(verdict.ended_by));
        if let Some(detected) = verdict.detected_by {
            row("Noticed by", text::detected_by(detected));
        }
    }
    if let Some(on_the_map) = &f.on_the_map {
        row("On the map", &on_the_map.says);
    }
    if f.outcome != Outcome::Named
        && let Some(step) = f.next_evidence.first()
    {
        let says = escaped(&format!("on {}: {}", text::place(step), step.why));
        *out += &format!(
            "<dt>To settle it</dt><dd>{says}<pre tabindex=\"0\">{}</pre>\
             <a href=\"#{}-next\">All that would settle it</a></dd>\n",
            lines(&step.run),
            escaped(&f.id)
        );
    }
    *out += "</dl>\n";
}

fn pictures(out: &mut String, f: &FindingEntry) {
    let id = |what: &str| format!("{}-{what}", f.id);
    let p = &f.plots;
    let drawn = p.course.iter().map(|c| plots::course_picture(c, &id("course"), "the first end"));
    let drawn = drawn.chain(p.fine.iter().map(|h| plots::histogram_picture(h, &id("ages"))));
    let drawn = drawn.chain(p.survival.iter().map(|s| plots::survival_picture(s, &id("alive"))));
    let drawn: Vec<String> = drawn
        .map(|picture| format!("<figure tabindex=\"0\">{}</figure>\n", picture.inline()))
        .collect();
    if !drawn.is_empty() {
        *out += &format!("<h3>When they ended</h3>\n{}", drawn.concat());
    }
    list(out, "Of the rhythm", &f.rhythm_notes);
}

/// Causes below this share are told, folded.
const FOLDED_BELOW: f64 = 0.001;
const TABLE: &str = "<table><thead><tr><th scope=\"col\" class=\"n\">share</th>\
    <th scope=\"col\">cause</th><th scope=\"col\">for</th><th scope=\"col\">against</th>\
    </tr></thead>\n<tbody>\n";
const TABLE_END: &str = "</tbody></table>\n";

fn hypotheses(out: &mut String, f: &FindingEntry, sources: &Sources) {
    *out += "<h3>Hypotheses</h3>\n";
    let shown = f.hypotheses.iter().take_while(|h| h.probability >= FOLDED_BELOW).count();
    let rows: Vec<String> = (0..).zip(&f.hypotheses).map(|(n, h)| row(f, n, h, sources)).collect();
    let (shown, folded) = rows.split_at(shown.min(rows.len()));
    *out += &format!("{TABLE}{}{TABLE_END}", shown.concat());
    if !folded.is_empty() {
        let (count, rows) = (folded.len(), folded.concat());
        *out += &format!(
            "<details><summary>{count} more, each under 0.1 %</summary>\n{TABLE}{rows}{TABLE_END}\
             </details>\n"
        );
    }
}

fn row(f: &FindingEntry, n: usize, h: &Hypothesis, sources: &Sources) -> String {
    let ruled: String =
        h.ruled_out.iter().map(|why| format!("<li>not by {}</li>", escaped(why))).collect();
    let ruled = match ruled.is_empty() {
        true => ruled,
        false => format!(
            "<details><summary>Its timers that cannot be it: {}</summary>\
             <ul class=\"soft\">{ruled}</ul></details>",
            h.ruled_out.len()
        ),
    };
    format!(
        "<tr id=\"{}-h{n}\"><td class=\"n\">{}</td><th scope=\"row\">{}{ruled}</th>\
         <td data-h=\"for\">{}</td><td data-h=\"against\">{}</td></tr>\n",
        f.id,
        percent(h.probability, 1),
        escaped(&text::line(h)),
        sources.links(&h.speaks_for),
        sources.links(&h.against)
    )
}

fn herrings(out: &mut String, f: &FindingEntry, sources: &Sources) {
    if f.red_herrings.is_empty() {
        return;
    }
    *out += "<h3>Red herrings</h3>\n<ul>\n";
    for (n, r) in f.red_herrings.iter().enumerate() {
        let (what, why, links) = (escaped(&r.what), escaped(&r.why), sources.links(&r.evidence));
        *out += &format!("<li id=\"{}-r{n}\">{what}: {why} ({links})</li>\n", f.id);
    }
    *out += "</ul>\n";
}

fn contradictions(out: &mut String, f: &FindingEntry, sources: &Sources) {
    if f.contradictions.is_empty() {
        return;
    }
    *out += "<h3>What does not fit together</h3>\n<ul>\n";
    for (n, c) in f.contradictions.iter().enumerate() {
        let (says, links) = (escaped(&c.says), sources.links(&c.between));
        *out += &format!("<li id=\"{}-c{n}\">{says}. ({links})</li>\n", f.id);
    }
    *out += "</ul>\n";
}

fn next(out: &mut String, f: &FindingEntry) {
    if f.next_evidence.is_empty() {
        return;
    }
    *out += &format!("<h3 id=\"{}-next\">What would settle the rest</h3>\n<ol>\n", escaped(&f.id));
    for step in &f.next_evidence {
        let (place, why) = (escaped(&text::place(step)), escaped(&step.why));
        let run = lines(&step.run);
        let apart = escaped(&step.separates.join(", "));
        *out += &format!(
            "<li>on {place}: {why}<pre>{run}</pre><span class=\"soft\">tells apart: {apart}</span>\
             </li>\n"
        );
    }
    *out += "</ol>\n";
}

fn fixes(out: &mut String, f: &FindingEntry) {
    if f.fixes.is_empty() {
        return;
    }
    *out += &format!("<h3>{}</h3>\n<ul>\n", text::measures(f));
    for fix in &f.fixes {
        *out += &format!("<li>{}.<ul>\n", escaped(&fix.what));
        for (cause, effect) in &fix.under {
            let class = match effect {
                Effect::Held => "good",
                Effect::MovesPeriod | Effect::NotHeld => "bad",
                Effect::Untested => "soft",
            };
            let (word, cause) = (text::effect(*effect), escaped(cause));
            *out += &format!("<li><span class=\"{class}\">{word}</span>: {cause}</li>\n");
        }
        let (why, risk) = (escaped(&text::capital(&fix.why)), escaped(&fix.risk));
        let undo = escaped(&fix.undo.join("; "));
        *out += &format!("</ul><p>{why}.</p>");
        if let Some(tried) = &fix.tried {
            *out += &format!("<p>{}.</p>", escaped(&text::capital(&tried.says)));
        }
        *out += &fix.change.iter().map(change).collect::<String>();
        *out +=
            &format!("<p><strong>Cost</strong>: {risk}. <strong>Undo</strong>: {undo}.</p></li>\n");
    }
    *out += "</ul>\n";
}

/// On whom, the setting, and its value before and after.
fn change(change: &Change) -> String {
    let host = change.host.as_ref().map_or(String::new(), |host| format!(" {}", escaped(host)));
    let (role, key) = (text::role(change.role), escaped(&change.key));
    let (from, to) = (escaped(&change.from), escaped(&change.to));
    format!(
        "<p class=\"change\">{role}{host}: <code>{key}</code> from <strong>{from}</strong> to \
         <strong>{to}</strong></p>"
    )
}

/// A text of several lines, which `escaped` would make one of.
fn lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}
