//! A COPY from beginning to end: which files, their rows, into PostgreSQL.

use aws_sdk_s3::Client as S3;
use tokio::sync::mpsc;
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_util::sync::CancellationToken;

use super::command::Copy;
use super::parquet::{self, Demands};
use super::problem::{Problem, UNREADABLE};
use super::{column, source};
use crate::connection::Copied;
use crate::sql::token::quote_name;
use crate::trouble::Trouble;

/// Batches of rows that wait for PostgreSQL.
const BATCHES: usize = 4;

/// What a COPY works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loading<'a> {
    /// In whose transaction.
    pub(crate) client: &'a Client,
    /// Where the files are.
    pub(crate) s3: &'a S3,
    /// Whether somebody wants it to end.
    pub(crate) cancel: &'a CancellationToken,
}

/// Loads all files, or fails. Returns how many rows, and from what.
pub(crate) async fn load(loading: Loading<'_>, copy: &Copy) -> Result<(i64, Copied), Trouble> {
    let targets = column::targets(loading.client, copy).await?;
    let names: Vec<String> = targets.iter().map(|target| quote_name(&target.name)).collect();
    let sql = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", copy.table.quoted(), names.join(", "));
    let statement =
        loading.client.prepare(&format!("SELECT {} FROM {}", names.join(", "), copy.table.quoted())).await?;
    let types: Vec<_> = statement.columns().iter().map(|column| column.type_().clone()).collect();
    let demands = Demands {
        fill_record: copy.fill_record,
        accept_invalid_chars: copy.accept_invalid_chars,
        serialize_to_json: copy.serialize_to_json,
    };
    let (mut total, mut copied) = (0_i64, Copied::default());
    for listed in source::files(loading.s3, copy).await? {
        if loading.cancel.is_cancelled() {
            return Err(Trouble::Cancelled);
        }
        let Some(bytes) = source::read(loading.s3, &listed).await? else { continue };
        copied.files += 1;
        copied.bytes += i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let (sender, mut batches) = mpsc::channel(BATCHES);
        let (url, columns) = (listed.url(), targets.clone());
        let reading = tokio::task::spawn_blocking(move || parquet::read(&url, bytes, &columns, demands, &sender));
        let mut writer = None;
        while let Some(rows) = batches.recv().await {
            if loading.cancel.is_cancelled() {
                return Err(Trouble::Cancelled);
            }
            if writer.is_none() {
                let sink = loading.client.copy_in(&sql).await?;
                writer = Some(Box::pin(BinaryCopyInWriter::new(sink, &types)));
            }
            let Some(writer) = &mut writer else { continue };
            for row in &rows {
                writer.as_mut().write_raw(row.iter()).await?;
            }
        }
        let rows = reading.await.map_err(|error| Trouble::Connection(format!("read Parquet: {error}")))??;
        if let Some(mut writer) = writer {
            writer.as_mut().finish().await?;
        }
        total += i64::try_from(rows).unwrap_or(i64::MAX);
    }
    if copied.files == 0 {
        // Whatever the manifest says of each of them: none at all is an error.
        let url = format!("s3://{}/{}", copy.bucket, copy.key);
        return Err(Problem::of_file(UNREADABLE, &url, format!("No file of {url} is there")).into());
    }
    Ok((total, copied))
}
