//! What the fence says, and which tables a family has: both change only under the fence.

use lakehand_domain::id::{DatasetId, FamilyId, FencingToken, LedgerId, Nonce};
use lakehand_domain::shape::{DefinitionInForce, TableShape};
use lakehand_domain::warehousing::Fence;
use serde::{Deserialize, Serialize};

use super::client::Rows;
use super::names::Names;
use super::physical::RowsColumn;
use super::record::{Record, unread};
use super::sql::{inserts, literal};
use super::trouble::Trouble;

/// Bytes of a table's description in one row of the register; a result takes 64 KB a row.
const CHUNK: usize = 16_000;

/// The one row of a fence table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FenceRow {
    pub(crate) token: FencingToken,
    pub(crate) owner: Nonce,
    pub(crate) batches: u64,
    pub(crate) erasure_epoch: u64,
    pub(crate) ledger: Option<LedgerId>,
    pub(crate) in_force: Vec<DefinitionInForce>,
}

impl FenceRow {
    /// Whether it is the fence that was taken.
    pub(crate) fn is(&self, fence: &Fence) -> bool {
        self.token == fence.token && self.owner == fence.owner
    }
}

/// A table of the family, by the shape that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registered {
    pub(crate) shape: TableShape,
    /// The columns of the table of rows, lineage left out: those of the shape and those of shapes before it.
    pub(crate) columns: Vec<RowsColumn>,
}

/// Fence and register, read in one moment.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) fence: FenceRow,
    pub(crate) tables: Vec<Registered>,
}

/// The columns of the fence row, in the order in which they are read.
const FENCE_COLUMNS: &str =
    "f.\"token\", f.\"owner\", f.\"batches\", f.\"erasure_epoch\", f.\"ledger\", f.\"in_force\"";

/// The definition in force as the fence row holds it: the same text for the same definition.
pub(crate) fn in_force_text(definitions: &[DefinitionInForce]) -> Result<String, Trouble> {
    Ok(serde_json::to_string(definitions)?)
}

/// Reads the fence row and the tables of all datasets of the family.
pub(crate) fn select_state(names: &Names, family: &FamilyId) -> String {
    format!(
        "SELECT {FENCE_COLUMNS}, t.\"dataset\", t.\"name\", t.\"description\" FROM {} AS f LEFT JOIN {} AS t \
         ON 1 = 1 ORDER BY t.\"dataset\", t.\"name\", t.\"part\"",
        names.fence(family),
        names.tables(family)
    )
}

/// Reads the fence row and all definitions that were ever in force.
pub(crate) fn select_fence(names: &Names, family: &FamilyId) -> String {
    format!(
        "SELECT {FENCE_COLUMNS}, d.\"dataset\", d.\"fingerprint\" FROM {} AS f LEFT JOIN {} AS d ON 1 = 1 \
         ORDER BY d.\"token\", d.\"dataset\"",
        names.fence(family),
        names.definitions(family)
    )
}

fn read_fence_row(record: &mut Record) -> Result<FenceRow, Trouble> {
    Ok(FenceRow {
        token: FencingToken(record.number()?),
        owner: Nonce::new(record.optional()?.unwrap_or_default()),
        batches: record.number()?,
        erasure_epoch: record.number()?,
        ledger: record.optional()?.map(LedgerId::new),
        in_force: serde_json::from_str(&record.text()?)?,
    })
}

/// Reads what [`select_state`] gives.
pub(crate) fn read_state(rows: Rows) -> Result<State, Trouble> {
    let mut fence = None;
    let mut texts: Vec<((String, String), String)> = Vec::new();
    for row in rows.rows {
        let mut record = Record::new(row);
        fence = Some(read_fence_row(&mut record)?);
        let Some(dataset) = record.optional()? else { continue };
        let (name, text) = (record.text()?, record.text()?);
        match texts.last_mut() {
            Some((table, whole)) if *table == (dataset.clone(), name.clone()) => whole.push_str(&text),
            _ => texts.push(((dataset, name), text)),
        }
    }
    let fence = fence.ok_or_else(|| unread("the fence has lost its row"))?;
    let tables = texts.into_iter().map(|(_, text)| Ok(serde_json::from_str(&text)?));
    Ok(State { fence, tables: tables.collect::<Result<_, Trouble>>()? })
}

/// Reads what [`select_fence`] gives.
pub(crate) fn read_fence(rows: Rows) -> Result<(FenceRow, Vec<DefinitionInForce>), Trouble> {
    let mut fence = None;
    let mut known = Vec::new();
    for row in rows.rows {
        let mut record = Record::new(row);
        fence = Some(read_fence_row(&mut record)?);
        if let Some(dataset) = record.optional()? {
            let fingerprint = lakehand_domain::id::Fingerprint::new(record.text()?);
            known.push(DefinitionInForce { dataset: DatasetId::new(dataset), fingerprint });
        }
    }
    Ok((fence.ok_or_else(|| unread("the fence has lost its row"))?, known))
}

/// The statements that write tables into the register, in place of what it said of them.
pub(crate) fn register(
    names: &Names,
    family: &FamilyId,
    tables: &[Registered],
    most_bytes: usize,
) -> Result<Vec<String>, Trouble> {
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let register = names.tables(family);
    let (mut known, mut rows) = (Vec::new(), Vec::new());
    for table in tables {
        let (dataset, name) = (literal(table.shape.dataset.as_str()), literal(&table.shape.name));
        known.push(format!("(\"dataset\" = {dataset} AND \"name\" = {name})"));
        let text = serde_json::to_string(table)?;
        let mut rest = text.as_str();
        let mut part = 0;
        while !rest.is_empty() {
            let (chunk, more) = rest.split_at(rest.floor_char_boundary(CHUNK));
            rows.push(format!("({dataset}, {name}, {part}, {})", literal(chunk)));
            rest = more;
            part += 1;
        }
    }
    let head = format!("INSERT INTO {register} (\"dataset\", \"name\", \"part\", \"description\")");
    let mut statements = vec![format!("DELETE FROM {register} WHERE {}", known.join(" OR "))];
    statements.extend(inserts(&head, &rows, most_bytes));
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use lakehand_domain::shape::{ColumnShape, ColumnType, Contest, OnRewrite, TableLayout};

    use super::*;

    fn table(name: &str, columns: usize) -> Registered {
        let column = |at| ColumnShape { name: format!("column_{at}"), column_type: ColumnType::Json, required: false };
        let shape = TableShape {
            dataset: DatasetId::new("d"),
            name: name.to_owned(),
            columns: (0..columns).map(column).collect(),
            contest: Contest::Append { on_rewrite: OnRewrite::Replace },
            has_where: false,
            exploded: false,
            subjects: Vec::new(),
            references: Vec::new(),
            layout: TableLayout::default(),
        };
        let columns = super::super::ddl::rows_columns(&shape);
        Registered { shape, columns }
    }

    #[test]
    fn a_table_of_many_columns_reads_back_from_many_rows() {
        let tables = [table("a", 900), table("b", 1)];
        let statements = register(&Names::new(""), &FamilyId::new("f"), &tables, 40_000).unwrap();
        assert!(statements.len() > 3);
        assert!(statements.iter().all(|statement| statement.len() <= 40_000));
        // The rows as a database would give them back.
        let mut rows = Rows::default();
        for table in &tables {
            let text = serde_json::to_string(table).unwrap();
            for chunk in text.as_bytes().chunks(CHUNK) {
                let own = ["3", "o", "2", "0", "l", "[]", "d", &table.shape.name, std::str::from_utf8(chunk).unwrap()];
                rows.rows.push(own.map(|text| Some(text.to_owned())).to_vec());
            }
        }
        assert!(rows.rows.len() > 5);
        let state = read_state(rows).unwrap();
        assert_eq!(state.tables, tables);
        assert_eq!((state.fence.token, state.fence.batches), (FencingToken(3), 2));
    }

    #[test]
    fn a_fence_without_its_row_is_told() {
        assert!(read_state(Rows::default()).unwrap_err().to_string().contains("lost its row"));
        assert!(read_fence(Rows::default()).unwrap_err().to_string().contains("lost its row"));
        let row = ["1", "o", "0", "0"].map(|text| Some(text.to_owned())).into_iter().collect::<Vec<_>>();
        let mut row = row;
        row.extend([None, Some("[]".to_owned()), None, None, None]);
        let state = read_state(Rows { columns: Vec::new(), rows: vec![row] }).unwrap();
        assert!(state.tables.is_empty() && state.fence.ledger.is_none());
    }
}
