//! The binary `lakehand`: reads the command line, starts logging, runs one command, and ends with its exit code.

mod cli;
mod command;
mod compose;
mod context;
mod definitions;
mod failure;
mod key_lines;
mod output;
mod progress;
mod sample;
mod settings;
mod signal;
mod telemetry;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::failure::{Ending, Failure};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(ending) => ending.code(),
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<Ending, Failure> {
    telemetry::start(&cli.global, default_level(&cli.command)).map_err(|e| Failure::Asked(format!("{e:#}")))?;
    let current_folder = std::env::current_dir().context("find the current folder")?;
    let context = Context::new(cli.global, current_folder);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let ending = runtime.block_on(dispatch(&context, cli.command));
    // Work that blocks (a transform under way) is not waited for: nothing of it is visible.
    runtime.shutdown_background();
    ending
}

/// A daemon says what it does. Where a person watches a drain's progress, only what is wrong breaks in.
fn default_level(command: &Command) -> &'static str {
    match command {
        Command::Run(args) if args.is_endless() || !io::stderr().is_terminal() => "info",
        _ => "warn",
    }
}

async fn dispatch(context: &Context, command: Command) -> Result<Ending, Failure> {
    match command {
        Command::Demo(args) => Box::pin(command::demo::run(context, args)).await,
        Command::Run(args) => Box::pin(command::run::run(context, args)).await,
        Command::Check(args) => Box::pin(command::check::run(context, &args)).await,
        Command::Preview(args) => command::preview::run(context, args).await,
        Command::Infer(args) => command::infer::run(context, args).await,
        Command::Loads(args) => Box::pin(command::loads::run(context, args)).await,
        Command::Rejects(args) => Box::pin(command::rejects::run(context, args)).await,
        Command::Replay(args) => Box::pin(command::replay::run(context, args)).await,
        Command::Explain(args) => Box::pin(command::explain::run(context, args)).await,
        Command::Pause(args) => Box::pin(command::pause::pause(context, args)).await,
        Command::Resume(args) => Box::pin(command::pause::resume(context, args)).await,
        Command::Provision(args) => Box::pin(command::provision::run(context, args)).await,
        Command::Ready => command::ready::run(context).await,
        Command::Schema => command::schema::run(context),
        Command::Sample(args) => command::sample::run(context, &args).await,
    }
}
