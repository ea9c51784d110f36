//! The columns of the table that a COPY loads.

use tokio_postgres::Client;

use super::command::Copy;
use crate::sql::refusal::Refusal;
use crate::sql::token::quote_name;
use crate::trouble::Trouble;

/// A column that gets values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: String,
    /// Its type.
    pub(crate) kind: TargetKind,
    /// Whether it takes no null.
    pub(crate) not_null: bool,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetKind {
    /// BOOLEAN.
    Boolean,
    /// SMALLINT.
    Small,
    /// INTEGER.
    Integer,
    /// BIGINT.
    Big,
    /// REAL.
    Real,
    /// DOUBLE PRECISION.
    Double,
    /// DECIMAL of so many digits, so many of them behind the point.
    Decimal(u8, u8),
    /// VARCHAR of so many bytes.
    Varchar(usize),
    /// CHAR of so many bytes.
    Char(usize),
    /// DATE.
    Date,
    /// TIMESTAMP.
    Timestamp,
    /// TIMESTAMPTZ.
    TimestampTz,
    /// TIME or TIMETZ.
    Time,
    /// SUPER.
    Super,
}

impl TargetKind {
    /// As Redshift writes it.
    pub(crate) fn told(self) -> String {
        match self {
            Self::Boolean => "BOOLEAN".to_owned(),
            Self::Small => "SMALLINT".to_owned(),
            Self::Integer => "INTEGER".to_owned(),
            Self::Big => "BIGINT".to_owned(),
            Self::Real => "REAL".to_owned(),
            Self::Double => "DOUBLE PRECISION".to_owned(),
            Self::Decimal(digits, scale) => format!("DECIMAL({digits},{scale})"),
            Self::Varchar(bytes) => format!("VARCHAR({bytes})"),
            Self::Char(bytes) => format!("CHAR({bytes})"),
            Self::Date => "DATE".to_owned(),
            Self::Timestamp => "TIMESTAMP".to_owned(),
            Self::TimestampTz => "TIMESTAMPTZ".to_owned(),
            Self::Time => "TIME".to_owned(),
            Self::Super => "SUPER".to_owned(),
        }
    }

    fn of(name: &str, modifier: i32) -> Option<Self> {
        let length = usize::try_from(modifier - 4).ok();
        Some(match name {
            "bool" => Self::Boolean,
            "int2" => Self::Small,
            "int4" => Self::Integer,
            "int8" => Self::Big,
            "float4" => Self::Real,
            "float8" => Self::Double,
            "numeric" => {
                let bits = u32::try_from(modifier - 4).ok()?;
                Self::Decimal(u8::try_from(bits >> 16).ok()?, u8::try_from(bits & 0x7ff).ok()?)
            }
            "varchar" => Self::Varchar(length.unwrap_or(65_535)),
            "text" => Self::Varchar(65_535),
            "bpchar" => Self::Char(length.unwrap_or(1)),
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "timestamptz" => Self::TimestampTz,
            "time" | "timetz" => Self::Time,
            "jsonb" => Self::Super,
            _ => return None,
        })
    }
}

/// The columns that the command's list, or the table, gives values for, in order.
pub(crate) async fn targets(client: &Client, copy: &Copy) -> Result<Vec<Target>, Trouble> {
    let rows = client
        .query(
            "SELECT a.attname::text, t.typname::text, a.atttypmod, a.attnotnull, a.atthasdef, a.attidentity::text
             FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
             WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            &[&copy.table.quoted()],
        )
        .await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let name: String = row.get(0);
        let kind = TargetKind::of(row.get::<_, &str>(1), row.get(2)).ok_or_else(|| {
            Refusal::stand_in(format!("COPY into column \"{name}\" of type {}", row.get::<_, &str>(1)))
        })?;
        let (not_null, has_default): (bool, bool) = (row.get(3), row.get(4));
        let identity = !row.get::<_, &str>(5).is_empty();
        all.push((Target { name, kind, not_null }, has_default, identity));
    }
    let Some(named) = &copy.columns else {
        return Ok(all
            .into_iter()
            .filter(|(_, _, identity)| copy.explicit_ids || !identity)
            .map(|(target, _, _)| target)
            .collect());
    };
    let mut chosen: Vec<Target> = Vec::with_capacity(named.len());
    for name in named {
        let found = all.iter().find(|(target, _, _)| target.name == *name);
        let (target, _, identity) = found.ok_or_else(|| {
            Refusal::new(format!("column \"{name}\" of relation \"{}\" does not exist", copy.table.last()))
        })?;
        if *identity && !copy.explicit_ids {
            return Err(Refusal::new(format!(
                "cannot set an identity column to a value: \"{name}\" needs EXPLICIT_IDS"
            ))
            .into());
        }
        if chosen.contains(target) {
            return Err(Refusal::new(format!("column \"{name}\" specified more than once")).into());
        }
        chosen.push(target.clone());
    }
    let forgotten = all
        .iter()
        .find(|(target, default, identity)| target.not_null && !default && !identity && !named.contains(&target.name));
    match forgotten {
        Some((target, _, _)) => Err(Refusal::new(format!(
            "NOT NULL column {} without DEFAULT must be included in the column list",
            quote_name(&target.name)
        ))
        .into()),
        None => Ok(chosen),
    }
}
