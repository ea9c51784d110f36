//! One connection to PostgreSQL, and the transaction on it as Redshift would have it.

mod define;
mod run;
mod view;

use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

use crate::result::ResultSet;
use crate::sql::cursor::ObjectName;
use crate::sql::plan::Plan;
use crate::sql::refusal::Refusal;
use crate::sql::token::quote_text;
use crate::trouble::Trouble;

/// What a statement has come to.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Rows returned or affected.
    pub(crate) rows: i64,
    /// The rows returned.
    pub(crate) result: Option<ResultSet>,
    /// What a COPY has read.
    pub(crate) copied: Copied,
}

/// What a COPY has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Copied {
    /// Files.
    pub(crate) files: i32,
    /// Their bytes.
    pub(crate) bytes: i64,
}

/// What a statement runs with.
#[derive(Debug, Clone)]
pub(crate) struct Around {
    /// Whether it is one of several in a transaction.
    pub(crate) block: bool,
    /// Where COPY reads.
    pub(crate) s3: aws_sdk_s3::Client,
    /// The bytes a result may have.
    pub(crate) result_bytes: usize,
    /// Whether somebody wants it to end.
    pub(crate) cancel: CancellationToken,
}

/// A connection with what is known of its transaction.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    transaction: Transaction,
    /// Whether BEGIN was said, so that it is not over with the statement.
    explicit: bool,
    /// The number of the process behind it.
    pid: i32,
    /// Whether it has settings or tables that another statement must not find.
    marked: bool,
}

/// The transaction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    /// None is open.
    None,
    /// It has not looked at anything yet.
    NoSnapshot,
    /// It sees what was committed when it first looked.
    Snapshot,
    /// A statement in it has failed.
    Failed,
}

impl Connection {
    /// No transaction is open on it.
    pub(crate) fn new(client: Client, pid: i32) -> Self {
        Self { client, transaction: Transaction::None, explicit: false, pid, marked: false }
    }

    /// Whether another statement may have it after this one.
    pub(crate) fn is_clean(&self) -> bool {
        self.transaction == Transaction::None && !self.marked && !self.client.is_closed()
    }

    /// To run SQL of the stand-in's own.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// What stops the statement that runs.
    pub(crate) fn cancel_token(&self) -> tokio_postgres::CancelToken {
        self.client.cancel_token()
    }

    /// The number of the process behind it.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether BEGIN was said and nothing has ended the transaction since.
    pub(crate) fn is_explicit(&self) -> bool {
        self.explicit
    }

    /// Opens a transaction; it has no snapshot yet.
    pub(crate) async fn begin(&mut self) -> Result<(), Trouble> {
        self.client.batch_execute("BEGIN").await?;
        self.transaction = Transaction::NoSnapshot;
        Ok(())
    }

    /// Commits what is open.
    pub(crate) async fn commit(&mut self) -> Result<(), Trouble> {
        self.explicit = false;
        if std::mem::replace(&mut self.transaction, Transaction::None) != Transaction::None {
            self.client.batch_execute("COMMIT").await?;
        }
        Ok(())
    }

    /// Rolls back what is open.
    pub(crate) async fn rollback(&mut self) {
        self.explicit = false;
        if std::mem::replace(&mut self.transaction, Transaction::None) != Transaction::None
            && let Err(error) = self.client.batch_execute("ROLLBACK").await
        {
            tracing::debug!(%error, "roll back");
        }
    }

    /// A statement of an explicit transaction has failed: what was done in it is undone, and nothing runs until its end.
    pub(crate) async fn fail(&mut self) {
        self.rollback().await;
        if self.begin().await.is_ok() {
            (self.transaction, self.explicit) = (Transaction::Failed, true);
        }
    }

    /// The number of a table, for what errors tell; 0 where it cannot be found.
    pub(crate) async fn table_number(&self, table: &ObjectName) -> u32 {
        let found = self.client.query_one("SELECT to_regclass($1::text)::oid", &[&table.quoted()]).await;
        found.ok().and_then(|row| row.get::<_, Option<u32>>(0)).unwrap_or(0)
    }

    /// TRUNCATE and others commit what is open; what follows is in another transaction.
    async fn commit_midway(&mut self) -> Result<(), Trouble> {
        self.commit().await?;
        self.begin().await
    }

    async fn lock(&self, tables: &[&ObjectName], mode: &str) -> Result<(), Trouble> {
        let names: Vec<String> = tables.iter().map(|table| table.quoted()).collect();
        Ok(self.client.batch_execute(&format!("LOCK TABLE {} IN {mode} MODE", names.join(", "))).await?)
    }

    /// Looks for the first time, or again. PostgreSQL sees a table that was made after the snapshot; Redshift says 1018.
    async fn look(&mut self, plan: &Plan) -> Result<(), Trouble> {
        let before = std::mem::replace(&mut self.transaction, Transaction::Snapshot);
        if before != Transaction::Snapshot {
            return Ok(());
        }
        for table in plan.tables() {
            let found = format!("to_regclass({})", quote_text(&table.quoted()));
            let sql =
                format!("SELECT {found} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM pg_class WHERE oid = {found}::oid)");
            if self.holds(&sql).await? {
                return Err(Trouble::TooNew(table.told()));
            }
        }
        Ok(())
    }

    /// Takes the write lock of a table. It comes before the snapshot: who waited for it sees what was committed meanwhile.
    /// A view cannot be written to, though PostgreSQL would pass it on to the table behind.
    async fn write_lock(&mut self, table: &ObjectName, plan: &Plan) -> Result<(), Trouble> {
        let name = table.quoted();
        // The second statement is not looked at before the first has its lock.
        let sql = format!(
            "LOCK TABLE {name} IN EXCLUSIVE MODE; SELECT relkind = 'v' FROM pg_class WHERE oid = to_regclass({})::oid",
            quote_text(&name)
        );
        if self.holds(&sql).await? {
            return Err(Refusal::new(format!("cannot write to the view \"{}\"", table.told())).into());
        }
        self.look(plan).await
    }

    /// Whether the one value of a query is true. One way there and back: nothing is prepared.
    async fn holds(&self, sql: &str) -> Result<bool, Trouble> {
        let rows = self.client.simple_query(sql).await?;
        Ok(rows.iter().any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("t"))))
    }
}
