//! COPY of Parquet: which files.

use aws_sdk_redshiftdata::types::ExecutionMode::Transaction;
use aws_sdk_redshiftdata::types::StatusString;
use bytes::Bytes;
use lakehand_redshift_standin::fixture::{Codec, Column, Values, parquet};
use lakehand_testkit::services;

use super::world::World;

fn file(value: i32) -> Bytes {
    parquet(&[Column::new("a", Values::Integer(vec![Some(value)]))], Codec::Zstd).expect("a file")
}

/// A world with a table `t` of one INTEGER.
async fn world() -> World {
    let world = World::new().await;
    world.done("CREATE TABLE t (a INT)").await;
    world
}

impl World {
    /// Copies by a manifest of these entries. Returns the error, if any.
    async fn by_manifest(&self, entries: &str) -> Option<String> {
        let entries = entries.replace("s3://", &format!("s3://{}/", self.bucket));
        self.put("m.json", format!("{{\"entries\":[{entries}]}}").into()).await;
        self.run(&self.copy("t", "m.json", "MANIFEST")).await.error().map(str::to_owned)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_manifest_the_path_is_a_prefix() {
    let world = world().await;
    world.put("in/x", file(1)).await;
    world.put("in/x.bak", file(2)).await;
    world.put("in/y", file(3)).await;
    world.done(&world.copy("t", "in/x", "")).await;
    assert_eq!(world.rows("SELECT a FROM t ORDER BY a").await, [["1"], ["2"]], "in/x also loads in/x.bak");
    assert!(world.refused(&world.copy("t", "in/z", "")).await.contains("prefix does not exist"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_listed_twice_is_loaded_twice() {
    let world = world().await;
    let bytes = file(7);
    world.put_with_manifest("twice.json", &[("a/1", bytes.clone()), ("a/1", bytes)]).await;
    assert_eq!(world.done(&world.copy("t", "twice.json", "MANIFEST")).await.result_rows(), 2);
    assert_eq!(world.rows("SELECT a FROM t").await, [["7"], ["7"]]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_length_is_required_and_must_be_the_bytes() {
    let world = world().await;
    let bytes = file(7);
    world.put("a/1", bytes.clone()).await;
    let length = bytes.len();
    for (entry, told) in [
        (r#"{"url":"s3://a/1","mandatory":true}"#.to_owned(), "File entry does not have 'meta' key"),
        (r#"{"url":"s3://a/1","meta":{}}"#.to_owned(), "does not have 'content_length' key"),
        (
            format!(r#"{{"url":"s3://a/1","mandatory":true,"meta":{{"content_length":{}}}}}"#, length + 1),
            "does not match the size of the file",
        ),
        (r#"{"url":"a/1","meta":{"content_length":1}}"#.to_owned(), "no full URL"),
    ] {
        let error = world.by_manifest(&entry).await.expect("refused");
        assert!(error.contains(told), "{entry}: {error}");
    }
    let right = format!(r#"{{"url":"s3://a/1","meta":{{"content_length":{length}}}}}"#);
    assert_eq!(world.by_manifest(&right).await, None);
    assert_eq!(world.value("SELECT count(*) FROM t").await, "1");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_an_error_only_where_it_is_mandatory() {
    let world = world().await;
    let bytes = file(7);
    world.put("a/1", bytes.clone()).await;
    let there = format!(r#"{{"url":"s3://a/1","meta":{{"content_length":{}}}}}"#, bytes.len());
    let missing = r#"{"url":"s3://a/2","meta":{"content_length":1}}"#;
    let mandatory = r#"{"url":"s3://a/2","mandatory":true,"meta":{"content_length":1}}"#;
    assert_eq!(world.by_manifest(&format!("{there},{missing}")).await, None, "mandatory is false by default");
    assert_eq!(world.value("SELECT count(*) FROM t").await, "1");
    assert!(world.by_manifest(&format!("{there},{mandatory}")).await.unwrap().contains("does not exist"));
    assert!(world.by_manifest(missing).await.unwrap().contains("No file"), "none at all is an error whatever is said");
    assert!(world.refused(&world.copy("t", "no.json", "MANIFEST")).await.contains("does not exist"));
    assert_eq!(world.value("SELECT count(*) FROM t").await, "1");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_file_in_a_manifest_of_many_fails_them_all() {
    let world = world().await;
    let bad = parquet(&[Column::new("a", Values::Big(vec![Some(1)]))], Codec::Zstd).unwrap();
    let keys: Vec<String> = (0..30).map(|number| format!("many/{number:02}")).collect();
    let files: Vec<(&str, Bytes)> = keys
        .iter()
        .enumerate()
        .map(|(number, key)| (key.as_str(), if number == 17 { bad.clone() } else { file(1) }))
        .collect();
    world.put_with_manifest("many.json", &files).await;
    let told = world.run(&world.copy("t", "many.json", "MANIFEST")).await;
    let query = format!("SELECT file_name FROM sys_load_error_detail WHERE query_id = {}", told.redshift_query_id());
    assert_eq!(world.value(&query).await, format!("s3://{}/many/17", world.bucket));
    assert_eq!(world.value("SELECT count(*) FROM t").await, "0");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_any_kind_are_read_from_any_s3() {
    for emulator in services::EMULATORS {
        any_keys(World::at(emulator).await).await;
    }
}

async fn any_keys(world: World) {
    world.done("CREATE TABLE t (a INT)").await;
    let keys = ["k/a b+é.parquet", "k/p=1%2F2/x", "k/it's \"quoted\"", "k/blank at the end "];
    let files: Vec<(&str, Bytes)> = keys.iter().map(|key| (*key, file(1))).collect();
    world.put_with_manifest("k.json", &files).await;
    assert_eq!(world.done(&world.copy("t", "k.json", "MANIFEST")).await.result_rows(), 4);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_part_of_its_transaction() {
    let world = world().await;
    world.put("a/1", file(1)).await;
    let copy = world.copy("t", "a/", "");
    let told = world.batch(Transaction, &[&copy, "INSERT INTO t SELECT a + 1 FROM t", "SELECT nothing"]).await;
    assert_eq!(told.status(), Some(&StatusString::Failed));
    assert_eq!(told.sub_statements()[1].result_rows(), 1, "the rows are there within the transaction");
    assert_eq!(world.value("SELECT count(*) FROM t").await, "0");
    assert_eq!(world.value("SELECT status FROM sys_load_history").await, "completed", "the history is not part of it");
    world.end().await;
}
