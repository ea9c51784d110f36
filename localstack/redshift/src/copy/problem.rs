//! Why a COPY fails.

use std::fmt::Write as _;

/// One failure of a COPY, as the statement's error and the system tables tell it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Problem {
    /// Redshift's number for it.
    pub(crate) code: i32,
    /// What is wrong.
    pub(crate) context: String,
    /// The file's URL.
    pub(crate) file: String,
    /// The row within the file, from 1; 0 where it is not about a row.
    pub(crate) row: u64,
    /// The table's column.
    pub(crate) column: String,
    /// Its type.
    pub(crate) column_type: String,
}

/// The headline: Spectrum, which reads Parquet for COPY, refuses the data.
const SCAN: &str = "Spectrum Scan Error";
/// The code of data that do not fit.
pub(crate) const DOES_NOT_FIT: i32 = 15_001;
/// The code of a manifest that lacks something.
pub(crate) const MANIFEST: i32 = 15_003;
/// The code of a file whose columns are not as many as the table's.
pub(crate) const COLUMN_COUNT: i32 = 15_007;
/// The code of an object that cannot be read.
pub(crate) const UNREADABLE: i32 = 15_005;
/// The code of a missing value.
pub(crate) const MISSING: i32 = 1_213;

impl Problem {
    /// Of a file as a whole.
    pub(crate) fn of_file(code: i32, file: impl Into<String>, context: impl Into<String>) -> Self {
        Self { code, context: context.into(), file: file.into(), ..Self::default() }
    }

    /// As the statement's error.
    pub(crate) fn told(&self, query: i64) -> String {
        let mut text = format!("ERROR: {SCAN}\n  Detail: \n  {RULE}\n  error:  {SCAN}\n  code:      {}", self.code);
        let _infallible = write!(
            text,
            "\n  context:   {}\n  query:     {query}\n  location:  dory_util.cpp:0\n  process:   worker_thread [pid=0]\n  {RULE}",
            self.context
        );
        text
    }
}

/// The line around details.
pub(crate) const RULE: &str = "-----------------------------------------------";
