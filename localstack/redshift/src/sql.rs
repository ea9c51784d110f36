//! SQL as Redshift takes it, turned into SQL for PostgreSQL, by tokens. What Redshift lacks is refused here, so that a
//! statement that only PostgreSQL understands does not pass.

pub(crate) mod cursor;
pub(crate) mod expression;
pub(crate) mod parameter;
pub(crate) mod plan;
pub(crate) mod reads;
pub(crate) mod refusal;
pub(crate) mod statement;
pub(crate) mod table;
pub(crate) mod token;
pub(crate) mod types;

/// The longest name PostgreSQL keeps; Redshift keeps 127 bytes.
pub(crate) const LONGEST_NAME: usize = 63;

#[cfg(test)]
mod tests;
