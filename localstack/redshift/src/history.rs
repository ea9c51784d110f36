//! The system tables that tell what a COPY met. They are written on a connection of their own: the transaction of the COPY
//! may be rolled back.

use crate::connection::{Copied, Done};
use crate::copy::command::Copy;
use crate::database::{Databases, Target};
use crate::trouble::{Circumstances, Trouble};

/// Writes down how a COPY ended. What cannot be written is logged; the COPY is not the worse for it.
pub(crate) async fn record(
    databases: &Databases,
    target: &Target,
    copy: &Copy,
    query: i64,
    times: (i64, i64),
    done: &Result<Done, Trouble>,
) {
    if let Err(error) = write(databases, target, copy, query, times, done).await {
        tracing::warn!(%error, query, "write the history of a COPY");
    }
}

async fn write(
    databases: &Databases,
    target: &Target,
    copy: &Copy,
    query: i64,
    (began, ended): (i64, i64),
    done: &Result<Done, Trouble>,
) -> Result<(), tokio_postgres::Error> {
    let connection = databases.connect(target).await?;
    let client = connection.client();
    let source = format!("s3://{}/{}", copy.bucket, copy.key);
    let (status, rows, copied, message) = match done {
        Ok(done) => ("completed", done.rows, done.copied, None),
        Err(Trouble::Cancelled) => ("aborted", 0, Copied::default(), None),
        Err(trouble) => {
            let circumstances = Circumstances { query, ..Circumstances::default() };
            ("failed", 0, Copied::default(), Some(trouble.told(circumstances)))
        }
    };
    client
        .execute(
            "INSERT INTO redshift.sys_load_history (user_id, query_id, transaction_id, session_id, database_name, status,
               table_name, start_time, end_time, duration, data_source, file_format, loaded_rows,
               loaded_bytes, source_file_count, source_file_bytes, error_count, error_message)
             VALUES (100, $1, $1, 0, $2, $3, $4, to_timestamp($5::bigint / 1e6) AT TIME ZONE 'UTC',
               to_timestamp($6::bigint / 1e6) AT TIME ZONE 'UTC', $6::bigint - $5::bigint, $7, 'parquet', $8,
               $9::bigint, $10::int, $9::bigint, $11::int, $12)",
            &[
                &query,
                &target.database,
                &status,
                &copy.table.last(),
                &began,
                &ended,
                &source,
                &rows,
                &copied.bytes,
                &copied.files,
                &i32::from(message.is_some()),
                &message,
            ],
        )
        .await?;
    let Err(Trouble::Copy(problem)) = done else {
        databases.give_back(target, connection);
        return Ok(());
    };
    client
        .execute(
            "INSERT INTO redshift.sys_load_error_detail (user_id, query_id, transaction_id, session_id, database_name, table_id,
               start_time, file_name, line_number, column_name, column_type, column_length, position, error_code, error_message)
             VALUES (100, $1, $1, 0, $2, coalesce(to_regclass($3::text)::oid::int, 0),
               to_timestamp($4::bigint / 1e6) AT TIME ZONE 'UTC', $5, $6::bigint, $7, $8, '', 0, $9::int, $10)",
            &[
                &query,
                &target.database,
                &copy.table.quoted(),
                &began,
                &problem.file,
                &i64::try_from(problem.row).unwrap_or(i64::MAX),
                &problem.column,
                &problem.column_type,
                &problem.code,
                &problem.context,
            ],
        )
        .await?;
    databases.give_back(target, connection);
    Ok(())
}
