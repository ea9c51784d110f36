//! Numbers as they are written: read once into digits and a power of ten, from which every type is made exactly.

use lakehand_domain::reject::Rule;

use super::complaint::Complaint;

/// A number's digits and power of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Number {
    /// All significant digits, unless `wide`.
    pub(crate) mantissa: u64,
    /// The power of ten by which all digits together are multiplied.
    pub(crate) exponent: i32,
    /// Whether it has a minus.
    pub(crate) negative: bool,
    /// Whether it is written with a point or an exponent.
    pub(crate) fractional: bool,
    /// Whether it has more digits than the mantissa holds: the text must be read again.
    pub(crate) wide: bool,
}

/// How many digits always fit a mantissa.
const MANTISSA_DIGITS: u32 = 19;
/// Written exponents beyond this are as good as infinite.
const EXPONENT_LIMIT: i32 = 1_000_000;

/// Powers of ten that a double holds exactly.
const POWERS_F64: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Powers of ten below the first that signed 64 bits do not hold.
const POWERS_U64: [u64; 19] = {
    let mut powers = [1; 19];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Reads a number at a place by the grammar of JSON. Ok is where it ends; Err is where it goes wrong.
#[inline]
pub(crate) fn scan(bytes: &[u8], at: usize) -> Result<(usize, Number), usize> {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(b'\n');
    let mut number = Number::default();
    let mut digits = 0;
    let mut at = at;
    if byte(at) == b'-' {
        number.negative = true;
        at += 1;
    }
    match byte(at) {
        b'0' => at += 1,
        b'1'..=b'9' => at = take_digits(bytes, at, &mut number, &mut digits),
        _ => return Err(at),
    }
    if byte(at) == b'.' {
        number.fractional = true;
        let start = at + 1;
        at = take_digits(bytes, start, &mut number, &mut digits);
        if at == start {
            return Err(at);
        }
        number.exponent = i32::try_from(start).unwrap_or(0).wrapping_sub(i32::try_from(at).unwrap_or(0));
    }
    if matches!(byte(at), b'e' | b'E') {
        at = take_exponent(bytes, at, &mut number)?;
    }
    number.wide = digits > MANTISSA_DIGITS;
    Ok((at, number))
}

/// Reads a whole text as a number: as JSON writes them, and also with a plus, with leading zeros, and without digits on
/// one side of the point.
pub(crate) fn parse(text: &str) -> Option<Number> {
    let bytes = text.as_bytes();
    let mut number = Number::default();
    let mut digits = 0;
    let mut at = 0;
    if let Some(sign @ (b'-' | b'+')) = bytes.first() {
        number.negative = *sign == b'-';
        at = 1;
    }
    let whole = at;
    at = take_digits(bytes, at, &mut number, &mut digits);
    let mut seen = at - whole;
    if bytes.get(at) == Some(&b'.') {
        number.fractional = true;
        let start = at + 1;
        at = take_digits(bytes, start, &mut number, &mut digits);
        seen += at - start;
        number.exponent = -i32::try_from(at - start).ok()?;
    }
    if seen == 0 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at = take_exponent(bytes, at, &mut number).ok()?;
    }
    number.wide = digits > MANTISSA_DIGITS;
    (at == bytes.len()).then_some(number)
}

/// Whether a text is how NaN or an infinity is written.
pub(crate) fn is_unreal(text: &str) -> bool {
    let name = text.strip_prefix(['-', '+']).unwrap_or(text);
    ["nan", "inf", "infinity"].iter().any(|unreal| name.eq_ignore_ascii_case(unreal))
}

/// Takes digits into the mantissa; `significant` counts them from the first that is not zero.
#[inline]
fn take_digits(bytes: &[u8], mut at: usize, number: &mut Number, significant: &mut u32) -> usize {
    while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        number.mantissa = number.mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        *significant += u32::from(*significant > 0 || digit > 0);
        at += 1;
    }
    at
}

/// Takes `e`, a sign and digits.
fn take_exponent(bytes: &[u8], at: usize, number: &mut Number) -> Result<usize, usize> {
    number.fractional = true;
    let mut at = at + 1;
    let sign = bytes.get(at).copied().unwrap_or(b'\n');
    if matches!(sign, b'+' | b'-') {
        at += 1;
    }
    let start = at;
    let mut exponent = 0i32;
    while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        exponent = (exponent * 10 + i32::from(digit)).min(EXPONENT_LIMIT);
        at += 1;
    }
    if at == start {
        return Err(at);
    }
    number.exponent += if sign == b'-' { -exponent } else { exponent };
    Ok(at)
}

impl Number {
    /// As an integer between these, exactly.
    #[inline]
    pub(crate) fn integer(self, least: i64, greatest: i64) -> Result<i64, Complaint> {
        if self.fractional {
            return Err(Complaint::new(Rule::Type, "is written with a point or an exponent, and is no whole number"));
        }
        let value = if self.negative { -i128::from(self.mantissa) } else { i128::from(self.mantissa) };
        match i64::try_from(value) {
            Ok(value) if !self.wide && (least..=greatest).contains(&value) => Ok(value),
            _ => Err(Complaint::owned(Rule::Range, format!("is not between {least} and {greatest}"))),
        }
    }

    /// As an integer of 64 bits, where it is written as one of at most 18 digits.
    #[inline]
    pub(crate) fn ordinary_integer(self) -> Option<i64> {
        let value = i64::try_from(self.mantissa).ok().filter(|_| !self.fractional && !self.wide)?;
        Some(if self.negative { -value } else { value })
    }

    /// As a double, where that takes one operation on two numbers that doubles hold exactly: it rounds correctly.
    #[inline]
    #[allow(clippy::cast_precision_loss, reason = "mantissas up to 2^53 are exact; there is no value of others here")]
    pub(crate) fn ordinary_double(self) -> Option<f64> {
        let power = POWERS_F64.get(self.exponent.unsigned_abs() as usize)?;
        if self.wide || self.mantissa > 1 << 53 {
            return None;
        }
        let magnitude = self.mantissa as f64;
        let magnitude = if self.exponent < 0 { magnitude / power } else { magnitude * power };
        Some(if self.negative { -magnitude } else { magnitude })
    }

    /// As the unscaled integer of a decimal, where it has no more digits behind the point than that and 64 bits hold it.
    #[inline]
    pub(crate) fn ordinary_decimal(self, precision: u8, scale: u8) -> Option<i64> {
        let shift = usize::try_from(self.exponent + i32::from(scale)).ok()?;
        let limit = POWERS_U64.get(usize::from(precision)).unwrap_or(&POWERS_U64[18]);
        let unscaled = self.mantissa.checked_mul(*POWERS_U64.get(shift)?).filter(|value| value < limit)?;
        let unscaled = i64::try_from(unscaled).ok().filter(|_| !self.wide)?;
        Some(if self.negative { -unscaled } else { unscaled })
    }

    /// As a double: correctly rounded where it is written with a point or an exponent, exactly where it is a whole number.
    /// `text` is the number as written.
    #[inline]
    pub(crate) fn double(self, text: &str) -> Result<f64, Complaint> {
        match self.ordinary_double() {
            Some(value) => Ok(value),
            None => self.held(text.parse().ok(), text, false),
        }
    }

    /// As a single by the same rules, in a double that holds it exactly.
    pub(crate) fn real(self, text: &str) -> Result<f64, Complaint> {
        self.held(text.parse::<f32>().ok().map(f64::from), text, true)
    }

    /// The value next to the number, where it may stand for it.
    fn held(self, value: Option<f64>, text: &str, is_single: bool) -> Result<f64, Complaint> {
        let what = if is_single { "a real" } else { "a double" };
        let Some(value) = value.filter(|value| value.is_finite()) else {
            return Err(Complaint::owned(Rule::Range, format!("is beyond what {what} can hold")));
        };
        if value == 0.0 && (self.mantissa != 0 || self.wide) {
            return Err(Complaint::owned(Rule::Range, format!("is not zero, and nearer to it than {what} can be")));
        }
        // Below this every whole number is a single.
        if !self.fractional && (self.wide || self.mantissa > 1 << 24) {
            let digits = text.trim_start_matches(['-', '+']).trim_start_matches('0');
            if !stands_for(value, is_single, digits) {
                let message = format!(
                    "is a whole number that {what} does not hold exactly, {value:.0} being the nearest; declare the \
                     column as bigint or decimal, or deliver it with a point or an exponent if it is approximate"
                );
                return Err(Complaint::owned(Rule::Precision, message));
            }
        }
        Ok(value)
    }

    /// The same number without zeros at the end of what stands behind its point. `text` is the number as written.
    pub(crate) fn without_zeros(self, text: &str) -> Self {
        let Some((whole, fraction)) = text.split_once('.') else { return self };
        let is_whole = fraction.bytes().all(|byte| byte == b'0');
        scan(whole.as_bytes(), 0).ok().filter(|_| is_whole).map_or(self, |(_, number)| number)
    }

    /// As the unscaled integer of a decimal, exactly. `text` is the number as written.
    #[inline]
    pub(crate) fn decimal(self, text: &str, precision: u8, scale: u8) -> Result<i128, Complaint> {
        let (mantissa, exponent) =
            if self.wide { wide_digits(text, self.exponent)? } else { (u128::from(self.mantissa), self.exponent) };
        if mantissa == 0 {
            return Ok(0);
        }
        let too_many = || {
            let most = u32::from(precision - scale);
            Complaint::owned(Rule::Precision, format!("has more than {most} digits before the point"))
        };
        let shift = exponent + i32::from(scale);
        let unscaled = if shift >= 0 {
            power(shift).and_then(|power| mantissa.checked_mul(power)).ok_or_else(too_many)?
        } else {
            match power(-shift) {
                Some(power) if mantissa.is_multiple_of(power) => mantissa / power,
                _ => {
                    let message = format!("has more than {scale} digits after the point");
                    return Err(Complaint::owned(Rule::Precision, message));
                }
            }
        };
        if power(i32::from(precision)).is_some_and(|limit| unscaled >= limit) {
            return Err(too_many());
        }
        let unscaled = i128::try_from(unscaled).map_err(|_| too_many())?;
        Ok(if self.negative { -unscaled } else { unscaled })
    }
}

/// Whether a double, or a single, is the whole number of these digits, or is written as it: programs that have nothing but
/// doubles write the shortest digits that read back, and zeros behind them.
#[expect(clippy::cast_possible_truncation, reason = "a single in a double is a single")]
pub(crate) fn stands_for(value: f64, is_single: bool, digits: &str) -> bool {
    let value = value.abs();
    let shortest = if is_single { (value as f32).to_string() } else { value.to_string() };
    shortest == digits || format!("{value:.0}") == digits
}

/// Ten to this power, where 128 bits hold it.
fn power(exponent: i32) -> Option<u128> {
    u32::try_from(exponent).ok().and_then(|exponent| 10u128.checked_pow(exponent))
}

/// The digits of a number of more than nineteen, trailing zeros moved into the exponent.
fn wide_digits(text: &str, exponent: i32) -> Result<(u128, i32), Complaint> {
    let written = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: Vec<u8> = written.bytes().filter(u8::is_ascii_digit).collect();
    let kept = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
    let zeros = i32::try_from(digits.len() - kept).unwrap_or(i32::MAX / 2);
    let mut mantissa = 0u128;
    for digit in &digits[..kept] {
        mantissa = mantissa
            .checked_mul(10)
            .and_then(|mantissa| mantissa.checked_add(u128::from(digit - b'0')))
            .ok_or_else(|| Complaint::new(Rule::Precision, "has more than 38 digits"))?;
    }
    Ok((mantissa, exponent + zeros))
}

#[cfg(test)]
mod tests;
