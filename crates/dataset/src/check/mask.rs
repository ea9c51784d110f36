//! What is kept of values that are not to be seen.

use lakehand_domain::shape::ColumnType;

use super::column::kind_of;
use super::table::Kind;
use crate::dataset::{Mask, Origin, Table};
use crate::definition::read::At;
use crate::definition::{self, MaskName};
use crate::problem::{Noted, Report};

const KEY_NAME_BYTES: usize = 20;
/// Of SHA-256 in hexadecimal digits.
const DIGEST_BYTES: u32 = 64;

/// The name of the key, where it is one.
pub(super) fn check_key(given: Option<At<definition::Privacy>>, report: &mut Report<'_>) -> Option<String> {
    let key = given?.value.mask_key?;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if key.value.is_empty() || key.value.len() > KEY_NAME_BYTES || !key.value.bytes().all(fits) {
        let message = format!("must be 1 to 20 small letters, digits and underscores, and is {:?}", key.value);
        report.add(key.at, "privacy.mask_key", message);
    }
    Some(key.value)
}

/// The mask of a column of this type, if it has one.
pub(super) fn check(
    given: &definition::Column,
    column_type: ColumnType,
    key: Option<&str>,
    path: &str,
    report: &mut Report<'_>,
) -> Result<Option<Mask>, Noted> {
    let Some(name) = &given.mask else { return Ok(None) };
    let path = format!("{path}.mask");
    let message = match kind_of(given) {
        Kind::Field => None,
        Kind::Capture => Some("is not for parts of an object's name, which stays in _object as it is"),
        Kind::Expression => Some("is not for expressions, which see what the masks of their columns leave"),
        Kind::Hash => Some("is not for hashes, which are made of what the masks of their columns leave"),
    };
    if let Some(message) = message {
        report.add(name.at, path, message);
        return Err(Noted);
    }
    let many_to_one = matches!(name.value, MaskName::Redact | MaskName::Drop | MaskName::KeepDomain);
    if many_to_one && given.unique.as_ref().is_some_and(|unique| unique.value) {
        let hint = "use hmac or sha256, or leave unique out";
        report.advise(name.at, path, "leaves the same of values that differ, and the column is unique", hint);
        return Err(Noted);
    }
    let (mask, bytes) = match name.value {
        MaskName::Hmac => {
            let Some(key) = key else {
                let hint = "set mask_key in [privacy] to the name of a key of the settings";
                report.advise(name.at, path, "hmac needs a key", hint);
                return Err(Noted);
            };
            let bytes = DIGEST_BYTES + 1 + u32::try_from(key.len()).unwrap_or(0);
            (Mask::Hmac { key: key.to_owned() }, bytes)
        }
        MaskName::Sha256 => (Mask::Sha256, DIGEST_BYTES),
        MaskName::Redact => (Mask::Redact, 3),
        MaskName::KeepDomain => (Mask::KeepDomain, 4),
        MaskName::Drop => {
            if given.required.as_ref().is_some_and(|required| required.value) {
                let hint = "leave required out, or mask with redact";
                report.advise(name.at, path, "drop leaves null, and the column is required", hint);
                return Err(Noted);
            }
            return Ok(Some(Mask::Drop));
        }
    };
    match column_type {
        ColumnType::Varchar { bytes: room } if room >= bytes => Ok(Some(mask)),
        other => {
            let message = format!("leaves a text of {bytes} bytes or more, which a {other} does not hold");
            report.advise(name.at, path, message, format!("declare the column as varchar({bytes}) or longer"));
            Err(Noted)
        }
    }
}

/// A column that holds what another masks, as part of a JSON it takes whole, or unmasked, would show it.
pub(super) fn check_overlaps(tables: &[Table], at: usize, report: &mut Report<'_>) {
    let fields = || {
        tables.iter().flat_map(|table| {
            table.columns.iter().zip(&table.shape.columns).filter_map(move |(column, shape)| {
                let Origin::Field(path) = &column.origin else { return None };
                let list = table.rows.iter().filter(|_| !path.from_record).flat_map(|rows| &rows.keys);
                let keys: Vec<&str> = list.chain(&path.keys).map(String::as_str).collect();
                Some((format!("tables.{}.columns.{}", table.shape.name, shape.name), keys, &column.rules.mask))
            })
        })
    };
    for (masked, path, _) in fields().filter(|(_, _, mask)| mask.is_some()) {
        for (shown, other, _) in fields().filter(|(_, _, mask)| mask.is_none()) {
            if path.starts_with(&other) {
                let message = format!("holds what {masked} masks");
                report.advise(at, shown, message, "mask it too, or leave it out");
            }
        }
    }
}
