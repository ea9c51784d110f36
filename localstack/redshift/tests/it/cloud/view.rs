//! Views.

use aws_sdk_redshiftdata::types::ExecutionMode::Transaction;
use aws_sdk_redshiftdata::types::StatusString;

use super::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_read_and_never_written() {
    let world = World::new().await;
    let made = [
        "CREATE TABLE t (a VARCHAR(4), b INT)",
        "CREATE VIEW v AS SELECT a, b FROM t WHERE b > 0",
        "INSERT INTO t VALUES ('x', 1)",
    ];
    assert_eq!(world.batch(Transaction, &made).await.status(), Some(&StatusString::Finished));
    assert_eq!(world.value("SELECT a FROM v").await, "x");
    assert!(world.refused("INSERT INTO v VALUES ('y', 2)").await.contains("cannot write to the view"));
    assert!(
        world.refused("CREATE OR REPLACE VIEW v AS SELECT a, b, 1 AS c FROM t").await.contains("number of columns")
    );
    world.done("CREATE OR REPLACE VIEW v AS SELECT a, b FROM t").await;
    assert!(world.refused("ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(8)").await.contains("used by a view"));
    assert!(world.refused("DROP TABLE t").await.contains("other objects depend on it"));
    world.done("DROP VIEW v").await;
    world.done("ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(8)").await;
    assert!(world.refused("DROP VIEW v").await.contains("does not exist"));
    world.done("DROP VIEW IF EXISTS v").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_binding_view_holds_nothing() {
    let world = World::new().await;
    world.done("CREATE VIEW public.v AS SELECT a FROM public.t WITH NO SCHEMA BINDING").await;
    assert!(world.refused("SELECT a FROM v").await.contains("does not exist"), "what it reads is not there yet");
    world.done("CREATE TABLE t (a VARCHAR(4))").await;
    world.done("CREATE VIEW public.w AS SELECT a FROM public.v WITH NO SCHEMA BINDING").await;
    world.done("INSERT INTO t VALUES ('x')").await;
    assert_eq!(world.value("SELECT a FROM w").await, "x");
    world.done("ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(8)").await;
    assert_eq!(world.value("SELECT a FROM w").await, "x");
    world.batch(Transaction, &["DROP TABLE t", "CREATE TABLE t (a INT, b INT)", "INSERT INTO t VALUES (7, 8)"]).await;
    assert_eq!(world.value("SELECT a FROM w").await, "7");
    world.done("CREATE OR REPLACE VIEW public.v AS SELECT a, b FROM public.t WITH NO SCHEMA BINDING").await;
    assert_eq!(world.rows("SELECT * FROM v").await, [["7", "8"]]);
    world.done("DROP TABLE t").await;
    world.done("DROP VIEW w").await;
    world.done("CREATE TABLE t (a INT, b INT)").await;
    assert!(world.refused("SELECT * FROM w").await.contains("does not exist"));
    assert_eq!(world.value("SELECT count(*) FROM v").await, "0");
    world.end().await;
}
