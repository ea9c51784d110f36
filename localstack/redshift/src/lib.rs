//! A stand-in for the Redshift Data API: a small HTTP service that the unmodified AWS SDK talks to, and that runs the
//! statements on a real PostgreSQL. It is there for development and for tests, on this machine, and for nothing else.
//!
//! ```text
//!   SDK ──HTTP, awsJson1.1──▶ service ──▶ registry   statements, tokens, results
//!                                │
//!                                ▼ in the background, one connection a statement or session
//!                            executor ──▶ sql        tokens → what PostgreSQL is given, or a refusal
//!                                │    ──▶ copy       manifest → Parquet in S3 → binary COPY
//!                                ▼
//!                            PostgreSQL
//! ```
//!
//! # What it imitates, strictly
//!
//! - **The API**: ExecuteStatement, BatchExecuteStatement (both execution modes), DescribeStatement with its sub-statements,
//!   GetStatementResult in pages, ListStatements, CancelStatement, sessions, WaitTimeSeconds. 40 statements a batch, 100 KB a
//!   statement, 64 KB a row and 100 MB a result, 200 active statements, client tokens for 8 hours, results for 24; on demand
//!   the account's requests a second.
//! - **Transactions**: write locks are on tables, are taken before the transaction's snapshot, and are held to its end.
//!   Snapshot or serializable isolation; 1023, 1018, deadlocks. TRUNCATE and VACUUM commit. ALTER COLUMN does not run in a
//!   transaction block.
//! - **SQL** that Redshift has not is refused. Keys are not enforced. Names are folded to lower case, quoted or not. A
//!   backslash in a string literal escapes. VARCHAR(n) is n bytes, and can be widened only. SUPER is there as `jsonb`, with
//!   JSON_PARSE and JSON_SERIALIZE. Views WITH NO SCHEMA BINDING hold nothing. What only the leader node has does not go
//!   together with tables.
//! - **COPY of Parquet**: by prefix or manifest, by position, by exact type, with byte lengths; one bad file fails the whole
//!   command and stands in SYS_LOAD_ERROR_DETAIL.
//! - **Failures**, by switches ([`Fault`]): throttled and refused calls, lost requests and answers, statements that fail with given
//!   words, before or after their commit, are stopped, or are forgotten.
//!
//! # What it does not imitate
//!
//! It is PostgreSQL, not Redshift:
//!
//! - No nodes, slices, distribution, sorting, encodings or workload queues: they are read, checked a little, and dropped. No
//!   performance of Redshift can be learned here.
//! - **Text compares by its bytes. Redshift takes trailing blanks of VARCHAR for insignificant**: `'a' = 'a '` is true there
//!   and false here.
//! - Types of expressions are PostgreSQL's: digits of DECIMAL arithmetic, literals of unknown type (which Redshift refuses in
//!   some places), casts from BOOLEAN to text (which Redshift has not), `CAST(… AS VARCHAR(n))` that cuts at characters.
//! - SUPER is `jsonb`: members of objects are sorted, of two with one name the last is kept.
//! - Correlated subqueries that Redshift cannot plan pass here, and so does a MERGE whose target has several rows for one
//!   of the source's.
//! - Navigation into SUPER (`a.b[0]`), UNLOAD, COPY of anything but Parquet, procedures, functions, materialized views,
//!   external tables, users, groups and grants, LISTAGG, QUALIFY, PIVOT, MERGE … REMOVE DUPLICATES, SELECT INTO, VARBYTE and
//!   spatial types are refused with a message that begins with `[stand-in]`.
//! - `WITH` before UPDATE, DELETE and INSERT is refused. Redshift takes the first two of late; a cluster may be older.
//! - Names have at most 63 bytes (127 in Redshift).
//! - Nobody is authenticated: signatures, IAM roles, secrets and users are read and not checked; COPY reads S3 with the
//!   stand-in's own key. Regions and bucket policies play no part.
//! - Other operations of the API (ListTables, DescribeTable, GetStatementResultV2, …), results as CSV, and events to
//!   EventBridge.
//! - Statements are remembered in memory: after a restart all are unknown, as after 24 hours.
//! - System tables have the columns that a loader asks for, not all.
//!
//! # Where nobody could be asked
//!
//! Choices that no documentation confirms; the stricter was taken:
//!
//! - A token that is used again with another statement is refused. A batch in AUTO_COMMIT mode has failed if one of its
//!   statements has. The error of a batch is that of its statement after `Query #n failed with `.
//! - LOCK in a batch blocks, as in any transaction.
//! - TIMESTAMP of Parquet is not taken for TIMESTAMPTZ. INT_8, TIMESTAMP in milliseconds and INT96 are not taken at all. Text
//!   becomes a string in SUPER, also with SERIALIZETOJSON.
//! - A session runs one statement at a time, and refuses others meanwhile.
//! - The words of errors are Redshift's where they are known; codes of manifest and data errors are those that people have
//!   reported.

mod api;
pub mod clock;
mod connection;
mod copy;
mod database;
mod executor;
pub mod faults;
pub mod fixture;
mod history;
mod meter;
pub mod options;
mod registry;
mod result;
mod server;
mod service;
mod sessions;
mod severable;
mod sql;
mod statement;
mod trouble;

pub use clock::{Clock, ShiftedClock, SystemClock};
pub use database::database_name;
pub use faults::{Fault, Faults, Fired, Rule};
pub use options::{Isolation, Limits, Quota, S3Access, StandinOptions};
pub use server::{Ran, Running, StandinError, start};
