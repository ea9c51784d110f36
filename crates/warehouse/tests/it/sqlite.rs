//! What is SQLite's own: the file, its names, how values lie in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lakehand_domain::fault::{Effect, Fault, chain};
use lakehand_domain::id::{DatasetId, FamilyId, Fingerprint, LedgerId, Nonce};
use lakehand_domain::manifest::{Manifest, Part};
use lakehand_domain::port::row_reader::{PartError, PartReader, RowReader};
use lakehand_domain::port::warehouse::{
    CommitOutcome, MigrateOutcome, QueryWarehouse, TakeOutcome, Warehouse, WarehouseError,
};
use lakehand_domain::shape::{
    ColumnShape, ColumnType, Contest, DefinitionInForce, Distribution, FamilyShape, OnRewrite, TableLayout, TableShape,
    lineage,
};
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::value::{ColumnValues, RowBatch};
use lakehand_domain::warehousing::{CommitRequest, StagedLoad};
use lakehand_testkit::conformance::warehouse::{MemoryParts, SampleLoad, SampleRow, Site, Tested, expected_rows};
use lakehand_warehouse::sqlite::{SqliteWarehouse, ddl::sqlite_ddl};
use rusqlite::Connection;

fn open(file: &Path, parts: &Arc<MemoryParts>) -> Arc<SqliteWarehouse> {
    Arc::new(SqliteWarehouse::open(file, Arc::clone(parts) as Arc<dyn PartReader>).unwrap())
}

fn tested(warehouse: &Arc<SqliteWarehouse>) -> Arc<Tested> {
    Arc::new(Tested {
        warehouse: Arc::clone(warehouse) as Arc<dyn Warehouse>,
        query: Arc::clone(warehouse) as Arc<dyn QueryWarehouse>,
        view: SqliteWarehouse::view_name,
        rows: SqliteWarehouse::rows_name,
        keep: Box::new(()),
    })
}

fn column(name: &str, column_type: &str) -> ColumnShape {
    ColumnShape { name: name.to_owned(), column_type: ColumnType::parse(column_type).unwrap(), required: false }
}

fn table(dataset: &str, name: &str, columns: Vec<ColumnShape>) -> TableShape {
    TableShape {
        dataset: DatasetId::new(dataset),
        name: name.to_owned(),
        columns,
        contest: Contest::Append { on_rewrite: OnRewrite::Replace },
        has_where: false,
        exploded: false,
        layout: TableLayout::default(),
        subjects: Vec::new(),
        references: Vec::new(),
    }
}

fn family(dataset: &str, tables: Vec<TableShape>) -> FamilyShape {
    let definition = DefinitionInForce { dataset: DatasetId::new(dataset), fingerprint: Fingerprint::new("first") };
    FamilyShape { family: FamilyId::new(dataset), definitions: vec![definition], tables }
}

async fn migrate(warehouse: &SqliteWarehouse, shape: &FamilyShape) -> MigrateOutcome {
    warehouse.ensure(&shape.family).await.unwrap();
    let (owner, ledger) = (Nonce::new("owner"), LedgerId::new("the ledger"));
    let TakeOutcome::Taken(fence) = warehouse.take_fence(&shape.family, &owner, &ledger).await.unwrap() else {
        panic!("the fence is ours")
    };
    warehouse.migrate(&fence, shape).await.unwrap()
}

fn sample(object: u32) -> SampleLoad {
    let row = |key| SampleRow { key, version: Some(i64::from(object)), passes: true };
    SampleLoad { object, version: 1_000, generation: 1, rows: vec![row(1), row(i64::from(object))] }
}

fn upsert(key: &str, version: &str) -> Contest {
    Contest::Upsert { key: vec![key.to_owned()], version: Some(version.to_owned()) }
}

#[tokio::test]
async fn what_is_no_warehouse_is_denied() {
    let folder = tempfile::tempdir().unwrap();
    let parts = Arc::new(MemoryParts::default()) as Arc<dyn PartReader>;
    let denied = |file: &Path| match SqliteWarehouse::open(file, Arc::clone(&parts)) {
        Err(error @ WarehouseError::Denied { .. }) => chain(&error),
        other => panic!("{other:?}"),
    };
    denied(&folder.path().join("nowhere/warehouse.db"));
    denied(folder.path());
    let text = folder.path().join("text");
    std::fs::write(&text, "not a database, but long enough to be looked at as one ".repeat(40)).unwrap();
    assert!(denied(&text).contains("not a database"));
    assert_eq!(std::fs::read(&text).unwrap().len(), 55 * 40);
    let later = folder.path().join("later.db");
    Connection::open(&later).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(denied(&later).contains("layout 99"));
}

#[tokio::test]
async fn names_that_meet_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warehouse.db");
    let warehouse = open(&file, &Arc::new(MemoryParts::default()));
    let people = Connection::open(&file).unwrap();
    people.execute_batch("CREATE TABLE a_theirs (x); CREATE VIEW a_b_c__rows AS SELECT 1").unwrap();
    let refused = |outcome| match outcome {
        MigrateOutcome::Refused { message } => message,
        other => panic!("{other:?}"),
    };
    let one = |dataset: &str, name: &str| family(dataset, vec![table(dataset, name, vec![column("x", "bigint")])]);
    assert!(refused(migrate(&warehouse, &one("a", "theirs")).await).contains("a_theirs"));
    assert!(refused(migrate(&warehouse, &one("a", "b_c")).await).contains("a_b_c__rows"));
    people.execute_batch("DROP VIEW a_b_c__rows").unwrap();
    assert_eq!(migrate(&warehouse, &one("a", "b_c")).await, MigrateOutcome::InForce);
    let message = refused(migrate(&warehouse, &one("a_b", "c")).await);
    assert!(message.contains("a_b.c") && message.contains("a.b_c"), "{message}");
    assert!(refused(migrate(&warehouse, &one("lakehand", "markers")).await).contains("lakehand_"));
    for name in [lineage::STANDING, lineage::PASSES, "_rowid_"] {
        let shape = family("d", vec![table("d", "t", vec![column(name, "bigint")])]);
        assert!(refused(migrate(&warehouse, &shape).await).contains(name));
    }
    // A column may have the name of any SQL word, or of SQLite's own row number.
    let words = ["rowid", "oid", "select", "order", "group", "value", "key", "table", "place", "id", "standing"];
    let shape = family("words", vec![table("words", "all", words.map(|word| column(word, "bigint")).to_vec())]);
    assert_eq!(migrate(&warehouse, &shape).await, MigrateOutcome::InForce);
}

/// A row of every type, all of whose values are hard ones, and a row of nulls.
fn every_type() -> (Vec<ColumnShape>, Vec<ColumnValues>, Vec<&'static str>) {
    let dec = |scale, unscaled| ColumnValues::Decimal { scale, unscaled: vec![Some(unscaled), None] };
    let int = |value| ColumnValues::Integer(vec![Some(value), None]);
    let double = |value| ColumnValues::Double(vec![Some(value), None]);
    let time = |value| ColumnValues::Timestamp(vec![Some(value), None]);
    let all = [
        ("flag", "boolean", ColumnValues::Boolean(vec![Some(false), None]), "false"),
        ("small", "smallint", int(-32_768), "-32768"),
        ("whole", "integer", int(2_147_483_647), "2147483647"),
        ("big", "bigint", int(i64::MIN), "-9223372036854775808"),
        ("single", "real", double(f64::from(0.1_f32)), "0.1"),
        ("tiny", "double", double(5e-324), "5e-324"),
        ("third", "double", double(1.0 / 3.0), "0.3333333333333333"),
        ("rent", "decimal(12,2)", dec(2, 171_519), "1715.19"),
        ("even", "decimal(12,2)", dec(2, 170_000), "1700.00"),
        ("debt", "decimal(12,2)", dec(2, -5), "-0.05"),
        ("full", "decimal(15,2)", dec(2, -999_999_999_999_999), "-9999999999999.99"),
        ("parts", "decimal(15,15)", dec(15, 123_456_789_012_345), "0.123456789012345"),
        ("long", "decimal(38,2)", dec(2, -(10_i128.pow(38) - 1)), "-999999999999999999999999999999999999.99"),
        ("count", "decimal(16,0)", dec(0, 9_007_199_254_740_993), "9007199254740993"),
        (
            "words",
            "varchar(20)",
            ColumnValues::Text(vec![Some("Größe '\"%\n0042".to_owned()), None]),
            "Größe '\"%\n0042",
        ),
        ("digits", "varchar(20)", ColumnValues::Text(vec![Some("0042.50".to_owned()), None]), "0042.50"),
        ("day", "date", ColumnValues::Date(vec![Some(-1), None]), "1969-12-31"),
        ("local", "timestamp", time(0), "1970-01-01T00:00:00.000000"),
        ("instant", "timestamptz", time(1_500_042_006_000_001), "2017-07-14T14:20:06.000001Z"),
        ("document", "json", ColumnValues::Text(vec![Some(" 1e2 ".to_owned()), None]), " 1e2 "),
    ];
    let columns = all.iter().map(|(name, column_type, _, _)| column(name, column_type)).collect();
    (columns, all.iter().map(|(_, _, values, _)| values.clone()).collect(), all.map(|(_, _, _, text)| text).to_vec())
}

#[tokio::test]
async fn every_value_lies_in_the_file_as_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warehouse.db");
    let parts = Arc::new(MemoryParts::default());
    let warehouse = open(&file, &parts);
    // The manifest of a sample, with other columns in front of its lineage.
    let site = Site::open(tested(&warehouse), Arc::clone(&parts), "typed", &table("", "", vec![]).contest).await;
    let mut manifest: Manifest = Arc::unwrap_or_clone(site.manifest(&sample(1)));
    let (columns, values, texts) = every_type();
    let shape = family("typed", vec![table("typed", "flats", columns)]);
    let described = &mut manifest.tables[0];
    let one = described.parts[0].clone();
    let (load, object, order) =
        (manifest.load_id.to_string(), manifest.object.uri.to_string(), manifest.order.as_str());
    let text = |text: &str| ColumnValues::Text(vec![Some(text.to_owned()); 2]);
    let mut batch = RowBatch { columns: values, rows: 2 };
    batch.columns.extend([text(&load), text(&object), ColumnValues::Integer(vec![Some(1), Some(2)]), text(order)]);
    described.columns = shape.tables[0].part_columns();
    described.parts = vec![one];
    described.parts[0].rows = 2;
    parts.put(&described.parts[0].uri, &described.columns, vec![batch]);
    assert_eq!(migrate(&warehouse, &shape).await, MigrateOutcome::InForce);
    let fence = site.take().await;
    let staging = warehouse.stage(&shape, &Nonce::new("s"), &[Arc::new(manifest)]).await.unwrap();
    let request = CommitRequest {
        fence,
        batch: "b".to_owned(),
        definition: shape.definitions[0].clone(),
        loads: vec![StagedLoad {
            manifest: Arc::clone(&staging.manifests[0]),
            staging: staging.name,
            as_written: false,
        }],
        now: Timestamp::from_micros(0),
    };
    assert_eq!(warehouse.commit(&shape, &request).await.unwrap(), CommitOutcome::Committed { batches: 1 });
    drop(site);
    drop(warehouse);
    // Another process reads the same.
    let warehouse = open(&file, &parts);
    let answer = warehouse.query("SELECT * FROM typed_flats ORDER BY _record", 10).await.unwrap();
    let names: Vec<String> = shape.tables[0].part_columns().into_iter().map(|column| column.name).collect();
    assert_eq!(answer.columns, names);
    let found: Vec<&str> = answer.rows[0][..texts.len()].iter().map(|value| value.as_deref().unwrap()).collect();
    assert_eq!(found, texts);
    assert!(answer.rows[1][..texts.len()].iter().all(Option::is_none));
    // People compute with decimals as decimals, not as whole numbers.
    let answer = warehouse.query("SELECT even / 1000, sum(rent), max(day) FROM typed_flats WHERE flag IS NOT NULL", 9);
    let expected = ["1.7", "1715.19", "1969-12-31"].map(|text| Some(text.to_owned())).to_vec();
    assert_eq!(answer.await.unwrap().rows, vec![expected]);
    let answer = warehouse.query("SELECT 1 FROM typed_flats WHERE day < '1970' AND instant > '2017-07-14'", 9);
    assert_eq!(answer.await.unwrap().rows.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warehouse.db");
    let parts = Arc::new(MemoryParts::default());
    // All open it at once, for the first time.
    let opening = (0..6).map(|_| {
        let (file, parts) = (file.clone(), Arc::clone(&parts));
        tokio::task::spawn_blocking(move || open(&file, &parts))
    });
    let mut warehouses = Vec::new();
    for opened in opening.collect::<Vec<_>>() {
        warehouses.push(opened.await.unwrap());
    }
    let contest = upsert("listing_id", "last_modified");
    let mut sites = Vec::new();
    for (number, warehouse) in warehouses.iter().take(2).enumerate() {
        let site = Site::open(tested(warehouse), Arc::clone(&parts), &format!("family_{number}"), &contest).await;
        site.put_in_force().await;
        sites.push(site);
    }
    // Two families do not wait for each other's fences.
    let work = |site| async move {
        for object in 1..=12 {
            Site::deliver(site, &[sample(object)]).await;
        }
    };
    tokio::join!(work(&sites[0]), work(&sites[1]));
    let loads: Vec<_> = (1..=12).map(sample).collect();
    for site in &sites {
        assert_eq!(site.take().await.batches, 12);
        site.assert_is(&expected_rows(site, &contest, &loads)).await;
    }
    let all =
        warehouses[5].query("SELECT family, count(*) FROM lakehand_markers GROUP BY 1 ORDER BY 1", 9).await.unwrap();
    let line = |family: &str| vec![Some(family.to_owned()), Some("12".to_owned())];
    assert_eq!(all.rows, vec![line("family_0"), line("family_1")]);
}

#[tokio::test]
async fn a_raised_erasure_epoch_sends_older_manifests_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warehouse.db");
    let parts = Arc::new(MemoryParts::default());
    let warehouse = open(&file, &parts);
    let site = Site::open(tested(&warehouse), parts, "erased", &upsert("listing_id", "last_modified")).await;
    site.put_in_force().await;
    Connection::open(&file).unwrap().execute_batch("UPDATE lakehand_fence_erased SET erasure_epoch = 3").unwrap();
    let staging = warehouse.stage(&site.shape, &Nonce::new("s"), &[site.manifest(&sample(1))]).await.unwrap();
    let fence = site.take().await;
    assert_eq!(fence.erasure_epoch, 3);
    let request = CommitRequest {
        fence,
        batch: "b".to_owned(),
        definition: site.shape.definitions[0].clone(),
        loads: vec![StagedLoad {
            manifest: Arc::clone(&staging.manifests[0]),
            staging: staging.name,
            as_written: false,
        }],
        now: Timestamp::from_micros(0),
    };
    let CommitOutcome::Refused { message } = warehouse.commit(&site.shape, &request).await.unwrap() else {
        panic!("it is of epoch 0")
    };
    assert!(message.contains("epoch 0") && message.contains('3'), "{message}");
}

#[tokio::test]
async fn a_table_that_a_definition_drops_keeps_its_rows_until_they_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let parts = Arc::new(MemoryParts::default());
    let warehouse = open(&folder.path().join("warehouse.db"), &parts);
    let contest = upsert("listing_id", "last_modified");
    let site = Site::open(tested(&warehouse), Arc::clone(&parts), "dropped", &contest).await;
    site.put_in_force().await;
    let mut loads = vec![sample(1), sample(2)];
    site.deliver(&loads).await;
    // The definition has another table now. A replay of an object takes its rows from the old one.
    let mut shape = site.shape.clone();
    shape.definitions[0].fingerprint = Fingerprint::new("second");
    shape.tables[0].name = "houses".to_owned();
    assert_eq!(migrate(&warehouse, &shape).await, MigrateOutcome::InForce);
    let mut manifest = Arc::unwrap_or_clone(site.manifest(&SampleLoad { generation: 2, rows: vec![], ..sample(2) }));
    manifest.fingerprint = Fingerprint::new("second");
    manifest.tables[0].table = "houses".to_owned();
    let staging = warehouse.stage(&shape, &Nonce::new("s"), &[Arc::new(manifest)]).await.unwrap();
    let request = CommitRequest {
        fence: site.take().await,
        batch: "b".to_owned(),
        definition: shape.definitions[0].clone(),
        loads: vec![StagedLoad {
            manifest: Arc::clone(&staging.manifests[0]),
            staging: staging.name,
            as_written: false,
        }],
        now: Timestamp::from_micros(0),
    };
    let outcome = warehouse.commit(&shape, &request).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed { batches: 2 });
    loads.pop();
    site.assert_is(&expected_rows(&site, &contest, &loads)).await;
}

#[tokio::test]
async fn a_file_of_many_families_has_one_view_of_their_markers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warehouse.db");
    let warehouse = open(&file, &Arc::new(MemoryParts::default()));
    // More than SQLite joins in one UNION.
    let direct = Connection::open(&file).unwrap();
    direct.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    for number in 0..1_100 {
        let create = format!(
            "INSERT INTO lakehand_families VALUES ('f{number}');
             CREATE TABLE lakehand_markers_f{number} (entry, dataset, object, version_order, generation, load_id,
               fingerprint, \"rows\", rejects, scopes, batch, at);
             INSERT INTO lakehand_markers_f{number} (entry) VALUES ({number})"
        );
        direct.execute_batch(&create).unwrap();
    }
    direct.execute_batch("COMMIT").unwrap();
    warehouse.ensure(&FamilyId::new("last")).await.unwrap();
    let answer = warehouse.query("SELECT count(*), count(DISTINCT family), sum(entry) FROM lakehand_markers", 1).await;
    let expected = ["1100", "1100", "604450"].map(|text| Some(text.to_owned())).to_vec();
    assert_eq!(answer.unwrap().rows, vec![expected]);
}

/// Opens the first part, and never the next.
#[derive(Debug)]
struct Stuck {
    parts: Arc<MemoryParts>,
    opened: AtomicU32,
}

#[async_trait::async_trait]
impl PartReader for Stuck {
    async fn open(&self, part: &Part, columns: &[ColumnShape]) -> Result<Box<dyn RowReader>, PartError> {
        if self.opened.fetch_add(1, Ordering::SeqCst) > 0 {
            std::future::pending::<()>().await;
        }
        self.parts.open(part, columns).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_staging_that_nobody_waits_for_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let parts = Arc::new(MemoryParts::default());
    let stuck = Arc::new(Stuck { parts: Arc::clone(&parts), opened: AtomicU32::new(0) });
    let warehouse =
        Arc::new(SqliteWarehouse::open(&folder.path().join("warehouse.db"), stuck as Arc<dyn PartReader>).unwrap());
    let site = Site::open(tested(&warehouse), parts, "stuck", &upsert("listing_id", "last_modified")).await;
    let (manifests, name) = ([site.manifest(&sample(1))], Nonce::new("s"));
    let mut staging = Box::pin(warehouse.stage(&site.shape, &name, &manifests));
    let is_there = async || !warehouse.stagings(&site.shape.family).await.unwrap().is_empty();
    while !is_there().await {
        assert!(futures::poll!(&mut staging).is_pending());
    }
    drop(staging);
    let mut looks = 0;
    while is_there().await {
        looks += 1;
        assert!(looks < 10_000, "the tables stay");
    }
}

#[tokio::test]
async fn a_layout_that_only_others_know_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let parts = Arc::new(MemoryParts::default());
    let warehouse = open(&folder.path().join("warehouse.db"), &parts);
    let contest = upsert("listing_id", "last_modified");
    let mut site = Site::open(tested(&warehouse), parts, "laid_out", &contest).await;
    site.put_in_force().await;
    // Under the same fingerprint: workers with the old file and with the new one load side by side.
    site.shape.tables[0].layout.distribution = Distribution::Key("listing_id".to_owned());
    site.deliver(&[sample(1)]).await;
    site.put_in_force().await;
    site.shape.tables[0].layout = TableLayout::default();
    site.deliver(&[sample(2)]).await;
    site.assert_is(&expected_rows(&site, &contest, &[sample(1), sample(2)])).await;
}

#[tokio::test]
async fn a_question_of_a_family_nobody_ensured_is_denied() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = open(&folder.path().join("warehouse.db"), &Arc::new(MemoryParts::default()));
    let error =
        warehouse.take_fence(&FamilyId::new("nobody"), &Nonce::new("n"), &LedgerId::new("l")).await.unwrap_err();
    assert!(matches!(error, WarehouseError::Denied { operation: "take_fence", .. }), "{error:?}");
    assert_eq!(error.effect(), Effect::NotApplied);
}

#[test]
fn ddl_is_what_people_would_write() {
    let mut flats = table("berlin", "flats", vec![column("listing_id", "bigint"), column("rent", "decimal(12,2)")]);
    flats.contest = upsert("listing_id", "rent");
    flats.exploded = true;
    flats.has_where = true;
    let statements = sqlite_ddl(&family("berlin", vec![flats]));
    assert_eq!(
        statements.join(";\n"),
        r#"CREATE TABLE "berlin_flats__rows" (
  "listing_id" BIGINT,
  "rent" REAL DECIMAL(12,2),
  "_passes" BOOLEAN,
  "_load_id" VARCHAR(32) NOT NULL,
  "_object" VARCHAR(2048) NOT NULL,
  "_record" BIGINT NOT NULL,
  "_element" INTEGER,
  "_order" VARCHAR(1100) NOT NULL,
  "_standing" VARCHAR(8) NOT NULL
    CHECK ("_standing" IN ('visible', 'lost', 'filtered', 'waiting'))
);
CREATE INDEX "berlin_flats__rows_by_load" ON "berlin_flats__rows" ("_load_id");
CREATE INDEX "berlin_flats__rows_by_key" ON "berlin_flats__rows" ("listing_id");
CREATE VIEW "berlin_flats" AS
  SELECT "listing_id", "rent", "_load_id", "_object", "_record", "_element", "_order"
  FROM "berlin_flats__rows"
  WHERE "_standing" = 'visible'"#
    );
}
