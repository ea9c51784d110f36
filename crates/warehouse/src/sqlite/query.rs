//! Questions of people: one statement that reads, answered as text.

use std::sync::{Arc, Mutex, PoisonError};

use lakehand_domain::port::warehouse::QueryAnswer;
use lakehand_domain::shape::ColumnType;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, InterruptHandle};

use crate::number_text;

use super::physical::read_declared_type;
use super::trouble::Trouble;

/// Stops a query whose asker went away.
#[derive(Default)]
pub(crate) struct Asker {
    state: Arc<Mutex<AskerState>>,
}

#[derive(Default)]
struct AskerState {
    is_gone: bool,
    interrupt: Option<InterruptHandle>,
}

/// The side of the thread that runs the query.
pub(crate) struct Asked(Arc<Mutex<AskerState>>);

impl Asker {
    pub(crate) fn asked(&self) -> Asked {
        Asked(Arc::clone(&self.state))
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_gone = true;
        if let Some(interrupt) = &state.interrupt {
            interrupt.interrupt();
        }
    }
}

impl Asked {
    fn listen(&self, connection: &Connection) -> Result<(), Trouble> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_gone {
            return Err(Trouble::BrokenOff);
        }
        state.interrupt = Some(connection.get_interrupt_handle());
        Ok(())
    }
}

/// Runs the statement on a connection that cannot write, and gives at most `limit` rows.
pub(crate) fn answer(connection: &Connection, asked: &Asked, sql: &str, limit: usize) -> Result<QueryAnswer, Trouble> {
    asked.listen(connection)?;
    // Only what reads rows can be a view: whatever else is refused here, attaching other files and pragmas as well. The
    // view's columns know the declared types of the answer's.
    connection.execute(&format!("CREATE TEMP VIEW lakehand_answer AS\n{sql}"), [])?;
    let mut types = connection.prepare("SELECT type FROM pragma_table_info('lakehand_answer') ORDER BY cid")?;
    let types: Vec<Option<ColumnType>> = types
        .query_map([], |row| row.get::<_, String>(0))?
        .map(|declared| declared.map(|declared| read_declared_type(&declared)))
        .collect::<Result<_, _>>()?;
    let mut statement = connection.prepare(sql)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = Vec::new();
    let mut found = statement.query([])?;
    while rows.len() < limit {
        let Some(row) = found.next()? else { break };
        let mut texts = Vec::with_capacity(columns.len());
        for at in 0..columns.len() {
            texts.push(text(types.get(at).copied().flatten(), row.get_ref(at)?));
        }
        rows.push(texts);
    }
    Ok(QueryAnswer { columns, rows })
}

fn text(column_type: Option<ColumnType>, value: ValueRef<'_>) -> Option<String> {
    Some(match (column_type, value) {
        (_, ValueRef::Null) => return None,
        (Some(ColumnType::Boolean), ValueRef::Integer(value)) => (value != 0).to_string(),
        (Some(ColumnType::Decimal { scale, .. }), ValueRef::Real(value)) => {
            format!("{value:.scale$}", scale = usize::from(scale))
        }
        #[expect(clippy::cast_possible_truncation, reason = "the column holds what fits a single")]
        (Some(ColumnType::Real), ValueRef::Real(value)) => number_text::single(value as f32),
        (_, ValueRef::Real(value)) => number_text::double(value),
        (_, ValueRef::Integer(value)) => value.to_string(),
        (_, ValueRef::Text(value)) => String::from_utf8_lossy(value).into_owned(),
        (_, ValueRef::Blob(value)) => value.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat(),
    })
}
