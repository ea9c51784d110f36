//! Why a COPY failed: the files may be at fault, or gone, or the warehouse.
//!
//! The words of COPY alone are little to go by. What it noted about its errors is asked for; and where it may be about
//! files, these are looked at, since a part that is gone, or has other bytes, goes back to transform.

use futures::StreamExt;
use lakehand_domain::manifest::Part;
use lakehand_domain::port::object_store::StoreError;
use lakehand_domain::port::row_reader::PartError;
use lakehand_domain::shape::TableShape;

use super::copy::Copied;
use crate::fit::told;
use crate::redshift::RedshiftWarehouse;
use crate::redshift::record::Record;
use crate::redshift::trouble::{Failed, Meaning, Trouble};

/// Notes that are shown.
const MOST_NOTES: usize = 5;
/// Parts looked at together.
const LOOKS: usize = 16;

/// Words by which COPY refuses what files hold.
const OF_DATA: [&str; 13] = [
    "load into table",
    "incompatible parquet schema",
    "unmatched number of columns",
    "invalid parquet",
    "too long",
    "exceeds",
    "longer than the length defined",
    "out of range",
    "overflow",
    "not-null constraint",
    "cannot insert a null value",
    "invalid digit",
    "invalid byte sequence",
];

/// Words by which it says that the store did not give it a file now. It notes these as it does those about files.
const OF_STORE: [&str; 15] = [
    "http response error code: 5",
    "http response error code: 403",
    "accessdenied",
    "access denied",
    "slowdown",
    "slow down",
    "internalfailure",
    "internalerror",
    "internal failure",
    "service error",
    "serviceunavailable",
    "timed out",
    "could not connect",
    "connection reset",
    "connection refused",
];

/// What one failed COPY means.
pub(super) async fn explain(
    warehouse: &RedshiftWarehouse,
    table: &TableShape,
    copied: &Copied<'_>,
    failed: Failed,
) -> Trouble {
    if failed.meaning() == Meaning::Conflict {
        return Trouble::Failed(failed);
    }
    let notes = match failed.query_id {
        Some(query) => notes(warehouse, query).await.unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "what COPY noted about its errors cannot be read");
            Vec::new()
        }),
        None => Vec::new(),
    };
    match look(warehouse, copied).await {
        Ok(None) => {}
        Ok(Some(part)) => return Trouble::Part(part),
        Err(error) => return Trouble::Store(error),
    }
    let notes = notes.join("; ");
    if !is_of_data(&failed, &notes) {
        return Trouble::Failed(failed);
    }
    let words = format!("COPY into {}: {}", told(table), failed.message.trim());
    Trouble::Data(if notes.is_empty() { words } else { format!("{notes}; {words}") })
}

/// Whether a failure is about what files hold: it has noted errors in them, or says so in words that are known.
fn is_of_data(failed: &Failed, notes: &str) -> bool {
    let text = format!("{notes} {}", failed.message).to_ascii_lowercase();
    // Names of files and columns are nobody's words, but these are no names.
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&OF_STORE) {
        return false;
    }
    !notes.is_empty() || (failed.meaning() == Meaning::Unclear && says(&OF_DATA))
}

/// What COPY noted about its errors, file by file.
async fn notes(warehouse: &RedshiftWarehouse, query: i64) -> Result<Vec<String>, Trouble> {
    let sql = format!(
        "SELECT file_name, column_name, error_code, error_message FROM sys_load_error_detail WHERE query_id = {query} \
         ORDER BY file_name LIMIT {MOST_NOTES}"
    );
    let rows = warehouse.client.ask("lakehand/stage/errors", sql).await?.rows;
    rows.into_iter()
        .map(|row| {
            let mut record = Record::new(row);
            let mut next = || Ok::<_, Trouble>(record.optional()?.unwrap_or_default().trim().to_owned());
            let (file, column, code, message) = (next()?, next()?, next()?, next()?);
            let column = if column.is_empty() { String::new() } else { format!(", column {column}") };
            Ok(format!("{file}{column}: {message} (load error {code})"))
        })
        .collect()
}

/// The first part that is gone or has not the bytes that its manifest says.
async fn look(warehouse: &RedshiftWarehouse, copied: &Copied<'_>) -> Result<Option<PartError>, StoreError> {
    let looks: Vec<_> = copied.parts.iter().map(|part| look_at(warehouse, part)).collect();
    let mut looks = futures::stream::iter(looks).buffered(LOOKS);
    while let Some(found) = looks.next().await {
        if let Some(amiss) = found? {
            return Ok(Some(amiss));
        }
    }
    Ok(None)
}

async fn look_at(warehouse: &RedshiftWarehouse, part: &Part) -> Result<Option<PartError>, StoreError> {
    match warehouse.lake.stat(&part.uri).await {
        Ok(stat) if stat.size == part.bytes => Ok(None),
        Ok(stat) => {
            let message = format!("it has {} bytes, its manifest says {}", stat.size, part.bytes);
            Ok(Some(PartError::Mismatch { uri: part.uri.clone(), message }))
        }
        Err(StoreError::NotFound { .. }) => Ok(Some(PartError::Gone { uri: part.uri.clone() })),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_files_hold_is_their_fault() {
        let failed = |message: &str| Failed {
            name: "stage".to_owned(),
            at: Some(1),
            of: 3,
            query_id: Some(7),
            message: message.to_owned(),
        };
        let scan = "ERROR: Spectrum Scan Error\n  code:      15001\n  context:   ";
        let length =
            format!("{scan}The length of the data column note is longer than the length defined in the table.");
        assert!(is_of_data(&failed(&length), ""));
        let schema = format!("{scan}File 's3://l/timeout.parquet' has an incompatible Parquet schema for column 'a'");
        assert!(is_of_data(&failed(&schema), ""));
        assert!(is_of_data(&failed("ERROR: Spectrum Scan Error"), "s3://l/a.parquet, column a: no such value"));
        assert!(is_of_data(&failed("ERROR: Cannot insert a NULL value into column listing_id"), ""));
        let denied = format!("{scan}Forbidden: HTTP response error code: 403 Message: AccessDenied Access Denied");
        assert!(!is_of_data(&failed(&denied), "s3://l/a.parquet: AccessDenied"));
        assert!(!is_of_data(&failed("ERROR: Spectrum Scan Error"), "s3://l/a: HTTP response error code: 503 SlowDown"));
        assert!(!is_of_data(&failed("ERROR: Disk Full"), ""));
        assert!(!is_of_data(&failed("ERROR: something nobody has seen yet"), ""));
    }
}
