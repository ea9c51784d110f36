//! Arithmetic of SQL expressions that never alters a number unseen.
//!
//! Left alone, polars wraps integers around where they overflow, and rounds products and quotients of decimals to the
//! larger scale of the two. Here integers overflow into an error (which rejects the record), products of decimals keep
//! all their digits, and division gives a double, as DuckDB's does; who wants a decimal of it rounds it himself.

use polars::prelude::{DataType, Expr, Operator, PolarsResult, Schema};
use polars_plan::dsl::FunctionExpr;

/// The most digits of a decimal.
const DIGITS: usize = 38;

/// Rewrites every operation whose types make it inexact. Types are those under `schema`.
pub(crate) fn exact(expr: Expr, schema: &Schema) -> PolarsResult<Expr> {
    expr.try_map_expr(|expr| {
        Ok(match expr {
            Expr::BinaryExpr { left, op, right } => {
                let types = (type_of(&left, schema), type_of(&right, schema));
                let (left, right) = ((*left).clone(), (*right).clone());
                operation(left, op, right, types)
            }
            Expr::Function { mut input, function: function @ FunctionExpr::Pow(_) } => {
                if let Some(base) = input.first_mut() {
                    *base = base.clone().cast(DataType::Float64);
                }
                Expr::Function { input, function }
            }
            other => other,
        })
    })
}

/// `None` where it does not resolve, which resolving the whole expression will say better.
fn type_of(expr: &Expr, schema: &Schema) -> Option<DataType> {
    expr.to_field(schema).ok().map(|field| field.dtype)
}

fn operation(left: Expr, op: Operator, right: Expr, types: (Option<DataType>, Option<DataType>)) -> Expr {
    let plain = |left, right| binary(left, op, right);
    let (Some(left_type), Some(right_type)) = types else { return plain(left, right) };
    let integers = left_type.is_integer() && right_type.is_integer();
    match op {
        Operator::Plus | Operator::Minus | Operator::Multiply if integers => {
            if wide(&left_type) || wide(&right_type) {
                // Two of 64 bits fit 38 digits whatever is done to them once.
                let decimal = DataType::Decimal(DIGITS, 0);
                plain(left.strict_cast(decimal.clone()), right.strict_cast(decimal)).strict_cast(DataType::Int64)
            } else {
                plain(left.cast(DataType::Int64), right.cast(DataType::Int64))
            }
        }
        Operator::Multiply => match (&left_type, &right_type) {
            (DataType::Decimal(_, left_scale), DataType::Decimal(_, right_scale))
                if *left_scale > 0 && *right_scale > 0 && left_scale + right_scale <= DIGITS =>
            {
                let scale = left_scale + right_scale;
                plain(left.strict_cast(DataType::Decimal(DIGITS, scale)), right)
            }
            _ => plain(left, right),
        },
        Operator::TrueDivide | Operator::RustDivide if decimal(&left_type) || decimal(&right_type) => {
            plain(left.cast(DataType::Float64), right.cast(DataType::Float64))
        }
        _ => plain(left, right),
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr { left: left.into(), op, right: right.into() }
}

fn wide(data_type: &DataType) -> bool {
    !matches!(
        data_type,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32
    )
}

fn decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal(..))
}
