//! What the first bytes say an object or a member is, whatever its name.

/// How the bytes of an object are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lines as they are.
    Plain,
    /// One or more gzip members.
    Gzip,
    /// One or more zstd frames.
    Zstd,
    /// One or more bzip2 streams.
    Bzip2,
    /// One or more xz streams.
    Xz,
    /// One or more lz4 frames.
    Lz4,
    /// Framed snappy.
    Snappy,
    /// An archive of files.
    Zip,
    /// A Parquet file.
    Parquet,
    /// An Avro object container file.
    Avro,
    /// Known, and not read by this version; its name.
    Foreign(&'static str),
}

/// How many first bytes [`Kind::of`] wants to see.
pub(crate) const MAGIC_BYTES: usize = 16;

/// The first six bytes of a block of bzip2, and those of its end, where a stream holds nothing.
const BZIP2_BLOCK: &[u8] = &[0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
const BZIP2_END: &[u8] = &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90];

impl Kind {
    /// The kind by its first bytes; there may be fewer than [`MAGIC_BYTES`].
    pub(crate) fn of(first: &[u8]) -> Self {
        let skippable = first.len() >= 4 && (0x50..=0x5f).contains(&first[0]) && first[1..4] == [0x2a, 0x4d, 0x18];
        if first.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || skippable {
            Self::Zstd
        } else if [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|magic| first.starts_with(*magic)) {
            Self::Zip
        } else if first.starts_with(b"BZh") && matches!(first.get(4..10), Some(BZIP2_BLOCK | BZIP2_END)) {
            Self::Bzip2
        } else if first.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
            Self::Xz
        } else if first.starts_with(&[0x04, 0x22, 0x4d, 0x18]) {
            Self::Lz4
        } else if first.starts_with(b"\xff\x06\0\0sNaPpY") {
            Self::Snappy
        } else if first.starts_with(&[b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c]) {
            Self::Foreign("7z")
        } else if first.starts_with(b"PAR1") {
            Self::Parquet
        } else if first.starts_with(b"PARE") {
            Self::Foreign("encrypted Parquet")
        } else if first.starts_with(b"Obj\x01") {
            Self::Avro
        } else if first.starts_with(b"ARROW1") {
            Self::Foreign("Arrow IPC")
        } else if first.starts_with(b"ORC") {
            Self::Foreign("ORC")
        } else if first.starts_with(&[0x02, 0x21, 0x4c, 0x18]) {
            Self::Foreign("legacy lz4")
        } else if first.starts_with(&[0x5d, 0, 0]) {
            Self::Foreign("lzma")
        } else if first.starts_with(&[0x1f, 0x9d]) {
            Self::Foreign("compress")
        } else if first.starts_with(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]) {
            Self::Foreign("Microsoft Office")
        } else if first.starts_with(b"%PDF-") {
            Self::Foreign("PDF")
        } else if first.starts_with(b"SQLite format 3\0") {
            Self::Foreign("SQLite")
        } else {
            Self::Plain
        }
    }

    /// Whether it is one stream of compressed bytes.
    pub(crate) fn is_compressed(self) -> bool {
        matches!(self, Self::Gzip | Self::Zstd | Self::Bzip2 | Self::Xz | Self::Lz4 | Self::Snappy)
    }

    /// Its name as people know it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
            Self::Zip => "zip",
            Self::Parquet => "Parquet",
            Self::Avro => "Avro",
            Self::Foreign(name) => name,
        }
    }
}
