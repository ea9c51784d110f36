//! Bombs, endless lines and endless quotes.

use std::io::{Read, Write};

use super::archive::{ZipFile, bzip2, gzip, lz4, xz, zip, zstd};
use crate::decode::tests::fixture::{csv, decode, decode_in, jsonl, one, unreadable};

/// A small object that expands without end is stopped by the ratio, and any object by its size.
#[test]
fn bombs_are_stopped() {
    let mut dataset = jsonl(one(&["id bigint"]));
    dataset.source.max_expansion = 100;
    let zeros = vec![b' '; 4_000_000];
    let bombs =
        [gzip(&zeros), zstd(&zeros), zip(&[ZipFile::new("bomb", &zeros)]), bzip2(&zeros), xz(&zeros), lz4(&zeros)];
    for bytes in bombs {
        let message = unreadable(decode_in(&dataset, &bytes, 1 << 16));
        assert!(message.contains(&format!("more than 100 times its {} bytes", bytes.len())), "{message}");
        assert!(message.contains("source.max_expansion"), "{message}");
    }
    // What is small compresses as well as it likes.
    assert!(decode_in(&dataset, &gzip(&vec![b'\n'; 900_000]), 1 << 16).is_ok());

    dataset.source.max_expansion = 1_000_000;
    dataset.source.max_expanded_bytes = 3_000_000;
    for bytes in [
        zeros.clone(),
        gzip(&zeros),
        zip(&[ZipFile::new("a", &zeros[..2_000_000]), ZipFile::new("b", &zeros[..2_000_000])]),
    ] {
        let message = unreadable(decode_in(&dataset, &bytes, 1 << 16));
        assert!(message.contains("more than 3000000 bytes decompressed"), "{message}");
    }
}

/// A line beyond the limit is rejected with its beginning, wherever chunks are cut, and the lines around it are read.
#[test]
fn endless_lines_are_rejected_alone() {
    let mut dataset = jsonl(one(&["id bigint", "t varchar(65535)"]));
    dataset.source.max_line_bytes = 1000;
    let line = |len: usize| format!("{{\"id\":1,\"t\":\"{}\"}}", "x".repeat(len - 15));
    let text =
        format!("{{\"id\":0}}\n{}\n{}\n{{\"id\":2}}\n{}\n\n{}", line(1000), line(1001), line(300_000), line(2000));
    let expected = decode(&dataset, &text);
    assert_eq!(expected.rules(), ["3 line_too_long -", "5 line_too_long -", "7 line_too_long -"]);
    assert_eq!(expected.rows().len(), 3);
    assert_eq!((expected.lines, expected.records), (7, 6));
    assert_eq!(expected.rejects[1].message.split(',').next(), Some("the line has 300000 bytes"));
    assert_eq!(expected.rejects[1].raw.len(), 65_536);
    assert!(expected.rejects[1].raw_cut && !expected.rejects[0].raw_cut);
    for chunk_bytes in [1, 10, 500, 1000, 1500, 5000] {
        let mut decoded = decode_in(&dataset, text.as_bytes(), chunk_bytes).unwrap();
        assert_eq!(decoded.rules(), expected.rules(), "{chunk_bytes}");
        for (reject, expected) in decoded.rejects.iter_mut().zip(&expected.rejects) {
            assert_eq!(reject.message, expected.message);
            // How much is kept of it depends on whether the whole line fits a chunk.
            assert!(expected.raw.starts_with(&reject.raw) && reject.raw.len() >= 1000);
        }
        assert_eq!(decoded.tables, expected.tables, "{chunk_bytes}");
        assert_eq!((decoded.lines, decoded.records), (7, 6));
    }
}

/// A line of 100 MB does not need 100 MB.
#[test]
fn a_huge_line_is_not_held() {
    let mut dataset = jsonl(one(&["id bigint"]));
    dataset.source.max_line_bytes = 1 << 20;
    dataset.source.max_expansion = u64::MAX;
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(b"{\"id\":1}\n{\"id\":2,\"t\":\"").unwrap();
    std::io::copy(&mut std::io::repeat(b'y').take(100_000_000), &mut encoder).unwrap();
    encoder.write_all(b"\"}\n{\"id\":3}\n").unwrap();
    let bytes = encoder.finish().unwrap();
    let content = lakehand_dataset::transformer::Content::Bytes(bytes.into());
    let source = crate::source::open(&content, &dataset).unwrap();
    let mut chunks = Vec::new();
    while let Some(chunk) = source.next(Vec::new()).unwrap() {
        assert!(chunk.bytes.capacity() <= 9 << 20, "{}", chunk.bytes.capacity());
        chunks.push((chunk.bytes.len(), chunk.refused.is_some()));
    }
    assert_eq!(chunks, [(9, false), ((64 << 10) + 1, true), (9, false)]);
}

/// A quote that is never closed costs its line alone.
#[test]
fn a_stray_quote_costs_one_line() {
    let mut dataset = csv(b',', one(&["id bigint", "t varchar(2000)"]));
    dataset.source.max_line_bytes = 600;
    let rows = |from: u32, to: u32| (from..to).map(|n| format!("{n},row {n}\n")).collect::<Vec<_>>().concat();
    let quoted = format!("1,\"two\nlines, {}\"\n", "z".repeat(300));
    let text = format!("id,t\n{quoted}2,\"stray\n{}{quoted}{}9,\"last\n10,x", rows(100, 300), rows(300, 400));
    let expected = decode(&dataset, &text);
    assert_eq!(expected.rules(), ["4 syntax -", "307 syntax -"]);
    assert!(expected.rejects[0].message.contains("its record does not end within 600 bytes"));
    assert!(expected.rejects[1].message.contains("not closed before the end of the file"));
    assert_eq!((expected.rejects[0].raw.as_str(), expected.rejects[1].raw.as_str()), ("2,\"stray", "9,\"last"));
    assert_eq!(expected.rows().len(), 2 + 300 + 1);
    assert_eq!(expected.tables[0].last().unwrap().0, 308);
    for chunk_bytes in [1, 50, 599, 600, 601, 4000] {
        assert_eq!(decode_in(&dataset, text.as_bytes(), chunk_bytes).unwrap(), expected, "{chunk_bytes}");
    }
}

/// Sparse lines do not make one piece many times their size.
#[test]
fn a_chunk_has_a_bounded_number_of_lines() {
    let dataset = jsonl(one(&["id bigint"]));
    let content = lakehand_dataset::transformer::Content::Bytes("{}\n".repeat(100_000).into());
    let source = crate::source::open(&content, &dataset).unwrap();
    let first = source.next(Vec::new()).unwrap().unwrap();
    let second = source.next(Vec::new()).unwrap().unwrap();
    assert_eq!((first.bytes.len(), second.bytes.len()), (3 << 16, 300_000 - (3 << 16)));
    assert!(source.next(Vec::new()).unwrap().is_none());
}

/// An xz stream may ask for a dictionary of 4 GiB with a byte; it does not get one.
#[test]
fn a_huge_dictionary_is_refused() {
    let dataset = jsonl(one(&["id bigint"]));
    let mut options = lzma_rust2::XzOptions::with_preset(0);
    options.lzma_options.dict_size = 256 << 20;
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(b"{\"id\":1}\n").unwrap();
    let message = unreadable(decode_in(&dataset, &encoder.finish().unwrap(), 1 << 16));
    assert!(message.contains("needs more than 128 MiB"), "{message}");
}
