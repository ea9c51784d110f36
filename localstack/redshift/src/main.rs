//! The stand-in as a program of its own.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use lakehand_redshift_standin::{Isolation, Quota, S3Access, StandinOptions, start};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A stand-in for the Redshift Data API: speaks it over HTTP, and runs the statements on PostgreSQL.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// Where to listen.
    #[arg(long, env = "REDSHIFT_STANDIN_LISTEN", default_value = "127.0.0.1:5440")]
    listen: SocketAddr,
    /// How PostgreSQL is reached, by a user who may make databases: "host=127.0.0.1 port=5432 user=postgres dbname=postgres".
    #[arg(long, env = "REDSHIFT_STANDIN_POSTGRES", hide_env_values = true)]
    postgres: String,
    /// What the names of its databases begin with.
    #[arg(long, env = "REDSHIFT_STANDIN_INSTANCE", default_value = "redshift")]
    instance: String,
    /// Where S3 is, if it is not AWS's.
    #[arg(long, env = "REDSHIFT_STANDIN_S3_ENDPOINT")]
    s3_endpoint: Option<String>,
    /// The region; what the SDK finds where it is not given.
    #[arg(long, env = "REDSHIFT_STANDIN_REGION")]
    region: Option<String>,
    /// The isolation of transactions.
    #[arg(long, value_enum, default_value = "snapshot")]
    isolation: Level,
    /// Throttle requests as an account is: 30, 20 and 100 a second.
    #[arg(long)]
    quota: bool,
    /// Where the chance of fault switches begins.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    Snapshot,
    Serializable,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let running = start(options(arguments).await?).await.context("start the stand-in")?;
    let mut terminated = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        _ = terminated.recv() => tracing::info!("SIGTERM: stopping"),
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listen for SIGINT")?,
    }
    running.stop().await;
    Ok(())
}

async fn options(arguments: Arguments) -> anyhow::Result<StandinOptions> {
    let s3 = S3Access::found(arguments.s3_endpoint, arguments.region).await;
    let s3 = s3.context(
        "no region or no AWS credentials were found: give --region, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    )?;
    // The text is not shown: it may hold a password.
    let postgres =
        arguments.postgres.parse().map_err(|_| anyhow::anyhow!("--postgres is no connection configuration"))?;
    let mut options = StandinOptions::new(postgres, arguments.instance, s3);
    options.listen = arguments.listen;
    options.seed = arguments.seed;
    options.isolation = match arguments.isolation {
        Level::Snapshot => Isolation::Snapshot,
        Level::Serializable => Isolation::Serializable,
    };
    options.limits.quota = arguments.quota.then_some(Quota::ACCOUNT);
    Ok(options)
}
