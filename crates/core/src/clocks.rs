//! The catalogue of timers known to end connections: data in `clocks/<owner>.toml`, one row a
//! timer, each with its source.
//!
//! A match with the catalogue suggests and never names: dozens of clocks are 60, 300 or 3600 s.
//! What a row means for an incident is the inquest's business; here are only the facts.

mod own;

use crate::terms::Anchor;
use serde::{Deserialize, Serialize};

/// The embedded files, by owner. One owner a file, so that a correction touches one row of one
/// file.
const FILES: [(Owner, &str); 14] = [
    (Owner::Kernel, include_str!("clocks/kernel.toml")),
    (Owner::Nat, include_str!("clocks/nat.toml")),
    (Owner::Firewall, include_str!("clocks/firewall.toml")),
    (Owner::LoadBalancer, include_str!("clocks/load-balancer.toml")),
    (Owner::Cloud, include_str!("clocks/cloud.toml")),
    (Owner::Proxy, include_str!("clocks/proxy.toml")),
    (Owner::ServiceMesh, include_str!("clocks/service-mesh.toml")),
    (Owner::Orchestrator, include_str!("clocks/orchestrator.toml")),
    (Owner::Server, include_str!("clocks/server.toml")),
    (Owner::Database, include_str!("clocks/database.toml")),
    (Owner::Broker, include_str!("clocks/broker.toml")),
    (Owner::ClientLibrary, include_str!("clocks/client-library.toml")),
    (Owner::Protocol, include_str!("clocks/protocol.toml")),
    (Owner::Credential, include_str!("clocks/credential.toml")),
];

/// What kind of thing keeps the timer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// An end's TCP stack.
    Kernel,
    /// A translating box.
    Nat,
    /// A filtering box that keeps state.
    Firewall,
    /// A balancer, layer 4 or 7.
    LoadBalancer,
    /// A cloud provider's network service.
    Cloud,
    /// A forward or reverse proxy.
    Proxy,
    /// A sidecar or its control plane.
    ServiceMesh,
    /// A cluster manager and its parts.
    Orchestrator,
    /// An application server.
    Server,
    /// A database server.
    Database,
    /// A message broker.
    Broker,
    /// A client's library or pool.
    ClientLibrary,
    /// A protocol's own rule.
    Protocol,
    /// The lifetime of a token, ticket or key.
    Credential,
}

/// What a hop does when the timer runs out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExpiry {
    /// Closes in order.
    Fin,
    /// Forgets, and says nothing.
    SilentDrop,
    /// Says so in the protocol's own words.
    ErrorFrame,
    /// HTTP/2 GOAWAY.
    Goaway,
    /// Resets both ends.
    RstBoth,
    /// Resets the client's side.
    RstClient,
    /// Forgets, and answers the next packet with a reset.
    RstOnNextPacket,
    /// Not known.
    Unknown,
}

/// Whether something restarts a timer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refreshes {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// Not known.
    Unknown,
}

/// One timer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// Stable id, `product-what` in kebab case.
    pub id: String,
    /// Who makes the thing that keeps it.
    pub product: String,
    /// Who keeps it; set from the file's name, not written in the rows.
    #[serde(default = "unset_owner")]
    pub owner: Owner,
    /// The setting's own name.
    pub setting: String,
    /// Seconds out of the box; absent when the timer is off unless set.
    pub default_s: Option<f64>,
    /// Other values often seen, in seconds.
    #[serde(default)]
    pub typical_s: Vec<f64>,
    /// Values the product accepts.
    pub range: Option<String>,
    /// How the product varies it on purpose.
    pub jitter: Option<String>,
    /// Versions the row speaks of.
    pub versions: Option<String>,
    /// What it counts from.
    pub anchor: Anchor,
    /// What happens at its end.
    pub on_expiry: OnExpiry,
    /// What restarts it.
    pub refreshed_by: String,
    /// Whether TCP keepalive probes restart it.
    pub tcp_keepalive_refreshes: Refreshes,
    /// Whether HTTP/2 PING frames restart it.
    pub http2_ping_refreshes: Refreshes,
    /// Where the setting and its number were read; absent means unverified.
    pub source: Option<String>,
    /// What a reader should know.
    pub note: String,
}

const fn unset_owner() -> Owner {
    Owner::Kernel
}

impl Clock {
    /// Default and typical values, in seconds.
    pub fn values_s(&self) -> impl Iterator<Item = f64> + '_ {
        self.default_s.into_iter().chain(self.typical_s.iter().copied())
    }

    /// Whether the default or a typical value lies within the given bounds, in seconds.
    pub fn fits(&self, low_s: f64, high_s: f64) -> bool {
        self.values_s().any(|s| low_s <= s && s <= high_s)
    }
}

/// All timers known.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    clocks: Vec<Clock>,
}

#[derive(Deserialize)]
struct File {
    clock: Vec<Clock>,
}

impl Catalogue {
    /// The catalogue that ships with hopclock. Errors name the file: only a broken build has one.
    pub fn builtin() -> Result<Catalogue, String> {
        let mut clocks = Vec::new();
        for (owner, text) in FILES {
            let file: File = toml::from_str(text).map_err(|e| format!("{owner:?}: {e}"))?;
            clocks.extend(file.clock.into_iter().map(|c| Clock { owner, ..c }));
        }
        Ok(Catalogue { clocks })
    }

    /// Every timer, by owner.
    pub fn all(&self) -> &[Clock] {
        &self.clocks
    }

    /// The timer with this id.
    pub fn by_id(&self, id: &str) -> Option<&Clock> {
        self.clocks.iter().find(|c| c.id == id)
    }

    /// The timer whose setting is spelt so. sysctl names match with or without their
    /// `net.netfilter.`.
    pub fn by_setting(&self, setting: &str) -> Option<&Clock> {
        self.clocks.iter().find(|c| {
            let own = c.setting.split_whitespace().next().unwrap_or("");
            own == setting || own.rsplit('.').next() == Some(setting)
        })
    }

    /// Timers with a value between the bounds, in seconds.
    pub fn between(&self, low_s: f64, high_s: f64) -> impl Iterator<Item = &Clock> {
        self.clocks.iter().filter(move |c| c.fits(low_s, high_s))
    }

    /// Timers whose id, product, setting or note together hold every word of `word`, case ignored.
    pub fn search<'a>(&'a self, word: &str) -> impl Iterator<Item = &'a Clock> {
        let words: Vec<String> =
            word.to_lowercase().split_whitespace().map(str::to_owned).collect();
        self.clocks.iter().filter(move |c| {
            let all = [&c.id, &c.product, &c.setting, &c.note].map(|t| t.to_lowercase()).join(" ");
            words.iter().all(|word| all.contains(word))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn catalogue() -> Catalogue {
        Catalogue::builtin().unwrap()
    }

    #[test]
    fn ids_are_unique_and_kebab_case() {
        let catalogue = catalogue();
        let mut seen = BTreeSet::new();
        for clock in catalogue.all() {
            assert!(seen.insert(&clock.id), "{} stands twice", clock.id);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(clock.id.chars().all(plain), "{}", clock.id);
        }
        assert!(seen.len() > 400, "{} clocks", seen.len());
    }

    #[test]
    fn every_timer_names_its_setting_and_no_value_is_zero() {
        for clock in catalogue().all() {
            assert!(!clock.setting.is_empty(), "{}", clock.id);
            assert!(!clock.product.is_empty(), "{}", clock.id);
            for s in clock.values_s() {
                assert!(s > 0.0, "{}: zero is not a default, it is a missing one", clock.id);
            }
            if let Some(source) = &clock.source {
                assert!(source.len() > 8, "{}: a source one can look up", clock.id);
            }
        }
    }

    #[test]
    fn a_clock_is_found_by_setting_number_and_word() {
        let catalogue = catalogue();
        let id = "linux-ct-tcp-established";
        for spelling in [
            "net.netfilter.nf_conntrack_tcp_timeout_established",
            "nf_conntrack_tcp_timeout_established",
        ] {
            assert_eq!(catalogue.by_setting(spelling).map(|c| c.id.as_str()), Some(id));
        }
        assert!(catalogue.between(350.0, 350.0).any(|c| c.id == "aws-nlb-tcp-idle"));
        assert!(catalogue.search("HAProxy").count() > 5);
        assert_eq!(catalogue.by_id(id).map(|c| c.owner), Some(Owner::Nat));
    }
}
