//! Sessions.

use std::time::Duration;

use aws_sdk_redshiftdata::error::ProvideErrorMetadata;
use aws_sdk_redshiftdata::types::StatusString;
use lakehand_redshift_standin::{Fault, Rule};

use super::world::{DATABASE, WORKGROUP, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_table_lives_in_its_session() {
    let world = World::new().await;
    let first = world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE);
    let first = first.session_keep_alive_seconds(60).sql("CREATE TEMP TABLE t (a INT)").send().await.unwrap();
    let session = first.session_id().expect("a session").to_owned();
    world.ended(first.id().unwrap()).await;
    let within = |sql: &str| world.client.execute_statement().session_id(&session).sql(sql);
    for sql in ["INSERT INTO t VALUES (1)", "SELECT * FROM t"] {
        let accepted = within(sql).send().await.unwrap();
        let told = world.ended(accepted.id().unwrap()).await;
        assert_eq!((told.status(), told.result_rows()), (Some(&StatusString::Finished), 1), "{:?}", told.error());
    }
    assert!(world.refused("SELECT * FROM t").await.contains("does not exist"), "another session does not have it");
    // Kept a minute after the last statement, no longer.
    world.clock.advance(Duration::from_secs(61));
    let gone = within("SELECT * FROM t").send().await.unwrap_err();
    assert_eq!(gone.code(), Some("ResourceNotFoundException"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_a_session_goes_on_until_its_end() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INT)").await;
    let first = world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE);
    let first = first.session_keep_alive_seconds(60).sql("BEGIN").send().await.unwrap();
    let session = first.session_id().expect("a session").to_owned();
    world.ended(first.id().unwrap()).await;
    let run = |sql: &'static str| {
        let (world, call) = (&world, world.client.execute_statement().session_id(&session).sql(sql));
        async move { world.ended(call.send().await.unwrap().id().unwrap()).await }
    };
    run("INSERT INTO t VALUES (1)").await;
    assert_eq!(world.value("SELECT count(*) FROM t").await, "0");
    assert_eq!(run("COMMIT").await.status(), Some(&StatusString::Finished));
    assert_eq!(world.value("SELECT count(*) FROM t").await, "1");
    // After a failure nothing runs until the end, and nothing is kept.
    for sql in ["BEGIN", "INSERT INTO t VALUES (2)"] {
        assert_eq!(run(sql).await.status(), Some(&StatusString::Finished));
    }
    assert_eq!(run("SELECT nothing").await.status(), Some(&StatusString::Failed));
    assert!(run("INSERT INTO t VALUES (3)").await.error().unwrap().contains("current transaction is aborted"));
    run("COMMIT").await;
    assert_eq!(world.value("SELECT count(*) FROM t").await, "1");
    assert_eq!(run("INSERT INTO t VALUES (4)").await.status(), Some(&StatusString::Finished));
    assert_eq!(world.value("SELECT count(*) FROM t").await, "2");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_runs_one_statement_and_sessions_are_few() {
    let world = World::with(|options| options.limits.active_sessions = 1).await;
    world.standin.faults().set(vec![Rule::new(Fault::SlowCommit { millis: 60_000 }).matching("slow")]);
    let open = |sql: &str| {
        let call = world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE).sql(sql);
        call.session_keep_alive_seconds(60).send()
    };
    let first = open("SELECT 1 /* slow */").await.unwrap();
    let session = first.session_id().expect("a session").to_owned();
    let busy = world.client.execute_statement().session_id(&session).sql("SELECT 2").send().await.unwrap_err();
    assert!(busy.into_service_error().is_validation_exception());
    let second = open("SELECT 1").await.unwrap_err().into_service_error();
    assert!(second.is_active_sessions_exceeded_exception(), "{second}");
    world.client.cancel_statement().id(first.id().unwrap()).send().await.unwrap();
    assert_eq!(world.ended(first.id().unwrap()).await.status(), Some(&StatusString::Aborted));
    let within = world.client.execute_statement().session_id(&session).sql("SELECT 2").send().await.unwrap();
    assert_eq!(world.ended(within.id().unwrap()).await.status(), Some(&StatusString::Finished));
    world.end().await;
}
