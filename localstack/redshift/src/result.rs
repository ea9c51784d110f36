//! The rows of a statement.

use serde_json::{Value, json};
use tokio_postgres::types::Type;

/// A result, kept until the statement is forgotten.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ResultSet {
    /// What the columns are.
    pub(crate) columns: Vec<Column>,
    /// The rows, each value as PostgreSQL writes it.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// Its bytes.
    pub(crate) size: usize,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// Its type in PostgreSQL.
    pub(crate) kind: Type,
    /// What qualifies the type.
    pub(crate) modifier: i32,
}

impl Column {
    /// As `ColumnMetadata` tells it.
    pub(crate) fn metadata(&self) -> Value {
        let text = matches!(self.kind, Type::VARCHAR | Type::TEXT | Type::BPCHAR | Type::NAME | Type::UNKNOWN);
        let numbers =
            matches!(self.kind, Type::INT2 | Type::INT4 | Type::INT8 | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC);
        let (precision, scale, length) = match self.kind {
            Type::INT2 => (5, 0, 0),
            Type::INT4 | Type::OID => (10, 0, 0),
            Type::INT8 => (19, 0, 0),
            Type::FLOAT4 => (8, 8, 0),
            Type::FLOAT8 => (17, 17, 0),
            Type::BOOL => (1, 0, 0),
            Type::NUMERIC if self.modifier > 4 => ((self.modifier - 4) >> 16, (self.modifier - 4) & 0x7ff, 0),
            Type::VARCHAR | Type::BPCHAR if self.modifier > 4 => (self.modifier - 4, 0, self.modifier - 4),
            _ => (0, 0, 0),
        };
        json!({
            "name": self.name, "label": self.name, "typeName": self.type_name(), "nullable": 1,
            "isCaseSensitive": text, "isCurrency": false, "isSigned": numbers,
            "precision": precision, "scale": scale, "length": length, "schemaName": "", "tableName": "",
        })
    }

    fn type_name(&self) -> &str {
        match self.kind {
            Type::JSONB => "super",
            Type::TEXT | Type::UNKNOWN => "varchar",
            _ => self.kind.name(),
        }
    }

    /// A value as the API's `Field` tells it.
    pub(crate) fn field(&self, value: Option<&str>) -> Value {
        let Some(text) = value else { return json!({ "isNull": true }) };
        match self.kind {
            Type::BOOL => json!({ "booleanValue": text == "t" }),
            Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => text
                .parse::<i64>()
                .map_or_else(|_| json!({ "stringValue": text }), |whole| json!({ "longValue": whole })),
            // What JSON has no number for is told as text.
            Type::FLOAT4 | Type::FLOAT8 => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => json!({ "doubleValue": number }),
                _ => json!({ "stringValue": text }),
            },
            Type::JSONB => json!({ "stringValue": compact(text) }),
            _ => json!({ "stringValue": text }),
        }
    }
}

/// JSON without the blanks between its tokens, which Redshift does not write.
fn compact(text: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    text.chars()
        .filter(|letter| {
            let kept = quoted || !letter.is_ascii_whitespace();
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = !quoted,
                _ => {}
            }
            kept
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_without_blanks() {
        assert_eq!(compact(r#"{"a b": [1, "x \" y", "\\"], "c": null}"#), r#"{"a b":[1,"x \" y","\\"],"c":null}"#);
    }
}
