//! Making the ledger's table, or finding out how one that is there differs from what is planned.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, GlobalSecondaryIndexDescription, KeySchemaElement, KeyType,
    PointInTimeRecoverySpecification, PointInTimeRecoveryStatus, Projection, ProjectionType, ProvisionedThroughput,
    ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use lakehand_aws::provision::{Finding, Mode, ProvisionError, State};
use lakehand_aws::{Kind, SdkConfig, classify};
use lakehand_domain::clock::Clock;

use super::table::{INDEXES, IndexDefinition, TABLE_KEY, TTL_ATTRIBUTE};

#[cfg(test)]
mod tests;

/// A new table is there within seconds; after this long something is wrong.
const PATIENCE: Duration = Duration::from_mins(5);

/// Recovery cannot be switched on in the first seconds of a table.
const TRIES: u32 = 12;
const PAUSE: Duration = Duration::from_secs(5);

/// The table to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePlan {
    /// Its name.
    pub table: String,
    /// How it is paid for.
    pub billing: Billing,
    /// Whether it can be restored to any second of the last 35 days.
    pub point_in_time_recovery: bool,
    /// Whether it cannot be deleted by mistake.
    pub deletion_protection: bool,
}

/// How the table is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billing {
    /// By the request. What an idle worker costs is its polls.
    OnDemand,
    /// By the hour: so many units a second for the table, and as many for each index.
    Provisioned {
        /// Read units a second.
        read: u32,
        /// Write units a second.
        write: u32,
    },
}

impl TablePlan {
    /// By the request, restorable, protected.
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            billing: Billing::OnDemand,
            point_in_time_recovery: true,
            deletion_protection: true,
        }
    }

    fn named(&self) -> String {
        format!("table {}", self.table)
    }
}

/// Makes the table where it is missing and waits until it can be used; verifies it where it is there. Harmless when done
/// again, or by two at once.
///
/// # Errors
/// Where the service refuses or fails, or the table is not there after five minutes.
pub async fn provision_table(
    config: &SdkConfig,
    plan: &TablePlan,
    clock: &dyn Clock,
    mode: Mode,
) -> Result<Vec<Finding>, ProvisionError> {
    let client = Client::new(config);
    let mut found = Vec::new();
    match (describe(&client, plan).await?, mode) {
        (Some(table), _) => found.extend(verify(plan, &table)),
        (None, Mode::DryRun) => {
            return Ok(vec![Finding::new(plan.named(), State::Missing)]);
        }
        (None, Mode::Make) => {
            let made = create(&client, plan).await?;
            wait(&client, plan).await?;
            match describe(&client, plan).await? {
                // Another run was faster, perhaps by another plan.
                Some(table) if !made => found.extend(verify(plan, &table)),
                _ => found.push(Finding::new(plan.named(), State::Made)),
            }
        }
    }
    if mode == Mode::Make {
        wait(&client, plan).await?;
    }
    found.push(time_to_live(&client, plan, mode).await?);
    if plan.point_in_time_recovery {
        found.push(recovery(&client, plan, clock, mode).await?);
    }
    Ok(found)
}

async fn describe(client: &Client, plan: &TablePlan) -> Result<Option<TableDescription>, ProvisionError> {
    match client.describe_table().table_name(&plan.table).send().await {
        Ok(answer) => Ok(answer.table),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(ProvisionError::of("look at", &plan.named(), error)),
    }
}

/// Whether it was us who made it.
async fn create(client: &Client, plan: &TablePlan) -> Result<bool, ProvisionError> {
    match table_of(client.create_table(), plan)?.send().await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ResourceInUseException") => Ok(false),
        Err(error) => Err(ProvisionError::of("make", &plan.named(), error)),
    }
}

/// The request that makes the table.
pub(super) fn table_of(
    request: CreateTableFluentBuilder,
    plan: &TablePlan,
) -> Result<CreateTableFluentBuilder, ProvisionError> {
    let broken = |error: BuildError| ProvisionError::Plan(error.to_string());
    let mut request = request
        .table_name(&plan.table)
        .key_schema(key(TABLE_KEY, KeyType::Hash).map_err(broken)?)
        .deletion_protection_enabled(plan.deletion_protection);
    for name in attributes() {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        request = request.attribute_definitions(attribute.build().map_err(broken)?);
    }
    let throughput = throughput(plan.billing).map_err(broken)?;
    for index in INDEXES {
        request = request.global_secondary_indexes(index_of(index, throughput.clone()).map_err(broken)?);
    }
    Ok(match throughput {
        None => request.billing_mode(BillingMode::PayPerRequest),
        Some(throughput) => request.billing_mode(BillingMode::Provisioned).provisioned_throughput(throughput),
    })
}

type Built<T> = Result<T, BuildError>;

fn key(attribute: &str, kind: KeyType) -> Built<KeySchemaElement> {
    KeySchemaElement::builder().attribute_name(attribute).key_type(kind).build()
}

/// Every attribute of a key, once.
fn attributes() -> Vec<&'static str> {
    let mut names = vec![TABLE_KEY];
    for index in INDEXES {
        for name in [Some(index.partition), index.sort].into_iter().flatten() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn throughput(billing: Billing) -> Built<Option<ProvisionedThroughput>> {
    match billing {
        Billing::OnDemand => Ok(None),
        Billing::Provisioned { read, write } => ProvisionedThroughput::builder()
            .read_capacity_units(i64::from(read))
            .write_capacity_units(i64::from(write))
            .build()
            .map(Some),
    }
}

fn index_of(index: IndexDefinition, throughput: Option<ProvisionedThroughput>) -> Built<GlobalSecondaryIndex> {
    let projection = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
    let made = GlobalSecondaryIndex::builder()
        .index_name(index.name)
        .key_schema(key(index.partition, KeyType::Hash)?)
        .projection(projection)
        .set_provisioned_throughput(throughput);
    match index.sort {
        Some(sort) => made.key_schema(key(sort, KeyType::Range)?).build(),
        None => made.build(),
    }
}

async fn wait(client: &Client, plan: &TablePlan) -> Result<(), ProvisionError> {
    let late = |source| ProvisionError::Failed { doing: "wait for", resource: plan.named(), source };
    let waited = client.wait_until_table_exists().table_name(&plan.table).wait(PATIENCE).await;
    waited.map(drop).map_err(|error| late(Box::new(error)))
}

/// How a table differs from the plan: its key, what it costs, and its indexes.
fn verify(plan: &TablePlan, table: &TableDescription) -> Vec<Finding> {
    let named = plan.named();
    let keys = State::compare(keys_of(table.key_schema()), format!("{TABLE_KEY} HASH"));
    let mut found = vec![Finding::new(named.clone(), keys)];
    let mut tell = |what: &str, state: State| {
        if state != State::AsPlanned {
            found.push(Finding::new(format!("{named}: {what}"), state));
        }
    };
    if let Some(status @ (TableStatus::Deleting | TableStatus::Archived | TableStatus::Archiving)) =
        table.table_status()
    {
        tell("status", State::compare(status, TableStatus::Active));
    }
    tell("billing", State::compare(billing_of(table), planned_billing(plan.billing)));
    let protected = table.deletion_protection_enabled().unwrap_or_default();
    if plan.deletion_protection {
        tell("protection from deletion", State::compare(protected, true));
    }
    for name in attributes() {
        let there = table.attribute_definitions().iter().find(|attribute| attribute.attribute_name() == name);
        let kind = there.map_or("missing", |attribute| attribute.attribute_type().as_str());
        tell(&format!("attribute {name}"), State::compare(kind, ScalarAttributeType::S));
    }
    for index in INDEXES {
        let mut there = table.global_secondary_indexes().iter();
        let there = there.find(|there| there.index_name() == Some(index.name));
        let is = there.map_or_else(|| "missing".to_owned(), shape_of);
        let sort = index.sort.map(|sort| format!(" {sort} RANGE")).unwrap_or_default();
        let planned = format!("{} HASH{sort}, {}", index.partition, ProjectionType::KeysOnly);
        tell(&format!("index {}", index.name), State::compare(is, planned));
    }
    found
}

fn keys_of(keys: &[KeySchemaElement]) -> String {
    let key = |key: &KeySchemaElement| format!("{} {}", key.attribute_name(), key.key_type());
    keys.iter().map(key).collect::<Vec<_>>().join(" ")
}

fn shape_of(index: &GlobalSecondaryIndexDescription) -> String {
    let projection = index.projection().and_then(Projection::projection_type);
    format!("{}, {}", keys_of(index.key_schema()), projection.map_or("nothing", ProjectionType::as_str))
}

fn billing_of(table: &TableDescription) -> String {
    let mode = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    match (mode, table.provisioned_throughput()) {
        (Some(mode @ BillingMode::PayPerRequest), _) => mode.to_string(),
        (_, Some(units)) => {
            let (read, write) = (units.read_capacity_units(), units.write_capacity_units());
            format!("{} {}/{}", BillingMode::Provisioned, read.unwrap_or_default(), write.unwrap_or_default())
        }
        _ => "unknown".to_owned(),
    }
}

fn planned_billing(billing: Billing) -> String {
    match billing {
        Billing::OnDemand => BillingMode::PayPerRequest.to_string(),
        Billing::Provisioned { read, write } => format!("{} {read}/{write}", BillingMode::Provisioned),
    }
}

async fn time_to_live(client: &Client, plan: &TablePlan, mode: Mode) -> Result<Finding, ProvisionError> {
    let named = format!("{}: time to live", plan.named());
    let look = async || {
        let is = client.describe_time_to_live().table_name(&plan.table).send().await?.time_to_live_description;
        let on = |status: &TimeToLiveStatus| matches!(status, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling);
        let is = is.filter(|is| is.time_to_live_status().is_some_and(on));
        Ok(is.map(|is| State::compare(is.attribute_name().unwrap_or_default(), TTL_ATTRIBUTE)))
    };
    let set = async || {
        let wanted = TimeToLiveSpecification::builder().enabled(true).attribute_name(TTL_ATTRIBUTE).build();
        let wanted = wanted.map_err(SdkError::construction_failure)?;
        let set = client.update_time_to_live().table_name(&plan.table).time_to_live_specification(wanted);
        set.send().await.map(drop)
    };
    property(named, mode, look, set).await
}

async fn recovery(client: &Client, plan: &TablePlan, clock: &dyn Clock, mode: Mode) -> Result<Finding, ProvisionError> {
    let named = format!("{}: point-in-time recovery", plan.named());
    let look = async || {
        let is = client.describe_continuous_backups().table_name(&plan.table).send().await?;
        let status = is.continuous_backups_description.and_then(|is| is.point_in_time_recovery_description);
        let status = status.and_then(|status| status.point_in_time_recovery_status);
        Ok((status == Some(PointInTimeRecoveryStatus::Enabled)).then_some(State::AsPlanned))
    };
    let set = async || {
        let wanted = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true).build();
        let wanted = wanted.map_err(SdkError::construction_failure)?;
        for left in (0..TRIES).rev() {
            let set = client.update_continuous_backups().table_name(&plan.table);
            match set.point_in_time_recovery_specification(wanted.clone()).send().await {
                Ok(_) => break,
                Err(error) if left > 0 && error.code() == Some("ContinuousBackupsUnavailableException") => {
                    clock.sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    property(named, mode, look, set).await
}

/// A property of the table that is set after it is there. `look` gives `None` where it is not set. Of two who set it at
/// once one is refused, and finds it set.
async fn property<E, F>(
    named: String,
    mode: Mode,
    look: impl AsyncFn() -> Result<Option<State>, SdkError<E, HttpResponse>>,
    set: impl AsyncFn() -> Result<(), SdkError<F, HttpResponse>>,
) -> Result<Finding, ProvisionError>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    F: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match look().await {
        Ok(Some(state)) => return Ok(Finding::new(named, state)),
        Ok(None) => {}
        Err(error) => return not_offered(named, "look at", error),
    }
    if mode == Mode::Make
        && let Err(error) = set().await
    {
        return match look().await {
            Ok(Some(state)) => Ok(Finding::new(named, state)),
            _ => not_offered(named, "set", error),
        };
    }
    Ok(Finding::new(named, mode.missing()))
}

/// A service that does not know a call at all does not offer what it is for; everything else is a failure.
fn not_offered<E>(
    named: String,
    doing: &'static str,
    error: SdkError<E, HttpResponse>,
) -> Result<Finding, ProvisionError>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let failure = classify(error);
    let unknown = ["UnknownOperationException", "NotImplemented", "InvalidAction", "UnknownOperation"];
    if failure.kind != Kind::Denied && unknown.iter().any(|code| failure.is(code)) {
        return Ok(Finding::new(named, State::NotOffered));
    }
    Err(ProvisionError::Failed { doing, resource: named, source: failure.cause })
}
