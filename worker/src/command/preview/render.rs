//! A preview, for people and machines.

use std::collections::BTreeMap;

use lakehand_dataset::dataset::{Dataset, RESCUED};
use lakehand_dataset::transformer::Verdict;
use lakehand_domain::reject::Reject;
use lakehand_domain::shape::{ColumnShape, lineage};
use lakehand_transform::{Preview, PreviewTable};
use serde::Serialize;

use crate::output::{Grid, Page, cut, number, plural};

/// Cells of tables are cut to this many characters.
const CELL: usize = 40;

/// A preview as it is told. Its keys are stable.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    dataset: String,
    fingerprint: String,
    /// Whether the file would be loaded.
    pub(crate) accepted: bool,
    verdict: Option<String>,
    records: u64,
    rejected: u64,
    rejected_by: BTreeMap<String, u64>,
    rejects: Vec<Reject>,
    tables: Vec<TableTold>,
    /// The statements that make the tables, by kind of warehouse.
    ddl: BTreeMap<&'static str, Vec<String>>,
}

#[derive(Debug, Serialize)]
struct TableTold {
    table: String,
    rows: u64,
    columns: Vec<ColumnShape>,
    partitions: BTreeMap<String, u64>,
    /// The first rows, by column.
    first: Vec<BTreeMap<String, Option<String>>>,
}

impl Told {
    /// The preview as it is told.
    pub(crate) fn of(dataset: &Dataset, preview: &Preview, ddl: Vec<(&'static str, Vec<String>)>) -> Self {
        let verdict = match &preview.verdict {
            Verdict::Accepted => None,
            Verdict::TooManyRejects { message } | Verdict::TooFewRecords { message } => Some(message.clone()),
        };
        Self {
            dataset: dataset.id.to_string(),
            fingerprint: dataset.fingerprint.to_string(),
            accepted: verdict.is_none(),
            verdict,
            records: preview.records,
            rejected: preview.counts.total(),
            rejected_by: preview.counts.iter().map(|(rule, count)| (rule.to_owned(), count)).collect(),
            rejects: preview.rejects.clone(),
            tables: preview.tables.iter().map(table).collect(),
            ddl: ddl.into_iter().collect(),
        }
    }

    /// The preview as text.
    pub(crate) fn render(&self) -> String {
        let mut page = Page::default();
        for table in &self.tables {
            render_table(&mut page, table);
        }
        if !self.rejects.is_empty() {
            page.line(format!("rejects: the first {} of {}", self.rejects.len(), number(self.rejected)));
            let mut grid = Grid::new(&[">line", "column", "rule", "value", "why"]);
            for reject in &self.rejects {
                let line = match &reject.member {
                    Some(member) => format!("{member}:{}", reject.line),
                    None => reject.line.to_string(),
                };
                grid.row(vec![
                    line,
                    reject.column.clone().unwrap_or_default(),
                    reject.rule.name().to_owned(),
                    cut(reject.value.as_deref().unwrap_or_default(), CELL),
                    cut(&reject.message, 100),
                ]);
            }
            page.table(&grid);
            page.gap();
        }
        if !self.rejected_by.is_empty() {
            let mut grid = Grid::new(&["rejected by", ">records"]);
            for (rule, count) in &self.rejected_by {
                grid.row(vec![rule.clone(), number(*count)]);
            }
            page.table(&grid);
            page.gap();
        }
        for (warehouse, statements) in self.ddl.iter().rev() {
            page.line(format!("tables in {warehouse}"));
            for statement in statements {
                page.line(format!("{};", statement.trim_end_matches([';', '\n'])));
            }
            page.gap();
        }
        let tables: Vec<String> =
            self.tables.iter().map(|table| format!("{} into {}", plural(table.rows, "row"), table.table)).collect();
        page.line(format!(
            "{} read, {} rejected; {}",
            plural(self.records, "record"),
            number(self.rejected),
            tables.join(", ")
        ));
        match &self.verdict {
            None => page.line("the file would be loaded; nothing was written"),
            Some(message) => page.line(format!("the file would be set aside: {message}; nothing was written")),
        }
        page.into_text()
    }
}

fn table(table: &PreviewTable) -> TableTold {
    let names = || table.columns.iter().map(|column| column.name.clone());
    TableTold {
        table: table.table.clone(),
        rows: table.rows,
        columns: table.columns.clone(),
        partitions: table.partitions.clone(),
        first: table.first.iter().map(|row| names().zip(row.iter().cloned()).collect()).collect(),
    }
}

/// Few columns stand side by side, many one below the other, so that neither kind of table breaks its lines. Of lineage
/// only the record is shown.
fn render_table(page: &mut Page, table: &TableTold) {
    let is_shown = |name: &str| !name.starts_with('_') || [RESCUED, lineage::RECORD].contains(&name);
    let columns: Vec<&ColumnShape> = table.columns.iter().filter(|column| is_shown(&column.name)).collect();
    let mut title = format!("{}: {}", table.table, plural(table.rows, "row"));
    if !table.partitions.is_empty() {
        title.push_str(" in ");
        title.push_str(&plural(table.partitions.len() as u64, "partition"));
    }
    page.line(title);
    if table.first.is_empty() {
        page.gap();
        return;
    }
    let value = |row: &BTreeMap<String, Option<String>>, column: &ColumnShape| {
        row.get(&column.name).and_then(Option::as_deref).map_or_else(|| "·".to_owned(), |value| cut(value, CELL))
    };
    if columns.len() <= 9 {
        let names: Vec<String> = columns.iter().map(|column| header(column)).collect();
        let mut grid = Grid::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for row in &table.first {
            grid.row(columns.iter().map(|column| value(row, column)).collect());
        }
        page.table(&grid);
    } else {
        let shown = &table.first[..table.first.len().min(3)];
        let mut names = vec!["column".to_owned(), "type".to_owned()];
        names.extend((1..=shown.len()).map(|at| format!("row {at}")));
        let mut grid = Grid::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for column in &columns {
            let mut cells = vec![column.name.clone(), column.column_type.to_string()];
            cells.extend(shown.iter().map(|row| value(row, column)));
            grid.row(cells);
        }
        page.table(&grid);
        if table.first.len() > shown.len() {
            page.line(format!("the first {} rows are shown; --output json shows {}", shown.len(), table.first.len()));
        }
    }
    page.gap();
}

/// Numbers stand to the right.
fn header(column: &ColumnShape) -> String {
    use lakehand_domain::shape::ColumnType as Type;
    let is_number = matches!(
        column.column_type,
        Type::Smallint | Type::Integer | Type::Bigint | Type::Real | Type::Double | Type::Decimal { .. }
    );
    if is_number { format!(">{}", column.name) } else { column.name.clone() }
}
