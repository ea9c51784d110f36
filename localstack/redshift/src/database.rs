//! The databases of PostgreSQL that stand for those of clusters and workgroups.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};
use tokio_util::task::TaskTracker;

use crate::options::Isolation;
use crate::sql::LONGEST_NAME;
use crate::sql::token::quote_name;

/// Where a statement runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Target {
    /// The workgroup or cluster.
    pub(crate) warehouse: Warehouse,
    /// The database in it.
    pub(crate) database: String,
}

/// A workgroup or a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Warehouse {
    /// Serverless.
    Workgroup(String),
    /// Provisioned.
    Cluster(String),
}

impl Warehouse {
    fn name(&self) -> &str {
        match self {
            Self::Workgroup(name) | Self::Cluster(name) => name,
        }
    }
}

/// How long PostgreSQL may take to answer a new connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a database is tried to be made while another one is being made.
const CREATE_ATTEMPTS: usize = 20;
/// What only one may do at a time in a database: set it up.
const SETUP_LOCK: i64 = 0x7265_6473_6869_6674;

type Ready = Arc<OnceCell<String>>;

/// Makes databases when they are first named, and connects to them.
#[derive(Debug)]
pub(crate) struct Databases {
    postgres: tokio_postgres::Config,
    instance: String,
    isolation: Isolation,
    ready: Mutex<BTreeMap<Target, Ready>>,
    tasks: TaskTracker,
}

/// The name in PostgreSQL of a warehouse's database, in the stand-in of this instance's name.
pub fn database_name(instance: &str, warehouse: &str, database: &str) -> String {
    let whole = format!("{instance}_{warehouse}_{database}");
    let mut name: String = whole
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' })
        .collect();
    if name.len() > LONGEST_NAME || name != whole {
        let mut hasher = DefaultHasher::new();
        whole.hash(&mut hasher);
        name.truncate(LONGEST_NAME - 17);
        name = format!("{name}_{:016x}", hasher.finish());
    }
    name
}

impl Databases {
    pub(crate) fn new(
        postgres: tokio_postgres::Config,
        instance: String,
        isolation: Isolation,
        tasks: TaskTracker,
    ) -> Self {
        Self { postgres, instance, isolation, ready: Mutex::default(), tasks }
    }

    /// A new connection to the database, which is made if it is not there.
    pub(crate) async fn connect(&self, target: &Target) -> Result<Client, tokio_postgres::Error> {
        let ready = {
            let mut all = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(target.clone()).or_default())
        };
        let name = ready.get_or_try_init(|| self.make(target)).await?;
        let client = self.open(Some(name)).await?;
        let level = match self.isolation {
            Isolation::Snapshot => "REPEATABLE READ",
            Isolation::Serializable => "SERIALIZABLE",
        };
        client
            .batch_execute(&format!(
                "SET TIME ZONE 'UTC'; SET client_min_messages = 'error'; SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level}"
            ))
            .await?;
        Ok(client)
    }

    async fn open(&self, name: Option<&str>) -> Result<Client, tokio_postgres::Error> {
        let mut config = self.postgres.clone();
        config.connect_timeout(CONNECT_TIMEOUT);
        if let Some(name) = name {
            config.dbname(name);
        }
        let (client, connection) = config.connect(NoTls).await?;
        self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to PostgreSQL ended");
            }
        });
        Ok(client)
    }

    /// Whether PostgreSQL can be reached.
    pub(crate) async fn check(&self) -> Result<(), tokio_postgres::Error> {
        self.open(None).await?.batch_execute("SELECT 1").await
    }

    async fn make(&self, target: &Target) -> Result<String, tokio_postgres::Error> {
        let name = database_name(&self.instance, target.warehouse.name(), &target.database);
        let admin = self.open(None).await?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            // Another one may make it, or copy the template, at the same time.
            let made = admin.batch_execute(&format!("CREATE DATABASE {} TEMPLATE template0", quote_name(&name))).await;
            match made.as_ref().err().and_then(tokio_postgres::Error::code) {
                Some(code) if *code == SqlState::DUPLICATE_DATABASE || *code == SqlState::UNIQUE_VIOLATION => break,
                Some(code) if *code == SqlState::OBJECT_IN_USE && attempt < CREATE_ATTEMPTS => {
                    admin.batch_execute("SELECT pg_sleep(0.1)").await?;
                }
                _ => {
                    made?;
                    break;
                }
            }
        }
        let client = self.open(Some(&name)).await?;
        client
            .batch_execute(&format!(
                "BEGIN; SELECT pg_advisory_xact_lock({SETUP_LOCK}); SET LOCAL client_min_messages = 'error'; {}; COMMIT",
                include_str!("database/setup.sql").trim_end().trim_end_matches(';')
            ))
            .await?;
        tracing::info!(database = name, warehouse = target.warehouse.name(), "database is ready");
        Ok(name)
    }

    /// Removes every database that this instance has made or found since it was started.
    pub(crate) async fn remove(&self) -> Result<(), tokio_postgres::Error> {
        let ready: Vec<Ready> = {
            let mut all = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *all).into_values().collect()
        };
        let admin = self.open(None).await?;
        for name in ready.iter().filter_map(|ready| ready.get()) {
            admin.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_name(name))).await?;
        }
        Ok(())
    }
}
