//! BatchExecuteStatement.

use aws_sdk_redshiftdata::types::{ExecutionMode, StatementStatusString, StatusString, SubStatementData};
use lakehand_redshift_standin::Isolation;

use super::world::{DATABASE, WORKGROUP, World, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_transaction_and_any_failure_rolls_all_back() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INTEGER)").await;
    let sqls = ["INSERT INTO t VALUES (1)", "INSERT INTO nowhere VALUES (2)", "INSERT INTO t VALUES (3)"];
    let told = world.batch(ExecutionMode::Transaction, &sqls).await;
    assert_eq!(
        (told.status(), told.execution_mode()),
        (Some(&StatusString::Failed), Some(&ExecutionMode::Transaction))
    );
    assert_eq!(told.error(), Some("Query #2 failed with ERROR: relation \"nowhere\" does not exist"));
    let states: Vec<_> = told.sub_statements().iter().map(|part| part.status().expect("a status").clone()).collect();
    let expected = [StatementStatusString::Finished, StatementStatusString::Failed, StatementStatusString::Aborted];
    assert_eq!(states, expected);
    assert_eq!(told.sub_statements()[1].error(), Some("ERROR: relation \"nowhere\" does not exist"));
    assert_eq!(world.value("SELECT count(*) FROM t").await, "0");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_a_transaction_where_no_mode_is_said() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INTEGER)").await;
    let call = world.client.batch_execute_statement().workgroup_name(WORKGROUP).database(DATABASE);
    let call = call.sqls("INSERT INTO t VALUES (1)").sqls("SELECT nothing");
    let told = world.ended(call.send().await.unwrap().id().unwrap()).await;
    assert_eq!(
        (told.status(), told.execution_mode()),
        (Some(&StatusString::Failed), Some(&ExecutionMode::Transaction))
    );
    assert_eq!(world.value("SELECT count(*) FROM t").await, "0");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_auto_commit_each_statement_is_by_itself() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INTEGER)").await;
    let sqls = ["INSERT INTO t VALUES (1)", "INSERT INTO nowhere VALUES (2)", "INSERT INTO t VALUES (3)"];
    let told = world.batch(ExecutionMode::AutoCommit, &sqls).await;
    let states: Vec<_> = told.sub_statements().iter().map(|part| part.status().expect("a status").clone()).collect();
    let expected = [StatementStatusString::Finished, StatementStatusString::Failed, StatementStatusString::Finished];
    assert_eq!(states, expected);
    assert_eq!(told.status(), Some(&StatusString::Failed));
    assert_eq!(world.value("SELECT count(*) FROM t").await, "2");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_of_a_batch_has_its_own_number_rows_and_result() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INTEGER)").await;
    let sqls = [
        "INSERT INTO t VALUES (1), (2)",
        "UPDATE t SET a = a + 1",
        "SELECT a FROM t ORDER BY a",
        "DELETE FROM t WHERE a = 2",
        "LOCK t",
    ];
    let told = world.batch(ExecutionMode::Transaction, &sqls).await;
    assert_eq!((told.status(), told.has_result_set()), (Some(&StatusString::Finished), Some(true)));
    let rows: Vec<_> = told.sub_statements().iter().map(SubStatementData::result_rows).collect();
    assert_eq!(rows, [2, 2, 2, 1, 0]);
    let mut queries: Vec<_> = told.sub_statements().iter().map(SubStatementData::redshift_query_id).collect();
    queries.dedup();
    assert!(queries.len() == 5 && queries.iter().all(|query| *query > 0), "{queries:?}");
    let ids: Vec<_> = told.sub_statements().iter().map(|part| part.id().to_owned()).collect();
    assert_eq!(ids, (1..=5).map(|number| format!("{}:{number}", told.id())).collect::<Vec<_>>());
    let result = world.client.get_statement_result().id(&ids[2]).send().await.unwrap();
    assert_eq!(result.records().iter().map(|row| text(&row[0])).collect::<Vec<_>>(), ["2", "3"]);
    let part = world.client.describe_statement().id(&ids[1]).send().await.unwrap();
    assert_eq!((part.id(), part.result_rows(), part.query_string()), (ids[1].as_str(), 2, Some(sqls[1])));
    // The whole has no result, nor has a number that it does not have.
    for id in [told.id().to_owned(), format!("{}:6", told.id()), format!("{}:0", told.id())] {
        let none = world.client.get_statement_result().id(id).send().await.unwrap_err().into_service_error();
        assert!(none.is_resource_not_found_exception(), "{none}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_at_most_forty_statements() {
    let world = World::new().await;
    let call = |count: usize| {
        let call = world.client.batch_execute_statement().workgroup_name(WORKGROUP).database(DATABASE);
        call.set_sqls(Some(vec!["SELECT 1".to_owned(); count])).send()
    };
    let told = world.ended(call(40).await.unwrap().id().unwrap()).await;
    assert_eq!((told.status(), told.sub_statements().len()), (Some(&StatusString::Finished), 40));
    for count in [0, 41] {
        let refused = call(count).await.unwrap_err().into_service_error();
        assert!(refused.is_validation_exception(), "{count}: {refused}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn truncate_and_vacuum_commit_the_transaction() {
    let world = World::new().await;
    world.batch(ExecutionMode::Transaction, &["CREATE TABLE t (a INT)", "CREATE TABLE u (a INT)"]).await;
    for (commits, kept) in [("TRUNCATE t", "1"), ("VACUUM", "2"), ("DELETE FROM t", "2")] {
        let sqls = ["INSERT INTO u VALUES (1)", commits, "INSERT INTO u VALUES (2)", "SELECT nothing"];
        let told = world.batch(ExecutionMode::Transaction, &sqls).await;
        assert_eq!(told.status(), Some(&StatusString::Failed));
        assert_eq!(world.value("SELECT count(*) FROM u").await, kept, "{commits}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_cannot_be_altered_inside_a_transaction_block() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a VARCHAR(10))").await;
    let alter = "ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(20)";
    let told = world.batch(ExecutionMode::Transaction, &[alter]).await;
    assert!(told.error().unwrap().contains("ALTER TABLE ALTER COLUMN cannot run inside a transaction block"));
    let told = world.batch(ExecutionMode::AutoCommit, &["SELECT 1", alter]).await;
    assert_eq!(told.status(), Some(&StatusString::Finished), "{:?}", told.error());
    let told = world.batch(ExecutionMode::Transaction, &["CREATE DATABASE d"]).await;
    assert!(told.error().unwrap().contains("CREATE DATABASE cannot run inside a transaction block"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_is_a_statement_that_fails() {
    let world = World::new().await;
    world.batch(ExecutionMode::Transaction, &["CREATE TABLE t (a INT)", "CREATE TABLE markers (id VARCHAR(40))"]).await;
    let sqls = [
        "SELECT CAST('lakehand: ' || max(id) || ' is loaded already' AS INTEGER) FROM markers WHERE id = 'load-1' HAVING count(*) > 0",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO markers VALUES ('load-1')",
    ];
    let told = world.batch(ExecutionMode::Transaction, &sqls).await;
    assert_eq!(told.status(), Some(&StatusString::Finished), "{:?}", told.error());
    let told = world.batch(ExecutionMode::Transaction, &sqls).await;
    assert_eq!(told.status(), Some(&StatusString::Failed));
    assert!(told.error().unwrap().contains("lakehand: load-1 is loaded already"), "{:?}", told.error());
    assert_eq!(world.value("SELECT count(*) FROM t").await, "1");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_isolation_can_be_had() {
    for (isolation, level) in [(Isolation::Snapshot, "repeatable read"), (Isolation::Serializable, "serializable")] {
        let world = World::with(|options| options.isolation = isolation).await;
        assert_eq!(world.value("SELECT setting FROM pg_settings WHERE name = 'transaction_isolation'").await, level);
        world.end().await;
    }
}
