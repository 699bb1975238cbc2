//! The numbers of the measures, computed for this path from the timers and silences in evidence.
//!
//! A number that cannot be computed is none: it is said in words, with what would give it. Nothing
//! here is a constant that could lie above a timer it is meant to stay below.

use super::super::causes::{Family, Measures};
use super::super::clocks_seen::{Reading, SeenClock};
use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::numbers::number;
use super::super::weigh::Law;
use super::present::Present;
use crate::terms::{Anchor, Role};

/// Below this no timer of silence or age can be told from the time an exchange takes, in seconds.
const READABLE_S: f64 = 2.0;
/// gRPC servers count a ping sooner than this as a strike unless told otherwise, in seconds
/// (`GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS`, grpc-go `EnforcementPolicy.MinTime`).
const GRPC_PING_MIN_S: f64 = 300.0;
/// gRPC clients raise a shorter keepalive time to this, in seconds (grpc-go `keepalive.go`).
const GRPC_CLIENT_MIN_S: f64 = 10.0;
/// RFC 5382 REQ-5: an established connection's timer must not be below 2 h 4 min.
const ESTABLISHED_MIN_S: f64 = 7_440.0;
/// Kernel memory of one entry, in bytes: `struct nf_conn` with its extensions (Linux 6.18, slab
/// `nf_conntrack`; it differs by a few tens with what is compiled in).
const ENTRY_BYTES: f64 = 320.0;

/// The timer of an established, acknowledged connection.
const ESTABLISHED: &str = "nf_conntrack_tcp_timeout_established";
/// Those it runs for once one side has closed.
const HALF_CLOSED: [&str; 2] =
    ["nf_conntrack_tcp_timeout_close_wait", "nf_conntrack_tcp_timeout_fin_wait"];

/// Conntrack timers that an established, acknowledged connection does not run for.
const OTHER_STATES: [&str; 10] = [
    "linux-ct-tcp-unacknowledged",
    "linux-ct-tcp-max-retrans",
    "linux-ct-tcp-syn-sent",
    "linux-ct-tcp-syn-recv",
    "linux-ct-tcp-fin-wait",
    "linux-ct-tcp-close-wait",
    "linux-ct-tcp-last-ack",
    "linux-ct-tcp-time-wait",
    "linux-ct-tcp-close",
    "linux-tcp-fin-timeout",
];

/// A number for a measure.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Amount {
    /// Computed, as it is printed, its unit with it.
    Known(String),
    /// Not computable: the phrase that stands in its place, and what would give it.
    Unknown(&'static str, String),
    /// No value of it can work, and why.
    Impossible(&'static str, String),
    /// The evidence shows that it would change nothing, or make it worse.
    Pointless,
}

/// The shortest timer of silence on the path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shortest {
    /// Seconds.
    pub(super) seconds: f64,
    /// Whose it is, in words.
    pub(super) whose: String,
}

/// What measures are computed from.
pub(super) struct Amounts<'a> {
    law: &'a Law,
    finding: &'a Finding,
    present: &'a Present,
    entries: usize,
    shortest: Option<Shortest>,
}

impl<'a> Amounts<'a> {
    pub(super) fn of(
        law: &'a Law,
        finding: &'a Finding,
        facts: &Facts,
        present: &'a Present,
    ) -> Amounts<'a> {
        let own = facts.entries().filter(|(s, e)| {
            s.role == Some(Role::Hop) && e.protocol == "tcp" && e.remaining_s.is_some()
        });
        let shortest = shortest(law, finding);
        Amounts { law, finding, present, entries: own.count(), shortest }
    }

    /// The number a placeholder stands for; `None` where no measure has such a placeholder.
    pub(super) fn get(&self, name: &str) -> Option<Amount> {
        Some(match name {
            "interval" | "ping" => self.interval(),
            "ping_policy" => self.ping_policy(),
            "shortest" => match &self.shortest {
                Some(s) => Amount::Known(format!("{} s ({})", number(s.seconds), s.whose)),
                None => self.no_silence(),
            },
            "pool" => self.pool(),
            "before_age" => self.age(0.9),
            "renew" => self.age(0.8),
            "established" => self.raised(&[ESTABLISHED]),
            "half_close" => self.raised(&HALF_CLOSED),
            "half_close_keys" => self.lower_than(&HALF_CLOSED),
            "table_cost" => self.table_cost(),
            "give_up_ms" => self.give_up(),
            "max" => self.table_max(),
            _ => return None,
        })
    }

    fn no_silence(&self) -> Amount {
        let why = "N is not known: no timer of silence of this path was read, and the silence before the end \
                   tells of none; sysctl net.netfilter on the boxes, the idle timeouts of the proxy and the server, or \
                   hopclock probe would give it";
        Amount::Unknown("not known here", why.to_owned())
    }

    /// Half the shortest timer of silence, in whole seconds: one that is lost is followed by
    /// another in time.
    fn interval(&self) -> Amount {
        match &self.shortest {
            Some(s) if s.seconds < READABLE_S => Amount::Impossible(
                "N s (half the shortest timer of silence on the path)",
                format!(
                    "the shortest timer of silence on the path is {} s ({}), and keepalive counts whole seconds: the \
                     timer itself has to be raised",
                    number(s.seconds),
                    s.whose
                ),
            ),
            Some(s) if self.never_so_long(half(s.seconds)) => Amount::Pointless,
            Some(s) => Amount::Known(format!("{} s", half(s.seconds))),
            None => match self.no_silence() {
                Amount::Unknown(_, why) => {
                    Amount::Unknown("N s (half the shortest timer of silence on the path)", why)
                }
                other => other,
            },
        }
    }

    /// Whether no connection was ever silent, or even there, for so long: nothing sent at that
    /// interval would ever have been sent. Silence one way can be long while the other speaks, so
    /// that only silences too short for any timer count.
    fn never_so_long(&self, every: u32) -> bool {
        let measured = &self.finding.measured;
        let longest = measured.longest_silence_s;
        longest.is_some_and(|s| s < READABLE_S.min(f64::from(every)))
            || (longest.is_some() && measured.lifetime.is_some_and(|l| l.high < f64::from(every)))
    }

    fn ping_policy(&self) -> Amount {
        let said = self.finding.seen("said", &["too-many-pings"]).is_some();
        let strikes = if said { "this server has counted pings already (GOAWAY). " } else { "" };
        Amount::Known(match self.shortest.as_ref().map(|s| f64::from(half(s.seconds))) {
            None => format!(
                "{strikes}a gRPC server takes pings closer than {GRPC_PING_MIN_S:.0} s for abuse unless its policy permits \
                 them"
            ),
            Some(every) if every >= GRPC_PING_MIN_S => format!(
                "{strikes}a gRPC server without a policy of its own permits one every {GRPC_PING_MIN_S:.0} s"
            ),
            Some(every) if every >= GRPC_CLIENT_MIN_S => format!(
                "{strikes}a gRPC server without a policy of its own permits one every {GRPC_PING_MIN_S:.0} s: its side must \
                 first permit {every:.0} s (minimum ping time; pings without calls), or it ends the connection with \
                 GOAWAY too_many_pings"
            ),
            Some(every) => format!(
                "{strikes}gRPC clients ping no oftener than every {GRPC_CLIENT_MIN_S:.0} s, whatever they are told, so with \
                 gRPC {every:.0} s cannot be had; its servers permit one every {GRPC_PING_MIN_S:.0} s unless told otherwise"
            ),
        })
    }

    /// A pool must let go before the path forgets: four fifths, in whole seconds.
    fn pool(&self) -> Amount {
        match &self.shortest {
            Some(s) if self.never_so_long(half(s.seconds)) => Amount::Pointless,
            Some(s) if s.seconds >= READABLE_S => {
                Amount::Known(format!("{:.0} s", (0.8 * s.seconds).floor().max(1.0)))
            }
            Some(_) | None => match self.no_silence() {
                Amount::Unknown(_, why) => Amount::Unknown(
                    "N s (less than the shortest timer of silence on the path)",
                    why,
                ),
                other => other,
            },
        }
    }

    /// A share of the age at which the connections end.
    fn age(&self, share: f64) -> Amount {
        match self.ends_at() {
            Some(age) => Amount::Known(format!("{} s", number(whole(share * age)))),
            None => Amount::Unknown(
                "N s (an age below the one at which it ends)",
                "N is not known: one end, or ends without a period, show no age; a log with three ends or more, or the limit read on \
                 the box that keeps it, would give it"
                    .to_owned(),
            ),
        }
    }

    /// The age at which the connections end: a clock of age that was read and fits, what the
    /// replay of the table saw run out, or a period.
    fn ends_at(&self) -> Option<f64> {
        let aged = self.finding.weighed.iter().take(3).find(|w| {
            let measures = self.law.causes.all().get(w.cause).map(|c| c.measures);
            matches!(measures, Some(Measures::Lifetime | Measures::Refresh))
        })?;
        let read = self.finding.best_clock(aged).map(|(_, c)| c.seconds);
        let measured = &self.finding.measured;
        let ran_out = measured.replayed.as_ref().and_then(|r| r.ran_out_s);
        let period = measured.lifetime.filter(|_| measured.periodic).map(|l| l.mid);
        read.or(ran_out).or(period).filter(|s| *s >= READABLE_S)
    }

    /// What timers of the box should be raised to, so that the shortest of them does.
    fn raised(&self, keys: &[&str]) -> Amount {
        let values = keys.iter().filter_map(|k| self.present.least(Role::Hop, k)?.number());
        let now = values.min_by(f64::total_cmp);
        let longest = self.finding.measured.longest_silence_s.unwrap_or(0.0);
        let frozen = self.leads(Measures::Refresh) && keys == [ESTABLISHED];
        // A timer that is longer than any silence seen has not run out, unless it was frozen.
        if !frozen && now.is_some_and(|n| n > longest) {
            return Amount::Pointless;
        }
        let least = if keys == [ESTABLISHED] { ESTABLISHED_MIN_S } else { 0.0 };
        let need = match (frozen, now.or(self.ends_at())) {
            (true, runs_for) => runs_for.map(|s| 2.0 * s),
            (false, _) => Some((2.0 * longest).max(least)).filter(|s| *s >= READABLE_S),
        };
        let Some(need) = need.map(whole) else {
            let why = "neither the box's own value nor the age at the ends is in evidence: sysctl net.netfilter \
                       on the box would give it";
            return Amount::Unknown("twice its present value", why.to_owned());
        };
        match now {
            Some(n) if n >= need => Amount::Pointless,
            _ => Amount::Known(number(need)),
        }
    }

    /// The timers among these that are lower than what [`Amounts::raised`] asks for, or unread.
    fn lower_than(&self, keys: &[&str]) -> Amount {
        let Amount::Known(need) = self.raised(keys) else {
            return Amount::Known(keys.join(" and "));
        };
        let low = |key: &&&str| {
            let now = self.present.least(Role::Hop, key).and_then(|s| s.number());
            now.is_none_or(|n| need.parse::<f64>().is_ok_and(|need| n < need))
        };
        let low: Vec<&str> = keys.iter().filter(low).copied().collect();
        Amount::Known(low.join(" and "))
    }

    fn leads(&self, measures: Measures) -> bool {
        let leader = self.finding.weighed.first().and_then(|w| self.law.causes.all().get(w.cause));
        leader.is_some_and(|c| c.measures == measures)
    }

    fn table_cost(&self) -> Amount {
        let number_of = |key: &str| self.present.least(Role::Hop, key).and_then(|s| s.number());
        let count =
            number_of("nf_conntrack_count").or((self.entries > 0).then_some(self.entries as f64));
        let most = number_of("nf_conntrack_max");
        let each = format!("about {ENTRY_BYTES:.0} bytes an entry");
        Amount::Known(match (count, most) {
            (Some(count), Some(most)) => format!(
                "the table held {} of {} entries when it was read; if every one stays as much longer, at worst {}, {each}",
                number(count),
                number(most),
                number((2.0 * count).min(most))
            ),
            (Some(count), None) => format!(
                "the table showed {} entries, and nf_conntrack_max was not read; {each}",
                number(count)
            ),
            (None, Some(most)) => format!(
                "nf_conntrack_max is {}, and how full the table is was not read (sysctl net.netfilter.nf_conntrack_count); {each}",
                number(most)
            ),
            (None, None) => format!(
                "how full the table is was not read (sysctl net.netfilter.nf_conntrack_count and nf_conntrack_max); {each}"
            ),
        })
    }

    fn table_max(&self) -> Amount {
        match self.present.least(Role::Hop, "nf_conntrack_max").and_then(|s| s.number()) {
            Some(max) => Amount::Known(number(2.0 * max)),
            None => Amount::Unknown(
                "twice its present value",
                "nf_conntrack_max was not read: sysctl net.netfilter.nf_conntrack_max on the box gives it"
                    .to_owned(),
            ),
        }
    }

    /// A wait that is shorter than the one seen by a factor worth the trouble.
    fn give_up(&self) -> Amount {
        let Some(waited) = self.finding.measured.detection else {
            return Amount::Unknown(
                "the longest wait the application can bear",
                "how long data went unanswered was not seen: a capture on the sender would show it"
                    .to_owned(),
            );
        };
        match waited.mid {
            s if s < READABLE_S => Amount::Pointless,
            s => Amount::Known(format!("{:.0} ms", (s / 2.0).min(30.0).floor().max(1.0) * 1000.0)),
        }
    }
}

/// Half, in whole seconds, at least one.
fn half(seconds: f64) -> u32 {
    (seconds / 2.0).floor().clamp(1.0, 1e9) as u32
}

/// Whole seconds where there are some.
fn whole(seconds: f64) -> f64 {
    if seconds >= 10.0 { seconds.round() } else { (seconds * 10.0).round() / 10.0 }
}

/// The shortest timer of silence a live connection meets on this path: those that were read, on
/// whatever host of the path, and the silence the path did not bear, where a cause of silence is
/// likely.
fn shortest(law: &Law, finding: &Finding) -> Option<Shortest> {
    let read =
        finding.gathered.clocks.iter().filter(|c| of_silence(c)).map(|c| Shortest {
            seconds: c.seconds,
            whose: format!("{} of {}", c.setting, c.keeper),
        });
    read.chain(not_borne(law, finding)).min_by(|a, b| a.seconds.total_cmp(&b.seconds))
}

fn of_silence(clock: &SeenClock) -> bool {
    let own = clock.clock.as_ref().is_some_and(|c| OTHER_STATES.contains(&c.id.as_str()));
    let idle = matches!(clock.anchor, Anchor::Idle | Anchor::IdleApp);
    // A client's own pool lets go in order; what it keeps is no timer to stay below.
    idle && !own && (clock.reading == Reading::Direct || clock.clock.is_some())
}

fn not_borne(law: &Law, finding: &Finding) -> Option<Shortest> {
    let leader = law.causes.all().get(finding.weighed.first()?.cause)?;
    let measured = &finding.measured;
    // Where the silence was not seen, a connection was silent for no longer than it lived.
    let silence = measured.silence.filter(|s| s.low > 0.0).or(measured.lifetime);
    let silence = silence.filter(|s| s.low >= READABLE_S)?;
    (leader.family == Family::Idle && leader.measures == Measures::Silence).then(|| Shortest {
        seconds: silence.low,
        whose: "the shortest silence before an end".to_owned(),
    })
}
