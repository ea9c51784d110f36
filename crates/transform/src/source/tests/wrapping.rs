//! Plain and compressed in every way, whole and damaged.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use lakehand_dataset::transformer::{Content, TransformError};

use super::archive::{ZipFile, bzip2, gzip, lz4, snappy, xz, zip, zstd};
use crate::decode::tests::fixture::{
    Decoded, column, csv, decode, decode_content, decode_in, jsonl, one, table, unreadable,
};

fn lines(from: u32, to: u32) -> Vec<u8> {
    (from..to).flat_map(|n| format!("{{\"id\":{n},\"t\":\"text {n} äöü\"}}\n").into_bytes()).collect()
}

fn ids(decoded: &Decoded) -> Vec<String> {
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    decoded.rows()
}

/// Whatever it is wrapped in, and wherever chunks are cut, the same rows come out.
#[test]
fn wrapping_changes_nothing() {
    let dataset = jsonl(one(&["id bigint", "t varchar(40)"]));
    let (first, second) = (lines(0, 700), lines(700, 1500));
    let plain = [first.clone(), second.clone()].concat();
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'x', b'y', b'z'][..], &zstd(&plain)].concat();
    let expected = decode(&dataset, &plain);
    assert_eq!(expected.records, 1500);
    let cases = [
        ("plain", plain.clone()),
        ("without the last line end", plain[..plain.len() - 1].to_vec()),
        ("with a byte order mark", [&[0xef, 0xbb, 0xbf][..], &plain].concat()),
        ("gzip", gzip(&plain)),
        ("two gzip members, one empty", [gzip(&first), gzip(b""), gzip(&second)].concat()),
        ("a line over two gzip members", [gzip(&plain[..1000]), gzip(&plain[1000..])].concat()),
        ("gzip with zeros behind", [gzip(&plain), vec![0; 1000]].concat()),
        ("gzip of a byte order mark", gzip(&[&[0xef, 0xbb, 0xbf][..], &plain].concat())),
        ("zstd", zstd(&plain)),
        ("two zstd frames", [zstd(&first), zstd(&second)].concat()),
        ("a skippable zstd frame", skippable),
        ("zip", zip(&[ZipFile::new("a.json", &plain)])),
        ("bzip2", bzip2(&plain)),
        ("three bzip2 streams, one empty", [bzip2(&first), bzip2(b""), bzip2(&second)].concat()),
        ("bzip2 that begins empty", [bzip2(b""), bzip2(&plain)].concat()),
        ("xz", xz(&plain)),
        ("two xz streams with padding", [xz(&first), vec![0; 8], xz(&second)].concat()),
        ("lz4", lz4(&plain)),
        (
            "two lz4 frames and one to skip",
            [lz4(&first), b"\x51\x2a\x4d\x18\x02\0\0\0xy".to_vec(), lz4(&second)].concat(),
        ),
        ("an lz4 frame without checksums", lz4_flex_plain(&plain)),
        ("snappy", snappy(&plain)),
        ("two snappy streams", [snappy(&first), snappy(&second)].concat()),
    ];
    for (name, bytes) in &cases {
        let decoded = decode(&dataset, bytes);
        assert_eq!(decoded.tables, expected.tables, "{name}");
        assert_eq!(decoded.lines, expected.lines, "{name}");
        for chunk_bytes in [1, 7, 100, 4096, 65_536] {
            let decoded = decode_in(&dataset, bytes, chunk_bytes).unwrap();
            assert_eq!(decoded, expected, "{name} in chunks of {chunk_bytes}");
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let content = Content::File { file: Arc::new(file), len: bytes.len() as u64 };
        let decoded = decode_content(&dataset, &content, &BTreeMap::new(), 5000).unwrap();
        assert_eq!(decoded, expected, "{name} in a file");
    }
}

fn lz4_flex_plain(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Members come in the order of the directory, each with lines of its own; directories and resource forks do not.
#[test]
fn archives_are_their_files() {
    let dataset = jsonl(one(&["id bigint"]));
    let (one_file, broken) = (lines(0, 2), b"{\"id\":7}\nbroken\n".to_vec());
    let mut stored = ZipFile::new("b/stored.json", &broken);
    stored.deflated = false;
    let mut described = ZipFile::new("c.json", &one_file);
    described.descriptor = true;
    let mut wide = ZipFile::new("größe.json", b"\xef\xbb\xbf{\"id\":9}");
    wide.wide = true;
    let archive = zip(&[
        ZipFile::new("b/", b""),
        stored,
        ZipFile::new("empty.json", b""),
        described,
        ZipFile::new("__MACOSX/b/._stored.json", b"\x00\x05\x16\x07"),
        ZipFile::new("b/.DS_Store", b"\x00\x00\x00\x01Bud1"),
        wide,
    ]);
    let decoded = decode(&dataset, [archive, vec![0; 100]].concat());
    assert_eq!(decoded.rows(), ["7", "0", "1", "9"]);
    assert_eq!(decoded.rules(), ["2 syntax -"]);
    assert_eq!(decoded.rejects[0].member.as_deref(), Some("b/stored.json"));
    assert_eq!((decoded.lines, decoded.records), (5, 5));
}

/// Every file of an archive has its own header, in its own order.
#[test]
fn each_member_has_its_header() {
    let dataset = csv(b';', one(&["id bigint", "t varchar(10)"]));
    let archive = zip(&[ZipFile::new("a.csv", b"id;t\n1;x\n2;y"), ZipFile::new("b.csv", b"more;t;id\n0;z;3\n")]);
    for chunk_bytes in [1, 1 << 20] {
        let decoded = decode_in(&dataset, &archive, chunk_bytes).unwrap();
        assert_eq!(ids(&decoded), ["1|x", "2|y", "3|z"]);
        assert_eq!((decoded.lines, decoded.records), (5, 3));
    }
    let archive = zip(&[ZipFile::new("a.csv", b"id;t\n1;x\n"), ZipFile::new("b.csv", b"id;u\n1;x\n")]);
    assert_eq!(ids(&decode_in(&dataset, &archive, 100).unwrap()), ["1|x", "1|NULL"]);
    let dataset = csv(b';', vec![table("t", None, vec![column("id bigint"), column("t varchar(10)").required()])]);
    assert!(
        unreadable(decode_in(&dataset, &archive, 100)).contains("has no column \"t\"; its header has \"id\", \"u\"")
    );
}

/// Members are compressed by whatever their directory says, each by its own method.
#[test]
fn members_are_read_by_their_methods() {
    let dataset = jsonl(one(&["id bigint"]));
    let texts: Vec<Vec<u8>> = (0..5).map(|member| lines(member * 1000, (member + 1) * 1000)).collect();
    let packed = |member: usize, method: u16, packed: Option<Vec<u8>>| {
        let mut file = ZipFile::new("m.json", &texts[member]);
        (file.method, file.packed, file.deflated) = (Some(method), packed, method == 8);
        file
    };
    let archive = zip(&[
        packed(0, 0, None),
        packed(1, 8, None),
        packed(2, 12, Some(bzip2(&texts[2]))),
        packed(3, 93, Some(zstd(&texts[3]))),
        packed(4, 95, Some(xz(&texts[4]))),
    ]);
    let expected = decode(&dataset, texts.concat());
    for chunk_bytes in [100, 4096, 1 << 20] {
        let decoded = decode_in(&dataset, &archive, chunk_bytes).unwrap();
        assert_eq!(decoded.rows(), expected.rows());
        assert_eq!((decoded.records, decoded.rejects.len()), (5000, 0));
    }
    for (method, bytes) in [(12, bzip2(&texts[2])), (93, zstd(&texts[2])), (95, xz(&texts[2]))] {
        let cut = zip(&[packed(2, method, Some(bytes[..bytes.len() / 2].to_vec()))]);
        let message = unreadable(decode_in(&dataset, &cut, 4096));
        assert!(message.contains("is a damaged zip: member \"m.json\""), "{method}: {message}");
    }
}

/// What is damaged says so, with the place, and never as half a file.
#[test]
fn damage_is_named() {
    let dataset = jsonl(one(&["id bigint"]));
    let plain = lines(0, 2000);
    let (gz, zst) = (gzip(&plain), zstd(&plain));
    let (bz2, xzs, lz4s, sz) = (bzip2(&plain), xz(&plain), lz4(&plain), snappy(&plain));
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0xff;
        bytes
    };
    let archive = zip(&[ZipFile::new("a.json", &plain)]);
    let member = |change: &dyn Fn(&mut ZipFile<'_>)| {
        let mut file = ZipFile::new("m.json", &plain);
        change(&mut file);
        zip(&[ZipFile::new("first.json", b"{}"), file])
    };
    let no_end = archive[..archive.len() - 40].to_vec();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (gz[..gz.len() - 1].to_vec(), "is a gzip stream cut off at byte"),
        (gz[..gz.len() / 2].to_vec(), "is a gzip stream cut off at byte"),
        (gz[..11].to_vec(), "is a gzip stream cut off at byte 11"),
        (gz[..2].to_vec(), "is a gzip stream cut off at byte 2"),
        (flipped(&gz, gz.len() - 6), "is corrupt gzip near byte"),
        (flipped(&gz, gz.len() / 2), "is corrupt gzip near byte"),
        (
            [gz.clone(), b"more".to_vec()].concat(),
            &format!("at byte {}, that are neither another gzip", gz.len()).leak()[..],
        ),
        ([gz.clone(), vec![0; 3], gzip(b"{}")].concat(), "neither another gzip member nor zeros"),
        (zst[..zst.len() - 1].to_vec(), "is a zstd stream cut off at byte"),
        (zst[..9].to_vec(), "is a zstd stream cut off at byte 9"),
        (flipped(&zst, zst.len() / 2), "is corrupt zstd near byte"),
        (flipped(&zst, zst.len() - 1), "is corrupt zstd near byte"),
        ([zst.clone(), b"more".to_vec()].concat(), "zstd"),
        (no_end, "is a zip archive cut off at byte"),
        (archive[..100].to_vec(), "is a zip archive cut off at byte 100"),
        ([archive.clone(), b"x".to_vec()].concat(), "is a zip archive cut off"),
        (archive[60..].to_vec(), ""),
        ([&b"PK\x03\x04"[..], &archive].concat(), "is a damaged zip"),
        (b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(), "without any file in it"),
        (member(&|file| file.crc = Some(1)), "member \"m.json\" has CRC"),
        (member(&|file| file.size = Some(10)), "member \"m.json\" is larger than the 10 bytes"),
        (member(&|file| file.size = Some(1 << 30)), "member \"m.json\" ends after"),
        (member(&|file| file.flags = 1), "holds the encrypted member \"m.json\""),
        (
            member(&|file| file.method = Some(9)),
            "holds the member \"m.json\" compressed by deflate64; deflate, bzip2, zstd",
        ),
        (member(&|file| file.method = Some(98)), "compressed by PPMd"),
        (member(&|file| file.method = Some(77)), "compressed by zip method 77"),
        (member(&|file| file.method = Some(12)), "member \"m.json\" does not decompress"),
        (zip(&[ZipFile::new("inner.zip", &archive)]), "its member \"inner.zip\" holds a zip file inside"),
        (gzip(&gz), "holds a gzip file inside"),
        (b"PAR1....".to_vec(), "is a Parquet file, and source.format is jsonl; set source.format = \"parquet\""),
        (b"Obj\x01....".to_vec(), "is a Avro file, and source.format is jsonl; set source.format = \"avro\""),
        (b"7z\xbc\xaf\x27\x1c".to_vec(), "is a 7z file, which lakehand does not read"),
        (b"\xfd7zXZ\0..".to_vec(), "is a xz stream cut off at byte 8"),
        (b"{\0}\0\n\0".to_vec(), "set source.encoding = \"utf-16le\""),
        (b"\xff\xfe\0\0{\0\0\0".to_vec(), "is UTF-32 text"),
        (zip(&[ZipFile::new("u.json", b"\0{\0}")]), "its member \"u.json\" looks like UTF-16 text"),
        (bz2[..bz2.len() - 1].to_vec(), "is a bzip2 stream cut off at byte"),
        (flipped(&bz2, bz2.len() / 2), "is corrupt bzip2 near byte"),
        ([bz2.clone(), b"more".to_vec()].concat(), "is corrupt bzip2 near byte"),
        (xzs[..xzs.len() - 1].to_vec(), "is a xz stream cut off at byte"),
        (xzs[..xzs.len() / 2].to_vec(), "is a xz stream cut off at byte"),
        (flipped(&xzs, xzs.len() / 2), "is corrupt xz near byte"),
        ([xzs.clone(), b"more".to_vec()].concat(), "is corrupt xz near byte"),
        (lz4s[..lz4s.len() - 1].to_vec(), "is a lz4 stream cut off at byte"),
        (lz4s[..lz4s.len() - 8].to_vec(), "is a lz4 stream cut off at byte"),
        (lz4s[..lz4s.len() - 10].to_vec(), "is a lz4 stream cut off at byte"),
        (lz4s[..5].to_vec(), "is a lz4 stream cut off at byte 5"),
        (flipped(&lz4s, lz4s.len() / 2), "is corrupt lz4 near byte"),
        ([lz4s.clone(), b"more".to_vec()].concat(), "that are no other frame"),
        (sz[..sz.len() - 1].to_vec(), "is a snappy stream cut off at byte"),
        (flipped(&sz, sz.len() / 2), "is corrupt snappy near byte"),
        (gzip(&bz2), "holds a bzip2 file inside"),
        (bzip2(b""), "is empty once decompressed"),
        (xz(b""), "is empty once decompressed"),
        (lz4(b""), "is empty once decompressed"),
        (Vec::new(), "is empty, 0 bytes"),
        (gzip(b""), "is empty once decompressed"),
        (zstd(b""), "is empty once decompressed"),
        (zip(&[ZipFile::new("e.json", b"")]), "is empty once decompressed"),
        (b"\xef\xbb\xbf".to_vec(), "is empty once decompressed"),
    ];
    for (at, (bytes, expected)) in cases.iter().enumerate() {
        if expected.is_empty() {
            continue;
        }
        let message = unreadable(decode_in(&dataset, bytes, 1000));
        assert!(message.contains(expected), "{at}: {message} does not say {expected}");
    }
}

/// A file that shrinks under the reader is not the file's fault.
#[test]
fn a_file_that_cannot_be_read_is_no_damage() {
    let dataset = jsonl(one(&["id bigint"]));
    for bytes in [lines(0, 10), gzip(&lines(0, 2000)), zstd(&lines(0, 2000))] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes[..bytes.len() - 5]).unwrap();
        let content = Content::File { file: Arc::new(file), len: bytes.len() as u64 };
        let failed = decode_content(&dataset, &content, &BTreeMap::new(), 1000);
        assert!(matches!(failed, Err(TransformError::Io { .. })), "{failed:?}");
    }
}

/// Any archive cut anywhere, or with any byte changed, gives the same rows or a reason, and never fewer rows.
#[test]
fn no_cut_and_no_flip_loses_lines() {
    let dataset = jsonl(one(&["id bigint"]));
    let plain = lines(0, 40);
    let whole = decode(&dataset, &plain);
    for bytes in [
        gzip(&plain),
        zstd(&plain),
        zip(&[ZipFile::new("a", &plain), ZipFile::new("b", &plain[..100])]),
        bzip2(&plain),
        xz(&plain),
        lz4(&plain),
    ] {
        for at in 0..bytes.len() {
            // Fewer bytes than say what it is are a line of nonsense.
            let cut = decode_in(&dataset, &bytes[..at], 100);
            assert!(cut.is_err() || (at < 10 && cut.unwrap().rows().is_empty()), "cut at {at}");
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x55;
            if let Ok(decoded) = decode_in(&dataset, &flipped, 100) {
                assert!(decoded.rows().starts_with(&whole.rows()) || decoded.rows().is_empty(), "flip at {at}");
            }
        }
    }
}
