//! Redshift, by its Data API: serverless workgroups and provisioned clusters.
//!
//! A dataset has a schema of its name: `"berlin"."flats"` is the view that people read, over `"berlin"."flats__rows"` with
//! every accepted row of every live load. The schema `lakehand` holds, for each family, the fence, the markers, the
//! definitions and the register of tables, and what is staged; its view `markers` shows the markers of all families. No
//! load writes a table that another family's loads write: Redshift locks tables, and families would wait for each other.
//!
//! Grants on a view are lost when a changed definition makes it anew: `ALTER DEFAULT PRIVILEGES IN SCHEMA` keeps them.

mod budget;
mod client;
mod commit;
mod contest;
mod ddl;
mod ensure;
mod fence;
mod limits;
mod migrate;
mod names;
mod options;
mod physical;
mod query;
mod record;
mod reference;
mod sql;
mod stage;
mod state;
mod sweep;
mod tables;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_redshiftdata::config::Builder;
use aws_sdk_redshiftdata::config::retry::RetryPartition;
use lakehand_aws::SdkConfig;
use lakehand_domain::clock::Clock;
use lakehand_domain::id::{EntryId, FamilyId, LedgerId, LoadId, Nonce};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::ObjectStore;
use lakehand_domain::port::warehouse::{
    CallLimits, CommitOutcome, MigrateOutcome, MigrationPlan, QueryAnswer, QueryWarehouse, TakeOutcome, Warehouse,
    WarehouseError,
};
use lakehand_domain::shape::{FamilyShape, TableShape};
use lakehand_domain::warehousing::{CommitRequest, Fence, Marker, Staging, TableStanding};

use client::{Client, call_limit};
use names::Names;
use trouble::Trouble;

pub use ddl::redshift_ddl;
pub use limits::{StatementBudget, worst_batch};
pub use options::{ClusterUser, IamRole, RedshiftOptions, Target};

/// Stagings whose tables are remembered, so that they need not be looked for when they are dropped.
const MOST_REMEMBERED: usize = 1_000;

/// A warehouse in one Redshift database.
#[derive(Debug, Clone)]
pub struct RedshiftWarehouse {
    client: Client,
    names: Names,
    iam_role: IamRole,
    copy_prefix: ObjectUri,
    lake: Arc<dyn ObjectStore>,
    stagings: Arc<Mutex<BTreeMap<Nonce, Vec<String>>>>,
    /// How long a statement may run in a call that moves no rows.
    short: Duration,
    /// The same in one that moves rows, or waits for those that do.
    rows: Duration,
}

impl RedshiftWarehouse {
    /// A warehouse, asked through clients of this configuration. `lake` holds the lists of files that COPY reads, and
    /// parts are looked at in it when one is refused. Nothing is asked yet. Options that cannot be are
    /// [`WarehouseError::Denied`].
    pub fn open(
        config: &SdkConfig,
        options: RedshiftOptions,
        lake: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WarehouseError> {
        if let Some(problem) = options.problems().into_iter().next() {
            return Err(Trouble::Refused(problem).of("open"));
        }
        let own = Builder::from(config).retry_partition(RetryPartition::custom("warehouse").build()).build();
        let client = Client::new(aws_sdk_redshiftdata::Client::from_conf(own), &options, clock);
        let names = Names::new(&options.schema_prefix);
        let RedshiftOptions { iam_role, copy_prefix, statement_timeout: rows, short_statement_timeout, .. } = options;
        let short = short_statement_timeout.min(rows);
        Ok(Self { client, names, iam_role, copy_prefix, lake, stagings: Arc::default(), short, rows })
    }

    /// As one call sees it that begins now and moves no rows.
    fn short(&self) -> Self {
        Self { client: self.client.of_call(self.short), ..self.clone() }
    }

    /// As one call sees it that begins now and moves rows, or waits for those that do.
    fn rows(&self) -> Self {
        Self { client: self.client.of_call(self.rows), ..self.clone() }
    }

    /// The view that people read, as statements name it.
    pub fn view_name(&self, table: &TableShape) -> String {
        self.names.view(table)
    }

    /// The table that holds every accepted row of every live load, as statements name it.
    pub fn rows_name(&self, table: &TableShape) -> String {
        self.names.rows(table)
    }

    fn remember_staging(&self, name: &Nonce, tables: Vec<String>) {
        let mut stagings = self.stagings.lock().unwrap_or_else(PoisonError::into_inner);
        if stagings.len() < MOST_REMEMBERED {
            stagings.insert(name.clone(), tables);
        }
    }

    fn remembered_staging(&self, name: &Nonce) -> Option<Vec<String>> {
        self.stagings.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn forget_staging(&self, name: &Nonce) {
        self.stagings.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

#[async_trait]
impl Warehouse for RedshiftWarehouse {
    async fn ensure(&self, family: &FamilyId) -> Result<(), WarehouseError> {
        ensure::ensure(&self.short(), family).await.map_err(|trouble| trouble.of("ensure"))
    }

    async fn take_fence(
        &self,
        family: &FamilyId,
        owner: &Nonce,
        ledger: &LedgerId,
    ) -> Result<TakeOutcome, WarehouseError> {
        fence::take(&self.rows(), family, owner, ledger).await.map_err(|trouble| trouble.of("take_fence"))
    }

    async fn markers(&self, family: &FamilyId, entries: &[EntryId]) -> Result<Vec<Marker>, WarehouseError> {
        fence::markers(&self.short(), family, entries).await.map_err(|trouble| trouble.of("markers"))
    }

    async fn migrate(&self, fence: &Fence, shape: &FamilyShape) -> Result<MigrateOutcome, WarehouseError> {
        migrate::migrate(&self.rows(), fence, shape).await.map_err(|trouble| trouble.of("migrate"))
    }

    async fn plan(&self, shape: &FamilyShape) -> Result<MigrationPlan, WarehouseError> {
        migrate::plan(&self.short(), shape).await.map_err(|trouble| trouble.of("plan"))
    }

    async fn stage(
        &self,
        shape: &FamilyShape,
        name: &Nonce,
        manifests: &[Arc<Manifest>],
    ) -> Result<Staging, WarehouseError> {
        stage::stage(&self.rows(), shape, name, manifests).await.map_err(|trouble| trouble.of("stage"))
    }

    async fn commit(&self, shape: &FamilyShape, request: &CommitRequest) -> Result<CommitOutcome, WarehouseError> {
        commit::commit(&self.rows(), shape, request).await.map_err(|trouble| trouble.of("commit"))
    }

    async fn drop_staging(&self, name: &Nonce) -> Result<(), WarehouseError> {
        sweep::drop_staging(&self.short(), name).await.map_err(|trouble| trouble.of("drop_staging"))
    }

    async fn stagings(&self, family: &FamilyId) -> Result<Vec<Nonce>, WarehouseError> {
        sweep::stagings(&self.short(), family).await.map_err(|trouble| trouble.of("stagings"))
    }

    async fn standing(&self, shape: &FamilyShape, load: &LoadId) -> Result<Vec<TableStanding>, WarehouseError> {
        tables::standing(&self.short(), shape, load).await.map_err(|trouble| trouble.of("standing"))
    }

    async fn ping(&self) -> Result<(), WarehouseError> {
        let script = client::Script::new("lakehand/ping".to_owned(), vec!["SELECT 1".to_owned()]);
        self.short().client.run(&script).await.map(drop).map_err(|trouble| trouble.of("ping"))
    }

    fn ddl(&self, shape: &FamilyShape) -> Vec<String> {
        ddl::all(&self.names, shape)
    }

    fn call_limits(&self) -> Option<CallLimits> {
        Some(CallLimits { short: call_limit(self.short), rows: call_limit(self.rows) })
    }

    async fn come_to_rest(&self) {
        self.client.come_to_rest().await;
    }
}

#[async_trait]
impl QueryWarehouse for RedshiftWarehouse {
    async fn query(&self, sql: &str, limit: usize) -> Result<QueryAnswer, WarehouseError> {
        query::answer(&self.rows(), sql, limit).await.map_err(|trouble| trouble.of("query"))
    }
}
