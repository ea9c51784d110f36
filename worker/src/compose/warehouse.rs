//! Warehouses.

use std::sync::Arc;

use anyhow::Context as _;
use lakehand_domain::port::object_store::ObjectStore;
use lakehand_domain::port::warehouse::{QueryWarehouse, Warehouse};
use lakehand_transform::PartFiles;
use lakehand_warehouse::sqlite::SqliteWarehouse;

use super::make_folder_of;
use crate::settings::Settings;
use crate::settings::location::Location;

/// A warehouse by both its ports.
pub(super) struct Opened {
    /// For loading.
    pub(super) warehouse: Arc<dyn Warehouse>,
    /// For questions of people.
    pub(super) query: Arc<dyn QueryWarehouse>,
}

/// The warehouse, which reads the lake's parts.
pub(super) async fn open(settings: &Settings, lake: Arc<dyn ObjectStore>) -> anyhow::Result<Opened> {
    let told = || format!("open the warehouse {} (warehouse.url)", settings.warehouse);
    match &settings.warehouse {
        Location::Sqlite(path) => {
            make_folder_of(path)?;
            let path = path.clone();
            let opened =
                tokio::task::spawn_blocking(move || SqliteWarehouse::open(&path, Arc::new(PartFiles::new(lake))));
            let warehouse = Arc::new(opened.await.context("open a backend")?.with_context(told)?);
            Ok(Opened { warehouse: Arc::clone(&warehouse) as _, query: warehouse })
        }
        // Settings refuse this; it is said all the same.
        other => anyhow::bail!("warehouse.url: {other} is no warehouse"),
    }
}
