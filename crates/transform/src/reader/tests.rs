//! Parts through a store: whole, gone, grown or bent.

use std::io::Write;
use std::ops::Range;

use futures::stream;
use lakehand_domain::object::{ObjectStat, ObjectVersion};
use lakehand_domain::port::object_store::{DeleteOutcome, ListPage, PutCondition, PutOutcome, Upload};
use lakehand_domain::timestamp::Timestamp;

use super::*;
use crate::encode::{ColumnData, encode_column};

#[tokio::test]
async fn an_empty_part_has_its_columns_and_no_row() {
    use lakehand_dataset::transformer::Transformer;
    use lakehand_domain::shape::ColumnType;
    let types = ["boolean", "smallint", "bigint", "decimal(38,2)", "varchar(9)", "date", "timestamptz", "json", "real"];
    let column = |(at, text): (usize, &&str)| ColumnShape {
        name: format!("c{at}"),
        column_type: ColumnType::parse(text).unwrap(),
        required: at % 2 == 0,
    };
    let columns: Vec<ColumnShape> = types.iter().enumerate().map(column).collect();
    let engine = crate::engine::Engine::new();
    let (bytes, checksum) = engine.empty_part(&columns).unwrap();
    assert_eq!((bytes.clone(), checksum.clone()), engine.empty_part(&columns).unwrap(), "the same bytes each time");
    for as_file in [true, false] {
        let store = OneObject { told: bytes.len() as u64, bytes: Some(Bytes::from(bytes.clone())), as_file };
        let part = Part {
            uri: ObjectUri::parse("s3://lake/d/_empty/t.parquet").unwrap(),
            rows: 0,
            bytes: bytes.len() as u64,
            checksum: checksum.clone(),
            partition: Vec::new(),
        };
        let mut rows = PartFiles::new(Arc::new(store)).open(&part, &columns).await.unwrap();
        assert!(rows.next().unwrap().is_none_or(|batch| batch.rows == 0));
        let mut others = columns.clone();
        others[1].name = "other".to_owned();
        let store = OneObject { told: bytes.len() as u64, bytes: Some(Bytes::from(bytes.clone())), as_file };
        let opened = PartFiles::new(Arc::new(store)).open(&part, &others).await;
        assert!(opened.is_err(), "its columns are looked at");
    }
}

/// One object, as a file or as a stream of small chunks; what readers never call is foreign to it.
#[derive(Debug)]
struct OneObject {
    bytes: Option<Bytes>,
    as_file: bool,
    /// The size its stat tells.
    told: u64,
}

fn foreign(uri: &ObjectUri) -> StoreError {
    StoreError::Foreign { uri: uri.clone(), store: "one object" }
}

#[async_trait]
impl ObjectStore for OneObject {
    async fn stat(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
        if self.bytes.is_none() {
            return Err(StoreError::NotFound { uri: uri.clone() });
        }
        let at = Timestamp::default();
        Ok(ObjectStat {
            uri: uri.clone(),
            version: ObjectVersion::of(None, None, self.told, at),
            version_id: None,
            etag: None,
            size: self.told,
            last_modified: at,
        })
    }

    async fn open(&self, stat: &ObjectStat, _: Option<Range<u64>>) -> Result<ObjectBody, StoreError> {
        let bytes = self.bytes.clone().ok_or_else(|| foreign(&stat.uri))?;
        if self.as_file {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&bytes).unwrap();
            return Ok(ObjectBody::File { file: file.reopen().unwrap(), len: bytes.len() as u64 });
        }
        let chunks: Vec<_> = bytes.chunks(100).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        Ok(ObjectBody::Stream(Box::pin(stream::iter(chunks))))
    }

    async fn unchanged(&self, stat: &ObjectStat) -> Result<(), StoreError> {
        Err(foreign(&stat.uri))
    }

    async fn put(&self, uri: &ObjectUri, _: Bytes, _: PutCondition) -> Result<PutOutcome, StoreError> {
        Err(foreign(uri))
    }

    async fn begin_upload(&self, uri: &ObjectUri) -> Result<Box<dyn Upload>, StoreError> {
        Err(foreign(uri))
    }

    async fn list(&self, prefix: &ObjectUri, _: Option<&str>, _: usize) -> Result<ListPage, StoreError> {
        Err(foreign(prefix))
    }

    async fn copy(&self, from: &ObjectStat, _: &ObjectUri) -> Result<(), StoreError> {
        Err(foreign(&from.uri))
    }

    async fn delete(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
        Err(foreign(&stat.uri))
    }

    async fn tag(&self, stat: &ObjectStat, _: &str, _: &str) -> Result<(), StoreError> {
        Err(foreign(&stat.uri))
    }

    async fn sweep_unfinished(&self, prefix: &ObjectUri, _: Timestamp) -> Result<u64, StoreError> {
        Err(foreign(prefix))
    }
}

/// A part of 20,000 rows in two row groups.
fn part() -> (Bytes, Part, Vec<ColumnShape>) {
    let columns = vec![ColumnShape { name: "n".to_owned(), column_type: ColumnType::Bigint, required: true }];
    let schema = PartSchema::of(&columns, 3).unwrap();
    let mut writer = polars_parquet::write::FileWriter::new_with_parquet_schema(
        Vec::new(),
        schema.arrow.clone(),
        schema.parquet.clone(),
        PartSchema::options(),
    );
    for group in 0..2 {
        let encoded =
            encode_column(&schema, 0, ColumnData::Longs((group * 10_000..(group + 1) * 10_000).collect()), 10_000)
                .unwrap();
        let pages =
            polars_parquet::write::DynIter::new(std::iter::once(Ok(polars_parquet::write::DynStreamingIterator::new(
                polars_parquet::write::fallible_streaming_iterator::convert(
                    encoded.pages.iter().map(Ok::<_, PolarsError>),
                ),
            ))));
        writer.write(10_000, pages).unwrap();
    }
    writer.end(None).unwrap();
    let bytes = Bytes::from(writer.into_inner());
    let part = Part {
        uri: ObjectUri::parse("file:///lake/t/x-00000.parquet").unwrap(),
        rows: 20_000,
        bytes: bytes.len() as u64,
        checksum: blake3::hash(&bytes).to_hex()[..32].to_owned(),
        partition: Vec::new(),
    };
    (bytes, part, columns)
}

async fn open(store: OneObject, part: &Part, columns: &[ColumnShape]) -> Result<Box<dyn RowReader>, PartError> {
    PartFiles::new(Arc::new(store)).open(part, columns).await
}

#[tokio::test]
async fn rows_come_in_batches_in_order() {
    let (bytes, part, columns) = part();
    for as_file in [true, false] {
        let store = OneObject { bytes: Some(bytes.clone()), as_file, told: part.bytes };
        let mut rows = open(store, &part, &columns).await.unwrap();
        let mut sizes = Vec::new();
        let mut all = Vec::new();
        while let Some(batch) = rows.next().unwrap() {
            sizes.push(batch.rows);
            let [ColumnValues::Integer(values)] = batch.columns.as_slice() else { panic!("{batch:?}") };
            all.extend(values.iter().flatten().copied());
        }
        assert_eq!(sizes, [8192, 1808, 8192, 1808]);
        assert!(all.into_iter().eq(0..20_000));
    }
}

#[tokio::test]
async fn what_the_manifest_does_not_say_is_never_read() {
    let (bytes, part, columns) = part();
    let gone = open(OneObject { bytes: None, as_file: true, told: 0 }, &part, &columns).await;
    assert!(matches!(gone, Err(PartError::Gone { .. })));
    let mut grown = bytes.to_vec();
    grown.push(0);
    let mut bent = bytes.to_vec();
    bent[100] ^= 1;
    for as_file in [true, false] {
        for (bytes, told) in [
            (grown.clone(), part.bytes + 1),
            (grown.clone(), part.bytes),
            (bent.clone(), part.bytes),
            (bytes[1..].to_vec(), part.bytes),
        ] {
            let store = OneObject { bytes: Some(Bytes::from(bytes)), as_file, told };
            let error = open(store, &part, &columns).await.err();
            assert!(matches!(error, Some(PartError::Mismatch { .. })), "{error:?}");
        }
    }
}
