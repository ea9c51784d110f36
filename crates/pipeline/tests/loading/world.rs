//! Written entries whose parts are held in memory, a warehouse in a file, and loaders to be watched and killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lakehand_dataset::catalog::Catalog;
use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::fingerprint::TransformIdentity;
use lakehand_dataset::problem::DefinitionFile;
use lakehand_dataset::transformer::{PartSink, TransformError, TransformInput, Transformed, Transformer};
use lakehand_domain::clock::Clock;
use lakehand_domain::entry::{
    ClaimDecision, ClaimRequest, Entry, EntryState, LoadSummary, SetAsideKind, SetAsideReason, StateName, claim,
};
use lakehand_domain::id::{LedgerId, MessageId, WorkerId};
use lakehand_domain::manifest::{Manifest, Part, TableManifest};
use lakehand_domain::message::{Attributes, MessageRef};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::{Cause, OwnMessage};
use lakehand_domain::port::ledger::{EntryQuery, Ledger, PutEntry};
use lakehand_domain::port::object_store::{ObjectStore, PutCondition};
use lakehand_domain::port::queue::Queue;
use lakehand_domain::port::warehouse::QueryWarehouse;
use lakehand_domain::reject::RejectCounts;
use lakehand_domain::shape::ColumnShape;
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::value::{ColumnValues, RowBatch};
use lakehand_ledger::sqlite::SqliteLedger;
use lakehand_pipeline::loading::{LoadError, LoadOutcome, Loader, LoadingSettings, Memory, load};
use lakehand_pipeline::ports::{Identity, LakeRoot, Ports};
use lakehand_queue::sqlite::{QueueOptions, SqliteQueue};
use lakehand_store::file::{Durability, FileStore};
use lakehand_testkit::conformance::warehouse::MemoryParts;
use lakehand_testkit::faulty::ledger::FaultyLedger;
use lakehand_testkit::faulty::object_store::FaultyStore;
use lakehand_testkit::faulty::plan::FaultPlan;
use lakehand_testkit::faulty::queue::FaultyQueue;
use lakehand_testkit::faulty::warehouse::FaultyWarehouse;
use lakehand_testkit::manual_clock::ManualClock;
use lakehand_warehouse::sqlite::SqliteWarehouse;
use tokio_util::sync::CancellationToken;

use crate::meddled::Meddled;

/// Intake is not part of these tests.
#[derive(Debug)]
struct NoTransformer;

impl Transformer for NoTransformer {
    fn transform(
        &self,
        _: &TransformInput,
        _: &dyn PartSink,
        _: &(dyn Fn() -> bool + Sync),
    ) -> Result<Transformed, TransformError> {
        unreachable!("loading transforms nothing")
    }

    fn empty_part(&self, _: &[ColumnShape]) -> Result<(Vec<u8>, String), TransformError> {
        Ok((Vec::new(), String::new()))
    }

    fn check(&self, _: &Dataset) -> Vec<(String, String)> {
        Vec::new()
    }
}

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) plan: Arc<FaultPlan>,
    pub(crate) parts: Arc<MemoryParts>,
    pub(crate) ports: Ports,
    pub(crate) settings: LoadingSettings,
    pub(crate) dataset: Arc<Dataset>,
    /// The backends behind the faults, for the test to look at.
    pub(crate) ledger: Arc<SqliteLedger>,
    pub(crate) queue: Arc<SqliteQueue>,
    pub(crate) files: Arc<dyn ObjectStore>,
    pub(crate) warehouse: Arc<SqliteWarehouse>,
    pub(crate) meddled: Arc<Meddled>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(FaultPlan::new(), "keep")
    }

    pub(crate) fn with(plan: FaultPlan, after_load: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["landing", "lake", "archive"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let clock = Arc::new(ManualClock::hurrying(Timestamp::parse("2100-01-01T00:00:00Z").unwrap()));
        let plan = Arc::new(plan);
        let dynamic: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let queue = folder.path().join("queue.db");
        let queue = Arc::new(SqliteQueue::open(&queue, "queue", QueueOptions::default(), dynamic).unwrap());
        let ledger = Arc::new(SqliteLedger::open(&folder.path().join("ledger.db"), &LedgerId::new("l")).unwrap());
        let files: Arc<dyn ObjectStore> = Arc::new(FileStore::new(Durability::None));
        let parts = Arc::new(MemoryParts::default());
        let warehouse = open_warehouse(&folder.path().join("warehouse.db"), &parts);
        let meddled = Arc::new(Meddled::new(Arc::<SqliteWarehouse>::clone(&warehouse)));
        let after_load = after_load.replace("ARCHIVE", uri(&folder.path().join("archive")).as_str());
        let catalog = catalog(folder.path(), &after_load, 1);
        let dataset = Arc::clone(catalog.iter().next().unwrap());
        let ports = Ports {
            clock: Arc::<ManualClock>::clone(&clock),
            queue: Arc::new(FaultyQueue::new(Arc::<SqliteQueue>::clone(&queue), Arc::clone(&plan))),
            dead_letters: Arc::<SqliteQueue>::clone(&queue),
            ledger: Arc::new(FaultyLedger::new(Arc::<SqliteLedger>::clone(&ledger), Arc::clone(&plan))),
            landing: Arc::new(FaultyStore::new(Arc::clone(&files), Arc::clone(&plan))),
            lake: Arc::new(FaultyStore::new(Arc::clone(&files), Arc::clone(&plan))),
            transformer: Arc::new(NoTransformer),
            warehouse: Arc::new(FaultyWarehouse::new(Arc::clone(&meddled), Arc::clone(&plan))),
            catalog: Arc::new(catalog),
            lake_root: LakeRoot(uri(&folder.path().join("lake"))),
            identity: Arc::new(Identity::new(WorkerId::new("first"))),
        };
        let settings = LoadingSettings { linger: Duration::ZERO, ..LoadingSettings::default() };
        Self { folder, clock, plan, parts, ports, settings, dataset, ledger, queue, files, warehouse, meddled }
    }

    /// The same backends without faults, under another worker.
    pub(crate) fn as_worker(&self, name: &str) -> Ports {
        Ports {
            queue: Arc::<SqliteQueue>::clone(&self.queue),
            ledger: Arc::<SqliteLedger>::clone(&self.ledger),
            landing: Arc::clone(&self.files),
            lake: Arc::clone(&self.files),
            warehouse: Arc::<Meddled>::clone(&self.meddled),
            identity: Arc::new(Identity::new(WorkerId::new(name))),
            ..self.ports.clone()
        }
    }

    /// The same dataset under another definition, for workers that have it.
    pub(crate) fn redefined(&self, revision: u32) -> Arc<Dataset> {
        Arc::clone(catalog(self.folder.path(), "keep", revision).iter().next().unwrap())
    }

    /// The same dataset under a definition that the warehouse refuses, once it has the usual one.
    pub(crate) fn narrowed(&self) -> Arc<Dataset> {
        let text = definition("keep", 1).replace("integer", "smallint");
        Arc::clone(checked(self.folder.path(), &[("d.toml", text)]).iter().next().unwrap())
    }

    /// The same dataset, whose column has another type.
    pub(crate) fn retyped(&self, column_type: &str) -> Arc<Dataset> {
        let text = definition("keep", 2).replace("\"integer\"", &format!("{column_type:?}"));
        Arc::clone(checked(self.folder.path(), &[("d.toml", text)]).iter().next().unwrap())
    }

    /// Ties the dataset to another from now on, which references it and deletes what it has loaded.
    pub(crate) fn tie(&mut self) -> Arc<Dataset> {
        let child = "name = \"child\"\n\n[source]\nobjects = [\"child_*.txt\"]\nformat = \"jsonl\"\nafter_load = \
                     \"delete\"\n\n[tables.t]\nmode = \"append\"\ncolumns.a = { type = \"integer\", references = \"d.t.a\" }\n";
        let catalog =
            checked(self.folder.path(), &[("d.toml", definition("keep", 1)), ("child.toml", child.to_owned())]);
        let [child, parent] = catalog.iter().map(Arc::clone).collect::<Vec<_>>().try_into().unwrap();
        self.dataset = parent;
        self.ports.catalog = Arc::new(catalog);
        child
    }

    /// The warehouse is another file from now on.
    pub(crate) fn swap_warehouse(&mut self, path: &Path) {
        self.warehouse = open_warehouse(path, &self.parts);
        self.meddled = Arc::new(Meddled::new(Arc::<SqliteWarehouse>::clone(&self.warehouse)));
        self.ports.warehouse = Arc::new(FaultyWarehouse::new(Arc::clone(&self.meddled), Arc::clone(&self.plan)));
    }

    pub(crate) fn landed(&self, name: &str) -> PathBuf {
        self.folder.path().join("landing").join(name)
    }

    pub(crate) fn object(&self, name: &str) -> ObjectUri {
        uri(&self.landed(name))
    }

    /// Lands a file and writes it, as intake does: parts, manifest, ledger.
    pub(crate) async fn write(&self, name: &str, values: &[i64]) -> Entry {
        fs::write(self.landed(name), format!("{values:?}")).unwrap();
        self.write_under(name, values, &self.dataset, Cause::Arrived).await
    }

    pub(crate) async fn write_under(&self, name: &str, values: &[i64], dataset: &Arc<Dataset>, cause: Cause) -> Entry {
        let object = self.files.stat(&self.object(name)).await.unwrap();
        let id = lakehand_domain::id::EntryId::of(&dataset.id, &object.uri, &object.version);
        let existing = self.ledger.get(&id).await.unwrap();
        let request = ClaimRequest {
            dataset: dataset.id.clone(),
            object,
            fingerprint: dataset.fingerprint.clone(),
            worker: WorkerId::new("intake"),
            lease_for: Duration::from_mins(1),
            skew: Duration::ZERO,
            cause,
            asked_by: MessageRef::new(&MessageId::new("m"), self.clock.now(), &Attributes::default()),
            marked: None,
            now: self.clock.now(),
        };
        let ClaimDecision::Take(entry) = claim(existing.as_ref(), &request) else { panic!("{existing:?}") };
        assert_eq!(self.ledger.put(&entry).await.unwrap(), PutEntry::Stored);
        let manifest = self.lay_parts(&entry, values, dataset);
        let at = self.ports.lake_root.manifest(&dataset.id, &entry.load_id);
        let text = Bytes::from(serde_json::to_vec(&manifest).unwrap());
        self.files.put(&at, text, PutCondition::Always).await.unwrap();
        let lease = entry.lease().unwrap().clone();
        let written = entry.written(&lease, LoadSummary::of(&manifest, at), self.clock.now()).unwrap();
        assert_eq!(self.ledger.put(&written).await.unwrap(), PutEntry::Stored);
        // No two files are written at the same instant, so that their order is known.
        self.clock.advance(Duration::from_millis(1));
        written
    }

    /// One part for each two values.
    fn lay_parts(&self, entry: &Entry, values: &[i64], dataset: &Arc<Dataset>) -> Manifest {
        let columns = dataset.tables[0].shape.part_columns();
        let folder = self.ports.lake_root.dataset(&dataset.id).join("t");
        let mut parts = Vec::new();
        for (number, values) in values.chunks(2).enumerate() {
            let uri = folder.join(&format!("{}-{number:05}.parquet", entry.load_id));
            let text = |text: &str| ColumnValues::Text(vec![Some(text.to_owned()); values.len()]);
            let first = i64::try_from(number * 2 + 1).unwrap();
            let batch = RowBatch {
                columns: vec![
                    ColumnValues::Integer(values.iter().copied().map(Some).collect()),
                    text(entry.load_id.as_str()),
                    text(entry.object.uri.as_str()),
                    ColumnValues::Integer((first..).take(values.len()).map(Some).collect()),
                    text(entry.object.order().as_str()),
                ],
                rows: values.len(),
            };
            self.parts.put(&uri, &columns, vec![batch]);
            let checksum = "0".repeat(32);
            parts.push(Part { uri, rows: values.len() as u64, bytes: 10, checksum, partition: Vec::new() });
        }
        let rows = values.len() as u64;
        Manifest {
            format: 1,
            load_id: entry.load_id.clone(),
            entry: entry.id.clone(),
            dataset: dataset.id.clone(),
            object: entry.object.clone(),
            order: entry.object.order(),
            generation: entry.generation,
            fingerprint: dataset.fingerprint.clone(),
            erasure_epoch: 0,
            records: rows,
            rejects: RejectCounts::default(),
            tables: vec![TableManifest { table: "t".to_owned(), columns, rows, parts }],
            quarantine: None,
            scopes: BTreeMap::new(),
        }
    }

    /// One pass.
    pub(crate) async fn load(&self, ports: &Ports, memory: &mut Memory) -> Result<LoadOutcome, LoadError> {
        self.load_under(ports, &self.dataset, memory).await
    }

    pub(crate) async fn load_under(
        &self,
        ports: &Ports,
        dataset: &Arc<Dataset>,
        memory: &mut Memory,
    ) -> Result<LoadOutcome, LoadError> {
        let stop = CancellationToken::new();
        let loader = Loader { ports, settings: &self.settings, dataset, observer: &(), stop: &stop };
        load(&loader, memory).await
    }

    /// Passes until there is no more to do; what all of them came to.
    pub(crate) async fn load_all(&self, ports: &Ports, memory: &mut Memory) -> Result<LoadOutcome, LoadError> {
        let mut all = LoadOutcome::default();
        for _ in 0..20 {
            let outcome = self.load(ports, memory).await?;
            all.loaded += outcome.loaded;
            all.refused += outcome.refused;
            all.sent_back += outcome.sent_back;
            all.restored += outcome.restored;
            all.standing = outcome.standing.clone();
            all.stuck.clone_from(&outcome.stuck);
            if !outcome.more() {
                return Ok(all);
            }
        }
        panic!("there is always more: {all:?}");
    }

    /// Passes of another worker until all is quiet.
    pub(crate) async fn to_the_end(&self) -> LoadOutcome {
        self.load_all(&self.as_worker("last"), &mut Memory::default()).await.unwrap()
    }

    /// All rows of all live loads: file, record, value, standing; sorted.
    pub(crate) async fn rows(&self) -> Vec<String> {
        let table = SqliteWarehouse::rows_name(&self.dataset.tables[0].shape);
        let sql = format!("SELECT _object, _record, a, _standing FROM \"{table}\" ORDER BY 1, 2, 3, 4");
        let answer = self.warehouse.query(&sql, 10_000).await.unwrap();
        let cells = answer.rows.into_iter().map(|row| {
            let cells: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
            cells.join(" ").replace(uri(&self.folder.path().join("landing")).as_str(), "")
        });
        cells.collect()
    }

    /// The same, or nothing where the table is not there yet.
    pub(crate) async fn rows_or_none(&self) -> Vec<String> {
        match self.warehouse.query("SELECT 1 FROM \"d_t__rows\"", 1).await {
            Ok(_) => self.rows().await,
            Err(_) => Vec::new(),
        }
    }

    /// Sets the first entry, which is loaded, aside, as a loader did that took its definition for given up.
    pub(crate) async fn set_aside_though_marked(&self) -> Entry {
        let loaded = self.entries().await.remove(0);
        let reason = SetAsideReason { kind: SetAsideKind::Gone, message: "deleted".to_owned() };
        let summary = loaded.summary().cloned();
        let state = EntryState::SetAside { at: loaded.updated, reason, told: true, summary };
        let aside = Entry { state, live: None, revision: loaded.revision + 1, ..loaded };
        assert_eq!(self.ledger.put(&aside).await.unwrap(), PutEntry::Stored);
        aside
    }

    pub(crate) async fn entries(&self) -> Vec<Entry> {
        self.ledger.list(&EntryQuery { limit: 1_000, ..EntryQuery::default() }).await.unwrap().entries
    }

    /// State and generation of every entry, by the name of its file.
    pub(crate) async fn states(&self) -> BTreeMap<String, (StateName, u32)> {
        let entries = self.entries().await.into_iter();
        let named =
            entries.map(|entry| (entry.object.uri.file_name().to_owned(), (entry.state_name(), entry.generation.0)));
        named.collect()
    }

    pub(crate) async fn state(&self, name: &str) -> StateName {
        self.states().await[name].0
    }

    /// What was asked for through the queue, which is taken.
    pub(crate) async fn asked(&self) -> Vec<(String, Cause)> {
        let messages = self.queue.receive(10, Duration::from_hours(1), Duration::ZERO).await.unwrap();
        let events =
            messages.iter().flat_map(|message| serde_json::from_str::<OwnMessage>(&message.body).unwrap().objects);
        events.map(|event| (event.uri.file_name().to_owned(), event.cause)).collect()
    }

    pub(crate) async fn batches(&self) -> Option<i64> {
        self.ledger.number("batches/d").await.unwrap()
    }
}

fn open_warehouse(path: &Path, parts: &Arc<MemoryParts>) -> Arc<SqliteWarehouse> {
    Arc::new(SqliteWarehouse::open(path, Arc::<MemoryParts>::clone(parts)).unwrap())
}

fn definition(after_load: &str, revision: u32) -> String {
    format!(
        "name = \"d\"\nrevision = {revision}\n\n[source]\nobjects = [\"in_*.txt\"]\nformat = \"jsonl\"\nafter_load = \
         \"{after_load}\"\n\n[tables.t]\nmode = \"append\"\ncolumns.a = {{ type = \"integer\" }}\n"
    )
}

fn catalog(folder: &Path, after_load: &str, revision: u32) -> Catalog {
    checked(folder, &[("d.toml", definition(after_load, revision))])
}

fn checked(folder: &Path, files: &[(&str, String)]) -> Catalog {
    let file = |(path, text): &(&str, String)| DefinitionFile { path: (*path).to_owned(), text: text.clone() };
    let files: Vec<DefinitionFile> = files.iter().map(file).collect();
    let landing = uri(&folder.join("landing"));
    Catalog::check(&files, &landing, None, &TransformIdentity("none 1".to_owned())).unwrap()
}

pub(crate) fn uri(path: &Path) -> ObjectUri {
    ObjectUri::parse(&format!("file://{}", path.display())).unwrap()
}
