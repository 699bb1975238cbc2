//! What a timer does to an open connection: data in `jobs.toml`, and what follows from a clock's
//! anchor where nothing stands there.

use crate::clocks::Clock;
use crate::terms::Anchor;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a timer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Job {
    /// Forgets the connection after a silence of packets.
    Forgets,
    /// Closes it after a silence of its application.
    Closes,
    /// The same, between requests only.
    ClosesBetween,
    /// The same, within a request only.
    ClosesWithin,
    /// Ends it at an age.
    Age,
    /// Forgets it while one end has closed.
    Closing,
    /// Forgets it while data is unacknowledged.
    Unacknowledged,
    /// Makes TCP send a probe, on sockets that ask for it.
    Probe,
    /// Limits how often a PING may come.
    PingLimit,
    /// Ends no open connection by itself.
    Other,
}

/// Which connections a hop that ends TCP keeps a timer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leg {
    /// Those its clients opened.
    TowardsClient,
    /// Those it opened.
    TowardsServer,
    /// All of them.
    Both,
}

/// The table.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Jobs {
    age: BTreeSet<String>,
    closing: BTreeSet<String>,
    unacknowledged: BTreeSet<String>,
    probe: BTreeSet<String>,
    ping_limit: BTreeSet<String>,
    other: BTreeSet<String>,
    within_request: BTreeSet<String>,
    between_requests: BTreeSet<String>,
    towards_server: BTreeSet<String>,
    towards_client: BTreeSet<String>,
    instead_in_streams: BTreeMap<String, String>,
}

impl Jobs {
    /// The table that ships with hopclock. Errors name the file: only a broken build has one.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn builtin() -> Result<Jobs, String> {
        toml::from_str(include_str!("jobs.toml")).map_err(|e| format!("jobs.toml: {e}"))
    }

    /// What this timer of the catalogue does.
    pub fn job(&self, clock: &Clock) -> Job {
        self.named(&clock.id).unwrap_or_else(|| of_anchor(clock.anchor))
    }

    /// Whose connections it is kept for.
    pub fn leg(&self, clock: &Clock) -> Leg {
        if self.towards_server.contains(&clock.id) {
            Leg::TowardsServer
        } else if self.towards_client.contains(&clock.id) {
            Leg::TowardsClient
        } else {
            Leg::Both
        }
    }

    /// The timer that runs in this one's place once a connection is a stream.
    pub fn instead_in_streams(&self, id: &str) -> Option<&str> {
        self.instead_in_streams.get(id).map(String::as_str)
    }

    fn named(&self, id: &str) -> Option<Job> {
        self.lists().into_iter().find(|(ids, _)| ids.contains(id)).map(|(_, job)| job)
    }

    const fn lists(&self) -> [(&BTreeSet<String>, Job); 8] {
        [
            (&self.age, Job::Age),
            (&self.closing, Job::Closing),
            (&self.unacknowledged, Job::Unacknowledged),
            (&self.probe, Job::Probe),
            (&self.ping_limit, Job::PingLimit),
            (&self.other, Job::Other),
            (&self.within_request, Job::ClosesWithin),
            (&self.between_requests, Job::ClosesBetween),
        ]
    }
}

/// What a timer does that no row of the catalogue describes.
pub const fn of_anchor(anchor: Anchor) -> Job {
    match anchor {
        Anchor::Idle => Job::Forgets,
        Anchor::IdleApp => Job::Closes,
        // A row of the catalogue that counts from an opening may count a request, a token or a
        // certificate; those that end connections are listed.
        Anchor::Open
        | Anchor::Wall
        | Anchor::FreeRunning
        | Anchor::Probe
        | Anchor::Count
        | Anchor::Event
        | Anchor::Random
        | Anchor::Mixed
        | Anchor::Undetermined => Job::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clocks::Catalogue;

    #[test]
    fn every_id_is_in_the_catalogue_and_has_one_job() {
        let (jobs, catalogue) = (Jobs::builtin().unwrap(), Catalogue::builtin().unwrap());
        let mut seen = BTreeSet::new();
        for (ids, job) in jobs.lists() {
            for id in ids {
                assert!(catalogue.by_id(id).is_some(), "{id} is no timer of the catalogue");
                assert!(seen.insert(id.clone()), "{id} has two jobs, one of them {job:?}");
            }
        }
        let pairs = jobs.instead_in_streams.iter().flat_map(|(a, b)| [a, b]);
        for id in jobs.towards_server.iter().chain(&jobs.towards_client).chain(pairs) {
            assert!(catalogue.by_id(id).is_some(), "{id} is no timer of the catalogue");
        }
        let both = jobs.towards_server.intersection(&jobs.towards_client);
        assert_eq!(both.collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn what_forgets_an_open_tcp_connection_is_refreshed_by_any_packet() {
        let (jobs, catalogue) = (Jobs::builtin().unwrap(), Catalogue::builtin().unwrap());
        let forgets: Vec<&Clock> =
            catalogue.all().iter().filter(|c| jobs.job(c) == Job::Forgets).collect();
        assert!(forgets.len() > 40, "{}", forgets.len());
        for clock in forgets {
            let words = [&clock.id, &clock.setting, &clock.refreshed_by]
                .map(|t| t.to_lowercase())
                .join(" ");
            for word in ["udp", "icmp", "quic", "closing", "syn_", "half"] {
                assert!(!words.contains(word), "{}: {word}", clock.id);
            }
        }
    }

    #[test]
    fn what_closes_between_requests_is_refreshed_by_them() {
        let (jobs, catalogue) = (Jobs::builtin().unwrap(), Catalogue::builtin().unwrap());
        for clock in catalogue.all() {
            if jobs.job(clock) == Job::Closes {
                let by = clock.refreshed_by.as_str();
                for word in ["an HTTP request", "a proxied request", "a new request"] {
                    assert!(!by.starts_with(word), "{}: {by}", clock.id);
                }
            }
        }
    }
}
