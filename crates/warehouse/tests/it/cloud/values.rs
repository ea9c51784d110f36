//! Values come out as they went in, and those that no column takes are refused with the file's name.

use std::sync::Arc;

use lakehand_domain::fault::chain;
use lakehand_domain::id::Nonce;
use lakehand_domain::manifest::Manifest;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::warehouse::{CommitOutcome, MigrateOutcome, QueryWarehouse, Warehouse, WarehouseError};
use lakehand_domain::shape::{ColumnShape, ColumnType, Contest, FamilyShape, OnRewrite};
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::value::{ColumnValues, RowBatch};
use lakehand_domain::warehousing::{CommitRequest, StagedLoad};
use lakehand_testkit::conformance::warehouse::{SampleLoad, SampleParts, SampleRow, Site};
use lakehand_warehouse::redshift::RedshiftWarehouse;

use super::world::{World, tested};

/// A family of one table of these columns.
struct Typed {
    site: Site,
    shape: FamilyShape,
    warehouse: Arc<RedshiftWarehouse>,
    world: World,
}

fn column(name: &str, column_type: &str) -> ColumnShape {
    ColumnShape { name: name.to_owned(), column_type: ColumnType::parse(column_type).unwrap(), required: false }
}

impl Typed {
    async fn new(columns: Vec<ColumnShape>, change: impl FnOnce(&mut FamilyShape)) -> Self {
        let world = World::new().await;
        let warehouse = world.warehouse("typed").await;
        let contest = Contest::Append { on_rewrite: OnRewrite::Append };
        let site = Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), "typed", &contest).await;
        let mut shape = site.shape.clone();
        shape.tables[0].columns = columns;
        shape.tables[0].has_where = false;
        change(&mut shape);
        let fence = site.take().await;
        assert_eq!(warehouse.migrate(&fence, &shape).await.unwrap(), MigrateOutcome::InForce);
        Self { site, shape, warehouse, world }
    }

    /// A load of these values of the declared columns, from this object, in one part of this name.
    fn manifest(&self, object: u32, values: Vec<ColumnValues>, at: Option<(&str, &str)>) -> Arc<Manifest> {
        let rows = values[0].len();
        let row = SampleRow { key: 1, version: None, passes: true };
        let sample = SampleLoad { object, version: 1, generation: 1, rows: vec![row] };
        let mut manifest = Arc::unwrap_or_clone(self.site.manifest(&sample));
        if let Some((object, _)) = at {
            let uri = ObjectUri::parse(object).unwrap();
            manifest.object = ObjectStat { uri, ..manifest.object };
        }
        let described = &mut manifest.tables[0];
        let text = |text: &str| ColumnValues::Text(vec![Some(text.to_owned()); rows]);
        let mut batch = RowBatch { columns: values, rows };
        let records = (1..).take(rows).map(Some).collect();
        batch.columns.extend([
            text(manifest.load_id.as_str()),
            text(manifest.object.uri.as_str()),
            ColumnValues::Integer(records),
            text(manifest.order.as_str()),
        ]);
        described.columns = self.shape.tables[0].part_columns();
        described.rows = rows as u64;
        described.parts.truncate(1);
        let part = &mut described.parts[0];
        if let Some((_, name)) = at {
            part.uri = self.world.parts.root().join(name);
        }
        let (bytes, checksum) = self.world.parts.keep(&part.uri, &described.columns, vec![batch]);
        (part.bytes, part.checksum, part.rows) = (bytes, checksum, rows as u64);
        Arc::new(manifest)
    }

    async fn load(&self, name: &str, manifest: Arc<Manifest>) -> Result<CommitOutcome, WarehouseError> {
        let staging = self.warehouse.stage(&self.shape, &Nonce::new(name), &[Arc::clone(&manifest)]).await?;
        let request = CommitRequest {
            fence: self.site.take().await,
            batch: name.to_owned(),
            definition: self.shape.definitions[0].clone(),
            loads: vec![StagedLoad { manifest, staging: staging.name, as_written: false }],
            now: Timestamp::from_micros(0),
        };
        self.warehouse.commit(&self.shape, &request).await
    }

    async fn answer(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.warehouse.query(sql, 100).await.unwrap().rows
    }
}

fn texts(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_keeps_its_extremes() {
    let micros = |days: i64| days * 86_400_000_000;
    let decimal = |precision: u32, scale: u8| ColumnValues::Decimal {
        scale,
        unscaled: vec![Some(-(10_i128.pow(precision) - 1)), Some(1), None],
    };
    let cases: Vec<(&str, &str, ColumnValues, [&str; 2])> = vec![
        ("flag", "boolean", ColumnValues::Boolean(vec![Some(true), Some(false), None]), ["true", "false"]),
        ("small", "smallint", ColumnValues::Integer(vec![Some(-32_768), Some(32_767), None]), ["-32768", "32767"]),
        (
            "whole",
            "integer",
            ColumnValues::Integer(vec![Some(i64::from(i32::MIN)), Some(i64::from(i32::MAX)), None]),
            ["-2147483648", "2147483647"],
        ),
        (
            "big",
            "bigint",
            ColumnValues::Integer(vec![Some(i64::MIN), Some(i64::MAX), None]),
            ["-9223372036854775808", "9223372036854775807"],
        ),
        ("half", "double", ColumnValues::Double(vec![Some(-0.1), Some(1e300), None]), ["-0.1", "1e300"]),
        ("nine", "decimal(9,2)", decimal(9, 2), ["-9999999.99", "0.01"]),
        ("ten", "decimal(10,0)", decimal(10, 0), ["-9999999999", "1"]),
        ("eighteen", "decimal(18,18)", decimal(18, 18), ["-0.999999999999999999", "0.000000000000000001"]),
        ("nineteen", "decimal(19,4)", decimal(19, 4), ["-999999999999999.9999", "0.0001"]),
        ("all", "decimal(38,10)", decimal(38, 10), ["-9999999999999999999999999999.9999999999", "0.0000000001"]),
        // Four bytes each, to the last byte of the column.
        (
            "words",
            "varchar(8)",
            ColumnValues::Text(vec![Some("😀😀".to_owned()), Some("a\\'\" :b".to_owned()), None]),
            ["😀😀", "a\\'\" :b"],
        ),
        ("day", "date", ColumnValues::Date(vec![Some(-719_162), Some(2_932_896), None]), ["0001-01-01", "9999-12-31"]),
        (
            "moment",
            "timestamp",
            ColumnValues::Timestamp(vec![Some(micros(-719_162)), Some(micros(2_932_897) - 1), None]),
            ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"],
        ),
        (
            "instant",
            "timestamptz",
            ColumnValues::Timestamp(vec![Some(-1), Some(1_500_042_006_000_000), None]),
            ["1969-12-31 23:59:59.999999+00", "2017-07-14 14:20:06+00"],
        ),
        (
            "more",
            "json",
            ColumnValues::Text(vec![Some("{ \"a\" : \"\\\\'\" }".to_owned()), Some("[1]".to_owned()), None]),
            ["{ \"a\" : \"\\\\'\" }", "[1]"],
        ),
    ];
    let columns = cases.iter().map(|(name, column_type, _, _)| column(name, column_type)).collect();
    let typed = Typed::new(columns, |_| {}).await;
    let values = cases.iter().map(|(_, _, values, _)| values.clone()).collect();
    let outcome = typed.load("extremes", typed.manifest(1, values, None)).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed { batches: 1 });
    let names: Vec<String> = cases.iter().map(|(name, ..)| format!("\"{name}\"")).collect();
    let found = typed.answer(&format!("SELECT {} FROM typed.flats ORDER BY _record", names.join(", "))).await;
    for (at, (name, _, _, expected)) in cases.iter().enumerate() {
        let values: Vec<Option<String>> = found.iter().map(|row| row[at].clone()).collect();
        let mut all = texts(expected);
        all.push(None);
        assert_eq!(values, all, "{name}");
    }
    // Instants are instants, whatever the session's zone.
    let sql = "SELECT EXTRACT(epoch FROM instant) FROM typed.flats WHERE instant > '2017-01-01' ORDER BY 1";
    let epoch = typed.answer(sql).await.remove(0).remove(0).unwrap();
    assert!(epoch.starts_with("1500042006"), "{epoch}");
    typed.world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_may_be_taken_apart() {
    let typed = Typed::new(vec![column("more", "json")], |shape| shape.tables[0].layout.parsed_json = true).await;
    let values = vec![ColumnValues::Text(vec![Some("{ \"b\" : [1, 2], \"a\" : \"\\\\'\" }".to_owned()), None])];
    typed.load("parsed", typed.manifest(1, values, None)).await.unwrap();
    let found = typed.answer("SELECT JSON_SERIALIZE(more) FROM typed.flats ORDER BY _record").await;
    let text = found[0][0].as_deref().unwrap().replace(' ', "");
    assert!(text.contains("\"b\":[1,2]") && text.contains(r#""a":"\\'""#), "{text}");
    assert_eq!(found[1][0], None);
    // What is no JSON is refused while it stands alone, not when the batch is committed.
    let values = vec![ColumnValues::Text(vec![Some("{ \"b\"".to_owned())])];
    let error = typed.load("broken", typed.manifest(3, values, None)).await.unwrap_err();
    assert!(matches!(&error, WarehouseError::Data { message } if message.contains("typed.flats")), "{error:?}");
    // A worker whose definition is not of that mind yet has the same fingerprint, and loads into the same column.
    let mut shape = typed.shape.clone();
    shape.tables[0].layout.parsed_json = false;
    let later = Typed { shape, ..typed };
    let values = vec![ColumnValues::Text(vec![Some("[3]".to_owned())])];
    later.load("plain", later.manifest(2, values, None)).await.unwrap();
    let found = later.answer("SELECT count(*) FROM typed.flats WHERE JSON_SERIALIZE(more) = '[3]'").await;
    assert_eq!(found, vec![texts(&["1"])]);
    later.world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_may_have_any_name() {
    let typed = Typed::new(vec![column("n", "bigint")], |_| {}).await;
    // Parts have no backslashes in their names here: roto loses such objects.
    let names = [
        ("s3://landing/it's \\ a \"b\" :name ?1 $1 %_!.jsonl", "t/it's a \"b\" :x ?.parquet"),
        ("s3://landing/späti/東京/😀.jsonl", "t/p_city=Köln/東京 😀.parquet"),
        ("s3://landing//a//b/../c ", "t//x/+%2B%20é &=;,.parquet"),
        ("s3://landing/a\nb\tc -- ; DROP TABLE x; /*", "t/'; DROP TABLE x; --.parquet"),
        ("s3://landing/x\\", "t/x.parquet"),
    ];
    for (number, (object, part)) in (1..).zip(names) {
        let values = vec![ColumnValues::Integer(vec![Some(i64::from(number))])];
        let manifest = typed.manifest(number, values, Some((object, part)));
        typed.load(&format!("name_{number}"), Arc::clone(&manifest)).await.unwrap_or_else(|error| {
            panic!("{object:?} in {part:?}: {}", chain(&error));
        });
        let found = typed.answer(&format!("SELECT _object FROM typed.flats WHERE n = {number}")).await;
        assert_eq!(found, vec![texts(&[object])]);
        let entry = manifest.entry.clone();
        let marker = typed.warehouse.markers(&typed.shape.family, &[entry]).await.unwrap().remove(0);
        assert_eq!(marker.object.as_str(), object);
    }
    typed.world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_is_not_what_it_is_with_blanks_behind_it() {
    let typed = Typed::new(vec![column("k", "varchar(10)"), column("v", "varchar(10)")], |shape| {
        shape.tables[0].columns[0].required = true;
        shape.tables[0].contest = Contest::Upsert { key: vec!["k".to_owned()], version: Some("v".to_owned()) };
    })
    .await;
    let text = |values: [&str; 5]| ColumnValues::Text(texts(&values));
    // Two keys; and the version with the blank is the greater one, as its bytes are.
    let values = vec![text(["a", "a ", "b", "b", "b"]), text(["1", "1", "z", "z ", "z\u{1}"])];
    typed.load("blanks", typed.manifest(1, values, None)).await.unwrap();
    let found = typed.answer("SELECT k || '|', v || '|' FROM typed.flats ORDER BY _record").await;
    assert_eq!(found, vec![texts(&["a|", "1|"]), texts(&["a |", "1|"]), texts(&["b|", "z |"])]);
    typed.world.end().await;
}
