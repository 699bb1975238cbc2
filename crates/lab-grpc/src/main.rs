//! hopclock-lab-grpc: a gRPC server and client in tonic, which `hopclock lab` starts in its
//! namespaces as it starts other people's servers.
//!
//! It decides nothing: what ends its connections is the library's doing, and its log holds the
//! library's words. It is a program of its own since a runtime and an HTTP/2 stack are much for a
//! tool that otherwise needs neither.
#![forbid(unsafe_code)]

mod serve;
mod text;
mod watch;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use tracing::error;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The method that streams.
const WATCH: &str = "/hopclock.lab.Events/Watch";
/// The method that answers.
const ASK: &str = "/hopclock.lab.Events/Ask";

/// Why it cannot go on.
type Refused = Box<dyn std::error::Error + Send + Sync>;

/// A gRPC server and client in tonic, for hopclock's lab.
#[derive(Debug, Parser)]
#[command(name = "hopclock-lab-grpc", version)]
enum Typed {
    /// Serve events until killed
    Serve(Serve),
    /// Watch events, and open the stream again whenever it ends
    Watch(Watch),
}

/// What the server is told.
#[derive(Args, Debug)]
struct Serve {
    /// Where it listens
    #[arg(long)]
    listen: SocketAddr,
    /// Seconds between two events
    #[arg(long, default_value_t = 0.25)]
    every: f64,
    /// tonic's max_connection_age, in seconds
    #[arg(long)]
    max_connection_age: Option<f64>,
    /// tonic's max_connection_age_grace, in seconds
    #[arg(long)]
    max_connection_age_grace: Option<f64>,
    /// tonic's http2_keepalive_interval, in seconds
    #[arg(long)]
    keepalive_interval: Option<f64>,
    /// tonic's http2_keepalive_timeout, in seconds
    #[arg(long)]
    keepalive_timeout: Option<f64>,
    /// What it logs, as tracing filters spell it
    #[arg(long, default_value = "info")]
    log: Targets,
}

/// What the client is told.
#[derive(Args, Debug)]
struct Watch {
    /// Whom it connects to
    #[arg(long)]
    to: SocketAddr,
    /// Ask now and then instead of watching, and rest this many seconds between
    #[arg(long)]
    ask: Option<f64>,
    /// An HTTP/2 PING every so many seconds, whatever else is said
    #[arg(long)]
    ping: Option<f64>,
    /// Seconds it waits for the answer to one
    #[arg(long)]
    ping_timeout: Option<f64>,
    #[command(flatten)]
    options: Options,
    /// Least seconds before it connects again
    #[arg(long, default_value_t = 0.2)]
    pause: f64,
    /// What its pauses are drawn from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How it prints an error of the library
    #[arg(long, default_value = "display")]
    told: Told,
    /// What it logs, as tracing filters spell it
    #[arg(long, default_value = "info")]
    log: Targets,
}

/// Options of its sockets.
#[derive(Args, Clone, Copy, Debug)]
struct Options {
    /// TCP keepalive after so many seconds of silence, and as often
    #[arg(long)]
    tcp_keepalive: Option<f64>,
    /// TCP_USER_TIMEOUT, in seconds
    #[arg(long)]
    user_timeout: Option<f64>,
}

/// How an error is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Told {
    /// `{}`
    Display,
    /// `{:?}`
    Debug,
    /// Each with its cause
    Chain,
}

/// Seconds as a duration; below zero is none.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn main() -> ExitCode {
    let typed = Typed::parse();
    let (Typed::Serve(Serve { log, .. }) | Typed::Watch(Watch { log, .. })) = &typed;
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines).with(log.clone()).init();
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let done = built.map_err(Refused::from).and_then(|runtime| {
        runtime.block_on(async {
            match &typed {
                Typed::Serve(typed) => serve::serve(typed).await,
                Typed::Watch(typed) => watch::watch(typed).await,
            }
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            error!("{why}");
            ExitCode::FAILURE
        }
    }
}
