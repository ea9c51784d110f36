//! Logs: to standard error, for people or for machines.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::cli::{Global, LogFormat};

/// Starts logging. A level alone is about lakehand; libraries then speak only of warnings.
pub(crate) fn start(global: &Global, default_level: &str) -> anyhow::Result<()> {
    let wanted = global.log.as_deref().unwrap_or(default_level);
    let filter = match wanted.parse::<tracing::level_filters::LevelFilter>() {
        // What the SDK warns of while it looks for credentials are whole answers of places that have none.
        Ok(level) => format!("warn,aws_config=error,lakehand={level}"),
        Err(_) => wanted.to_owned(),
    };
    let filter = EnvFilter::try_new(&filter).with_context(|| {
        format!("{wanted:?} is no filter for logs: use error, warn, info, debug, trace, or lakehand_pipeline=debug")
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match global.log_format {
        LogFormat::Human => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("start logging: {error}"))
}
