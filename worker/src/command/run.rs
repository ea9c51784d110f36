//! `lakehand run`: the daemon.

mod letters;
mod redrive;
mod report;
mod status;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lakehand_daemon::{Daemon, Mode, RunReport, Snapshot};
use lakehand_domain::clock::Clock;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cli::RunArgs;
use crate::compose;
use crate::context::Context;
use crate::definitions;
use crate::failure::{Ending, Failure, say};
use crate::output::{number, plural};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::signal::Signals;

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Drained {
    /// By itself, or by a drain that was asked for.
    Report(RunReport),
    /// At once, by a second signal.
    Stopped(Ending),
}

/// Runs the daemon until it is stopped, or until nothing is left to do.
pub(crate) async fn run(context: &Context, args: RunArgs) -> Result<Ending, Failure> {
    if args.replay_dead_letters {
        return Box::pin(letters::replay(context, &args.letters)).await;
    }
    if args.redrive_all {
        return redrive::redrive_all(context).await;
    }
    let mode = if args.drain { Mode::Drain } else { Mode::Forever };
    let report = match Box::pin(work(context, mode, true)).await? {
        Drained::Report(report) => report,
        Drained::Stopped(ending) => return Ok(ending),
    };
    if context.output.is_json() {
        context.output.json_line(&report::Told::of(&report))?;
    } else {
        context.output.text(&report::render(&report))?;
    }
    // A daemon that was told to stop has done so; what it set aside was told as it happened.
    Ok(if args.drain && !report.is_clean() { Ending::FilesFailed } else { Ending::Well })
}

/// Runs the daemon until nothing is left to do, and prints nothing of it on standard output.
pub(crate) async fn drain(context: &Context) -> Result<Drained, Failure> {
    Box::pin(work(context, Mode::Drain, false)).await
}

async fn work(context: &Context, mode: Mode, tells: bool) -> Result<Drained, Failure> {
    let settings = context.settings()?;
    let catalog = definitions::catalog(context, &settings)?;
    // From here on a signal drains, so that nothing that was begun is left in the middle.
    let signals = Signals::listen()?;
    let ports = compose::ports(&settings, catalog).await?;
    // A drain lists what is there; it waits for nothing to appear.
    let watch = match mode {
        Mode::Drain => None,
        Mode::Forever => compose::watch(&settings, &ports.catalog).await?,
    };
    let worker = ports.identity.worker().to_string();
    if tells {
        let datasets: Vec<String> = ports.catalog.iter().map(|dataset| dataset.id.to_string()).collect();
        tell_start(context, &settings, &datasets, &worker)?;
    }
    let clock = Arc::clone(&ports.clock);
    let daemon = Daemon::new(ports, settings.daemon.clone(), watch);
    let shutdown = CancellationToken::new();
    let progress = Progress::spinner(mode == Mode::Drain);
    let showing = show(daemon.snapshot(), &progress, clock.as_ref());
    let newest = status::Newest { worker, snapshot: daemon.snapshot(), clock: Arc::clone(&clock) };
    let told = tell_over_http(&settings, newest).await?;
    tokio::pin!(told);
    let running = Box::pin(daemon.run(mode, shutdown.clone()));
    let report = tokio::select! {
        report = running => report,
        ending = signals.drain(shutdown, settings.daemon.drain_deadline) => {
            progress.end();
            return Ok(Drained::Stopped(ending));
        }
        never = showing => match never {},
        failed = &mut told => return Err(Failure::Outside(failed)),
    };
    progress.end();
    let report = report.map_err(|error| Failure::Outside(error.into()))?;
    Ok(Drained::Report(report))
}

/// Says over HTTP how the worker does, where a port is set. Ends only by failing.
async fn tell_over_http(
    settings: &Settings,
    newest: status::Newest,
) -> anyhow::Result<impl Future<Output = anyhow::Error>> {
    let listener = match settings.http_listen {
        Some(address) => {
            let bound = TcpListener::bind(address).await;
            Some(bound.with_context(|| format!("listen on {address} (http.listen)"))?)
        }
        None => None,
    };
    Ok(async move {
        let Some(listener) = listener else { return std::future::pending().await };
        let ended = lakehand_console::serve(listener, Arc::new(newest), CancellationToken::new()).await;
        ended.err().map_or_else(|| anyhow::anyhow!("the HTTP server ended"), Into::into)
    })
}

/// One line that says what is watched, and where everything lies.
fn tell_start(context: &Context, settings: &Settings, datasets: &[String], worker: &str) -> anyhow::Result<()> {
    if context.output.is_json() {
        return context.output.json_line(&json!({
            "event": "started",
            "worker": worker,
            "datasets": datasets,
            "landing": settings.landing.to_string(),
            "lake": settings.lake.to_string(),
            "queue": settings.queue.to_string(),
            "ledger": settings.ledger.to_string(),
            "warehouse": settings.warehouse.to_string(),
        }));
    }
    say(&format!(
        "lakehand: {} ({}) from {} into lake {} and warehouse {}; ledger {}; worker {worker}",
        plural(datasets.len() as u64, "dataset"),
        datasets.join(", "),
        settings.landing,
        settings.lake,
        settings.warehouse,
        settings.ledger,
    ));
    Ok(())
}

/// Shows where the daemon is, for as long as it is not dropped.
async fn show(mut snapshots: watch::Receiver<Snapshot>, progress: &Progress, clock: &dyn Clock) -> Infallible {
    while progress.is_visible() && snapshots.changed().await.is_ok() {
        let line = progress_line(&snapshots.borrow_and_update());
        progress.say(line);
        // More often than this nobody can read it.
        clock.sleep(Duration::from_millis(100)).await;
    }
    std::future::pending().await
}

fn progress_line(snapshot: &Snapshot) -> String {
    let tally = &snapshot.tally;
    let mut line = format!(
        "{}: {} in the lake, {} loaded, {} set aside",
        snapshot.phase.as_str(),
        number(tally.written),
        number(tally.loaded),
        number(tally.set_aside_total()),
    );
    if let Some(depth) = &snapshot.queue {
        line = format!("{line}, {} queued", number(depth.total()));
    }
    if let Some(file) = snapshot.working.first() {
        let name = file.object.rsplit('/').next().unwrap_or(&file.object);
        line = format!("{line}; {} {name}", file.stage);
    }
    line
}
