//! Kernel versions as data: which version has which rule.
//!
//! Each row says from which mainline release on a rule holds, and from which patch level of older
//! stable branches. What lies between two versions that were compared is not established; such a
//! version gets the likelier side, and [`Kernel::doubts`] says so. Only 6.18 is judged against the
//! running kernel; the others were read in source. Refused: vendors' patches, which a version
//! number does not show.

use std::fmt;

use super::rules::{Overshoot, Reinit, Rules};

/// A kernel version, as `uname -r` begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Kernel {
    /// Before the first dot.
    pub major: u16,
    /// Behind it.
    pub minor: u16,
    /// Patch level of the branch; `None` takes the branch's latest that is known.
    pub patch: Option<u16>,
}

/// The version the model is judged by.
pub const JUDGED: Kernel = Kernel { major: 6, minor: 18, patch: Some(44) };

/// Versions that ran, each of whose answers the model gives: the judge of the tests, and those
/// recorded in `tests/kernels`.
const RAN: [Kernel; 3] = [
    Kernel { major: 6, minor: 1, patch: Some(192) },
    Kernel { major: 6, minor: 12, patch: Some(118) },
    JUDGED,
];

/// The oldest and the newest version compared.
const COMPARED: ((u16, u16), (u16, u16)) = ((4, 19), (7, 1));

impl Kernel {
    /// Reads `6.18`, `6.1.77+`, `5.15.0-91-generic` (whose patch level is not told), and `uname
    /// -v` of Debian, which tells it; `None` if it does not begin with two numbers.
    pub fn parse(text: &str) -> Option<Kernel> {
        let digits = |part: &str| {
            let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part.get(..end)?.parse::<u16>().ok()
        };
        // Of `uname -v` what stands last; Debian's names of releases end in an interface number.
        let own = text.rsplit_once("Debian ").map_or(text, |(_, version)| version);
        let mut parts = own.trim().trim_start_matches('v').splitn(3, '.');
        let (major, minor) = (digits(parts.next()?)?, digits(parts.next()?)?);
        let patch = parts.next().filter(|rest| !rest.starts_with("0-")).and_then(digits);
        Some(Kernel { major, minor, patch })
    }

    /// Its numbers; a branch without a patch level stands for the version that was judged, or for
    /// the branch's latest.
    fn version(self) -> Version {
        let ran = RAN.iter().find(|ran| ran.branch() == self.branch());
        let latest = ran.and_then(|ran| ran.patch);
        (self.major, self.minor, self.patch.or(latest).unwrap_or(LATEST))
    }

    const fn branch(self) -> (u16, u16) {
        (self.major, self.minor)
    }

    /// Whether a kernel of this branch and with these rules ran and was asked.
    pub fn is_judged(self) -> bool {
        let same = |ran: &Kernel| ran.branch() == self.branch() && ran.rules() == self.rules();
        RAN.iter().any(same)
    }

    /// The rules of this version.
    pub fn rules(self) -> Rules {
        let has = |row: &Row| row.holds(self);
        let since = |id: Id| ROWS.iter().find(|row| row.id == id).is_some_and(has);
        Rules {
            reinit: match (since(Id::R1SynOnly), since(Id::R1Syn)) {
                (true, _) => Reinit::SynOnly,
                (false, true) => Reinit::AnyPacketOrSyn,
                (false, false) => Reinit::AnyPacket,
            },
            scale_cleared_both_ways: !since(Id::R2),
            liberal_survives: since(Id::R3),
            overshoot: match (since(Id::R5), since(Id::R4)) {
                (true, _) => Overshoot::Ignored,
                (false, true) => Overshoot::InvalidMoved,
                (false, false) => Overshoot::Invalid,
            },
            old_segments_pass: since(Id::R5),
            out_of_window_end_lowers: since(Id::R6),
            lenient_reset: since(Id::R7),
            challenge_in_syn_sent: since(Id::R8),
            reset_answers_other_way: since(Id::R9),
            inexact_reset_unacknowledged: since(Id::R10),
            syn_again_keeps_timer: since(Id::R11),
            keepalive_tolerance: since(Id::R12),
            raw_window_compared: since(Id::R13),
            refused_opening_logged: since(Id::R16),
            reopening_counted_invalid: !since(Id::R17),
            bounds_in_log: since(Id::R5),
            lowering_named_in_log: since(Id::LoweringNamed),
            zero_max_is_unlimited: !since(Id::ZeroMax),
            ..Rules::default()
        }
    }

    /// What is not established for this version, a sentence each.
    pub fn doubts(self) -> Vec<String> {
        let mut all = Vec::new();
        if !self.is_judged() {
            all.push(format!("the rules of {self} were read in source, not run"));
        }
        if self.branch() < COMPARED.0 || self.branch() > COMPARED.1 {
            all.push(format!("{self} is outside the versions compared, 4.19 to 7.1"));
        }
        for row in ROWS {
            let version = self.version();
            let unknown = |(from, to): &(Version, Version)| *from < version && version < *to;
            if row.unknown.iter().any(unknown) {
                let taken = if row.holds(self) { "taken as present" } else { "taken as absent" };
                all.push(format!("{}: not established for {self}, {taken}", row.what));
            }
        }
        all
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        self.patch.map_or(Ok(()), |patch| write!(f, ".{patch}"))
    }
}

type Version = (u16, u16, u16);

/// Stands for the latest patch level of a branch.
const LATEST: u16 = u16::MAX;
/// Stands for "in no mainline release known".
const NEVER: Version = (u16::MAX, 0, 0);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Id {
    R1Syn,
    R1SynOnly,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R16,
    R17,
    LoweringNamed,
    ZeroMax,
}

/// One difference between kernels.
struct Row {
    id: Id,
    what: &'static str,
    /// First mainline release with the new behaviour.
    since: Version,
    /// First patch level of stable branches before it.
    stable: &'static [Version],
    /// Versions strictly between two that were compared, where the change may have come anywhere.
    unknown: &'static [(Version, Version)],
}

impl Row {
    fn holds(&self, kernel: Kernel) -> bool {
        let version = kernel.version();
        let backported =
            |first: &Version| (first.0, first.1) == kernel.branch() && version.2 >= first.2;
        version >= self.since || self.stable.iter().any(backported)
    }
}

const ROWS: &[Row] = &[
    Row {
        id: Id::R1Syn,
        what: "a SYN from the server initialises it again",
        since: (5, 17, 0),
        stable: &[],
        unknown: &[((5, 15, LATEST), (5, 17, 0))],
    },
    Row {
        id: Id::R1SynOnly,
        what: "only a SYN initialises a direction again",
        since: (5, 18, 0),
        stable: &[(5, 17, 6)],
        unknown: &[],
    },
    Row {
        id: Id::R2,
        what: "only the answer settles window scaling",
        since: (6, 8, 0),
        stable: &[(6, 1, 77), (6, 6, 16)],
        unknown: &[((6, 7, 0), (6, 8, 0))],
    },
    Row {
        id: Id::R3,
        what: "the liberal flag outlives option parsing",
        since: (5, 18, 0),
        stable: &[(5, 10, 110), (5, 15, 33)],
        unknown: &[((5, 16, 0), (5, 18, 0)), ((5, 4, 124), (5, 5, 0))],
    },
    Row {
        id: Id::R4,
        what: "data a little beyond the window moves the end",
        since: (6, 0, 0),
        stable: &[(5, 15, 68), (5, 19, 9)],
        unknown: &[],
    },
    Row {
        id: Id::R5,
        what: "old segments pass without effect",
        since: (6, 1, 0),
        stable: &[],
        unknown: &[],
    },
    Row {
        id: Id::R6,
        what: "FIN and reset out of window lower the timer",
        since: (6, 1, 0),
        stable: &[],
        unknown: &[],
    },
    Row {
        id: Id::R7,
        what: "resets on closing entries pass",
        since: (5, 14, 0),
        stable: &[],
        unknown: &[((5, 10, LATEST), (5, 14, 0))],
    },
    Row {
        id: Id::R8,
        what: "a reset may answer a challenge ACK in SYN_SENT",
        since: (6, 2, 0),
        stable: &[(6, 1, 9)],
        unknown: &[],
    },
    Row {
        id: Id::R9,
        what: "a reset that answers a SYN comes from the other side",
        since: (7, 1, 2),
        stable: &[(5, 10, 259), (5, 15, 210), (6, 1, 176), (6, 12, 93), (6, 18, 44)],
        unknown: &[
            ((4, 19, 72), (4, 20, 0)),
            ((5, 4, 124), (5, 5, 0)),
            ((6, 6, 57), (6, 7, 0)),
            ((6, 18, 26), (6, 18, 44)),
            ((6, 19, 0), (7, 1, 2)),
        ],
    },
    Row {
        id: Id::R10,
        what: "an inexact reset gives the unacknowledged timeout",
        since: NEVER,
        stable: &[(6, 12, 117)],
        unknown: &[((6, 12, 93), (6, 12, 117)), ((6, 18, 44), (6, 19, 0)), ((7, 1, 5), NEVER)],
    },
    Row {
        id: Id::R11,
        what: "a SYN sent again does not refresh",
        since: (5, 14, 0),
        stable: &[(5, 10, 166)],
        unknown: &[((5, 4, 124), (5, 5, 0)), ((5, 11, 0), (5, 14, 0))],
    },
    Row {
        id: Id::R12,
        what: "tolerance for keepalives seen first",
        since: (5, 10, 0),
        stable: &[(5, 4, 124), (5, 9, 2)],
        unknown: &[((4, 19, 72), (4, 20, 0)), ((5, 4, 0), (5, 4, 124))],
    },
    Row {
        id: Id::R13,
        what: "identical segments are told by the window as sent",
        since: (5, 3, 0),
        stable: &[(4, 19, 72), (5, 2, 9)],
        unknown: &[((4, 19, 0), (4, 19, 72))],
    },
    Row {
        id: Id::R16,
        what: "a refused opening is logged",
        since: (6, 8, 0),
        stable: &[],
        unknown: &[((6, 6, 57), (6, 8, 1))],
    },
    Row {
        id: Id::R17,
        what: "a reopening does not count as INVALID",
        since: (5, 17, 0),
        stable: &[(5, 10, 96), (5, 15, 19), (5, 16, 5)],
        unknown: &[],
    },
    Row {
        id: Id::LoweringNamed,
        what: "the log's words for a lowered timer",
        since: NEVER,
        stable: &[(6, 1, 184), (6, 12, 104)],
        unknown: &[((6, 18, 44), (6, 19, 0))],
    },
    Row {
        id: Id::ZeroMax,
        what: "a maximum of 0 is no longer unlimited",
        since: (6, 19, 0),
        stable: &[],
        unknown: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Rules {
        Kernel::parse(text).unwrap().rules()
    }

    #[test]
    fn versions_are_read_as_uname_prints_them() {
        let parsed = Kernel::parse("5.15.0-91-generic").unwrap();
        assert_eq!((parsed.branch(), parsed.patch), ((5, 15), None), "an interface's number");
        let long = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-10)";
        assert_eq!(Kernel::parse(long).unwrap().to_string(), "6.1.192");
        assert_eq!(Kernel::parse("6.18").unwrap().patch, None);
        assert_eq!(Kernel::parse("6.1.77+").unwrap().to_string(), "6.1.77");
        assert_eq!(Kernel::parse("v6.12-rc3").unwrap().branch(), (6, 12));
        assert_eq!(Kernel::parse("six"), None);
    }

    #[test]
    fn the_judged_version_has_the_default_rules_and_no_doubts() {
        assert_eq!(JUDGED.rules(), Rules::default());
        assert_eq!(rules("6.18"), Rules::default());
        assert!(JUDGED.doubts().is_empty());
        assert!(Kernel::parse("6.18").unwrap().doubts().is_empty());
        let doubts = Kernel::parse("6.1.20").unwrap().doubts();
        assert!(doubts[0].contains("read in source, not run"), "{doubts:?}");
        for ran in ["6.1", "6.1.192", "6.12.118", "6.1.0-56-cloud-amd64"] {
            assert!(Kernel::parse(ran).unwrap().is_judged(), "{ran}");
        }
        assert!(!Kernel::parse("6.12.20").unwrap().is_judged());
    }

    /// The brackets, from both sides: versions in which the behaviour was read.
    #[test]
    fn each_rule_changes_where_it_was_read() {
        type Rule = fn(&Rules) -> bool;
        let table: &[(Rule, &[&str], &[&str])] = &[
            (
                |r| r.reinit == Reinit::SynOnly,
                &["4.19.72", "5.10.265", "5.15.215"],
                &["5.17.6", "5.18.0", "6.1.192"],
            ),
            (|r| r.reinit == Reinit::AnyPacketOrSyn, &["5.15.215", "5.18.0"], &["5.17.0"]),
            (
                |r| !r.scale_cleared_both_ways,
                &["5.15.215", "6.1.76", "6.6.15", "6.2.1"],
                &["6.1.77", "6.6.16", "6.8.1"],
            ),
            (
                |r| r.liberal_survives,
                &["5.10.109", "5.15.32", "5.17.0"],
                &["5.10.110", "5.15.33", "5.18.0"],
            ),
            (
                |r| r.overshoot == Overshoot::InvalidMoved,
                &["5.19.0", "5.10.265", "5.15.67", "6.1.20"],
                &["6.0.1", "5.19.9", "5.15.68"],
            ),
            (|r| r.old_segments_pass, &["6.0.1", "5.15.215"], &["6.1.0", "6.1.20", "7.1.5"]),
            (|r| r.lenient_reset, &["5.10.265", "5.4.124"], &["5.14.0", "5.15.16"]),
            (|r| r.challenge_in_syn_sent, &["6.0.1", "6.1.8", "5.15.215"], &["6.1.9", "6.2.1"]),
            (
                |r| r.reset_answers_other_way,
                &["6.18.26", "6.19.0", "5.10.258", "5.15.209", "6.1.175", "6.12.92"],
                &["5.10.259", "5.15.210", "6.1.176", "6.12.93", "7.1.2", "6.18.44"],
            ),
            (
                |r| r.inexact_reset_unacknowledged,
                &["6.18.44", "6.1.192", "7.1.5", "6.12.93"],
                &["6.12.117"],
            ),
            (|r| r.syn_again_keeps_timer, &["5.10.89", "5.4.124"], &["5.10.166", "5.14.0"]),
            (|r| r.keepalive_tolerance, &["4.19.72"], &["5.9.2", "5.4.124", "5.10.89"]),
            (|r| r.raw_window_compared, &["4.19.0", "5.2.8"], &["4.19.72", "5.2.9", "5.4.124"]),
            (|r| r.refused_opening_logged, &["6.6.57"], &["6.8.1", "6.12.117"]),
            (
                |r| !r.reopening_counted_invalid,
                &["5.10.95", "5.15.18", "5.16.4"],
                &["5.10.96", "5.15.19", "5.16.5"],
            ),
            (|r| r.lowering_named_in_log, &["6.1.183", "6.18.44"], &["6.1.184", "6.12.104"]),
            (|r| r.zero_max_is_unlimited, &["6.19.0", "7.1.2"], &["6.18.26", "4.19.72"]),
        ];
        for (n, (rule, old, new)) in table.iter().enumerate() {
            for version in *old {
                assert!(!rule(&rules(version)), "rule {n} in {version}");
            }
            for version in *new {
                assert!(rule(&rules(version)), "rule {n} not in {version}");
            }
        }
    }
}
