//! Locks, snapshots and what goes wrong between transactions.

use aws_sdk_redshiftdata::types::ExecutionMode::Transaction;
use aws_sdk_redshiftdata::types::StatusString;
use lakehand_redshift_standin::{Fault, Isolation, Rule};

use super::world::World;

/// Keeps a batch that has this text in it from committing for so long.
fn hold(world: &World, matching: &str, millis: u64) {
    world.standin.faults().add(Rule::new(Fault::SlowCommit { millis }).matching(matching));
}

async fn two_tables(isolation: Isolation) -> World {
    let world = World::with(|options| options.isolation = isolation).await;
    let made =
        ["CREATE TABLE a (n INT)", "CREATE TABLE b (n INT)", "INSERT INTO a VALUES (1)", "INSERT INTO b VALUES (1)"];
    assert_eq!(world.batch(Transaction, &made).await.status(), Some(&StatusString::Finished));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_one_table_run_one_after_the_other_and_see_what_was_committed() {
    let world = two_tables(Isolation::Snapshot).await;
    let sqls = ["UPDATE a SET n = n + 1", "INSERT INTO b SELECT n FROM a"];
    let ids = [
        world.submit(Transaction, &sqls).await,
        world.submit(Transaction, &sqls).await,
        world.submit(Transaction, &sqls).await,
        world.submit(Transaction, &sqls).await,
        world.submit(Transaction, &sqls).await,
    ];
    for id in &ids {
        let told = world.ended(id).await;
        assert_eq!(told.status(), Some(&StatusString::Finished), "{:?}", told.error());
    }
    assert_eq!(world.value("SELECT n FROM a").await, "6");
    let seen: Vec<String> = world.rows("SELECT n FROM b ORDER BY n").await.into_iter().flatten().collect();
    assert_eq!(seen, ["1", "2", "3", "4", "5", "6"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_the_whole_tables_and_held_to_the_end() {
    let world = two_tables(Isolation::Snapshot).await;
    hold(&world, "first", 60_000);
    // Both insert; no row of one is the other's.
    let first = world.submit(Transaction, &["INSERT INTO a VALUES (2) /* first */"]).await;
    world.writing(1).await;
    let second = world.submit(Transaction, &["INSERT INTO a VALUES (3)"]).await;
    world.waiting(1).await;
    // Readers do not wait, nor do writers of other tables.
    assert_eq!(world.value("SELECT count(*) FROM a").await, "1");
    assert_eq!(world.batch(Transaction, &["DELETE FROM b"]).await.status(), Some(&StatusString::Finished));
    world.client.cancel_statement().id(&first).send().await.unwrap();
    assert_eq!(world.ended(&second).await.status(), Some(&StatusString::Finished));
    assert_eq!(world.rows("SELECT n FROM a ORDER BY n").await, [["1"], ["3"]]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_keeps_everybody_out_and_takes_no_snapshot() {
    let world = two_tables(Isolation::Snapshot).await;
    hold(&world, "first", 60_000);
    let first = world.submit(Transaction, &["UPDATE a SET n = 7 /* first */"]).await;
    world.writing(1).await;
    let second = world.submit(Transaction, &["LOCK a", "INSERT INTO b SELECT n FROM a"]).await;
    world.waiting(1).await;
    // A reader waits behind it.
    let reader = world.submit(Transaction, &["SELECT n FROM a"]).await;
    world.waiting(2).await;
    world.client.cancel_statement().id(&first).send().await.unwrap();
    for id in [&second, &reader] {
        assert_eq!(world.ended(id).await.status(), Some(&StatusString::Finished));
    }
    assert_eq!(world.value("SELECT count(*) FROM b").await, "2");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_read_before_he_waited_does_not_see_it_and_fails_with_1023() {
    let world = two_tables(Isolation::Snapshot).await;
    hold(&world, "first", 1_500);
    let first = world.submit(Transaction, &["UPDATE a SET n = 7 /* first */"]).await;
    world.writing(1).await;
    let second = world.submit(Transaction, &["SELECT count(*) FROM b", "UPDATE a SET n = n + 1"]).await;
    let told = world.ended(&second).await;
    assert_eq!(told.status(), Some(&StatusString::Failed));
    let error = told.error().unwrap();
    assert!(error.contains("ERROR: 1023\n  Detail: Serializable isolation violation on table - "), "{error}");
    assert!(!error.contains("table - 0,"), "{error}");
    assert_eq!(world.ended(&first).await.status(), Some(&StatusString::Finished));
    assert_eq!(world.value("SELECT n FROM a").await, "7");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn write_skew_passes_under_snapshot_and_fails_with_1023_under_serializable() {
    for (isolation, failures) in [(Isolation::Snapshot, 0), (Isolation::Serializable, 1)] {
        let world = two_tables(isolation).await;
        hold(&world, "INSERT INTO", 1_000);
        let one = world.submit(Transaction, &["SELECT count(*) FROM a", "INSERT INTO b VALUES (5)"]).await;
        let other = world.submit(Transaction, &["SELECT count(*) FROM b", "INSERT INTO a VALUES (5)"]).await;
        let mut failed = Vec::new();
        for id in [one, other] {
            failed.extend(world.ended(&id).await.error().map(str::to_owned));
        }
        assert_eq!(failed.len(), failures, "{isolation:?}: {failed:?}");
        assert!(failed.iter().all(|error| error.contains("ERROR: 1023")), "{failed:?}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_transactions_that_write_two_tables_in_opposite_order_deadlock() {
    let world = two_tables(Isolation::Snapshot).await;
    // A statement that takes its time between the two locks.
    let slow = "SELECT count(*) FROM (SELECT generate_series(1, 3000000)) x";
    let one = world.submit(Transaction, &["INSERT INTO a VALUES (2)", slow, "INSERT INTO b VALUES (2)"]).await;
    let other = world.submit(Transaction, &["INSERT INTO b VALUES (3)", slow, "INSERT INTO a VALUES (3)"]).await;
    let mut errors = Vec::new();
    for id in [one, other] {
        errors.extend(world.ended(&id).await.error().map(str::to_owned));
    }
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("ERROR: deadlock detected"), "{errors:?}");
    assert_eq!(world.value("SELECT count(*) FROM a").await, "2");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_made_after_the_snapshot_does_not_exist_1018() {
    let world = two_tables(Isolation::Snapshot).await;
    hold(&world, "first", 60_000);
    let first = world.submit(Transaction, &["UPDATE a SET n = 7 /* first */"]).await;
    world.writing(1).await;
    let reads = ["SELECT count(*) FROM b", "UPDATE a SET n = 8 WHERE false", "SELECT count(*) FROM later"];
    let second = world.submit(Transaction, &reads).await;
    world.waiting(1).await;
    world.done("CREATE TABLE later (n INT)").await;
    world.client.cancel_statement().id(&first).send().await.unwrap();
    let told = world.ended(&second).await;
    assert!(told.error().unwrap().contains("ERROR: 1018\n  Detail: Relation does not exist"), "{:?}", told.error());
    // Its own tables a transaction knows, of course.
    let own =
        ["SELECT count(*) FROM b", "CREATE TABLE mine (n INT)", "INSERT INTO mine VALUES (1)", "SELECT n FROM mine"];
    let told = world.batch(Transaction, &own).await;
    assert_eq!(told.status(), Some(&StatusString::Finished), "{:?}", told.error());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn merge_refuses_several_matches() {
    let world = two_tables(Isolation::Snapshot).await;
    let merge = "MERGE INTO a USING b ON a.n = b.n WHEN MATCHED THEN UPDATE SET n = b.n WHEN NOT MATCHED THEN INSERT VALUES (b.n)";
    assert_eq!(world.done(merge).await.result_rows(), 1);
    world.done("INSERT INTO b VALUES (1)").await;
    assert!(world.refused(merge).await.contains("Found multiple matches to update the same tuple"));
    world.end().await;
}
