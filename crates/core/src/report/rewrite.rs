//! The report with every text of the evidence's written anew, for whoever hides who somebody is.

use super::{EndingEntry, FindingEntry, Report};
use crate::inquest::advice::{Fix, Step};

impl Report {
    /// Hands every text that may quote the evidence, or name a file, a host or an address, to
    /// `write`, and keeps what it returns. Ids, causes, numbers and what explains a cause stay.
    pub fn rewrite(&mut self, write: &mut dyn FnMut(&str) -> String) {
        for finding in &mut self.findings {
            of_finding(finding, write);
        }
        for order in &mut self.timer_order {
            anew(&mut order.shorter.what, write);
            anew(&mut order.longer.what, write);
            maybe(&mut order.change, write);
        }
        for evidence in &mut self.evidence {
            anew(&mut evidence.says, write);
            maybe(&mut evidence.host, write);
            evidence.cites.iter_mut().for_each(|cite| anew(&mut cite.file, write));
        }
        self.not_looked_at.iter_mut().for_each(|says| anew(says, write));
        for input in &mut self.inputs {
            anew(&mut input.file, write);
            input.notes.iter_mut().for_each(|note| anew(note, write));
        }
    }
}

fn anew(text: &mut String, write: &mut dyn FnMut(&str) -> String) {
    *text = write(text);
}

fn maybe(text: &mut Option<String>, write: &mut dyn FnMut(&str) -> String) {
    if let Some(text) = text {
        anew(text, write);
    }
}

fn of_finding(finding: &mut FindingEntry, write: &mut dyn FnMut(&str) -> String) {
    anew(&mut finding.connections.what, write);
    if let Some(verdict) = &mut finding.verdict {
        maybe(&mut verdict.hop, write);
    }
    for hypothesis in &mut finding.hypotheses {
        hypothesis.ruled_out.iter_mut().for_each(|why| anew(why, write));
    }
    for herring in &mut finding.red_herrings {
        anew(&mut herring.what, write);
        anew(&mut herring.why, write);
    }
    finding.contradictions.iter_mut().for_each(|c| anew(&mut c.says, write));
    finding.next_evidence.iter_mut().for_each(|step| of_step(step, write));
    finding.fixes.iter_mut().for_each(|fix| of_fix(fix, write));
    maybe(&mut finding.letter, write);
    finding.rhythm_notes.iter_mut().for_each(|note| anew(note, write));
    finding.endings.iter_mut().for_each(|end| of_ending(end, write));
    if let Some(on_the_map) = &mut finding.on_the_map {
        anew(&mut on_the_map.says, write);
        for timer in &mut on_the_map.timers {
            anew(&mut timer.hop, write);
            anew(&mut timer.timer, write);
        }
    }
    if let Some(ladder) = &mut finding.ladder {
        let texts = [&mut ladder.flow, &mut ladder.file, &mut ladder.client, &mut ladder.server];
        texts.into_iter().for_each(|text| anew(text, write));
        maybe(&mut ladder.host, write);
    }
    if let Some(explanation) = &mut finding.explanation {
        explanation.without.iter_mut().for_each(|without| anew(&mut without.what, write));
    }
}

fn of_step(step: &mut Step, write: &mut dyn FnMut(&str) -> String) {
    anew(&mut step.run, write);
    anew(&mut step.why, write);
    maybe(&mut step.host, write);
}

fn of_fix(fix: &mut Fix, write: &mut dyn FnMut(&str) -> String) {
    anew(&mut fix.what, write);
    anew(&mut fix.why, write);
    anew(&mut fix.risk, write);
    fix.change.iter_mut().for_each(|change| maybe(&mut change.host, write));
    fix.undo.iter_mut().for_each(|undo| anew(undo, write));
    if let Some(tried) = &mut fix.tried {
        anew(&mut tried.says, write);
        anew(&mut tried.file, write);
    }
}

fn of_ending(end: &mut EndingEntry, write: &mut dyn FnMut(&str) -> String) {
    anew(&mut end.flow, write);
}
