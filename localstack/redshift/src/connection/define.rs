//! Definitions of tables.

use super::{Connection, Done, Transaction};
use crate::sql::cursor::ObjectName;
use crate::sql::plan::Definition;
use crate::sql::refusal::Refusal;
use crate::sql::token::{quote_name, quote_text};
use crate::trouble::Trouble;

impl Connection {
    pub(super) async fn define(&mut self, definition: &Definition) -> Result<Done, Trouble> {
        self.marked |= definition.temporary;
        let mut there = Vec::new();
        for table in &definition.locks {
            if self.lock_definition(table, definition.locks_may_miss).await? {
                there.push(table);
            }
        }
        self.transaction = Transaction::Snapshot;
        for table in &there {
            self.release_views(table).await?;
        }
        let mut rows = 0;
        for sql in &definition.sql {
            rows += self.write(sql).await?;
        }
        if let Some(table) = &definition.measures {
            self.hold_to_bytes(table).await?;
        }
        self.bind_views().await?;
        Ok(Done { rows: if definition.counts { rows } else { 0 }, ..Done::default() })
    }

    /// Keeps everybody from the table. Returns whether there is one.
    async fn lock_definition(&self, table: &ObjectName, may_miss: bool) -> Result<bool, Trouble> {
        if !may_miss {
            return self.lock(&[table], "ACCESS EXCLUSIVE").await.map(|()| true);
        }
        self.client.batch_execute("SAVEPOINT redshift_lock").await?;
        let locked = self.lock(&[table], "ACCESS EXCLUSIVE").await;
        let missing = match &locked {
            Err(Trouble::Postgres(said)) => {
                use tokio_postgres::error::SqlState;
                [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(said.code())
            }
            _ => false,
        };
        if missing {
            self.client.batch_execute("ROLLBACK TO redshift_lock").await?;
            return Ok(false);
        }
        locked?;
        self.client.batch_execute("RELEASE redshift_lock").await?;
        Ok(true)
    }

    async fn hold_to_bytes(&self, table: &ObjectName) -> Result<(), Trouble> {
        let sql = format!("SELECT redshift.hold_to_bytes({}::regclass)", quote_text(&table.quoted()));
        Ok(self.client.batch_execute(&sql).await?)
    }

    /// ALTER COLUMN TYPE makes a VARCHAR longer, and nothing else.
    pub(super) async fn widen(&mut self, table: &ObjectName, column: &str, bytes: i64) -> Result<(), Trouble> {
        self.lock(&[table], "ACCESS EXCLUSIVE").await?;
        self.transaction = Transaction::Snapshot;
        let found = self
            .client
            .query_opt(
                "SELECT a.atttypid = 'varchar'::regtype, a.atttypmod - 4, a.atthasdef,
                   (SELECT min(f.why) FROM redshift.fixed_column f WHERE f.relation = a.attrelid AND f.attribute = a.attnum)
                 FROM pg_attribute a
                 WHERE a.attrelid = $1::text::regclass AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped",
                &[&table.quoted(), &column],
            )
            .await?;
        let of = format!("column \"{column}\" of relation \"{}\"", table.last());
        let Some(found) = found else { return Err(Refusal::new(format!("{of} does not exist")).into()) };
        let (varchar, now, default): (bool, i32, bool) = (found.get(0), found.get(1), found.get(2));
        let why = if !varchar {
            format!("cannot alter type of {of}: it is no VARCHAR")
        } else if let Some(why) = found.get::<_, Option<String>>(3) {
            format!("cannot alter type of {of}: it is {why}")
        } else if default {
            format!("cannot alter type of {of} with a default value")
        } else if i64::from(now) == bytes {
            format!("cannot alter {of}, target column size should be different")
        } else if i64::from(now) > bytes {
            format!("cannot alter {of}, target column size should be greater or equal to current maximum column size")
        } else {
            self.release_views(table).await?;
            let (table_name, name) = (table.quoted(), quote_name(column));
            self.write(&format!("ALTER TABLE {table_name} ALTER COLUMN {name} TYPE varchar({bytes})")).await?;
            self.hold_to_bytes(table).await?;
            return self.bind_views().await;
        };
        Err(Refusal::new(why).into())
    }
}
