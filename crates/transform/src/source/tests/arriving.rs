//! Objects that are read while they come.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use lakehand_dataset::transformer::{Arriving, Content};

use super::archive::{ZipFile, gzip, zip, zstd};
use crate::decode::tests::fixture::{decode, decode_content, jsonl, one};

/// Bytes that may be read from the start onwards, or, once somebody reads elsewhere, anywhere.
#[derive(Debug)]
struct Coming {
    bytes: Vec<u8>,
    /// Up to where they were read, and whether they are kept.
    read: Mutex<(u64, bool)>,
}

/// So many first bytes may be read again.
const FIRST: u64 = 64 << 10;

impl Arriving for Coming {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, position: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut read = self.read.lock().unwrap();
        read.1 |= position > read.0;
        if !read.1 && position < read.0 && position >= FIRST {
            return Err(io::Error::other(format!("byte {position} is read again")));
        }
        let from = usize::try_from(position).unwrap().min(self.bytes.len());
        // As chunks end where they end.
        let most = into.len().min(self.bytes.len() - from).min(70_001);
        into[..most].copy_from_slice(&self.bytes[from..from + most]);
        read.0 = read.0.max(position + most as u64);
        Ok(most)
    }
}

/// Lines, plain or compressed, are read from the start onwards and once; archives are read from their end.
#[test]
fn lines_are_read_as_they_come_and_archives_when_they_are_there() {
    let dataset = jsonl(one(&["id bigint", "t varchar(80)"]));
    let line =
        |n: u64| format!("{{\"id\":{n},\"t\":\"{:x} text\"}}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes();
    let plain: Vec<u8> = (0..40_000).flat_map(line).collect();
    let expected = decode(&dataset, &plain);
    assert_eq!(expected.records, 40_000);
    let cases = [
        ("plain", plain.clone(), false),
        ("gzip", gzip(&plain), false),
        ("two gzip members", [gzip(&plain[..plain.len() / 2]), gzip(&plain[plain.len() / 2..])].concat(), false),
        ("zstd", zstd(&plain), false),
        ("zip", zip(&[ZipFile::new("a.json", &plain)]), true),
    ];
    for (name, bytes, kept) in cases {
        assert!(bytes.len() as u64 > 2 * FIRST, "{name} is long enough");
        let coming = Arc::new(Coming { bytes, read: Mutex::default() });
        let content = Content::Arriving(Arc::<Coming>::clone(&coming));
        let decoded = decode_content(&dataset, &content, &BTreeMap::new(), 100_000).unwrap();
        assert_eq!(decoded.tables, expected.tables, "{name}");
        assert_eq!(coming.read.lock().unwrap().1, kept, "{name}: whether it was read elsewhere than from the start");
    }
}

/// A store that fails is no file that cannot be read.
#[test]
fn bytes_that_do_not_come_are_no_fault_of_the_file() {
    #[derive(Debug)]
    struct Failing;
    impl Arriving for Failing {
        fn size(&self) -> u64 {
            1_000
        }
        fn read_at(&self, position: u64, into: &mut [u8]) -> io::Result<usize> {
            if position >= 100 {
                return Err(io::Error::other("the rest of the object does not come"));
            }
            into[0] = b'x';
            Ok(1)
        }
    }
    let dataset = jsonl(one(&["id bigint"]));
    let content = Content::Arriving(Arc::new(Failing));
    let error = decode_content(&dataset, &content, &BTreeMap::new(), 100_000).unwrap_err();
    assert!(matches!(error, lakehand_dataset::transformer::TransformError::Io { .. }), "{error:?}");
}
