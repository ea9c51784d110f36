//! A dataset compiled for decoding: where every column's value stands, and what is done with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use lakehand_dataset::dataset::{Column, CsvFormat, Dataset, Format, Origin, Table, UnknownFields};
use lakehand_dataset::path::FieldPath;
use lakehand_dataset::transformer::TransformError;
use lakehand_domain::shape::{ColumnType, Contest};

use super::Decoder;
use super::coerce::Value;
use super::rules::ColumnRules;
use super::texts::{PlanTexts, Texts};
use super::trie::Trie;
use crate::mask::{MaskKeys, Masker};

/// Everything about a dataset that decoding needs, with the captures of one object's name.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) tables: Vec<TablePlan>,
    pub(super) trie: Trie,
    pub(super) csv: Option<CsvPlan>,
    /// Whether the format has types of its own.
    typed: bool,
    pub(super) texts: PlanTexts,
    /// A longer line is rejected.
    pub(super) max_line: usize,
    /// Cells that others need before their own row is made: table and column.
    pub(super) early: Vec<(usize, usize)>,
    /// Columns that are masked: table and column.
    pub(super) masked: Vec<(usize, usize)>,
}

/// What stands for a record in which it is not known where the masked values stand.
pub(crate) const WITHHELD: &str =
    "withheld: the dataset masks columns, and where they stand in this record is not known";

/// What a delimited file needs.
#[derive(Debug)]
pub(super) struct CsvPlan {
    pub(super) format: CsvFormat,
    /// The wanted fields.
    pub(super) fields: Vec<CsvField>,
    /// What a field that is not wanted means.
    pub(super) unknown: UnknownFields,
    /// The slot of what is rescued.
    pub(super) rescued: Option<usize>,
    /// How many slots a record has.
    pub(super) width: usize,
}

/// A wanted field of a delimited file.
#[derive(Debug)]
pub(super) struct CsvField {
    pub(super) name: String,
    pub(super) slot: usize,
    /// Whether a column of it needs a value, so that a file without the field has no record to give.
    pub(super) is_needed: bool,
}

/// One table.
#[derive(Debug)]
pub(super) struct TablePlan {
    pub(super) columns: Vec<ColumnPlan>,
    /// The list that is exploded.
    pub(super) list: Option<usize>,
    /// Where its cells of a record start.
    pub(super) base: usize,
    /// The key, where a row without one is left out.
    pub(super) skip_key: Option<Vec<usize>>,
}

/// One column.
#[derive(Debug)]
pub(super) struct ColumnPlan {
    pub(super) name: String,
    pub(super) column_type: ColumnType,
    pub(super) origin: ColumnOrigin,
    pub(super) rules: ColumnRules,
    /// What is kept of its values.
    pub(super) mask: Option<Masker>,
    /// Whether its cell is made before the rows.
    pub(super) early: bool,
}

/// Where its value stands.
#[derive(Debug)]
pub(super) enum ColumnOrigin {
    /// A slot of the record.
    Record(usize),
    /// A slot of the element.
    Element(usize),
    /// The same for all records.
    Fixed(Value),
    /// A hash of these cells: table and column.
    Hash(Vec<(usize, usize)>),
    /// Not made here.
    Expression,
}

fn defect(what: String) -> TransformError {
    TransformError::Engine { what, source: "the check of the definition should have refused this".into() }
}

impl Plan {
    /// Compiles the dataset. A capture that cannot be typed makes the object [`TransformError::Unreadable`]; what the
    /// check of the definition should have refused is [`TransformError::Engine`].
    pub(crate) fn compile(
        dataset: &Dataset,
        captures: &BTreeMap<String, String>,
        keys: &MaskKeys,
    ) -> Result<Arc<Self>, TransformError> {
        let unknown = dataset.quality.unknown_fields;
        let csv = match &dataset.source.format {
            Format::Csv(format) => {
                Some(CsvPlan { format: format.clone(), fields: Vec::new(), unknown, rescued: None, width: 0 })
            }
            Format::Jsonl | Format::Json(_) | Format::Parquet(_) | Format::Avro(_) => None,
        };
        let mut plan = Self {
            tables: Vec::with_capacity(dataset.tables.len()),
            trie: Trie::new(dataset.source.records.as_ref(), unknown),
            csv,
            typed: matches!(dataset.source.format, Format::Parquet(_) | Format::Avro(_)),
            texts: PlanTexts::default(),
            max_line: usize::try_from(dataset.source.max_line_bytes).unwrap_or(usize::MAX),
            early: Vec::new(),
            masked: Vec::new(),
        };
        plan.trie.rescues_null = matches!(dataset.source.format, Format::Jsonl | Format::Json(_));
        let mut base = 0;
        for table in &dataset.tables {
            let compiled = plan.table(table, base, captures, keys)?;
            base += compiled.columns.len();
            let masked = compiled.columns.iter().enumerate().filter(|(_, column)| column.mask.is_some());
            plan.masked.extend(masked.map(|(at, _)| (plan.tables.len(), at)));
            plan.tables.push(compiled);
        }
        plan.find_early()?;
        plan.trie.settle();
        Ok(Arc::new(plan))
    }

    /// A decoder for one worker.
    pub(crate) fn decoder(self: &Arc<Self>) -> Decoder {
        Decoder::new(Arc::clone(self))
    }

    fn table(
        &mut self,
        table: &Table,
        base: usize,
        captures: &BTreeMap<String, String>,
        keys: &MaskKeys,
    ) -> Result<TablePlan, TransformError> {
        let name = &table.shape.name;
        let list = match &table.rows {
            Some(_) if self.csv.is_some() => {
                return Err(defect(format!("{name}: rows of lists cannot be made from csv")));
            }
            Some(path) => Some(self.trie.list(path)),
            None => None,
        };
        let mut columns = Vec::with_capacity(table.columns.len());
        for (column, shape) in table.columns.iter().zip(&table.shape.columns) {
            let full_name = format!("{name}.{}", shape.name);
            // A hash that is a number is judged as one; its text is 32 digits.
            let rules = ColumnRules::compile(
                &column.rules,
                shape.column_type,
                shape.required,
                self.csv.is_some() || matches!(column.origin, Origin::Capture(_) | Origin::Rescued),
                &mut self.texts,
            )
            .map_err(|message| defect(format!("{full_name}: {message}")))?;
            let rules = if self.typed { rules.of_typed_source() } else { rules };
            let origin = self.origin(column, &rules, &full_name, list, captures)?;
            if matches!(origin, ColumnOrigin::Hash(_))
                && !matches!(shape.column_type, ColumnType::Bigint | ColumnType::Varchar { bytes: 32.. })
            {
                return Err(defect(format!("{full_name}: a hash is a bigint or a varchar of at least 32")));
            }
            let column_type = shape.column_type;
            let mask =
                column.rules.mask.as_ref().map(|mask| Masker::new(mask, keys)).transpose().map_err(|what| {
                    TransformError::Engine { what: format!("mask {full_name}"), source: what.into() }
                })?;
            columns.push(ColumnPlan { name: full_name, column_type, origin, rules, mask, early: false });
        }
        let skip_key = match &table.shape.contest {
            Contest::Upsert { key, .. } if table.skip_without_key => {
                let place = |name: &String| table.shape.columns.iter().position(|column| column.name == *name);
                let key: Option<Vec<usize>> = key.iter().map(place).collect();
                let key = key.ok_or_else(|| defect(format!("{name}: the key is none of its columns")))?;
                // What an element has of its record it always has: whether it has a key is its own part's to say.
                let is_own =
                    |at: &usize| matches!(columns[*at].origin, ColumnOrigin::Element(_) | ColumnOrigin::Hash(_));
                let own: Vec<usize> = key.iter().copied().filter(is_own).collect();
                Some(if list.is_some() && !own.is_empty() { own } else { key })
            }
            _ => None,
        };
        Ok(TablePlan { columns, list, base, skip_key })
    }

    fn origin(
        &mut self,
        column: &Column,
        rules: &ColumnRules,
        full_name: &str,
        list: Option<usize>,
        captures: &BTreeMap<String, String>,
    ) -> Result<ColumnOrigin, TransformError> {
        Ok(match &column.origin {
            Origin::Expression(_) => ColumnOrigin::Expression,
            Origin::Hash(inputs) => {
                ColumnOrigin::Hash(inputs.iter().map(|input| (input.table, input.column)).collect())
            }
            Origin::Field(path) => match (&mut self.csv, list) {
                (Some(csv), _) => {
                    let is_needed = column.rules.default.is_none() && rules.check_required(Value::Null).is_err();
                    ColumnOrigin::Record(csv.slot(path, is_needed))
                }
                (None, Some(list)) if !path.from_record => ColumnOrigin::Element(self.trie.element_slot(list, path)),
                (None, _) => ColumnOrigin::Record(self.trie.record_slot(path)),
            },
            Origin::Rescued => match (&mut self.csv, list) {
                (Some(csv), _) => ColumnOrigin::Record(csv.rescued_slot()),
                (None, Some(list)) => ColumnOrigin::Element(self.trie.rescued_element_slot(list)),
                (None, None) => ColumnOrigin::Record(self.trie.rescued_slot()),
            },
            Origin::Capture(capture) => {
                let Some(text) = captures.get(capture) else {
                    return Err(defect(format!("{full_name}: the object's name has no capture {{{capture}}}")));
                };
                let at = self.texts.keep(text);
                let texts = Texts { chunk: "", scratch: "", plan: self.texts.as_str(), masked: "" };
                let value = rules.value_of_text(at, &texts);
                match value.and_then(|value| rules.check_required(value).map(|()| value)) {
                    Ok(value) => ColumnOrigin::Fixed(value),
                    Err(complaint) => {
                        return Err(TransformError::Unreadable {
                            message: format!(
                                "has a name whose {{{capture}}} is {text:?}, which as {full_name} {} ({}); rename the \
                                 object, or change the column",
                                complaint.message,
                                complaint.rule.name()
                            ),
                        });
                    }
                }
            }
        })
    }

    /// Finds the cells that hashes and keys need before rows are made.
    fn find_early(&mut self) -> Result<(), TransformError> {
        let mut early = Vec::new();
        for (at, table) in self.tables.iter().enumerate() {
            let hashed = table.columns.iter().filter_map(|column| match &column.origin {
                ColumnOrigin::Hash(inputs) => Some((column.name.as_str(), inputs)),
                _ => None,
            });
            for (name, inputs) in hashed {
                for &(other, column) in inputs {
                    match self.tables.get(other).and_then(|table| table.columns.get(column)).map(|c| &c.origin) {
                        Some(ColumnOrigin::Record(_) | ColumnOrigin::Fixed(_)) => early.push((other, column)),
                        Some(ColumnOrigin::Element(_)) if other == at => {}
                        _ => {
                            return Err(defect(format!(
                                "{name}: hashes a column that is neither of its own row nor of the record"
                            )));
                        }
                    }
                }
            }
            for &column in table.skip_key.iter().flatten() {
                if matches!(table.columns[column].origin, ColumnOrigin::Record(_)) {
                    early.push((at, column));
                }
            }
        }
        early.sort_unstable();
        early.dedup();
        for &(table, column) in &early {
            self.tables[table].columns[column].early = true;
        }
        self.early = early;
        Ok(())
    }

    /// Whether rows can be made column by column: every record is one row of each table, and no cell needs another.
    pub(super) fn is_columnar(&self) -> bool {
        let is_own = |column: &ColumnPlan| {
            matches!(column.origin, ColumnOrigin::Record(_) | ColumnOrigin::Fixed(_) | ColumnOrigin::Expression)
        };
        let is_plain =
            |table: &TablePlan| table.list.is_none() && table.skip_key.is_none() && table.columns.iter().all(is_own);
        self.early.is_empty() && self.masked.is_empty() && self.tables.iter().all(is_plain)
    }

    /// Whether the column of this name is masked.
    pub(super) fn masks(&self, column: &str) -> bool {
        self.masked.iter().any(|&(table, at)| self.tables[table].columns[at].name == column)
    }

    /// How many cells a record has over all tables.
    pub(super) fn cells(&self) -> usize {
        self.tables.iter().map(|table| table.columns.len()).sum()
    }

    /// How many slots a record has, and the elements of each list.
    pub(super) fn widths(&self) -> (usize, Vec<usize>) {
        match &self.csv {
            Some(csv) => (csv.width, Vec::new()),
            None => (self.trie.width, self.trie.lists.iter().map(|list| list.width).collect()),
        }
    }
}

impl CsvPlan {
    /// The slot of a field, each field having one.
    fn slot(&mut self, path: &FieldPath, is_needed: bool) -> usize {
        let name = path.keys.join(".");
        if let Some(field) = self.fields.iter_mut().find(|field| field.name == name) {
            field.is_needed |= is_needed;
            return field.slot;
        }
        self.fields.push(CsvField { name, slot: self.width, is_needed });
        self.width += 1;
        self.width - 1
    }

    /// The slot of what is rescued.
    fn rescued_slot(&mut self) -> usize {
        let slot = *self.rescued.get_or_insert(self.width);
        self.width = self.width.max(slot + 1);
        slot
    }
}
