//! The COPY command as it is written.

use crate::sql::cursor::{Cursor, ObjectName};
use crate::sql::refusal::Refusal;

/// A COPY of Parquet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    /// Where the rows go.
    pub(crate) table: ObjectName,
    /// The columns named, in the order of the file's; all of the table's where none is.
    pub(crate) columns: Option<Vec<String>>,
    /// The bucket.
    pub(crate) bucket: String,
    /// The key of the manifest, or what the files' keys begin with.
    pub(crate) key: String,
    /// Whether the key is a manifest's.
    pub(crate) manifest: bool,
    /// Whether columns that the file lacks at its end are null.
    pub(crate) fill_record: bool,
    /// What stands for bytes that are no UTF-8.
    pub(crate) accept_invalid_chars: Option<char>,
    /// Whether values for identity columns are taken.
    pub(crate) explicit_ids: bool,
    /// Whether nested columns become JSON in SUPER columns.
    pub(crate) serialize_to_json: bool,
}

/// Options that COPY has for text formats only, or that do not go with a columnar format.
const NOT_COLUMNAR: [&str; 34] = [
    "ACCEPTANYDATE",
    "BLANKSASNULL",
    "BZIP2",
    "COMPROWS",
    "COMPUPDATE",
    "CSV",
    "DATEFORMAT",
    "DELIMITER",
    "EMPTYASNULL",
    "ENCODING",
    "ENCRYPTED",
    "ESCAPE",
    "FIXEDWIDTH",
    "GZIP",
    "IGNOREALLERRORS",
    "IGNOREBLANKLINES",
    "IGNOREHEADER",
    "LZOP",
    "MASTER_SYMMETRIC_KEY",
    "MAXERROR",
    "NOLOAD",
    "NULL",
    "QUOTE",
    "READRATIO",
    "REGION",
    "REMOVEQUOTES",
    "ROUNDEC",
    "SHAPEFILE",
    "SSH",
    "TIMEFORMAT",
    "TRIMBLANKS",
    "TRUNCATECOLUMNS",
    "ZSTD",
    "AVRO",
];

/// Reads what comes behind COPY.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Copy, Refusal> {
    let table = cursor.object_name()?;
    let columns = match cursor.peek() {
        Some(token) if token.is_symbol("(") => Some(cursor.names()?),
        _ => None,
    };
    cursor.expect_word("FROM")?;
    let (bucket, key) = location(&cursor.text()?)?;
    let mut copy = Copy {
        table,
        columns,
        bucket,
        key,
        manifest: false,
        fill_record: false,
        accept_invalid_chars: None,
        explicit_ids: false,
        serialize_to_json: false,
    };
    let (mut authorized, mut parquet) = (false, false);
    while cursor.peek().is_some() {
        if authorization(cursor)? {
            authorized = true;
        } else if cursor.word("FORMAT") {
            cursor.word("AS");
            parquet = format(cursor)?;
        } else if cursor.word("PARQUET") {
            parquet = true;
        } else {
            option(cursor, &mut copy)?;
        }
    }
    if !parquet {
        return Err(Refusal::stand_in("only COPY … FORMAT AS PARQUET is imitated"));
    }
    if !authorized {
        return Err(Refusal::new("COPY needs IAM_ROLE or CREDENTIALS to read from S3"));
    }
    Ok(copy)
}

fn location(url: &str) -> Result<(String, String), Refusal> {
    let rest = url
        .strip_prefix("s3://")
        .ok_or_else(|| Refusal::stand_in(format!("COPY reads from s3:// only, not from '{url}'")))?;
    match rest.split_once('/') {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok((bucket.to_owned(), key.to_owned())),
        _ => Err(Refusal::new(format!("The S3 path '{url}' needs a bucket and a prefix or key"))),
    }
}

/// Takes what says who reads from S3. It is looked at for its form alone: the stand-in reads as itself.
fn authorization(cursor: &mut Cursor<'_>) -> Result<bool, Refusal> {
    if cursor.word("IAM_ROLE") {
        if !cursor.word("DEFAULT") {
            let role = cursor.text()?;
            if !role.split(',').all(|role| role.starts_with("arn:")) {
                return Err(Refusal::new(format!("Invalid IAM role: '{role}' is not an ARN")));
            }
        }
        return Ok(true);
    }
    if cursor.words(&["WITH", "CREDENTIALS"]) || cursor.word("CREDENTIALS") {
        cursor.word("AS");
        cursor.text()?;
        return Ok(true);
    }
    if cursor.word("ACCESS_KEY_ID") || cursor.word("SECRET_ACCESS_KEY") || cursor.word("SESSION_TOKEN") {
        cursor.text()?;
        return Ok(true);
    }
    Ok(false)
}

fn format(cursor: &mut Cursor<'_>) -> Result<bool, Refusal> {
    if cursor.word("PARQUET") {
        return Ok(true);
    }
    Err(Refusal::stand_in("only COPY … FORMAT AS PARQUET is imitated"))
}

fn option(cursor: &mut Cursor<'_>, copy: &mut Copy) -> Result<(), Refusal> {
    if cursor.word("MANIFEST") {
        copy.manifest = true;
    } else if cursor.word("FILLRECORD") {
        copy.fill_record = true;
    } else if cursor.word("EXPLICIT_IDS") {
        copy.explicit_ids = true;
    } else if cursor.word("SERIALIZETOJSON") {
        copy.serialize_to_json = true;
    } else if cursor.word("STATUPDATE") {
        if !["ON", "OFF", "TRUE", "FALSE"].iter().any(|word| cursor.word(word)) {
            return Err(cursor.unexpected());
        }
    } else if cursor.word("ACCEPTINVCHARS") {
        cursor.word("AS");
        let replacement = cursor.text().ok();
        let one = replacement.as_deref().unwrap_or("?").chars().collect::<Vec<_>>();
        match one.as_slice() {
            [one] if one.is_ascii() && *one != '\0' => copy.accept_invalid_chars = Some(*one),
            _ => return Err(Refusal::new("ACCEPTINVCHARS needs one ASCII character")),
        }
    } else {
        let word = cursor.peek().map(|token| token.text.clone()).unwrap_or_default();
        if NOT_COLUMNAR.contains(&word.as_str()) {
            return Err(Refusal::new(format!("{word} argument is not supported for PARQUET based COPY")));
        }
        return Err(cursor.unexpected());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::token;

    fn parsed(sql: &str) -> Result<Copy, Refusal> {
        let tokens = token::tokens(sql)?;
        let mut cursor = Cursor::new(&tokens);
        cursor.expect_word("COPY")?;
        parse(&mut cursor)
    }

    #[test]
    fn a_copy_is_read_with_its_options() {
        let copy = parsed(
            "COPY \"s\".t (\"A\", b) FROM 's3://lake/x/m.json' IAM_ROLE default FORMAT AS PARQUET MANIFEST FILLRECORD
             ACCEPTINVCHARS AS '#' STATUPDATE OFF EXPLICIT_IDS SERIALIZETOJSON",
        );
        let expected = Copy {
            table: ObjectName(vec!["s".to_owned(), "t".to_owned()]),
            columns: Some(vec!["a".to_owned(), "b".to_owned()]),
            bucket: "lake".to_owned(),
            key: "x/m.json".to_owned(),
            manifest: true,
            fill_record: true,
            accept_invalid_chars: Some('#'),
            explicit_ids: true,
            serialize_to_json: true,
        };
        assert_eq!(copy.unwrap(), expected);
        for role in ["IAM_ROLE 'arn:aws:iam::1:role/r'", "CREDENTIALS 'aws_iam_role=arn:aws:iam::1:role/r'"] {
            let copy = parsed(&format!("COPY t FROM 's3://b/k' {role} PARQUET")).unwrap();
            assert!(!copy.manifest && copy.columns.is_none() && copy.accept_invalid_chars.is_none());
        }
    }

    #[test]
    fn options_of_other_formats_are_refused() {
        for option in NOT_COLUMNAR {
            let refusal =
                parsed(&format!("COPY t FROM 's3://b/k' IAM_ROLE default FORMAT PARQUET {option} 10")).unwrap_err();
            assert_eq!(refusal.message, format!("{option} argument is not supported for PARQUET based COPY"));
        }
    }

    #[test]
    fn what_is_no_copy_of_parquet_is_refused() {
        for (sql, told) in [
            ("COPY t FROM 's3://b/k' IAM_ROLE default", "only COPY … FORMAT AS PARQUET"),
            ("COPY t FROM 's3://b/k' IAM_ROLE default FORMAT AS CSV", "only COPY … FORMAT AS PARQUET"),
            ("COPY t FROM 's3://b/k' FORMAT AS PARQUET", "needs IAM_ROLE or CREDENTIALS"),
            ("COPY t FROM 's3://b/k' IAM_ROLE 'me' FORMAT AS PARQUET", "is not an ARN"),
            ("COPY t FROM 's3://b' IAM_ROLE default FORMAT AS PARQUET", "needs a bucket and a prefix"),
            ("COPY t FROM 'dynamodb://t' IAM_ROLE default FORMAT AS PARQUET", "from s3:// only"),
            ("COPY t FROM 's3://b/k' IAM_ROLE default FORMAT AS PARQUET STATUPDATE", "end of input"),
            ("COPY t FROM 's3://b/k' IAM_ROLE default FORMAT AS PARQUET WHATEVER", "near \"whatever\""),
        ] {
            let message = parsed(sql).unwrap_err().message;
            assert!(message.contains(told), "{sql}: {message}");
        }
    }
}
