//! Numbers with units: sizes in bytes, limits of rejects, and durations.

use std::time::Duration;

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::{DeArray, DeValue};

use super::read::{Read, Reader, integer};
use crate::dataset::MaxRejects;

/// A size in bytes, written as an integer or as a text with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) u64);

impl ByteSize {
    /// Reads `64MB`, `1.5 GiB`, `512`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let unit: u64 = match text[digits..].trim() {
            "" | "B" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return None,
        };
        let (whole, fraction) = text[..digits].split_once('.').unwrap_or((&text[..digits], ""));
        if fraction.len() > 6 || (text[..digits].contains('.') && fraction.is_empty()) {
            return None;
        }
        let mut bytes = whole.parse::<u64>().ok()?.checked_mul(unit)?;
        if !fraction.is_empty() {
            let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
            let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(unit) / scale;
            bytes = bytes.checked_add(u64::try_from(part).ok()?)?;
        }
        Some(Self(bytes))
    }
}

impl Read for ByteSize {
    fn read(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let size = match value.get_ref() {
            DeValue::String(text) => Self::parse(text),
            other => integer(other).and_then(|bytes| u64::try_from(bytes).ok()).map(Self),
        };
        let size = size.filter(|size| size.0 > 0);
        if size.is_none() {
            reader.wrong(value, "a size such as \"64MB\" (kB, MB, GB, KiB, MiB, GiB) or a number of bytes");
        }
        size
    }

    fn schema() -> Json {
        json!({ "oneOf": [
            { "type": "integer", "minimum": 1 },
            { "type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,6})? *(B|[kK]B|MB|GB|TB|KiB|MiB|GiB|TiB)?$" },
        ] })
    }
}

/// The most rejects a file may have, written as an integer or as a share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RejectLimit(pub(crate) MaxRejects);

impl RejectLimit {
    /// Reads `5%`, `0.25%`, and plain numbers in quotes.
    fn parse(text: &str) -> Option<Self> {
        let Some(share) = text.trim().strip_suffix('%') else {
            return text.trim().parse().ok().map(|count| Self(MaxRejects::Count(count)));
        };
        let (whole, fraction) = share.trim().split_once('.').unwrap_or((share.trim(), "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 2 {
            return None;
        }
        let points = whole.parse::<u32>().ok()?.checked_mul(100)? + format!("{fraction:0<2}").parse::<u32>().ok()?;
        (points <= 10_000).then_some(Self(MaxRejects::BasisPoints(points)))
    }
}

impl RejectLimit {
    fn one(value: &DeValue<'_>) -> Option<Self> {
        match value {
            DeValue::String(text) => Self::parse(text),
            other => {
                integer(other).and_then(|count| u64::try_from(count).ok()).map(|count| Self(MaxRejects::Count(count)))
            }
        }
    }

    /// A share and a number, in either order.
    fn both(list: &DeArray<'_>) -> Option<Self> {
        let limits: Vec<_> = list.iter().filter_map(|value| Self::one(value.get_ref())).collect();
        match limits.as_slice() {
            [Self(MaxRejects::BasisPoints(points)), Self(MaxRejects::Count(count))]
            | [Self(MaxRejects::Count(count)), Self(MaxRejects::BasisPoints(points))]
                if list.len() == 2 =>
            {
                Some(Self(MaxRejects::Both { basis_points: *points, count: *count }))
            }
            _ => None,
        }
    }
}

impl Read for RejectLimit {
    fn read(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let limit = match value.get_ref() {
            DeValue::Array(list) => Self::both(list),
            other => Self::one(other),
        };
        if limit.is_none() {
            reader.wrong(
                value,
                "a share from \"0%\" to \"100%\" with at most two decimals, a number of records, or both as in \
                 [\"5%\", 1000]",
            );
        }
        limit
    }

    fn schema() -> Json {
        let count = json!({ "type": "integer", "minimum": 0 });
        let share = json!({ "type": "string", "pattern": "^[0-9]{1,3}(\\.[0-9]{1,2})?%$" });
        let one = json!({ "oneOf": [count, share] });
        json!({ "oneOf": [count, share, { "type": "array", "items": one, "minItems": 2, "maxItems": 2 }] })
    }
}

/// How long something takes or may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    /// Reads `90s`, `15m`, `3h`, `2d`, and sums of them such as `1h30m`.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut seconds: u64 = 0;
        while !rest.is_empty() {
            let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
            let after = after.trim_start();
            let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
            let unit: u64 = match unit {
                "s" => 1,
                "m" | "min" => 60,
                "h" => 3_600,
                "d" => 86_400,
                _ => return None,
            };
            seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
            rest = after.trim_start();
        }
        (seconds > 0).then_some(Self(Duration::from_secs(seconds)))
    }
}

impl Read for Span {
    fn read(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let span = value.get_ref().as_str().and_then(Self::parse);
        if span.is_none() {
            reader.wrong(value, "a duration such as \"3h\" or \"1d12h\" (d, h, m, s)");
        }
        span
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^ *([0-9]+ *(s|m|min|h|d) *)+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_with_every_unit() {
        for (text, bytes) in [
            ("512", 512),
            ("1 kB", 1_000),
            ("64MB", 64_000_000),
            ("16MiB", 16 << 20),
            ("1.5GiB", 3 << 29),
            ("0.25kB", 250),
            ("100GB", 100_000_000_000),
            ("2TB", 2_000_000_000_000),
        ] {
            assert_eq!(ByteSize::parse(text), Some(ByteSize(bytes)), "{text}");
        }
        for bad in ["", "MB", "64mb", "64 megabytes", "-1", "1.MB", "1.2.3MB", "99999999999TB", "1e3"] {
            assert_eq!(ByteSize::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_read_with_every_unit() {
        for (text, seconds) in
            [("90s", 90), ("15m", 900), ("15min", 900), ("3h", 10_800), ("2d", 172_800), ("1h 30m", 5_400)]
        {
            assert_eq!(Span::parse(text), Some(Span(Duration::from_secs(seconds))), "{text}");
        }
        for bad in ["", "0s", "3", "h", "1.5h", "-1h", "3 hours", "99999999999999999d"] {
            assert_eq!(Span::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn limits_read_as_shares_and_counts() {
        for (text, limit) in [
            ("5%", MaxRejects::BasisPoints(500)),
            ("0.25%", MaxRejects::BasisPoints(25)),
            ("0.3 %", MaxRejects::BasisPoints(30)),
            ("100%", MaxRejects::BasisPoints(10_000)),
            ("7", MaxRejects::Count(7)),
        ] {
            assert_eq!(RejectLimit::parse(text), Some(RejectLimit(limit)), "{text}");
        }
        for bad in ["", "%", "101%", "0.255%", "-1%", "five", "1.%", ".5%"] {
            assert_eq!(RejectLimit::parse(bad), None, "{bad}");
        }
    }
}
