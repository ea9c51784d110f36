//! Finds objects where no service sends events: takes what the watch names, and lists the landing for what it missed.
//! Both only send messages; the ledger decides what is done.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::time::Duration;

use lakehand_dataset::dataset::Dataset;
use lakehand_domain::fault::chain;
use lakehand_domain::id::EntryId;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::object_event::{Cause, ObjectEvent, OwnMessage};
use lakehand_domain::port::landing_watch::LandingWatch;
use lakehand_domain::port::ledger::{EntryQuery, LedgerError};
use lakehand_domain::port::object_store::StoreError;
use lakehand_domain::port::queue::QueueError;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::ports::Ports;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The name of the lease under which one replica lists.
const LISTING: &str = "listing";

/// A drain waits this often for files that are still being written.
const DRAIN_ROUNDS: u32 = 30;

/// How the landing is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandingSettings {
    /// How long after a listing the next one begins.
    pub interval: Duration,
    /// An object that was modified more recently than this is left to the next listing: it may still be being written.
    pub settle: Duration,
    /// Objects in a page of a listing.
    pub page: usize,
    /// At most this many pages a second.
    pub pages_per_second: u32,
    /// At most this many objects in a message. Objects of one message are worked on one after the other.
    pub objects_per_message: usize,
    /// How many objects to remember, so that they are not looked up, and not sent again, at every listing.
    pub remembered: usize,
    /// Whatever is remembered is forgotten after this long, so that a message that was lost is sent again.
    pub remember: Duration,
    /// After this much waiting a listing that failed is tried again.
    pub retry: Duration,
}

impl Default for LandingSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(1),
            settle: Duration::from_secs(2),
            page: 1000,
            pages_per_second: 10,
            objects_per_message: 8,
            remembered: 500_000,
            remember: Duration::from_hours(1),
            retry: Duration::from_secs(5),
        }
    }
}

/// What a listing found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Objects listed.
    pub objects: u64,
    /// Objects that no dataset claims.
    pub unclaimed: u64,
    /// Objects that were modified too recently to be touched.
    pub fresh: u64,
    /// Objects that the ledger did not know, sent to the queue.
    pub sent: u64,
}

/// Why a listing did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum LandingError {
    /// The landing could not be listed.
    #[error("list the landing")]
    Store(#[from] StoreError),
    /// The ledger could not be asked.
    #[error("ask the ledger for a landed object")]
    Ledger(#[from] LedgerError),
    /// The message could not be sent.
    #[error("send a message about landed objects")]
    Queue(#[from] QueueError),
}

/// Takes what the watch names and lists the landing at intervals, until it is stopped. Without a watch only listings
/// find objects.
pub async fn run(
    ports: &Ports,
    settings: &LandingSettings,
    watch: Option<Box<dyn LandingWatch>>,
    stop: &CancellationToken,
) {
    let listing_due = Notify::new();
    let both = async {
        tokio::join!(watching(ports, settings, watch, &listing_due), listing(ports, settings, &listing_due));
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = both => {}
    }
    if let Err(error) = ports.ledger.let_go(LISTING, ports.identity.worker()).await {
        tracing::debug!(error = chain(&error), "let go of the listing");
    }
}

/// Lists the whole landing once and sends what the ledger does not know. Takes no lease: two at once send twice, which
/// is harmless.
pub async fn sweep_once(ports: &Ports, settings: &LandingSettings) -> Result<SweepReport, LandingError> {
    sweep(ports, settings, &mut Remembered::default(), false).await.map(Option::unwrap_or_default)
}

/// Lists until nothing is too recent any more, or has been so for a minute: for a drain that is to end with everything
/// that lay in the landing when it began.
pub async fn sweep_settled(ports: &Ports, settings: &LandingSettings) -> Result<SweepReport, LandingError> {
    let mut remembered = Remembered::default();
    let mut report = SweepReport::default();
    for _ in 0..DRAIN_ROUNDS {
        let round = sweep(ports, settings, &mut remembered, false).await?.unwrap_or_default();
        report = SweepReport { sent: report.sent + round.sent, ..round };
        if round.fresh == 0 {
            break;
        }
        ports.clock.sleep(settings.settle).await;
    }
    Ok(report)
}

async fn watching(
    ports: &Ports,
    settings: &LandingSettings,
    watch: Option<Box<dyn LandingWatch>>,
    listing_due: &Notify,
) {
    let Some(mut watch) = watch else { return };
    loop {
        match watch.next().await {
            Ok(objects) => {
                let claimed: Vec<ObjectUri> =
                    objects.into_iter().filter(|object| ports.catalog.route(object).is_some()).collect();
                if let Err(error) = send(ports, settings, claimed).await {
                    tracing::warn!(error = chain(&error), "landed objects wait for a listing");
                    listing_due.notify_one();
                }
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "a listing makes up for what was missed");
                listing_due.notify_one();
            }
        }
    }
}

async fn listing(ports: &Ports, settings: &LandingSettings, listing_due: &Notify) {
    let mut remembered = Remembered::default();
    loop {
        let wait = match sweep(ports, settings, &mut remembered, true).await {
            Ok(Some(report)) => {
                if report.sent > 0 {
                    tracing::info!(objects = report.objects, sent = report.sent, "a listing found objects");
                }
                // What was too recent is looked at sooner, and yet the landing is not listed all the time.
                if report.fresh > 0 { settings.settle.max(settings.interval / 10) } else { settings.interval }
            }
            Ok(None) => settings.interval,
            Err(error) => {
                tracing::warn!(error = chain(&error), "the listing stopped, to be tried again");
                settings.retry
            }
        };
        tokio::select! {
            biased;
            () = ports.clock.sleep(wait) => {}
            () = listing_due.notified() => {}
        }
    }
}

/// What was looked up or sent lately.
#[derive(Debug, Default)]
struct Remembered {
    entries: HashSet<EntryId>,
    since: Option<Timestamp>,
    /// How many objects nobody claims, as was said last.
    unclaimed: u64,
}

impl Remembered {
    fn refresh(&mut self, now: Timestamp, settings: &LandingSettings) {
        let stale = self.since.is_none_or(|since| now >= since.plus(settings.remember));
        if stale || self.entries.len() >= settings.remembered {
            self.entries.clear();
            self.since = Some(now);
        }
    }
}

/// `None`: another replica lists.
async fn sweep(
    ports: &Ports,
    settings: &LandingSettings,
    remembered: &mut Remembered,
    alone: bool,
) -> Result<Option<SweepReport>, LandingError> {
    let mut report = SweepReport::default();
    let mut example = None;
    let pause = Duration::from_secs(1) / settings.pages_per_second.max(1);
    for prefix in ports.catalog.prefixes() {
        let mut after: Option<String> = None;
        loop {
            let now = ports.clock.now();
            // Longer than a page can take, and until the next listing is due, so that the others do not list in turn.
            let until = now.plus(settings.interval * 2);
            if alone && !ports.ledger.hold(LISTING, ports.identity.worker(), now, until).await? {
                return Ok(None);
            }
            let page = ports.landing.list(&prefix, after.as_deref(), settings.page).await?;
            remembered.refresh(now, settings);
            take(ports, settings, remembered, &page.objects, &mut report, &mut example).await?;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
            ports.clock.sleep(pause).await;
        }
    }
    if report.unclaimed != remembered.unclaimed {
        remembered.unclaimed = report.unclaimed;
        if let Some(example) = example {
            tracing::warn!(
                objects = report.unclaimed,
                "no dataset claims some objects of the landing, {example} for one"
            );
        }
    }
    Ok(Some(report))
}

async fn take(
    ports: &Ports,
    settings: &LandingSettings,
    remembered: &mut Remembered,
    objects: &[ObjectStat],
    report: &mut SweepReport,
    example: &mut Option<ObjectUri>,
) -> Result<(), LandingError> {
    let now = ports.clock.now();
    let mut unknown = BTreeMap::new();
    for object in objects {
        report.objects += 1;
        let Some(route) = ports.catalog.route(&object.uri) else {
            report.unclaimed += 1;
            example.get_or_insert_with(|| object.uri.clone());
            continue;
        };
        if object.uri.is_unfinished() {
            continue;
        }
        // A time in the future says nothing of whether the file is still written to, and would never come of age.
        if object.last_modified.plus(settings.settle) > now && object.last_modified <= now.plus(settings.settle) {
            report.fresh += 1;
            continue;
        }
        let id = EntryId::of(&route.dataset.id, &object.uri, &object.version);
        if remembered.entries.contains(&id) {
            continue;
        }
        if is_known(ports, &route.dataset, object, &id).await? {
            remembered.entries.insert(id);
        } else {
            unknown.insert(object.uri.clone(), id);
        }
    }
    report.sent += unknown.len() as u64;
    let (uris, ids): (Vec<_>, Vec<_>) = unknown.into_iter().unzip();
    send(ports, settings, uris).await?;
    // Only once they are sent: otherwise a failure would hide them until they are forgotten.
    remembered.entries.extend(ids);
    Ok(())
}

/// Whether the ledger has this version. A listing may name versions otherwise than stat does, so that an entry of the
/// same size, time and eTag is the same version too.
async fn is_known(ports: &Ports, dataset: &Dataset, object: &ObjectStat, id: &EntryId) -> Result<bool, LedgerError> {
    if let Some(entry) = ports.ledger.get(id).await? {
        // A version that is there again is told of again.
        return Ok(!entry.is_set_aside_unseen());
    }
    let mut query =
        EntryQuery { dataset: Some(dataset.id.clone()), object: Some(object.uri.clone()), ..EntryQuery::default() };
    loop {
        let page = ports.ledger.list(&query).await?;
        let same = |seen: &ObjectStat| {
            (seen.size, seen.last_modified, &seen.etag) == (object.size, object.last_modified, &object.etag)
        };
        if page.entries.iter().any(|entry| same(&entry.object)) {
            return Ok(true);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(false),
        }
    }
}

async fn send(ports: &Ports, settings: &LandingSettings, objects: Vec<ObjectUri>) -> Result<(), QueueError> {
    for batch in objects.chunks(settings.objects_per_message.clamp(1, 100)) {
        let events = batch.iter().map(|uri| ObjectEvent { uri: uri.clone(), cause: Cause::Arrived }).collect();
        ports.queue.send(&OwnMessage::new(events).body(), Duration::ZERO).await?;
    }
    Ok(())
}
