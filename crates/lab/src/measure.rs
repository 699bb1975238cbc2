//! Measures against an end, as far as the lab can take them: settings of a machine, options of the
//! client's sockets, and a word said now and then. What is a matter of somebody's configuration or
//! code it refuses, and says so by returning nothing.

use serde_json::Value;

use crate::folder::Place;

/// What is changed before a scenario is played.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measures {
    /// Settings of the box, of the client's and of the server's machine, under `/proc/sys/net`.
    pub(crate) sysctls: Vec<(Place, String, String)>,
    /// TCP keepalive on the client's sockets, after so many seconds of silence and as often.
    pub(crate) keepalive_s: Option<f64>,
    /// `TCP_USER_TIMEOUT` on the client's sockets, in seconds.
    pub(crate) user_timeout_s: Option<f64>,
    /// The client says something of its protocol this often, in seconds.
    pub(crate) heartbeat_s: Option<f64>,
    /// The run is about a timer that is so many seconds longer.
    pub(crate) longer_s: u32,
}

/// A measure that moves an end, as far as the lab can wait for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Moves {
    /// What is changed.
    pub measures: Measures,
    /// The timer as it is, in seconds.
    pub from_s: u32,
    /// The timer as it is to be, in seconds.
    pub to_s: u32,
}

/// The most a timer is raised: a run takes as long as its timer.
const RAISED_MOST: u32 = 3;

impl Moves {
    /// The same in a run that is about a timer as much longer: what outlasts the old one in the
    /// first run outlasts the new one in this.
    pub fn outlasted(&self) -> Measures {
        Measures { longer_s: self.to_s - self.from_s, ..self.measures.clone() }
    }
}

impl Measures {
    /// The same change of one timer of the box, raised as it says but no more than the lab can
    /// wait for; `None` where it is no such change or its present value is not told.
    pub fn moves(change: &Value) -> Option<Moves> {
        let [row] = change.as_array()?.as_slice() else { return None };
        let word = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
        let whole = |key: &str| word(key).split_whitespace().next()?.parse::<u32>().ok();
        let (from_s, said_s) = (whole("from")?, whole("to")?);
        if !word("key").contains("_timeout_") || said_s <= from_s {
            return None;
        }
        let to_s = said_s.min(from_s.saturating_mul(RAISED_MOST));
        let mut measures = Self::of(change)?;
        for (.., value) in &mut measures.sysctls {
            *value = to_s.to_string();
        }
        Some(Moves { measures, from_s, to_s })
    }

    /// What a measure's `change` says, of a report (`hopclock.report/1`); `None` where the lab
    /// cannot do all of it.
    pub fn of(change: &Value) -> Option<Self> {
        let mut measures = Self::default();
        let rows = change.as_array().filter(|rows| !rows.is_empty())?;
        for row in rows {
            let word = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
            let (kind, key, to) = (word("kind"), word("key"), word("to"));
            let seconds = seconds(to);
            match (word("role"), kind) {
                (role @ ("hop" | "client" | "server"), "sysctl") => {
                    let place = match role {
                        "hop" => Place::Hop,
                        "client" => Place::Client,
                        _ => Place::Server,
                    };
                    let path = key.strip_prefix("net.")?.replace('.', "/");
                    let value =
                        to.split_whitespace().next().filter(|v| v.parse::<u64>().is_ok())?;
                    measures.sysctls.push((place, path, value.to_owned()));
                }
                ("client", "sockopt") if key.contains("TCP_KEEPIDLE") => {
                    measures.keepalive_s = Some(seconds?);
                }
                ("client", "sockopt") if key.contains("TCP_USER_TIMEOUT") => {
                    measures.user_timeout_s = Some(seconds?);
                }
                ("client", "app") if key.contains("heartbeat") || key.contains("ping") => {
                    measures.heartbeat_s = Some(seconds?);
                }
                // Nothing in the lab punishes what is pinged.
                ("server", "config") if key.contains("minimum ping time") => {}
                _ => return None,
            }
        }
        Some(measures)
    }
}

/// The first duration in a text: `on, 1 s`, `30000 ms`, `2 min`.
fn seconds(text: &str) -> Option<f64> {
    let words: Vec<&str> = text.split([' ', ',']).filter(|w| !w.is_empty()).collect();
    words.windows(2).find_map(|pair| {
        let [number, unit] = pair else { return None };
        let scale = match *unit {
            "ms" => 0.001,
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        Some(number.parse::<f64>().ok()? * scale).filter(|s| *s > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_lab_can_do_is_read_and_the_rest_refused() {
        let one = |role: &str, kind: &str, key: &str, to: &str| {
            Measures::of(&json!([{ "role": role, "kind": kind, "key": key, "to": to }]))
        };
        let liberal =
            one("hop", "sysctl", "net.netfilter.nf_conntrack_tcp_be_liberal", "1").unwrap();
        let path = "netfilter/nf_conntrack_tcp_be_liberal".to_owned();
        assert_eq!(liberal.sysctls, [(Place::Hop, path, "1".to_owned())]);
        let keepalive = one("client", "sockopt", "SO_KEEPALIVE, TCP_KEEPIDLE", "on, 1 s").unwrap();
        assert_eq!(keepalive.keepalive_s, Some(1.0));
        let limit = one("client", "sockopt", "TCP_USER_TIMEOUT", "1500 ms").unwrap();
        assert_eq!(limit.user_timeout_s, Some(1.5));
        assert_eq!(
            one("client", "app", "heartbeat interval", "1 s").unwrap().heartbeat_s,
            Some(1.0)
        );
        assert_eq!(one("server", "config", "request timeout", "60 s"), None);
        assert_eq!(one("hop", "sysctl", "net.netfilter.x", "what the path needs"), None);
        assert_eq!(Measures::of(&json!([])), None);
    }

    #[test]
    fn a_timer_is_raised_as_far_as_the_lab_can_wait_and_only_where_its_value_is_known() {
        let established = "net.netfilter.nf_conntrack_tcp_timeout_established";
        let raised = |key: &str, from: &str, to: &str| {
            let row =
                json!({ "role": "hop", "kind": "sysctl", "key": key, "from": from, "to": to });
            Measures::moves(&json!([row]))
        };
        let moves = raised(established, "7", "14").unwrap();
        assert_eq!((moves.from_s, moves.to_s), (7, 14));
        let moves = raised(established, "4", "7440").unwrap();
        assert_eq!((moves.to_s, moves.measures.sysctls[0].2.as_str()), (12, "12"));
        assert_eq!(raised(established, "as it is", "7440"), None);
        assert_eq!(raised(established, "14", "7"), None);
        assert_eq!(raised("net.netfilter.nf_conntrack_tcp_be_liberal", "0", "1"), None);
    }
}
