//! The arithmetic of explain, and what it says of what never arrived.

use lakehand_dataset::fingerprint::TransformIdentity;
use lakehand_dataset::problem::DefinitionFile;
use lakehand_domain::entry::{Lease, LiveLoad, SetAsideKind, SetAsideReason};
use lakehand_domain::id::FencingToken;
use lakehand_domain::object::ObjectVersion;
use lakehand_domain::reject::{RejectCounts, Rule};

use super::*;
use crate::fake::{FakeLedger, FakeStore, FakeWarehouse};

const DEFINITION: &str = r#"
name = "rents"
[source]
objects = ["rents_{day}.csv"]
format = "csv"
[tables.offers]
mode = "upsert"
key = ["id"]
[tables.offers.columns]
id = { type = "bigint", required = true }
rent = { type = "decimal(12,2)" }
[tables.streets]
mode = "upsert"
key = ["street"]
rows_without_key = "skip"
[tables.streets.columns]
street = { type = "varchar(100)", required = true }
"#;

struct World {
    catalog: Catalog,
    landing_uri: ObjectUri,
    ledger: FakeLedger,
    store: FakeStore,
    warehouse: FakeWarehouse,
}

impl World {
    fn new() -> Self {
        let landing_uri = ObjectUri::parse("file:///landing").unwrap();
        let files = [DefinitionFile { path: "rents.toml".to_owned(), text: DEFINITION.to_owned() }];
        let identity = TransformIdentity("test".to_owned());
        let catalog =
            Catalog::check(&files, &landing_uri, None, &identity).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let ledger = FakeLedger { entries: Vec::new(), page: 1, numbers: Vec::new() };
        Self { catalog, landing_uri, ledger, store: FakeStore::default(), warehouse: FakeWarehouse::default() }
    }

    fn fingerprint(&self) -> Fingerprint {
        self.catalog.get(&DatasetId::new("rents")).unwrap().fingerprint.clone()
    }

    /// Adds an entry of a version that was written at this second.
    fn entry(&mut self, second: i64, state: EntryState) -> &mut Entry {
        let at = Timestamp::from_micros(second * 1_000_000);
        let uri = self.landing_uri.join("rents_1.csv");
        let object = ObjectStat {
            version: ObjectVersion::of(None, Some("e"), 9, at),
            uri,
            version_id: None,
            etag: Some("e".to_owned()),
            size: 9,
            last_modified: at,
        };
        let dataset = DatasetId::new("rents");
        let id = EntryId::of(&dataset, &object.uri, &object.version);
        let fingerprint = self.fingerprint();
        self.ledger.entries.push(Entry {
            load_id: LoadId::of(&id, Generation(1), &fingerprint),
            id,
            dataset,
            object,
            generation: Generation(1),
            fingerprint,
            state,
            token: FencingToken(1),
            attempts: 0,
            lapses: 0,
            last_error: None,
            live: None,
            asked_by: None,
            unloaded: None,
            first_seen: at,
            updated: at,
            revision: 1,
        });
        self.ledger.entries.last_mut().unwrap()
    }

    /// Adds a loaded entry with these rows, and says how they stand.
    fn loaded(&mut self, records: u64, rejected: u64, offers: [u64; 4], streets: [u64; 4]) -> LoadId {
        let at = Timestamp::from_micros(1);
        let rows = [("offers", offers), ("streets", streets)];
        let totals: Vec<(&str, u64)> = rows.iter().map(|(table, four)| (*table, four.iter().sum())).collect();
        let fingerprint = self.fingerprint();
        let entry = self.entry(1, EntryState::Loaded { at });
        let load_id = entry.load_id.clone();
        entry.live = Some(LiveLoad {
            load_id: load_id.clone(),
            generation: Generation(1),
            fingerprint,
            batch: "b1".to_owned(),
            at,
            summary: summary(records, rejected, &totals),
        });
        let standing = |(table, [visible, lost, filtered, waiting]): (&str, [u64; 4])| TableStanding {
            table: table.to_owned(),
            visible,
            lost,
            filtered,
            waiting,
        };
        self.warehouse.standings.push((load_id.clone(), rows.into_iter().map(standing).collect()));
        load_id
    }

    async fn explain(&self, name: &str) -> Explanation {
        let ports = ExplainPorts {
            ledger: Some(&self.ledger),
            landing: &self.store,
            warehouse: Some(&self.warehouse),
            catalog: &self.catalog,
            landing_uri: &self.landing_uri,
            now: Timestamp::from_micros(100_000_000),
        };
        explain(&ports, &self.landing_uri.join(name)).await.unwrap()
    }
}

fn summary(records: u64, rejected: u64, rows: &[(&str, u64)]) -> LoadSummary {
    let mut rejects = RejectCounts::default();
    for _ in 0..rejected {
        rejects.add(Rule::Type, Some("offers.rent"));
    }
    LoadSummary {
        manifest: Some(ObjectUri::parse("file:///lake/rents/_manifests/l.json").unwrap()),
        records,
        rejects,
        rows: rows.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect(),
        bytes: 100,
        parts: 2,
        quarantine: None,
    }
}

#[tokio::test]
async fn every_record_of_a_loaded_file_is_accounted_for() {
    let mut world = World::new();
    world.loaded(3659, 3, [3590, 60, 5, 1], [10, 3640, 0, 0]);
    let told = world.explain("rents_1.csv").await;
    assert_eq!(told.adds_up, Some(true));
    assert_eq!(told.routing.captures["day"], "1");
    let tables = &told.versions[0].generations[0].tables;
    assert_eq!(tables.iter().map(|table| table.table.as_str()).collect::<Vec<_>>(), ["offers", "streets"]);
    let standing = tables[0].standing.unwrap();
    assert_eq!((standing.visible, standing.lost, standing.filtered, standing.waiting), (3590, 60, 5, 1));
    assert_eq!((tables[0].records, tables[0].rejected, tables[0].other, tables[0].adds_up), (3659, 3, 0, true));
    assert_eq!((tables[1].other, tables[1].adds_up), (6, true));
    assert_eq!(tables[1].note.as_deref(), Some("records without a key, which give no row here: 6"));
}

#[tokio::test]
async fn a_missing_or_doubled_record_does_not_add_up() {
    for (records, offers, note) in [(11, [10, 0, 0, 0], "records missing: 1"), (9, [10, 0, 0, 0], "rows too many: 1")] {
        let mut world = World::new();
        world.loaded(records, 0, offers, [9, 0, 0, 0]);
        let told = world.explain("rents_1.csv").await;
        assert_eq!(told.adds_up, Some(false));
        assert_eq!(told.versions[0].generations[0].tables[0].note.as_deref(), Some(note));
    }
    // The warehouse has lost a row that the manifest has.
    let mut world = World::new();
    world.loaded(10, 0, [10, 0, 0, 0], [10, 0, 0, 0]);
    world.warehouse.standings[0].1[0].visible = 9;
    let told = world.explain("rents_1.csv").await;
    assert_eq!(told.adds_up, Some(false));
    let note = told.versions[0].generations[0].tables[0].note.clone();
    assert_eq!(note.as_deref(), Some("the manifest has 10 rows, the warehouse 9"));
    // Or a whole table.
    world.warehouse.standings[0].1.remove(0);
    assert_eq!(world.explain("rents_1.csv").await.adds_up, Some(false));
}

#[tokio::test]
async fn a_warehouse_that_does_not_answer_is_told_and_nothing_is_made_up() {
    let mut world = World::new();
    world.loaded(10, 0, [10, 0, 0, 0], [10, 0, 0, 0]);
    world.warehouse.standings.clear();
    let told = world.explain("rents_1.csv").await;
    let generation = &told.versions[0].generations[0];
    assert!(generation.warehouse_error.as_ref().unwrap().contains("the database is locked"));
    assert_eq!(generation.tables[0].standing, None);
    assert_eq!(generation.tables[0].rows, 10);
}

#[tokio::test]
async fn a_replay_that_failed_shows_beside_the_load_that_lives() {
    let mut world = World::new();
    let live = world.loaded(10, 0, [10, 0, 0, 0], [10, 0, 0, 0]);
    let entry = world.ledger.entries.last_mut().unwrap();
    entry.generation = Generation(2);
    entry.load_id = LoadId::new("second");
    entry.last_error = Some("too many".to_owned());
    let reason = SetAsideReason { kind: SetAsideKind::TooManyRejects, message: "too many".to_owned() };
    let at = Timestamp::from_micros(2);
    entry.state = EntryState::SetAside {
        at,
        reason,
        told: false,
        summary: Some(summary(10, 9, &[("offers", 1), ("streets", 1)])),
    };
    let told = world.explain("rents_1.csv").await;
    let generations = &told.versions[0].generations;
    assert_eq!(generations.len(), 2);
    assert_eq!((generations[0].generation, generations[0].live), (Generation(2), false));
    assert_eq!(generations[0].set_aside_kind, Some("too_many_rejects"));
    assert!(generations[0].tables.is_empty(), "nothing of a file set aside is a row");
    assert_eq!((generations[1].generation, generations[1].live), (Generation(1), true));
    assert_eq!(generations[1].load, live);
    assert_eq!(told.adds_up, Some(true));
    assert!(told.advice[0].starts_with("too_many_rejects: "), "{:?}", told.advice);
}

#[tokio::test]
async fn versions_come_newest_first_over_all_pages_with_what_to_do() {
    let mut world = World::new();
    let at = Timestamp::from_micros(5);
    world.entry(5, EntryState::Loaded { at });
    let reason = SetAsideReason { kind: SetAsideKind::Replaced, message: "replaced".to_owned() };
    world.entry(7, EntryState::SetAside { at, reason, told: true, summary: None });
    let worker = WorkerId::new("w");
    let lease = Lease { worker, token: FencingToken(1), expires_at: Timestamp::from_micros(90_000_000) };
    let object = world.entry(9, EntryState::Claimed { lease: Some(lease), retry_at: None }).object.clone();
    world.store.objects.push(object);
    let told = world.explain("rents_1.csv").await;
    let states: Vec<StateName> = told.versions.iter().map(|version| version.generations[0].state).collect();
    assert_eq!(states, [StateName::Claimed, StateName::SetAside, StateName::Loaded]);
    assert_eq!(told.versions.iter().map(|v| v.is_current).collect::<Vec<_>>(), [Some(true), Some(false), Some(false)]);
    assert!(told.advice[0].contains("has not spoken since its lease ran out"), "{:?}", told.advice);
}

#[tokio::test]
async fn what_is_written_waits_for_what_its_definition_waits_for() {
    let written = || EntryState::Written { at: Timestamp::default(), summary: summary(1, 0, &[("offers", 1)]) };
    for (is_ours, is_refused, what) in [
        (true, false, "with the next batch"),
        (true, true, "refuses to put its definition"),
        (false, true, "which the warehouse refused"),
        (false, false, "which is not the one of today"),
    ] {
        let mut world = World::new();
        let entry = world.entry(9, written());
        if !is_ours {
            entry.fingerprint = Fingerprint::new("taken-back");
        }
        let (object, dataset, fingerprint) = (entry.object.clone(), entry.dataset.clone(), entry.fingerprint.clone());
        world.store.objects.push(object);
        let name = DefinitionInForce { dataset, fingerprint }.refused_number();
        world.ledger.numbers.push((name, i64::from(is_refused)));
        let told = world.explain("rents_1.csv").await;
        assert!(told.advice[0].contains(what), "{is_ours} {is_refused}: {:?}", told.advice);
    }
}

#[tokio::test]
async fn what_never_arrived_is_told_apart() {
    let mut world = World::new();
    let told = world.explain("rents_2.csv").await;
    assert_eq!(told.store, StoreSays::Absent);
    assert_eq!(told.routing.dataset, Some(DatasetId::new("rents")));
    assert!(told.advice[0].contains("was never seen"), "{:?}", told.advice);

    let told = world.explain("Rents_2.csv").await;
    assert_eq!(told.routing.dataset, None);
    assert_eq!(told.routing.near_misses[0].why, "small and capital letters differ");

    let mut object = world.entry(9, EntryState::Loaded { at: Timestamp::default() }).object.clone();
    world.ledger.entries.clear();
    world.store.objects.push(object.clone());
    let told = world.explain("rents_1.csv").await;
    assert!(told.advice[0].contains("rents claims it, and nothing was done with it yet"), "{:?}", told.advice);
    object.uri = world.landing_uri.join("other.csv");
    world.store.objects.push(object);
    let told = world.explain("other.csv").await;
    assert!(told.advice[0].contains("add a pattern"), "{:?}", told.advice);
}
