//! What every stage of loading is given: ports, settings and the dataset.

use std::sync::Arc;
use std::time::Duration;

use lakehand_dataset::dataset::Dataset;
use lakehand_domain::backoff::Backoff;
use lakehand_domain::shape::{DefinitionInForce, FamilyShape};
use tokio_util::sync::CancellationToken;

use crate::loading::outcome::LoadObserver;
use crate::ports::Ports;

/// How loading goes about its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadingSettings {
    /// A batch has at most this many entries.
    pub max_batch_entries: usize,
    /// A batch has at most this many bytes of Parquet, unless one entry alone has more.
    pub max_batch_bytes: u64,
    /// A batch has at most this many rows, unless one entry alone has more.
    pub max_batch_rows: u64,
    /// A batch that is not full waits until its oldest entry is this old, so that others can join it.
    pub linger: Duration,
    /// Where nothing says that there is something to load, look this often.
    pub poll: Duration,
    /// The warehouse is looked at anew this often, also where nothing is to be loaded: it may have been restored from an
    /// older state meanwhile, and nobody would notice before the next file. Each look takes the fence, and compares what
    /// was loaded or set aside since the look before the last one with the markers.
    pub look_anew: Duration,
    /// A process whose definition was retired looks this often whether it still is. Each look takes the fence, which
    /// disturbs those that load.
    pub stand_aside: Duration,
    /// A replica that loads a dataset keeps the others from staging the same files for this long after it was last
    /// heard of. It saves work and waiting; safety is the fence's.
    pub lease: Duration,
    /// So many manifests are read, and entries finished, at once.
    pub concurrency: usize,
    /// So often a call with an unknown outcome, a conflict or a refusing guard is taken up again before the batch is
    /// given up until later.
    pub attempts: u32,
    /// The delay before a call is taken up again, and before a family that failed is tried again.
    pub backoff: Backoff,
    /// An object written under an older definition is asked for again this long after it was asked for.
    pub ask_again: Duration,
}

impl Default for LoadingSettings {
    fn default() -> Self {
        Self {
            max_batch_entries: 500,
            max_batch_bytes: 4 << 30,
            max_batch_rows: 20_000_000,
            linger: Duration::from_secs(2),
            poll: Duration::from_secs(10),
            look_anew: Duration::from_hours(1),
            stand_aside: Duration::from_mins(10),
            lease: Duration::from_secs(10),
            concurrency: 16,
            attempts: 4,
            backoff: Backoff { first: Duration::from_millis(500), most: Duration::from_mins(2) },
            ask_again: Duration::from_mins(5),
        }
    }
}

/// What every stage of loading is given.
#[derive(Debug, Clone, Copy)]
pub struct Loader<'a> {
    /// The outside.
    pub ports: &'a Ports,
    /// How.
    pub settings: &'a LoadingSettings,
    /// The dataset, as this process knows it.
    pub dataset: &'a Arc<Dataset>,
    /// Learns of what is done when it is done.
    pub observer: &'a dyn LoadObserver,
    /// Once cancelled, nothing new is gathered; what is under way goes on until the caller drops it.
    pub stop: &'a CancellationToken,
}

impl Loader<'_> {
    /// The shape of the family's tables.
    pub(crate) fn shape(&self) -> FamilyShape {
        self.dataset.family_shape()
    }

    /// Our definition.
    pub(crate) fn definition(&self) -> DefinitionInForce {
        DefinitionInForce { dataset: self.dataset.id.clone(), fingerprint: self.dataset.fingerprint.clone() }
    }

    /// Waits before the call after the `attempt`-th failure. Workers that failed together do not come back together.
    pub(crate) async fn pause(&self, attempt: u32) {
        let delay = self.settings.backoff.delay(attempt, self.ports.identity.worker().as_str());
        self.ports.clock.sleep(delay).await;
    }
}
