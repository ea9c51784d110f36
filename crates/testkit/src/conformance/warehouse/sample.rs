//! Small families, loads and rows for the checks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lakehand_domain::id::{DatasetId, EntryId, FamilyId, Fingerprint, Generation, LedgerId, LoadId, Nonce};
use lakehand_domain::manifest::{Manifest, Part, TableManifest};
use lakehand_domain::object::{ObjectStat, ObjectUri, ObjectVersion, Order};
use lakehand_domain::port::warehouse::{CommitOutcome, MigrateOutcome, TakeOutcome, Warehouse, WarehouseError};
use lakehand_domain::reject::RejectCounts;
use lakehand_domain::shape::{
    ColumnShape, ColumnType, Contest, DefinitionInForce, FamilyShape, TableLayout, TableShape, lineage,
};
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::value::{ColumnValues, RowBatch};
use lakehand_domain::warehousing::{CommitRequest, Fence, StagedLoad};

use super::{SampleParts, Tested, model::similar, scope::said};

/// Rows as text: object, order, record, key, version, note, standing; sorted.
pub type Dump = Vec<Vec<Option<String>>>;

/// The warehouse under test, and families that nobody else has.
#[derive(Debug)]
pub(super) struct Sites {
    label: String,
    tested: Arc<Tested>,
    parts: Arc<dyn SampleParts>,
    made: AtomicU32,
}

impl Sites {
    pub(super) fn new(label: &str, tested: Arc<Tested>, parts: Arc<dyn SampleParts>) -> Self {
        Self { label: label.to_owned(), tested, parts, made: AtomicU32::new(0) }
    }

    /// A family of its own, ensured and not yet migrated.
    pub(super) async fn bare(&self, contest: &Contest) -> Site {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        let dataset = format!("{}_{number}", self.label);
        Site::on(Arc::clone(&self.tested), Arc::clone(&self.parts), &dataset, contest).await
    }

    /// A family of its own, with its definition in force.
    pub(super) async fn site(&self, contest: &Contest) -> Site {
        let site = self.bare(contest).await;
        site.put_in_force().await;
        site
    }
}

/// One row of a sample load; its record number is its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleRow {
    /// `listing_id`.
    pub key: i64,
    /// `last_modified`.
    pub version: Option<i64>,
    /// `_passes`.
    pub passes: bool,
}

/// One load: a generation of a version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleLoad {
    /// Which object.
    pub object: u32,
    /// Which version of it. Two versions of one thousand have the same last-modified, so that their names decide.
    pub version: u32,
    /// Which generation.
    pub generation: u32,
    /// Its rows.
    pub rows: Vec<SampleRow>,
}

/// A family of one dataset with one table, `flats`, which has a `where`.
#[derive(Debug)]
pub struct Site {
    /// The warehouse.
    pub tested: Arc<Tested>,
    /// The shape, of which the only table is `flats`.
    pub shape: FamilyShape,
    pub(super) parts: Arc<dyn SampleParts>,
    pub(super) nonces: AtomicU32,
}

pub(super) fn column(name: &str, column_type: &str, required: bool) -> ColumnShape {
    ColumnShape { name: name.to_owned(), column_type: ColumnType::parse(column_type).unwrap(), required }
}

impl Site {
    /// Ensures a family of this name.
    pub async fn open<P>(tested: Arc<Tested>, parts: Arc<P>, dataset: &str, contest: &Contest) -> Self
    where
        P: SampleParts + 'static,
    {
        Self::on(tested, parts, dataset, contest).await
    }

    /// Ensures a family of this name, whose parts lie here.
    pub(super) async fn on(tested: Arc<Tested>, parts: Arc<dyn SampleParts>, dataset: &str, contest: &Contest) -> Self {
        let dataset = DatasetId::new(dataset);
        let table = TableShape {
            dataset: dataset.clone(),
            name: "flats".to_owned(),
            columns: vec![
                column("listing_id", "bigint", true),
                column("last_modified", "bigint", false),
                column("note", "varchar(20)", false),
            ],
            contest: contest.clone(),
            has_where: true,
            exploded: false,
            layout: TableLayout::default(),
            subjects: Vec::new(),
            references: Vec::new(),
        };
        let shape = FamilyShape {
            family: FamilyId::new(dataset.as_str()),
            definitions: vec![DefinitionInForce { dataset, fingerprint: Fingerprint::new("first") }],
            tables: vec![table],
        };
        tested.warehouse.ensure(&shape.family).await.unwrap();
        Self { tested, shape, parts, nonces: AtomicU32::new(0) }
    }

    pub(super) fn warehouse(&self) -> &dyn Warehouse {
        self.tested.warehouse.as_ref()
    }

    pub(super) fn table(&self) -> &TableShape {
        &self.shape.tables[0]
    }

    pub(super) fn definition(&self) -> &DefinitionInForce {
        &self.shape.definitions[0]
    }

    /// Nobody else's: stagings are dropped by their name alone, whatever the family.
    pub(super) fn nonce(&self) -> Nonce {
        let number = self.nonces.fetch_add(1, Ordering::SeqCst);
        Nonce::new(format!("{}_n{number}", self.definition().dataset))
    }

    /// Takes the fence, which has to be free for our ledger.
    pub async fn take(&self) -> Fence {
        let outcome = self.warehouse().take_fence(&self.shape.family, &self.nonce(), &ledger()).await.unwrap();
        let TakeOutcome::Taken(fence) = outcome else { panic!("{outcome:?}") };
        fence
    }

    /// Migrates to the shape as it is.
    pub async fn put_in_force(&self) {
        let fence = self.take().await;
        assert_eq!(self.warehouse().migrate(&fence, &self.shape).await.unwrap(), MigrateOutcome::InForce);
    }

    /// The next definition of the dataset: the table changed by `change`, under a new fingerprint.
    pub(super) fn redefined(&self, fingerprint: &str, change: impl FnOnce(&mut TableShape)) -> Self {
        let mut shape = self.shape.clone();
        shape.definitions[0].fingerprint = Fingerprint::new(fingerprint);
        change(&mut shape.tables[0]);
        Self {
            tested: Arc::clone(&self.tested),
            shape,
            parts: Arc::clone(&self.parts),
            nonces: AtomicU32::new(self.nonces.load(Ordering::SeqCst) + 1000),
        }
    }

    /// The URI of an object.
    pub fn object(&self, object: u32) -> ObjectUri {
        ObjectUri::parse(&format!("s3://landing/{}/{object}.jsonl", self.definition().dataset)).unwrap()
    }

    fn stat(&self, load: &SampleLoad) -> ObjectStat {
        let last_modified = Timestamp::from_micros(1_700_000_000_000_000 + i64::from(load.version / 1000));
        ObjectStat {
            uri: self.object(load.object),
            version: ObjectVersion::of(Some(&format!("v{}", load.version)), None, 0, last_modified),
            version_id: Some(format!("v{}", load.version)),
            etag: None,
            size: 1,
            last_modified,
        }
    }

    /// The order of a load's version.
    pub fn order(&self, load: &SampleLoad) -> Order {
        self.stat(load).order()
    }

    /// The entry of a load.
    pub(super) fn entry(&self, load: &SampleLoad) -> EntryId {
        let stat = self.stat(load);
        EntryId::of(&self.definition().dataset, &stat.uri, &stat.version)
    }

    fn note(load: &SampleLoad, at: usize) -> String {
        format!("{}.{}.{} row {at}", load.object, load.version, load.generation)
    }

    /// The line of a [`Dump`] for this row.
    pub fn dumped(&self, load: &SampleLoad, at: usize, row: &SampleRow, standing: &str) -> Vec<Option<String>> {
        vec![
            Some(self.object(load.object).to_string()),
            Some(self.order(load).as_str().to_owned()),
            Some((at + 1).to_string()),
            Some(row.key.to_string()),
            row.version.map(|version| version.to_string()),
            Some(Self::note(load, at)),
            Some(standing.to_owned()),
        ]
    }

    fn values(
        &self,
        column: &ColumnShape,
        load: &SampleLoad,
        load_id: &LoadId,
        rows: &[(usize, &SampleRow)],
    ) -> ColumnValues {
        let count = rows.len();
        let texts = |text: &str| ColumnValues::Text(vec![Some(text.to_owned()); count]);
        match column.name.as_str() {
            "listing_id" => ColumnValues::Integer(rows.iter().map(|(_, row)| Some(row.key)).collect()),
            "last_modified" => ColumnValues::Integer(rows.iter().map(|(_, row)| row.version).collect()),
            "note" => ColumnValues::Text(rows.iter().map(|(at, _)| Some(Self::note(load, *at))).collect()),
            lineage::PASSES => ColumnValues::Boolean(rows.iter().map(|(_, row)| Some(row.passes)).collect()),
            lineage::LOAD_ID => texts(load_id.as_str()),
            lineage::OBJECT => texts(self.object(load.object).as_str()),
            lineage::RECORD => {
                ColumnValues::Integer(rows.iter().map(|(at, _)| Some(i64::try_from(*at).unwrap() + 1)).collect())
            }
            lineage::ORDER => texts(self.order(load).as_str()),
            _ => match column.column_type {
                ColumnType::Varchar { .. } | ColumnType::Json => texts("new"),
                ColumnType::Decimal { scale, .. } => ColumnValues::Decimal { scale, unscaled: vec![Some(700); count] },
                ColumnType::Boolean => ColumnValues::Boolean(vec![Some(true); count]),
                _ => ColumnValues::Integer(vec![Some(7); count]),
            },
        }
    }

    /// The manifest of a load, whose parts are put where the warehouse finds them: two parts, of small batches.
    pub fn manifest(&self, load: &SampleLoad) -> Arc<Manifest> {
        self.bent_manifest(load, |_| {})
    }

    /// The manifest of a load whose parts hold what `bend` makes of every batch of their rows.
    pub fn bent_manifest(&self, load: &SampleLoad, bend: impl Fn(&mut RowBatch)) -> Arc<Manifest> {
        let (entry, object) = (self.entry(load), self.stat(load));
        let (generation, fingerprint) = (Generation(load.generation), self.definition().fingerprint.clone());
        let load_id = LoadId::of(&entry, generation, &fingerprint);
        let rows: Vec<(usize, &SampleRow)> = load.rows.iter().enumerate().collect();
        let tables =
            self.shape.tables.iter().map(|table| self.described(table, load, &load_id, &rows, &bend)).collect();
        Arc::new(Manifest {
            format: 1,
            load_id,
            entry,
            dataset: self.definition().dataset.clone(),
            order: object.order(),
            object,
            generation,
            fingerprint,
            erasure_epoch: 0,
            records: rows.len() as u64,
            rejects: RejectCounts::default(),
            tables,
            quarantine: None,
            scopes: said(load.object),
        })
    }

    /// The parts of one table.
    fn described(
        &self,
        table: &TableShape,
        load: &SampleLoad,
        load_id: &LoadId,
        rows: &[(usize, &SampleRow)],
        bend: &impl Fn(&mut RowBatch),
    ) -> TableManifest {
        let columns = table.part_columns();
        let mut parts = Vec::new();
        for (number, rows) in rows.chunks(rows.len().div_ceil(2).max(1)).enumerate() {
            let name = format!("{}/{}/{load_id}-{number}.parquet", table.dataset, table.name);
            let uri = self.parts.root().join(&name);
            let batch = |rows: &[(usize, &SampleRow)]| {
                let columns = columns.iter().map(|column| self.values(column, load, load_id, rows)).collect();
                let mut batch = RowBatch { columns, rows: rows.len() };
                bend(&mut batch);
                batch
            };
            let (bytes, checksum) = self.parts.keep(&uri, &columns, rows.chunks(2).map(batch).collect());
            parts.push(Part { uri, rows: rows.len() as u64, bytes, checksum, partition: Vec::new() });
        }
        TableManifest { table: table.name.clone(), columns, rows: rows.len() as u64, parts }
    }

    /// Stages manifests under a new name.
    pub(super) async fn stage(&self, manifests: &[Arc<Manifest>]) -> Result<Vec<StagedLoad>, WarehouseError> {
        let staging = self.warehouse().stage(&self.shape, &self.nonce(), manifests).await?;
        Ok(staging
            .manifests
            .iter()
            .map(|manifest| StagedLoad {
                manifest: Arc::clone(manifest),
                staging: staging.name.clone(),
                as_written: false,
            })
            .collect())
    }

    pub(super) fn request(&self, fence: &Fence, loads: &[StagedLoad]) -> CommitRequest {
        CommitRequest {
            fence: fence.clone(),
            batch: format!("batch {}", self.nonce()),
            definition: self.definition().clone(),
            loads: loads.to_vec(),
            now: Timestamp::from_micros(1_800_000_000_000_000),
        }
    }

    pub(super) async fn commit(&self, fence: &Fence, loads: &[StagedLoad]) -> CommitOutcome {
        self.warehouse().commit(&self.shape, &self.request(fence, loads)).await.unwrap()
    }

    /// What the loading loop does with a batch: stage, take, leave out what is marked, commit, drop the staging. Of two
    /// generations of one entry only the newer is loaded.
    pub async fn deliver(&self, loads: &[SampleLoad]) {
        let newest = |load: &&SampleLoad| {
            !loads.iter().any(|other| self.entry(other) == self.entry(load) && other.generation > load.generation)
        };
        let manifests: Vec<_> = loads.iter().filter(newest).map(|load| self.manifest(load)).collect();
        let staged = self.stage(&manifests).await.unwrap();
        let fence = self.take().await;
        let entries: Vec<_> = manifests.iter().map(|manifest| manifest.entry.clone()).collect();
        let markers = self.warehouse().markers(&self.shape.family, &entries).await.unwrap();
        let is_new = |load: &StagedLoad| {
            !markers
                .iter()
                .any(|marker| marker.entry == load.manifest.entry && marker.generation >= load.manifest.generation)
        };
        let todo: Vec<StagedLoad> = staged.iter().filter(|load| is_new(load)).cloned().collect();
        if !todo.is_empty() {
            let outcome = self.commit(&fence, &todo).await;
            assert!(matches!(outcome, CommitOutcome::Committed { .. }), "{outcome:?}");
        }
        if let Some(load) = staged.first() {
            self.warehouse().drop_staging(&load.staging).await.unwrap();
        }
    }

    /// Every row with its standing.
    pub async fn dump(&self) -> Dump {
        self.select(&(self.tested.rows)(self.table()), "_standing").await
    }

    /// The rows that people see, with the standing `visible`.
    pub async fn dump_view(&self) -> Dump {
        self.select(&(self.tested.view)(self.table()), "'visible'").await
    }

    async fn select(&self, from: &str, standing: &str) -> Dump {
        let sql = format!("SELECT _object, _order, _record, listing_id, last_modified, note, {standing} FROM {from}");
        let mut rows = self.tested.query.query(&sql, usize::MAX).await.unwrap().rows;
        rows.sort();
        rows
    }

    /// Asserts that rows and view are those of the model.
    pub async fn assert_is(&self, expected: &Dump) {
        similar(&self.dump().await, expected);
        let visible: Dump =
            expected.iter().filter(|row| row.last() == Some(&Some("visible".to_owned()))).cloned().collect();
        similar(&self.dump_view().await, &visible);
    }

    pub(super) async fn answer(&self, sql: &str) -> Dump {
        self.tested.query.query(sql, usize::MAX).await.unwrap().rows
    }
}

/// The ledger of all checks.
pub(super) fn ledger() -> LedgerId {
    LedgerId::new("the ledger")
}

/// A load of rows (key, version) that all pass.
pub(super) fn load(object: u32, version: u32, generation: u32, rows: &[(i64, Option<i64>)]) -> SampleLoad {
    let rows = rows.iter().map(|(key, version)| SampleRow { key: *key, version: *version, passes: true }).collect();
    SampleLoad { object, version, generation, rows }
}

/// Upsert by `listing_id`, the newest `last_modified` winning.
pub(super) fn upsert() -> Contest {
    Contest::Upsert { key: vec!["listing_id".to_owned()], version: Some("last_modified".to_owned()) }
}
