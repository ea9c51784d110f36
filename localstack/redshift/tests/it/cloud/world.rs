//! A stand-in of its own for a test, and ways to ask it.

use std::sync::Arc;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::operation::describe_statement::DescribeStatementOutput;
use aws_sdk_redshiftdata::types::{ExecutionMode, Field, StatusString};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use bytes::Bytes;
use lakehand_redshift_standin::{Running, S3Access, ShiftedClock, StandinOptions, start};
use lakehand_testkit::services;
use tokio::time::timeout;

/// The workgroup that tests ask.
pub(crate) const WORKGROUP: &str = "analytics";
/// The database that tests ask.
pub(crate) const DATABASE: &str = "dev";
const REGION: &str = "eu-central-1";

/// A stand-in, and clients of it and of S3.
pub(crate) struct World {
    pub(crate) standin: Running,
    pub(crate) client: Client,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) bucket: String,
    pub(crate) clock: Arc<ShiftedClock>,
}

fn http() -> aws_sdk_s3::config::SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// A client that calls once and no more, so that a test sees every answer.
pub(crate) fn client(endpoint: &str) -> Client {
    let config = aws_sdk_redshiftdata::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_sdk_redshiftdata::config::Region::new(REGION))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(http())
        .retry_config(aws_sdk_redshiftdata::config::retry::RetryConfig::disabled())
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With options changed.
    pub(crate) async fn with(change: impl FnOnce(&mut StandinOptions)) -> Self {
        Self::of("ROTO", change).await
    }

    /// With the S3 of this emulator.
    pub(crate) async fn at(emulator: &str) -> Self {
        Self::of(emulator, |_| {}).await
    }

    async fn of(emulator: &str, change: impl FnOnce(&mut StandinOptions)) -> Self {
        let endpoint = services::emulator(emulator);
        let postgres = services::postgres().parse().expect("LAKEHAND_TEST_POSTGRES is a configuration");
        let name = format!("standin{}", services::suffix());
        let clock = Arc::new(ShiftedClock::default());
        let mut options = StandinOptions::new(postgres, &name, S3Access::fixed(&endpoint, REGION, "test", "test"));
        options.clock = Arc::clone(&clock) as _;
        change(&mut options);
        let standin = start(options).await.expect("the stand-in starts");
        let credentials = Credentials::new("test", "test", None, None, "test");
        let client = client(&standin.endpoint_url());
        let s3 = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(aws_sdk_s3::config::Region::new(REGION))
            .credentials_provider(credentials)
            .http_client(http())
            .force_path_style(true)
            .endpoint_url(endpoint)
            .build();
        let s3 = aws_sdk_s3::Client::from_conf(s3);
        let there = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(REGION.into()).build();
        s3.create_bucket().bucket(&name).create_bucket_configuration(there).send().await.expect("a bucket");
        Self { standin, client, s3, bucket: name, clock }
    }

    /// Stops it and removes what it made.
    pub(crate) async fn end(self) {
        self.standin.stop_and_remove().await.expect("the databases are removed");
    }

    /// Runs one statement to its end.
    pub(crate) async fn run(&self, sql: &str) -> DescribeStatementOutput {
        let accepted = self.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE).sql(sql);
        let accepted = accepted.send().await.expect("accepted");
        self.ended(accepted.id().expect("an id")).await
    }

    /// Runs one statement, which must finish.
    pub(crate) async fn done(&self, sql: &str) -> DescribeStatementOutput {
        let ended = self.run(sql).await;
        assert_eq!(ended.status(), Some(&StatusString::Finished), "{sql}: {:?}", ended.error());
        ended
    }

    /// Runs one statement, which must fail. Returns its error.
    pub(crate) async fn refused(&self, sql: &str) -> String {
        let ended = self.run(sql).await;
        assert_eq!(ended.status(), Some(&StatusString::Failed), "{sql}");
        ended.error().expect("an error").to_owned()
    }

    /// Submits a batch.
    pub(crate) async fn submit(&self, mode: ExecutionMode, sqls: &[&str]) -> String {
        let mut call = self.client.batch_execute_statement().workgroup_name(WORKGROUP).database(DATABASE);
        for sql in sqls {
            call = call.sqls(*sql);
        }
        call.execution_mode(mode).send().await.expect("accepted").id.expect("an id")
    }

    /// Runs a batch to its end.
    pub(crate) async fn batch(&self, mode: ExecutionMode, sqls: &[&str]) -> DescribeStatementOutput {
        let id = self.submit(mode, sqls).await;
        self.ended(&id).await
    }

    /// Waits until a statement has ended.
    pub(crate) async fn ended(&self, id: &str) -> DescribeStatementOutput {
        for _ in 0..4 {
            let told = self.client.describe_statement().id(id).wait_time_seconds(15).send().await.expect("described");
            if matches!(told.status(), Some(StatusString::Finished | StatusString::Failed | StatusString::Aborted)) {
                return told;
            }
        }
        panic!("statement {id} does not end");
    }

    /// The rows of a query, each value as text.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let ended = self.done(sql).await;
        let result = self.client.get_statement_result().id(ended.id()).send().await.expect("a result");
        result.records().iter().map(|row| row.iter().map(text).collect()).collect()
    }

    /// The only value of a query.
    pub(crate) async fn value(&self, sql: &str) -> String {
        let rows = self.rows(sql).await;
        assert_eq!((rows.len(), rows[0].len()), (1, 1), "{sql}");
        rows[0][0].clone()
    }

    /// Waits until so many statements wait for locks.
    pub(crate) async fn waiting(&self, count: usize) {
        self.locks("NOT granted", count).await;
    }

    /// Waits until so many tables are locked for writing.
    pub(crate) async fn writing(&self, count: usize) {
        self.locks("mode = 'ExclusiveLock' AND granted AND locktype = 'relation'", count).await;
    }

    async fn locks(&self, which: &str, count: usize) {
        let here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let sql = format!("SELECT count(*) FROM pg_locks WHERE {here} AND {which}");
        let come = timeout(Duration::from_mins(1), async {
            while self.value(&sql).await != count.to_string() {
                pause().await;
            }
        });
        assert!(come.await.is_ok(), "there are never {count} locks: {which}");
    }

    /// Puts an object.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes) {
        self.s3.put_object().bucket(&self.bucket).key(key).body(bytes.into()).send().await.expect("put");
    }

    /// Puts files, and a manifest of them.
    pub(crate) async fn put_with_manifest(&self, manifest: &str, files: &[(&str, Bytes)]) {
        let mut entries = Vec::new();
        for (key, bytes) in files {
            self.put(key, bytes.clone()).await;
            let url = serde_json::Value::from(format!("s3://{}/{key}", self.bucket));
            entries.push(format!(r#"{{"url":{url},"mandatory":true,"meta":{{"content_length":{}}}}}"#, bytes.len()));
        }
        self.put(manifest, format!(r#"{{"entries":[{}]}}"#, entries.join(",")).into()).await;
    }

    /// The command that copies into a table from the bucket.
    pub(crate) fn copy(&self, into: &str, key: &str, options: &str) -> String {
        let role = "IAM_ROLE 'arn:aws:iam::000000000000:role/copy'";
        format!("COPY {into} FROM 's3://{}/{key}' {role} FORMAT AS PARQUET {options}", self.bucket)
    }
}

/// Lets a moment pass.
pub(crate) async fn pause() {
    assert!(timeout(Duration::from_millis(20), std::future::pending::<()>()).await.is_err());
}

/// A field as text.
pub(crate) fn text(field: &Field) -> String {
    match field {
        Field::IsNull(_) => "NULL".to_owned(),
        Field::BooleanValue(value) => value.to_string(),
        Field::LongValue(value) => value.to_string(),
        Field::DoubleValue(value) => value.to_string(),
        Field::StringValue(value) => value.clone(),
        other => panic!("{other:?}"),
    }
}
