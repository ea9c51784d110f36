//! One statement in the transaction that is open.

use std::pin::pin;

use futures::TryStreamExt as _;
use tokio_postgres::SimpleQueryMessage;

use super::{Around, Connection, Done, Transaction};
use crate::copy::load::{self, Loading};
use crate::result::{Column, ResultSet};
use crate::sql::plan::Plan;
use crate::sql::refusal::Refusal;
use crate::trouble::Trouble;

/// The most bytes of a row of a result.
const ROW_BYTES: usize = 64 << 10;

impl Connection {
    /// Runs one statement in the transaction that is open.
    pub(crate) async fn run(&mut self, plan: &Plan, around: &Around) -> Result<Done, Trouble> {
        if self.transaction == Transaction::Failed && !matches!(plan, Plan::Rollback | Plan::Commit) {
            let message = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(Refusal::new(message).into());
        }
        match plan {
            Plan::Query { sql, .. } => {
                self.look(plan).await?;
                self.query(sql, around).await
            }
            Plan::Write { table, sql, .. } => {
                self.write_lock(table, plan).await?;
                Ok(Done { rows: self.write(sql).await?, ..Done::default() })
            }
            Plan::Copy(copy) => {
                self.write_lock(&copy.table, plan).await?;
                let loading = Loading { client: &self.client, s3: &around.s3, cancel: &around.cancel };
                let (rows, copied) = load::load(loading, copy).await?;
                Ok(Done { rows, copied, ..Done::default() })
            }
            Plan::Lock(tables) => self.lock(&tables.iter().collect::<Vec<_>>(), "ACCESS EXCLUSIVE").await.map(nothing),
            Plan::Truncate(table) => {
                self.lock(&[table], "ACCESS EXCLUSIVE").await?;
                self.client.batch_execute(&format!("TRUNCATE {}", table.quoted())).await?;
                self.commit_midway().await.map(nothing)
            }
            Plan::Vacuum | Plan::Commit => self.commit_midway().await.map(nothing),
            Plan::Rollback => {
                self.rollback().await;
                self.begin().await.map(nothing)
            }
            Plan::Begin => {
                self.explicit = !around.block;
                Ok(Done::default())
            }
            Plan::Set { sql: None } => Ok(Done::default()),
            Plan::Set { sql: Some(sql) } => {
                self.marked = true;
                Ok(self.client.batch_execute(sql).await.map(nothing)?)
            }
            Plan::Define(definition) => self.define(definition).await,
            Plan::CreateView(view) => self.create_view(view).await.map(nothing),
            Plan::DropViews(drop) => self.drop_views(drop).await.map(nothing),
            Plan::Widen { .. } if around.block || self.explicit => {
                Err(Refusal::new("ALTER TABLE ALTER COLUMN cannot run inside a transaction block").into())
            }
            Plan::Widen { table, column, bytes } => self.widen(table, column, *bytes).await.map(nothing),
            Plan::Outside { name } if around.block || self.explicit => {
                Err(Refusal::new(format!("{name} cannot run inside a transaction block")).into())
            }
            Plan::Outside { name } => {
                let told = format!("{name} is not imitated: a database is made when it is first named");
                Err(Refusal::stand_in(told).into())
            }
        }
    }

    async fn query(&self, sql: &str, around: &Around) -> Result<Done, Trouble> {
        let statement = self.client.prepare(sql).await?;
        let columns = statement.columns().iter().map(|column| Column {
            name: column.name().to_owned(),
            kind: column.type_().clone(),
            modifier: column.type_modifier(),
        });
        let columns: Vec<Column> = columns.collect();
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
        Ok(Done { rows: count, result: Some(ResultSet { columns, rows, size }), ..Done::default() })
    }

    /// Runs SQL that returns no rows. Returns how many it affected.
    pub(super) async fn write(&self, sql: &str) -> Result<i64, Trouble> {
        let mut rows = 0;
        for message in self.client.simple_query(sql).await? {
            if let SimpleQueryMessage::CommandComplete(count) = message {
                rows = i64::try_from(count).unwrap_or(i64::MAX);
            }
        }
        Ok(rows)
    }
}

fn nothing((): ()) -> Done {
    Done::default()
}
