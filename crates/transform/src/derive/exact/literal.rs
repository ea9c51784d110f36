//! Numbers that an expression writes with a point, as the decimals they are.

use polars::prelude::{AnyValue, DataType, Expr, LiteralValue, Operator, Scalar, Schema};
use polars_plan::plans::DynLiteralValue;

use super::{DIGITS, operation, type_of};

/// Makes decimals of the numbers with a point among these, unless one of the others is a double: with that they are
/// doubles. `beside_decimals`: only where one of the others is a decimal.
pub(super) fn as_written(operands: &mut [Expr], schema: &Schema, beside_decimals: bool) {
    let decimals: Vec<Option<Expr>> = operands.iter().map(decimal).collect();
    let mut is_beside = !beside_decimals;
    for (operand, _) in operands.iter().zip(&decimals).filter(|(_, decimal)| decimal.is_none()) {
        match type_of(operand, schema) {
            Some(data_type) if data_type.is_float() => return,
            Some(data_type) => is_beside |= data_type.is_decimal(),
            None => return,
        }
    }
    if is_beside {
        for (operand, decimal) in operands.iter_mut().zip(decimals) {
            if let Some(decimal) = decimal {
                *operand = decimal;
            }
        }
    }
}

/// `value IN (list)` for a decimal and numbers with a point, as comparisons: polars would round the list to the decimals'
/// scale.
pub(super) fn equal_to_one(value: &Expr, list: &Expr, schema: &Schema) -> Option<Expr> {
    let values = list.into_iter().find_map(|expr| match expr {
        Expr::Literal(LiteralValue::Series(values)) if values.dtype().is_float() => Some(values),
        _ => None,
    })?;
    let comparisons = values.f64().ok()?.iter().flatten().map(|one| {
        let one = exactly(one)?;
        let types = [type_of(value, schema), type_of(&one, schema)];
        operation(value.clone(), Operator::Eq, one, types).ok()
    });
    comparisons.collect::<Option<Vec<_>>>()?.into_iter().reduce(Expr::or)
}

/// The decimal that a literal writes, where it is one with a point.
fn decimal(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Literal(LiteralValue::Dyn(DynLiteralValue::Float(value))) => exactly(*value),
        _ => None,
    }
}

/// The shortest digits that read back as the same double are those that were written: the check of the definition refuses
/// literals of which a double keeps fewer. `None` where a decimal does not hold them.
fn exactly(value: f64) -> Option<Expr> {
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = format!("{whole}{fraction}");
    if digits.trim_start_matches('-').len() > DIGITS {
        return None;
    }
    let decimal = AnyValue::Decimal(digits.parse().ok()?, DIGITS, fraction.len());
    let scalar = Scalar::new(DataType::Decimal(DIGITS, fraction.len()), decimal);
    Some(Expr::Literal(LiteralValue::Scalar(scalar)))
}
