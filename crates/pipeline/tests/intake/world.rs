//! A landing, a lake, a queue and a ledger in a folder of their own, and a worker to be watched and killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lakehand_dataset::catalog::Catalog;
use lakehand_dataset::fingerprint::TransformIdentity;
use lakehand_dataset::problem::DefinitionFile;
use lakehand_domain::clock::Clock;
use lakehand_domain::dead_letter::DeadLetter;
use lakehand_domain::entry::Entry;
use lakehand_domain::id::{LedgerId, WorkerId};
use lakehand_domain::message::Message;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::{Cause, ObjectEvent, OwnMessage};
use lakehand_domain::port::ledger::{EntryQuery, Ledger};
use lakehand_domain::port::object_store::ObjectStore;
use lakehand_domain::port::queue::Queue;
use lakehand_domain::timestamp::Timestamp;
use lakehand_ledger::sqlite::SqliteLedger;
use lakehand_pipeline::intake::IntakeSettings;
use lakehand_pipeline::keep::{Keep, Unkept};
use lakehand_pipeline::ports::{Identity, LakeRoot, Ports};
use lakehand_pipeline::process::process;
use lakehand_pipeline::settle::{Fate, Settled};
use lakehand_queue::sqlite::{QueueOptions, SqliteQueue};
use lakehand_store::file::{Durability, FileStore};
use lakehand_testkit::faulty::ledger::FaultyLedger;
use lakehand_testkit::faulty::object_store::FaultyStore;
use lakehand_testkit::faulty::plan::FaultPlan;
use lakehand_testkit::faulty::queue::FaultyQueue;
use lakehand_testkit::manual_clock::ManualClock;
use tokio_util::sync::CancellationToken;

use crate::tiny::{Tiny, Untouched};

const DEFINITION: &str = "name = \"d\"\n\n[source]\nobjects = [\"in_*.txt\"]\nformat = \"jsonl\"\n\n[tables.t]\nmode = \
                          \"append\"\ncolumns.a = { type = \"integer\" }\n";

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) plan: Arc<FaultPlan>,
    pub(crate) tiny: Arc<Tiny>,
    pub(crate) ports: Ports,
    pub(crate) settings: IntakeSettings,
    /// The backends behind the faults, for the test to look at.
    pub(crate) queue: Arc<SqliteQueue>,
    pub(crate) letters: Arc<SqliteQueue>,
    pub(crate) ledger: Arc<SqliteLedger>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(FaultPlan::new())
    }

    pub(crate) fn with(plan: FaultPlan) -> Self {
        Self::on(plan, None)
    }

    /// With another clock than the one that stands still.
    pub(crate) fn on(plan: FaultPlan, other: Option<Arc<dyn Clock>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["landing", "lake", "spool"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let clock = Arc::new(ManualClock::new(Timestamp::parse("2100-01-01T00:00:00Z").unwrap()));
        let time = other.unwrap_or_else(|| Arc::<ManualClock>::clone(&clock));
        let plan = Arc::new(plan);
        let path = folder.path().join("state.db");
        let open =
            |name: &str| Arc::new(SqliteQueue::open(&path, name, QueueOptions::default(), Arc::clone(&time)).unwrap());
        let (queue, letters) = (open("queue"), open("letters"));
        let ledger = Arc::new(SqliteLedger::open(&folder.path().join("ledger.db"), &LedgerId::new("l")).unwrap());
        let files: Arc<dyn ObjectStore> = Arc::new(FileStore::new(Durability::None));
        let file = DefinitionFile { path: "d.toml".to_owned(), text: DEFINITION.to_owned() };
        let landing = uri(&folder.path().join("landing"));
        let catalog = Catalog::check(&[file], &landing, None, &TransformIdentity("tiny 1".to_owned())).unwrap();
        let tiny = Arc::new(Tiny::default());
        let ports = Ports {
            clock: Arc::clone(&time),
            queue: Arc::new(FaultyQueue::new(Arc::<SqliteQueue>::clone(&queue), Arc::clone(&plan))),
            dead_letters: Arc::new(FaultyQueue::new(Arc::<SqliteQueue>::clone(&letters), Arc::clone(&plan))),
            ledger: Arc::new(FaultyLedger::new(Arc::<SqliteLedger>::clone(&ledger), Arc::clone(&plan))),
            landing: Arc::new(FaultyStore::new(Arc::clone(&files), Arc::clone(&plan))),
            lake: Arc::new(FaultyStore::new(files, Arc::clone(&plan))),
            transformer: Arc::<Tiny>::clone(&tiny),
            warehouse: Arc::new(Untouched),
            catalog: Arc::new(catalog),
            lake_root: LakeRoot(uri(&folder.path().join("lake"))),
            identity: Arc::new(Identity::new(WorkerId::new("first"))),
        };
        let settings = IntakeSettings { spool: folder.path().join("spool"), ..IntakeSettings::default() };
        Self { folder, clock, plan, tiny, ports, settings, queue, letters, ledger }
    }

    /// The same backends under another worker.
    pub(crate) fn as_worker(&self, name: &str) -> Ports {
        Ports { identity: Arc::new(Identity::new(WorkerId::new(name))), ..self.ports.clone() }
    }

    pub(crate) fn landed(&self, name: &str) -> PathBuf {
        self.folder.path().join("landing").join(name)
    }

    pub(crate) fn object(&self, name: &str) -> ObjectUri {
        uri(&self.landed(name))
    }

    pub(crate) fn land(&self, name: &str, text: &str) {
        // Renamed into place, as whoever puts files into a landing should.
        let hidden = self.folder.path().join("arriving");
        fs::write(&hidden, text).unwrap();
        fs::rename(&hidden, self.landed(name)).unwrap();
    }

    pub(crate) async fn send(&self, names: &[&str]) {
        self.ask(names, Cause::Arrived).await;
    }

    pub(crate) async fn ask(&self, names: &[&str], cause: Cause) {
        let objects = names.iter().map(|name| ObjectEvent { uri: self.object(name), cause }).collect();
        self.send_body(&OwnMessage::new(objects).body()).await;
    }

    pub(crate) async fn send_body(&self, body: &str) {
        self.queue.send(body, Duration::ZERO).await.unwrap();
    }

    pub(crate) async fn receive(&self) -> Option<Message> {
        self.queue.receive(1, self.settings.visibility, Duration::ZERO).await.unwrap().pop()
    }

    pub(crate) async fn process(&self, ports: &Ports, message: Message) -> Settled {
        self.process_with(ports, message, &Unkept, &CancellationToken::new()).await
    }

    pub(crate) async fn process_with(
        &self,
        ports: &Ports,
        message: Message,
        keep: &dyn Keep,
        cancel: &CancellationToken,
    ) -> Settled {
        process(ports, &self.settings, message, keep, &(), cancel).await
    }

    /// Receives and processes one message, which must be there.
    pub(crate) async fn once(&self) -> Settled {
        let message = self.receive().await.expect("a message is there");
        self.process(&self.ports, message).await
    }

    /// The fate of the only record of the next message.
    pub(crate) async fn fate(&self) -> Fate {
        let settled = self.once().await;
        assert_eq!(settled.records.len(), 1);
        settled.records.into_iter().next().unwrap().fate
    }

    /// Works as another worker, waiting as long as it takes, until the queue is empty.
    pub(crate) async fn to_the_end(&self) {
        let ports = self.as_worker("last");
        for _ in 0..500 {
            match self.receive().await {
                Some(message) => drop(self.process(&ports, message).await),
                None if self.queue.depth().await.unwrap().total() == 0 => return,
                None => self.clock.advance(Duration::from_secs(10)),
            }
        }
        panic!("the queue does not become empty: {:?}", self.queue.depth().await);
    }

    /// Receives a message and dies in the middle of its transform, leaving a claim behind that nobody gave back.
    pub(crate) async fn die_in_transform(&self) {
        let message = self.receive().await.expect("a message is there");
        let dying = Arc::new(tokio::sync::Notify::new());
        let dead = Arc::clone(&dying);
        self.tiny.during(move || dead.notify_one());
        {
            let ports = self.as_worker("dying");
            let work = self.process(&ports, message);
            tokio::select! {
                biased;
                () = dying.notified() => {}
                settled = work => panic!("it lived: {settled:?}"),
            }
        }
        self.tiny.during(|| {});
    }

    pub(crate) async fn queue_total(&self) -> u64 {
        self.queue.depth().await.unwrap().total()
    }

    pub(crate) async fn entries(&self) -> Vec<Entry> {
        self.ledger.list(&EntryQuery::default()).await.unwrap().entries
    }

    pub(crate) async fn entry(&self) -> Entry {
        let mut entries = self.entries().await;
        assert_eq!(entries.len(), 1, "{entries:#?}");
        entries.remove(0)
    }

    /// All dead letters, which are taken.
    pub(crate) async fn letters(&self) -> Vec<DeadLetter> {
        let messages = self.letters.receive(10, Duration::from_hours(1), Duration::ZERO).await.unwrap();
        messages.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
    }

    /// Every file of the lake that can be seen, by its path with the ids of loads replaced, and what it holds. Of
    /// manifests, what is the same in every world.
    pub(crate) async fn lake(&self) -> BTreeMap<String, String> {
        let root = self.folder.path().join("lake");
        let mut files = BTreeMap::new();
        collect(&root, &mut files);
        let entries = self.entries().await;
        let mut named = BTreeMap::new();
        for (path, text) in files {
            let mut name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            for entry in &entries {
                let letter = entry.object.uri.file_name();
                name = name.replace(entry.load_id.as_str(), &format!("{letter}#{}", entry.generation));
            }
            named.insert(name.clone(), if name.contains("_manifests") { outline(&text) } else { text });
        }
        named
    }
}

fn outline(manifest: &str) -> String {
    let manifest: lakehand_domain::manifest::Manifest = serde_json::from_str(manifest).unwrap();
    for (_, part) in manifest.parts() {
        let bytes = fs::read(format!("/{}", part.uri.key())).expect("a manifest names only parts that can be seen");
        assert_eq!((bytes.len() as u64, &blake3::hash(&bytes).to_hex()[..32]), (part.bytes, part.checksum.as_str()));
    }
    format!("{} records, {} rejects, {} rows", manifest.records, manifest.rejects.total(), manifest.rows())
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        let hidden = path.file_name().unwrap().to_str().unwrap().starts_with('.');
        if path.is_dir() {
            collect(&path, files);
        } else if !hidden {
            files.insert(path.clone(), fs::read_to_string(&path).unwrap());
        }
    }
}

fn uri(path: &Path) -> ObjectUri {
    ObjectUri::parse(&format!("file://{}", path.display())).unwrap()
}
