//! The logs of the lab's programs, written as programs in several languages write them: their
//! stamps, their levels, and their words for what the operating system reports.
//!
//! The words are the languages' own for these errors, as their standard libraries print them; what
//! happened and when comes from the run and is never made up.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use hopclock_core::time::Moment;
use jiff::Timestamp;

/// How a program logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Go's `log` package.
    Go,
    /// Go's `log/slog`, logfmt.
    GoSlog,
    /// Python's `logging`.
    Python,
    /// Java with Logback.
    Java,
    /// Node with pino: JSON lines.
    Node,
    /// Rust with `tracing`.
    Rust,
}

/// How a connection came to its end, as the program was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The peer said it has nothing more: end of file.
    Eof,
    /// ECONNRESET.
    Reset,
    /// EPIPE: written after the end.
    Pipe,
    /// Nothing came for as long as the program waits.
    Quiet,
    /// ETIMEDOUT: the operating system gave up.
    TimedOut,
    /// ECONNREFUSED.
    Refused,
    /// EHOSTUNREACH or ENETUNREACH.
    Unreachable,
    /// The program itself closed it.
    Own,
}

impl Broken {
    /// What an error of a socket means.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset => Self::Reset,
            io::ErrorKind::BrokenPipe => Self::Pipe,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::WouldBlock => Self::Quiet,
            _ => Self::Unreachable,
        }
    }
}

/// What a program says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said {
    /// It listens.
    Listening,
    /// A connection is open; client's end.
    Connected,
    /// A connection was taken; server's end.
    Accepted,
    /// Something came.
    Received(usize),
    /// A connection ended. `writing`: found out while sending.
    Ended(Broken, bool),
    /// It tries again.
    Reconnecting,
    /// A connection could not be opened.
    NotConnected(Broken),
    /// Something else, with its level: `info`, `error`.
    Note(&'static str, &'static str),
}

/// What a program's log told of its connections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ends {
    /// It opened, or took, so many.
    pub opened: u32,
    /// So many ended otherwise than it wanted.
    pub lost: u32,
    /// What it was told of the first of those, in its own words.
    pub first: Option<String>,
    /// Seconds from the opening of that one until it was told.
    pub lived_s: Option<f64>,
}

/// A log being written.
#[derive(Debug)]
pub(crate) struct Journal {
    style: Style,
    out: File,
    /// What it has told so far.
    pub ends: Ends,
    /// When each pair of ends was opened.
    opened: Vec<(SocketAddr, SocketAddr, Moment)>,
}

impl Style {
    const ALL: [Style; 6] =
        [Self::Go, Self::GoSlog, Self::Python, Self::Java, Self::Node, Self::Rust];

    /// Any of them.
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        Self::ALL[rng.usize(0..Self::ALL.len())]
    }

    fn stamp(self, at: Moment) -> String {
        let stamp = Timestamp::from_nanosecond(i128::from(at.ns())).unwrap_or_default();
        let told = |format: &str| stamp.strftime(format).to_string();
        match self {
            Self::Go => told("%Y/%m/%d %H:%M:%S%.6f"),
            Self::GoSlog => told("%Y-%m-%dT%H:%M:%S%.3fZ"),
            Self::Python => told("%Y-%m-%d %H:%M:%S") + &told(",%3N"),
            Self::Java => told("%Y-%m-%d %H:%M:%S%.3f"),
            Self::Node => (at.ns() / 1_000_000).to_string(),
            Self::Rust => told("%Y-%m-%dT%H:%M:%S%.6fZ"),
        }
    }

    /// The language's words for an error.
    fn error(self, broken: Broken, writing: bool, ends: &str) -> String {
        let verb = if writing { "write" } else { "read" };
        match self {
            Self::Go | Self::GoSlog => {
                let what = match broken {
                    Broken::Eof => return "unexpected EOF".to_owned(),
                    Broken::Own => return "context canceled".to_owned(),
                    Broken::Reset => "connection reset by peer",
                    Broken::Pipe => "broken pipe",
                    Broken::Quiet => return format!("{verb} tcp {ends}: i/o timeout"),
                    Broken::TimedOut => "connection timed out",
                    Broken::Refused => "connection refused",
                    Broken::Unreachable => "no route to host",
                };
                format!("{verb} tcp {ends}: {verb}: {what}")
            }
            Self::Python => match broken {
                Broken::Eof => "IncompleteReadError: 0 bytes read on a total of 4 expected bytes",
                Broken::Own => "CancelledError",
                Broken::Reset => "ConnectionResetError: [Errno 104] Connection reset by peer",
                Broken::Pipe => "BrokenPipeError: [Errno 32] Broken pipe",
                Broken::Quiet => "TimeoutError: timed out",
                Broken::TimedOut => "TimeoutError: [Errno 110] Connection timed out",
                Broken::Refused => "ConnectionRefusedError: [Errno 111] Connection refused",
                Broken::Unreachable => "OSError: [Errno 113] No route to host",
            }
            .to_owned(),
            Self::Java => match broken {
                Broken::Eof => "java.io.EOFException",
                Broken::Own => "java.util.concurrent.CancellationException",
                Broken::Reset => "java.net.SocketException: Connection reset",
                Broken::Pipe => "java.net.SocketException: Broken pipe",
                Broken::Quiet => "java.net.SocketTimeoutException: Read timed out",
                Broken::TimedOut => "java.net.SocketException: Connection timed out",
                Broken::Refused => "java.net.ConnectException: Connection refused",
                Broken::Unreachable => "java.net.NoRouteToHostException: No route to host",
            }
            .to_owned(),
            Self::Node => match broken {
                Broken::Eof => "socket hang up".to_owned(),
                Broken::Own => "aborted".to_owned(),
                Broken::Reset => format!("{verb} ECONNRESET"),
                Broken::Pipe => "write EPIPE".to_owned(),
                Broken::Quiet => "socket timed out".to_owned(),
                Broken::TimedOut => format!("{verb} ETIMEDOUT"),
                Broken::Refused => "connect ECONNREFUSED".to_owned(),
                Broken::Unreachable => "connect EHOSTUNREACH".to_owned(),
            },
            Self::Rust => match broken {
                Broken::Eof => "unexpected end of file",
                Broken::Own => "cancelled",
                Broken::Reset => "Connection reset by peer (os error 104)",
                Broken::Pipe => "Broken pipe (os error 32)",
                Broken::Quiet => "deadline has elapsed",
                Broken::TimedOut => "Connection timed out (os error 110)",
                Broken::Refused => "Connection refused (os error 111)",
                Broken::Unreachable => "No route to host (os error 113)",
            }
            .to_owned(),
        }
    }
}

impl Journal {
    /// Begins a log.
    pub(crate) fn begin(path: &Path, style: Style) -> io::Result<Self> {
        Ok(Self { style, out: File::create(path)?, ends: Ends::default(), opened: Vec::new() })
    }

    /// Writes a line of the connection between these ends.
    pub(crate) fn say(
        &mut self,
        at: Moment,
        said: Said,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> io::Result<()> {
        let ends = format!("{local}->{peer}");
        let (level, text, error) = match said {
            Said::Listening => ("info", format!("listening on {local}"), None),
            Said::Connected => ("info", format!("connected to {peer} from {local}"), None),
            Said::Accepted => ("info", format!("accepted connection from {peer}"), None),
            Said::Received(bytes) => ("debug", format!("received {bytes} bytes from {peer}"), None),
            Said::Ended(Broken::Own, _) => ("info", format!("closing connection to {peer}"), None),
            Said::Ended(Broken::Eof, _) if self.is_server(local, peer) => {
                ("info", format!("client {peer} closed the connection"), None)
            }
            Said::Ended(broken, writing) => {
                let error = self.style.error(broken, writing, &ends);
                ("error", format!("connection to {peer} lost"), Some(error))
            }
            Said::Reconnecting => ("info", format!("reconnecting to {peer}"), None),
            Said::NotConnected(broken) => {
                let error = self.style.error(broken, false, &ends);
                ("error", format!("cannot connect to {peer}"), Some(error))
            }
            Said::Note(level, text) => (level, text.to_owned(), None),
        };
        match said {
            Said::Connected | Said::Accepted => self.opened.push((local, peer, at)),
            Said::Ended(broken, _) if broken != Broken::Own && self.ends.lost == 0 => {
                let mut latest_first = self.opened.iter().rev();
                let opened = latest_first.find(|(l, p, _)| (*l, *p) == (local, peer));
                self.ends.lived_s = opened.map(|(.., opened)| at.since(*opened).secs_f64());
            }
            _ => {}
        }
        self.count(said, error.as_deref());
        let line = self.line(at, level, &text, error.as_deref());
        writeln!(self.out, "{line}")
    }

    fn count(&mut self, said: Said, error: Option<&str>) {
        match said {
            Said::Connected | Said::Accepted => self.ends.opened += 1,
            Said::Ended(Broken::Own, _) => {}
            Said::Ended(..) => {
                self.ends.lost += 1;
                let told = error.unwrap_or("the peer closed the connection");
                self.ends.first.get_or_insert(told.to_owned());
            }
            _ => {}
        }
    }

    /// The lower port is the service's.
    fn is_server(&self, local: SocketAddr, peer: SocketAddr) -> bool {
        local.port() < peer.port()
    }

    fn line(&self, at: Moment, level: &str, text: &str, error: Option<&str>) -> String {
        let stamp = self.style.stamp(at);
        let upper = level.to_uppercase();
        let with =
            |separator: &str| error.map_or(text.to_owned(), |e| format!("{text}{separator}{e}"));
        match self.style {
            Style::Go => format!("{stamp} {}", with(": ")),
            Style::GoSlog => {
                let error = error.map(|e| format!(" err={e:?}")).unwrap_or_default();
                format!("time={stamp} level={upper} msg={text:?}{error}")
            }
            Style::Python => format!("{stamp} {upper} stream: {}", with(": ")),
            Style::Java => {
                format!("{stamp} {upper:<5} [stream-1] c.e.s.StreamClient - {}", with(": "))
            }
            Style::Node => {
                let number = match level {
                    "debug" => 20,
                    "info" => 30,
                    _ => 50,
                };
                let mut line = serde_json::json!({ "level": number, "time": at.ns() / 1_000_000 });
                if let Some(error) = error {
                    line["err"] = serde_json::json!({ "type": "Error", "message": error });
                }
                line["msg"] = text.into();
                line.to_string()
            }
            Style::Rust => {
                let error = error.map(|e| format!(" error={e}")).unwrap_or_default();
                format!("{stamp} {upper:>5} stream: {text}{error}")
            }
        }
    }
}
