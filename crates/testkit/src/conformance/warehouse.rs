//! The suite of the warehouse port: every sentence of its contract is a check.
//!
//! The suite brings its own parts, held in memory, so that a backend that takes rows needs no Parquet to pass it; for one
//! that reads files itself they are put where it does. Every check works in families of its own, so that one warehouse
//! serves them all, also one that other tests use.

mod batches;
mod fencing;
mod migrations;
mod model;
mod parts;
mod queries;
mod references;
mod sample;
mod scope;
mod standing;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use lakehand_domain::port::row_reader::PartReader;
use lakehand_domain::port::warehouse::{QueryWarehouse, Warehouse};
use lakehand_domain::shape::TableShape;

pub use model::expected_rows;
pub use parts::{MemoryParts, SampleParts};
pub use sample::{Dump, SampleLoad, SampleRow, Site};

/// A warehouse under test.
pub struct Tested {
    /// The port.
    pub warehouse: Arc<dyn Warehouse>,
    /// The same warehouse, for questions.
    pub query: Arc<dyn QueryWarehouse>,
    /// How SQL names the view that people read.
    pub view: fn(&TableShape) -> String,
    /// How SQL names the table of every accepted row of every live load.
    pub rows: fn(&TableShape) -> String,
    /// What has to outlive the warehouse, such as a temporary folder.
    pub keep: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Tested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tested").field("warehouse", &self.warehouse).finish_non_exhaustive()
    }
}

/// Runs every check. `make` opens a warehouse that reads the parts it is given. `label` begins the names of all families
/// and datasets of this run: a warehouse that outlives the run wants another label for each.
pub async fn warehouse_suite<F, R>(label: &str, make: F)
where
    F: FnOnce(Arc<dyn PartReader>) -> R,
    R: Future<Output = Tested>,
{
    let parts = Arc::new(MemoryParts::default());
    let tested = make(Arc::clone(&parts) as Arc<dyn PartReader>).await;
    warehouse_suite_on(label, tested, parts, 24).await;
}

/// Runs every check on a warehouse that reads the parts that are kept here. Loads are delivered in so many `orders`, at
/// most 24: fewer for a warehouse whose calls are slow.
pub async fn warehouse_suite_on(label: &str, tested: Tested, parts: Arc<dyn SampleParts>, orders: usize) {
    let sites = sample::Sites::new(label, Arc::new(tested), parts);
    fencing::check(&sites).await;
    batches::check(&sites).await;
    migrations::check(&sites).await;
    standing::check(&sites, orders).await;
    references::check(&sites, orders).await;
    queries::check(&sites).await;
}
