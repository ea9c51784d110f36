//! The configuration that all clients of the SDK are built from.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};

/// How AWS is reached. What is `None` or missing is found as the SDK finds it: environment, profile, instance metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsOptions {
    /// The region.
    pub region: Option<String>,
    /// Where all services are, instead of AWS: an emulator.
    pub endpoint_url: Option<String>,
    /// Where single services are; over `endpoint_url`.
    pub endpoints: BTreeMap<Service, String>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long one attempt of a call may take until its answer begins. Bodies are watched by their progress.
    pub attempt_timeout: Duration,
    /// How often a call is tried, the first time included.
    pub max_attempts: u32,
}

/// A service, where it can lie elsewhere than the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Queues.
    Sqs,
    /// Objects.
    S3,
    /// The ledger's table.
    DynamoDb,
    /// The Redshift Data API.
    RedshiftData,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sqs, Self::S3, Self::DynamoDb, Self::RedshiftData];

    /// As settings name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::S3 => "s3",
            Self::DynamoDb => "dynamodb",
            Self::RedshiftData => "redshift_data",
        }
    }
}

impl Default for AwsOptions {
    fn default() -> Self {
        Self {
            region: None,
            endpoint_url: None,
            endpoints: BTreeMap::new(),
            connect_timeout: Duration::from_secs(5),
            // Longer than the longest poll: SQS answers within 20 s, the Redshift Data API within 30 s.
            attempt_timeout: Duration::from_secs(40),
            max_attempts: 3,
        }
    }
}

impl AwsOptions {
    /// The same for one service: its endpoint is the one for all.
    #[must_use]
    pub fn of(&self, service: Service) -> Self {
        let endpoint_url = self.endpoints.get(&service).or(self.endpoint_url.as_ref()).cloned();
        Self { endpoint_url, ..self.clone() }
    }
}

/// Finds region and credentials, and makes the HTTP client. Clients of one service are built from it as they are by
/// `Client::new(&config)`. Blocks on nothing; where credentials come from is asked at the first call.
pub async fn connect(options: &AwsOptions) -> SdkConfig {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(options.connect_timeout)
        .operation_attempt_timeout(options.attempt_timeout)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(options.max_attempts));
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url.clone());
    }
    loader.load().await
}
