//! One part on its way into a sink: Parquet framing, size and checksum.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use lakehand_dataset::transformer::{PartSink, PartWriter, TransformError, TransformedPart};
use polars::prelude::PolarsError;
use polars_parquet::write::{CompressedPage, DynIter, DynStreamingIterator, FileWriter, fallible_streaming_iterator};

use crate::encode::{EncodedColumn, PartSchema};

/// Bytes gathered before they go on.
const BUFFER_BYTES: usize = 256 * 1024;

/// Bytes on their way into a part, counted and hashed.
pub(crate) struct Metered {
    sink: Box<dyn PartWriter>,
    buffer: Vec<u8>,
    hasher: blake3::Hasher,
    bytes: u64,
    /// The Parquet writer keeps only the words of an I/O error; the error itself is kept here.
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Metered {
    /// Begins a part.
    pub(crate) fn open(sink: &dyn PartSink, name: &str) -> Result<Self, TransformError> {
        let writer =
            sink.create(name).map_err(|source| TransformError::Io { what: format!("create part {name}"), source })?;
        Ok(Self {
            sink: writer,
            buffer: Vec::new(),
            hasher: blake3::Hasher::new(),
            bytes: 0,
            failure: Arc::new(Mutex::new(None)),
        })
    }

    fn pass_on(&mut self) -> io::Result<()> {
        self.hasher.update(&self.buffer);
        let outcome = self.sink.write_all(&self.buffer);
        self.buffer.clear();
        outcome.map_err(|error| {
            let words = io::Error::new(error.kind(), error.to_string());
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            words
        })
    }

    /// Completes the part; its size and checksum.
    pub(crate) fn finish(mut self, name: &str) -> Result<(u64, String), TransformError> {
        let outcome = self.pass_on().and_then(|()| self.sink.flush()).and_then(|()| self.sink.finish());
        outcome.map_err(|source| TransformError::Io { what: format!("complete part {name}"), source })?;
        Ok((self.bytes, self.hasher.finalize().to_hex()[..32].to_owned()))
    }
}

impl Write for Metered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        self.bytes += bytes.len() as u64;
        if self.buffer.len() >= BUFFER_BYTES {
            self.pass_on()?;
        }
        Ok(bytes.len())
    }

    // The Parquet writer flushes once, at its end; `finish` does what is needed.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the one part that is written into it.
#[derive(Debug, Clone, Default)]
pub(crate) struct InMemory(Arc<Mutex<Vec<u8>>>);

impl InMemory {
    /// What was written.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl PartSink for InMemory {
    fn create(&self, _: &str) -> io::Result<Box<dyn PartWriter>> {
        Ok(Box::new(self.clone()))
    }
}

impl Write for InMemory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PartWriter for InMemory {
    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

/// A Parquet part being written.
pub(crate) struct ParquetPart {
    name: String,
    writer: FileWriter<Metered>,
    failure: Arc<Mutex<Option<io::Error>>>,
    rows: u64,
    bytes: u64,
}

impl fmt::Debug for ParquetPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetPart").field("name", &self.name).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl ParquetPart {
    /// Begins a part.
    pub(crate) fn open(sink: &dyn PartSink, name: String, schema: &PartSchema) -> Result<Self, TransformError> {
        let metered = Metered::open(sink, &name)?;
        let failure = Arc::clone(&metered.failure);
        let writer = FileWriter::new_with_parquet_schema(
            metered,
            schema.arrow.clone(),
            schema.parquet.clone(),
            PartSchema::options(),
        );
        Ok(Self { name, writer, failure, rows: 0, bytes: 0 })
    }

    /// Adds a row group, whose columns are in the order of the schema.
    pub(crate) fn write(&mut self, rows: usize, columns: &[EncodedColumn]) -> Result<(), TransformError> {
        let group = DynIter::new(columns.iter().map(|column| {
            Ok(DynStreamingIterator::new(fallible_streaming_iterator::convert(
                column.pages.iter().map(Ok::<&CompressedPage, PolarsError>),
            )))
        }));
        self.writer.write(rows as u64, group).map_err(|error| self.failed("write", error))?;
        self.rows += rows as u64;
        self.bytes += columns.iter().map(|column| column.bytes).sum::<u64>();
        Ok(())
    }

    /// Bytes of its row groups so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes the footer and completes the part.
    pub(crate) fn finish(mut self, partition: Vec<String>) -> Result<TransformedPart, TransformError> {
        self.writer.end(None).map_err(|error| self.failed("end", error))?;
        let (bytes, checksum) = self.writer.into_inner().finish(&self.name)?;
        Ok(TransformedPart { name: self.name, rows: self.rows, bytes, checksum, partition })
    }

    fn failed(&self, what: &str, error: PolarsError) -> TransformError {
        let what = format!("{what} part {}", self.name);
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(source) => TransformError::Io { what, source },
            None => TransformError::Engine { what, source: Box::new(error) },
        }
    }
}
