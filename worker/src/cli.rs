//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXIT_CODES: &str = "\
Exit codes:
  0   all is well
  1   some files failed (run --drain, run --replay-dead-letters, preview, infer), or nothing is known (explain)
  2   the command line is wrong
  64  settings or definitions are wrong
  70  something outside failed (a folder, a database, the disk), or it was stopped at once by a second signal";

/// Turns every file that lands into clean Parquet in a lake and rows in a warehouse, exactly once.
#[derive(Debug, Parser)]
#[command(name = "lakehand", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The settings file. Default: lakehand.toml in the current folder, if there is one.
    #[arg(long, global = true, value_name = "FILE", env = "LAKEHAND_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, over file and environment: --set intake.concurrency=4. May be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// What commands print: tables for people, JSON for machines.
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// What is logged: error, warn, info, debug, trace, or a filter such as lakehand_pipeline=debug. Default: info for
    /// run, warn otherwise.
    #[arg(long, global = true, value_name = "FILTER", env = "LAKEHAND_LOG")]
    pub(crate) log: Option<String>,
    /// How it is logged, on standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Human, env = "LAKEHAND_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
}

/// What commands print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables a person can read.
    Table,
    /// One JSON document; for run, one JSON document a line.
    Json,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole thing on this machine: no cloud, no account, sample data.
    Demo(DemoArgs),
    /// Process what lands, until stopped.
    Run(RunArgs),
    /// Check settings, definitions and whether everything can be reached: every problem at once.
    Check(CheckArgs),
    /// Put one local file through a dataset and show what comes out. Writes nothing.
    Preview(PreviewArgs),
    /// Print a first dataset definition made from a sample file.
    Infer(InferArgs),
    /// List what became of files, the newest first.
    Loads(LoadsArgs),
    /// Say why a file was loaded, or why not, and account for each of its records.
    Explain(ExplainArgs),
    /// Show which records were rejected, by which rule, where, and what they held.
    Rejects(RejectsArgs),
    /// Process files again: after a fix, or under a new definition. What is loaded of them is replaced.
    Replay(ReplayArgs),
    /// Pause loading, on all replicas: files go on becoming Parquet in the lake, and wait there.
    Pause(PauseArgs),
    /// Resume loading.
    Resume(ResumeArgs),
    /// Make what the settings name in AWS: queues, notifications, the ledger's table. What is there stays as it is.
    Provision(ProvisionArgs),
    /// Ask the worker of this machine whether it is well, for health checks: 0 it is, 1 it says what is wrong.
    Ready,
    /// Print the JSON Schema of dataset definitions, for editors.
    Schema,
    /// Write sample files of the demo's kind, for trying and measuring.
    #[command(hide = true)]
    Sample(SampleArgs),
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Say too what the first load under these definitions would change in the warehouse, without changing anything;
    /// what cannot be changed is a problem.
    #[arg(long)]
    pub(crate) against_warehouse: bool,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where everything of the demo lies.
    #[arg(long, value_name = "FOLDER", default_value = "./lakehand-demo")]
    pub(crate) folder: PathBuf,
    /// How many hourly files are made.
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) files: u32,
    /// Go on with what an earlier demo left in the folder, instead of starting anew.
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Work until the queue is empty and everything written is loaded, then stop.
    #[arg(long)]
    pub(crate) drain: bool,
    /// Replay dead letters instead: each file that was set aside is begun again, then stop. What has gone on since stays
    /// as it is.
    #[arg(long, conflicts_with = "drain")]
    pub(crate) replay_dead_letters: bool,
    /// Which of them.
    #[command(flatten)]
    pub(crate) letters: LetterArgs,
    /// Have the queue's service move all dead letters back to the queue, where it can, and wait until it has.
    #[arg(long, conflicts_with_all = ["drain", "replay_dead_letters"])]
    pub(crate) redrive_all: bool,
}

impl RunArgs {
    /// Whether it goes on until it is stopped.
    pub(crate) fn is_endless(&self) -> bool {
        !(self.drain || self.replay_dead_letters || self.redrive_all)
    }
}

/// A flag that is required is not asked for where another excludes it: that other one has to exclude this one too.
const NOT_WITH_LETTERS: [&str; 2] = ["drain", "redrive_all"];

/// Which dead letters `run --replay-dead-letters` replays.
#[derive(Debug, Args)]
#[command(next_help_heading = "With --replay-dead-letters")]
pub(crate) struct LetterArgs {
    /// Only files of this dataset.
    #[arg(long, short, value_name = "NAME", requires = "replay_dead_letters", conflicts_with_all = NOT_WITH_LETTERS)]
    pub(crate) dataset: Option<String>,
    /// Only what was set aside since: a duration such as 24h, or an instant such as 2026-11-21T08:00:00Z.
    #[arg(long, value_name = "WHEN", requires = "replay_dead_letters", conflicts_with_all = NOT_WITH_LETTERS)]
    pub(crate) since: Option<String>,
    /// Only what was set aside before.
    #[arg(long, value_name = "WHEN", requires = "replay_dead_letters", conflicts_with_all = NOT_WITH_LETTERS)]
    pub(crate) until: Option<String>,
    /// Only what was set aside for this reason, such as too_many_rejects; raw: what the queue itself gave up.
    #[arg(long, value_name = "KIND", requires = "replay_dead_letters", conflicts_with_all = NOT_WITH_LETTERS)]
    pub(crate) reason: Option<String>,
    /// At most this many letters.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10_000, requires = "replay_dead_letters", conflicts_with_all = NOT_WITH_LETTERS, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// Show what would be replayed and change nothing.
    #[arg(long, requires = "replay_dead_letters", conflicts_with_all = NOT_WITH_LETTERS)]
    pub(crate) dry_run: bool,
}

/// Arguments of `preview`.
#[derive(Debug, Args)]
pub(crate) struct PreviewArgs {
    /// The name of a dataset of the datasets folder, or the path of a definition (.toml).
    pub(crate) dataset: String,
    /// The local file.
    pub(crate) file: PathBuf,
    /// How many rows of each table, and how many rejects, are shown.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) rows: usize,
}

/// Arguments of `infer`.
#[derive(Debug, Args)]
pub(crate) struct InferArgs {
    /// The sample: jsonl or csv, plain or compressed.
    pub(crate) file: PathBuf,
    /// The name of the dataset. Default: from the file's name.
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// Arguments of `loads`.
#[derive(Debug, Args)]
pub(crate) struct LoadsArgs {
    /// Only of this dataset.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
    /// Only in this state.
    #[arg(long, short, value_enum)]
    pub(crate) state: Option<State>,
    /// Only what changed since: a duration such as 24h, or an instant such as 2026-11-21T08:00:00Z.
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
    /// At most this many.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

/// A state of the ledger, as a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum State {
    /// Being read, or waiting to be again.
    Claimed,
    /// Its Parquet is in the lake; it waits to be loaded.
    Written,
    /// Its rows are in the warehouse.
    Loaded,
    /// It cannot succeed as it is.
    #[value(alias = "set-aside")]
    SetAside,
}

/// Arguments of `rejects`.
#[derive(Debug, Args)]
pub(crate) struct RejectsArgs {
    /// Only of this object: a URI, a local path, or a path below the landing.
    pub(crate) object: Option<String>,
    /// Only of this dataset.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
    /// Only of files that changed since: a duration such as 24h, or an instant such as 2026-11-21T08:00:00Z.
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
    /// Only what broke this rule: type, required, syntax, …
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<String>,
    /// Only what is wrong in this column, as `column` or `table.column`.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) column: Option<String>,
    /// One by one, with the raw records, instead of counts.
    #[arg(long)]
    pub(crate) list: bool,
    /// At most this many of them.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// All of them into this file, a JSON document a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The objects: URIs, local paths, or paths below the landing.
    #[arg(required_unless_present_any = ["dataset", "with_rejects", "set_aside", "older_definition"])]
    pub(crate) objects: Vec<String>,
    /// Files of this dataset.
    #[arg(long, short, value_name = "NAME", conflicts_with = "objects")]
    pub(crate) dataset: Option<String>,
    /// Only files with rejected records.
    #[arg(long, conflicts_with = "objects")]
    pub(crate) with_rejects: bool,
    /// Only files that are set aside.
    #[arg(long, conflicts_with = "objects")]
    pub(crate) set_aside: bool,
    /// Only files of another definition than the one in the datasets folder.
    #[arg(long, conflicts_with = "objects")]
    pub(crate) older_definition: bool,
    /// Only files that changed since: a duration such as 24h, or an instant such as 2026-11-21T08:00:00Z.
    #[arg(long, value_name = "WHEN", conflicts_with = "objects")]
    pub(crate) since: Option<String>,
    /// Only files that changed before.
    #[arg(long, value_name = "WHEN", conflicts_with = "objects")]
    pub(crate) until: Option<String>,
    /// Only say which.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `pause`.
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// Only of this dataset. Default: of all.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
    /// For how long, such as 2h. Default: until it is resumed.
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) length: Option<String>,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// Only of this dataset. Default: the pause of all.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The object: a URI, a local path, or a path below the landing.
    pub(crate) object: String,
}

/// Arguments of `provision`.
#[derive(Debug, Args)]
pub(crate) struct ProvisionArgs {
    /// Make the buckets too, where they are missing.
    #[arg(long)]
    pub(crate) create_buckets: bool,
    /// Only say what is missing or different.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `sample`.
#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    /// Where hourly zips are written.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Into the landing of the settings instead of a folder.
    #[arg(long, conflicts_with_all = ["folder", "jsonl"])]
    pub(crate) land: bool,
    /// How many hourly zips.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) files: u32,
    /// Lines of each zip.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) lines: u32,
    /// How many of a hundred lines are dirty.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) dirt: u32,
    /// The number of the zip, from 0, that is torn.
    #[arg(long, value_name = "N")]
    pub(crate) corrupt: Option<u32>,
    /// The same seed gives the same files.
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) seed: u64,
    /// One file of lines instead of zips.
    #[arg(long, value_name = "FILE")]
    pub(crate) jsonl: Option<PathBuf>,
    /// How large that file is to be.
    #[arg(long, value_name = "SIZE", default_value = "100MB")]
    pub(crate) bytes: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
