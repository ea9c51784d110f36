//! What is remembered, and for how long.

use std::time::Duration;

use aws_sdk_redshiftdata::operation::execute_statement::builders::ExecuteStatementFluentBuilder;

use super::world::{DATABASE, WORKGROUP, World};

fn call(world: &World, token: &str, sql: &str) -> ExecuteStatementFluentBuilder {
    world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE).client_token(token).sql(sql)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_names_one_statement_for_eight_hours() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INT)").await;
    let insert = "INSERT INTO t VALUES (1)";
    let first = call(&world, "once", insert).send().await.unwrap().id.unwrap();
    world.ended(&first).await;
    world.clock.advance(Duration::from_mins(8 * 60 - 1));
    let again = call(&world, "once", insert).send().await.unwrap().id.unwrap();
    assert_eq!(again, first, "within eight hours the same token is the same statement");
    assert_eq!(world.value("SELECT count(*) FROM t").await, "1");
    world.clock.advance(Duration::from_mins(2));
    let later = call(&world, "once", insert).send().await.unwrap().id.unwrap();
    assert_ne!(later, first, "after eight hours the same token runs again");
    world.ended(&later).await;
    assert_eq!(world.value("SELECT count(*) FROM t").await, "2");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_makes_a_batch_run_once() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INT)").await;
    let submit = || async {
        let call = world.client.batch_execute_statement().workgroup_name(WORKGROUP).database(DATABASE);
        let call = call.client_token("batch").sqls("INSERT INTO t VALUES (1)").sqls("INSERT INTO t VALUES (2)");
        call.send().await.unwrap().id.unwrap()
    };
    let (one, other) = tokio::join!(submit(), submit());
    assert_eq!(one, other);
    world.ended(&one).await;
    assert_eq!(world.value("SELECT count(*) FROM t").await, "2");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_another_statement_is_refused() {
    let world = World::new().await;
    call(&world, "once", "SELECT 1").send().await.unwrap();
    let other = call(&world, "once", "SELECT 2").send().await.unwrap_err().into_service_error();
    assert!(other.is_validation_exception(), "{other}");
    // Each call without a token is one of its own: the SDK makes one up.
    let one = world.run("SELECT 1").await;
    assert_ne!(world.run("SELECT 1").await.id(), one.id());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_gone_after_a_day() {
    let world = World::new().await;
    let told = world.done("SELECT 1").await;
    world.clock.advance(Duration::from_mins(24 * 60 - 1));
    assert_eq!(world.client.get_statement_result().id(told.id()).send().await.unwrap().total_num_rows(), 1);
    world.clock.advance(Duration::from_mins(2));
    let gone = world.client.describe_statement().id(told.id()).send().await.unwrap_err().into_service_error();
    assert!(gone.is_resource_not_found_exception(), "{gone}");
    let gone = world.client.get_statement_result().id(told.id()).send().await.unwrap_err().into_service_error();
    assert!(gone.is_resource_not_found_exception(), "{gone}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_is_bounded() {
    let world = World::with(|options| options.limits.remembered_statements = 3).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.done("SELECT 1").await.id().to_owned());
    }
    assert!(world.client.describe_statement().id(&ids[0]).send().await.is_err());
    assert!(world.client.describe_statement().id(&ids[4]).send().await.is_ok());
    world.end().await;
}
