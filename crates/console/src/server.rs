//! The HTTP server: four paths, all of them read only.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::{Metric, render};

/// What a worker says of itself at one moment.
#[derive(Debug, Clone)]
pub struct Status {
    /// What keeps it from taking work or from loading, each in words; none: it is ready.
    pub troubles: Vec<String>,
    /// What a person should know though it keeps the worker from nothing, each in words.
    pub notices: Vec<String>,
    /// Its numbers.
    pub metrics: Vec<Metric>,
    /// All of it, for machines.
    pub document: Value,
}

/// Who knows.
pub trait Source: Debug + Send + Sync {
    /// What is to be said now. Returns at once.
    fn status(&self) -> Status;
}

/// Answers on `listener` until `stop`. `/live`: the process answers. `/ready`: 200 while all is well, 503 with the
/// troubles otherwise. `/metrics`: for Prometheus. `/status`: JSON.
pub async fn serve(listener: TcpListener, source: Arc<dyn Source>, stop: CancellationToken) -> io::Result<()> {
    let router = Router::new()
        .route("/live", get(|| async { "lives\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(|State(source): State<Arc<dyn Source>>| async move { Json(source.status().document) }))
        .with_state(source);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn ready(State(source): State<Arc<dyn Source>>) -> impl IntoResponse {
    let Status { troubles, notices, .. } = source.status();
    if troubles.is_empty() {
        let lines: Vec<String> = std::iter::once("ready".to_owned()).chain(notices).collect();
        return (StatusCode::OK, lines.join("\n") + "\n");
    }
    (StatusCode::SERVICE_UNAVAILABLE, troubles.into_iter().chain(notices).collect::<Vec<_>>().join("\n") + "\n")
}

async fn metrics(State(source): State<Arc<dyn Source>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], render(&source.status().metrics))
}
