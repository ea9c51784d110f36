//! A folder with everything in it, and daemons over it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lakehand_daemon::{
    Daemon, DaemonSettings, IntakeSettings, LandingSettings, LoadingSettings, Mode, RunReport, SystemClock,
};
use lakehand_dataset::catalog::Catalog;
use lakehand_dataset::fingerprint::TransformIdentity;
use lakehand_dataset::problem::DefinitionFile;
use lakehand_domain::backoff::Backoff;
use lakehand_domain::entry::{Entry, StateName};
use lakehand_domain::id::{LedgerId, WorkerId};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::ledger::{EntryQuery, Ledger};
use lakehand_domain::port::object_store::ObjectStore;
use lakehand_domain::port::queue::Queue;
use lakehand_domain::port::warehouse::QueryWarehouse;
use lakehand_ledger::sqlite::SqliteLedger;
use lakehand_pipeline::ports::{Identity, LakeRoot, Ports};
use lakehand_queue::sqlite::{QueueOptions, SqliteQueue};
use lakehand_store::file::{Durability, FileStore};
use lakehand_warehouse::sqlite::SqliteWarehouse;
use tokio_util::sync::CancellationToken;

use crate::tiny::{Tiny, TinyParts};

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) tiny: Arc<Tiny>,
    pub(crate) settings: DaemonSettings,
    /// How often the dataset expects something, in whole seconds.
    pub(crate) freshness: Option<Duration>,
    /// What the column is, for daemons that are started from now on.
    pub(crate) column: &'static str,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["landing", "lake", "spool"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let backoff = Backoff { first: Duration::from_millis(20), most: Duration::from_millis(200) };
        let intake = IntakeSettings {
            // Short, so that what a killed daemon held is free soon.
            visibility: Duration::from_millis(1_500),
            lease: Duration::from_millis(1_500),
            skew: Duration::from_millis(100),
            margin: Duration::from_millis(300),
            poll: Duration::from_millis(100),
            drain_poll: Duration::from_millis(100),
            retry: backoff,
            spool: folder.path().join("spool"),
            ..IntakeSettings::default()
        };
        let landing = LandingSettings {
            interval: Duration::from_millis(200),
            settle: Duration::ZERO,
            ..LandingSettings::default()
        };
        let loading = LoadingSettings {
            linger: Duration::ZERO,
            poll: Duration::from_millis(200),
            lease: Duration::from_millis(600),
            backoff,
            ..LoadingSettings::default()
        };
        let settings = DaemonSettings {
            intake,
            landing,
            loading,
            drain_deadline: Duration::from_secs(5),
            drain_patience: Duration::from_secs(10),
            ..DaemonSettings::default()
        };
        Self { folder, tiny: Arc::new(Tiny::default()), settings, freshness: None, column: "bigint" }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Everything opened anew, as a process of its own would.
    pub(crate) fn ports(&self, worker: &str) -> Ports {
        let files: Arc<dyn ObjectStore> = Arc::new(FileStore::new(Durability::None));
        let definition = "name = \"d\"\n\n[source]\nobjects = [\"in_*.txt\"]\nformat = \"jsonl\"\n\n[tables.t]\nmode = \
                          \"append\"\ncolumns.a = { type = \"COLUMN\" }\n";
        let definition = definition.replace("COLUMN", self.column);
        let quality = self.freshness.map(|every| format!("[quality]\nfreshness = \"{}s\"\n", every.as_secs()));
        let definition = format!("{definition}{}", quality.unwrap_or_default());
        let file = DefinitionFile { path: "d.toml".to_owned(), text: definition };
        let landing = uri(&self.path("landing"));
        let catalog = Catalog::check(&[file], &landing, None, &TransformIdentity("tiny 1".to_owned())).unwrap();
        Ports {
            clock: Arc::new(SystemClock),
            queue: self.queue("queue"),
            dead_letters: self.queue("letters"),
            ledger: self.ledger(),
            landing: Arc::clone(&files),
            lake: files,
            transformer: Arc::<Tiny>::clone(&self.tiny),
            warehouse: self.warehouse(),
            catalog: Arc::new(catalog),
            lake_root: LakeRoot(uri(&self.path("lake"))),
            identity: Arc::new(Identity::new(WorkerId::new(worker))),
        }
    }

    pub(crate) fn queue(&self, name: &str) -> Arc<SqliteQueue> {
        let clock = Arc::new(SystemClock);
        Arc::new(SqliteQueue::open(&self.path("queue.db"), name, QueueOptions::default(), clock).unwrap())
    }

    pub(crate) fn ledger(&self) -> Arc<SqliteLedger> {
        Arc::new(SqliteLedger::open(&self.path("ledger.db"), &LedgerId::new("l")).unwrap())
    }

    pub(crate) fn warehouse(&self) -> Arc<SqliteWarehouse> {
        Arc::new(SqliteWarehouse::open(&self.path("warehouse.db"), Arc::new(TinyParts)).unwrap())
    }

    pub(crate) fn land(&self, name: &str, text: &str) {
        let hidden = self.path("arriving");
        fs::write(&hidden, text).unwrap();
        fs::rename(&hidden, self.path("landing").join(name)).unwrap();
    }

    pub(crate) fn daemon(&self, worker: &str) -> Daemon {
        Daemon::new(self.ports(worker), self.settings.clone(), None)
    }

    pub(crate) async fn drain(&self, worker: &str) -> RunReport {
        self.daemon(worker).run(Mode::Drain, CancellationToken::new()).await.unwrap()
    }

    /// File, record and value of every visible row; sorted.
    pub(crate) async fn rows(&self) -> Vec<String> {
        let sql = "SELECT _object, _record, a, _standing FROM d_t__rows ORDER BY 1, 2, 3, 4";
        let answer = self.warehouse().query(sql, 10_000).await.unwrap();
        let cells = answer.rows.into_iter().map(|row| {
            let cells: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
            cells.join(" ").replace(uri(&self.path("landing")).as_str(), "")
        });
        cells.collect()
    }

    pub(crate) async fn entries(&self) -> Vec<Entry> {
        self.ledger().list(&EntryQuery { limit: 1_000, ..EntryQuery::default() }).await.unwrap().entries
    }

    pub(crate) async fn states(&self) -> BTreeMap<String, StateName> {
        let entries = self.entries().await.into_iter();
        entries.map(|entry| (entry.object.uri.file_name().to_owned(), entry.state_name())).collect()
    }

    pub(crate) async fn letters(&self) -> u64 {
        self.queue("letters").depth().await.unwrap().total()
    }
}

fn uri(path: &Path) -> ObjectUri {
    ObjectUri::parse(&format!("file://{}", path.display())).unwrap()
}
