//! What a running worker says of itself over HTTP, as its snapshot has it.

use std::collections::BTreeMap;

use lakehand_console::{Kind, Metric, Source, Status};
use lakehand_daemon::{Freshness, IntakeHealth, Snapshot, Tally};
use serde_json::{Value, json};
use tokio::sync::watch;

/// The newest snapshot.
#[derive(Debug)]
pub(super) struct Newest {
    pub(super) worker: String,
    pub(super) snapshot: watch::Receiver<Snapshot>,
}

impl Source for Newest {
    fn status(&self) -> Status {
        let snapshot = self.snapshot.borrow().clone();
        Status {
            troubles: troubles(&snapshot),
            notices: notices(&snapshot),
            metrics: metrics(&snapshot),
            document: document(&self.worker, &snapshot),
        }
    }
}

fn troubles(snapshot: &Snapshot) -> Vec<String> {
    let queue = snapshot.queue_error.iter().map(|error| format!("the queue does not answer: {error}"));
    let families =
        snapshot.families.iter().filter(|(_, family)| family.unhealthy_since.is_some()).map(|(id, family)| {
            let said = family.last_error.as_deref().unwrap_or("no reason was given");
            format!("{id} is not loaded: {said}")
        });
    let intake = snapshot.intake.last_error.iter().filter(|_| snapshot.intake.failures >= IntakeHealth::MANY);
    let intake = intake.map(|error| format!("files are not taken in: {error}"));
    let listing = snapshot.listing.iter().filter_map(|listing| listing.error.as_ref());
    let listing = listing.map(|error| format!("the landing cannot be listed: {error}"));
    queue.chain(intake).chain(listing).chain(families).collect()
}

/// What a person should know, and what keeps the worker from nothing.
fn notices(snapshot: &Snapshot) -> Vec<String> {
    let stale = snapshot.families.iter().filter_map(|(id, family)| {
        let freshness = family.freshness.filter(|freshness| freshness.is_stale)?;
        Some(format!("{id} is stale: {}", freshness.words()))
    });
    stale.collect()
}

/// How datasets stand that are expected to be loaded so and so often.
fn freshness(snapshot: &Snapshot) -> [Metric; 2] {
    let known = || snapshot.families.iter().filter_map(|(id, family)| Some((id.to_string(), family.freshness?)));
    let since = |freshness: Freshness| u64::try_from(freshness.since.micros() / 1_000_000).unwrap_or(0);
    [
        Metric::by(
            "lakehand_dataset_stale",
            "Whether nothing of the dataset was loaded for longer than its definition expects.",
            Kind::Gauge,
            known().map(|(id, freshness)| (vec![("dataset", id)], u64::from(freshness.is_stale))),
        ),
        Metric::by(
            "lakehand_dataset_last_loaded_timestamp_seconds",
            "When something of the dataset was last loaded by any worker; where nothing was, since when it is watched.",
            Kind::Gauge,
            known().map(|(id, freshness)| (vec![("dataset", id)], since(freshness))),
        ),
    ]
}

fn metrics(snapshot: &Snapshot) -> Vec<Metric> {
    let tally = &snapshot.tally;
    let counter = |name, help, value| Metric::of(name, help, Kind::Counter, value);
    let gauge = |name, help, value| Metric::of(name, help, Kind::Gauge, value);
    let mut metrics = vec![
        counter("lakehand_messages_received_total", "Messages received from the queue.", tally.messages),
        counter("lakehand_files_written_total", "Files whose Parquet was written to the lake.", tally.written),
        counter("lakehand_files_loaded_total", "Files whose rows were loaded into the warehouse.", tally.loaded),
        counter("lakehand_files_known_before_total", "Deliveries of files that were done before.", tally.done_before),
        Metric::by(
            "lakehand_events_ignored_total",
            "Events that asked for nothing, by what they were.",
            Kind::Counter,
            tally.ignored.iter().map(|(what, count)| (vec![("what", what.clone())], *count)),
        ),
        counter("lakehand_retries_total", "Times a file had to wait for a later try.", tally.retried),
        counter("lakehand_files_sent_back_total", "Files that loading sent back to transform.", tally.sent_back),
        counter("lakehand_records_read_total", "Records read.", tally.records),
        by_reason(tally),
        Metric::by(
            "lakehand_records_rejected_total",
            "Rejected records, by rule.",
            Kind::Counter,
            tally.rejects.iter().map(|(rule, count)| (vec![("rule", rule.to_owned())], count)),
        ),
        Metric::by(
            "lakehand_rows_loaded_total",
            "Rows loaded, whatever their standing.",
            Kind::Counter,
            tally.rows.iter().flat_map(|(dataset, tables)| {
                let labels = move |table: &String| vec![("dataset", dataset.to_string()), ("table", table.clone())];
                tables.iter().map(move |(table, rows)| (labels(table), *rows))
            }),
        ),
        gauge("lakehand_files_in_work", "Files being worked on.", snapshot.working.len() as u64),
        gauge(
            "lakehand_queue_answers",
            "Whether the queue answered when last asked.",
            u64::from(snapshot.queue_error.is_none()),
        ),
        Metric::by(
            "lakehand_loading_healthy",
            "Whether the last pass of loading went well.",
            Kind::Gauge,
            snapshot.families.iter().map(|(dataset, family)| {
                (vec![("dataset", dataset.to_string())], u64::from(family.unhealthy_since.is_none()))
            }),
        ),
    ];
    metrics.extend(freshness(snapshot));
    if let Some(depth) = &snapshot.queue {
        let states = [("visible", depth.visible), ("in_flight", depth.in_flight), ("delayed", depth.delayed)];
        let samples = states.map(|(state, count)| (vec![("state", state.to_owned())], count));
        metrics.push(Metric::by("lakehand_queue_messages", "Messages in the queue, about.", Kind::Gauge, samples));
    }
    metrics
}

fn by_reason(tally: &Tally) -> Metric {
    Metric::by(
        "lakehand_files_set_aside_total",
        "Files set aside, by reason.",
        Kind::Counter,
        tally.set_aside.iter().map(|(kind, count)| (vec![("reason", kind.as_str().to_owned())], *count)),
    )
}

fn document(worker: &str, snapshot: &Snapshot) -> Value {
    let tally = &snapshot.tally;
    let families: BTreeMap<String, Value> = snapshot
        .families
        .iter()
        .map(|(id, family)| {
            let told = json!({
                "state": family.state.as_str(),
                "last_error": family.last_error,
                "unhealthy_since": family.unhealthy_since,
                "failures": family.failures,
                "needs_operator": family.needs_operator,
                "paused": family.paused,
                "last_loaded": family.last_loaded,
                "freshness": family.freshness.map(|freshness| {
                    json!({
                        "stale": freshness.is_stale, "since": freshness.since, "loaded_ever": freshness.is_loaded,
                        "files_wait": freshness.waits, "expected_seconds": freshness.expected.as_secs(),
                    })
                }),
            });
            (id.to_string(), told)
        })
        .collect();
    let working: Vec<Value> = snapshot
        .working
        .iter()
        .map(|file| {
            json!({
                "object": file.object, "dataset": file.dataset, "bytes": file.bytes, "stage": file.stage,
                "since": file.since,
            })
        })
        .collect();
    json!({
        "worker": worker,
        "phase": snapshot.phase.as_str(),
        "started": snapshot.started,
        "healthy": snapshot.is_healthy(),
        "notices": notices(snapshot),
        "queue": snapshot.queue.map(|depth| {
            json!({"visible": depth.visible, "in_flight": depth.in_flight, "delayed": depth.delayed})
        }),
        "queue_error": snapshot.queue_error,
        "intake_error": snapshot.intake.last_error,
        "listing": snapshot.listing.as_ref().map(|listing| {
            json!({"at": listing.at, "error": listing.error, "objects": listing.report.objects, "sent": listing.report.sent})
        }),
        "messages": tally.messages,
        "ignored": tally.ignored,
        "written": tally.written,
        "loaded": tally.loaded,
        "set_aside": tally.set_aside_total(),
        "known_before": tally.done_before,
        "records": tally.records,
        "rejected": tally.rejects.total(),
        "last_progress": tally.last_progress,
        "loading": families,
        "working": working,
    })
}
