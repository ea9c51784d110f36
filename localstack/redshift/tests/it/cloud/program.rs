//! The stand-in as a program.

use std::process::Stdio;
use std::time::Duration;

use aws_sdk_redshiftdata::types::StatementStatusString;
use lakehand_redshift_standin::{StandinOptions, start};
use lakehand_testkit::services;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::world::{client, text};

/// What it writes, which is read no more; closed, it could not write.
type Log = tokio::io::Lines<BufReader<tokio::process::ChildStderr>>;

/// Starts it; returns it, and where it listens.
async fn started(instance: &str) -> (tokio::process::Child, String, Log) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_redshift-standin"))
        .args(["--listen", "127.0.0.1:0", "--region", "eu-central-1", "--instance", instance])
        .args(["--postgres", &services::postgres(), "--s3-endpoint", &services::emulator("ROTO")])
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
    let address = timeout(Duration::from_secs(30), async {
        loop {
            let line = lines.next_line().await.expect("a log").expect("it does not end");
            if let Some((_, after)) = line.split_once("127.0.0.1:") {
                let port: String = after.chars().take_while(char::is_ascii_digit).collect();
                return format!("http://127.0.0.1:{port}");
            }
        }
    });
    let address = address.await.expect("it says where it listens");
    (child, address, lines)
}

async fn terminated(mut child: tokio::process::Child) {
    let pid = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill runs").success());
    let status = timeout(Duration::from_secs(20), child.wait()).await.expect("it ends").expect("a status");
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_finds_its_databases_again_and_ends_on_sigterm() {
    let instance = format!("program{}", services::suffix());
    let (child, address, _log) = started(&instance).await;
    let asked = client(&address);
    let run = |client: aws_sdk_redshiftdata::Client, sql: &'static str| async move {
        let call = client.execute_statement().workgroup_name("www").database("dev").sql(sql).wait_time_seconds(20);
        let accepted = call.send().await.expect("accepted");
        assert_eq!(accepted.status().map(StatementStatusString::as_str), Some("FINISHED"), "{sql}");
        accepted.id.expect("an id")
    };
    let old = run(asked.clone(), "CREATE TABLE t AS SELECT 7 AS a").await;
    terminated(child).await;
    let (child, address, _log) = started(&instance).await;
    let asked = client(&address);
    let gone = asked.describe_statement().id(old).send().await.unwrap_err().into_service_error();
    assert!(gone.is_resource_not_found_exception(), "statements are not remembered: {gone}");
    let id = run(asked.clone(), "SELECT a FROM t").await;
    let result = asked.get_statement_result().id(id).send().await.unwrap();
    assert_eq!(text(&result.records()[0][0]), "7");
    run(asked, "DROP TABLE t").await;
    terminated(child).await;
    // Its database is no other test's to clean up.
    let mut options = StandinOptions::on(&services::postgres(), "http://127.0.0.1:1").unwrap();
    options.instance = instance;
    let standin = start(options).await.unwrap();
    run(client(&standin.endpoint_url()), "SELECT 1").await;
    standin.stop_and_remove().await.unwrap();
}
