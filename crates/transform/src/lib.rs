//! The only crate that knows polars: bytes of an object in, parts of Parquet and a quarantine part out.

mod piece;
