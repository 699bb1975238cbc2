//! What can be typed after `hopclock map`.

use super::{Format, OwnClocks, duration};
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// `hopclock map`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock map init app.json egress-1.json upstream.json > hops.toml
  hopclock map lint hops.toml
  hopclock map diff hops.toml egress-1.tonight.json

A map is one file, hops.toml: hops with their timers (from a snapshot, from the
catalogue, or somebody's word) and the paths through them. Its form, field by
field, and every rule of lint: docs/map.md.")]
pub struct Map {
    /// What to do with a map.
    #[command(subcommand)]
    pub deed: MapDeed,
}

/// What can be done with a map.
#[derive(Debug, Subcommand)]
pub enum MapDeed {
    /// Print a first hops.toml, made from snapshots
    Init(MapInit),
    /// Check the order of timers along each path
    Lint(MapLint),
    /// Tell what has changed since
    Diff(MapDiff),
    /// Tell what will end a path's connections, when, and what the ends will see
    Forecast(MapForecast),
    /// Draw it: SVG that prints on A4 to A0, or Mermaid
    Draw(MapDraw),
    /// Print the JSON Schema of hops.toml, for an editor
    #[command(after_help = "Examples:
  hopclock map schema > hops.schema.json

With `#:schema ./hops.schema.json` as the first line of hops.toml, editors that
know TOML (taplo, Even Better TOML) complete and check it.")]
    Schema,
}

/// `hopclock map init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock map init app.json egress-1.json upstream.json > hops.toml

Name the snapshots in the order of the path: who opens connections first, who
accepts them last. What was guessed is marked in the file.")]
pub struct MapInit {
    /// Documents that `hopclock snapshot` printed, in the order of the path
    #[arg(required = true, value_name = "SNAPSHOT")]
    pub snapshots: Vec<PathBuf>,
}

/// `hopclock map lint`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock map lint hops.toml
  hopclock map lint --format json hops.toml
  hopclock map lint --rules

A finding that may stay is accepted in the file, with its reason:
[[accept]] rule = \"age-unplanned\" path = \"events\" reason = \"…\"")]
pub struct MapLint {
    /// The map
    #[arg(value_name = "HOPS.TOML", required_unless_present = "rules")]
    pub hops: Option<PathBuf>,
    /// Print the rules and what each asks for
    #[arg(long, conflicts_with = "hops")]
    pub rules: bool,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// The site's own timers
    #[command(flatten)]
    pub own: OwnClocks,
}

/// `hopclock map diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock map diff hops.toml egress-1.tonight.json   a map against its hosts
  hopclock map diff old.json new.json                 a host against itself
  hopclock map diff last-week/hops.toml hops.toml     two maps

Beside a map, a snapshot stands for the hop whose own snapshot is of a host of
that name.")]
pub struct MapDiff {
    /// As it was: a hops.toml or a snapshot
    #[arg(value_name = "BEFORE")]
    pub before: PathBuf,
    /// As it is: a hops.toml, a snapshot, or several snapshots beside a map
    #[arg(value_name = "AFTER", required = true)]
    pub after: Vec<PathBuf>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// The site's own timers
    #[command(flatten)]
    pub own: OwnClocks,
}

/// `hopclock map forecast`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock map forecast hops.toml
  hopclock map forecast hops.toml --path events --silent 10m --first server")]
pub struct MapForecast {
    /// The map
    #[arg(value_name = "HOPS.TOML")]
    pub hops: PathBuf,
    /// This path only
    #[arg(long, value_name = "NAME")]
    pub path: Option<String>,
    /// Suppose silences of up to this long: 60s, 5m, 12h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub silent: Option<Duration>,
    /// Suppose that this end speaks first after a silence
    #[arg(long, value_enum)]
    pub first: Option<SideWord>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// The site's own timers
    #[command(flatten)]
    pub own: OwnClocks,
}

/// `hopclock map draw`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hopclock map draw hops.toml > map.svg
  hopclock map draw hops.toml --wall --paper a2 > wall.svg
  hopclock map draw hops.toml --format mermaid

A box is a hop with its clocks, a line a step of a path; thick walls say that
TCP ends there. A sign says how each value is known. --wall adds what restarts
each timer, how it ends and where it was read: the sheet for the wall.")]
pub struct MapDraw {
    /// The map
    #[arg(value_name = "HOPS.TOML")]
    pub hops: PathBuf,
    /// What to draw it as
    #[arg(long, value_enum, default_value_t = DrawFormat::Svg)]
    pub format: DrawFormat,
    /// The sheet it is for, upright or lying as it fits
    #[arg(long, value_enum)]
    pub paper: Option<PaperWord>,
    /// Everything known of each timer
    #[arg(long)]
    pub wall: bool,
    /// This path only
    #[arg(long, value_name = "NAME")]
    pub path: Option<String>,
    /// The site's own timers
    #[command(flatten)]
    pub own: OwnClocks,
}

/// What a map is drawn as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DrawFormat {
    /// A picture
    Svg,
    /// Text that GitHub, GitLab and others draw
    Mermaid,
}

/// A sheet of paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PaperWord {
    /// 210 by 297 mm
    A4,
    /// 297 by 420 mm
    A3,
    /// 420 by 594 mm
    A2,
    /// 594 by 841 mm
    A1,
    /// 841 by 1189 mm
    A0,
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SideWord {
    /// Who opened it
    Client,
    /// Who accepted it
    Server,
}
