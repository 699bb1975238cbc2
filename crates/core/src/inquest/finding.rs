//! A finding: one subject, its evidence weighed, and what is said of it.

use super::advice::{Fix, Step};
use super::clocks_seen::{Reading, SeenClock};
use super::contradictions::Contradiction;
use super::evidence::{Evidence, Weighs};
use super::ladder::Ladder;
use super::names::Pair;
use super::numbers::{Quantities, number};
use super::observe::Gathered;
use super::order::Order;
use super::weigh::{ClockShare, Law, Sensitivity, Weighed};
use crate::flow::How;
use crate::rhythm;
use crate::terms::{Anchor, DetectedBy, EndedBy, Outcome, Role, Side};
use crate::time::Moment;

/// One end of a connection, for the report.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// `client.pcap#1`.
    pub flow: String,
    /// Client and server as this capture has them.
    pub pair: Pair,
    /// When.
    pub at: Option<Moment>,
    /// In which way.
    pub how: How,
    /// Whose address the first FIN or RST carries.
    pub signed_by: Option<Side>,
    /// Age in seconds, where the opening was seen.
    pub age_s: Option<f64>,
    /// Silence before it in seconds.
    pub idle_before_s: Option<f64>,
    /// The file, and the packets that show it.
    pub packets: Vec<(u64, u64)>,
}

/// The clock a verdict points at.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedClock {
    /// Catalogue id, or the setting's own name for a documented timer.
    pub id: String,
    /// Who makes the thing that keeps it.
    pub product: String,
    /// The setting.
    pub setting: String,
    /// Its value.
    pub seconds: f64,
    /// What it counts from.
    pub anchor: Anchor,
}

impl NamedClock {
    /// A clock somebody read: by its catalogue row, or as its note calls it.
    pub fn of(seen: &SeenClock) -> NamedClock {
        let (id, product) = match &seen.clock {
            Some(clock) => (clock.id.clone(), clock.product.clone()),
            None => (seen.setting.replace(' ', "-"), seen.keeper.clone()),
        };
        let (setting, seconds, anchor) = (seen.setting.clone(), seen.seconds, seen.anchor);
        NamedClock { id, product, setting, seconds, anchor }
    }
}

/// A configured or documented timer that cannot have done it.
#[derive(Clone, Debug, PartialEq)]
pub struct RedHerring {
    /// The timer, in words.
    pub what: String,
    /// Why not.
    pub why: String,
    /// The evidence that names it.
    pub evidence: String,
}

/// One subject, argued.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which connections, in words.
    pub what: String,
    /// How many ends.
    pub count: usize,
    /// What the finding stands on: the log's series and the flows' ends, by name. The same subject
    /// in other evidence shares one of them.
    pub subjects: Vec<String>,
    /// Hosts the evidence names, by role.
    pub hosts: Vec<(Role, String)>,
    /// Client and server of the flows, where captures show them.
    pub server: Option<std::net::SocketAddr>,
    /// The evidence and the clocks seen.
    pub gathered: Gathered,
    /// Every cause, the most probable first.
    pub weighed: Vec<Weighed>,
    /// How the leader stands against the argued ranges.
    pub sensitivity: Option<Sensitivity>,
    /// The outcome by the contract's rule.
    pub outcome: Outcome,
    /// What was measured.
    pub measured: Quantities,
    /// When they opened and ended, for whoever draws it.
    pub series: Option<rhythm::Series>,
    /// The rhythm, where there is one.
    pub rhythm: Option<rhythm::Reading>,
    /// Jumps of phase in it.
    pub phase_breaks: usize,
    /// When they ended, in order.
    pub ends: Vec<Moment>,
    /// Ends seen in captures.
    pub endings: Vec<End>,
    /// Every view of its connections in the captures: `client.pcap#1`.
    pub views: Vec<String>,
    /// Timers of the path that must be ordered.
    pub order: Vec<Order>,
    /// The last of them, packet by packet.
    pub ladder: Option<Ladder>,
    /// What does not fit together.
    pub contradictions: Vec<Contradiction>,
    /// Measures.
    pub fixes: Vec<Fix>,
    /// What to collect.
    pub next: Vec<Step>,
    /// Text for the other side's team.
    pub letter: Option<String>,
}

impl Finding {
    /// Every cause with its probability, the most probable first.
    pub fn by_cause(&self, law: &Law) -> Vec<(String, f64)> {
        self.weighed
            .iter()
            .filter_map(|w| Some((law.causes.all().get(w.cause)?.id.clone(), w.probability)))
            .collect()
    }

    /// The shortest list that holds 0.80, at most five.
    pub fn short_list(&self, law: &Law) -> Vec<(String, f64)> {
        let mut held = 0.0;
        let mut list = Vec::new();
        for (cause, probability) in self.by_cause(law).into_iter().take(5) {
            list.push((cause, probability));
            held += probability;
            if held >= 0.8 {
                break;
            }
        }
        list
    }

    /// Who decided, when the causes agree on it by seven parts in ten.
    pub fn ended_by(&self, law: &Law) -> EndedBy {
        const ALL: [EndedBy; 4] =
            [EndedBy::Client, EndedBy::Server, EndedBy::Proxy, EndedBy::Middlebox];
        let share = |who: EndedBy| -> f64 {
            self.weighed
                .iter()
                .filter(|w| law.causes.all().get(w.cause).is_some_and(|c| c.ended_by == who))
                .map(|w| w.probability)
                .sum()
        };
        ALL.into_iter().find(|who| share(*who) >= 0.7).unwrap_or(EndedBy::Unknown)
    }

    /// The value seen of a kind, the first where there are several.
    pub fn value(&self, wanted: &str) -> Option<&'static str> {
        self.gathered.evidence.iter().find_map(|e| match e.weighs {
            Weighs::Table { kind, value } if kind == wanted => Some(value),
            _ => None,
        })
    }

    /// The evidence with this kind and value.
    pub fn seen(&self, wanted: &str, values: &[&str]) -> Option<&Evidence> {
        self.gathered.evidence.iter().find(|e| match e.weighs {
            Weighs::Table { kind, value } => kind == wanted && values.contains(&value),
            _ => false,
        })
    }

    /// How the victim noticed.
    pub fn detected_by(&self) -> Option<DetectedBy> {
        let heartbeat = ["missed-heartbeat", "keepalive-timeout-said", "ping-timeout"];
        if self.seen("said", &heartbeat).is_some() {
            return Some(DetectedBy::Heartbeat);
        }
        match (self.value("ending"), self.value("last-words"), self.value("activity")) {
            (Some("no-socket-reset"), _, _) => Some(DetectedBy::NextUse),
            (Some("unanswered-data" | "large-unanswered"), _, _) => {
                Some(DetectedBy::RetransmissionTimeout)
            }
            (Some("silence"), _, _) => {
                self.seen("probes", &["unanswered-probes"]).map(|_| DetectedBy::Keepalive)
            }
            (Some(_), _, _) | (None, Some("eof" | "closed"), _) => Some(DetectedBy::PeerMessage),
            (None, Some("reset" | "broken-pipe"), Some("idle")) => Some(DetectedBy::NextUse),
            (None, Some("reset"), _) => Some(DetectedBy::PeerMessage),
            (None, Some("timed-out"), _) => Some(DetectedBy::RetransmissionTimeout),
            (None, _, _) => None,
        }
    }

    /// The clock of the leading cause, when evidence other than the number points at it: it was
    /// read on the box itself or in its documentation, or the box that keeps it stands in the
    /// evidence.
    pub fn clock(&self) -> Option<NamedClock> {
        let leader = self.weighed.first()?;
        let (share, seen) = self.best_clock(leader)?;
        let box_seen = self.value("box-entry").is_some();
        if share.posterior < 0.5 || !(seen.reading == Reading::Direct || box_seen) {
            return None;
        }
        Some(NamedClock::of(seen))
    }

    /// The clock among those seen that fits a cause best.
    pub fn best_clock<'a>(&'a self, cause: &'a Weighed) -> Option<(&'a ClockShare, &'a SeenClock)> {
        cause
            .clocks
            .iter()
            .filter(|c| c.fit.as_ref().is_some_and(|f| f.fits == Some(true)))
            .filter_map(|c| Some((c, self.gathered.clocks.get(c.seen?)?)))
            .max_by(|a, b| a.0.posterior.total_cmp(&b.0.posterior))
    }

    /// The host of the leading cause's clock, when it was read on a hop.
    pub fn hop(&self) -> Option<String> {
        let (_, clock) = self.best_clock(self.weighed.first()?)?;
        (clock.role == Some(Role::Hop)).then(|| clock.keeper.clone())
    }

    /// Timers in evidence that fit no cause they could serve: what people suspect first.
    pub fn red_herrings(&self) -> Vec<RedHerring> {
        let mut found = Vec::new();
        for (index, clock) in self.gathered.clocks.iter().enumerate() {
            let fits: Vec<_> = self
                .weighed
                .iter()
                .flat_map(|w| &w.clocks)
                .filter(|c| c.seen == Some(index))
                .filter_map(|c| c.fit.as_ref())
                .collect();
            if fits.is_empty() || fits.iter().any(|f| f.fits == Some(true)) {
                continue;
            }
            let why = fits.iter().find_map(|f| f.ruled_out.as_ref());
            let why = why.map(|why| in_state(&clock.setting, why));
            let evidence = clock.evidence.and_then(|i| self.gathered.evidence.get(i));
            if let (Some(why), Some(evidence)) = (why, evidence) {
                let what =
                    format!("{} = {} s ({})", clock.setting, number(clock.seconds), clock.keeper);
                found.push(RedHerring { what, why, evidence: evidence.id.clone() });
            }
        }
        found
    }

    /// The one host of a role that the evidence names.
    pub fn host_of(&self, role: Role) -> Option<String> {
        let mut names = self.hosts.iter().filter(|(r, _)| *r == role).map(|(_, name)| name);
        let first = names.next()?;
        names.all(|n| n == first).then(|| first.clone())
    }

    /// Fills `{server_ip}` and `{server_port}` of a command.
    pub fn place(&self, text: &str) -> String {
        let (ip, port) = match self.server {
            Some(server) => (server.ip().to_string(), server.port().to_string()),
            None => ("SERVER".to_owned(), "PORT".to_owned()),
        };
        text.replace("{server_ip}", &ip).replace("{server_port}", &port)
    }
}

/// Conntrack keeps a timer for each state of a connection: the silence it needs is one spent in
/// that state (net/netfilter/nf_conntrack_proto_tcp.c, `tcp_timeouts`).
pub(crate) fn in_state(setting: &str, why: &str) -> String {
    const STATES: [&str; 7] =
        ["syn_sent", "syn_recv", "fin_wait", "close_wait", "last_ack", "time_wait", "close"];
    let state = setting.rsplit_once("tcp_timeout_").map(|(_, state)| state);
    match state.filter(|state| STATES.contains(state)) {
        Some(state) => {
            let there = format!(" s of silence in the state {}", state.to_uppercase());
            why.replacen(" s of silence", &there, 1)
        }
        None => why.to_owned(),
    }
}
