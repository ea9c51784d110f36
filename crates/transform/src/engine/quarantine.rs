//! The quarantine part: one rejected record a line, in order, compressed, made only where there are any.

use std::fmt;
use std::io::Write;

use lakehand_dataset::transformer::{PartSink, TransformError, TransformedPart};
use lakehand_domain::reject::Reject;

use crate::part::Metered;

/// zstd level: rejects are few, or the file is bad and speed counts.
const LEVEL: i32 = 3;

/// Rejects on their way.
pub(crate) struct Quarantine {
    name: String,
    open: Option<zstd::stream::write::Encoder<'static, Metered>>,
    rows: u64,
}

impl fmt::Debug for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quarantine").field("name", &self.name).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Quarantine {
    /// Of this name; nothing is created yet.
    pub(crate) fn new(name: String) -> Self {
        Self { name, open: None, rows: 0 }
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, reject: &Reject, sink: &dyn PartSink) -> Result<(), TransformError> {
        let mut line = serde_json::to_vec(reject).map_err(|error| TransformError::Engine {
            what: format!("write a reject as JSON into {}", self.name),
            source: Box::new(error),
        })?;
        line.push(b'\n');
        let failed = |source| TransformError::Io { what: format!("write {}", self.name), source };
        let writer = if let Some(writer) = &mut self.open {
            writer
        } else {
            let metered = Metered::open(sink, &self.name)?;
            self.open.insert(zstd::stream::write::Encoder::new(metered, LEVEL).map_err(failed)?)
        };
        writer.write_all(&line).map_err(failed)?;
        self.rows += 1;
        Ok(())
    }

    /// Completes the part, where there is one.
    pub(crate) fn finish(self) -> Result<Option<TransformedPart>, TransformError> {
        let Some(writer) = self.open else { return Ok(None) };
        let metered =
            writer.finish().map_err(|source| TransformError::Io { what: format!("complete {}", self.name), source })?;
        let (bytes, checksum) = metered.finish(&self.name)?;
        Ok(Some(TransformedPart { name: self.name, rows: self.rows, bytes, checksum, partition: Vec::new() }))
    }
}
