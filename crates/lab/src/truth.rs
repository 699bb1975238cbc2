//! `truth.json` of a run: what really ended the connection, which only the one who made it end can
//! know. Keys as in the incidents' truth files.

use serde::Serialize;

/// What ended the connection.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Truth {
    /// Cause, by its id; `none` where the connection lives on.
    pub cause: &'static str,
    /// Its family.
    pub family: &'static str,
    /// Other causes this evidence cannot tell from it.
    pub accept: Vec<&'static str>,
    /// What the clock counts from.
    pub anchor: &'static str,
    /// The clock's time.
    pub interval_s: Option<f64>,
    /// By how much what is seen may differ from it.
    pub tolerance_s: Option<f64>,
    /// Who decided.
    pub ended_by: &'static str,
    /// Whose address the first FIN or RST that the victim got carries.
    pub signed_by: Option<&'static str>,
    /// How the victim noticed.
    pub detected_by: Option<&'static str>,
    /// The setting that is the clock.
    pub setting: Option<&'static str>,
    /// Its value.
    pub value: Option<String>,
    /// What somebody who knows the field would make of exactly this evidence.
    pub outcome: &'static str,
    /// Other outcomes that are as good.
    pub also_accept_outcome: Vec<&'static str>,
    /// Causes of other ends in the same evidence.
    pub also: Vec<&'static str>,
    /// Bytes a keepalive or PING and its answer cost, of IP packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_bytes: Option<f64>,
    /// Seconds a stream lived after its entry froze.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lived_s: Option<f64>,
    /// How sure the truth itself is.
    pub confidence: &'static str,
    /// What is in the evidence and is not it.
    pub distractors: Vec<&'static str>,
}

impl Truth {
    /// The truth of an entry of a NAT or firewall that ran out.
    pub(crate) fn expiry(timer_s: u32) -> Self {
        Self {
            cause: "idle-timeout-middlebox",
            family: "idle",
            accept: vec![],
            anchor: "idle",
            interval_s: Some(f64::from(timer_s)),
            tolerance_s: Some(f64::from(timer_s) * 2.0),
            ended_by: "middlebox",
            signed_by: None,
            detected_by: Some("next-use"),
            setting: Some("nf_conntrack_tcp_timeout_established"),
            value: Some(timer_s.to_string()),
            outcome: "named",
            also_accept_outcome: vec![],
            also: vec![],
            kept_bytes: None,
            lived_s: None,
            confidence: "high",
            distractors: vec![],
        }
    }

    /// The truth of a connection that lives on.
    pub(crate) fn survives() -> Self {
        Self {
            cause: "none",
            family: "none",
            anchor: "undetermined",
            interval_s: None,
            tolerance_s: None,
            ended_by: "unknown",
            detected_by: None,
            setting: None,
            value: None,
            outcome: "cannot-say",
            ..Self::expiry(0)
        }
    }

    /// The truth of a clock that this end keeps, and ends a connection in the ordinary way.
    pub(crate) fn clock(
        (cause, family): (&'static str, &'static str),
        anchor: &'static str,
        seconds: f64,
        by: &'static str,
    ) -> Self {
        Self {
            anchor,
            interval_s: Some(seconds),
            tolerance_s: Some(1.0),
            signed_by: Some(if by == "client" { "client" } else { "server" }),
            ..Self::end_decided(cause, family, by)
        }
    }

    /// With the setting that is the clock.
    pub(crate) fn set(self, setting: &'static str, value: impl ToString) -> Self {
        Self { setting: Some(setting), value: Some(value.to_string()), ..self }
    }

    /// With causes that this evidence cannot tell from it.
    pub(crate) fn accept(self, accept: &[&'static str]) -> Self {
        Self { accept: accept.to_vec(), ..self }
    }

    /// The truth of an end that decided.
    pub(crate) fn end_decided(cause: &'static str, family: &'static str, by: &'static str) -> Self {
        Self {
            cause,
            family,
            anchor: "event",
            interval_s: None,
            tolerance_s: None,
            ended_by: by,
            signed_by: Some(by),
            detected_by: Some("peer-message"),
            setting: None,
            value: None,
            ..Self::expiry(0)
        }
    }
}
