//! Floating point numbers as people read them, with the fewest digits that read back as the same number.

/// A double.
pub(crate) fn double(value: f64) -> String {
    if value.is_infinite() {
        return infinity(value > 0.0);
    }
    if value == 0.0 || (1e-5..1e16).contains(&value.abs()) { value.to_string() } else { format!("{value:e}") }
}

/// A single.
pub(crate) fn single(value: f32) -> String {
    if value.is_infinite() {
        return infinity(value > 0.0);
    }
    if value == 0.0 || (1e-5..1e16).contains(&value.abs()) { value.to_string() } else { format!("{value:e}") }
}

fn infinity(is_positive: bool) -> String {
    if is_positive { "Infinity" } else { "-Infinity" }.to_owned()
}
