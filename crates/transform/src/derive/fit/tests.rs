//! Results fit their columns as they are, or not at all.

use super::*;

fn fits(cell: Cell<'static>, column_type: &str) -> Result<Scalar<'static>, Rule> {
    fit(cell, ColumnType::parse(column_type).unwrap()).map_err(|misfit| misfit.rule)
}

#[test]
fn numbers_arrive_unchanged_or_not_at_all() {
    assert_eq!(fits(Cell::Float(3.0), "integer"), Ok(Scalar::Integer(3)));
    assert_eq!(fits(Cell::Float(3.5), "integer"), Err(Rule::Expression));
    assert_eq!(fits(Cell::Float(1e300), "bigint"), Err(Rule::Range));
    assert_eq!(fits(Cell::Integer(40_000), "smallint"), Err(Rule::Range));
    assert_eq!(fits(Cell::Integer(i128::from(i64::MIN)), "bigint"), Ok(Scalar::Integer(i64::MIN)));
    assert_eq!(fits(Cell::Decimal { unscaled: 300, scale: 2 }, "integer"), Ok(Scalar::Integer(3)));
    assert_eq!(fits(Cell::Decimal { unscaled: 301, scale: 2 }, "integer"), Err(Rule::Expression));
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for column_type in ["double", "real", "integer", "decimal(9,2)"] {
            assert_eq!(fits(Cell::Float(number), column_type), Err(Rule::Expression), "{column_type}");
        }
    }
    assert_eq!(fits(Cell::Float(1e39), "real"), Err(Rule::Range));
    assert_eq!(fits(Cell::Float(1e-60), "real"), Err(Rule::Range), "not zero");
    assert_eq!(fits(Cell::Decimal { unscaled: 171_519, scale: 2 }, "double"), Ok(Scalar::Float(1715.19)));
}

#[test]
fn decimals_are_exact_or_rejected() {
    assert_eq!(fits(Cell::Float(12.35), "decimal(4,2)"), Ok(Scalar::Decimal(1235)));
    assert_eq!(fits(Cell::Float(-0.05), "decimal(4,2)"), Ok(Scalar::Decimal(-5)));
    assert_eq!(fits(Cell::Float(12.345), "decimal(4,2)"), Err(Rule::Precision));
    assert_eq!(fits(Cell::Float(100.0), "decimal(4,2)"), Err(Rule::Range));
    assert_eq!(fits(Cell::Float(1e300), "decimal(38,2)"), Err(Rule::Range));
    assert_eq!(fits(Cell::Float(1e-7), "decimal(38,2)"), Err(Rule::Precision));
    assert_eq!(fits(Cell::Integer(7), "decimal(4,2)"), Ok(Scalar::Decimal(700)));
    assert_eq!(fits(Cell::Decimal { unscaled: 12_340, scale: 3 }, "decimal(4,2)"), Ok(Scalar::Decimal(1234)));
    assert_eq!(fits(Cell::Decimal { unscaled: 12_345, scale: 3 }, "decimal(4,2)"), Err(Rule::Precision));
    assert_eq!(fits(Cell::Decimal { unscaled: i128::MAX, scale: 0 }, "decimal(38,2)"), Err(Rule::Range));
}

/// What a double or a single may have rounded is not passed for exact.
#[test]
fn whole_numbers_go_through_floats_unchanged_or_not_at_all() {
    const EDGE: i64 = 1 << 53;
    for sign in [1.0, -1.0] {
        assert_eq!(fits(Cell::Float(sign * 9_007_199_254_740_992.0), "bigint"), Err(Rule::Precision));
        assert_eq!(fits(Cell::Float(sign * 9_007_199_254_740_992.0), "decimal(18,0)"), Err(Rule::Precision));
        assert_eq!(fits(Cell::Float(sign * 90_071_992_547_409.92), "decimal(18,2)"), Err(Rule::Precision));
        assert!(fits(Cell::Float(sign * 9_007_199_254_740_991.0), "bigint").is_ok());
        assert!(fits(Cell::Float(sign * 90_071_992_547_409.9), "decimal(18,2)").is_ok());
        assert!(fits(Cell::Float(sign * 1234.5), "decimal(38,30)").is_ok(), "few digits are sure");
    }
    assert_eq!(fits(Cell::Integer((EDGE + 1).into()), "double"), Err(Rule::Precision));
    assert_eq!(fits(Cell::Integer((EDGE + 2).into()), "double"), Ok(Scalar::Float(9_007_199_254_740_994.0)));
    assert_eq!(fits(Cell::Integer(16_777_217), "real"), Err(Rule::Precision));
    assert_eq!(fits(Cell::Integer(16_777_218), "real"), Ok(Scalar::Float(16_777_218.0)));
    assert_eq!(fits(Cell::Decimal { unscaled: i128::from(EDGE + 1) * 10, scale: 1 }, "double"), Err(Rule::Precision));
    assert_eq!(fits(Cell::Float(0.1), "real"), Ok(Scalar::Float(f64::from(0.1_f32))), "fractions are approximate");
}

#[test]
fn texts_are_measured_in_bytes() {
    assert_eq!(fits(Cell::Text("äö"), "varchar(4)"), Ok(Scalar::Text("äö")));
    assert_eq!(fits(Cell::Text("äö"), "varchar(3)"), Err(Rule::Length));
    assert_eq!(fits(Cell::Text("a\0"), "varchar(3)"), Err(Rule::Nul));
    assert_eq!(fits(Cell::Text("{\"a\":1}"), "json"), Ok(Scalar::Text("{\"a\":1}")));
    assert_eq!(fits(Cell::Text("{a}"), "json"), Err(Rule::Expression));
}
