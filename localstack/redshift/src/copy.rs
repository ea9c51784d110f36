//! COPY of Parquet from S3, with the rules of Redshift's columnar COPY.

pub(crate) mod cell;
pub(crate) mod column;
pub(crate) mod command;
pub(crate) mod load;
pub(crate) mod manifest;
pub(crate) mod nested;
pub(crate) mod parquet;
pub(crate) mod problem;
pub(crate) mod source;
pub(crate) mod values;
