//! What the stand-in is told at start.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};

use crate::clock::{Clock, SystemClock};

/// How the stand-in is set up.
#[derive(Debug, Clone)]
pub struct StandinOptions {
    /// Where it listens; port 0 for one that is free.
    pub listen: SocketAddr,
    /// How PostgreSQL is reached, by a user who may make databases.
    pub postgres: tokio_postgres::Config,
    /// What the names of this instance's databases begin with: instances of other names do not see them, one of the same
    /// name finds them again.
    pub instance: String,
    /// How COPY reads from S3.
    pub s3: S3Access,
    /// Which isolation transactions have.
    pub isolation: Isolation,
    /// What the service allows.
    pub limits: Limits,
    /// Where chance begins that fault switches ask for.
    pub seed: u64,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl StandinOptions {
    /// The same for a local cloud, whose S3 takes any key: databases whose names begin with `redshift`.
    pub fn on(postgres: &str, s3_endpoint: &str) -> Result<Self, tokio_postgres::Error> {
        let s3 = S3Access::fixed(s3_endpoint, "eu-central-1", "test", "test");
        Ok(Self::new(postgres.parse()?, "redshift", s3))
    }

    /// On loopback, at a port that is free, with Redshift's defaults.
    pub fn new(postgres: tokio_postgres::Config, instance: impl Into<String>, s3: S3Access) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            postgres,
            instance: instance.into(),
            s3,
            isolation: Isolation::Snapshot,
            limits: Limits::default(),
            seed: 0,
            clock: Arc::new(SystemClock),
        }
    }
}

/// How transactions see each other. PostgreSQL's levels stand for Redshift's of nearly the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// What new clusters and workgroups have: each transaction sees one state; write skew is possible.
    #[default]
    Snapshot,
    /// What older clusters have: a transaction that could not have run alone fails with 1023.
    Serializable,
}

/// What the service allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Statements that are submitted, picked or started at once.
    pub active_statements: usize,
    /// Sessions that are kept at once. Each has a connection to PostgreSQL, which has fewer than Redshift has sessions.
    pub active_sessions: usize,
    /// Statements that run at once; others wait, submitted. Each has a connection to PostgreSQL.
    pub connections: usize,
    /// How long a client token is remembered.
    pub token_lifetime: Duration,
    /// How long a finished statement can be described.
    pub result_lifetime: Duration,
    /// Statements that are remembered; beyond them the oldest that have ended are forgotten before their time.
    pub remembered_statements: usize,
    /// Bytes of results that are remembered, likewise.
    pub remembered_bytes: usize,
    /// The bytes of a result.
    pub result_bytes: usize,
    /// The rows of one page of a result.
    pub page_rows: usize,
    /// Requests a second, by kind; none where `None`.
    pub quota: Option<Quota>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            active_statements: 200,
            active_sessions: 16,
            connections: 16,
            token_lifetime: Duration::from_hours(8),
            result_lifetime: Duration::from_hours(24),
            remembered_statements: 20_000,
            remembered_bytes: 512 << 20,
            result_bytes: 100 << 20,
            page_rows: 1_000,
            quota: None,
        }
    }
}

/// Requests a second that the account has for itself; more are throttled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// ExecuteStatement.
    pub execute: u32,
    /// BatchExecuteStatement.
    pub batch_execute: u32,
    /// DescribeStatement.
    pub describe: u32,
}

impl Quota {
    /// What an account has.
    pub const ACCOUNT: Self = Self { execute: 30, batch_execute: 20, describe: 100 };
}

/// How COPY reads from S3. The role that a COPY names is not looked at.
#[derive(Clone)]
pub struct S3Access {
    /// Another S3 than AWS's.
    pub endpoint_url: Option<String>,
    /// The region.
    pub region: String,
    /// Who reads.
    pub credentials: SharedCredentialsProvider,
}

impl fmt::Debug for S3Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("S3Access");
        shown.field("endpoint_url", &self.endpoint_url).field("region", &self.region).finish_non_exhaustive()
    }
}

impl S3Access {
    /// With a key that does not change.
    pub fn fixed(
        endpoint_url: impl Into<String>,
        region: impl Into<String>,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
    ) -> Self {
        let credentials = Credentials::new(access_key_id, secret_access_key, None, None, "options");
        Self {
            endpoint_url: Some(endpoint_url.into()),
            region: region.into(),
            credentials: SharedCredentialsProvider::new(credentials),
        }
    }

    /// With what the SDK finds: environment, profile, instance metadata. `None` where it finds no region or no key.
    pub async fn found(endpoint_url: Option<String>, region: Option<String>) -> Option<Self> {
        let found = aws_config::defaults(BehaviorVersion::latest()).http_client(http()).load().await;
        let region = region.or_else(|| found.region().map(ToString::to_string))?;
        Some(Self { endpoint_url, region, credentials: found.credentials_provider()? })
    }

    pub(crate) fn client(&self) -> aws_sdk_s3::Client {
        let timeouts = aws_sdk_s3::config::timeout::TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_mins(1))
            .build();
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials.clone())
            .http_client(http())
            .timeout_config(timeouts)
            .force_path_style(self.endpoint_url.is_some());
        config.set_endpoint_url(self.endpoint_url.clone());
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

/// The HTTP client below the SDK, with the one TLS stack.
fn http() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https()
}
