//! The HTTP server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::api::error::ApiError;
use crate::database::{Target, Warehouse};
use crate::faults::{Faults, Rule};
use crate::options::StandinOptions;
use crate::service::Service;
use crate::severable::{Sever, SeverableListener};
use crate::statement::Statement;

/// The largest body that is read: forty statements of 100 KB, and what JSON makes of them.
const LARGEST_BODY: usize = 16 << 20;

/// Why the stand-in does not start, or does not stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum StandinError {
    /// The address cannot be listened at.
    #[error("listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// PostgreSQL cannot be reached, or does not do as it is told.
    #[error("reach PostgreSQL")]
    Postgres(#[source] tokio_postgres::Error),
}

/// A stand-in that runs. It stops when `stop` is called, not when this is dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    service: Arc<Service>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint to give to the SDK.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The name in PostgreSQL of a workgroup's or cluster's database.
    pub fn database(&self, warehouse: &str, database: &str) -> String {
        self.service.databases.name(&target(warehouse, database))
    }

    /// Keeps a database as it is now, as a snapshot of the cluster does; statements that run in it fail.
    pub async fn save(&self, warehouse: &str, database: &str) -> Result<(), StandinError> {
        self.service.databases.save(&target(warehouse, database)).await.map_err(StandinError::Postgres)
    }

    /// Makes a database what it was when it was saved; statements that run in it fail.
    pub async fn restore(&self, warehouse: &str, database: &str) -> Result<(), StandinError> {
        self.service.databases.restore(&target(warehouse, database)).await.map_err(StandinError::Postgres)
    }

    /// Pauses all clusters and workgroups, or resumes them. While they are paused no statement is taken; those that run go
    /// on.
    pub fn pause(&self, paused: bool) {
        self.service.paused.store(paused, Ordering::SeqCst);
    }

    /// How many requests there were, by operation.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.service.meter.requests()
    }

    /// The statements that are remembered, the oldest first.
    pub fn ran(&self) -> Vec<Ran> {
        let mut all: Vec<Ran> =
            self.service.registry.newest_first().into_iter().map(|(_, statement)| Ran::of(&statement)).collect();
        all.reverse();
        all
    }

    /// The fault switches.
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// Ends what runs and stops. The databases stay.
    pub async fn stop(self) {
        self.service.stop.cancel();
        for (_, statement) in self.service.registry.newest_first() {
            statement.cancel.cancel();
        }
        match self.server.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the server ended"),
            Err(error) => tracing::warn!(%error, "the server's task ended"),
        }
        self.service.sessions.clear();
        self.service.databases.close();
        self.service.tasks.close();
        self.service.tasks.wait().await;
    }

    /// Stops, and removes the databases that this stand-in has made or found.
    pub async fn stop_and_remove(self) -> Result<(), StandinError> {
        let service = Arc::clone(&self.service);
        self.stop().await;
        service.databases.remove().await.map_err(StandinError::Postgres)
    }
}

/// Where the name of a workgroup and that of a cluster are the same database to PostgreSQL, either will do.
fn target(warehouse: &str, database: &str) -> Target {
    Target { warehouse: Warehouse::Workgroup(warehouse.to_owned()), database: database.to_owned() }
}

/// A statement, or a batch of them, as it ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its number.
    pub id: String,
    /// The name it was given.
    pub name: Option<String>,
    /// The statements.
    pub sqls: Vec<String>,
    /// Whether it came as a batch.
    pub batch: bool,
    /// How it stands, as DescribeStatement tells it.
    pub status: String,
    /// How long it ran, once it has ended.
    pub duration: Option<Duration>,
}

impl Ran {
    fn of(statement: &Statement) -> Self {
        let progress = statement.now();
        let nanos = u64::try_from(progress.duration()).ok();
        Self {
            id: statement.id.clone(),
            name: statement.asked.name.clone(),
            sqls: statement.asked.sqls.clone(),
            batch: statement.asked.batch.is_some(),
            status: json!(progress.state).as_str().unwrap_or_default().to_owned(),
            duration: nanos.map(Duration::from_nanos),
        }
    }
}

/// Starts a stand-in in the background of this runtime.
pub async fn start(options: StandinOptions) -> Result<Running, StandinError> {
    let listen = |source| StandinError::Listen { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let service = Arc::new(Service::new(&options));
    service.databases.check().await.map_err(StandinError::Postgres)?;
    let router = Router::new()
        .route("/", post(call))
        .route("/_standin/health", get(|| async { Json(json!({ "status": "ok" })) }))
        .route("/_standin/faults", get(faults).put(set_faults).delete(clear_faults))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Arc::clone(&service));
    let stop = service.stop.clone();
    let server = service.tasks.spawn(async move {
        axum::serve(SeverableListener(listener), router.into_make_service_with_connect_info::<Sever>())
            .with_graceful_shutdown(async move { stop.cancelled().await })
            .await
    });
    tracing::info!(%address, instance = options.instance, "the Redshift stand-in listens");
    Ok(Running { address, service, server })
}

async fn call(
    State(service): State<Arc<Service>>,
    ConnectInfo(sever): ConnectInfo<Sever>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let Some(operation) = target.strip_prefix("RedshiftData.") else {
        let error = ApiError::new("UnknownOperationException", format!("X-Amz-Target is {target:?}"));
        return answered(&service, Err(error));
    };
    let outcome = service.call(operation, &body).await;
    if outcome.lost {
        sever.cut();
    }
    answered(&service, outcome.answer)
}

fn answered(service: &Service, answer: Result<Value, ApiError>) -> Response {
    let request_id = service.registry.next_id();
    let kind = [(header::CONTENT_TYPE.as_str(), "application/x-amz-json-1.1"), ("x-amzn-requestid", &request_id)];
    match answer {
        Ok(answer) => (kind, answer.to_string()).into_response(),
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, kind, error.body().to_string()).into_response()
        }
    }
}

async fn faults(State(service): State<Arc<Service>>) -> Json<Value> {
    Json(json!({ "rules": service.faults.fired(), "fired": service.faults.total() }))
}

async fn set_faults(State(service): State<Arc<Service>>, Json(rules): Json<Vec<Rule>>) -> Json<Value> {
    service.faults.set(rules);
    faults(State(service)).await
}

async fn clear_faults(State(service): State<Arc<Service>>) -> Json<Value> {
    service.faults.clear();
    faults(State(service)).await
}
