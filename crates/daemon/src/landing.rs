//! Finds objects where no service sends events: takes what the watch names, and lists the landing for what it missed.
//! Both only send messages; the ledger decides what is done.

use std::fmt::Debug;
use std::time::Duration;

use lakehand_domain::fault::chain;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::{Cause, ObjectEvent, OwnMessage};
use lakehand_domain::port::landing_watch::LandingWatch;
use lakehand_domain::port::ledger::LedgerError;
use lakehand_domain::port::object_store::StoreError;
use lakehand_domain::port::queue::QueueError;
use lakehand_pipeline::ports::Ports;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

mod sweep;

use sweep::Sweep;

/// The name of the lease under which one replica lists.
const LISTING: &str = "listing";

/// A drain waits this often for files that are still being written.
const DRAIN_ROUNDS: u32 = 30;

/// How the landing is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandingSettings {
    /// Whether the landing is listed at all. Without it only events and the watch find objects.
    pub listed: bool,
    /// Which of the listed objects are looked up in the ledger.
    pub reach: Reach,
    /// How long after a listing the next one begins.
    pub interval: Duration,
    /// An object that was modified more recently than this is left to the next listing: it may still be being written.
    pub settle: Duration,
    /// Objects in a page of a listing.
    pub page: usize,
    /// At most this many pages a second.
    pub pages_per_second: u32,
    /// At most this many pages in one listing; the next one goes on there.
    pub max_pages: usize,
    /// While more messages than this are in the queue, a listing of a landing that has events waits: what is queued
    /// cannot be told from what no event announced.
    pub busy: u64,
    /// At most this many objects in a message. Objects of one message are worked on one after the other.
    pub objects_per_message: usize,
    /// How many objects to remember, so that they are not looked up, and not sent again, at every listing.
    pub remembered: usize,
    /// Whatever is remembered is forgotten after this long, so that a message that was lost is sent again.
    pub remember: Duration,
    /// After this much waiting a listing that failed is tried again.
    pub retry: Duration,
}

/// Which of the listed objects are looked up in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All, at each listing: for a landing without events.
    All,
    /// Those that were modified since the last complete listing: for a landing whose events may be lost and are rarely.
    New {
        /// Or so long before it. An object may be dated long before it can be seen: S3 dates a multipart upload by its
        /// beginning.
        overlap: Duration,
        /// Whether the first listing of a dataset reaches back to its beginning; otherwise history is backfill's.
        history: bool,
    },
}

impl LandingSettings {
    fn has_events(&self) -> bool {
        self.reach != Reach::All
    }

    /// The usual ones of a landing that a service sends events for: it is listed once an hour, for what they missed.
    #[must_use]
    pub fn with_events() -> Self {
        Self {
            reach: Reach::New { overlap: Duration::from_hours(24), history: false },
            interval: Duration::from_hours(1),
            // As a rule an event comes within seconds, at times after more than a minute.
            settle: Duration::from_mins(15),
            ..Self::default()
        }
    }
}

impl Default for LandingSettings {
    fn default() -> Self {
        Self {
            listed: true,
            reach: Reach::All,
            interval: Duration::from_mins(1),
            settle: Duration::from_secs(2),
            page: 1000,
            pages_per_second: 10,
            max_pages: 100_000,
            busy: 1_000,
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
    /// Objects that were there at the last complete listing already.
    pub old: u64,
    /// Objects that the ledger did not know, sent to the queue.
    pub sent: u64,
    /// Pages asked for.
    pub pages: u64,
    /// Whether the listing came to its end, so that the next one begins anew.
    pub complete: bool,
}

/// Learns how listings go.
pub trait ListingObserver: Debug + Send + Sync {
    /// A listing ended, or did not: why.
    fn listed(&self, told: Result<&SweepReport, &str>);
}

/// Nobody looks on.
impl ListingObserver for () {
    fn listed(&self, _: Result<&SweepReport, &str>) {}
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
    observer: &dyn ListingObserver,
    stop: &CancellationToken,
) {
    let listing_due = Notify::new();
    let both = async {
        tokio::join!(watching(ports, settings, watch, &listing_due), listing(ports, settings, observer, &listing_due));
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
    let whole = LandingSettings { max_pages: usize::MAX, ..settings.clone() };
    Sweep::default().round(ports, &whole, false).await.map(Option::unwrap_or_default)
}

/// Lists until nothing is too recent any more, or has been so for a minute: for a drain that is to end with everything
/// that lay in the landing when it began. Where events announce what is recent, once is enough.
pub async fn sweep_settled(ports: &Ports, settings: &LandingSettings) -> Result<SweepReport, LandingError> {
    let mut report = SweepReport::default();
    if !settings.listed {
        return Ok(report);
    }
    let whole = LandingSettings { max_pages: usize::MAX, ..settings.clone() };
    let mut sweep = Sweep::default();
    for _ in 0..DRAIN_ROUNDS {
        let round = sweep.round(ports, &whole, false).await?.unwrap_or_default();
        report = SweepReport { sent: report.sent + round.sent, ..round };
        if settings.has_events() {
            return Ok(SweepReport { fresh: 0, ..report });
        }
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

async fn listing(ports: &Ports, settings: &LandingSettings, observer: &dyn ListingObserver, listing_due: &Notify) {
    if !settings.listed {
        return;
    }
    let mut sweep = Sweep::default();
    loop {
        let wait = match is_busy(ports, settings).await {
            Some(messages) => {
                tracing::info!(messages, "the listing waits until the queue is shorter");
                settings.interval / 10
            }
            None => match sweep.round(ports, settings, true).await {
                Ok(Some(report)) => {
                    observer.listed(Ok(&report));
                    if report.sent > 0 {
                        let SweepReport { objects, sent, pages, .. } = report;
                        tracing::info!(objects, sent, pages, "a listing found objects");
                    }
                    // What was too recent is looked at sooner, and yet the landing is not listed all the time.
                    let soon = report.fresh > 0 && !settings.has_events();
                    if soon { settings.settle.max(settings.interval / 10) } else { settings.interval }
                }
                Ok(None) => settings.interval,
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(error, "the listing stopped, to be tried again");
                    observer.listed(Err(&error));
                    settings.retry
                }
            },
        };
        tokio::select! {
            biased;
            () = ports.clock.sleep(wait) => {}
            () = listing_due.notified() => {}
        }
    }
}

/// How many messages there are, where that is too many for a listing.
async fn is_busy(ports: &Ports, settings: &LandingSettings) -> Option<u64> {
    if !settings.has_events() {
        return None;
    }
    // A queue that does not answer is no reason not to look: sending fails soon enough.
    let depth = ports.queue.depth().await.ok()?;
    let waiting = depth.visible + depth.delayed;
    (waiting > settings.busy).then_some(waiting)
}

async fn send(ports: &Ports, settings: &LandingSettings, objects: Vec<ObjectUri>) -> Result<(), QueueError> {
    for batch in objects.chunks(settings.objects_per_message.clamp(1, 100)) {
        let events = batch.iter().map(|uri| ObjectEvent { uri: uri.clone(), cause: Cause::Arrived }).collect();
        ports.queue.send(&OwnMessage::new(events).body(), Duration::ZERO).await?;
    }
    Ok(())
}
