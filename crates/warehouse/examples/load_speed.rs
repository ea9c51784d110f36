//! How fast rows come into the embedded warehouse: `cargo run --release -p lakehand-warehouse --example load_speed`.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement that cannot go on ends by panicking")]

use std::sync::Arc;
use std::time::Instant;

use lakehand_domain::manifest::Manifest;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::row_reader::PartReader;
use lakehand_domain::port::warehouse::{MigrateOutcome, QueryWarehouse, Warehouse};
use lakehand_domain::shape::{ColumnShape, ColumnType, Contest};
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::value::{ColumnValues, RowBatch};
use lakehand_domain::warehousing::{CommitRequest, StagedLoad};
use lakehand_testkit::conformance::warehouse::{MemoryParts, SampleLoad, SampleRow, Site, Tested};
use lakehand_warehouse::sqlite::SqliteWarehouse;

const ROWS: usize = 200_000;
const BATCH: usize = 10_000;

fn column(name: &str, column_type: &str) -> ColumnShape {
    ColumnShape { name: name.to_owned(), column_type: ColumnType::parse(column_type).unwrap(), required: false }
}

/// Nineteen further columns, as wide as flats are.
fn more_columns() -> Vec<ColumnShape> {
    let types = ["varchar(100)", "decimal(12,2)", "double", "boolean", "timestamptz", "integer", "date"];
    (0..19).map(|number| column(&format!("c{number}"), types[number % types.len()])).collect()
}

fn values(column: &ColumnShape, from: usize, object: &str, load: &str, order: &str) -> ColumnValues {
    let rows = from..from + BATCH;
    let whole = |at: usize| i64::try_from(at).unwrap();
    let texts = |text: &str| ColumnValues::Text(vec![Some(text.to_owned()); BATCH]);
    match (column.name.as_str(), column.column_type) {
        // Keys in no order, as hashes are.
        ("listing_id", _) => ColumnValues::Integer(rows.map(|at| Some(whole(at * 7_919 % ROWS))).collect()),
        ("_record", _) => ColumnValues::Integer(rows.map(|at| Some(whole(at) + 1)).collect()),
        ("_object", _) => texts(object),
        ("_load_id", _) => texts(load),
        ("_order", _) => texts(order),
        (_, ColumnType::Boolean) => ColumnValues::Boolean(vec![Some(true); BATCH]),
        (_, ColumnType::Double) => ColumnValues::Double(vec![Some(0.1); BATCH]),
        (_, ColumnType::Decimal { scale, .. }) => ColumnValues::Decimal { scale, unscaled: vec![Some(171_519); BATCH] },
        (_, ColumnType::Varchar { .. }) => texts("Prenzlauer Berg"),
        (_, ColumnType::Date) => ColumnValues::Date(vec![Some(17_361); BATCH]),
        (_, ColumnType::Timestamptz) => ColumnValues::Timestamp(vec![Some(1_500_042_006_000_000); BATCH]),
        _ => ColumnValues::Integer(rows.map(|at| Some(whole(at))).collect()),
    }
}

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "what passes is what is measured")]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let parts = Arc::new(MemoryParts::default());
    let file = folder.path().join("warehouse.db");
    let warehouse = Arc::new(SqliteWarehouse::open(&file, Arc::clone(&parts) as Arc<dyn PartReader>).unwrap());
    let tested = Arc::new(Tested {
        warehouse: Arc::clone(&warehouse) as Arc<dyn Warehouse>,
        query: Arc::clone(&warehouse) as Arc<dyn QueryWarehouse>,
        view: SqliteWarehouse::view_name,
        rows: SqliteWarehouse::rows_name,
        keep: Box::new(()),
    });
    let contest = Contest::Upsert { key: vec!["listing_id".to_owned()], version: Some("last_modified".to_owned()) };
    let site = Site::open(tested, Arc::clone(&parts), "speed", &contest).await;
    let mut shape = site.shape.clone();
    shape.tables[0].has_where = false;
    shape.tables[0].columns.extend(more_columns());
    assert_eq!(warehouse.migrate(&site.take().await, &shape).await.unwrap(), MigrateOutcome::InForce);
    for round in 1..=2 {
        // The second round brings every key again, as a new version of each.
        let row = SampleRow { key: 1, version: None, passes: true };
        let one = SampleLoad { object: round, version: round * 1_000, generation: 1, rows: vec![row] };
        let mut manifest: Manifest = Arc::unwrap_or_clone(site.manifest(&one));
        let part = manifest.tables[0].parts[0].clone();
        let described = &mut manifest.tables[0];
        described.columns = shape.tables[0].part_columns();
        described.parts.clear();
        described.rows = ROWS as u64;
        for from in (0..ROWS).step_by(BATCH) {
            let (object, load, order) =
                (manifest.object.uri.as_str(), manifest.load_id.as_str(), manifest.order.as_str());
            let batch = RowBatch {
                columns: described.columns.iter().map(|c| values(c, from, object, load, order)).collect(),
                rows: BATCH,
            };
            let uri = ObjectUri::parse(&format!("{}-{from}", part.uri)).unwrap();
            parts.put(&uri, &described.columns, vec![batch]);
            let mut part = part.clone();
            (part.uri, part.rows) = (uri, BATCH as u64);
            described.parts.push(part);
        }
        let began = Instant::now();
        let staging = warehouse.stage(&shape, &site_nonce(round), &[Arc::new(manifest)]).await.unwrap();
        let staged = began.elapsed();
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
        let began = Instant::now();
        warehouse.commit(&shape, &request).await.unwrap();
        let committed = began.elapsed();
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = |seconds: f64| ROWS as f64 / seconds / 1e3;
        println!(
            "round {round}: staged {:.0}k rows/s, committed {:.0}k rows/s",
            rate(staged.as_secs_f64()),
            rate(committed.as_secs_f64())
        );
    }
    let visible = warehouse.query("SELECT count(*) FROM speed_flats", 1).await.unwrap().rows;
    assert_eq!(visible, vec![vec![Some(ROWS.to_string())]]);
}

fn site_nonce(round: u32) -> lakehand_domain::id::Nonce {
    lakehand_domain::id::Nonce::new(format!("speed{round}"))
}
