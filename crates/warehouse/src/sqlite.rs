//! The embedded warehouse: one SQLite file, which several processes may share.
//!
//! A table `t` of dataset `d` is the view `d_t`, over `d_t__rows` with every accepted row of every live load. Everything
//! of lakehand's own begins with `lakehand_`; the view `lakehand_markers` shows the markers of all families.
//!
//! SQLite has one writer at a time: every write here is one `BEGIN IMMEDIATE` transaction, which owns the file from its
//! first statement on, so that what it reads is what it changes.

mod bind;
mod commit;
mod connection;
mod contest;
pub mod ddl;
mod fence;
mod migrate;
mod names;
mod physical;
mod query;
mod reference;
mod stage;
mod tables;
mod trouble;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use lakehand_domain::id::{EntryId, FamilyId, LedgerId, LoadId, Nonce};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::port::row_reader::PartReader;
use lakehand_domain::port::warehouse::{
    CommitOutcome, MigrateOutcome, MigrationPlan, QueryAnswer, QueryWarehouse, TakeOutcome, Warehouse, WarehouseError,
};
use lakehand_domain::shape::{FamilyShape, TableShape};
use lakehand_domain::warehousing::{CommitRequest, Fence, Marker, Staging, TableStanding};

use connection::{Connections, transaction};

/// A warehouse in one SQLite file.
#[derive(Debug)]
pub struct SqliteWarehouse {
    connections: Arc<Connections>,
    parts: Arc<dyn PartReader>,
}

impl SqliteWarehouse {
    /// Opens the file, which is made where it is not there; its folder must be. Blocks for as long as others who open it
    /// for the first time take. `parts` reads the lake.
    pub fn open(path: &Path, parts: Arc<dyn PartReader>) -> Result<Self, WarehouseError> {
        let connections = Connections::open(path).map_err(|trouble| trouble.of("open"))?;
        Ok(Self { connections: Arc::new(connections), parts })
    }

    /// The name of the view that people read.
    pub fn view_name(table: &TableShape) -> String {
        names::view(table)
    }

    /// The name of the table that holds every accepted row of every live load.
    pub fn rows_name(table: &TableShape) -> String {
        names::rows(table)
    }
}

#[async_trait]
impl Warehouse for SqliteWarehouse {
    async fn ensure(&self, family: &FamilyId) -> Result<(), WarehouseError> {
        let family = family.clone();
        self.connections
            .run("ensure", move |connection| {
                // Looking first spares a wait for whoever is writing.
                if fence::is_there(connection, &family)? {
                    return Ok(());
                }
                transaction(connection, |transaction| fence::ensure(transaction, &family))
            })
            .await
    }

    async fn take_fence(
        &self,
        family: &FamilyId,
        owner: &Nonce,
        ledger: &LedgerId,
    ) -> Result<TakeOutcome, WarehouseError> {
        let (family, owner, ledger) = (family.clone(), owner.clone(), ledger.clone());
        self.connections
            .run("take_fence", move |connection| {
                transaction(connection, |transaction| fence::take(transaction, &family, &owner, &ledger))
            })
            .await
    }

    async fn markers(&self, family: &FamilyId, entries: &[EntryId]) -> Result<Vec<Marker>, WarehouseError> {
        let (family, entries) = (family.clone(), entries.to_vec());
        self.connections.run("markers", move |connection| fence::markers(connection, &family, &entries)).await
    }

    async fn migrate(&self, fence: &Fence, shape: &FamilyShape) -> Result<MigrateOutcome, WarehouseError> {
        let (fence, shape) = (fence.clone(), shape.without_layout());
        self.connections
            .run("migrate", move |connection| {
                transaction(connection, |transaction| migrate::migrate(transaction, &fence, &shape))
            })
            .await
    }

    async fn plan(&self, shape: &FamilyShape) -> Result<MigrationPlan, WarehouseError> {
        let (connections, shape) = (Arc::clone(&self.connections), shape.without_layout());
        self.connections
            .run("plan", move |_| {
                // On a connection that cannot write, in one transaction, so that all is seen at one moment.
                let mut reader = connections.read_only()?;
                let transaction = reader.transaction()?;
                migrate::plan(&transaction, &shape)
            })
            .await
    }

    async fn stage(
        &self,
        shape: &FamilyShape,
        name: &Nonce,
        manifests: &[Arc<Manifest>],
    ) -> Result<Staging, WarehouseError> {
        stage::stage(&self.connections, self.parts.as_ref(), shape, name, manifests).await
    }

    async fn commit(&self, shape: &FamilyShape, request: &CommitRequest) -> Result<CommitOutcome, WarehouseError> {
        let (shape, request) = (shape.without_layout(), request.clone());
        self.connections
            .run("commit", move |connection| {
                transaction(connection, |transaction| commit::commit(transaction, &shape, &request))
            })
            .await
    }

    async fn drop_staging(&self, name: &Nonce) -> Result<(), WarehouseError> {
        let name = name.clone();
        self.connections
            .run("drop_staging", move |connection| {
                transaction(connection, |transaction| stage::drop_tables(transaction, &name))
            })
            .await
    }

    async fn stagings(&self, family: &FamilyId) -> Result<Vec<Nonce>, WarehouseError> {
        let family = family.clone();
        self.connections.run("stagings", move |connection| stage::names_of(connection, &family)).await
    }

    async fn standing(&self, shape: &FamilyShape, load: &LoadId) -> Result<Vec<TableStanding>, WarehouseError> {
        let (shape, load) = (shape.clone(), load.clone());
        self.connections
            .run("standing", move |connection| {
                // One transaction, so that all tables are told of one moment.
                let snapshot = connection.transaction()?;
                tables::standing(&snapshot, &shape, &load)
            })
            .await
    }

    async fn ping(&self) -> Result<(), WarehouseError> {
        self.connections
            .run("ping", |connection| {
                Ok(connection.query_row("SELECT count(*) FROM lakehand_families", [], |_| Ok(()))?)
            })
            .await
    }

    fn ddl(&self, shape: &FamilyShape) -> Vec<String> {
        ddl::sqlite_ddl(shape)
    }
}

#[async_trait]
impl QueryWarehouse for SqliteWarehouse {
    async fn query(&self, sql: &str, limit: usize) -> Result<QueryAnswer, WarehouseError> {
        let asker = query::Asker::default();
        let (connections, asked, sql) = (Arc::clone(&self.connections), asker.asked(), sql.to_owned());
        let answered = tokio::task::spawn_blocking(move || {
            let connection = connections.read_only()?;
            query::answer(&connection, &asked, &sql, limit)
        });
        answered.await.unwrap_or(Err(trouble::Trouble::BrokenOff)).map_err(|trouble| trouble.of("query"))
    }
}
