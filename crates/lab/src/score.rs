//! Scores: what `diagnose` says of folders whose truth is known, held against the truth, in counts.
//! It reads reports and truths as documents and looks at no internals; folders without a
//! `truth.json` are none of its business.

use hopclock_core::inquest::causes::Causes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One folder, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Name of the folder.
    pub name: String,
    /// Where the evidence is from.
    pub origin: Origin,
    /// The truth's cause.
    pub truth: String,
    /// The causes given, the most probable first, each with its probability.
    pub given: Vec<(String, f64)>,
    /// Whether the leader's family is the truth's.
    pub family: bool,
    /// Whether the leader is the cause or one that this evidence cannot tell from it.
    pub exact: bool,
    /// Whether such a one is among the first three.
    pub first_three: bool,
    /// The seconds of the clock: right, wrong, or not asked.
    pub clock: Option<bool>,
    /// Who decided: right, wrong, or not asked.
    pub who: Option<bool>,
    /// Whether the outcome is the one an expert would give.
    pub outcome: bool,
    /// Whether the outcome was `named`.
    pub named: bool,
    /// For each expert: family, exact, first three.
    pub experts: Vec<[bool; 3]>,
}

/// Where the evidence of a folder is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Recorded in the lab, or elsewhere from running programs.
    Recorded,
    /// What somebody quoted of an incident.
    Quoted,
    /// Made from what an incident's text describes.
    Made,
}

impl Origin {
    /// Of a truth: made where any of its evidence is, recorded where a lab says so.
    fn of(truth: &Value) -> Self {
        let files = truth.get("evidence").and_then(Value::as_array).into_iter().flatten();
        let made = |file: &Value| {
            let said = file.get("synthetic");
            said.and_then(Value::as_bool)
                .unwrap_or_else(|| said.and_then(Value::as_str).is_some_and(|word| word != "no"))
        };
        match (truth.get("lab").is_some(), files.into_iter().any(made)) {
            (true, _) => Self::Recorded,
            (false, true) => Self::Made,
            (false, false) => Self::Quoted,
        }
    }

    /// In words.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Recorded => "recorded in a lab",
            Self::Quoted => "quoted from incidents",
            Self::Made => "made, in part or whole, from an incident's text",
        }
    }
}

/// Every cause with its family, as [`judge`] takes it.
///
/// # Errors
///
/// Where the built-in table does not parse: a broken build.
pub fn families() -> Result<Value, String> {
    let causes = Causes::builtin()?;
    let rows = causes.all().iter();
    let rows = rows.map(|c| (c.id.clone(), json!({ "family": c.family.word() })));
    Ok(Value::Object(rows.collect::<Map<String, Value>>()))
}

/// The truth of a folder, and where its evidence is.
pub fn truth(folder: &Path) -> Option<(Value, PathBuf)> {
    let text = std::fs::read_to_string(folder.join("truth.json")).ok()?;
    let beside = folder.join("evidence");
    let evidence = if beside.is_dir() { beside } else { folder.to_path_buf() };
    Some((serde_json::from_str(&text).ok()?, evidence))
}

/// Folders with a truth file: those named, and those directly inside them.
pub fn folders(roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for root in roots {
        if root.join("truth.json").is_file() {
            found.push(root.clone());
            continue;
        }
        let inside = std::fs::read_dir(root).into_iter().flatten().flatten().map(|e| e.path());
        found.extend(inside.filter(|p| p.join("truth.json").is_file()));
    }
    found.sort();
    found
}

fn words(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

/// Holds a report (`hopclock.report/1`) against the truth; `causes` as [`families`] gives them, the
/// folder for its name.
pub fn judge(causes: &Value, truth: &Value, report: &Value, folder: &Path) -> Judged {
    let cause = text(truth, "cause").to_owned();
    let mut right = words(truth.get("accept"));
    right.push(cause.clone());
    let family =
        |id: &str| causes.get(id).map_or("", |c| text(c, "family")) == text(truth, "family");
    let nothing = report.pointer("/findings/0").is_none() && cause == "none";
    let marks = |given: &[String]| {
        let first = given.first().map_or("", String::as_str);
        let three = given.iter().take(3).any(|c| right.contains(c));
        [family(first), right.iter().any(|r| r == first), three]
    };
    let finding = report.pointer("/findings/0").unwrap_or(&Value::Null);
    let hypotheses = finding.get("hypotheses").and_then(Value::as_array);
    let given: Vec<(String, f64)> = hypotheses
        .into_iter()
        .flatten()
        .map(|h| {
            let p = h.get("probability").and_then(Value::as_f64).unwrap_or(0.0);
            (text(h, "cause").to_owned(), p)
        })
        .collect();
    let ids: Vec<String> = given.iter().map(|(id, _)| id.clone()).collect();
    let [family, exact, first_three] = marks(&ids);
    let experts = truth.get("experts").and_then(Value::as_array).into_iter().flatten();
    let mut outcomes = words(truth.get("also_accept_outcome"));
    outcomes.push(text(truth, "outcome").to_owned());
    let outcome = match finding.get("outcome").and_then(Value::as_str) {
        Some(said) => said.to_owned(),
        None => "cannot-say".to_owned(),
    };
    Judged {
        name: folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        origin: Origin::of(truth),
        truth: cause,
        given,
        // That nothing ended is right where nothing did.
        family: family || nothing,
        exact: exact || nothing,
        first_three: first_three || nothing,
        clock: clock(truth, finding),
        who: who(truth, finding),
        outcome: outcomes.contains(&outcome),
        named: outcome == "named",
        experts: experts.map(|e| marks(&words(e.get("causes")))).collect(),
    }
}

/// Asked where the truth has an interval and the report gives a clock.
fn clock(truth: &Value, finding: &Value) -> Option<bool> {
    let seconds = truth.get("interval_s")?.as_f64()?;
    let slack = truth.get("tolerance_s").and_then(Value::as_f64).unwrap_or(0.02 * seconds);
    let said = finding.pointer("/verdict/clock/seconds")?.as_f64()?;
    Some((said - seconds).abs() <= slack.max(1.0))
}

/// Asked where the truth knows who decided and the report says somebody.
fn who(truth: &Value, finding: &Value) -> Option<bool> {
    let known = text(truth, "ended_by");
    let said = finding.pointer("/verdict/ended_by")?.as_str()?;
    let asked = !["", "unknown"].contains(&known) && said != "unknown";
    asked.then_some(said == known)
}

/// The Brier score of the leader: mean squared difference between its probability and whether it
/// was right (Brier, Verification of forecasts expressed in terms of probability, 1950, for two
/// outcomes); `None` where nothing was judged.
pub fn brier(judged: &[Judged]) -> Option<f64> {
    let terms: Vec<f64> = judged
        .iter()
        .filter_map(|j| {
            let (_, p) = j.given.first()?;
            Some((p - f64::from(u8::from(j.exact))).powi(2))
        })
        .collect();
    (!terms.is_empty()).then(|| terms.iter().sum::<f64>() / terms.len() as f64)
}

/// Whether a truth names no cause of the list: nobody solved it, or nothing was wrong.
fn unsolved(judged: &Judged) -> bool {
    ["unknown", "none"].contains(&judged.truth.as_str())
}

/// The whole table in text: a line a folder, then counts of all, and of each origin where there is
/// more than one.
pub fn table(judged: &[Judged]) -> String {
    let mut out = String::new();
    for j in judged {
        out += &row(j);
    }
    out += &counts(judged);
    let mut origins: Vec<Origin> = judged.iter().map(|j| j.origin).collect();
    origins.sort();
    origins.dedup();
    for origin in origins.iter().filter(|_| origins.len() > 1) {
        let of: Vec<Judged> = judged.iter().filter(|j| j.origin == *origin).cloned().collect();
        let _ = write!(out, "\n\n{}:{}", origin.told(), counts(&of));
    }
    out
}

fn row(j: &Judged) -> String {
    let mark = |right: bool, letter: char| if right { letter } else { '-' };
    let marks = [(j.family, 'F'), (j.exact, 'X'), (j.first_three, '3'), (j.outcome, 'O')];
    let marks: String = marks.into_iter().map(|(right, letter)| mark(right, letter)).collect();
    let given: Vec<String> = j.given.iter().take(3).map(|(id, p)| format!("{id} {p:.2}")).collect();
    format!("{marks} {:36} {:24} {}\n", j.name, j.truth, given.join(", "))
}

/// What the experts came to, where there were some.
fn experts(judged: &[Judged], at: usize) -> String {
    let all: Vec<[bool; 3]> = judged.iter().flat_map(|j| j.experts.clone()).collect();
    let right = all.iter().filter(|e| e.get(at) == Some(&true)).count();
    match all.len() {
        0 => String::new(),
        n => format!("   experts {right} of {n}, {:.0} %", 100.0 * right as f64 / n as f64),
    }
}

fn counts(judged: &[Judged]) -> String {
    let mut out = String::new();
    let count = |of: &dyn Fn(&Judged) -> bool| judged.iter().filter(|j| of(j)).count();
    let n = judged.len();
    let mut line = |what: &str, right: usize, of: usize, beside: String| {
        let percent = 100.0 * right as f64 / of.max(1) as f64;
        let _ = writeln!(out, "{what:28} {right:3} of {of:3}, {percent:3.0} %{beside}");
    };
    line("\nfamily", count(&|j| j.family), n, experts(judged, 0));
    line("exact or accepted", count(&|j| j.exact), n, experts(judged, 1));
    line("among the first three", count(&|j| j.first_three), n, experts(judged, 2));
    line("outcome", count(&|j| j.outcome), n, String::new());
    let clocks = count(&|j| j.clock.is_some());
    line("clock, where one was given", count(&|j| j.clock == Some(true)), clocks, String::new());
    let who = count(&|j| j.who.is_some());
    line("who decided, where said", count(&|j| j.who == Some(true)), who, String::new());
    let sure = |j: &Judged| j.given.first().is_some_and(|(_, p)| *p > 0.8);
    line("wrong family above 0.8", count(&|j| sure(j) && !j.family), n, String::new());
    let quiet = count(&|j| unsolved(j) && !j.named);
    line("nobody solved: not named", quiet, count(&unsolved), String::new());
    if let Some(brier) = brier(judged) {
        let _ = writeln!(out, "{:28} {brier:.3}", "Brier score of the leader");
    }
    let _ = write!(
        out,
        "\nreliability: the leader's probability, how many, how many of them right\n{}",
        reliability(judged)
    );
    out
}

/// For each fifth of probability: how many leaders, their mean probability, how many were right.
fn reliability(judged: &[Judged]) -> String {
    let mut bins: BTreeMap<usize, Vec<(f64, bool)>> = BTreeMap::new();
    for j in judged {
        if let Some((_, p)) = j.given.first() {
            bins.entry(((p * 5.0) as usize).min(4)).or_default().push((*p, j.exact));
        }
    }
    let mut out = String::new();
    for (bin, all) in bins {
        let (low, mean) =
            (bin as f64 / 5.0, all.iter().map(|a| a.0).sum::<f64>() / all.len() as f64);
        let right = all.iter().filter(|a| a.1).count();
        let _ = writeln!(
            out,
            "  {low:.1} to {:.1}  {:3} of mean {mean:.2}, {right:3} right ({:.2})",
            low + 0.2,
            all.len(),
            right as f64 / all.len() as f64
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(leader: (&str, f64), accept: &[&str]) -> Judged {
        let causes =
            json!({"a": {"family": "idle"}, "b": {"family": "idle"}, "c": {"family": "age"}});
        let truth = json!({"cause": "a", "family": "idle", "accept": accept, "outcome": "named",
            "interval_s": 60.0, "experts": [{"causes": ["c", "a"]}]});
        let report = json!({"findings": [{"outcome": "named",
            "verdict": {"clock": {"seconds": 60.5}, "ended_by": "unknown"},
            "hypotheses": [{"cause": leader.0, "probability": leader.1}, {"cause": "c", "probability": 0.1}]}]});
        judge(&causes, &truth, &report, Path::new("x"))
    }

    #[test]
    fn marks_are_those_of_the_contract() {
        let right = judged(("a", 0.9), &[]);
        assert!(right.family && right.exact && right.outcome && right.clock == Some(true));
        assert_eq!(right.experts, [[false, false, true]]);
        let sister = judged(("b", 0.9), &[]);
        assert!(sister.family && !sister.exact && !sister.first_three);
        assert!(judged(("b", 0.9), &["b"]).exact);
        assert!(!judged(("c", 0.9), &[]).family);
    }

    #[test]
    fn brier_is_nothing_for_the_sure_and_right_and_one_for_the_sure_and_wrong() {
        assert_eq!(brier(&[judged(("a", 1.0), &[])]), Some(0.0));
        assert_eq!(brier(&[judged(("c", 1.0), &[])]), Some(1.0));
        assert_eq!(brier(&[]), None);
        let table = table(&[judged(("a", 0.9), &[]), judged(("c", 0.9), &[])]);
        assert!(table.contains("wrong family above 0.8         1 of   2"), "{table}");
        assert!(table.contains("0.8 to 1.0    2 of mean 0.90,   1 right"), "{table}");
    }
}
