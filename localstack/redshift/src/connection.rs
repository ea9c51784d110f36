//! One connection to PostgreSQL, and the transaction on it as Redshift would have it.

use futures::TryStreamExt as _;
use std::pin::pin;
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

use crate::copy::load::{self, Loading};
use crate::result::{Column, ResultSet};
use crate::sql::cursor::ObjectName;
use crate::sql::plan::{Definition, Plan};
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
}

/// What a statement runs with.
#[derive(Debug, Clone)]
pub(crate) struct Around {
    /// Its number.
    pub(crate) query: i64,
    /// Whether it is in a transaction block.
    pub(crate) block: bool,
    /// Where COPY reads.
    pub(crate) s3: aws_sdk_s3::Client,
    /// The bytes a result may have.
    pub(crate) result_bytes: usize,
    /// Whether somebody wants it to end.
    pub(crate) cancel: CancellationToken,
}

/// The most bytes of a row of a result.
const ROW_BYTES: usize = 64 << 10;

/// A connection with what is known of its transaction.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    /// Whether a transaction is open, and whether it has its snapshot.
    transaction: Option<Snapshot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Snapshot {
    NotYet,
    Taken,
}

impl Connection {
    /// No transaction is open on it.
    pub(crate) fn new(client: Client) -> Self {
        Self { client, transaction: None }
    }

    /// What stops the statement that runs.
    pub(crate) fn cancel_token(&self) -> tokio_postgres::CancelToken {
        self.client.cancel_token()
    }

    /// The number of the process behind it.
    pub(crate) async fn pid(&self) -> Result<i32, Trouble> {
        Ok(self.client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0))
    }

    /// Opens a transaction; it has no snapshot yet.
    pub(crate) async fn begin(&mut self) -> Result<(), Trouble> {
        self.client.batch_execute("BEGIN").await?;
        self.transaction = Some(Snapshot::NotYet);
        Ok(())
    }

    /// Commits what is open.
    pub(crate) async fn commit(&mut self) -> Result<(), Trouble> {
        if self.transaction.take().is_some() {
            self.client.batch_execute("COMMIT").await?;
        }
        Ok(())
    }

    /// Rolls back what is open.
    pub(crate) async fn rollback(&mut self) {
        if self.transaction.take().is_some()
            && let Err(error) = self.client.batch_execute("ROLLBACK").await
        {
            tracing::debug!(%error, "roll back");
        }
    }

    /// The number of a table, for what errors tell; 0 where it cannot be found.
    pub(crate) async fn table_number(&self, table: &ObjectName) -> u32 {
        let found = self.client.query_one("SELECT to_regclass($1::text)::oid", &[&table.quoted()]).await;
        found.ok().and_then(|row| row.get::<_, Option<u32>>(0)).unwrap_or(0)
    }

    /// Runs one statement in the transaction that is open.
    pub(crate) async fn run(&mut self, plan: &Plan, around: &Around) -> Result<Done, Trouble> {
        match plan {
            Plan::Query { sql, .. } => {
                self.known_to_snapshot(plan).await?;
                self.transaction = Some(Snapshot::Taken);
                self.query(sql, around).await
            }
            Plan::Write { table, sql, .. } => {
                // The lock comes before the snapshot: who waited sees what was committed meanwhile.
                self.lock(&[table], "EXCLUSIVE").await?;
                self.known_to_snapshot(plan).await?;
                self.transaction = Some(Snapshot::Taken);
                self.write(sql).await
            }
            Plan::Copy(copy) => {
                self.lock(&[&copy.table], "EXCLUSIVE").await?;
                self.known_to_snapshot(plan).await?;
                self.transaction = Some(Snapshot::Taken);
                let loading = Loading { client: &self.client, s3: &around.s3, cancel: &around.cancel };
                let rows = load::load(loading, copy).await?;
                Ok(Done { rows, result: None })
            }
            Plan::Lock(tables) => {
                self.lock(&tables.iter().collect::<Vec<_>>(), "ACCESS EXCLUSIVE").await?;
                Ok(Done::default())
            }
            Plan::Truncate(table) => {
                self.lock(&[table], "ACCESS EXCLUSIVE").await?;
                self.client.batch_execute(&format!("TRUNCATE {}", table.quoted())).await?;
                self.commit_midway().await?;
                Ok(Done::default())
            }
            Plan::Vacuum | Plan::Commit => {
                self.commit_midway().await?;
                Ok(Done::default())
            }
            Plan::Rollback => {
                self.rollback().await;
                self.begin().await?;
                Ok(Done::default())
            }
            Plan::Begin => Ok(Done::default()),
            Plan::Set { sql } => {
                if let Some(sql) = sql {
                    self.client.batch_execute(sql).await?;
                }
                Ok(Done::default())
            }
            Plan::Define(definition) => self.define(definition).await,
            Plan::Widen { .. } if around.block => {
                Err(Refusal::new("ALTER TABLE ALTER COLUMN cannot run inside a transaction block").into())
            }
            Plan::Widen { table, column, bytes } => self.widen(table, column, *bytes).await,
            Plan::Outside { name } if around.block => {
                Err(Refusal::new(format!("{name} cannot run inside a transaction block")).into())
            }
            Plan::Outside { name } => {
                Err(Refusal::stand_in(format!("{name} is not imitated: a database is made when it is first named"))
                    .into())
            }
        }
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

    /// PostgreSQL sees a table that was made after the snapshot; Redshift says 1018.
    async fn known_to_snapshot(&self, plan: &Plan) -> Result<(), Trouble> {
        if self.transaction != Some(Snapshot::Taken) {
            return Ok(());
        }
        let tables: Vec<String> = plan.tables().iter().map(|table| table.quoted()).collect();
        for table in tables {
            let row = self
                .client
                .query_one(
                    "SELECT to_regclass($1::text) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM pg_class WHERE oid = to_regclass($1::text)::oid)",
                    &[&table],
                )
                .await?;
            if row.get(0) {
                return Err(Trouble::TooNew(table));
            }
        }
        Ok(())
    }

    async fn query(&self, sql: &str, around: &Around) -> Result<Done, Trouble> {
        let statement = self.client.prepare(sql).await?;
        let columns: Vec<Column> = statement
            .columns()
            .iter()
            .map(|column| Column {
                name: column.name().to_owned(),
                kind: column.type_().clone(),
                modifier: column.type_modifier(),
            })
            .collect();
        drop(statement);
        let mut messages = pin!(self.client.simple_query_raw(sql).await?);
        let (mut rows, mut size) = (Vec::new(), 0_usize);
        while let Some(message) = messages.try_next().await? {
            let SimpleQueryMessage::Row(row) = message else { continue };
            let values: Vec<Option<String>> = (0..columns.len()).map(|at| row.get(at).map(str::to_owned)).collect();
            let bytes: usize = values.iter().flatten().map(String::len).sum();
            if bytes > ROW_BYTES {
                return Err(Refusal::new(format!("A row of the result exceeds {ROW_BYTES} bytes")).into());
            }
            size += bytes;
            if size > around.result_bytes {
                return Err(Refusal::new(format!("The result exceeds {} bytes", around.result_bytes)).into());
            }
            rows.push(values);
        }
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        Ok(Done { rows: count, result: Some(ResultSet { columns, rows, size }) })
    }

    async fn write(&self, sql: &str) -> Result<Done, Trouble> {
        let mut rows = 0;
        for message in self.client.simple_query(sql).await? {
            if let SimpleQueryMessage::CommandComplete(count) = message {
                rows = i64::try_from(count).unwrap_or(i64::MAX);
            }
        }
        Ok(Done { rows, result: None })
    }

    async fn define(&mut self, definition: &Definition) -> Result<Done, Trouble> {
        for table in &definition.locks {
            if definition.locks_may_miss {
                self.client.batch_execute("SAVEPOINT redshift_lock").await?;
                let locked = self.lock(&[table], "ACCESS EXCLUSIVE").await;
                let after = if locked.is_ok() { "RELEASE redshift_lock" } else { "ROLLBACK TO redshift_lock" };
                self.client.batch_execute(after).await?;
            } else {
                self.lock(&[table], "ACCESS EXCLUSIVE").await?;
            }
        }
        self.transaction = Some(Snapshot::Taken);
        let mut rows = 0;
        for sql in &definition.sql {
            rows += self.write(sql).await?.rows;
        }
        if let Some(table) = &definition.measures {
            self.hold_to_bytes(table).await?;
        }
        Ok(Done { rows: if definition.counts { rows } else { 0 }, result: None })
    }

    async fn hold_to_bytes(&self, table: &ObjectName) -> Result<(), Trouble> {
        let sql = format!("SELECT redshift.hold_to_bytes({}::regclass)", quote_text(&table.quoted()));
        Ok(self.client.batch_execute(&sql).await?)
    }

    /// ALTER COLUMN TYPE makes a VARCHAR longer, and nothing else.
    async fn widen(&mut self, table: &ObjectName, column: &str, bytes: i64) -> Result<Done, Trouble> {
        self.lock(&[table], "ACCESS EXCLUSIVE").await?;
        self.transaction = Some(Snapshot::Taken);
        let found = self
            .client
            .query_opt(
                "SELECT a.atttypid = 'varchar'::regtype, a.atttypmod - 4, a.atthasdef,
                        (SELECT min(f.why) FROM redshift.fixed_column f WHERE f.relation = a.attrelid AND f.attribute = a.attnum)
                 FROM pg_attribute a WHERE a.attrelid = $1::text::regclass AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped",
                &[&table.quoted(), &column],
            )
            .await?;
        let told = table.last();
        let refuse = |why: String| Err(Trouble::from(Refusal::new(why)));
        let Some(found) = found else {
            return refuse(format!("column \"{column}\" of relation \"{told}\" does not exist"));
        };
        let (varchar, now, default): (bool, i32, bool) = (found.get(0), found.get(1), found.get(2));
        if !varchar {
            return refuse(format!(
                "cannot alter type of column \"{column}\" of relation \"{told}\": it is no VARCHAR"
            ));
        }
        if let Some(why) = found.get::<_, Option<String>>(3) {
            return refuse(format!("cannot alter type of column \"{column}\" of relation \"{told}\": it is {why}"));
        }
        if default {
            return refuse(format!(
                "cannot alter type of column \"{column}\" of relation \"{told}\" with a default value"
            ));
        }
        if i64::from(now) == bytes {
            return refuse(format!(
                "cannot alter column \"{column}\" of relation \"{told}\", target column size should be different"
            ));
        }
        if i64::from(now) > bytes {
            return refuse(format!(
                "cannot alter column \"{column}\" of relation \"{told}\", target column size should be greater or equal to current maximum column size"
            ));
        }
        let name = crate::sql::token::quote_name(column);
        self.write(&format!("ALTER TABLE {} ALTER COLUMN {name} TYPE varchar({bytes})", table.quoted())).await?;
        self.hold_to_bytes(table).await?;
        Ok(Done::default())
    }
}
