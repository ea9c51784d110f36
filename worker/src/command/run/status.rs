//! What a running worker says of itself over HTTP, as its snapshot has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use lakehand_console::{Source, Status};
use lakehand_daemon::{Chore, Snapshot};
use lakehand_domain::clock::Clock;
use serde_json::{Value, json};
use tokio::sync::watch;

use self::metrics::metrics;

mod metrics;

/// The newest snapshot.
#[derive(Debug)]
pub(super) struct Newest {
    pub(super) worker: String,
    pub(super) snapshot: watch::Receiver<Snapshot>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Source for Newest {
    fn status(&self) -> Status {
        let snapshot = self.snapshot.borrow().clone();
        Status {
            troubles: troubles(&snapshot),
            notices: notices(&snapshot),
            metrics: metrics(&snapshot, self.clock.now()),
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
    let chores = snapshot.chores.troubles().map(|(chore, streak)| {
        format!("{}: {}", chore.trouble(), streak.last_error.as_deref().unwrap_or("no reason was given"))
    });
    let listing = snapshot.listing.iter().filter_map(|listing| listing.error.as_ref());
    let listing = listing.map(|error| format!("the landing cannot be listed: {error}"));
    queue.chain(chores).chain(listing).chain(families).collect()
}

/// What a person should know, and what keeps the worker from nothing.
fn notices(snapshot: &Snapshot) -> Vec<String> {
    let stale = snapshot.families.iter().filter_map(|(id, family)| {
        let freshness = family.freshness.filter(|freshness| freshness.is_stale)?;
        Some(format!("{id} is stale: {}", freshness.words()))
    });
    stale.collect()
}

fn document(worker: &str, snapshot: &Snapshot) -> Value {
    let tally = &snapshot.tally;
    let failing: BTreeMap<&str, Value> = Chore::ALL
        .into_iter()
        .filter_map(|chore| {
            let streak = snapshot.chores.of(chore)?;
            let told = json!({"failures": streak.failures, "error": streak.last_error, "since": streak.failing_since});
            Some((chore.as_str(), told))
        })
        .collect();
    let sweeps = &snapshot.sweeps;
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
                "written_elsewise": family.foreign,
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
        "intake_error": snapshot.chores.of(Chore::Intake).and_then(|streak| streak.last_error.as_ref()),
        "failing": failing,
        "listing": snapshot.listing.as_ref().map(|listing| {
            json!({"at": listing.at, "error": listing.error, "objects": listing.report.objects, "sent": listing.report.sent})
        }),
        "sweeps": {
            "at": sweeps.at, "claims": sweeps.claims, "staging_tables": sweeps.stagings, "deleted": sweeps.deleted,
            "pages": sweeps.pages, "lake_ended": sweeps.lake_ended,
        },
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
