//! Fault switches.

use std::time::Duration;

use aws_sdk_redshiftdata::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_redshiftdata::types::ExecutionMode::Transaction;
use aws_sdk_redshiftdata::types::StatusString;
use lakehand_redshift_standin::{Fault, Rule};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::world::{DATABASE, WORKGROUP, World, pause};

async fn world() -> World {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INT)").await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_throttled_and_does_nothing() {
    let world = world().await;
    world.standin.faults().set(vec![Rule::new(Fault::Throttle).of("ExecuteStatement").times(2)]);
    let call = || {
        world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE).sql("INSERT INTO t VALUES (1)")
    };
    for _ in 0..2 {
        assert_eq!(call().send().await.unwrap_err().code(), Some("ThrottlingException"));
    }
    let accepted = call().send().await.unwrap();
    world.ended(accepted.id().unwrap()).await;
    assert_eq!(world.value("SELECT count(*) FROM t").await, "1");
    assert_eq!(world.standin.faults().total(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_lost_and_the_statement_runs() {
    let world = world().await;
    world.standin.faults().set(vec![Rule::new(Fault::LoseAnswer).of("BatchExecuteStatement").times(1)]);
    let call = || {
        let call = world.client.batch_execute_statement().workgroup_name(WORKGROUP).database(DATABASE);
        call.client_token("again").statement_name("load-7").sqls("INSERT INTO t VALUES (1)").send()
    };
    let lost = call().await.unwrap_err();
    assert!(matches!(lost, SdkError::DispatchFailure(_)), "{lost:?}");
    // The same token finds it; so does its name.
    let id = call().await.unwrap().id.unwrap();
    assert_eq!(world.ended(&id).await.status(), Some(&StatusString::Finished));
    assert_eq!(world.value("SELECT count(*) FROM t").await, "1");
    let listed = world.client.list_statements().statement_name("load-7").send().await.unwrap();
    assert_eq!(listed.statements()[0].id(), id);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_statement_of_a_batch_fails_in_given_words_and_takes_the_others_back() {
    let world = world().await;
    let message = "ERROR: permission denied for relation t".to_owned();
    world.standin.faults().set(vec![Rule::new(Fault::Fail { message: message.clone() }).matching("VALUES (2)")]);
    let call = world.client.batch_execute_statement().workgroup_name(WORKGROUP).database(DATABASE);
    let call = call.sqls("INSERT INTO t VALUES (1)").sqls("INSERT INTO t VALUES (2)").execution_mode(Transaction);
    let id = call.send().await.unwrap().id.unwrap();
    let ended = world.ended(&id).await;
    assert_eq!(ended.status(), Some(&StatusString::Failed));
    assert!(ended.error().is_some_and(|error| error.contains(&message) && error.contains("#2")), "{ended:?}");
    assert_eq!(world.value("SELECT count(*) FROM t").await, "0");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_lost_and_nothing_runs() {
    let world = world().await;
    world.standin.faults().set(vec![Rule::new(Fault::LoseRequest).of("ExecuteStatement").times(1)]);
    let call = world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE);
    let lost = call.sql("INSERT INTO t VALUES (1)").send().await.unwrap_err();
    assert!(matches!(lost, SdkError::DispatchFailure(_)), "{lost:?}");
    assert_eq!(world.value("SELECT count(*) FROM t").await, "0");
    assert!(!world.standin.ran().iter().any(|one| one.sqls[0].starts_with("INSERT")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_failed_statement_was_committed_cannot_be_told() {
    let world = world().await;
    let mut errors = Vec::new();
    for (fault, rows) in [(Fault::FailBeforeCommit, "0"), (Fault::FailAfterCommit, "1")] {
        world.standin.faults().set(vec![Rule::new(fault).matching("INSERT").times(1)]);
        let told = world.batch(Transaction, &["INSERT INTO t VALUES (1)", "SELECT a FROM t"]).await;
        assert_eq!(told.status(), Some(&StatusString::Failed));
        errors.push(told.error().unwrap().to_owned());
        assert_eq!(world.value("SELECT count(*) FROM t").await, rows);
    }
    assert_eq!(errors[0], errors[1]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_stops_a_statement() {
    let world = world().await;
    world.standin.faults().set(vec![Rule::new(Fault::AbortBeforeCommit).matching("INSERT").times(1)]);
    let told = world.batch(Transaction, &["INSERT INTO t VALUES (1)"]).await;
    assert_eq!(told.status(), Some(&StatusString::Aborted));
    assert_eq!(world.value("SELECT count(*) FROM t").await, "0");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_statement_is_forgotten_or_its_answer_is_throttled() {
    let world = world().await;
    let describe = |id: String| world.client.describe_statement().id(id).wait_time_seconds(10).send();
    world.standin.faults().set(vec![
        Rule::new(Fault::Throttle).of("DescribeStatement").times(1),
        Rule::new(Fault::Expire).matching("VALUES (2)"),
    ]);
    let id = world.submit(Transaction, &["INSERT INTO t VALUES (1)"]).await;
    assert_eq!(describe(id.clone()).await.unwrap_err().code(), Some("ThrottlingException"));
    assert_eq!(describe(id).await.unwrap().status(), Some(&StatusString::Finished));
    let id = world.submit(Transaction, &["INSERT INTO t VALUES (2)"]).await;
    let gone = timeout(Duration::from_mins(1), async {
        loop {
            match describe(id.clone()).await {
                Err(error) => return error.code().map(str::to_owned),
                Ok(_) => pause().await,
            }
        }
    });
    let gone = gone.await.expect("the statement is forgotten once it has ended");
    assert_eq!(gone.as_deref(), Some("ResourceNotFoundException"));
    assert_eq!(world.value("SELECT count(*) FROM t").await, "2");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_cluster_takes_no_statement() {
    let world = world().await;
    world.standin.pause(true);
    let call = || world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE).sql("SELECT 1").send();
    let refused = call().await.unwrap_err();
    assert_eq!(refused.code(), Some("ValidationException"));
    assert!(refused.into_service_error().to_string().contains("paused"));
    world.standin.pause(false);
    call().await.unwrap();
    let fault = Fault::Refuse { code: "InternalServerException".into(), message: "try again".into(), status: 500 };
    world.standin.faults().set(vec![Rule::new(fault).times(1)]);
    assert!(call().await.unwrap_err().into_service_error().is_internal_server_exception());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_goes_back_to_what_it_was() {
    let world = world().await;
    world.done("INSERT INTO t VALUES (1)").await;
    world.standin.save(WORKGROUP, DATABASE).await.unwrap();
    world.done("INSERT INTO t VALUES (2)").await;
    world.standin.restore(WORKGROUP, DATABASE).await.unwrap();
    assert_eq!(world.rows("SELECT a FROM t").await, [["1"]]);
    world.done("INSERT INTO t VALUES (3)").await;
    world.standin.restore(WORKGROUP, DATABASE).await.unwrap();
    assert_eq!(world.rows("SELECT a FROM t").await, [["1"]]);
    let ran = world.standin.ran();
    assert!(
        ran.iter()
            .any(|one| one.sqls == ["INSERT INTO t VALUES (3)"] && one.status == "FINISHED" && one.duration.is_some())
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_late() {
    let world = world().await;
    world.standin.faults().set(vec![Rule::new(Fault::SlowAnswer { millis: 700 }).of("ExecuteStatement").times(1)]);
    let call = || world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE).sql("SELECT 1").send();
    assert!(timeout(Duration::from_millis(350), call()).await.is_err());
    assert!(timeout(Duration::from_secs(20), call()).await.is_ok());
    // The caller has gone; the statement has run all the same.
    assert_eq!(world.standin.ran().iter().filter(|one| one.sqls == ["SELECT 1"]).count(), 2);
    world.end().await;
}

/// A request as a script makes it.
async fn http(world: &World, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(world.standin.address()).await.expect("connected");
    let head =
        format!("{request} HTTP/1.1\r\nhost: standin\r\nconnection: close\r\ncontent-type: application/json\r\n");
    let text = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_are_set_and_counted_by_http() {
    let world = world().await;
    let rules = r#"[{"fault":{"kind":"throttle"},"operation":"ExecuteStatement","times":1}]"#;
    let answer = http(&world, "PUT /_standin/faults", rules).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let call = world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE).sql("SELECT 1");
    assert_eq!(call.send().await.unwrap_err().code(), Some("ThrottlingException"));
    let answer = http(&world, "GET /_standin/faults", "").await;
    assert!(answer.contains(r#""seen":1"#) && answer.contains(r#""fired":1"#), "{answer}");
    let answer = http(&world, "PUT /_standin/faults", r#"[{"fault":{"kind":"explode"}}]"#).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(http(&world, "DELETE /_standin/faults", "").await.contains(r#""rules":[]"#));
    assert!(http(&world, "GET /_standin/health", "").await.contains("ok"));
    world.end().await;
}
