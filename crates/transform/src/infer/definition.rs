//! The definition as TOML, with comments that say why.

use std::fmt::{self, Write};

use lakehand_dataset::dataset::Charset;

use super::Field;
use super::seen::Inferred;

/// Parts of names that hint at a person.
const PERSONAL: &[&str] = &[
    "email",
    "e_mail",
    "mail",
    "phone",
    "mobile",
    "fax",
    "firstname",
    "first_name",
    "lastname",
    "last_name",
    "surname",
    "full_name",
    "birth",
    "ssn",
    "iban",
    "passport",
    "contact",
    "street",
    "ip_address",
    "user_name",
    "username",
];

/// Parts of names that say when a record was last changed, the surest first.
const VERSIONS: &[&str] =
    &["modif", "updated", "update", "changed", "change", "version", "crawled", "scraped", "exported"];

/// Beyond so many days partitions are months; a part for each day would be small.
const MOST_DAYS: i64 = 92;
/// Beyond so many days they are years.
const MOST_MONTHS_IN_DAYS: i64 = 20 * 366;

/// All that the definition is made of.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The name of dataset and table.
    pub(crate) name: String,
    /// The pattern of its objects.
    pub(crate) pattern: String,
    /// The name of the sample.
    pub(crate) file_name: String,
    /// As definitions write it.
    pub(crate) format: &'static str,
    /// How text is encoded, where it is not UTF-8 and has no mark that says so.
    pub(crate) charset: Option<Charset>,
    /// Delimiter and, where there is no header line, names of the fields; `None` for JSON.
    pub(crate) csv: Option<(char, Option<Vec<String>>)>,
    /// Where the records sit.
    pub(crate) records_at: Option<String>,
    /// The fields.
    pub(crate) fields: Vec<Field>,
    /// Records looked at.
    pub(crate) records: u64,
    /// Whether the file goes on after the sample.
    pub(crate) cut: bool,
}

struct Column<'a> {
    field: &'a Field,
    inferred: Inferred,
    required: bool,
}

impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<Column<'_>> = self
            .fields
            .iter()
            .map(|field| {
                let mut inferred = field.seen.infer(self.csv.is_some());
                // No varchar holds such a text, and json has no limit of its own; fields of csv are no JSON.
                if field.seen.too_long() && inferred.column_type.starts_with("varchar") && self.csv.is_none() {
                    "json".clone_into(&mut inferred.column_type);
                }
                // The file says what it would hold, and a column of another type would be refused; json takes anything.
                if inferred.values == 0 && matches!(self.format, "parquet" | "avro") {
                    "json".clone_into(&mut inferred.column_type);
                }
                let required = self.records > 0 && inferred.values >= self.records;
                Column { field, inferred, required }
            })
            .collect();
        let beginning = if self.cut { "the first " } else { "" };
        writeln!(
            f,
            "# Inferred from {beginning}{} records of {}. What a sample cannot tell is a guess: read it,",
            self.records, self.file_name
        )?;
        writeln!(f, "# correct it, then run `lakehand check`, and `lakehand preview` on a file or two.")?;
        writeln!(f, "name = {}", quoted(&self.name))?;
        writeln!(f, "\n[source]")?;
        writeln!(
            f,
            "# Numbers and dates in the name became *. Name a part {{so}} to use it in a column: capture = \"so\"."
        )?;
        writeln!(f, "objects = [{}]", quoted(&self.pattern))?;
        writeln!(f, "format = {}", quoted(self.format))?;
        if let Some(charset) = self.charset {
            writeln!(
                f,
                "# It is no UTF-8. Which other encoding it is in is a guess: look at a text with umlauts or accents."
            )?;
            writeln!(f, "encoding = {}", quoted(&charset.name().to_lowercase()))?;
        }
        if let Some(at) = &self.records_at {
            let place = if at.contains("[]") {
                "The records are the elements of this list"
            } else {
                "Every document holds its record here"
            };
            writeln!(f, "# {place}.")?;
            writeln!(f, "records = {}", quoted(at))?;
        }
        writeln!(f, "on_rewrite = \"replace\"")?;
        writeln!(f, "after_load = \"keep\"")?;
        if let Some((delimiter, names)) = &self.csv {
            writeln!(f, "\n[source.csv]")?;
            if self.format != "tsv" {
                writeln!(f, "delimiter = {}", quoted(&delimiter.to_string()))?;
            }
            writeln!(f, "quote = {}", quoted("\""))?;
            if let Some(names) = names {
                writeln!(f, "# The first line looks like data, so the fields were named by their position.")?;
                let names = names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
                writeln!(f, "names = [{names}]")?;
            }
            writeln!(f, "empty_is_null = true")?;
        }
        writeln!(f, "\n[quality]")?;
        writeln!(f, "# A file with more rejected records than this is set aside as a whole.")?;
        writeln!(f, "max_rejects = \"5%\"")?;
        writeln!(f, "unknown_fields = \"ignore\"")?;
        writeln!(f, "\n[tables.{}]", self.name)?;
        mode(f, &columns)?;
        partitions(f, &columns, &self.file_name)?;
        writeln!(f, "\n[tables.{}.columns]", self.name)?;
        columns.iter().try_for_each(|column| column_line(f, column, self.records))
    }
}

/// What places rows in the lake: the days, months or years of a column that always has one, and several of them.
fn partitions(f: &mut fmt::Formatter<'_>, columns: &[Column<'_>], file_name: &str) -> fmt::Result {
    let spans =
        columns.iter().filter(|column| column.required && column.inferred.null_if.is_empty()).filter_map(|column| {
            let days = column.field.seen.span_of_days(&column.inferred.column_type)?;
            // A day of birth says nothing of when a row came to be.
            let personal = PERSONAL.iter().any(|part| column.field.name.contains(part));
            (days > 0 && !personal).then_some((column, days))
        });
    // What tells when something happened stays; what tells when it was changed moves on with each change.
    let changes = |column: &Column<'_>| VERSIONS.iter().any(|part| column.field.name.contains(part));
    if let Some((column, days)) = spans.min_by_key(|(column, _)| changes(column)) {
        let grain = if days <= MOST_DAYS {
            "day"
        } else if days <= MOST_MONTHS_IN_DAYS {
            "month"
        } else {
            "year"
        };
        let name = &column.field.name;
        writeln!(
            f,
            "# {name} always has a value; the sample spans {} days of it. It places rows in the lake.",
            days + 1
        )?;
        return writeln!(f, "partition_by = [{}]", quoted(&format!("{grain}({name})")));
    }
    if super::name::has_date(file_name) {
        writeln!(
            f,
            "# The object's name has a date. To place rows by it, name it in source.objects, as in {{day}}, add a"
        )?;
        writeln!(f, "# column day = {{ type = \"date\", capture = \"day\" }}, and set:")?;
        writeln!(f, "# partition_by = [\"day\"]")?;
    }
    Ok(())
}

fn mode(f: &mut fmt::Formatter<'_>, columns: &[Column<'_>]) -> fmt::Result {
    let Some(key) = key(columns) else {
        writeln!(f, "# No column has the name of a key and a different value in every record, so every row stands.")?;
        return writeln!(f, "mode = \"append\"");
    };
    writeln!(f, "# {} has a value in every record and none twice; the newest row of a key wins.", key.field.name)?;
    writeln!(f, "mode = \"upsert\"")?;
    writeln!(f, "key = [{}]", quoted(&key.field.name))?;
    match version(columns) {
        Some(version) => {
            writeln!(f, "# Its name says when a record was changed; without it the newer file wins.")?;
            writeln!(f, "version = {}", quoted(&version.field.name))
        }
        None => writeln!(f, "# No column says when a record was changed, so the row of the newer file wins."),
    }
}

/// A column without nulls, all different, whose name is one of a key; the plainest name first.
fn key<'a, 'b>(columns: &'a [Column<'b>]) -> Option<&'a Column<'b>> {
    let rank = |name: &str| {
        if name == "id" {
            Some(0)
        } else if name.ends_with("_id") || name == "uuid" || name == "guid" || name == "key" {
            Some(1)
        } else if ["_uuid", "_guid", "_key", "_number", "_no", "_nr"].iter().any(|ending| name.ends_with(ending)) {
            Some(2)
        } else {
            None
        }
    };
    let fits = |column: &Column<'_>| {
        let kind = column.inferred.column_type.as_str();
        let narrow = kind.ends_with("int") || kind == "integer" || kind.starts_with("varchar");
        column.required && column.inferred.distinct && narrow && kind != "varchar(65535)"
    };
    let ranked = columns.iter().filter(|column| fits(column)).filter_map(|c| Some((rank(&c.field.name)?, c)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, column)| column)
}

fn version<'a, 'b>(columns: &'a [Column<'b>]) -> Option<&'a Column<'b>> {
    let ranked = columns.iter().filter_map(|column| {
        let name = VERSIONS.iter().position(|part| column.field.name.contains(part))?;
        let kind = match column.inferred.column_type.as_str() {
            "timestamptz" | "timestamp" => 0,
            "date" => 1,
            _ => return None,
        };
        Some((kind, name, column))
    });
    ranked.min_by_key(|(kind, name, _)| (*kind, *name)).map(|(_, _, column)| column)
}

fn column_line(f: &mut fmt::Formatter<'_>, column: &Column<'_>, records: u64) -> fmt::Result {
    let Column { field, inferred, required } = column;
    let is_text = inferred.column_type.starts_with("varchar");
    if field.seen.too_long() && is_text {
        writeln!(
            f,
            "# {}: longer than 65,535 bytes in places, which no column holds; left out, to load the rest.",
            field.name
        )?;
        write!(f, "# ")?;
    } else if field.seen.too_long() && inferred.column_type == "json" {
        writeln!(
            f,
            "# {}: longer than 65,535 bytes in places, which no varchar holds, and so kept as JSON. On Redshift it needs\n# \
             redshift.json = \"super\" in the table.",
            field.name
        )?;
    }
    let mut line =
        format!("{} = {{ type = {}, from = {}", field.name, quoted(&inferred.column_type), quoted(&field.from));
    if *required {
        line.push_str(", required = true");
    }
    if let Some(format) = inferred.format {
        write!(line, ", format = {}", quoted(format))?;
    }
    if inferred.trim {
        line.push_str(", trim = true");
    }
    if !inferred.null_if.is_empty() {
        let texts = inferred.null_if.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
        write!(line, ", null_if = [{texts}]")?;
    }
    line.push_str(" }");
    let mut notes: Vec<String> = Vec::new();
    if inferred.values == 0 {
        notes.push("never has a value in the sample: its type is a guess".to_owned());
    } else if !required && inferred.values * 20 < records {
        notes.push(format!("{} of {records} records have it", inferred.values));
    }
    if field.seen.beyond_double() && inferred.column_type.starts_with("varchar") {
        notes.push(
            "numbers of more digits than a double keeps: as text they stay exact; see whether a decimal holds them"
                .to_owned(),
        );
    }
    if PERSONAL.iter().any(|part| field.name.contains(part)) {
        notes.push("personal? leave it out, or mask it, unless it is needed".to_owned());
    }
    notes.extend(field.comment.clone());
    if !notes.is_empty() {
        write!(line, "  # {}", notes.join("; "))?;
    }
    writeln!(f, "{line}")
}

/// A text as TOML writes it; JSON's escapes are TOML's too, but for one character.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
