//! BatchExecuteStatement.

use aws_sdk_redshiftdata::types::{ExecutionMode, StatementStatusString, StatusString};

use super::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_transaction_and_any_failure_rolls_all_back() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INTEGER)").await;
    let sqls = ["INSERT INTO t VALUES (1)", "INSERT INTO nowhere VALUES (2)", "INSERT INTO t VALUES (3)"];
    let told = world.batch(ExecutionMode::Transaction, &sqls).await;
    assert_eq!(told.status(), Some(&StatusString::Failed));
    let states: Vec<_> = told.sub_statements().iter().map(|part| part.status().expect("a status").clone()).collect();
    let expected = [StatementStatusString::Finished, StatementStatusString::Failed, StatementStatusString::Aborted];
    assert_eq!(states, expected);
    assert!(told.sub_statements()[1].error().expect("an error").contains("relation \"nowhere\" does not exist"));
    assert_eq!(world.value("SELECT count(*) FROM t").await, "0");
    world.end().await;
}
