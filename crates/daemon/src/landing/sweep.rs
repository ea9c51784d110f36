//! One listing of the landing: page by page, with what every object comes to.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use lakehand_dataset::dataset::Dataset;
use lakehand_domain::id::{DatasetId, EntryId, digest};
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::ledger::{EntryQuery, LedgerError};
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::ports::Ports;

use super::{LISTING, LandingError, LandingSettings, Reach, SweepReport, send};

/// Goes through the landing, in one round or in several, and remembers what it saw.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    under_way: Option<UnderWay>,
    remembered: Remembered,
    /// How many objects nobody claims, as was said last.
    unclaimed: u64,
}

/// A listing that has begun and has not come to its end.
#[derive(Debug)]
struct UnderWay {
    began: Timestamp,
    prefixes: Vec<ObjectUri>,
    after: Option<String>,
    /// What was modified before is old, by dataset.
    since: BTreeMap<DatasetId, Timestamp>,
    unclaimed: u64,
    example: Option<ObjectUri>,
}

/// What was looked up or sent lately.
#[derive(Debug, Default)]
struct Remembered {
    entries: HashSet<EntryId>,
    since: Option<Timestamp>,
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

/// The number under which the ledger keeps when the last complete listing of a dataset began. Other patterns are
/// another number: what they name was never listed for this dataset.
fn watermark(dataset: &Dataset) -> String {
    let patterns: Vec<&[u8]> = dataset.source.objects.iter().map(String::as_bytes).collect();
    format!("listed/{}/{}", dataset.id, &digest(&patterns)[..16])
}

impl UnderWay {
    async fn begin(ports: &Ports, settings: &LandingSettings) -> Result<Self, LedgerError> {
        let began = ports.clock.now();
        let mut since = BTreeMap::new();
        if let Reach::New { overlap, history } = settings.reach {
            for dataset in ports.catalog.iter() {
                let name = watermark(dataset);
                let mut listed = ports.ledger.number(&name).await?;
                if listed.is_none() && !history {
                    // From now on, whenever the first listing comes to its end.
                    ports.ledger.raise(&name, began.micros()).await?;
                    listed = Some(began.micros());
                }
                if let Some(listed) = listed {
                    since.insert(dataset.id.clone(), Timestamp::from_micros(listed).minus(overlap));
                }
            }
        }
        let mut prefixes = ports.catalog.prefixes();
        prefixes.reverse();
        Ok(Self { began, prefixes, after: None, since, unclaimed: 0, example: None })
    }

    /// All of it was seen and sent.
    async fn complete(&self, ports: &Ports, settings: &LandingSettings) -> Result<(), LedgerError> {
        if settings.reach != Reach::All {
            for dataset in ports.catalog.iter() {
                ports.ledger.raise(&watermark(dataset), self.began.micros()).await?;
            }
        }
        Ok(())
    }
}

impl Sweep {
    /// Lists up to so many pages as there may be in one listing. After an error it begins anew, since what was
    /// skipped could not be told from what was seen. `None`: another replica lists.
    pub(super) async fn round(
        &mut self,
        ports: &Ports,
        settings: &LandingSettings,
        alone: bool,
    ) -> Result<Option<SweepReport>, LandingError> {
        let mut under_way = match self.under_way.take() {
            Some(under_way) => under_way,
            None => UnderWay::begin(ports, settings).await?,
        };
        let mut report = SweepReport::default();
        let pause = Duration::from_secs(1) / settings.pages_per_second.max(1);
        while let Some(prefix) = under_way.prefixes.last() {
            if report.pages >= settings.max_pages as u64 {
                self.under_way = Some(under_way);
                return Ok(Some(report));
            }
            let now = ports.clock.now();
            // Longer than a page can take, and until the next listing is due, so that the others do not list in turn.
            let until = now.plus(settings.interval * 2);
            if alone && !ports.ledger.hold(LISTING, ports.identity.worker(), now, until).await? {
                return Ok(None);
            }
            let page = ports.landing.list(prefix, under_way.after.as_deref(), settings.page).await?;
            report.pages += 1;
            self.remembered.refresh(now, settings);
            self.take(ports, settings, &mut under_way, &page.objects, &mut report).await?;
            under_way.after = page.next;
            if under_way.after.is_none() {
                under_way.prefixes.pop();
            } else {
                ports.clock.sleep(pause).await;
            }
        }
        under_way.complete(ports, settings).await?;
        report.complete = true;
        self.tell_unclaimed(under_way);
        Ok(Some(report))
    }

    fn tell_unclaimed(&mut self, under_way: UnderWay) {
        let UnderWay { unclaimed, example, .. } = under_way;
        if unclaimed != self.unclaimed {
            self.unclaimed = unclaimed;
            if let Some(example) = example {
                tracing::warn!(
                    objects = unclaimed,
                    "no dataset claims some objects of the landing, among them {example}"
                );
            }
        }
    }

    async fn take(
        &mut self,
        ports: &Ports,
        settings: &LandingSettings,
        under_way: &mut UnderWay,
        objects: &[ObjectStat],
        report: &mut SweepReport,
    ) -> Result<(), LandingError> {
        let now = ports.clock.now();
        let mut unknown = BTreeMap::new();
        for object in objects {
            report.objects += 1;
            let Some(route) = ports.catalog.route(&object.uri) else {
                report.unclaimed += 1;
                under_way.unclaimed += 1;
                under_way.example.get_or_insert_with(|| object.uri.clone());
                continue;
            };
            if object.uri.is_unfinished() {
                continue;
            }
            if under_way.since.get(&route.dataset.id).is_some_and(|since| object.last_modified < *since) {
                report.old += 1;
                continue;
            }
            // A time in the future says nothing of whether the file is still written to, and would never come of age.
            if object.last_modified.plus(settings.settle) > now && object.last_modified <= now.plus(settings.settle) {
                report.fresh += 1;
                continue;
            }
            let id = EntryId::of(&route.dataset.id, &object.uri, &object.version);
            if self.remembered.entries.contains(&id) {
                continue;
            }
            if is_known(ports, &route.dataset, object, &id).await? {
                self.remembered.entries.insert(id);
            } else {
                unknown.insert(object.uri.clone(), id);
            }
        }
        let (uris, ids): (Vec<_>, Vec<_>) = unknown.into_iter().unzip();
        let sent = uris.len() as u64;
        send(ports, settings, uris).await?;
        report.sent += sent;
        // Only once they are sent: otherwise a failure would hide them until they are forgotten.
        self.remembered.entries.extend(ids);
        Ok(())
    }
}

/// Whether the ledger has this version. A listing may name versions otherwise than stat does, and give times to another
/// fraction of a second, so that an entry of the same size, second and eTag is the same version too.
async fn is_known(ports: &Ports, dataset: &Dataset, object: &ObjectStat, id: &EntryId) -> Result<bool, LedgerError> {
    if let Some(entry) = ports.ledger.get(id).await? {
        // A version that is there again is told of again.
        return Ok(!entry.is_set_aside_unseen());
    }
    let mut query =
        EntryQuery { dataset: Some(dataset.id.clone()), object: Some(object.uri.clone()), ..EntryQuery::default() };
    let second = |at: Timestamp| at.micros().div_euclid(1_000_000);
    loop {
        let page = ports.ledger.list(&query).await?;
        let same = |seen: &ObjectStat| {
            let time = match object.etag {
                Some(_) => second(seen.last_modified) == second(object.last_modified),
                None => seen.last_modified == object.last_modified,
            };
            time && (seen.size, &seen.etag) == (object.size, &object.etag)
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
