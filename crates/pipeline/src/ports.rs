//! The ports a stage may use, and who we are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lakehand_dataset::catalog::Catalog;
use lakehand_dataset::transformer::Transformer;
use lakehand_domain::clock::Clock;
use lakehand_domain::id::{DatasetId, LoadId, Nonce, WorkerId, digest};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::ledger::Ledger;
use lakehand_domain::port::object_store::ObjectStore;
use lakehand_domain::port::queue::Queue;
use lakehand_domain::port::warehouse::Warehouse;
use lakehand_domain::timestamp::Timestamp;

/// Everything outside that the two loops touch. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where messages come from.
    pub queue: Arc<dyn Queue>,
    /// Where dead letters go.
    pub dead_letters: Arc<dyn Queue>,
    /// What has become of every file.
    pub ledger: Arc<dyn Ledger>,
    /// Where files land.
    pub landing: Arc<dyn ObjectStore>,
    /// Where Parquet goes.
    pub lake: Arc<dyn ObjectStore>,
    /// What turns bytes into Parquet.
    pub transformer: Arc<dyn Transformer>,
    /// Where rows go.
    pub warehouse: Arc<dyn Warehouse>,
    /// The datasets.
    pub catalog: Arc<Catalog>,
    /// The root of the lake.
    pub lake_root: LakeRoot,
    /// Who we are.
    pub identity: Arc<Identity>,
}

/// The lake's layout below its root: a function of names alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeRoot(pub ObjectUri);

impl LakeRoot {
    /// The folder of a dataset.
    pub fn dataset(&self, dataset: &DatasetId) -> ObjectUri {
        self.0.join(dataset.as_str())
    }

    /// Where the manifest of a load lies. Its folder begins with `_`, which readers of the tables pass over.
    pub fn manifest(&self, dataset: &DatasetId, load: &LoadId) -> ObjectUri {
        self.dataset(dataset).join(&format!("_manifests/{load}.json"))
    }
}

/// One worker process, and the names only it can make.
#[derive(Debug)]
pub struct Identity {
    worker: WorkerId,
    made: AtomicU64,
}

impl Identity {
    /// `worker` is unique over processes and restarts; whoever makes one injects the randomness.
    pub fn new(worker: WorkerId) -> Self {
        Self { worker, made: AtomicU64::new(0) }
    }

    /// Who we are.
    pub fn worker(&self) -> &WorkerId {
        &self.worker
    }

    /// A name nobody has had before: 16 hexadecimal digits of the worker's name and a count.
    pub fn nonce(&self) -> Nonce {
        Nonce::new(&self.digits()[..16])
    }

    /// The same, which says that it was made now: for what whoever finds it left over is to sweep once it is old.
    pub fn dated_nonce(&self, now: Timestamp) -> Nonce {
        Nonce::dated(now, &self.digits())
    }

    fn digits(&self) -> String {
        let count = self.made.fetch_add(1, Ordering::SeqCst);
        digest(&[b"nonce", self.worker.as_str().as_bytes(), &count.to_be_bytes()])
    }
}
