//! Its numbers, as Prometheus reads them.

use lakehand_console::{Distribution, Kind, Metric};
use lakehand_daemon::{Chore, Freshness, Histogram, Measures, Snapshot, SweepHealth, Tally};
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::observe::LeaseKind;

type Labels = Vec<(&'static str, String)>;

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

/// All numbers of a worker, as they are at `now`.
pub(super) fn metrics(snapshot: &Snapshot, now: Timestamp) -> Vec<Metric> {
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
    metrics.push(failing(snapshot));
    metrics.extend(sweeps(&snapshot.sweeps, now));
    metrics.extend(freshness(snapshot));
    metrics.extend(measures(&snapshot.measures, now));
    if let Some(depth) = &snapshot.queue {
        let states = [("visible", depth.visible), ("in_flight", depth.in_flight), ("delayed", depth.delayed)];
        let samples = states.map(|(state, count)| (vec![("state", state.to_owned())], count));
        metrics.push(Metric::by("lakehand_queue_messages", "Messages in the queue, about.", Kind::Gauge, samples));
    }
    metrics
}

/// What is done again and again, whatever the files.
fn failing(snapshot: &Snapshot) -> Metric {
    Metric::by(
        "lakehand_failures_in_a_row",
        "How often what is done again and again failed since it went well last; from three on the worker is not healthy.",
        Kind::Gauge,
        Chore::ALL.map(|chore| {
            let failures = snapshot.chores.of(chore).map_or(0, |streak| streak.failures);
            (vec![("what", chore.as_str().to_owned())], u64::from(failures))
        }),
    )
}

fn sweeps(sweeps: &SweepHealth, now: Timestamp) -> Vec<Metric> {
    let counter = |name, help, value| Metric::of(name, help, Kind::Counter, value);
    let mut metrics = vec![
        counter("lakehand_swept_claims_total", "Files of lost workers that were asked for.", sweeps.claims),
        counter("lakehand_swept_staging_tables_total", "Old staging tables that were dropped.", sweeps.stagings),
        counter("lakehand_swept_objects_total", "Dead objects of the lake that were deleted.", sweeps.deleted),
        counter("lakehand_swept_pages_total", "Pages of the lake that the sweep listed.", sweeps.pages),
    ];
    if let Some(ended) = sweeps.lake_ended {
        metrics.push(Metric::of(
            "lakehand_lake_swept_age_seconds",
            "How long ago this worker has last seen the whole lake.",
            Kind::Gauge,
            now.since(ended).as_secs(),
        ));
    }
    metrics
}

/// What was measured. Times are kept in microseconds, and told in seconds, as Prometheus has it.
fn measures(measures: &Measures, now: Timestamp) -> Vec<Metric> {
    let none: fn() -> Labels = Vec::new;
    let seconds = |histogram: &Histogram| distribution(histogram, 1e6);
    let age = |since: Timestamp| now.since(since).as_secs();
    vec![
        Metric::distributions(
            "lakehand_message_age_seconds",
            "How old messages are when they are received.",
            [(none(), seconds(&measures.message_age))],
        ),
        Metric::of(
            "lakehand_oldest_message_age_seconds",
            "How old the oldest message is that is being worked on; 0: none is.",
            Kind::Gauge,
            measures.oldest_message.map_or(0, age),
        ),
        Metric::distributions(
            "lakehand_stage_seconds",
            "How long a file, and a batch from gather on, is in a stage, waiting for room included.",
            measures.stages.iter().map(|(stage, took)| (vec![("stage", stage.to_string())], seconds(took))),
        ),
        Metric::of(
            "lakehand_bytes_read_total",
            "Bytes of the objects that were written or set aside.",
            Kind::Counter,
            measures.bytes_read,
        ),
        Metric::of(
            "lakehand_bytes_written_total",
            "Bytes of the Parquet that was written to the lake.",
            Kind::Counter,
            measures.bytes_written,
        ),
        Metric::distributions(
            "lakehand_load_batch_files",
            "Files of a batch that was loaded.",
            [(none(), distribution(&measures.batch_files, 1.0))],
        ),
        Metric::distributions(
            "lakehand_load_batch_seconds",
            "How long a batch takes that is loaded, from gather to finish.",
            [(none(), seconds(&measures.batch_time))],
        ),
        Metric::by(
            "lakehand_lease_losses_total",
            "Leases lost before the work under them was done: of a message, or of an entry of the ledger.",
            Kind::Counter,
            LeaseKind::ALL.map(|kind| {
                let lost = measures.lost.get(&kind).copied().unwrap_or(0);
                (vec![("lease", kind.as_str().to_owned())], lost)
            }),
        ),
        Metric::by(
            "lakehand_oldest_unloaded_age_seconds",
            "How long the oldest file of a dataset waits that is neither loaded nor set aside; 0: none waits.",
            Kind::Gauge,
            measures
                .unloaded
                .iter()
                .map(|(dataset, since)| (vec![("dataset", dataset.to_string())], since.map_or(0, age))),
        ),
    ]
}

/// Of which `per` make one that is told.
#[expect(clippy::cast_precision_loss, reason = "a count above 2^53 is exact enough for a chart")]
fn distribution(histogram: &Histogram, per: f64) -> Distribution {
    let bound = |(bound, count): (u64, u64)| (bound as f64 / per, count);
    Distribution {
        up_to: histogram.up_to().map(bound).collect(),
        count: histogram.count(),
        sum: histogram.sum() as f64 / per,
    }
}

fn by_reason(tally: &Tally) -> Metric {
    Metric::by(
        "lakehand_files_set_aside_total",
        "Files set aside, by reason.",
        Kind::Counter,
        tally.set_aside.iter().map(|(kind, count)| (vec![("reason", kind.as_str().to_owned())], *count)),
    )
}
