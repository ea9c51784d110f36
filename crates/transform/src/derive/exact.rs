//! Arithmetic of SQL expressions that never alters a number unseen.
//!
//! Left alone, polars wraps integers around where they overflow, rounds products and quotients of decimals to the larger
//! scale of the two, takes `1.15` for the double next to it, and rounds halves to the even digit. Here integers overflow
//! into an error (which rejects the record), products of decimals keep all their digits, a number with a point is the
//! decimal that is written among whole numbers and decimals, halves are rounded away from zero, and division gives a
//! double, as in DuckDB; who wants a decimal of it rounds it himself.

mod literal;

use polars::prelude::{DataType, Expr, Operator, PolarsResult, RoundMode, Schema};
use polars_error::polars_bail;
use polars_plan::dsl::{BooleanFunction, FunctionExpr};

use self::literal::{as_written, equal_to_one};

/// The most digits of a decimal.
const DIGITS: usize = 38;

/// Rewrites every operation whose types make it inexact. Types are those under `schema`.
pub(crate) fn exact(expr: Expr, schema: &Schema) -> PolarsResult<Expr> {
    expr.try_map_expr(|expr| {
        Ok(match expr {
            Expr::BinaryExpr { left, op, right } => {
                let mut sides = [(*left).clone(), (*right).clone()];
                if !matches!(op, Operator::TrueDivide | Operator::RustDivide | Operator::FloorDivide) {
                    as_written(&mut sides, schema, !is_arithmetic(op));
                }
                let types = sides.each_ref().map(|side| type_of(side, schema));
                let [left, right] = sides;
                operation(left, op, right, types)?
            }
            Expr::Ternary { predicate, truthy, falsy } => {
                let mut branches = [(*truthy).clone(), (*falsy).clone()];
                as_written(&mut branches, schema, false);
                let [truthy, falsy] = alike(branches, schema);
                Expr::Ternary { predicate, truthy: truthy.into(), falsy: falsy.into() }
            }
            Expr::Cast { expr, dtype, options } => {
                let to_decimal = dtype.as_literal().is_some_and(DataType::is_decimal);
                let mut inner = [(*expr).clone()];
                if to_decimal {
                    as_written(&mut inner, schema, false);
                }
                let [inner] = inner;
                Expr::Cast { expr: inner.into(), dtype, options }
            }
            Expr::Function { input, function } => of_function(input, function, schema),
            other => other,
        })
    })
}

/// `None` where it does not resolve, which resolving the whole expression will say better.
fn type_of(expr: &Expr, schema: &Schema) -> Option<DataType> {
    expr.to_field(schema).ok().map(|field| field.dtype)
}

fn is_arithmetic(op: Operator) -> bool {
    matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply)
}

fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, EqValidity, Gt, GtEq, Lt, LtEq, NotEq, NotEqValidity};
    matches!(op, Eq | EqValidity | NotEq | NotEqValidity | Lt | LtEq | Gt | GtEq)
}

fn operation(left: Expr, op: Operator, right: Expr, types: [Option<DataType>; 2]) -> PolarsResult<Expr> {
    let plain = |left, right| binary(left, op, right);
    let [Some(left_type), Some(right_type)] = types else { return Ok(plain(left, right)) };
    if left_type.is_integer() && right_type.is_integer() {
        return Ok(if !is_arithmetic(op) {
            plain(left, right)
        } else if wide(&left_type) || wide(&right_type) {
            // Two of 64 bits fit 38 digits whatever is done to them once.
            let decimal = DataType::Decimal(DIGITS, 0);
            plain(left.strict_cast(decimal.clone()), right.strict_cast(decimal)).strict_cast(DataType::Int64)
        } else {
            plain(left.cast(DataType::Int64), right.cast(DataType::Int64))
        });
    }
    let (left_scale, right_scale) = (scale_of(&left_type), scale_of(&right_type));
    Ok(match (op, left_scale, right_scale) {
        (Operator::Multiply, Some(one), Some(other)) => {
            let scale = one + other;
            if scale > DIGITS {
                polars_bail!(
                    InvalidOperation: "a product of numbers with {one} and {other} digits after the point has more than \
                    the {DIGITS} that are kept; CAST one of them to a decimal of fewer"
                );
            }
            plain(left.strict_cast(DataType::Decimal(DIGITS, scale)), whole_as_decimal(right, &right_type))
        }
        (Operator::Plus | Operator::Minus, Some(_), Some(_)) => {
            plain(whole_as_decimal(left, &left_type), whole_as_decimal(right, &right_type))
        }
        (_, Some(one), Some(other)) if is_comparison(op) => {
            let common = DataType::Decimal(DIGITS, one.max(other));
            plain(left.strict_cast(common.clone()), right.strict_cast(common))
        }
        (Operator::TrueDivide | Operator::RustDivide, ..) if left_type.is_decimal() || right_type.is_decimal() => {
            plain(left.cast(DataType::Float64), right.cast(DataType::Float64))
        }
        _ => plain(left, right),
    })
}

fn of_function(mut input: Vec<Expr>, function: FunctionExpr, schema: &Schema) -> Expr {
    match function {
        FunctionExpr::Pow(_) => {
            if let Some(base) = input.first_mut() {
                *base = base.clone().cast(DataType::Float64);
            }
        }
        FunctionExpr::Round { decimals, .. } => {
            as_written(&mut input, schema, false);
            let function = FunctionExpr::Round { decimals, mode: RoundMode::HalfAwayFromZero };
            return Expr::Function { input, function };
        }
        FunctionExpr::Truncate { .. } => as_written(&mut input, schema, false),
        FunctionExpr::Coalesce | FunctionExpr::MaxHorizontal | FunctionExpr::MinHorizontal => {
            as_written(&mut input, schema, false);
            input = alike(input, schema);
        }
        FunctionExpr::Boolean(BooleanFunction::IsIn { .. }) => {
            if let [value, list] = input.as_slice()
                && type_of(value, schema).is_some_and(|data_type| data_type.is_decimal())
                && let Some(comparisons) = equal_to_one(value, list, schema)
            {
                return comparisons;
            }
        }
        _ => {}
    }
    Expr::Function { input, function }
}

/// Values of which one is taken, as decimals of one scale where all of them are counted in tens and one is a decimal:
/// polars makes null of what a common type does not hold.
fn alike<E: AsMut<[Expr]>>(mut values: E, schema: &Schema) -> E {
    let types: Vec<_> = values.as_mut().iter().map(|value| type_of(value, schema)).collect();
    let known = || types.iter().flatten().filter(|data_type| !data_type.is_null());
    let scale = known().map(scale_of).collect::<Option<Vec<_>>>().and_then(|scales| scales.into_iter().max());
    if let Some(scale) = scale
        && known().any(DataType::is_decimal)
    {
        for (value, data_type) in values.as_mut().iter_mut().zip(&types) {
            if data_type.as_ref().is_some_and(|data_type| !data_type.is_null()) {
                *value = value.clone().strict_cast(DataType::Decimal(DIGITS, scale));
            }
        }
    }
    values
}

/// How many digits behind the point numbers of a type have, where it counts in tens.
fn scale_of(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Decimal(_, scale) => Some(*scale),
        other => other.is_integer().then_some(0),
    }
}

fn whole_as_decimal(expr: Expr, data_type: &DataType) -> Expr {
    if data_type.is_integer() { expr.strict_cast(DataType::Decimal(DIGITS, 0)) } else { expr }
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
