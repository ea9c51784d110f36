//! How fast entries live on DynamoDB, and what it costs this process. Each is asked for, claimed, written and loaded:
//! four requests.
//!
//! `cargo run --release -p lakehand-ledger --example lives -- http://127.0.0.1:4566 4000 8` (an emulator, entries, tasks)

#![allow(clippy::print_stdout, reason = "an example speaks to its user")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lakehand_aws::provision::Mode;
use lakehand_aws::{AwsOptions, connect};
use lakehand_domain::entry::{ClaimDecision, ClaimRequest, LoadSummary, StateName, claim};
use lakehand_domain::id::{DatasetId, EntryId, Fingerprint, LedgerId, WorkerId, digest};
use lakehand_domain::object::{ObjectStat, ObjectUri, ObjectVersion};
use lakehand_domain::object_event::Cause;
use lakehand_domain::port::ledger::{EntryQuery, Ledger, PutEntry};
use lakehand_domain::reject::RejectCounts;
use lakehand_domain::timestamp::Timestamp;
use lakehand_ledger::dynamodb::provision::{TablePlan, provision_table};
use lakehand_ledger::dynamodb::{DynamoLedger, DynamoOptions};
use lakehand_testkit::real_clock::RealClock;
use tokio::task::JoinSet;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, entries, tasks] = &arguments[..] else { return Err("lives URL ENTRIES TASKS".into()) };
    let (entries, tasks): (u64, usize) = (entries.parse()?, tasks.parse()?);
    let options = AwsOptions {
        region: Some("eu-central-1".to_owned()),
        endpoint_url: Some(url.clone()),
        ..AwsOptions::default()
    };
    let config = connect(&options).await;
    let name = format!("lives-{}", std::process::id());
    let plan = TablePlan { deletion_protection: false, ..TablePlan::new(&name) };
    provision_table(&config, &plan, &RealClock, Mode::Make).await?;
    let options = DynamoOptions::new(&name);
    let (id, worker, clock) = (LedgerId::new("lives"), WorkerId::new(&name), Arc::new(RealClock));
    let ledger = Arc::new(DynamoLedger::open(&config, options, &id, &worker, clock).await?);

    let begun = Begun::now()?;
    let mut lives = JoinSet::new();
    for task in 0..tasks {
        let (ledger, numbers) = (Arc::clone(&ledger), (0..entries).skip(task).step_by(tasks));
        lives.spawn(async move {
            for number in numbers {
                live(&ledger, number).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(lived) = lives.join_next().await {
        lived??;
    }
    begun.report("lives (1 read, 3 writes)", entries)?;

    for (what, state, limit) in
        [("the 20 newest loaded", Some(StateName::Loaded), 20), ("a page of 500 of all", None, 500)]
    {
        let begun = Begun::now()?;
        let query = EntryQuery { state, limit, newest_first: true, ..EntryQuery::default() };
        for _ in 0..20 {
            ledger.list(&query).await?;
        }
        begun.report(what, 20)?;
    }
    let begun = Begun::now()?;
    let counted: u64 = ledger.counts().await?.iter().map(|count| count.entries).sum();
    begun.report(&format!("counts of {counted}"), 1)
}

async fn live(ledger: &DynamoLedger, number: u64) -> Result<(), Failure> {
    let uri = format!("s3://company-landing/immobilienscout24_berlin/2026/11/21/{number:08}.jsonl.gz");
    let version = digest(&[&number.to_be_bytes()]);
    let request = ClaimRequest {
        dataset: DatasetId::new("berlin_flats"),
        object: ObjectStat {
            uri: ObjectUri::parse(&uri)?,
            version: ObjectVersion::of(Some(&version), None, 0, Timestamp::default()),
            version_id: Some(version.clone()),
            etag: Some(format!("\"{version}\"")),
            size: 4_096,
            last_modified: at(number),
        },
        fingerprint: Fingerprint::new(digest(&[b"definition"])),
        worker: WorkerId::new("lakehand-7d9f6c5b4d-x2x7k-1-0a1b2c3d"),
        lease_for: Duration::from_mins(5),
        skew: Duration::from_secs(5),
        cause: Cause::Arrived,
        asked_at: at(number),
        marked: None,
        now: at(number),
    };
    let id = EntryId::of(&request.dataset, &request.object.uri, &request.object.version);
    let existing = ledger.get(&id).await?;
    let ClaimDecision::Take(claimed) = claim(existing.as_ref(), &request) else { return Err("it is taken".into()) };
    let manifest = format!("s3://company-lake/prod/berlin_flats/_manifests/{}.json", claimed.load_id);
    let summary = LoadSummary {
        manifest: Some(ObjectUri::parse(&manifest)?),
        records: 30,
        rejects: RejectCounts::default(),
        rows: BTreeMap::from([("flats".to_owned(), 30), ("cores".to_owned(), 60)]),
        bytes: 12_345,
        parts: 2,
        quarantine: None,
    };
    let lease = claimed.lease().ok_or("a claim has a lease")?.clone();
    let written = claimed.written(&lease, summary, at(number + 1)).map_err(|_| "it is ours")?;
    let loaded = written.loaded(&written.load_id, "0f1e2d3c4b5a6978", at(number + 2)).map_err(|_| "it is written")?;
    for entry in [Some(*claimed), Some(written), loaded].into_iter().flatten() {
        if ledger.put(&entry).await? != PutEntry::Stored {
            return Err("it is not stored".into());
        }
    }
    Ok(())
}

fn at(number: u64) -> Timestamp {
    Timestamp::from_micros(1_795_000_000_000_000 + i64::try_from(number).unwrap_or_default() * 1_000)
}

/// When something began, and the CPU used until then.
struct Begun {
    at: Instant,
    cpu: f64,
}

impl Begun {
    #[expect(clippy::disallowed_methods, reason = "it measures")]
    fn now() -> Result<Self, Failure> {
        Ok(Self { at: Instant::now(), cpu: cpu_seconds()? })
    }

    fn report(&self, what: &str, times: u64) -> Result<(), Failure> {
        #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
        let times = times as f64;
        let (wall, cpu) = (self.at.elapsed().as_secs_f64(), cpu_seconds()? - self.cpu);
        let (each, cpu) = (wall * 1_000.0 / times, cpu * 1_000.0 / times);
        println!("{what}: {:.0}/s, {each:.2} ms each, {cpu:.3} ms of CPU each", times / wall);
        Ok(())
    }
}

/// Seconds of CPU that this process has used, its kernel time included; from the hundredths that Linux counts.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default();
    Ok((ticks(11) + ticks(12)) / 100.0)
}
