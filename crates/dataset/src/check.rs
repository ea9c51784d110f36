//! Turns a definition into a checked [`Dataset`], and names every problem at once.

mod column;
mod contest;
mod csv;
mod expression;
mod layout;
mod mask;
mod name;
mod query;
mod record;
pub(crate) mod reference;
mod rules;
mod settings;
mod source;
mod table;

use lakehand_domain::id::{DatasetId, FamilyId};
use lakehand_domain::object::ObjectUri;

use crate::dataset::{Dataset, Table, UnknownFields};
use crate::definition::read::At;
use crate::definition::{Definition, UnknownFieldsName};
use crate::fingerprint::{Basis, TransformIdentity};
use crate::pattern::Pattern;
use crate::problem::{DefinitionFile, Problem, Report};
use reference::Wanted;

/// Checks one definition by itself: what its references name is left to [`crate::catalog::Catalog::check`]. Patterns
/// without a scheme lie below `landing`; `identity` becomes part of the fingerprint.
///
/// Fails with every problem of the file, in the order of its lines. What only the engine can judge (whether an
/// expression has the type its column declares) is left to [`crate::transformer::Transformer::check`].
///
/// ```
/// use lakehand_dataset::check::check_definition;
/// use lakehand_dataset::fingerprint::TransformIdentity;
/// use lakehand_dataset::problem::DefinitionFile;
/// use lakehand_domain::object::ObjectUri;
///
/// let file = DefinitionFile {
///     path: "rents.toml".to_owned(),
///     text: r#"
/// name = "rents"
/// [source]
/// objects = ["rents_*.jsonl"]
/// format = "jsonl"
/// [tables.offers]
/// mode = "append"
/// columns.rent = { type = "decimal(12)", form = "price" }
/// columns.rooms = { type = "number" }
/// "#
///     .to_owned(),
/// };
/// let landing = ObjectUri::parse("s3://landing").unwrap();
/// let problems = check_definition(&file, &landing, &TransformIdentity("1".to_owned())).unwrap_err();
/// assert_eq!(
///     problems[0].to_string(),
///     "rents.toml:8: tables.offers.columns.rent.form: unknown key; did you mean from?"
/// );
/// assert_eq!((problems[1].line, problems[1].key_path.as_str()), (9, "tables.offers.columns.rooms.type"));
/// ```
pub fn check_definition(
    file: &DefinitionFile,
    landing: &ObjectUri,
    identity: &TransformIdentity,
) -> Result<Dataset, Vec<Problem>> {
    let examined = examine(file, landing, identity);
    match examined.dataset {
        Some(dataset) if examined.report.is_empty() => Ok(dataset),
        _ => Err(examined.report.into_problems()),
    }
}

/// A definition file with what is known of it, whether or not it has problems.
#[derive(Debug)]
pub(crate) struct Examined<'f> {
    /// Its problems so far.
    pub(crate) report: Report<'f>,
    /// The dataset, where there are none.
    pub(crate) dataset: Option<Dataset>,
    /// The dataset's name, if it is one.
    pub(crate) name: Option<At<String>>,
    /// The patterns that could be read.
    pub(crate) patterns: Vec<At<Pattern>>,
    /// Where loaded objects are archived.
    pub(crate) archive: Option<At<ObjectUri>>,
    /// The names of the tables.
    pub(crate) tables: Vec<At<String>>,
    /// The references that its columns have.
    pub(crate) references: Vec<Wanted>,
    /// The revision.
    pub(crate) revision: Option<i64>,
}

/// Reads and checks one file by itself.
pub(crate) fn examine<'f>(file: &'f DefinitionFile, landing: &ObjectUri, identity: &TransformIdentity) -> Examined<'f> {
    let mut report = Report::new(file);
    let definition = Definition::read(&file.text, &mut report).unwrap_or_default();
    let name = definition.name.filter(|given| name::check_dataset(given, &mut report));
    if let Some(text) = definition.description.filter(|text| text.value.trim().is_empty()) {
        report.advise(text.at, "description", "is empty", "say what the dataset is, or leave it out");
    }
    let mut source =
        definition.source.map(|given| source::check(given.value, landing, &mut report)).unwrap_or_default();
    source.mask_key = mask::check_key(definition.privacy, &mut report);
    let unknown_fields = definition.quality.as_ref().and_then(|given| given.value.unknown_fields.as_ref());
    let rescue_at = unknown_fields.filter(|given| given.value == UnknownFieldsName::Rescue).map(|given| given.at);
    let quality = settings::check_quality(definition.quality.map(|given| given.value), &mut report);
    if let (Some(at), Some(tables)) = (rescue_at, &definition.tables) {
        table::check_rescue(at, tables, &mut report);
    }
    let encoding = settings::check_encoding(definition.encoding.map(|given| given.value), &mut report);
    let tables_at = definition.tables.as_ref().map_or(0, |given| given.at);
    let references = definition.tables.as_ref().map_or_else(Vec::new, reference::wanted);
    let revision = definition.revision.map(|given| given.value);
    let checks = match (&definition.checks, &definition.tables) {
        (Some(given), Some(tables)) => record::check_all(given, &table::outlines(tables), &mut report),
        _ => Vec::new(),
    };
    let tables = definition.tables.map(|given| table::check_all(&given, name.as_ref(), &source, &mut report));
    let (table_names, tables) = tables.map_or((Vec::new(), None), |checked| (checked.names, checked.tables));
    let tables = match quality.unknown_fields {
        UnknownFields::Rescue => tables.map(|tables| tables.into_iter().map(Table::with_rescued).collect()),
        UnknownFields::Ignore | UnknownFields::Reject => tables,
    };
    mask::check_overlaps(tables.as_deref().unwrap_or_default(), tables_at, &mut report);

    let dataset = match (&name, source.source, encoding, tables) {
        (Some(name), Some(read), Some(encoding), Some(tables)) if report.is_empty() => {
            let id = DatasetId::new(name.value.as_str());
            let patterns: Vec<&Pattern> = source.patterns.iter().map(|pattern| &pattern.value).collect();
            let basis = Basis {
                id: &id,
                revision,
                patterns: &patterns,
                source: &read,
                quality: &quality,
                encoding: &encoding,
                tables: &tables,
                checks: &checks,
            };
            let fingerprint = basis.fingerprint(identity);
            let family = FamilyId::new(id.as_str());
            Some(Dataset { id, family, fingerprint, source: read, quality, encoding, tables, checks })
        }
        _ => None,
    };
    let (patterns, archive) = (source.patterns, source.archive);
    Examined { report, dataset, name, patterns, archive, tables: table_names, references, revision }
}

#[cfg(test)]
mod tests;
