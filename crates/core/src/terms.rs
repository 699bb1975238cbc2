//! The words of the published contract: each means one thing in every document hopclock prints.

use serde::{Deserialize, Serialize};

/// What a clock counts from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anchor {
    /// From the moment the connection opened; traffic changes nothing.
    Open,
    /// A time of day.
    Wall,
    /// A loop that sleeps, or an undisciplined clock: periodic, but tied to no connection.
    FreeRunning,
    /// From the last packet of any kind.
    Idle,
    /// From the last application data; keepalive probes do not restart it.
    IdleApp,
    /// From an unanswered probe or segment.
    Probe,
    /// A number of requests, not a time.
    Count,
    /// Something that happened to many connections at once.
    Event,
    /// No clock: independent of age, time of day and silence.
    Random,
    /// Several of these at once.
    Mixed,
    /// The evidence cannot tell.
    Undetermined,
}

/// Who decided that the connection should end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndedBy {
    /// The client's program or kernel.
    Client,
    /// The server's program or kernel.
    Server,
    /// Something between that terminates TCP.
    Proxy,
    /// Something between that only tracks flows.
    Middlebox,
    /// Not established.
    Unknown,
}

/// One of the two ends of a connection, named by who opened it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The end that opened the connection.
    Client,
    /// The end that accepted it.
    Server,
}

impl Side {
    /// The other end.
    pub const fn peer(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// How the victim noticed, when that is not the cause.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DetectedBy {
    /// A FIN, a reset or a protocol message arrived by itself.
    PeerMessage,
    /// The victim's own next use was answered by a reset or an error.
    NextUse,
    /// Data went unacknowledged until the sender gave up.
    RetransmissionTimeout,
    /// TCP keepalive probes went unanswered.
    Keepalive,
    /// The application protocol's heartbeat was missed.
    Heartbeat,
}

/// How sure the inquest is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// One cause holds at least 0.80 and four times the next.
    Named,
    /// The shortest list that holds 0.80 has at most three causes.
    Narrowed,
    /// Neither.
    CannotSay,
}

/// Where on the path a piece of evidence was taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The host that opened the connection.
    Client,
    /// A stateful box between the ends.
    Hop,
    /// The host that accepted it.
    Server,
}

/// What kind of sender behaviour a reset's shape shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetKind {
    /// A stack without such a socket answered a segment (RFC 9293 §3.10.7.1).
    NoSocket,
    /// A live socket was aborted: unread data, `SO_LINGER` 0, a killed program.
    Abort,
    /// An answer to data that came after the socket was closed.
    AfterClose,
    /// The answer to a SYN nobody listens for.
    Refused,
    /// The shape does not tell.
    Unknown,
}

/// Where a reset came from, as far as its marks tell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The host whose address it carries.
    Endpoint,
    /// A box on the path.
    Hop,
    /// Somebody beside the path.
    ThirdParty,
    /// The marks do not tell.
    Unknown,
}

/// Whether a reset's marks agree with the address it carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// Every mark looked at agrees.
    Consistent,
    /// Some mark disagrees, with an innocent explanation at hand.
    Doubtful,
    /// Marks disagree in a way no genuine sender produces.
    Forged,
}
