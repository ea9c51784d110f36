//! ExecuteStatement, DescribeStatement, GetStatementResult, ListStatements, CancelStatement.

use aws_sdk_redshiftdata::error::ProvideErrorMetadata;
use aws_sdk_redshiftdata::types::{SqlParameter, StatementStatusString, StatusString};
use lakehand_redshift_standin::{Fault, Quota, Rule};

use super::world::{DATABASE, WORKGROUP, World};

fn parameter(name: &str, value: &str) -> SqlParameter {
    SqlParameter::builder().name(name).value(value).build().expect("complete")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_tells_its_types() {
    let world = World::new().await;
    let told = world
        .done(
            "SELECT true AS a, CAST(7 AS SMALLINT) AS b, 8 AS c, CAST(9 AS BIGINT) AS d, CAST(1.5 AS REAL) AS e,
             CAST(-2.5 AS FLOAT8) AS f, CAST(12.30 AS DECIMAL(10,2)) AS g, 'x' || CHR(92) AS h, DATE '2024-02-29' AS i,
             TIMESTAMP '2024-02-29 12:00:00.5' AS j, NULL AS k, JSON_PARSE('{\"a\": [1]}') AS l, CAST('NaN' AS FLOAT8) AS m",
        )
        .await;
    assert!(told.has_result_set().unwrap_or_default() && told.result_rows() == 1 && told.result_size() > 0);
    assert!(told.redshift_query_id() > 0 && told.redshift_pid() > 0 && told.duration() > 0);
    let result = world.client.get_statement_result().id(told.id()).send().await.unwrap();
    let fields: Vec<String> = result.records()[0].iter().map(|field| format!("{field:?}")).collect();
    let expected = [
        "BooleanValue(true)",
        "LongValue(7)",
        "LongValue(8)",
        "LongValue(9)",
        "DoubleValue(1.5)",
        "DoubleValue(-2.5)",
        "StringValue(\"12.30\")",
        "StringValue(\"x\\\\\")",
        "StringValue(\"2024-02-29\")",
        "StringValue(\"2024-02-29 12:00:00.5\")",
        "IsNull(true)",
        "StringValue(\"{\\\"a\\\":[1]}\")",
        "StringValue(\"NaN\")",
    ];
    assert_eq!(fields, expected);
    let types: Vec<_> = result.column_metadata().iter().map(|column| column.type_name().unwrap()).collect();
    let expected = [
        "bool",
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "numeric",
        "varchar",
        "date",
        "timestamp",
        "varchar",
        "super",
        "float8",
    ];
    assert_eq!(types, expected);
    let decimal = &result.column_metadata()[6];
    assert_eq!((decimal.name(), decimal.precision(), decimal.scale()), (Some("g"), 10, 2));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_comes_in_pages() {
    let world = World::with(|options| options.limits.page_rows = 2).await;
    let told =
        world.done("SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5").await;
    let mut pages = world.client.get_statement_result().id(told.id()).into_paginator().send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert_eq!(page.total_num_rows(), 5);
        sizes.push(page.records().len());
    }
    assert_eq!(sizes, [2, 2, 1]);
    // An empty result is a result.
    let told = world.done("SELECT 1 AS a WHERE false").await;
    let result = world.client.get_statement_result().id(told.id()).send().await.unwrap();
    assert_eq!((told.has_result_set(), result.records().len(), result.column_metadata().len()), (Some(true), 0, 1));
    let told = world.done("CREATE TABLE t (a INT)").await;
    let none = world.client.get_statement_result().id(told.id()).send().await.unwrap_err();
    assert_eq!(none.code(), Some("ResourceNotFoundException"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_wait_for_its_statement() {
    let world = World::new().await;
    let call = || world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE).sql("SELECT 1");
    let at_once = call().wait_time_seconds(30).send().await.unwrap();
    assert_eq!(at_once.status(), Some(&StatementStatusString::Finished));
    assert_eq!((at_once.has_result_set(), at_once.workgroup_name()), (Some(true), Some(WORKGROUP)));
    assert_eq!(call().send().await.unwrap().status(), None);
    for wrong in [0, 31] {
        let refused = call().wait_time_seconds(wrong).send().await.unwrap_err();
        assert_eq!(refused.code(), Some("ValidationException"), "{wrong}");
    }
    // It waits no longer than the statement runs, and tells how far it is if the time is over before.
    world.standin.faults().set(vec![Rule::new(Fault::SlowCommit { millis: 2_500 }).matching("SELECT 2")]);
    let early = call().sql("SELECT 2").wait_time_seconds(1).send().await.unwrap();
    assert_eq!(early.status(), Some(&StatementStatusString::Started));
    let told = world.client.describe_statement().id(early.id().unwrap()).wait_time_seconds(30).send().await.unwrap();
    assert_eq!(told.status(), Some(&StatusString::Finished));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_201st_active_statement_is_refused() {
    let world = World::with(|options| options.limits.connections = 4).await;
    world.done("SELECT 1").await;
    world.standin.faults().set(vec![Rule::new(Fault::SlowCommit { millis: 600_000 })]);
    let call = || world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE).sql("SELECT 1");
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(call().send().await.unwrap().id.unwrap());
    }
    let one_more = call().send().await.unwrap_err().into_service_error();
    assert!(one_more.is_active_statements_exceeded_exception(), "{one_more}");
    // Those that wait and those that run are cancelled alike, and make room.
    for id in [&ids[0], &ids[199]] {
        assert_eq!(world.client.cancel_statement().id(id).send().await.unwrap().status(), Some(true));
        assert_eq!(world.ended(id).await.status(), Some(&StatusString::Aborted));
    }
    call().send().await.unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_has_at_most_100_kilobytes() {
    let world = World::new().await;
    let call =
        |sql: String| world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE).sql(sql).send();
    let padded = |bytes: usize| format!("SELECT 1 {}", " ".repeat(bytes - 9));
    assert!(call(padded(102_400)).await.is_ok());
    let too_long = call(padded(102_401)).await.unwrap_err().into_service_error();
    assert!(too_long.is_validation_exception(), "{too_long}");
    assert!(call(" ".to_owned()).await.unwrap_err().into_service_error().is_validation_exception());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn named_parameters_stand_for_values() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INTEGER, b VARCHAR(20))").await;
    let call = |sql: &str| world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE).sql(sql);
    let insert = call("INSERT INTO t VALUES (:n, :text), (2, ':text')");
    let insert =
        insert.parameters(parameter("n", "1")).parameters(parameter("text", "it's \\ ;")).send().await.unwrap();
    let told = world.ended(insert.id().unwrap()).await;
    assert_eq!((told.status(), told.result_rows()), (Some(&StatusString::Finished), 2));
    assert_eq!(told.query_parameters().len(), 2);
    assert_eq!(world.rows("SELECT a, b FROM t ORDER BY a").await, [["1", "it's \\ ;"], ["2", ":text"]]);
    let unused = call("SELECT 1").parameters(parameter("n", "1")).send().await.unwrap_err();
    assert!(unused.into_service_error().is_validation_exception(), "each parameter is used at least once");
    let missing = call("SELECT :n || :m").parameters(parameter("n", "1")).send().await.unwrap();
    assert_eq!(world.ended(missing.id().unwrap()).await.status(), Some(&StatusString::Failed));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_says_where_it_runs() {
    let world = World::new().await;
    let call = || world.client.execute_statement().sql("SELECT 1");
    for wrong in [
        call().database(DATABASE),
        call().database(DATABASE).workgroup_name("www").cluster_identifier("c"),
        call().workgroup_name("www"),
        call().workgroup_name("ww").database(DATABASE),
        call().workgroup_name("Www").database(DATABASE),
        call().cluster_identifier("1c").database(DATABASE),
        call().cluster_identifier("a--b").database(DATABASE),
        call().workgroup_name("www").database(DATABASE).db_user("u"),
        call().cluster_identifier("c").database(DATABASE).db_user("u").secret_arn("arn:aws:secretsmanager:x"),
    ] {
        assert!(wrong.send().await.unwrap_err().into_service_error().is_validation_exception());
    }
    for right in [
        call().workgroup_name("www").database(DATABASE),
        call().workgroup_name("www").database(DATABASE).secret_arn("arn:aws:secretsmanager:x"),
        call().cluster_identifier("c").database(DATABASE).db_user("u"),
        call().cluster_identifier("c").database(DATABASE).secret_arn("arn:aws:secretsmanager:x"),
        call().cluster_identifier("c").database(DATABASE),
    ] {
        let accepted = right.send().await.unwrap();
        assert_eq!(world.ended(accepted.id().unwrap()).await.status(), Some(&StatusString::Finished));
    }
    // A database in one is not in the other.
    world.done("CREATE TABLE only_here (a INT)").await;
    let elsewhere =
        call().cluster_identifier("c").database(DATABASE).sql("SELECT * FROM only_here").send().await.unwrap();
    let told = world.ended(elsewhere.id().unwrap()).await;
    assert_eq!(told.error(), Some("ERROR: relation \"only_here\" does not exist\n  Position: 15"));
    assert_eq!(told.cluster_identifier(), Some("c"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_listed_by_name_and_status() {
    let world = World::new().await;
    for (name, sql) in
        [("load-1", "SELECT 1"), ("load-2", "SELECT nothing"), ("other", "SELECT 3"), ("load-3", "SELECT 4")]
    {
        let call = world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE);
        let accepted = call.statement_name(name).sql(sql).send().await.unwrap();
        world.ended(accepted.id().unwrap()).await;
    }
    let list = |status: StatusString| world.client.list_statements().statement_name("load-").status(status);
    let names = |page: &aws_sdk_redshiftdata::operation::list_statements::ListStatementsOutput| {
        page.statements().iter().map(|one| one.statement_name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&list(StatusString::All).send().await.unwrap()), ["load-3", "load-2", "load-1"]);
    assert_eq!(names(&list(StatusString::Failed).send().await.unwrap()), ["load-2"]);
    let first = list(StatusString::Finished).max_results(1).send().await.unwrap();
    assert_eq!(names(&first), ["load-3"]);
    let second =
        list(StatusString::Finished).max_results(1).next_token(first.next_token().unwrap()).send().await.unwrap();
    assert_eq!((names(&second), second.next_token()), (vec!["load-1".to_owned()], None));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_waits_for_a_lock_can_be_cancelled() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INT)").await;
    world.standin.faults().set(vec![Rule::new(Fault::SlowCommit { millis: 600_000 }).matching("VALUES (1)")]);
    let submit =
        |sql: &str| world.client.execute_statement().workgroup_name(WORKGROUP).database(DATABASE).sql(sql).send();
    let holder = submit("INSERT INTO t VALUES (1)").await.unwrap().id.unwrap();
    world.writing(1).await;
    let waiter = submit("INSERT INTO t VALUES (2)").await.unwrap().id.unwrap();
    world.waiting(1).await;
    world.client.cancel_statement().id(&waiter).send().await.unwrap();
    let told = world.ended(&waiter).await;
    assert_eq!(told.status(), Some(&StatusString::Aborted));
    assert!(told.error().unwrap().contains("cancelled on user's request"), "{:?}", told.error());
    world.client.cancel_statement().id(&holder).send().await.unwrap();
    assert_eq!(world.ended(&holder).await.status(), Some(&StatusString::Aborted));
    assert_eq!(world.value("SELECT count(*) FROM t").await, "0");
    let over = world.client.cancel_statement().id(&holder).send().await.unwrap_err().into_service_error();
    assert!(over.is_validation_exception(), "{over}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_runs_for_a_day_at_most_and_its_result_is_bounded() {
    let world = World::with(|options| options.limits.result_bytes = 100_000).await;
    assert_eq!(world.value("SHOW statement_timeout").await, "1d");
    assert!(world.refused("SELECT REPEAT('x', 65537)").await.contains("row of the result exceeds 65536 bytes"));
    let rows = "SELECT REPEAT('x', 1000) FROM (SELECT generate_series(1, 101)) x";
    assert!(world.refused(rows).await.contains("The result exceeds 100000 bytes"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_runs_one_statement() {
    let world = World::new().await;
    assert!(world.refused("SELECT 1; SELECT 2").await.contains("multiple commands"));
    world.done("SELECT 1;").await;
    assert!(world.refused(";").await.contains("empty"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cast_of_text_that_is_no_number_tells_the_text() {
    let world = World::new().await;
    world.done("CREATE TABLE t (a VARCHAR(100))").await;
    world.done("INSERT INTO t VALUES ('lakehand: the fence \"f\" is not ours')").await;
    let told = world.refused("SELECT CAST(a AS INTEGER) FROM t").await;
    assert!(told.starts_with("ERROR: Invalid digit, Value 'l', Pos 0, Type: Integer"), "{told}");
    assert!(told.contains("lakehand: the fence \"f\" is not ours"), "{told}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_so_many_requests_a_second() {
    let world = World::with(|options| options.limits.quota = Some(Quota { describe: 3, ..Quota::ACCOUNT })).await;
    let told = world.done("SELECT 1").await;
    let mut throttled = 0;
    for _ in 0..20 {
        if let Err(error) = world.client.describe_statement().id(told.id()).send().await {
            assert_eq!(error.code(), Some("ThrottlingException"));
            throttled += 1;
        }
    }
    assert!(throttled > 0, "20 calls in a moment are more than 3 a second");
    assert!(world.standin.requests()["DescribeStatement"] > 20);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_refused() {
    let world = World::new().await;
    let unknown = "00000000-0000-0000-0000-000000000000";
    let missing = world.client.describe_statement().id(unknown).send().await.unwrap_err().into_service_error();
    assert!(missing.is_resource_not_found_exception(), "{missing}");
    let malformed = world.client.describe_statement().id("x").send().await.unwrap_err().into_service_error();
    assert!(malformed.is_validation_exception(), "{malformed}");
    let other = world.client.list_schemas().database(DATABASE).workgroup_name(WORKGROUP).send().await.unwrap_err();
    assert_eq!(other.code(), Some("UnknownOperationException"));
    world.end().await;
}
