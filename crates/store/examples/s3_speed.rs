//! How fast objects go up to an S3 endpoint and come down again, and what it costs of CPU.
//!
//! ```text
//! cargo run --release -p lakehand-store --example s3_speed -- http://127.0.0.1:4566 BUCKET [MEGABYTES]
//! ```
//!
//! The bucket must be there. What is written is deleted.

#![allow(clippy::print_stdout, reason = "what an example is for")]

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use lakehand_aws::{AwsOptions, connect};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::{ObjectBody, ObjectStore, PutCondition};
use lakehand_store::s3::{S3Options, S3Store};
use tokio::time::Instant;

/// Bytes of a write, as the pipeline's.
const CHUNK: usize = 1 << 20;

/// CPU seconds of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    // Linux counts a hundred ticks a second.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// The most memory this process has had.
fn most_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("?").trim().to_owned()
}

fn told(what: &str, bytes: u64, began: Instant, cpu_before: Duration) {
    let (seconds, used) = (began.elapsed().as_secs_f64(), cpu().saturating_sub(cpu_before).as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{what}: {megabytes:.0} MB in {seconds:.2} s, {:.0} MB/s, {used:.2} CPU-s, most memory {}",
        megabytes / seconds,
        most_memory()
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(endpoint), Some(bucket)) = (arguments.next(), arguments.next()) else {
        return Err("s3_speed ENDPOINT BUCKET [MEGABYTES]".into());
    };
    let megabytes: usize = arguments.next().map_or(Ok(1_000), |text| text.parse())?;
    let options = AwsOptions { endpoint_url: Some(endpoint), ..AwsOptions::default() };
    let options_of_store = S3Options { path_style: true, ..S3Options::new("s3-speed") };
    let store = S3Store::new(&connect(&options).await, options_of_store)?;
    let uri = |key: &str| ObjectUri::parse(&format!("s3://{bucket}/s3_speed/{key}"));
    let chunk: Bytes = (0..CHUNK).map(|at| u8::try_from(at * 31 % 251).unwrap_or(0)).collect::<Vec<u8>>().into();

    let large = uri("large")?;
    let (began, before) = (Instant::now(), cpu());
    let mut upload = store.begin_upload(&large).await?;
    for _ in 0..megabytes * 1_000_000 / CHUNK {
        upload.write(chunk.clone()).await?;
    }
    upload.seal().await?;
    upload.complete().await?;
    let stat = store.stat(&large).await?;
    told("upload of one object", stat.size, began, before);

    let (began, before) = (Instant::now(), cpu());
    let ObjectBody::Stream(mut chunks) = store.open(&stat, None).await? else {
        return Err("a body of S3 is a stream".into());
    };
    let mut read = 0;
    while let Some(chunk) = chunks.next().await {
        read += chunk?.len() as u64;
    }
    told("read of one object", read, began, before);

    // As the pipeline keeps an object that does not fit in memory.
    let (began, before) = (Instant::now(), cpu());
    let mut spool = tempfile::tempfile()?;
    let mut read = 0;
    if let ObjectBody::Stream(mut chunks) = store.open(&stat, None).await? {
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            read += chunk.len() as u64;
            spool = tokio::task::spawn_blocking(move || spool.write_all(&chunk).map(|()| spool)).await??;
        }
    }
    told("read of one object into a spool file", read, began, before);
    store.delete(&stat).await?;

    let (began, before) = (Instant::now(), cpu());
    let small: u32 = 2_000;
    for number in 0..small {
        store.put(&uri(&format!("small/{number}"))?, chunk.slice(..4_096), PutCondition::Always).await?;
    }
    told("2,000 puts of 4 KiB, one after the other", u64::from(small) * 4_096, began, before);
    let (began, before) = (Instant::now(), cpu());
    let mut stats = Vec::new();
    for number in 0..small {
        let stat = store.stat(&uri(&format!("small/{number}"))?).await?;
        if let ObjectBody::Stream(mut chunks) = store.open(&stat, None).await? {
            while let Some(chunk) = chunks.next().await {
                chunk?;
            }
        }
        stats.push(stat);
    }
    told("2,000 stats and reads of 4 KiB, one after the other", u64::from(small) * 4_096, began, before);
    for stat in stats {
        store.delete(&stat).await?;
    }
    Ok(())
}
