//! Sweeping over the embedded ledger, queue and store, with a warehouse that has markers alone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use lakehand_dataset::catalog::Catalog;
use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::fingerprint::TransformIdentity;
use lakehand_dataset::problem::DefinitionFile;
use lakehand_dataset::transformer::{PartSink, TransformError, TransformInput, Transformed, Transformer};
use lakehand_domain::entry::{
    ClaimDecision, ClaimRequest, Entry, EntryState, Lease, LoadSummary, SetAsideKind, SetAsideReason, StateName, claim,
};
use lakehand_domain::fault::Effect;
use lakehand_domain::id::{
    DatasetId, EntryId, FamilyId, FencingToken, Fingerprint, Generation, LedgerId, LoadId, MessageId, Nonce, WorkerId,
    digest,
};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::message::{Attributes, MessageRef};
use lakehand_domain::object::{ObjectStat, ObjectUri, ObjectVersion};
use lakehand_domain::object_event::{Cause, OwnMessage};
use lakehand_domain::port::ledger::PutEntry;
use lakehand_domain::port::object_store::{ObjectStore, PutCondition};
use lakehand_domain::port::queue::Queue;
use lakehand_domain::port::warehouse::{CommitOutcome, MigrateOutcome, MigrationPlan, TakeOutcome, Warehouse};
use lakehand_domain::reject::RejectCounts;
use lakehand_domain::shape::{ColumnShape, FamilyShape};
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::{CommitRequest, Fence, Marker, Staging, TableStanding};
use lakehand_ledger::sqlite::SqliteLedger;
use lakehand_pipeline::ports::{Identity, LakeRoot};
use lakehand_queue::sqlite::{QueueOptions, SqliteQueue};
use lakehand_store::file::{Durability, FileStore};
use lakehand_testkit::faulty::object_store::FaultyStore;
use lakehand_testkit::faulty::plan::FaultPlan;
use lakehand_testkit::manual_clock::ManualClock;
use tokio::sync::watch;

use super::*;

struct World {
    clock: Arc<ManualClock>,
    warehouse: Arc<Marked>,
    ports: Ports,
    settings: SweeperSettings,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["landing", "lake"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        let uri = |name: &str| ObjectUri::parse(&format!("file://{}", path(name).display())).unwrap();
        // Files get their times from the file system, long before.
        let clock = Arc::new(ManualClock::hurrying(Timestamp::parse("2100-01-01T00:00:00Z").unwrap()));
        let files: Arc<dyn ObjectStore> = Arc::new(FileStore::new(Durability::None));
        let time: Arc<dyn lakehand_domain::clock::Clock> = Arc::<ManualClock>::clone(&clock);
        let queue: Arc<dyn Queue> = Arc::new(
            SqliteQueue::open(&path("queue.db"), "queue", QueueOptions::default(), Arc::clone(&time)).unwrap(),
        );
        let text = "name = \"d\"\n\n[source]\nobjects = [\"in_*.txt\"]\nformat = \"jsonl\"\n\n[tables.t]\nmode = \
                    \"append\"\ncolumns.a = { type = \"bigint\" }\n";
        let file = DefinitionFile { path: "d.toml".to_owned(), text: text.to_owned() };
        let identity = TransformIdentity("none 1".to_owned());
        let warehouse = Arc::new(Marked::default());
        let ports = Ports {
            clock: time,
            dead_letters: Arc::clone(&queue),
            queue,
            ledger: Arc::new(SqliteLedger::open(&path("ledger.db"), &LedgerId::new("l")).unwrap()),
            landing: Arc::clone(&files),
            lake: files,
            transformer: Arc::new(NoTransformer),
            warehouse: Arc::<Marked>::clone(&warehouse),
            catalog: Arc::new(Catalog::check(&[file], &uri("landing"), None, &identity).unwrap()),
            lake_root: LakeRoot(uri("lake")),
            identity: Arc::new(Identity::new(WorkerId::new("sweeper"))),
        };
        Self { clock, warehouse, ports, settings: SweeperSettings::default(), _folder: folder }
    }

    fn board(&self) -> Board {
        Board::new(Arc::clone(&self.ports.clock), watch::Sender::default(), std::iter::empty())
    }

    /// How many objects a sweep of the lake deletes.
    async fn sweep(&self, sweep: &mut LakeSweep) -> u64 {
        let (turn, mut done) = (Turn::new(&self.ports, &self.settings, SWEEPING_LAKE), LakeSwept::default());
        assert!(turn.hold().await.unwrap());
        sweep.sweep(&self.ports, &self.settings, &turn, &mut done).await.unwrap();
        done.deleted
    }

    async fn put(&self, entry: &Entry) {
        assert_eq!(self.ports.ledger.put(entry).await.unwrap(), PutEntry::Stored);
    }

    async fn claim(&self, name: &str, before: Option<&Entry>, cause: Cause) -> Entry {
        let uri = ObjectUri::parse(&format!("s3://landing/{name}")).unwrap();
        let version = ObjectVersion::of(Some("v"), None, 1, Timestamp::default());
        let object =
            ObjectStat { uri, version, version_id: None, etag: None, size: 1, last_modified: Timestamp::default() };
        // Nobody asks twice at the same instant.
        let asked_at = self.ports.clock.now().plus(Duration::from_micros(before.map_or(0, |before| before.revision)));
        let request = ClaimRequest {
            dataset: DatasetId::new("d"),
            object,
            fingerprint: Fingerprint::new("f"),
            worker: WorkerId::new("w"),
            lease_for: Duration::from_mins(1),
            skew: Duration::ZERO,
            cause,
            asked_by: MessageRef::new(&MessageId::new("m"), asked_at, &Attributes::default()),
            marked: None,
            now: self.ports.clock.now(),
        };
        let ClaimDecision::Take(entry) = claim(before, &request) else { panic!("{before:?}") };
        self.put(&entry).await;
        *entry
    }

    /// Parts, quarantine and manifest of the entry's load; then the ledger.
    async fn write(&self, entry: &Entry) -> Entry {
        self.lay(&format!("t/p_day=1/{}-00000.parquet", entry.load_id)).await;
        self.lay(&format!("t/{}-00001.parquet", entry.load_id)).await;
        self.lay(&format!("_quarantine/{}.jsonl.zst", entry.load_id)).await;
        let manifest = Manifest {
            format: 1,
            load_id: entry.load_id.clone(),
            entry: entry.id.clone(),
            dataset: entry.dataset.clone(),
            object: entry.object.clone(),
            order: entry.object.order(),
            generation: entry.generation,
            fingerprint: entry.fingerprint.clone(),
            erasure_epoch: 0,
            records: 0,
            rejects: RejectCounts::default(),
            tables: Vec::new(),
            quarantine: None,
            scopes: BTreeMap::new(),
        };
        let at = self.ports.lake_root.manifest(&entry.dataset, &entry.load_id);
        let text = Bytes::from(serde_json::to_vec(&manifest).unwrap());
        self.ports.lake.put(&at, text, PutCondition::Always).await.unwrap();
        let lease = entry.lease().unwrap().clone();
        let written = entry.written(&lease, LoadSummary::of(&manifest, at), self.ports.clock.now()).unwrap();
        self.put(&written).await;
        written
    }

    async fn load(&self, entry: &Entry) -> Entry {
        let loaded = entry.loaded(&entry.load_id, "b", self.ports.clock.now()).unwrap().unwrap();
        self.put(&loaded).await;
        loaded
    }

    async fn lay(&self, name: &str) {
        let uri = self.ports.lake_root.dataset(&DatasetId::new("d")).join(name);
        self.ports.lake.put(&uri, Bytes::from_static(b"x"), PutCondition::Always).await.unwrap();
    }

    /// How many objects of this load are there.
    async fn objects(&self, load_id: &LoadId) -> usize {
        let all = self.ports.lake.list(&self.ports.lake_root.0, None, 1_000).await.unwrap();
        all.objects.iter().filter(|object| object.uri.as_str().contains(load_id.as_str())).count()
    }

    async fn asked(&self) -> Vec<String> {
        let messages = self.ports.queue.receive(10, Duration::from_hours(1), Duration::ZERO).await.unwrap();
        let receipts: Vec<_> = messages.iter().map(|message| message.receipt.clone()).collect();
        self.ports.queue.delete(&receipts).await.unwrap();
        let events = messages.iter().flat_map(|one| serde_json::from_str::<OwnMessage>(&one.body).unwrap().objects);
        events.map(|event| event.uri.file_name().to_owned()).collect()
    }
}

#[tokio::test]
async fn only_what_nobody_can_name_any_more_is_deleted() {
    let world = World::new();
    let written = world.write(&world.claim("written", None, Cause::Arrived).await).await;
    let first = world.load(&world.write(&world.claim("replaced", None, Cause::Arrived).await).await).await;
    let second = world.claim("replaced", Some(&first), Cause::Replay).await;
    let second = world.load(&world.write(&second).await).await;
    let live = world.load(&world.write(&world.claim("replaying", None, Cause::Arrived).await).await).await;
    let replaying = world.write(&world.claim("replaying", Some(&live), Cause::Replay).await).await;
    let aside = world.claim("aside", None, Cause::Arrived).await;
    world.lay(&format!("_quarantine/{}.jsonl.zst", aside.load_id)).await;
    let reason = SetAsideReason { kind: SetAsideKind::TooManyRejects, message: "all".to_owned() };
    let lease = aside.lease().unwrap().clone();
    world.put(&aside.set_aside(&lease, reason, None, world.ports.clock.now()).unwrap()).await;
    let stray = LoadId::new(digest(&[b"stray"]));
    world.lay(&format!("t/{stray}-00000.parquet")).await;
    // The ledger lost the entry of one; of the other it believes that it was replaced, and the warehouse does not.
    let lost = Entry { id: EntryId::new("lost"), load_id: LoadId::new(digest(&[b"lost"])), ..written.clone() };
    let lost = Entry { state: world.claimed(), ..lost };
    world.write_only(&lost).await;
    let marked = world.load(&world.write(&world.claim("marked", None, Cause::Arrived).await).await).await;
    let believed = world.claim("marked", Some(&marked), Cause::Replay).await;
    let believed = world.load(&world.write(&believed).await).await;
    world.warehouse.mark(&marked);
    world.lay("readme.txt").await;

    let mut sweep = LakeSweep::default();
    assert!(sweep.is_due(world.ports.clock.now(), &world.settings));
    assert_eq!(world.sweep(&mut sweep).await, 1, "a stray part; the load was replaced just now");
    world.clock.advance(world.settings.part_grace);
    assert_eq!(world.sweep(&mut sweep).await, 4, "the replaced load, once its readers are done");
    for (load_id, objects) in [
        (&written.load_id, 4),
        (&first.load_id, 0),
        (&second.load_id, 4),
        (&live.load_id, 4),
        (&replaying.load_id, 4),
        (&aside.load_id, 1),
        (&stray, 0),
        (&lost.load_id, 4),
        (&marked.load_id, 4),
        (&believed.load_id, 4),
    ] {
        assert_eq!(world.objects(load_id).await, objects, "{load_id}");
    }
    assert!(world.ports.lake.stat(&world.ports.lake_root.0.join("d/readme.txt")).await.is_ok());
    assert!(!sweep.is_due(world.ports.clock.now(), &world.settings), "not again so soon");
    assert_eq!(world.sweep(&mut sweep).await, 0);
    let found = world.ports.ledger.get(&lost.id).await.unwrap().unwrap();
    assert_eq!((found.state_name(), &found.load_id), (StateName::Written, &lost.load_id), "it is known again");
}

/// The ledger was restored from a backup of before all of these.
#[tokio::test]
async fn what_the_ledger_has_lost_comes_back_from_the_lake() {
    let mut world = World::new();
    let other = World::new();
    let mut lost = Vec::new();
    for name in ["written", "loaded", "forgotten", "aside"] {
        let entry = other.write(&other.claim(name, None, Cause::Arrived).await).await;
        world.write_only(&Entry { state: other.claimed(), ..entry.clone() }).await;
        lost.push(entry);
    }
    let [written, loaded, forgotten, aside] = lost.try_into().unwrap();
    let loaded = other.load(&loaded).await;
    let forgotten = other.load(&forgotten).await;
    world.warehouse.mark(&loaded);
    // Of one the ledger has learned anew that it exists, and that its source is gone.
    let reason = SetAsideReason { kind: SetAsideKind::Gone, message: "deleted".to_owned() };
    let claimed = EntryState::Claimed { lease: None, retry_at: None };
    let unread = Entry { state: claimed, generation: Generation(9), load_id: LoadId::new("other"), ..aside.clone() };
    let gone = unread.abandoned(reason, Duration::ZERO, world.ports.clock.now()).unwrap();
    world.put(&Entry { revision: 1, ..gone }).await;
    world.settings.forgets_loaded = Some(Duration::from_hours(48));
    let now = world.ports.clock.now();
    world.warehouse.mark_as_of(&forgotten, now.minus(Duration::from_hours(24)));
    world.clock.advance(world.settings.part_grace);
    assert_eq!(world.sweep(&mut LakeSweep::default()).await, 0);
    let state = async |id: &EntryId| {
        let entry = world.ports.ledger.get(id).await.unwrap();
        entry.map(|entry| (entry.state_name(), entry.generation, entry.load_id.clone()))
    };
    let back = |entry: &Entry, state| Some((state, entry.generation, entry.load_id.clone()));
    assert_eq!(state(&written.id).await, back(&written, StateName::Written));
    assert_eq!(state(&loaded.id).await, back(&loaded, StateName::Loaded));
    assert_eq!(state(&forgotten.id).await, None, "it was loaded so long ago that the ledger need not know");
    assert_eq!(state(&aside.id).await, back(&aside, StateName::Written));
}

impl World {
    /// Held by whoever writes it.
    fn claimed(&self) -> EntryState {
        let expires_at = self.ports.clock.now().plus(Duration::from_mins(1));
        let lease = Lease { worker: WorkerId::new("w"), token: FencingToken(1), expires_at };
        EntryState::Claimed { lease: Some(lease), retry_at: None }
    }

    /// A load in the lake whose entry the ledger does not have.
    async fn write_only(&self, entry: &Entry) {
        let other = World::new();
        let source = Entry { revision: 1, ..entry.clone() };
        other.put(&source).await;
        other.write(&source).await;
        let all = other.ports.lake.list(&other.ports.lake_root.0, None, 1_000).await.unwrap();
        for object in all.objects {
            let name = object.uri.as_str().split("/lake/").nth(1).unwrap().to_owned();
            let text = std::fs::read(format!("/{}", object.uri.key())).unwrap();
            let uri = self.ports.lake_root.0.join(&name);
            self.ports.lake.put(&uri, Bytes::from(text), PutCondition::Always).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_young_stays() {
    let mut world = World::new();
    let stray = LoadId::new(digest(&[b"stray"]));
    world.lay(&format!("t/{stray}-00000.parquet")).await;
    world.settings.part_grace = Duration::from_hours(24 * 365 * 200);
    assert_eq!(world.sweep(&mut LakeSweep::default()).await, 0);
    assert_eq!(world.objects(&stray).await, 1);
}

#[tokio::test]
async fn a_sweep_is_bounded_and_the_next_one_goes_on() {
    let mut world = World::new();
    let stray = LoadId::new(digest(&[b"stray"]));
    for number in 0..7 {
        world.lay(&format!("t/{stray}-{number:05}.parquet")).await;
    }
    (world.settings.page, world.settings.max_pages) = (2, 1);
    let mut sweep = LakeSweep::default();
    let mut deleted = Vec::new();
    while sweep.is_due(world.ports.clock.now(), &world.settings) {
        deleted.push(world.sweep(&mut sweep).await);
    }
    assert_eq!(deleted, [2, 2, 2, 1]);
    assert_eq!(world.objects(&stray).await, 0);
}

#[tokio::test]
async fn what_nobody_works_on_is_asked_for_once() {
    let world = World::new();
    let grace = Duration::from_mins(2);
    let mut asked = Asked::default();
    let sweep =
        async |asked: &mut Asked| ask_for_lapsed(&world.ports, &world.settings, grace, None, asked).await.unwrap();
    let dead = world.claim("dead", None, Cause::Arrived).await;
    let back = world.claim("back", None, Cause::Arrived).await;
    let lease = back.lease().unwrap().clone();
    world.put(&back.given_back(&lease, None, false, None, world.ports.clock.now()).unwrap()).await;
    let later = world.claim("later", None, Cause::Arrived).await;
    let lease = later.lease().unwrap().clone();
    let retry_at = world.ports.clock.now().plus(Duration::from_hours(1));
    world.put(&later.given_back(&lease, None, true, Some(retry_at), world.ports.clock.now()).unwrap()).await;
    world.write(&world.claim("written", None, Cause::Arrived).await).await;

    assert_eq!(sweep(&mut asked).await, 0, "their own messages come first");
    world.clock.advance(grace);
    assert_eq!(sweep(&mut asked).await, 1);
    assert_eq!(world.asked().await, ["back"]);
    // The lease ends a minute after the claim, and as much as clocks differ after that the grace begins.
    world.clock.advance(Duration::from_mins(1) + world.settings.skew);
    assert_eq!(sweep(&mut asked).await, 1);
    assert_eq!(world.asked().await, ["dead"]);
    assert_eq!(sweep(&mut asked).await, 0, "once");
    world.clock.advance(world.settings.ask_again);
    assert_eq!(sweep(&mut asked).await, 2, "until the message must have been lost");
    world.asked().await;
    let taken = world.claim("dead", Some(&dead), Cause::Arrived).await;
    assert_eq!(taken.token.0, 2);
    world.clock.advance(Duration::from_hours(1));
    sweep(&mut asked).await;
    let mut names = world.asked().await;
    names.sort();
    assert_eq!(names, ["back", "dead", "later"]);
}

#[tokio::test]
async fn staging_tables_are_dropped_once_they_were_seen_for_long() {
    let world = World::new();
    let mut seen = SeenStagings::default();
    world.warehouse.stage_tables(&["old"]);
    assert_eq!(seen.sweep(&world.ports, &world.settings).await.unwrap(), 0);
    world.clock.advance(world.settings.staging_grace / 2);
    world.warehouse.stage_tables(&["old", "new"]);
    assert_eq!(seen.sweep(&world.ports, &world.settings).await.unwrap(), 0);
    world.clock.advance(world.settings.staging_grace / 2 + world.settings.skew);
    assert_eq!(seen.sweep(&world.ports, &world.settings).await.unwrap(), 1);
    assert_eq!(world.warehouse.dropped(), [Nonce::new("old")]);
}

#[tokio::test]
async fn processes_that_never_run_for_long_sweep_staging_tables_all_the_same() {
    let world = World::new();
    let made = |after: Duration| Nonce::dated(world.ports.clock.now().plus(after), &digest(&[b"staging"]));
    let (left, others) = (made(Duration::ZERO), Nonce::new("others"));
    world.warehouse.stage_tables(&[left.as_str(), "others"]);
    let half = world.settings.staging_grace / 2 + world.settings.skew;
    for dropped in [0, 0, 1] {
        // Each is a process of its own, and younger than the grace.
        assert_eq!(SeenStagings::default().sweep(&world.ports, &world.settings).await.unwrap(), dropped);
        world.clock.advance(half);
    }
    assert_eq!(world.warehouse.dropped(), [left]);
    // A clock that is ahead does not let a table stay for longer than one without a time.
    let ahead = made(Duration::from_hours(1_000));
    world.warehouse.stage_tables(&[ahead.as_str(), others.as_str()]);
    let mut seen = SeenStagings::default();
    assert_eq!(seen.sweep(&world.ports, &world.settings).await.unwrap(), 0);
    world.clock.advance(half * 2);
    assert_eq!(seen.sweep(&world.ports, &world.settings).await.unwrap(), 2);
}

#[tokio::test]
async fn one_replica_sweeps_at_a_time() {
    let world = World::new();
    let now = world.ports.clock.now();
    let other = WorkerId::new("other");
    let for_long = now.plus(Duration::from_hours(24 * 365 * 100));
    assert!(world.ports.ledger.hold(SWEEPING, &other, now, for_long).await.unwrap());
    let stray = LoadId::new(digest(&[b"stray"]));
    world.lay(&format!("t/{stray}-00000.parquet")).await;
    let stop = CancellationToken::new();
    assert!(world.ports.ledger.hold(SWEEPING_LAKE, &other, now, for_long).await.unwrap());
    let board = world.board();
    let sweeping = run(&world.ports, &world.settings, &board, &stop);
    let look = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
            world.ports.ledger.counts().await.unwrap();
        }
        stop.cancel();
    };
    tokio::join!(sweeping, look);
    assert_eq!(world.objects(&stray).await, 1, "the other sweeps");
}

#[tokio::test]
async fn a_sweep_of_the_lake_takes_its_time_keeps_its_turn_and_has_it_until_the_next_is_due() {
    let mut world = World::new();
    let stray = LoadId::new(digest(&[b"stray"]));
    for number in 0..7 {
        world.lay(&format!("t/{stray}-{number:05}.parquet")).await;
    }
    (world.settings.page, world.settings.pages_per_second) = (1, 2);
    // Shorter than the sweep takes.
    world.settings.every = Duration::from_secs(1);
    let began = world.ports.clock.now();
    let board = world.board();
    let turn = Turn::new(&world.ports, &world.settings, SWEEPING_LAKE);
    let other = WorkerId::new("other");
    // What another gets is over at once.
    let got = async |now| world.ports.ledger.hold(SWEEPING_LAKE, &other, now, Timestamp::default()).await.unwrap();
    let others = async {
        while board.state().sweeps.pages == 0 {
            let now = world.ports.clock.now();
            assert!(!got(now).await || now == began);
        }
        let until_due = world.ports.clock.now().plus(world.settings.lake_every);
        while got(until_due).await {}
    };
    tokio::select! {
        () = sweep_lake(&world.settings, &board, &turn) => {}
        () = others => {}
    }
    let sweeps = board.state().sweeps;
    assert_eq!((sweeps.deleted, sweeps.pages), (7, 7), "{sweeps:?}");
    assert!(sweeps.lake_ended.unwrap().since(began) >= Duration::from_secs(3), "{sweeps:?}");
    assert_eq!(world.objects(&stray).await, 0);
}

#[tokio::test]
async fn a_sweep_ends_where_another_has_its_turn() {
    let mut world = World::new();
    let stray = LoadId::new(digest(&[b"stray"]));
    for number in 0..3 {
        world.lay(&format!("t/{stray}-{number:05}.parquet")).await;
    }
    world.settings.page = 1;
    let (now, other) = (world.ports.clock.now(), WorkerId::new("other"));
    world.ports.ledger.hold(SWEEPING_LAKE, &other, now, now.plus(Duration::from_hours(1))).await.unwrap();
    let (turn, mut done) = (Turn::new(&world.ports, &world.settings, SWEEPING_LAKE), LakeSwept::default());
    let mut sweep = LakeSweep::default();
    sweep.sweep(&world.ports, &world.settings, &turn, &mut done).await.unwrap();
    assert_eq!((done.pages, done.ended), (1, false));
    assert!(sweep.is_due(world.ports.clock.now(), &world.settings));
}

#[tokio::test]
async fn what_was_found_live_is_not_looked_up_again_for_a_while() {
    let mut world = World::new();
    let plan = Arc::new(FaultPlan::new());
    world.ports.lake = Arc::new(FaultyStore::new(Arc::clone(&world.ports.lake), Arc::clone(&plan)));
    for name in ["a", "b", "c"] {
        world.load(&world.write(&world.claim(name, None, Cause::Arrived).await).await).await;
    }
    let opened = || plan.names().iter().filter(|name| **name == "store.open").count();
    world.settings.remembered = 2;
    let mut sweep = LakeSweep::default();
    let mut lookups = Vec::new();
    for _ in 0..3 {
        let before = opened();
        assert_eq!(world.sweep(&mut sweep).await, 0);
        lookups.push(opened() - before);
    }
    assert_eq!(lookups[1..], [lookups[0] / 3; 2], "two of three are remembered: {lookups:?}");
    assert!(lookups[0] >= 3, "{lookups:?}");
    world.clock.advance(world.settings.remember);
    let before = opened();
    world.sweep(&mut sweep).await;
    assert_eq!(opened() - before, lookups[0], "and are forgotten");
}

#[tokio::test]
async fn a_sweep_that_fails_again_and_again_is_a_trouble_until_it_works() {
    let world = World::new();
    world.write(&world.claim("lost", None, Cause::Arrived).await).await;
    world.claim("dead", None, Cause::Arrived).await;
    world.clock.advance(Duration::from_hours(1));
    world.warehouse.is_away.store(true, Ordering::SeqCst);
    let stop = CancellationToken::new();
    let board = world.board();
    let look = async {
        while board.state().is_healthy() {
            tokio::task::yield_now().await;
        }
        let sick = board.state();
        let troubles: Vec<_> = sick.chores.troubles().map(|(chore, streak)| (chore, streak.failures)).collect();
        assert_eq!(troubles, [(Chore::SweepStagings, 3)]);
        world.warehouse.is_away.store(false, Ordering::SeqCst);
        while !board.state().is_healthy() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    tokio::join!(run(&world.ports, &world.settings, &board, &stop), look);
    let state = board.state();
    assert_eq!(state.chores.troubles().count(), 0);
    assert!(state.sweeps.claims >= 1, "{:?}", state.sweeps);
    assert!(state.sweeps.pages > 0 && state.sweeps.lake_ended.is_some(), "{:?}", state.sweeps);
}

/// A warehouse with markers and staging tables, and nothing else.
#[derive(Debug, Default)]
struct Marked {
    is_away: AtomicBool,
    markers: Mutex<Vec<Marker>>,
    stagings: Mutex<Vec<Nonce>>,
    dropped: Mutex<Vec<Nonce>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Marked {
    fn mark(&self, entry: &Entry) {
        self.mark_as_of(entry, entry.updated);
    }

    fn mark_as_of(&self, entry: &Entry, at: Timestamp) {
        lock(&self.markers).push(Marker {
            entry: entry.id.clone(),
            dataset: entry.dataset.clone(),
            object: entry.object.uri.clone(),
            order: entry.object.order(),
            generation: Generation(entry.generation.0),
            load_id: entry.load_id.clone(),
            fingerprint: entry.fingerprint.clone(),
            rows: BTreeMap::new(),
            rejects: 0,
            scopes: BTreeMap::new(),
            batch: "b".to_owned(),
            at,
        });
    }

    fn stage_tables(&self, names: &[&str]) {
        *lock(&self.stagings) = names.iter().map(|name| Nonce::new(*name)).collect();
    }

    fn dropped(&self) -> Vec<Nonce> {
        lock(&self.dropped).clone()
    }
}

type Answer<T> = Result<T, WarehouseError>;

#[async_trait]
impl Warehouse for Marked {
    async fn ensure(&self, _: &FamilyId) -> Answer<()> {
        unreachable!("sweeping makes nothing")
    }
    async fn take_fence(&self, _: &FamilyId, _: &Nonce, _: &LedgerId) -> Answer<TakeOutcome> {
        unreachable!("sweeping takes no fence")
    }
    async fn markers(&self, _: &FamilyId, entries: &[EntryId]) -> Answer<Vec<Marker>> {
        Ok(lock(&self.markers).iter().filter(|marker| entries.contains(&marker.entry)).cloned().collect())
    }
    async fn migrate(&self, _: &Fence, _: &FamilyShape) -> Answer<MigrateOutcome> {
        unreachable!("sweeping migrates nothing")
    }
    async fn plan(&self, _: &FamilyShape) -> Answer<MigrationPlan> {
        unreachable!("sweeping plans nothing")
    }
    async fn stage(&self, _: &FamilyShape, _: &Nonce, _: &[Arc<Manifest>]) -> Answer<Staging> {
        unreachable!("sweeping stages nothing")
    }
    async fn commit(&self, _: &FamilyShape, _: &CommitRequest) -> Answer<CommitOutcome> {
        unreachable!("sweeping commits nothing")
    }
    async fn drop_staging(&self, name: &Nonce) -> Answer<()> {
        lock(&self.dropped).push(name.clone());
        Ok(())
    }
    async fn stagings(&self, _: &FamilyId) -> Answer<Vec<Nonce>> {
        if self.is_away.load(Ordering::SeqCst) {
            let source = "away".into();
            return Err(WarehouseError::Unavailable { operation: "stagings", effect: Effect::NotApplied, source });
        }
        Ok(lock(&self.stagings).clone())
    }
    async fn standing(&self, _: &FamilyShape, _: &LoadId) -> Answer<Vec<TableStanding>> {
        unreachable!("sweeping asks for no standing")
    }
    async fn ping(&self) -> Answer<()> {
        Ok(())
    }
    fn ddl(&self, _: &FamilyShape) -> Vec<String> {
        Vec::new()
    }
}

/// Sweeping transforms nothing.
#[derive(Debug)]
struct NoTransformer;

impl Transformer for NoTransformer {
    fn transform(
        &self,
        _: &TransformInput,
        _: &dyn PartSink,
        _: &(dyn Fn() -> bool + Sync),
    ) -> Result<Transformed, TransformError> {
        unreachable!("sweeping transforms nothing")
    }

    fn empty_part(&self, _: &[ColumnShape]) -> Result<(Vec<u8>, String), TransformError> {
        Ok((Vec::new(), String::new()))
    }

    fn check(&self, _: &Dataset) -> Vec<(String, String)> {
        Vec::new()
    }
}
