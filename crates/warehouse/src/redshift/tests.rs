//! The statements as Redshift gets them, whole: a change of any is to be seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use lakehand_domain::id::{DatasetId, EntryId, FamilyId, FencingToken, Fingerprint, Generation, LoadId, Nonce};
use lakehand_domain::manifest::{Manifest, TableManifest};
use lakehand_domain::object::{ObjectStat, ObjectUri, ObjectVersion};
use lakehand_domain::reject::RejectCounts;
use lakehand_domain::shape::{
    ColumnShape, ColumnType, Contest, DefinitionInForce, Distribution, FamilyShape, OnRewrite, Reference, TableLayout,
    TableShape,
};
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::{CommitRequest, Fence, StagedLoad};

use super::commit::ReplacedLoad;
use super::commit::plan::{BatchTable, Plan};
use super::ddl;
use super::limits::{MOST_BYTES, MOST_STATEMENTS, worst_batch};
use super::migrate::plan::{self as migration, Change, Move};
use super::names::Names;
use super::physical::RowsColumn;
use super::state::Registered;

fn column(name: &str, column_type: &str, required: bool) -> ColumnShape {
    ColumnShape { name: name.to_owned(), column_type: ColumnType::parse(column_type).unwrap(), required }
}

fn flats() -> TableShape {
    TableShape {
        dataset: DatasetId::new("berlin"),
        name: "flats".to_owned(),
        columns: vec![
            column("listing_id", "varchar(20)", true),
            column("seen", "timestamptz", false),
            column("more", "json", false),
        ],
        contest: Contest::Upsert { key: vec!["listing_id".to_owned()], version: Some("seen".to_owned()) },
        has_where: true,
        exploded: false,
        subjects: Vec::new(),
        references: Vec::new(),
        layout: TableLayout {
            distribution: Distribution::Key("listing_id".to_owned()),
            sort_key: vec!["seen".to_owned()],
            parsed_json: true,
        },
    }
}

fn cores() -> TableShape {
    TableShape {
        name: "cores".to_owned(),
        columns: vec![column("serial", "varchar(20)", false)],
        contest: Contest::Append { on_rewrite: OnRewrite::Replace },
        has_where: false,
        exploded: true,
        subjects: Vec::new(),
        references: Vec::new(),
        layout: TableLayout::default(),
        ..flats()
    }
}

fn shape() -> FamilyShape {
    let definition = DefinitionInForce { dataset: DatasetId::new("berlin"), fingerprint: Fingerprint::new("f1") };
    FamilyShape { family: FamilyId::new("berlin"), definitions: vec![definition], tables: vec![flats(), cores()] }
}

/// A family without tables, and without a definition in force.
fn untouched() -> super::state::State {
    let fence = super::state::FenceRow {
        token: fence().token,
        owner: fence().owner,
        batches: 0,
        erasure_epoch: 0,
        ledger: None,
        in_force: Vec::new(),
    };
    super::state::State { fence, tables: Vec::new() }
}

fn fence() -> Fence {
    Fence {
        family: FamilyId::new("berlin"),
        token: FencingToken(7),
        owner: Nonce::new("owner"),
        batches: 3,
        erasure_epoch: 0,
        in_force: shape().definitions,
        retired: Vec::new(),
    }
}

fn load(number: u32, staging: &str) -> StagedLoad {
    let last_modified = Timestamp::from_micros(1_800_000_000_000_000);
    let object = ObjectStat {
        uri: ObjectUri::parse(&format!("s3://landing/it's \\ {number}.jsonl")).unwrap(),
        version: ObjectVersion::of(Some("v"), None, 0, last_modified),
        version_id: None,
        etag: None,
        size: 0,
        last_modified,
    };
    let table = |table: &TableShape| TableManifest {
        table: table.name.clone(),
        columns: table.part_columns(),
        rows: u64::from(number),
        parts: Vec::new(),
    };
    let manifest = Manifest {
        format: 1,
        load_id: LoadId::new(format!("load{number}")),
        entry: EntryId::new(format!("entry{number}")),
        dataset: DatasetId::new("berlin"),
        order: object.order(),
        object,
        generation: Generation(number),
        fingerprint: Fingerprint::new("f1"),
        erasure_epoch: 0,
        records: 1,
        rejects: RejectCounts::default(),
        tables: vec![table(&flats()), table(&cores())],
        quarantine: None,
        scopes: BTreeMap::new(),
    };
    StagedLoad { manifest: Arc::new(manifest), staging: Nonce::new(staging), as_written: false }
}

fn request(loads: Vec<StagedLoad>) -> CommitRequest {
    let definition = shape().definitions.remove(0);
    CommitRequest { fence: fence(), batch: "batch".to_owned(), definition, loads, now: Timestamp::default() }
}

/// The statements before the transaction, and its own.
fn statements(request: &CommitRequest, replaced: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    statements_among(request, replaced, Vec::new())
}

/// The same, where the family has these tables.
fn statements_among(
    request: &CommitRequest,
    replaced: &[(&str, &str)],
    family: Vec<TableShape>,
) -> (Vec<String>, Vec<String>) {
    let (names, shape) = (Names::new(""), shape());
    let rows = BTreeMap::from([("flats".to_owned(), 2), ("cores".to_owned(), 0)]);
    let load = |load: &str| ReplacedLoad { load_id: LoadId::new(load), rows: rows.clone() };
    let replaced = replaced.iter().map(|(entry, replaced)| (EntryId::new(*entry), load(replaced))).collect();
    let mut plan = Plan::new(&names, &shape, request, replaced, Nonce::new("work"));
    let stagings = |table: &TableShape| {
        let mut nonces: Vec<Nonce> = request.loads.iter().map(|load| load.staging.clone()).collect();
        nonces.dedup();
        nonces.into_iter().map(|nonce| (nonce.clone(), plan.staging(&nonce, table))).collect()
    };
    let table = |(number, table): (usize, &TableShape)| BatchTable {
        number,
        registered: Registered { shape: table.clone(), columns: ddl::rows_columns(table) },
        stagings: stagings(table),
        is_recomputed: true,
    };
    plan.tables = shape.tables.iter().enumerate().map(table).collect();
    plan.family = family;
    (plan.prepare().unwrap(), plan.transaction().unwrap())
}

#[test]
fn the_first_batch_of_a_dataset() {
    let (before, transaction) = statements(&request(vec![load(1, "a")]), &[]);
    insta::assert_snapshot!(before.join(";\n"), @r#"
    CREATE TABLE "lakehand"."stg_9fa82707c7_work______loads" ("load_id" VARCHAR(64) NOT NULL, "staging" VARCHAR(64) NOT NULL, "replaces" VARCHAR(64), "entry" VARCHAR(64) NOT NULL, "object" VARCHAR(2048) NOT NULL, "version_order" VARCHAR(1100) NOT NULL, "generation" BIGINT NOT NULL, "rows" VARCHAR(16000) NOT NULL, "rejects" BIGINT NOT NULL, "scopes" VARCHAR(16000) NOT NULL, "rows_0" BIGINT NOT NULL, "rows_1" BIGINT NOT NULL);
    INSERT INTO "lakehand"."stg_9fa82707c7_work______loads" VALUES ('load1', 'a', NULL, 'entry1', ('s3://landing/it''s ' || CHR(92) || ' 1.jsonl'), '2027-01-15T08:00:00.000000Z|v', 1, '{"cores":1,"flats":1}', 0, '{}', 1, 1);
    CREATE TABLE "lakehand"."stg_9fa82707c7_work_____counts" ("staging" VARCHAR(64) NOT NULL, "load_id" VARCHAR(64) NOT NULL, "number" INTEGER NOT NULL, "counted" BIGINT NOT NULL);
    INSERT INTO "lakehand"."stg_9fa82707c7_work_____counts" SELECT u."staging", u."_load_id", 0, COUNT(*) FROM (SELECT CAST('a' AS VARCHAR(64)) AS "staging", "_load_id" FROM "lakehand"."stg_9fa82707c7_a_c668e3d8fa") AS u GROUP BY u."staging", u."_load_id";
    INSERT INTO "lakehand"."stg_9fa82707c7_work_____counts" SELECT u."staging", u."_load_id", 1, COUNT(*) FROM (SELECT CAST('a' AS VARCHAR(64)) AS "staging", "_load_id" FROM "lakehand"."stg_9fa82707c7_a_fdc572b9f1") AS u GROUP BY u."staging", u."_load_id";
    CREATE TABLE "lakehand"."stg_9fa82707c7_work______keys0" AS SELECT DISTINCT k."key_0" FROM (SELECT (s."listing_id" || CHR(1)) AS "key_0" FROM (SELECT CAST('a' AS VARCHAR(64)) AS "staging", * FROM "lakehand"."stg_9fa82707c7_a_c668e3d8fa") AS s JOIN "lakehand"."stg_9fa82707c7_work______loads" AS l ON l."load_id" = s."_load_id" AND l."staging" = s."staging") AS k
    "#);
    insta::assert_snapshot!(transaction.join(";\n"), @r#"
    UPDATE "lakehand"."fence_berlin" SET "batch" = 'batch', "batches" = "batches" + 1 WHERE "token" = 7 AND "owner" = 'owner';
    SELECT CAST(LEFT('0!amiss', 1 + CAST(LEAST(guard.amiss, 9) AS INTEGER)) AS INTEGER) AS "guard" FROM (SELECT ABS(1 - (SELECT COUNT(*) FROM "lakehand"."fence_berlin" WHERE "token" = 7 AND "owner" = 'owner')) AS amiss) AS guard;
    SELECT CAST(LEFT('0!amiss', 1 + CAST(LEAST(guard.amiss, 9) AS INTEGER)) AS INTEGER) AS "guard" FROM (SELECT (SELECT COUNT(*) FROM "lakehand"."fence_berlin" WHERE "erasure_epoch" <> 0 OR STRPOS("in_force", '{"dataset":"berlin","fingerprint":"f1"}') = 0) + ABS(1 - (SELECT COUNT(DISTINCT "entry") FROM "lakehand"."stg_9fa82707c7_work______loads")) + ABS(1 - (SELECT COUNT(*) FROM "lakehand"."stg_9fa82707c7_work______loads")) + ABS(0 - (SELECT COUNT(*) FROM "lakehand"."markers_berlin" AS m JOIN "lakehand"."stg_9fa82707c7_work______loads" AS l ON m."entry" = l."entry" AND m."load_id" = l."replaces" AND m."generation" < l."generation")) + ABS(0 - (SELECT COUNT(*) FROM "lakehand"."markers_berlin" AS m JOIN "lakehand"."stg_9fa82707c7_work______loads" AS l ON m."entry" = l."entry")) + (SELECT COUNT(*) FROM (SELECT l."load_id", COALESCE(c."counted", 0) AS "counted", l."rows_0" AS "expected" FROM "lakehand"."stg_9fa82707c7_work______loads" AS l LEFT JOIN "lakehand"."stg_9fa82707c7_work_____counts" AS c ON c."load_id" = l."load_id" AND c."staging" = l."staging" AND c."number" = 0 WHERE COALESCE(c."counted", 0) <> l."rows_0") AS w) + (SELECT COUNT(*) FROM (SELECT l."load_id", COALESCE(c."counted", 0) AS "counted", l."rows_1" AS "expected" FROM "lakehand"."stg_9fa82707c7_work______loads" AS l LEFT JOIN "lakehand"."stg_9fa82707c7_work_____counts" AS c ON c."load_id" = l."load_id" AND c."staging" = l."staging" AND c."number" = 1 WHERE COALESCE(c."counted", 0) <> l."rows_1") AS w) AS amiss) AS guard;
    INSERT INTO "lakehand"."markers_berlin" ("entry", "dataset", "object", "version_order", "generation", "load_id", "fingerprint", "rows", "rejects", "scopes", "batch", "at") SELECT "entry", 'berlin', "object", "version_order", "generation", "load_id", 'f1', "rows", "rejects", "scopes", 'batch', '1970-01-01T00:00:00.000000Z' FROM "lakehand"."stg_9fa82707c7_work______loads";
    INSERT INTO "berlin"."flats__rows" ("listing_id", "seen", "more", "_passes", "_load_id", "_object", "_record", "_order", "_standing") SELECT s."listing_id", s."seen" AT TIME ZONE 'UTC', JSON_PARSE(s."more"), s."_passes", s."_load_id", s."_object", s."_record", s."_order", CASE WHEN s."_passes" = FALSE THEN 'filtered' ELSE 'visible' END FROM (SELECT CAST('a' AS VARCHAR(64)) AS "staging", * FROM "lakehand"."stg_9fa82707c7_a_c668e3d8fa") AS s JOIN "lakehand"."stg_9fa82707c7_work______loads" AS l ON l."load_id" = s."_load_id" AND l."staging" = s."staging";
    UPDATE "berlin"."flats__rows" SET "_standing" = decided."standing" FROM (SELECT ranked."of_load", ranked."of_record", ranked."of_element", ranked."standing" FROM (SELECT r."_load_id" AS "of_load", r."_record" AS "of_record", COALESCE(r."_element", 0) AS "of_element", r."_standing" AS "was", CASE WHEN ROW_NUMBER() OVER (PARTITION BY (r."listing_id" || CHR(1)) ORDER BY r."seen" DESC NULLS LAST, (r."_order" || CHR(1)) DESC, (r."_object" || CHR(1)) DESC, r."_record" DESC, r."_element" DESC NULLS LAST) > 1 THEN 'lost' ELSE CASE WHEN r."_passes" = FALSE THEN 'filtered' ELSE 'visible' END END AS "standing" FROM "berlin"."flats__rows" AS r JOIN "lakehand"."stg_9fa82707c7_work______keys0" AS t ON (r."listing_id" || CHR(1)) = t."key_0") AS ranked WHERE ranked."was" <> ranked."standing") AS decided WHERE "_load_id" = decided."of_load" AND "_record" = decided."of_record" AND COALESCE("_element", 0) = decided."of_element";
    INSERT INTO "berlin"."cores__rows" ("serial", "_load_id", "_object", "_record", "_element", "_order", "_standing") SELECT s."serial", s."_load_id", s."_object", s."_record", s."_element", s."_order", 'visible' FROM (SELECT CAST('a' AS VARCHAR(64)) AS "staging", * FROM "lakehand"."stg_9fa82707c7_a_fdc572b9f1") AS s JOIN "lakehand"."stg_9fa82707c7_work______loads" AS l ON l."load_id" = s."_load_id" AND l."staging" = s."staging";
    UPDATE "berlin"."cores__rows" SET "_standing" = CASE WHEN live."place" = 1 THEN 'visible' ELSE 'lost' END FROM (SELECT m."load_id" AS "of_load", ROW_NUMBER() OVER (PARTITION BY (m."object" || CHR(1)) ORDER BY (m."version_order" || CHR(1)) DESC, m."entry") AS "place" FROM "lakehand"."markers_berlin" AS m WHERE m."dataset" = 'berlin' AND (m."object" || CHR(1)) IN (SELECT ("object" || CHR(1)) FROM "lakehand"."stg_9fa82707c7_work______loads")) AS live WHERE "_load_id" = live."of_load" AND "_standing" <> CASE WHEN live."place" = 1 THEN 'visible' ELSE 'lost' END;
    DROP TABLE "lakehand"."stg_9fa82707c7_work______loads", "lakehand"."stg_9fa82707c7_work_____counts", "lakehand"."stg_9fa82707c7_work______keys0"
    "#);
}

#[test]
fn a_batch_that_replaces_loads_from_two_stagings() {
    let (before, transaction) = statements(&request(vec![load(2, "a"), load(3, "b")]), &[("entry2", "load1")]);
    insta::assert_snapshot!(before[2..].join(";\n"), @r#"
    CREATE TABLE "lakehand"."stg_9fa82707c7_work_____counts" ("staging" VARCHAR(64) NOT NULL, "load_id" VARCHAR(64) NOT NULL, "number" INTEGER NOT NULL, "counted" BIGINT NOT NULL);
    INSERT INTO "lakehand"."stg_9fa82707c7_work_____counts" SELECT u."staging", u."_load_id", 0, COUNT(*) FROM (SELECT CAST('a' AS VARCHAR(64)) AS "staging", "_load_id" FROM "lakehand"."stg_9fa82707c7_a_c668e3d8fa" UNION ALL SELECT CAST('b' AS VARCHAR(64)) AS "staging", "_load_id" FROM "lakehand"."stg_9fa82707c7_b_c668e3d8fa") AS u GROUP BY u."staging", u."_load_id";
    INSERT INTO "lakehand"."stg_9fa82707c7_work_____counts" SELECT u."staging", u."_load_id", 1, COUNT(*) FROM (SELECT CAST('a' AS VARCHAR(64)) AS "staging", "_load_id" FROM "lakehand"."stg_9fa82707c7_a_fdc572b9f1" UNION ALL SELECT CAST('b' AS VARCHAR(64)) AS "staging", "_load_id" FROM "lakehand"."stg_9fa82707c7_b_fdc572b9f1") AS u GROUP BY u."staging", u."_load_id";
    CREATE TABLE "lakehand"."stg_9fa82707c7_work______keys0" AS SELECT DISTINCT k."key_0" FROM (SELECT (s."listing_id" || CHR(1)) AS "key_0" FROM (SELECT CAST('a' AS VARCHAR(64)) AS "staging", * FROM "lakehand"."stg_9fa82707c7_a_c668e3d8fa" UNION ALL SELECT CAST('b' AS VARCHAR(64)) AS "staging", * FROM "lakehand"."stg_9fa82707c7_b_c668e3d8fa") AS s JOIN "lakehand"."stg_9fa82707c7_work______loads" AS l ON l."load_id" = s."_load_id" AND l."staging" = s."staging" UNION ALL SELECT (r."listing_id" || CHR(1)) AS "key_0" FROM "berlin"."flats__rows" AS r JOIN "lakehand"."stg_9fa82707c7_work______loads" AS l ON r."_load_id" = l."replaces") AS k
    "#);
    insta::assert_snapshot!(transaction[2..].join(";\n"), @r#"
    SELECT CAST(LEFT('0!amiss', 1 + CAST(LEAST(guard.amiss, 9) AS INTEGER)) AS INTEGER) AS "guard" FROM (SELECT (SELECT COUNT(*) FROM "lakehand"."fence_berlin" WHERE "erasure_epoch" <> 0 OR STRPOS("in_force", '{"dataset":"berlin","fingerprint":"f1"}') = 0) + ABS(2 - (SELECT COUNT(DISTINCT "entry") FROM "lakehand"."stg_9fa82707c7_work______loads")) + ABS(2 - (SELECT COUNT(*) FROM "lakehand"."stg_9fa82707c7_work______loads")) + ABS(1 - (SELECT COUNT(*) FROM "lakehand"."markers_berlin" AS m JOIN "lakehand"."stg_9fa82707c7_work______loads" AS l ON m."entry" = l."entry" AND m."load_id" = l."replaces" AND m."generation" < l."generation")) + ABS(1 - (SELECT COUNT(*) FROM "lakehand"."markers_berlin" AS m JOIN "lakehand"."stg_9fa82707c7_work______loads" AS l ON m."entry" = l."entry")) + (SELECT COUNT(*) FROM (SELECT l."load_id", COALESCE(c."counted", 0) AS "counted", l."rows_0" AS "expected" FROM "lakehand"."stg_9fa82707c7_work______loads" AS l LEFT JOIN "lakehand"."stg_9fa82707c7_work_____counts" AS c ON c."load_id" = l."load_id" AND c."staging" = l."staging" AND c."number" = 0 WHERE COALESCE(c."counted", 0) <> l."rows_0") AS w) + (SELECT COUNT(*) FROM (SELECT l."load_id", COALESCE(c."counted", 0) AS "counted", l."rows_1" AS "expected" FROM "lakehand"."stg_9fa82707c7_work______loads" AS l LEFT JOIN "lakehand"."stg_9fa82707c7_work_____counts" AS c ON c."load_id" = l."load_id" AND c."staging" = l."staging" AND c."number" = 1 WHERE COALESCE(c."counted", 0) <> l."rows_1") AS w) AS amiss) AS guard;
    DELETE FROM "lakehand"."markers_berlin" WHERE "entry" IN (SELECT "entry" FROM "lakehand"."stg_9fa82707c7_work______loads");
    INSERT INTO "lakehand"."markers_berlin" ("entry", "dataset", "object", "version_order", "generation", "load_id", "fingerprint", "rows", "rejects", "scopes", "batch", "at") SELECT "entry", 'berlin', "object", "version_order", "generation", "load_id", 'f1', "rows", "rejects", "scopes", 'batch', '1970-01-01T00:00:00.000000Z' FROM "lakehand"."stg_9fa82707c7_work______loads";
    DELETE FROM "berlin"."flats__rows" WHERE "_load_id" IN (SELECT "replaces" FROM "lakehand"."stg_9fa82707c7_work______loads" WHERE "replaces" IS NOT NULL);
    INSERT INTO "berlin"."flats__rows" ("listing_id", "seen", "more", "_passes", "_load_id", "_object", "_record", "_order", "_standing") SELECT s."listing_id", s."seen" AT TIME ZONE 'UTC', JSON_PARSE(s."more"), s."_passes", s."_load_id", s."_object", s."_record", s."_order", CASE WHEN s."_passes" = FALSE THEN 'filtered' ELSE 'visible' END FROM (SELECT CAST('a' AS VARCHAR(64)) AS "staging", * FROM "lakehand"."stg_9fa82707c7_a_c668e3d8fa" UNION ALL SELECT CAST('b' AS VARCHAR(64)) AS "staging", * FROM "lakehand"."stg_9fa82707c7_b_c668e3d8fa") AS s JOIN "lakehand"."stg_9fa82707c7_work______loads" AS l ON l."load_id" = s."_load_id" AND l."staging" = s."staging";
    UPDATE "berlin"."flats__rows" SET "_standing" = decided."standing" FROM (SELECT ranked."of_load", ranked."of_record", ranked."of_element", ranked."standing" FROM (SELECT r."_load_id" AS "of_load", r."_record" AS "of_record", COALESCE(r."_element", 0) AS "of_element", r."_standing" AS "was", CASE WHEN ROW_NUMBER() OVER (PARTITION BY (r."listing_id" || CHR(1)) ORDER BY r."seen" DESC NULLS LAST, (r."_order" || CHR(1)) DESC, (r."_object" || CHR(1)) DESC, r."_record" DESC, r."_element" DESC NULLS LAST) > 1 THEN 'lost' ELSE CASE WHEN r."_passes" = FALSE THEN 'filtered' ELSE 'visible' END END AS "standing" FROM "berlin"."flats__rows" AS r JOIN "lakehand"."stg_9fa82707c7_work______keys0" AS t ON (r."listing_id" || CHR(1)) = t."key_0") AS ranked WHERE ranked."was" <> ranked."standing") AS decided WHERE "_load_id" = decided."of_load" AND "_record" = decided."of_record" AND COALESCE("_element", 0) = decided."of_element";
    INSERT INTO "berlin"."cores__rows" ("serial", "_load_id", "_object", "_record", "_element", "_order", "_standing") SELECT s."serial", s."_load_id", s."_object", s."_record", s."_element", s."_order", 'visible' FROM (SELECT CAST('a' AS VARCHAR(64)) AS "staging", * FROM "lakehand"."stg_9fa82707c7_a_fdc572b9f1" UNION ALL SELECT CAST('b' AS VARCHAR(64)) AS "staging", * FROM "lakehand"."stg_9fa82707c7_b_fdc572b9f1") AS s JOIN "lakehand"."stg_9fa82707c7_work______loads" AS l ON l."load_id" = s."_load_id" AND l."staging" = s."staging";
    UPDATE "berlin"."cores__rows" SET "_standing" = CASE WHEN live."place" = 1 THEN 'visible' ELSE 'lost' END FROM (SELECT m."load_id" AS "of_load", ROW_NUMBER() OVER (PARTITION BY (m."object" || CHR(1)) ORDER BY (m."version_order" || CHR(1)) DESC, m."entry") AS "place" FROM "lakehand"."markers_berlin" AS m WHERE m."dataset" = 'berlin' AND (m."object" || CHR(1)) IN (SELECT ("object" || CHR(1)) FROM "lakehand"."stg_9fa82707c7_work______loads")) AS live WHERE "_load_id" = live."of_load" AND "_standing" <> CASE WHEN live."place" = 1 THEN 'visible' ELSE 'lost' END;
    DROP TABLE "lakehand"."stg_9fa82707c7_work______loads", "lakehand"."stg_9fa82707c7_work_____counts", "lakehand"."stg_9fa82707c7_work______keys0"
    "#);
}

#[test]
fn references_are_decided_for_the_records_that_a_batch_touches() {
    let reference = |dataset: &str, table: &str| Reference {
        column: "listing_id".to_owned(),
        dataset: DatasetId::new(dataset),
        table: table.to_owned(),
        to: "listing_id".to_owned(),
    };
    let below = |dataset: &str, references| TableShape { dataset: DatasetId::new(dataset), references, ..flats() };
    let family = vec![
        flats(),
        cores(),
        below("visits", vec![reference("berlin", "flats")]),
        below("notes", vec![reference("visits", "flats"), reference("berlin", "flats")]),
    ];
    let (before, transaction) = statements_among(&request(vec![load(1, "a")]), &[], family);
    let gathered: Vec<&String> = before.iter().filter(|statement| statement.contains(") AS g")).collect();
    // The flats that come, and those of their keys; the visits of these, by record and by flat; the notes of either.
    assert_eq!(gathered.len(), 4, "{gathered:#?}");
    assert!(gathered[0].contains("_____named0") && gathered[0].contains("______keys0"), "{}", gathered[0]);
    assert!(gathered[3].matches("JOIN").count() == 2 && gathered[3].contains("named1"), "{}", gathered[3]);
    let decided: Vec<&String> = transaction.iter().filter(|statement| statement.contains("'waiting'")).collect();
    assert_eq!(decided.len(), 2, "{decided:#?}");
    for (number, statement) in decided.iter().enumerate() {
        // Rows, and rows whose values are looked for, are those of the gathered records.
        let joined = format!("_records{number}\" AS k");
        assert_eq!(statement.matches(&joined).count(), 2 + number, "{statement}");
        assert!(statement.contains("decided.\"was\" <> decided.\"standing\""), "{statement}");
    }
    let dropped = transaction.last().expect("a last statement");
    assert!(["named0", "named1", "records0", "records1"].iter().all(|table| dropped.contains(table)), "{dropped}");
}

#[test]
fn tables_as_people_read_them() {
    insta::assert_snapshot!(ddl::all(&Names::new("team_"), &shape()).join(";\n"), @r#"
    CREATE SCHEMA IF NOT EXISTS "team_berlin";
    CREATE TABLE "team_berlin"."flats__rows" (
      "listing_id" VARCHAR(20),
      "seen" TIMESTAMPTZ,
      "more" SUPER,
      "_passes" BOOLEAN,
      "_load_id" VARCHAR(32) NOT NULL,
      "_object" VARCHAR(2048) NOT NULL,
      "_record" BIGINT NOT NULL,
      "_element" INTEGER,
      "_order" VARCHAR(1100) NOT NULL,
      "_standing" VARCHAR(8) NOT NULL
    )
    DISTSTYLE KEY
    DISTKEY ("listing_id")
    COMPOUND SORTKEY ("seen");
    CREATE VIEW "team_berlin"."flats" AS
      SELECT "listing_id", "seen", "more", "_load_id", "_object", "_record", "_order"
      FROM "team_berlin"."flats__rows"
      WHERE "_standing" = 'visible'
    WITH NO SCHEMA BINDING;
    CREATE TABLE "team_berlin"."cores__rows" (
      "serial" VARCHAR(20),
      "_passes" BOOLEAN,
      "_load_id" VARCHAR(32) NOT NULL,
      "_object" VARCHAR(2048) NOT NULL,
      "_record" BIGINT NOT NULL,
      "_element" INTEGER,
      "_order" VARCHAR(1100) NOT NULL,
      "_standing" VARCHAR(8) NOT NULL
    );
    CREATE VIEW "team_berlin"."cores" AS
      SELECT "serial", "_load_id", "_object", "_record", "_element", "_order"
      FROM "team_berlin"."cores__rows"
      WHERE "_standing" = 'visible'
    WITH NO SCHEMA BINDING
    "#);
}

/// A table that was narrower and had fewer columns, under another contest.
fn changed(how: Move) -> Change {
    let mut columns = ddl::rows_columns(&flats());
    columns.push(RowsColumn { name: "old".to_owned(), column_type: ColumnType::Integer, parsed: false });
    columns.swap(2, 3);
    let mut known = columns[..3].to_vec();
    known[0].column_type = ColumnType::Varchar { bytes: 10 };
    let mut change = Change::new(&flats(), columns, how);
    change.known = known;
    change.is_recomputed = true;
    change
}

#[test]
fn a_table_that_is_altered_and_one_that_is_made() {
    let made = Change::new(&cores(), ddl::rows_columns(&cores()), Move::Create);
    let changes = [changed(Move::Alter), made];
    let statements = migration::transaction(&Names::new(""), &fence(), &shape(), &untouched(), &changes).unwrap();
    insta::assert_snapshot!(statements.join(";\n"), @r#"
    UPDATE "lakehand"."fence_berlin" SET "in_force" = '[{"dataset":"berlin","fingerprint":"f1"}]' WHERE "token" = 7 AND "owner" = 'owner';
    SELECT CAST(LEFT('0!amiss', 1 + CAST(LEAST(guard.amiss, 9) AS INTEGER)) AS INTEGER) AS "guard" FROM (SELECT ABS(1 - (SELECT COUNT(*) FROM "lakehand"."fence_berlin" WHERE "token" = 7 AND "owner" = 'owner')) AS amiss) AS guard;
    DROP VIEW IF EXISTS "berlin"."flats";
    ALTER TABLE "berlin"."flats__rows" ADD COLUMN "more" SUPER;
    UPDATE "berlin"."flats__rows" SET "_standing" = decided."standing" FROM (SELECT ranked."of_load", ranked."of_record", ranked."of_element", ranked."standing" FROM (SELECT r."_load_id" AS "of_load", r."_record" AS "of_record", COALESCE(r."_element", 0) AS "of_element", r."_standing" AS "was", CASE WHEN ROW_NUMBER() OVER (PARTITION BY (r."listing_id" || CHR(1)) ORDER BY r."seen" DESC NULLS LAST, (r."_order" || CHR(1)) DESC, (r."_object" || CHR(1)) DESC, r."_record" DESC, r."_element" DESC NULLS LAST) > 1 THEN 'lost' ELSE CASE WHEN r."_passes" = FALSE THEN 'filtered' ELSE 'visible' END END AS "standing" FROM "berlin"."flats__rows" AS r) AS ranked WHERE ranked."was" <> ranked."standing") AS decided WHERE "_load_id" = decided."of_load" AND "_record" = decided."of_record" AND COALESCE("_element", 0) = decided."of_element";
    CREATE VIEW "berlin"."flats" AS
      SELECT "listing_id", "seen", "more", "_load_id", "_object", "_record", "_order"
      FROM "berlin"."flats__rows"
      WHERE "_standing" = 'visible'
    WITH NO SCHEMA BINDING;
    CREATE TABLE "berlin"."cores__rows" (
      "serial" VARCHAR(20),
      "_passes" BOOLEAN,
      "_load_id" VARCHAR(32) NOT NULL,
      "_object" VARCHAR(2048) NOT NULL,
      "_record" BIGINT NOT NULL,
      "_element" INTEGER,
      "_order" VARCHAR(1100) NOT NULL,
      "_standing" VARCHAR(8) NOT NULL
    );
    CREATE VIEW "berlin"."cores" AS
      SELECT "serial", "_load_id", "_object", "_record", "_element", "_order"
      FROM "berlin"."cores__rows"
      WHERE "_standing" = 'visible'
    WITH NO SCHEMA BINDING;
    DELETE FROM "lakehand"."tables_berlin" WHERE ("dataset" = 'berlin' AND "name" = 'flats') OR ("dataset" = 'berlin' AND "name" = 'cores');
    INSERT INTO "lakehand"."tables_berlin" ("dataset", "name", "part", "description") VALUES ('berlin', 'flats', 0, '{"shape":{"dataset":"berlin","name":"flats","columns":[{"name":"listing_id","type":"varchar(20)","required":true},{"name":"seen","type":"timestamptz","required":false},{"name":"more","type":"json","required":false}],"contest":{"mode":"upsert","key":["listing_id"],"version":"seen"},"has_where":true,"exploded":false,"layout":{"distribution":{"key":"listing_id"},"sort_key":["seen"],"parsed_json":true}},"columns":[{"name":"listing_id","type":"varchar(20)"},{"name":"seen","type":"timestamptz"},{"name":"old","type":"integer"},{"name":"more","type":"json","parsed":true}]}'), ('berlin', 'cores', 0, '{"shape":{"dataset":"berlin","name":"cores","columns":[{"name":"serial","type":"varchar(20)","required":false}],"contest":{"mode":"append","on_rewrite":"replace"},"has_where":false,"exploded":true},"columns":[{"name":"serial","type":"varchar(20)"}]}');
    DELETE FROM "lakehand"."definitions_berlin" WHERE ("dataset" = 'berlin' AND "fingerprint" = 'f1');
    INSERT INTO "lakehand"."definitions_berlin" VALUES ('berlin', 'f1', 7)
    "#);
}

#[test]
fn a_table_that_is_copied_and_one_that_is_made_anew() {
    let remade = Change::new(&cores(), ddl::rows_columns(&cores()), Move::Remake);
    let changes = [changed(Move::Copy), remade];
    let statements = migration::transaction(&Names::new(""), &fence(), &shape(), &untouched(), &changes).unwrap();
    insta::assert_snapshot!(statements[2..statements.len() - 4].join(";\n"), @r#"
    DROP VIEW IF EXISTS "berlin"."flats";
    CREATE TABLE "berlin"."_rebuilt_flats" (
      "listing_id" VARCHAR(20),
      "seen" TIMESTAMPTZ,
      "old" INTEGER,
      "more" SUPER,
      "_passes" BOOLEAN,
      "_load_id" VARCHAR(32) NOT NULL,
      "_object" VARCHAR(2048) NOT NULL,
      "_record" BIGINT NOT NULL,
      "_element" INTEGER,
      "_order" VARCHAR(1100) NOT NULL,
      "_standing" VARCHAR(8) NOT NULL
    )
    DISTSTYLE KEY
    DISTKEY ("listing_id")
    COMPOUND SORTKEY ("seen");
    INSERT INTO "berlin"."_rebuilt_flats" ("listing_id", "seen", "old", "_passes", "_load_id", "_object", "_record", "_element", "_order", "_standing") SELECT CAST("listing_id" AS VARCHAR(20)), "seen", "old", "_passes", "_load_id", "_object", "_record", "_element", "_order", "_standing" FROM "berlin"."flats__rows";
    DROP TABLE "berlin"."flats__rows";
    ALTER TABLE "berlin"."_rebuilt_flats" RENAME TO "flats__rows";
    UPDATE "berlin"."flats__rows" SET "_standing" = decided."standing" FROM (SELECT ranked."of_load", ranked."of_record", ranked."of_element", ranked."standing" FROM (SELECT r."_load_id" AS "of_load", r."_record" AS "of_record", COALESCE(r."_element", 0) AS "of_element", r."_standing" AS "was", CASE WHEN ROW_NUMBER() OVER (PARTITION BY (r."listing_id" || CHR(1)) ORDER BY r."seen" DESC NULLS LAST, (r."_order" || CHR(1)) DESC, (r."_object" || CHR(1)) DESC, r."_record" DESC, r."_element" DESC NULLS LAST) > 1 THEN 'lost' ELSE CASE WHEN r."_passes" = FALSE THEN 'filtered' ELSE 'visible' END END AS "standing" FROM "berlin"."flats__rows" AS r) AS ranked WHERE ranked."was" <> ranked."standing") AS decided WHERE "_load_id" = decided."of_load" AND "_record" = decided."of_record" AND COALESCE("_element", 0) = decided."of_element";
    CREATE VIEW "berlin"."flats" AS
      SELECT "listing_id", "seen", "more", "_load_id", "_object", "_record", "_order"
      FROM "berlin"."flats__rows"
      WHERE "_standing" = 'visible'
    WITH NO SCHEMA BINDING;
    DROP VIEW IF EXISTS "berlin"."cores";
    DROP TABLE "berlin"."cores__rows";
    CREATE TABLE "berlin"."cores__rows" (
      "serial" VARCHAR(20),
      "_passes" BOOLEAN,
      "_load_id" VARCHAR(32) NOT NULL,
      "_object" VARCHAR(2048) NOT NULL,
      "_record" BIGINT NOT NULL,
      "_element" INTEGER,
      "_order" VARCHAR(1100) NOT NULL,
      "_standing" VARCHAR(8) NOT NULL
    );
    CREATE VIEW "berlin"."cores" AS
      SELECT "serial", "_load_id", "_object", "_record", "_element", "_order"
      FROM "berlin"."cores__rows"
      WHERE "_standing" = 'visible'
    WITH NO SCHEMA BINDING
    "#);
}

#[test]
fn eight_tables_stay_far_below_what_the_service_takes() {
    let mut shape = shape();
    shape.tables = (0..8).map(|number| TableShape { name: format!("t{number}"), ..flats() }).collect();
    let [budget] = worst_batch(&shape).try_into().unwrap();
    assert_eq!(budget.statements, 30, "three a table and six");
    assert!(budget.longest < MOST_BYTES / 3, "{}", budget.longest);
    assert_eq!(budget.problem(), None);
    shape.tables = (0..11).map(|number| TableShape { name: format!("t{number}"), ..flats() }).collect();
    assert_eq!(worst_batch(&shape)[0].problem(), None);
    shape.tables.push(TableShape { name: "one_more".to_owned(), ..flats() });
    let problem = worst_batch(&shape)[0].problem().unwrap();
    assert!(problem.contains("berlin") && problem.contains(&MOST_STATEMENTS.to_string()), "{problem}");
    // And a table as wide as Redshift takes has statements that are too long.
    let mut wide = flats();
    wide.columns.extend(
        (0..1_500).map(|number| column(&format!("a_rather_long_name_of_a_column_{number}"), "timestamptz", false)),
    );
    shape.tables = vec![wide];
    assert!(worst_batch(&shape)[0].problem().is_some());
}
