//! Loading: what is written in the lake becomes rows of the warehouse, exactly once.
//!
//! | stage | does | durable after it |
//! |---|---|---|
//! | gather | the written entries of a dataset and their manifests | nothing |
//! | stage | their parts copied into staging tables of a name nobody else has | staging tables |
//! | commit | under the fence, one transaction: rows and markers | the warehouse says that they are done |
//! | finish | the source kept, archived or deleted; then, last, the ledger | the ledger says that they are loaded |
//!
//! It may be dropped at any await, or die at any instruction, and be run again by anyone: nothing is lost or doubled.

mod age;
mod error;
mod loader;
mod memory;
mod outcome;
mod send_back;

pub use age::remember_definition;
pub(crate) use age::{forget_refusal, newer, refused, remember_refusal};
pub use error::LoadError;
pub use loader::{Loader, LoadingSettings};
pub use memory::Memory;
pub use outcome::{LoadObserver, LoadOutcome, LoadedEntry, Standing};

pub use crate::gather::{ManifestOfLoad, load_of_marker, manifest_of_load};
pub(crate) use send_back::{ask, lost_its_parts, send_back, source_is_there};

use lakehand_domain::timestamp::Timestamp;

use crate::error::Stage;
use crate::{commit, finish, gather, stage};

/// Loads one batch of a dataset. With nothing to load it still makes sure, once, that the warehouse is ours, is no
/// older than the ledger remembers, and has the definition in force.
pub async fn load(loader: &Loader<'_>, memory: &mut Memory) -> Result<LoadOutcome, LoadError> {
    let mut watch = Stopwatch::start(loader);
    let gathered = gather::gather(loader, memory).await?;
    watch.has_loads = !gathered.loads.is_empty();
    watch.left(Stage::Gather);
    let staged = stage::stage(loader, memory, gathered).await?;
    watch.left(Stage::Stage);
    let committed = commit::commit(loader, memory, staged).await?;
    watch.left(Stage::Commit);
    let mut outcome = finish::finish(loader, memory, committed).await?;
    outcome.stuck = memory.told_stuck();
    watch.left(Stage::Finish);
    if outcome.loaded > 0 {
        loader.observer.batch_loaded(outcome.loaded, watch.entered.since(watch.began));
    }
    Ok(outcome)
}

/// Tells how long a pass is in each stage.
struct Stopwatch<'a> {
    loader: &'a Loader<'a>,
    began: Timestamp,
    entered: Timestamp,
    /// Passes that found nothing would hide how long the others take.
    has_loads: bool,
}

impl<'a> Stopwatch<'a> {
    fn start(loader: &'a Loader<'a>) -> Self {
        let now = loader.ports.clock.now();
        Self { loader, began: now, entered: now, has_loads: false }
    }

    fn left(&mut self, stage: Stage) {
        let now = self.loader.ports.clock.now();
        if self.has_loads {
            self.loader.observer.stage_left(stage, now.since(self.entered));
        }
        self.entered = now;
    }
}
