//! The engine: one object through source, decoding, deriving, ordering, encoding and writing.

mod lane;
mod ordered;
mod quarantine;
mod workers;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;

use lakehand_dataset::dataset::{Dataset, Quality};
use lakehand_dataset::transformer::{
    PartSink, TransformError, TransformInput, Transformed, TransformedTable, Transformer, Verdict,
};
use lakehand_domain::reject::RejectCounts;
use lakehand_domain::shape::ColumnShape;
use polars_error::PolarsWarning;

use self::ordered::Ordered;
use self::workers::Feed;
use crate::decode::{Decoder, Plan};
use crate::derive::{Batch, Program};
use crate::encode::PartSchema;
use crate::mask::MaskKeys;
use crate::part::{InMemory, ParquetPart};
use crate::source::{self, ChunkSource};

/// An object of fewer bytes is done by the calling thread alone: starting workers would cost more than they save.
const ONE_THREAD_BYTES: u64 = 256 * 1024;

/// What has no pages has none to compress.
const EMPTY_LEVEL: i32 = 1;

/// So many datasets are kept ready; a worker that has more resolves some of them anew.
const MOST_PROGRAMS: usize = 100;

/// The transformer built on polars.
#[derive(Debug, Clone)]
pub struct Engine {
    threads: NonZeroUsize,
    mask_keys: MaskKeys,
    programs: Arc<Programs>,
}

/// The programs of the datasets that were transformed last: resolving SQL takes longer than a small file does.
#[derive(Debug, Default)]
struct Programs {
    known: Mutex<Vec<(Arc<Dataset>, Arc<Program>)>>,
}

impl Programs {
    /// Of this dataset, which is known by being the same one, not by its name.
    fn of(&self, dataset: &Arc<Dataset>) -> Result<Arc<Program>, TransformError> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found =
            lock().iter().find(|(known, _)| Arc::ptr_eq(known, dataset)).map(|(_, program)| Arc::clone(program));
        if let Some(program) = found {
            return Ok(program);
        }
        let program = Arc::new(Program::compile(dataset).map_err(|problems| refused(dataset, &problems))?);
        let mut known = lock();
        if known.len() == MOST_PROGRAMS {
            known.remove(0);
        }
        known.push((Arc::clone(dataset), Arc::clone(&program)));
        Ok(program)
    }
}

impl Engine {
    /// With as many workers as the machine has cores.
    pub fn new() -> Self {
        Self::with_threads(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    /// With this many workers for each object. The bytes made do not depend on it.
    pub fn with_threads(threads: NonZeroUsize) -> Self {
        static WARNINGS: Once = Once::new();
        WARNINGS.call_once(|| polars_error::set_warning_function(warn));
        Self { threads, mask_keys: MaskKeys::default(), programs: Arc::default() }
    }

    /// With the keys of masks. Without the key that a definition names, its files fail and its check says so.
    #[must_use]
    pub fn with_mask_keys(self, mask_keys: MaskKeys) -> Self {
        Self { mask_keys, ..self }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

/// polars warns once a chunk, so this is no more than a debug event.
fn warn(message: &str, _: PolarsWarning) {
    tracing::debug!(message, "polars warns");
}

impl Transformer for Engine {
    fn empty_part(&self, columns: &[ColumnShape]) -> Result<(Vec<u8>, String), TransformError> {
        let failed = |error| TransformError::Engine { what: "make an empty part".to_owned(), source: Box::new(error) };
        let schema = PartSchema::of(columns, EMPTY_LEVEL).map_err(failed)?;
        let memory = InMemory::default();
        let part = ParquetPart::open(&memory, "empty".to_owned(), &schema)?.finish(Vec::new())?;
        Ok((memory.take(), part.checksum))
    }

    fn transform(
        &self,
        input: &TransformInput,
        sink: &dyn PartSink,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Transformed, TransformError> {
        if cancelled() {
            return Err(TransformError::Cancelled);
        }
        let dataset = &input.dataset;
        let program = self.programs.of(dataset)?;
        let plan = Plan::compile(dataset, &input.captures, &self.mask_keys)?;
        let source = source::open(&input.content, dataset)?;
        let threads = if input.content.len() < ONE_THREAD_BYTES { NonZeroUsize::MIN } else { self.threads };
        let feed = || Chunks { source: &source, decoder: plan.decoder(), program: &program, reuse: Vec::new() };
        run(input, sink, cancelled, threads, feed)
    }

    fn check(&self, dataset: &Dataset) -> Vec<(String, String)> {
        let mut problems = Program::compile(dataset).err().unwrap_or_default();
        problems.extend(self.mask_keys.missing(dataset).into_iter().map(|key| {
            let message = format!(
                "the settings have no mask key {key:?}; put its secret into a file of this name in privacy.keys_folder"
            );
            ("privacy.mask_key".to_owned(), message)
        }));
        problems
    }
}

/// One worker's way from a chunk to a batch.
struct Chunks<'a> {
    source: &'a ChunkSource,
    decoder: Decoder,
    program: &'a Program,
    reuse: Vec<u8>,
}

impl Feed for Chunks<'_> {
    fn next(&mut self) -> Result<Option<Batch>, TransformError> {
        let Some(mut chunk) = self.source.next(std::mem::take(&mut self.reuse))? else { return Ok(None) };
        let piece = self.decoder.decode(&mut chunk)?;
        let batch = self.program.derive(piece, &chunk.bytes)?;
        self.reuse = chunk.bytes;
        Ok(Some(batch))
    }
}

/// Runs batches, wherever they come from, into parts and a verdict.
fn run<F: Feed>(
    input: &TransformInput,
    sink: &dyn PartSink,
    cancelled: &(dyn Fn() -> bool + Sync),
    threads: NonZeroUsize,
    feed: impl Fn() -> F + Sync,
) -> Result<Transformed, TransformError> {
    let dataset = &input.dataset;
    let columns: Vec<_> = dataset.tables.iter().map(|table| table.shape.part_columns()).collect();
    let schemas = columns
        .iter()
        .map(|columns| PartSchema::of(columns, dataset.encoding.zstd_level).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TransformError::Engine {
            what: format!("lay out the parts of {}", dataset.id),
            source: Box::new(error),
        })?;
    let outcome = workers::run(threads, Ordered::new(input, &schemas), sink, cancelled, feed)?;
    if cancelled() {
        return Err(TransformError::Cancelled);
    }
    let tables = dataset
        .tables
        .iter()
        .zip(columns)
        .zip(outcome.tables)
        .map(|((table, columns), (rows, parts))| TransformedTable {
            table: table.shape.name.clone(),
            columns,
            rows,
            parts,
        })
        .collect();
    Ok(Transformed {
        verdict: verdict(&dataset.quality, outcome.records, &outcome.rejects),
        records: outcome.records,
        rejects: outcome.rejects,
        tables,
        quarantine: outcome.quarantine,
    })
}

fn verdict(quality: &Quality, records: u64, rejects: &RejectCounts) -> Verdict {
    let max_rejects = quality.max_rejects;
    let rejected = rejects.total();
    let accepted = records.saturating_sub(rejected);
    let Some(limit) = max_rejects.exceeded(records, rejected) else {
        return match quality.min_records {
            Some(least) if accepted < least => Verdict::TooFewRecords {
                message: format!(
                    "{accepted} of {records} records are accepted, fewer than min_records = {least} asks for"
                ),
            },
            _ => Verdict::Accepted,
        };
    };
    let of = if limit == max_rejects { String::new() } else { format!(" of {max_rejects}") };
    let mut rules: Vec<_> = rejects.iter().collect();
    rules.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    let rules = rules.iter().take(3).map(|(rule, count)| format!("{rule}: {count}")).collect::<Vec<_>>().join(", ");
    Verdict::TooManyRejects {
        message: format!(
            "{rejected} of {records} records are rejected, more than max_rejects = {limit}{of} allows ({rules})"
        ),
    }
}

fn refused(dataset: &Dataset, problems: &[(String, String)]) -> TransformError {
    let problems = problems.iter().map(|(path, message)| format!("{path}: {message}")).collect::<Vec<_>>().join("; ");
    TransformError::Engine {
        what: format!("compile the definition of {}, which lakehand check would refuse", dataset.id),
        source: problems.into(),
    }
}

#[cfg(test)]
mod tests;
