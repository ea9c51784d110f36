//! What is set of AWS: how it is reached, how objects are written, who runs the warehouse's statements.

use std::collections::BTreeMap;
use std::time::Duration;

use lakehand_aws::{AwsOptions, Service};

use super::location::{Location, Role};
use super::reader::Reader;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct AwsSettings {
    /// How it is reached.
    pub(crate) options: AwsOptions,
    /// Where dead letters go, where the queue is one of SQS.
    pub(crate) dead_letters: Option<Location>,
    /// How objects are read and written.
    pub(crate) s3: S3Settings,
    /// How the ledger's table is kept.
    pub(crate) dynamodb: DynamoDbSettings,
    /// Who runs the warehouse's statements.
    pub(crate) redshift: RedshiftSettings,
}

/// How objects are read and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct S3Settings {
    /// The bucket in the path, as emulators want it, and not in the host's name.
    pub(crate) path_style: bool,
    /// Who reads pays.
    pub(crate) requester_pays: bool,
    /// How what is written is encrypted.
    pub(crate) encryption: Encryption,
    /// The key of KMS, where one is named.
    pub(crate) kms_key: Option<String>,
    /// The storage class of what is written to the lake; `None`: the bucket's own.
    pub(crate) storage_class: Option<String>,
    /// The account that the landing's bucket must belong to.
    pub(crate) landing_owner: Option<String>,
    /// The account that the lake's bucket must belong to.
    pub(crate) lake_owner: Option<String>,
    /// Bytes of one part of an upload, and of one range of a read.
    pub(crate) part_size: u64,
}

/// How what is written is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// As the bucket says.
    Bucket,
    /// By keys of S3.
    S3,
    /// By a key of KMS.
    Kms,
}

/// How the ledger's table is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DynamoDbSettings {
    /// After how long loaded entries may be dropped by the table itself; `None`: never.
    pub(crate) keep_loaded: Option<Duration>,
}

/// Who runs the warehouse's statements, and how fast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedshiftSettings {
    /// Whether the name is a provisioned cluster's.
    pub(crate) cluster: bool,
    /// The user of a provisioned cluster, whose password IAM gives.
    pub(crate) db_user: Option<String>,
    /// The secret of Secrets Manager that holds user and password.
    pub(crate) secret_arn: Option<String>,
    /// The role that COPY reads the lake with; `default` is the warehouse's own.
    pub(crate) iam_role: String,
    /// Calls to the Data API a second, of this process: the account's quota is shared by all replicas.
    pub(crate) requests_per_second: u32,
    /// Statements of this process that are under way at once.
    pub(crate) max_active_statements: usize,
    /// What the names of all schemas begin with.
    pub(crate) schema_prefix: String,
    /// How long a statement may run before it is given up.
    pub(crate) statement_timeout: Duration,
}

impl AwsSettings {
    /// Reads all of it.
    pub(crate) fn read(reader: &mut Reader, queue: Option<&Location>, warehouse: Option<&Location>) -> Self {
        let dead_letters = reader.optional_location("queue.dead_letters_url", Role::Queue);
        match (queue, &dead_letters) {
            (Some(Location::Sqs(_)), None) => reader.refuse(
                "queue.dead_letters_url",
                "it must be named where the queue is one of SQS: what cannot be processed is told there; such as \
                 \"sqs://arrivals-dead\"",
            ),
            (Some(Location::Sqlite(_)), Some(_)) => reader.refuse(
                "queue.dead_letters_url",
                "an embedded queue keeps its dead letters in its own file; leave this out",
            ),
            (Some(Location::Sqs(one)), Some(Location::Sqs(other))) if one == other => {
                reader.refuse("queue.dead_letters_url", "dead letters must not go to the queue they came from");
            }
            (Some(Location::Sqs(_)), Some(Location::Sqlite(_))) => {
                reader.refuse("queue.dead_letters_url", "it must be a queue of SQS as queue.url is");
            }
            _ => {}
        }
        let options = options(reader);
        let path_style = reader.boolean("s3.path_style", options.of(Service::S3).endpoint_url.is_some());
        Self {
            dead_letters,
            s3: S3Settings {
                path_style,
                requester_pays: reader.boolean("s3.requester_pays", false),
                encryption: reader.choice(
                    "s3.encryption",
                    &[("bucket", Encryption::Bucket), ("s3", Encryption::S3), ("kms", Encryption::Kms)],
                    "bucket",
                ),
                kms_key: reader.text("s3.kms_key", |_| Ok(())),
                storage_class: reader.text("s3.storage_class", is_storage_class),
                landing_owner: reader.text("s3.landing_bucket_owner", is_account),
                lake_owner: reader.text("s3.lake_bucket_owner", is_account),
                // Parts are 5 MiB to 5 GiB (S3, "Multipart upload limits").
                part_size: reader.size("s3.part_size", 5 << 20..=1 << 30, 8 << 20),
            },
            dynamodb: DynamoDbSettings { keep_loaded: keep_loaded(reader) },
            redshift: redshift(reader, warehouse),
            options,
        }
    }
}

fn options(reader: &mut Reader) -> AwsOptions {
    let usual = AwsOptions::default();
    let mut endpoints = BTreeMap::new();
    let keys: [(Service, &'static str); 4] = [
        (Service::Sqs, "aws.sqs_endpoint_url"),
        (Service::S3, "aws.s3_endpoint_url"),
        (Service::DynamoDb, "aws.dynamodb_endpoint_url"),
        (Service::RedshiftData, "aws.redshift_data_endpoint_url"),
    ];
    let region = reader.text("aws.region", |_| Ok(()));
    let endpoint_url = reader.text("aws.endpoint_url", is_endpoint);
    for (service, key) in keys {
        if let Some(url) = reader.text(key, is_endpoint) {
            endpoints.insert(service, url);
        }
    }
    AwsOptions {
        region,
        endpoint_url,
        endpoints,
        connect_timeout: reader.duration("aws.connect_timeout", SECOND / 10..=60 * SECOND, usual.connect_timeout),
        // Shorter than the longest poll would cut every poll off.
        attempt_timeout: reader.duration("aws.attempt_timeout", 35 * SECOND..=DAY, usual.attempt_timeout),
        max_attempts: reader.count("aws.max_attempts", 1..=20, usual.max_attempts),
    }
}

fn is_schema_prefix(text: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = text.bytes().next().is_none_or(|byte| byte.is_ascii_lowercase());
    if begins && text.len() <= 20 && text.bytes().all(plain) {
        return Ok(());
    }
    Err("it must be at most 20 small letters, digits and underscores, a letter first".to_owned())
}

fn is_account(text: &str) -> Result<(), String> {
    let is_number = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        Ok(())
    } else {
        Err("it must be the twelve digits of an account, such as \"123456789012\"".to_owned())
    }
}

/// What is read and swept at any hour stays readable without a request to restore it ("Amazon S3 storage classes").
fn is_storage_class(text: &str) -> Result<(), String> {
    let classes = ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"];
    if classes.contains(&text) { Ok(()) } else { Err(format!("it must be one of {}", classes.join(", "))) }
}

fn is_endpoint(text: &str) -> Result<(), String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(host) if !host.is_empty() && !host.contains(['@', '?', ' ']) => Ok(()),
        _ => Err("it must be the URL of an endpoint, such as http://127.0.0.1:4566".to_owned()),
    }
}

/// A redelivery comes within the queue's retention, 14 days at most (SQS), and a replay later: 30 days are far beyond.
fn keep_loaded(reader: &mut Reader) -> Option<Duration> {
    let never = Duration::ZERO;
    let kept = reader.duration("ledger.keep_loaded", never..=3650 * DAY, never);
    if kept > never && kept < 30 * DAY {
        reader.refuse("ledger.keep_loaded", "it must be at least 30d, far beyond any redelivery, or 0s for ever");
    }
    (kept > never).then_some(kept)
}

fn redshift(reader: &mut Reader, warehouse: Option<&Location>) -> RedshiftSettings {
    let cluster = reader.choice("redshift.kind", &[("workgroup", false), ("cluster", true)], "workgroup");
    let is_arn = |text: &str| {
        if text.starts_with("arn:") { Ok(()) } else { Err("it must be an ARN, such as arn:aws:…".to_owned()) }
    };
    let db_user = reader.text("redshift.db_user", |_| Ok(()));
    let secret_arn = reader.text("redshift.secret_arn", is_arn);
    let iam_role = reader.text("redshift.iam_role", |text| if text == "default" { Ok(()) } else { is_arn(text) });
    if matches!(warehouse, Some(Location::Redshift { .. })) {
        match (cluster, &db_user, &secret_arn) {
            (false, Some(_), _) => {
                reader.refuse("redshift.db_user", "a workgroup knows its user by IAM or by a secret; leave this out");
            }
            (true, None, None) => {
                reader.refuse("redshift.db_user", "a cluster wants redshift.db_user (with IAM) or redshift.secret_arn");
            }
            (true, Some(_), Some(_)) => {
                reader.refuse("redshift.db_user", "name either redshift.db_user or redshift.secret_arn, not both");
            }
            _ => {}
        }
    }
    RedshiftSettings {
        cluster,
        db_user,
        secret_arn,
        iam_role: iam_role.unwrap_or_else(|| "default".to_owned()),
        requests_per_second: reader.count("redshift.requests_per_second", 1..=100, 5),
        // The account has 200 of them (Data API, "Quotas"), which all replicas share.
        max_active_statements: reader.count("redshift.max_active_statements", 1..=200, 20),
        schema_prefix: reader.text("redshift.schema_prefix", is_schema_prefix).unwrap_or_default(),
        statement_timeout: reader.duration("redshift.statement_timeout", 10 * SECOND..=DAY, 1800 * SECOND),
    }
}
