//! Views. Those WITH NO SCHEMA BINDING are bound by PostgreSQL all the same; so they are taken away while a table that they
//! read is changed, and made again as soon as they can be.

use super::{Connection, Transaction};
use crate::sql::cursor::ObjectName;
use crate::sql::plan::{DropViews, View};
use crate::sql::refusal::Refusal;
use crate::sql::token::quote_text;
use crate::trouble::Trouble;

impl Connection {
    pub(super) async fn create_view(&mut self, view: &View) -> Result<(), Trouble> {
        self.transaction = Transaction::Snapshot;
        let name = view.name.quoted();
        let sql = |replace: &str| format!("CREATE {replace}VIEW {name}{} AS {}", view.columns, view.query);
        if view.late {
            if view.replace {
                self.release_views(&view.name).await?;
                self.forget(&view.name).await?;
                self.write(&format!("DROP VIEW IF EXISTS {name}")).await?;
            }
            let schema = match view.name.0.as_slice() {
                [schema, _] => quote_text(schema),
                _ => "current_schema()".to_owned(),
            };
            let made = sql("");
            self.write(&format!(
                "INSERT INTO redshift.late_view VALUES ({schema}, {}, {})",
                quote_text(view.name.last()),
                quote_text(&made)
            ))
            .await?;
            return self.bind_views().await;
        }
        if !view.replace {
            self.write(&sql("")).await?;
            return Ok(());
        }
        // PostgreSQL lets a view that is replaced get more columns.
        let before = self.columns(&view.name).await?;
        self.write(&sql("OR REPLACE ")).await?;
        if before > 0 && self.columns(&view.name).await? != before {
            return Err(Refusal::new("cannot change number of columns in view").into());
        }
        Ok(())
    }

    pub(super) async fn drop_views(&mut self, drop: &DropViews) -> Result<(), Trouble> {
        self.transaction = Transaction::Snapshot;
        for name in &drop.names {
            self.release_views(name).await?;
            let late = self.forget(name).await?;
            let if_exists = if drop.if_exists || late { "IF EXISTS " } else { "" };
            let cascade = if drop.cascade { " CASCADE" } else { "" };
            self.write(&format!("DROP VIEW {if_exists}{}{cascade}", name.quoted())).await?;
        }
        self.bind_views().await
    }

    /// Takes the late-binding views away that read this table or view.
    pub(super) async fn release_views(&self, name: &ObjectName) -> Result<(), Trouble> {
        let sql = format!("SELECT redshift.release_late_views(to_regclass({}))", quote_text(&name.quoted()));
        Ok(self.client.batch_execute(&sql).await?)
    }

    /// Makes those late-binding views that can be made.
    pub(super) async fn bind_views(&self) -> Result<(), Trouble> {
        Ok(self.client.batch_execute("SELECT redshift.bind_late_views()").await?)
    }

    async fn columns(&self, name: &ObjectName) -> Result<i64, Trouble> {
        let row = self
            .client
            .query_one(
                "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($1::text)::oid AND attnum > 0",
                &[&name.quoted()],
            )
            .await?;
        Ok(row.get(0))
    }

    /// Forgets a late-binding view. Returns whether it was one.
    async fn forget(&self, name: &ObjectName) -> Result<bool, Trouble> {
        let schema = match name.0.as_slice() {
            [schema, _] => Some(schema.as_str()),
            _ => None,
        };
        let forgotten = self
            .client
            .execute(
                "DELETE FROM redshift.late_view WHERE view_schema = coalesce($1, current_schema()) AND view_name = $2",
                &[&schema, &name.last()],
            )
            .await?;
        Ok(forgotten > 0)
    }
}
