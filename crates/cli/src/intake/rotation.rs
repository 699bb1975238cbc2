//! Logs that were rotated through several files: which files are one log, and in which order.
//! Names say which may belong together, the stamps they begin with say in which order, or the
//! names where stamps carry no date. Refuses to join what may be several logs: see
//! [`read`], which reads files that run side by side one by one.

use super::folder::FileToRead;
use super::kind::Kind;
use super::read::{self, Glance};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Endings of packed files, longest first.
const PACKED: [&str; 4] = [".zstd", ".zst", ".gz", ".xz"];

/// Endings that may stand behind a date.
const ENDINGS: [&str; 4] = [".log", ".txt", ".out", ".json"];

/// What tells the files of one log apart, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// A date, and what counts within it.
    Date(Vec<u64>),
    /// logrotate's number: the highest is the oldest.
    Number(std::cmp::Reverse<u64>),
    /// The file that is still written to.
    Live,
}

/// Files in the order of their first one, those of one log together and the oldest first.
pub fn chains(files: Vec<FileToRead>) -> Vec<Vec<FileToRead>> {
    let mut groups: BTreeMap<(PathBuf, String, String), Vec<usize>> = BTreeMap::new();
    let mut turns = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let name = file.path.file_name().map(|n| n.to_string_lossy().into_owned());
        let (stem, turn) = name_of(&name.unwrap_or_default());
        let whose = format!("{:?} {:?}", file.said.role, file.said.host);
        let folder = file.path.parent().map(PathBuf::from).unwrap_or_default();
        groups.entry((folder, stem, whose)).or_default().push(at);
        turns.push(turn);
    }
    let mut files: Vec<Option<FileToRead>> = files.into_iter().map(Some).collect();
    let mut chains: Vec<(usize, Vec<FileToRead>)> = Vec::new();
    for group in groups.into_values() {
        let joined = in_order(&group, &files, &turns);
        for chain in joined.unwrap_or_else(|| group.iter().map(|at| vec![*at]).collect()) {
            let first = chain.iter().copied().min().unwrap_or(0);
            let taken = chain.into_iter().filter_map(|at| files.get_mut(at)?.take()).collect();
            chains.push((first, taken));
        }
    }
    chains.sort_by_key(|(first, _)| *first);
    chains.into_iter().map(|(_, chain)| chain).collect()
}

/// The logs of a group in their order as one chain, and the rest each for itself; `None` where
/// their order cannot be told.
fn in_order(
    group: &[usize],
    files: &[Option<FileToRead>],
    turns: &[Turn],
) -> Option<Vec<Vec<usize>>> {
    if group.len() < 2 {
        return None;
    }
    let seen: Vec<(usize, Glance)> = group
        .iter()
        .filter_map(|at| Some((*at, read::glance(files.get(*at)?.as_ref()?)?)))
        .filter(|(_, glance)| glance.kind == Kind::Log)
        .collect();
    let mut logs: Vec<&(usize, Glance)> = seen.iter().collect();
    if logs.iter().all(|(_, glance)| glance.begins.is_some()) {
        logs.sort_by_key(|(_, glance)| glance.begins);
    } else {
        logs.sort_by_key(|(at, _)| turns.get(*at));
        let mut written = logs.iter().map(|(_, glance)| glance.modified);
        if !written.by_ref().is_sorted() {
            return None;
        }
    }
    let chain: Vec<usize> = logs.iter().map(|(at, _)| *at).collect();
    let rest = group.iter().filter(|at| !chain.contains(at)).map(|at| vec![*at]);
    let rest: Vec<Vec<usize>> = rest.collect();
    Some(std::iter::once(chain).filter(|chain| !chain.is_empty()).chain(rest).collect())
}

/// The name that all files of a log share, and what tells this one apart.
fn name_of(name: &str) -> (String, Turn) {
    let name = PACKED.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    if let Some((stem, number)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) {
        if number == "old" {
            return (stem.to_owned(), Turn::Number(std::cmp::Reverse(1)));
        }
        let plain = number.len() <= 4 && number.bytes().all(|b| b.is_ascii_digit());
        if let Some(number) = number.parse().ok().filter(|_| plain) {
            return (stem.to_owned(), Turn::Number(std::cmp::Reverse(number)));
        }
    }
    let (body, ending) =
        ENDINGS.iter().find_map(|end| Some((name.strip_suffix(end)?, *end))).unwrap_or((name, ""));
    match dated(body) {
        Some((stem, date)) => (format!("{stem}{ending}"), Turn::Date(date)),
        None => (name.to_owned(), Turn::Live),
    }
}

/// What stands before a date at the end of a name, and its numbers: `-20240510`, `.2024-05-10`,
/// `-2024-05-10T03`, `-20240510-1`.
fn dated(body: &str) -> Option<(&str, Vec<u64>)> {
    let mark = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | '_' | 'T');
    let from = body.len() - body.chars().rev().take_while(|c| mark(*c)).count();
    let (stem, date) = body.split_at_checked(from)?;
    let numbers = date.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty());
    let numbers: Option<Vec<u64>> = numbers.map(|n| n.parse().ok()).collect();
    let numbers = numbers?;
    // With the hour, the minute, the second behind the day, or without.
    let days = |n: u64| [n, n / 100, n / 10_000, n / 1_000_000];
    let whole = |n: &u64| days(*n).iter().any(|day| (19_700_101..=21_001_231).contains(day));
    let parts = matches!(numbers.as_slice(), [1970..=2100, 1..=12, 1..=31, ..]);
    let told = parts || numbers.first().is_some_and(whole);
    (told && !stem.is_empty() && date.starts_with(['-', '.', '_'])).then_some((stem, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_log_share_their_stem() {
        let rows = [
            ("app.log", "app.log", Turn::Live),
            ("app.log.2.gz", "app.log", Turn::Number(std::cmp::Reverse(2))),
            ("app.log.old", "app.log", Turn::Number(std::cmp::Reverse(1))),
            ("app.log-20240510.xz", "app.log", Turn::Date(vec![20_240_510])),
            ("app.log.2024-05-10", "app.log", Turn::Date(vec![2024, 5, 10])),
            ("app-2024-05-10-1.log.zst", "app.log", Turn::Date(vec![2024, 5, 10, 1])),
            ("catalina.2024-05-10.log", "catalina.log", Turn::Date(vec![2024, 5, 10])),
            ("client-1.log", "client-1.log", Turn::Live),
            ("10.0.0.1.log", "10.0.0.1.log", Turn::Live),
            ("web-2024051003.log", "web.log", Turn::Date(vec![2_024_051_003])),
            ("web-12345678901.log", "web-12345678901.log", Turn::Live),
        ];
        for (name, stem, turn) in rows {
            assert_eq!(name_of(name), (stem.to_owned(), turn), "{name}");
        }
    }

    #[test]
    fn the_oldest_comes_first() {
        let mut turns: Vec<Turn> = ["a", "a.1", "a.10", "a.2"].map(|n| name_of(n).1).to_vec();
        turns.sort();
        let order = ["a.10", "a.2", "a.1", "a"].map(|n| name_of(n).1);
        assert_eq!(turns, order);
    }
}
