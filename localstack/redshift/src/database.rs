//! The databases of PostgreSQL that stand for those of clusters and workgroups.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use tokio_util::task::TaskTracker;

use crate::connection::Connection;
use crate::options::Isolation;
use crate::sql::LONGEST_NAME;
use crate::sql::token::{quote_name, quote_text};

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
/// Connections of one database that wait for their next statement.
const IDLE: usize = 4;
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
    /// Connections that nobody has; `None` once no more are to be kept.
    idle: Mutex<Option<BTreeMap<Target, Vec<Connection>>>>,
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
        name.truncate(LONGEST_NAME - 17);
        name = format!("{name}_{:016x}", fnv(whole.as_bytes()));
    }
    name
}

/// The name of the database that keeps another as it was.
fn saved(name: &str) -> String {
    format!("saved_{:016x}", fnv(name.as_bytes()))
}

/// The same number for the same bytes in every version of everything (FNV-1a).
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Databases {
    pub(crate) fn new(
        postgres: tokio_postgres::Config,
        instance: String,
        isolation: Isolation,
        tasks: TaskTracker,
    ) -> Self {
        Self { postgres, instance, isolation, ready: Mutex::default(), idle: Mutex::new(Some(BTreeMap::new())), tasks }
    }

    /// A connection to the database, which is made if it is not there.
    pub(crate) async fn connect(&self, target: &Target) -> Result<Connection, tokio_postgres::Error> {
        if let Some(connection) = self.idle(target) {
            return Ok(connection);
        }
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
        let told = client
            .simple_query(&format!(
                "SET TIME ZONE 'UTC'; SET client_min_messages = 'error'; SET statement_timeout = '24h';
                 SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level}; SELECT pg_backend_pid()"
            ))
            .await?;
        let pid = told.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        Ok(Connection::new(client, pid.unwrap_or_default()))
    }

    /// Takes a connection back, for the next statement in the same database.
    pub(crate) fn give_back(&self, target: &Target, connection: Connection) {
        if !connection.is_clean() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(idle) = &mut *idle else { return };
        let waiting = idle.entry(target.clone()).or_default();
        if waiting.len() < IDLE {
            waiting.push(connection);
        }
    }

    fn idle(&self, target: &Target) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle.as_mut()?.get_mut(target)?;
        std::iter::from_fn(|| waiting.pop()).find(Connection::is_clean)
    }

    /// Closes the connections that nobody has.
    fn close_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().for_each(BTreeMap::clear);
    }

    /// Closes them, and keeps none from now on.
    pub(crate) fn close(&self) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
        let name = self.name(target);
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

    /// Keeps the database as it is now, over whatever was kept of it before.
    pub(crate) async fn save(&self, target: &Target) -> Result<(), tokio_postgres::Error> {
        let name = self.name(target);
        self.copy(&name, &saved(&name)).await
    }

    /// Makes the database what it was when it was kept.
    pub(crate) async fn restore(&self, target: &Target) -> Result<(), tokio_postgres::Error> {
        let name = self.name(target);
        self.copy(&saved(&name), &name).await
    }

    /// The name in PostgreSQL.
    pub(crate) fn name(&self, target: &Target) -> String {
        database_name(&self.instance, target.warehouse.name(), &target.database)
    }

    /// Copies a database over another. Whoever is connected to one of them is thrown out.
    async fn copy(&self, from: &str, to: &str) -> Result<(), tokio_postgres::Error> {
        self.close_idle();
        let admin = self.open(None).await?;
        let out = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ";
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_name(to))).await?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            admin.batch_execute(&format!("{out}{}", quote_text(from))).await?;
            let made = format!("CREATE DATABASE {} TEMPLATE {}", quote_name(to), quote_name(from));
            match admin.batch_execute(&made).await {
                Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) && attempt < CREATE_ATTEMPTS => {}
                done => return done,
            }
        }
    }

    /// Removes every database that this instance has made or found since it was started.
    pub(crate) async fn remove(&self) -> Result<(), tokio_postgres::Error> {
        let ready: Vec<Ready> = {
            let mut all = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *all).into_values().collect()
        };
        let admin = self.open(None).await?;
        for name in ready.iter().filter_map(|ready| ready.get()) {
            for name in [name, &saved(name)] {
                admin.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_name(name))).await?;
            }
        }
        Ok(())
    }
}
