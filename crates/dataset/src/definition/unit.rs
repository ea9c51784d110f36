//! Numbers with units: sizes in bytes, and limits of rejects.

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

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

impl Read for RejectLimit {
    fn read(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let limit = match value.get_ref() {
            DeValue::String(text) => Self::parse(text),
            other => {
                integer(other).and_then(|count| u64::try_from(count).ok()).map(|count| Self(MaxRejects::Count(count)))
            }
        };
        if limit.is_none() {
            reader.wrong(value, "a share from \"0%\" to \"100%\" with at most two decimals, or a number of records");
        }
        limit
    }

    fn schema() -> Json {
        json!({ "oneOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^[0-9]{1,3}(\\.[0-9]{1,2})?%$" },
        ] })
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
