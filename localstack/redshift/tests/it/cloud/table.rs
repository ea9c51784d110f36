//! Tables and their columns.

use aws_sdk_redshiftdata::types::ExecutionMode::Transaction;
use aws_sdk_redshiftdata::types::StatusString;

use super::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_varchar_is_so_many_bytes() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a VARCHAR(4), b TEXT, c VARCHAR)").await;
    world.done("INSERT INTO t VALUES ('äö', REPEAT('x', 256), REPEAT('€', 85))").await;
    let too_long = "ERROR: value too long for type character varying(4)";
    assert_eq!(world.refused("INSERT INTO t (a) VALUES ('äöx')").await, too_long);
    assert_eq!(world.refused("INSERT INTO t (a) VALUES ('xxxxx')").await, too_long);
    assert_eq!(world.refused("UPDATE t SET a = '€€'").await, too_long);
    for column in ["b", "c"] {
        let told = world.refused(&format!("UPDATE t SET {column} = REPEAT('€', 86)")).await;
        assert_eq!(told, "ERROR: value too long for type character varying(256)");
    }
    world.done("ALTER TABLE t ADD COLUMN d VARCHAR(3) ENCODE zstd").await;
    assert!(world.refused("UPDATE t SET d = '€x'").await.contains("character varying(3)"));
    world.done("CREATE TABLE u AS SELECT a FROM t").await;
    assert_eq!(world.refused("INSERT INTO u VALUES ('äöx')").await, too_long);
    world.done("CREATE TABLE v (LIKE t)").await;
    assert_eq!(world.refused("INSERT INTO v (a) VALUES ('äöx')").await, too_long);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_varchar_can_be_widened_and_nothing_else() {
    let world = World::new().await;
    world
        .done("CREATE TABLE t (a VARCHAR(4), b VARCHAR(4) DEFAULT 'x', c VARCHAR(4) ENCODE text255, d VARCHAR(4) PRIMARY KEY, e INT)")
        .await;
    world.done("ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(8)").await;
    world.done("INSERT INTO t (a, d) VALUES ('€€', '1')").await;
    assert!(world.refused("UPDATE t SET a = '€€xxx'").await.contains("character varying(8)"));
    for (column, size, told) in [
        ("a", 8, "target column size should be different"),
        ("a", 7, "should be greater or equal"),
        ("b", 8, "with a default value"),
        ("c", 8, "TEXT255"),
        ("d", 8, "a key"),
        ("e", 8, "no VARCHAR"),
        ("f", 8, "does not exist"),
    ] {
        let message = world.refused(&format!("ALTER TABLE t ALTER COLUMN {column} TYPE VARCHAR({size})")).await;
        assert!(message.contains(told), "{column} {size}: {message}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_not_enforced_but_not_null_is() {
    let world = World::new().await;
    world
        .batch(
            Transaction,
            &[
                "CREATE TABLE parent (id INT PRIMARY KEY)",
                "CREATE TABLE t (id INT PRIMARY KEY, u INT UNIQUE, p INT REFERENCES parent (id), n INT NOT NULL)",
            ],
        )
        .await;
    let told = world.done("INSERT INTO t VALUES (1, 1, 99, 0), (1, 1, 99, 0)").await;
    assert_eq!(told.result_rows(), 2);
    assert_eq!(
        world.refused("INSERT INTO t VALUES (1, 1, 1, NULL)").await,
        "ERROR: Cannot insert a NULL value into column n"
    );
    assert_eq!(
        world.refused("INSERT INTO t VALUES (NULL, 1, 1, 1)").await,
        "ERROR: Cannot insert a NULL value into column id"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_case_folded() {
    let world = World::new().await;
    world.done("CREATE TABLE \"Mixed\" (\"Id\" INT, id2 INT)").await;
    world.done("INSERT INTO MIXED (ID, \"ID2\") VALUES (1, 2)").await;
    assert_eq!(world.value("SELECT \"iD\" + Id2 FROM mixed").await, "3");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_tells_tables_and_columns() {
    let world = World::new().await;
    let made = [
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (a VARCHAR(7) NOT NULL, b SUPER, c DECIMAL(12,2))",
        "CREATE VIEW s.v AS SELECT a FROM s.t",
    ];
    assert_eq!(world.batch(Transaction, &made).await.status(), Some(&StatusString::Finished));
    let columns = world
        .rows(
            "SELECT column_name, data_type, character_maximum_length, numeric_scale, is_nullable
             FROM information_schema.columns WHERE table_schema = 's' AND table_name = 't' ORDER BY ordinal_position",
        )
        .await;
    let expected = [
        ["a", "character varying", "7", "NULL", "NO"],
        ["b", "super", "NULL", "NULL", "YES"],
        ["c", "numeric", "NULL", "2", "YES"],
    ];
    assert_eq!(columns, expected);
    assert_eq!(world.rows("SELECT tablename FROM pg_tables WHERE schemaname = 's'").await, [["t"]]);
    assert_eq!(world.rows("SELECT viewname FROM pg_views WHERE schemaname LIKE 's%' ESCAPE '!'").await, [["v"]]);
    assert_eq!(world.rows("SELECT table_type FROM svv_tables WHERE table_name = 'v'").await, [["VIEW"]]);
    // Made twice at once: one of them may lose, and says so.
    let made = "CREATE TABLE IF NOT EXISTS s.twice (a INT)";
    let ids = [world.submit(Transaction, &[made]).await, world.submit(Transaction, &[made]).await];
    for id in &ids {
        let told = world.ended(id).await;
        assert!(told.error().is_none_or(|error| error.contains("conflict with concurrent transaction")), "{told:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_dropped_and_renamed() {
    let world = World::new().await;
    let sqls = [
        "DROP TABLE IF EXISTS nowhere.a, b",
        "CREATE TABLE a (n INT IDENTITY(5, 2), m INT DEFAULT 3)",
        "INSERT INTO a (m) VALUES (1)",
        "INSERT INTO a DEFAULT VALUES",
        "ALTER TABLE a RENAME TO b",
        "ALTER TABLE b RENAME COLUMN m TO k",
        "ALTER TABLE b ADD COLUMN l INT DEFAULT 9 NOT NULL",
        "SELECT n, k, l FROM b ORDER BY n",
        "ALTER TABLE b DROP COLUMN l",
        "DROP TABLE b",
    ];
    let told = world.batch(Transaction, &sqls).await;
    assert_eq!(told.status(), Some(&StatusString::Finished), "{:?}", told.error());
    let result = world.client.get_statement_result().id(format!("{}:8", told.id())).send().await.unwrap();
    let rows: Vec<Vec<String>> =
        result.records().iter().map(|row| row.iter().map(super::world::text).collect()).collect();
    assert_eq!(rows, [["5", "1", "9"], ["7", "3", "9"]]);
    assert!(world.refused("DROP TABLE b").await.contains("relation \"b\" does not exist"));
    world.end().await;
}
