//! How a column is kept in Redshift, and on its way there.
//!
//! - Staging holds what COPY of Parquet is known to load: instants of either kind as TIMESTAMP (whether it loads into
//!   TIMESTAMPTZ is written nowhere), json as text.
//! - Rows hold instants as TIMESTAMPTZ, and json as the text that came, or as SUPER.
//!
//! Redshift passes over blanks at the end of texts that it compares. Wherever texts are compared for the contest, a
//! character that is less than any other of a text is put behind them, so that they compare by their bytes. A key or version
//! of 65,535 bytes has no room for it, and is refused when it is compared.

use lakehand_domain::shape::{ColumnShape, ColumnType, TableShape, lineage};
use serde::{Deserialize, Serialize};

use super::sql::quote;

/// The longest VARCHAR.
const MOST_TEXT: u32 = 65_535;

/// A column of a table of rows, as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowsColumn {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) column_type: ColumnType,
    /// Whether json is kept as SUPER.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) parsed: bool,
}

impl RowsColumn {
    pub(crate) fn new(column: &ColumnShape, table: &TableShape) -> Self {
        let parsed = table.layout.parsed_json && column.column_type == ColumnType::Json;
        Self { name: column.name.clone(), column_type: column.column_type, parsed }
    }

    /// The type as `CREATE TABLE` declares it.
    pub(crate) fn declared(&self) -> String {
        if self.parsed { "SUPER".to_owned() } else { declared_type(self.column_type) }
    }

    /// A staged value as this column keeps it.
    pub(crate) fn of_staged(&self, prefix: &str) -> String {
        let name = format!("{prefix}{}", quote(&self.name));
        match self.column_type {
            ColumnType::Timestamptz => format!("{name} AT TIME ZONE 'UTC'"),
            ColumnType::Json if self.parsed => format!("JSON_PARSE({name})"),
            _ => name,
        }
    }

    /// A value of another form of the column as this one keeps it.
    pub(crate) fn converted(&self, from: &Self) -> String {
        let name = quote(&self.name);
        match (from.parsed, self.parsed) {
            (false, true) => format!("JSON_PARSE({name})"),
            (true, false) => format!("JSON_SERIALIZE({name})"),
            _ if from.column_type == self.column_type => name,
            _ => format!("CAST({name} AS {})", self.declared()),
        }
    }
}

/// The type of a column of rows.
fn declared_type(column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Double => "DOUBLE PRECISION".to_owned(),
        ColumnType::Json => format!("VARCHAR({MOST_TEXT})"),
        other => other.to_string().to_ascii_uppercase(),
    }
}

/// The type of a staged column.
pub(crate) fn staged_type(column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Timestamptz => "TIMESTAMP".to_owned(),
        other => declared_type(other),
    }
}

/// A value that compares by its bytes where it is a text.
pub(crate) fn comparable(expression: &str, column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Varchar { .. } | ColumnType::Json => comparable_text(expression),
        _ => expression.to_owned(),
    }
}

/// A text that compares by its bytes.
pub(crate) fn comparable_text(expression: &str) -> String {
    format!("({expression} || CHR(1))")
}

/// The columns of lineage of every table of rows, whether the shape has `where` and elements or not, so that either may
/// come and go without a change of the table. What a load does not bring is null.
pub(crate) const ROWS_LINEAGE: [(&str, &str); 7] = [
    (lineage::PASSES, "BOOLEAN"),
    (lineage::LOAD_ID, "VARCHAR(32) NOT NULL"),
    (lineage::OBJECT, "VARCHAR(2048) NOT NULL"),
    (lineage::RECORD, "BIGINT NOT NULL"),
    (lineage::ELEMENT, "INTEGER"),
    (lineage::ORDER, "VARCHAR(1100) NOT NULL"),
    (lineage::STANDING, "VARCHAR(8) NOT NULL"),
];

/// Their names.
pub(crate) fn lineage_names() -> Vec<&'static str> {
    ROWS_LINEAGE.iter().map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(text: &str, parsed: bool) -> RowsColumn {
        RowsColumn { name: "c".to_owned(), column_type: ColumnType::parse(text).unwrap(), parsed }
    }

    #[test]
    fn types_are_redshifts() {
        for (text, declared, staged, moved) in [
            ("boolean", "BOOLEAN", "BOOLEAN", "s.\"c\""),
            ("double", "DOUBLE PRECISION", "DOUBLE PRECISION", "s.\"c\""),
            ("decimal(38,10)", "DECIMAL(38,10)", "DECIMAL(38,10)", "s.\"c\""),
            ("varchar(20)", "VARCHAR(20)", "VARCHAR(20)", "s.\"c\""),
            ("timestamp", "TIMESTAMP", "TIMESTAMP", "s.\"c\""),
            ("timestamptz", "TIMESTAMPTZ", "TIMESTAMP", "s.\"c\" AT TIME ZONE 'UTC'"),
            ("json", "VARCHAR(65535)", "VARCHAR(65535)", "s.\"c\""),
        ] {
            let column = column(text, false);
            assert_eq!((column.declared().as_str(), staged_type(column.column_type).as_str()), (declared, staged));
            assert_eq!(column.of_staged("s."), moved);
        }
        let parsed = column("json", true);
        assert_eq!((parsed.declared().as_str(), parsed.of_staged("").as_str()), ("SUPER", "JSON_PARSE(\"c\")"));
    }

    #[test]
    fn columns_become_other_forms_of_themselves() {
        let (text, parsed) = (column("json", false), column("json", true));
        assert_eq!(parsed.converted(&text), "JSON_PARSE(\"c\")");
        assert_eq!(text.converted(&parsed), "JSON_SERIALIZE(\"c\")");
        assert_eq!(text.converted(&text), "\"c\"");
        assert_eq!(column("bigint", false).converted(&column("integer", false)), "CAST(\"c\" AS BIGINT)");
    }

    #[test]
    fn columns_read_back_from_the_register() {
        let columns = vec![column("json", true), column("varchar(3)", false)];
        let text = serde_json::to_string(&columns).unwrap();
        assert_eq!(text, r#"[{"name":"c","type":"json","parsed":true},{"name":"c","type":"varchar(3)"}]"#);
        assert_eq!(serde_json::from_str::<Vec<RowsColumn>>(&text).unwrap(), columns);
    }
}
