//! Typed values on their way from the lake's parts to a warehouse that takes rows.

/// The values of one column in a batch of rows.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnValues {
    /// Of a boolean column.
    Boolean(Vec<Option<bool>>),
    /// Of a smallint, integer or bigint column.
    Integer(Vec<Option<i64>>),
    /// Of a real or double column.
    Double(Vec<Option<f64>>),
    /// Of a decimal column: the unscaled integer of each value, under the column's scale.
    Decimal {
        /// Digits after the point.
        scale: u8,
        /// Unscaled values.
        unscaled: Vec<Option<i128>>,
    },
    /// Of a varchar or json column.
    Text(Vec<Option<String>>),
    /// Of a date column: days since 1970-01-01.
    Date(Vec<Option<i32>>),
    /// Of a timestamp or timestamptz column: microseconds since 1970-01-01T00:00:00, in UTC for timestamptz.
    Timestamp(Vec<Option<i64>>),
}

impl ColumnValues {
    /// How many rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Boolean(values) => values.len(),
            Self::Integer(values) | Self::Timestamp(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::Decimal { unscaled, .. } => unscaled.len(),
            Self::Text(values) => values.len(),
            Self::Date(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Some rows of a part, column by column, in the order of the part's columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowBatch {
    /// One for each column of the part.
    pub columns: Vec<ColumnValues>,
    /// How many rows each column has.
    pub rows: usize,
}

/// A decimal as its shortest exact text with all digits of its scale, for example `1715.19`.
pub fn decimal_text(unscaled: i128, scale: u8) -> String {
    let digits = unscaled.unsigned_abs().to_string();
    let scale = usize::from(scale);
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::decimal_text;

    #[test]
    fn decimals_keep_every_digit() {
        assert_eq!(decimal_text(171_519, 2), "1715.19");
        assert_eq!(decimal_text(-5, 2), "-0.05");
        assert_eq!(decimal_text(0, 0), "0");
        assert_eq!(decimal_text(i128::from(i64::MIN), 0), i64::MIN.to_string());
        assert_eq!(
            decimal_text(99_999_999_999_999_999_999_999_999_999_999_999_999, 38),
            format!("0.{}", "9".repeat(38))
        );
    }
}
