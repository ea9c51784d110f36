//! How a column type is kept in SQLite: the declared type, which gives affinity and says how to print a value.
//!
//! - boolean: 0 or 1.
//! - decimals of up to 15 digits: REAL, which keeps 15 digits exactly; not NUMERIC, which turns 7.00 into an integer
//!   and then divides 7.00 / 2 into 3.
//! - longer decimals: text with all digits of the scale, so that equal values are equal texts. SQL of people that
//!   computes with them casts first, and knows that it loses digits by that.
//! - dates and timestamps: ISO 8601 text of fixed width, so that text order is time order.

use lakehand_domain::shape::ColumnType;

/// The most decimal digits that a double keeps.
const REAL_DIGITS: u8 = 15;

/// Whether a decimal of this precision is kept as text.
pub(crate) fn is_text_decimal(column_type: ColumnType) -> bool {
    matches!(column_type, ColumnType::Decimal { precision, .. } if precision > REAL_DIGITS)
}

/// The type as `CREATE TABLE` declares it. The words TEXT and REAL in front decide SQLite's affinity.
pub(crate) fn declared_type(column_type: ColumnType) -> String {
    let prefix = match column_type {
        ColumnType::Decimal { .. } if is_text_decimal(column_type) => "TEXT ",
        ColumnType::Decimal { .. } => "REAL ",
        ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz | ColumnType::Json => "TEXT ",
        _ => "",
    };
    format!("{prefix}{}", column_type.to_string().to_ascii_uppercase())
}

/// Reads a declared type back; `None` for types that are not lakehand's.
pub(crate) fn read_declared_type(text: &str) -> Option<ColumnType> {
    let plain = text.strip_prefix("TEXT ").or_else(|| text.strip_prefix("REAL ")).unwrap_or(text);
    let column_type = ColumnType::parse(plain).ok()?;
    (declared_type(column_type) == text).then_some(column_type)
}

/// The terms of `ORDER BY` that put the greatest value of a column first and nulls last.
pub(crate) fn greatest_first(column: &str, column_type: ColumnType) -> String {
    if !is_text_decimal(column_type) {
        return format!("{column} DESC");
    }
    // All texts have the same digits after the point, so that of two texts of one sign the longer has the greater
    // magnitude, and texts of one length compare digit by digit.
    let negative = format!("{column} LIKE '-%'");
    format!(
        "{column} IS NULL, {negative}, CASE WHEN {negative} THEN -length({column}) ELSE length({column}) END DESC, \
         CASE WHEN {negative} THEN NULL ELSE {column} END DESC, CASE WHEN {negative} THEN {column} END"
    )
}

#[cfg(test)]
mod tests {
    use lakehand_domain::value::decimal_text;
    use rusqlite::Connection;

    use super::*;

    fn types() -> Vec<ColumnType> {
        [
            "boolean",
            "smallint",
            "integer",
            "bigint",
            "real",
            "double",
            "decimal(12,2)",
            "decimal(15,15)",
            "decimal(16,0)",
            "decimal(38,38)",
            "varchar(7)",
            "date",
            "timestamp",
            "timestamptz",
            "json",
        ]
        .iter()
        .map(|text| ColumnType::parse(text).unwrap())
        .collect()
    }

    #[test]
    fn declared_types_read_back() {
        for column_type in types() {
            assert_eq!(read_declared_type(&declared_type(column_type)), Some(column_type));
        }
        assert_eq!(read_declared_type("NUM"), None);
        assert_eq!(read_declared_type("DATE"), None);
    }

    #[test]
    fn affinity_never_bends_a_value() {
        let conn = Connection::open_in_memory().unwrap();
        for column_type in types() {
            let declared = declared_type(column_type);
            conn.execute_batch(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (c {declared})")).unwrap();
            conn.execute("INSERT INTO t VALUES ('7')", []).unwrap();
            let kept: String = conn.query_row("SELECT typeof(c) FROM t", [], |row| row.get(0)).unwrap();
            let expected = match column_type {
                ColumnType::Boolean | ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => "integer",
                ColumnType::Real | ColumnType::Double => "real",
                ColumnType::Decimal { .. } if !is_text_decimal(column_type) => "real",
                _ => "text",
            };
            assert_eq!(kept, expected, "{declared}");
        }
    }

    #[test]
    fn long_decimals_order_as_numbers() {
        let column_type = ColumnType::Decimal { precision: 20, scale: 2 };
        let mut values = vec![-100_000_i128, -1_000, -999, -100, -99, -1, 0, 1, 99, 100, 999, 1_000, 100_000];
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(&format!("CREATE TABLE t (c {})", declared_type(column_type))).unwrap();
        for value in &values {
            conn.execute("INSERT INTO t VALUES (?1)", [decimal_text(*value, 2)]).unwrap();
        }
        conn.execute("INSERT INTO t VALUES (NULL)", []).unwrap();
        let sql = format!("SELECT c FROM t ORDER BY {}", greatest_first("c", column_type));
        let mut statement = conn.prepare(&sql).unwrap();
        let found: Vec<Option<String>> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        values.reverse();
        let mut expected: Vec<_> = values.iter().map(|value| Some(decimal_text(*value, 2))).collect();
        expected.push(None);
        assert_eq!(found, expected);
    }
}
