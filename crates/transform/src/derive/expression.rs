//! SQL of a definition into an expression that looks at one row at a time.

use lakehand_domain::shape::ColumnType;
use polars::prelude::{Column, DataFrame, DataType, Expr, IntoLazy, PolarsError, PolarsResult, Series};
use polars_arrow::array::new_empty_array;
use polars_plan::plans::{IR, is_elementwise_rec};

use super::exact::exact;
use crate::physical::arrow_type;

/// A SQL expression, resolved against the columns it may use.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    expr: Expr,
    /// The type polars gives its values.
    pub(crate) data_type: DataType,
    /// The columns it uses.
    pub(crate) inputs: Vec<String>,
}

impl Expression {
    /// Parses and resolves. `columns` are those it may use. The message of a failure is for the author of the
    /// definition.
    pub(crate) fn compile(sql: &str, columns: &[(&str, ColumnType)]) -> Result<Self, String> {
        let empty = columns
            .iter()
            .map(|(name, column_type)| {
                Series::from_arrow((*name).into(), new_empty_array(arrow_type(*column_type))).map(Column::from)
            })
            .collect::<PolarsResult<Vec<_>>>()
            .and_then(|columns| DataFrame::new(0, columns))
            .map_err(|error| words(&error))?;
        let (expr, data_type) = resolve(sql, &empty)?;
        let used = expr.clone().meta().root_names();
        let inputs = columns.iter().map(|(name, _)| *name).filter(|name| used.iter().any(|used| used == name));
        let inputs = inputs.map(str::to_owned).collect();
        Ok(Self { expr, data_type, inputs })
    }

    /// Its values over these rows. A row for which it fails is null here, and in the list with the reason.
    pub(crate) fn evaluate(&self, frame: &DataFrame) -> PolarsResult<(Series, Vec<(u32, String)>)> {
        let mut failed = Vec::new();
        let series = self.bisect(frame, 0, &mut failed)?;
        Ok((series.rechunk(), failed))
    }

    /// polars fails as a whole where one row fails, so halves are tried until the row stands alone.
    fn bisect(&self, frame: &DataFrame, first: u32, failed: &mut Vec<(u32, String)>) -> PolarsResult<Series> {
        let rows = frame.height();
        match self.values(frame) {
            Ok(series) => Ok(series),
            Err(error) if rows <= 1 => {
                failed.push((first, words(&error)));
                Ok(Series::full_null("value".into(), rows, &self.data_type))
            }
            Err(_) => {
                let half = rows / 2;
                let (before, after) =
                    (frame.slice(0, half), frame.slice(i64::try_from(half).unwrap_or(0), rows - half));
                let mut series = self.bisect(&before, first, failed)?;
                let second = first + u32::try_from(half).unwrap_or(0);
                series.append(&self.bisect(&after, second, failed)?)?;
                Ok(series)
            }
        }
    }

    fn values(&self, frame: &DataFrame) -> PolarsResult<Series> {
        let result = frame.clone().lazy().select([self.expr.clone()]).collect()?;
        let series = result.columns()[0].as_materialized_series();
        // What uses no column has one value.
        let rows = frame.height();
        Ok(if series.len() == rows {
            series.clone()
        } else if rows == 0 {
            series.clear()
        } else {
            series.new_from_index(0, rows)
        })
    }
}

/// Parses an expression and resolves it against the columns of a frame without rows: itself, named `value`, and the type
/// of its values. It sees one row at a time. The message of a failure is for the author of the definition.
pub(super) fn resolve(sql: &str, empty: &DataFrame) -> Result<(Expr, DataType), String> {
    let expr = polars::sql::sql_expr(sql).map_err(|error| words(&error))?.alias("value");
    let resolve = || -> PolarsResult<(Expr, bool, DataFrame)> {
        let expr = exact(expr, empty.schema())?;
        let lazy = empty.clone().lazy().select([expr.clone()]);
        let plan = lazy.clone().to_alp()?;
        let by_row = match plan.lp_arena.get(plan.lp_top) {
            IR::Select { expr, .. } => expr.iter().all(|expr| is_elementwise_rec(expr.node(), &plan.expr_arena)),
            _ => false,
        };
        Ok((expr, by_row, lazy.collect()?))
    };
    let (expr, by_row, result) = resolve().map_err(|error| words(&error))?;
    if !by_row || result.width() != 1 {
        return Err(
            "it looks at other rows (an aggregate, a window, or a format that is guessed): an expression sees \
                    one row alone, so that a file gives the same rows however it is cut"
                .to_owned(),
        );
    }
    let data_type = result.columns()[0].dtype().clone();
    Ok((expr, data_type))
}

/// The first line of what polars says, which is the one that helps.
pub(super) fn words(error: &PolarsError) -> String {
    let text = match error {
        PolarsError::Context { error, .. } | PolarsError::ExprContext { error, .. } => return words(error),
        error => error.to_string(),
    };
    text.lines().next().unwrap_or(&text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<(&'static str, ColumnType)> {
        vec![
            ("rent", ColumnType::Decimal { precision: 12, scale: 2 }),
            ("space", ColumnType::Decimal { precision: 8, scale: 2 }),
            ("n", ColumnType::Integer),
            ("b", ColumnType::Bigint),
            ("t", ColumnType::Varchar { bytes: 100 }),
            ("at", ColumnType::Timestamptz),
        ]
    }

    fn values(sql: &str, frame: &DataFrame) -> Result<String, String> {
        let expression = Expression::compile(sql, &columns()).unwrap();
        let (series, failed) = expression.evaluate(frame).unwrap();
        assert_eq!(series.len(), frame.height());
        match failed.first() {
            Some((_, message)) => Err(message.clone()),
            None => Ok(match series.get(0).unwrap() {
                polars::prelude::AnyValue::Float64(value) => value.to_string(),
                other => other.to_string(),
            }),
        }
    }

    fn one_row() -> DataFrame {
        let number = |name: &str, column_type, value| {
            let mut builder = crate::physical::Builder::new(column_type, 1);
            builder.push(value);
            Column::from(Series::from_arrow(name.into(), builder.finish()).unwrap())
        };
        use crate::physical::Scalar;
        let types = columns();
        DataFrame::new(
            1,
            vec![
                number("rent", types[0].1, Scalar::Decimal(171_519)),
                number("space", types[1].1, Scalar::Decimal(9_500)),
                number("n", types[2].1, Scalar::Integer(i32::MAX.into())),
                number("b", types[3].1, Scalar::Integer(i64::MAX)),
                number("t", types[4].1, Scalar::Text("abc")),
                number("at", types[5].1, Scalar::Integer(0)),
            ],
        )
        .unwrap()
    }

    #[test]
    fn arithmetic_alters_nothing_unseen() {
        let frame = one_row();
        for (sql, value) in [
            // polars alone would give 18.05 and 162943.05 cut to two digits.
            ("rent / space", "18.05463157894737"),
            ("rent * space", "162943.0500"),
            ("rent * rent", "2941876.7361"),
            ("rent * 2", "3430.38"),
            ("rent + space", "1810.19"),
            ("-rent", "-1715.19"),
            // polars alone would wrap around.
            ("n + 1", "2147483648"),
            ("n * n", "4611686014132420609"),
            ("POWER(n, 2)", "4611686014132420600"),
            ("b - 1", "9223372036854775806"),
            ("LENGTH(t)", "3"),
            ("1 + 1", "2"),
        ] {
            assert_eq!(values(sql, &frame).as_deref(), Ok(value), "{sql}");
        }
        for sql in ["b + 1", "b * b", "b + n", "0 - b - 2", "CAST(b AS INTEGER)", "CAST(t AS INTEGER)"] {
            assert!(values(sql, &frame).is_err(), "{sql}");
        }
    }

    #[test]
    fn a_row_that_fails_stands_alone() {
        let frame = |texts: &[&str]| {
            let array = polars_arrow::array::Utf8ViewArray::from_slice_values(texts).boxed();
            DataFrame::new(texts.len(), vec![Series::from_arrow("t".into(), array).unwrap().into()]).unwrap()
        };
        let expression = Expression::compile("CAST(t AS INTEGER) + 1", &columns()).unwrap();
        let (series, failed) = expression.evaluate(&frame(&["1", "x", "3", "4", "5", "y", "7"])).unwrap();
        assert_eq!(failed.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1, 5]);
        assert!(failed[1].1.contains('y') && !failed[1].1.contains('\n'), "{}", failed[1].1);
        assert_eq!((series.len(), series.null_count()), (7, 2));
        assert_eq!(series.get(6).unwrap().to_string(), "8");
    }

    #[test]
    fn what_is_no_function_of_the_row_is_refused() {
        for sql in [
            "SUM(n)",
            "COUNT(*)",
            "FIRST(n)",
            "ROW_NUMBER() OVER (ORDER BY n)",
            "LAG(n) OVER (ORDER BY n)",
            "DATE(t)",
            "(SELECT 1)",
            "n IN (SELECT n FROM read_csv('/etc/passwd'))",
            "read_csv('/etc/passwd')",
            "now()",
            "random()",
            "nosuch + 1",
            "nosuch(t)",
            "t + 1 - 'a' * at",
            "n +",
            "*",
            "COLUMNS('.*')",
            "n, b",
            "n FROM x",
            "",
        ] {
            assert!(Expression::compile(sql, &columns()).is_err(), "{sql}");
        }
        let message = Expression::compile("nosuch + 1", &columns()).unwrap_err();
        assert!(message.contains("nosuch") && message.contains("rent"), "{message}");
    }
}
