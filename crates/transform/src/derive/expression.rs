//! SQL of a definition into an expression that looks at one row at a time.

use lakehand_domain::reject::Rule;
use lakehand_domain::shape::ColumnType;
use polars::prelude::{Column, DataFrame, DataType, Expr, IntoLazy, PolarsError, PolarsResult, Series};
use polars_arrow::array::new_empty_array;
use polars_plan::plans::{IR, is_elementwise_rec};

use super::Misfit;
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
    pub(crate) fn evaluate(&self, frame: &DataFrame) -> PolarsResult<(Series, Vec<(u32, Misfit)>)> {
        let mut failed = Vec::new();
        let series = self.bisect(frame, 0, &mut failed)?;
        Ok((series.rechunk(), failed))
    }

    /// polars fails as a whole where one row fails, so halves are tried until the row stands alone.
    fn bisect(&self, frame: &DataFrame, first: u32, failed: &mut Vec<(u32, Misfit)>) -> PolarsResult<Series> {
        let rows = frame.height();
        match self.values(frame) {
            Ok(series) => Ok(series),
            Err(error) if rows <= 1 => {
                failed.push((first, failure(&error)));
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

/// Why an expression fails for a row.
fn failure(error: &PolarsError) -> Misfit {
    let words = words(error);
    let (message, value) = match cast(&words) {
        Some((value, column_type)) => {
            let message = format!(
                "{value} cannot be CAST to {column_type}; deliver what can, or handle it in the expression (CASE WHEN …)"
            );
            (message, Some(value.trim_matches('"').to_owned()))
        }
        None => (format!("the expression fails for this record: {words}"), None),
    };
    Misfit { rule: Rule::Expression, message, value }
}

/// The value and the type in ``conversion from `str` to `i32` failed in column 't' for 1 out of 1 values: ["x"]``.
fn cast(words: &str) -> Option<(&str, String)> {
    let (_, rest) = words.split_once("conversion from `")?.1.split_once("` to `")?;
    let (data_type, rest) = rest.split_once("` failed")?;
    let value = rest.split_once(" values: [")?.1.strip_suffix(']')?;
    let name = data_type.split('[').next().unwrap_or(data_type);
    let column_type = match name {
        "i8" | "i16" => "smallint",
        "i32" => "integer",
        "i64" => "bigint",
        "f32" => "real",
        "f64" => "double",
        "bool" => "boolean",
        "date" => "date",
        "datetime" => "timestamp",
        "decimal" => return Some((value, data_type.replace('[', "(").replace(']', ")"))),
        other => other,
    };
    Some((value, column_type.to_owned()))
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
            Some((_, misfit)) => Err(misfit.message.clone()),
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
            // A double would give 1972.4684999999997.
            ("rent * 1.15", "1972.4685"),
            ("1.15 * rent", "1972.4685"),
            ("rent * (1 + 0.15)", "1972.4685"),
            ("rent * -0.15", "-257.2785"),
            ("rent * CASE WHEN n > 0 THEN 0.15 ELSE 0.07 END", "257.2785"),
            ("rent + 0.001", "1715.191"),
            ("CAST(rent AS DOUBLE) + 0.5", "1715.69"),
            ("0.1 + 0.2", "0.3"),
            ("b * 1.0", "9223372036854775807"),
            ("ROUND(b * 1.0)", "9223372036854775807"),
            ("CASE WHEN n > 0 THEN b ELSE 0.5 END", "9223372036854775807.0"),
            ("COALESCE(b, 0.5)", "9223372036854775807.0"),
            ("GREATEST(b, 0.5)", "9223372036854775807.0"),
            ("CAST(0.15 AS DECIMAL(4,2))", "0.15"),
            ("CAST('0.12345678901234567891' AS DECIMAL(38,20))", "0.12345678901234567891"),
            // Halves away from zero.
            ("ROUND(0.125 * rent / rent, 2)", "0.13"),
            ("ROUND(space * 0.0005, 2)", "0.050000"),
            ("ROUND(space * 0.0007, 3)", "0.067000"),
            ("ROUND(space * -0.0007, 3)", "-0.067000"),
            ("ROUND(1.005, 2)", "1.010"),
            ("TRUNCATE(rent, 1)", "1715.10"),
            ("SQRT(space * 0.01) > 0.97", "true"),
            ("LN(space * 0.01) < 0", "true"),
            ("rent = 1715.19", "true"),
            ("rent > 1715.1899", "true"),
            ("rent BETWEEN 1715.1899 AND 1715.1901", "true"),
            ("rent IN (1.5, 1715.19)", "true"),
            ("rent IN (1715.194)", "false"),
            ("rent NOT IN (1715.194, NULL)", "null"),
            ("NULLIF(rent, 1715.19)", "null"),
            ("FLOOR(rent * 1.0)", "1715.00"),
            ("ABS(rent * -1.0)", "1715.19"),
        ] {
            assert_eq!(values(sql, &frame).as_deref(), Ok(value), "{sql}");
        }
        let product =
            Expression::compile("rent * rent * rent * rent * rent * rent * rent * rent * rent * rent", &columns());
        assert!(product.is_ok(), "20 digits behind the point");
        let message = Expression::compile("CAST(rent AS DECIMAL(38,20)) * CAST(rent AS DECIMAL(38,20))", &columns());
        assert!(message.unwrap_err().contains("CAST one of them to a decimal of fewer"));
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
        let misfit = &failed[1].1;
        assert!(misfit.message.starts_with("\"y\" cannot be CAST to integer; "), "{}", misfit.message);
        assert_eq!(misfit.value.as_deref(), Some("y"));
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
