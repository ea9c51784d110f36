//! Redshift's types, and what stands for them in PostgreSQL.

use super::cursor::Cursor;
use super::refusal::Refusal;
use super::token::{Kind, Token};

/// The longest VARCHAR, in bytes.
const LONGEST_VARCHAR: i64 = 65_535;
/// The longest CHAR, in bytes.
const LONGEST_CHAR: i64 = 4_096;
/// What VARCHAR and TEXT are without a length.
const DEFAULT_VARCHAR: i64 = 256;
/// The most digits of a DECIMAL.
const MOST_DIGITS: i64 = 38;

/// A type that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Type {
    /// For PostgreSQL.
    pub(crate) sql: String,
    /// What it is, as far as it matters.
    pub(crate) kind: TypeKind,
}

/// What matters of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeKind {
    /// Text of so many bytes.
    Varchar(i64),
    /// SUPER.
    Super,
    /// Any other.
    Other,
}

/// Takes a type, or refuses what Redshift has no such type for.
pub(crate) fn take(cursor: &mut Cursor<'_>) -> Result<Type, Refusal> {
    let refused = cursor.unexpected();
    let Some(first) = cursor.take().filter(|token| token.kind == Kind::Word) else { return Err(refused) };
    let plain = |sql: &str| Ok(Type { sql: sql.to_owned(), kind: TypeKind::Other });
    let found = match first.text.as_str() {
        "SMALLINT" | "INT2" => plain("smallint"),
        "INTEGER" | "INT" | "INT4" => plain("integer"),
        "BIGINT" | "INT8" => plain("bigint"),
        "DECIMAL" | "NUMERIC" => decimal(cursor),
        "REAL" | "FLOAT4" => plain("real"),
        "FLOAT8" => plain("double precision"),
        "FLOAT" => float(cursor),
        "DOUBLE" => {
            cursor.expect_word("PRECISION")?;
            plain("double precision")
        }
        "BOOLEAN" | "BOOL" => plain("boolean"),
        "DATE" => plain("date"),
        "TIMESTAMP" => plain(if zoned(cursor)? { "timestamptz" } else { "timestamp" }),
        "TIME" => plain(if zoned(cursor)? { "timetz" } else { "time" }),
        "TIMESTAMPTZ" => plain("timestamptz"),
        "TIMETZ" => plain("timetz"),
        "VARCHAR" | "NVARCHAR" | "TEXT" => varchar(cursor),
        "CHARACTER" | "CHAR" if cursor.word("VARYING") => varchar(cursor),
        "CHAR" | "CHARACTER" | "NCHAR" => char(cursor),
        "BPCHAR" => varchar_of(DEFAULT_VARCHAR).map(|_| Type { sql: "char(256)".to_owned(), kind: TypeKind::Other }),
        "SUPER" => Ok(Type { sql: "jsonb".to_owned(), kind: TypeKind::Super }),
        "VARBYTE" | "VARBINARY" | "BINARY" | "GEOMETRY" | "GEOGRAPHY" | "HLLSKETCH" | "INTERVAL" => {
            Err(Refusal::stand_in(format!("the type {} is not imitated", first.text.to_ascii_lowercase())))
        }
        other => Err(Refusal::new(format!("type \"{}\" does not exist", other.to_ascii_lowercase()))),
    }?;
    if cursor.peek().is_some_and(|token| token.is_symbol("["))
        || cursor.peek().is_some_and(|token| token.is_word("ARRAY"))
    {
        return Err(Refusal::lacks("an array type"));
    }
    Ok(found)
}

fn zoned(cursor: &mut Cursor<'_>) -> Result<bool, Refusal> {
    if cursor.peek().is_some_and(|token| token.is_symbol("(")) {
        return Err(Refusal::lacks("a precision of time"));
    }
    if cursor.words(&["WITHOUT", "TIME", "ZONE"]) {
        return Ok(false);
    }
    Ok(cursor.words(&["WITH", "TIME", "ZONE"]))
}

/// The numbers in parentheses behind a type.
fn sizes(cursor: &mut Cursor<'_>) -> Result<Vec<i64>, Refusal> {
    if !cursor.symbol("(") {
        return Ok(Vec::new());
    }
    let mut sizes = vec![cursor.number()?];
    while cursor.symbol(",") {
        sizes.push(cursor.number()?);
    }
    cursor.expect_symbol(")")?;
    Ok(sizes)
}

fn decimal(cursor: &mut Cursor<'_>) -> Result<Type, Refusal> {
    let (digits, scale) = match sizes(cursor)?.as_slice() {
        [] => (18, 0),
        [digits] => (*digits, 0),
        [digits, scale] => (*digits, *scale),
        _ => return Err(Refusal::new("invalid NUMERIC type modifier")),
    };
    if !(1..=MOST_DIGITS).contains(&digits) {
        return Err(Refusal::new(format!("NUMERIC precision {digits} must be between 1 and {MOST_DIGITS}")));
    }
    if !(0..=digits.min(37)).contains(&scale) {
        return Err(Refusal::new(format!("NUMERIC scale {scale} must be between 0 and precision {digits}")));
    }
    Ok(Type { sql: format!("decimal({digits},{scale})"), kind: TypeKind::Other })
}

fn float(cursor: &mut Cursor<'_>) -> Result<Type, Refusal> {
    let single = matches!(sizes(cursor)?.as_slice(), [bits] if *bits <= 24);
    Ok(Type { sql: if single { "real" } else { "double precision" }.to_owned(), kind: TypeKind::Other })
}

fn varchar(cursor: &mut Cursor<'_>) -> Result<Type, Refusal> {
    if cursor.peek().is_some_and(|token| token.is_symbol("("))
        && cursor.peek_second().is_some_and(|token| token.is_word("MAX"))
    {
        cursor.parenthesized()?;
        return varchar_of(LONGEST_VARCHAR);
    }
    match sizes(cursor)?.as_slice() {
        [] => varchar_of(DEFAULT_VARCHAR),
        [bytes] => varchar_of(*bytes),
        _ => Err(Refusal::new("invalid VARCHAR type modifier")),
    }
}

fn varchar_of(bytes: i64) -> Result<Type, Refusal> {
    if bytes < 1 {
        return Err(Refusal::new("length for type varchar must be at least 1"));
    }
    if bytes > LONGEST_VARCHAR {
        return Err(Refusal::new(format!("length for type varchar cannot exceed {LONGEST_VARCHAR}")));
    }
    Ok(Type { sql: format!("varchar({bytes})"), kind: TypeKind::Varchar(bytes) })
}

fn char(cursor: &mut Cursor<'_>) -> Result<Type, Refusal> {
    let bytes = match sizes(cursor)?.as_slice() {
        [] => 1,
        [bytes] => *bytes,
        _ => return Err(Refusal::new("invalid CHAR type modifier")),
    };
    if !(1..=LONGEST_CHAR).contains(&bytes) {
        return Err(Refusal::new(format!("length for type char cannot exceed {LONGEST_CHAR}")));
    }
    Ok(Type { sql: format!("char({bytes})"), kind: TypeKind::Other })
}

/// The type as one token.
pub(crate) fn token(found: &Type) -> Token {
    Token::verbatim(found.sql.clone())
}
