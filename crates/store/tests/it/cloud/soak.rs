//! The store behind a proxy that fails at random.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lakehand_domain::port::object_store::{DeleteOutcome, ObjectStore, PutCondition, StoreError};
use lakehand_store::s3::S3Options;
use lakehand_testkit::services;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::bed::{Bed, Versions, options, pattern};

/// microburst before an emulator.
#[derive(Debug)]
struct Microburst {
    process: Child,
    address: String,
}

impl Drop for Microburst {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Microburst {
    async fn before(endpoint: &str, rules: &str) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(services::program("microburst"))
            .args(["--upstream", endpoint, "--host", "127.0.0.1", "--port", &free.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let burst = Self { process, address: format!("127.0.0.1:{free}") };
        for _ in 0..300 {
            if TcpStream::connect(&burst.address).await.is_ok() {
                let told = burst.control("PATCH", "rules", rules).await;
                assert!(told.starts_with("HTTP/1.1 200"), "{told}");
                return burst;
            }
            #[expect(clippy::disallowed_methods, reason = "a process starts in real time")]
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("microburst does not listen");
    }

    async fn control(&self, method: &str, what: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let asked = format!(
            "{method} /_microburst/{what} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

/// As a caller does: an error that a later call may cure is met by a later call.
async fn at_last<T>(mut call: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    for _ in 0..20 {
        match call().await {
            Ok(value) => return value,
            Err(error) => assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}"),
        }
    }
    panic!("it never goes well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_mixed_behind_a_proxy_that_fails_at_random() {
    let bed = Bed::new("ROTO", Versions::Lost).await;
    let rules = r#"[
        {"service":"s3","probability":0.08,"error":{"code":"SlowDown","status":503}},
        {"service":"s3","operation":"GetObject","probability":0.25,"response":{"abort_frac":0.6}},
        {"service":"s3","probability":0.08,"reset":true},
        {"service":"s3","operation":"CompleteMultipartUpload","probability":0.5,"response":{"abort_frac":0.3}},
        {"service":"s3","operation":"CopyObject","probability":0.3,"response":{"abort_frac":0.3}}
    ]"#;
    let burst = Microburst::before(&bed.endpoint, rules).await;
    let store =
        bed.store_at(&format!("http://{}", burst.address), S3Options { part_bytes: 5 << 20, ..options() }).await;
    for number in 0..12 {
        let uri = bed.uri(&format!("in/{number}"));
        let bytes = pattern(if number % 4 == 0 { 13 << 20 } else { 40_000 * number }).slice(number..);
        if number % 2 == 0 {
            at_last(async || {
                let mut upload = store.begin_upload(&uri).await?;
                for at in (0..bytes.len()).step_by(1 << 20) {
                    upload.write(bytes.slice(at..bytes.len().min(at + (1 << 20)))).await?;
                }
                upload.complete().await
            })
            .await;
        } else {
            at_last(async || store.put(&uri, bytes.clone(), PutCondition::IfAbsent).await).await;
        }
        let stat = at_last(async || store.stat(&uri).await).await;
        let read = at_last(async || super::bed::drain(store.open(&stat, None).await?).await).await;
        assert!(read == bytes, "{number}");
        let copy = bed.uri(&format!("out/{number}"));
        at_last(async || store.copy(&stat, &copy).await).await;
        let copied = at_last(async || store.stat(&copy).await).await;
        assert_eq!(copied.size, bytes.len() as u64);
        assert_eq!(at_last(async || store.delete(&stat).await).await, DeleteOutcome::Deleted);
    }
    let listed = at_last(async || store.list(&bed.uri(""), None, 100).await).await;
    assert_eq!(listed.objects.len(), 12);
    assert!(listed.objects.iter().all(|stat| stat.uri.key().starts_with("out/")));
    let fired = burst.control("GET", "fired?limit=1000", "").await;
    assert!(fired.matches("rule_id").count() >= 10, "faults were met: {fired}");
}
