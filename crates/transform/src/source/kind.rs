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
    /// An archive of files.
    Zip,
    /// Known, and not read by this version; its name.
    Foreign(&'static str),
}

/// How many first bytes [`Kind::of`] wants to see.
pub(crate) const MAGIC_BYTES: usize = 16;

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
        } else if first.starts_with(b"BZh") && first.get(4..10) == Some(&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59]) {
            Self::Foreign("bzip2")
        } else if first.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
            Self::Foreign("xz")
        } else if first.starts_with(&[b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c]) {
            Self::Foreign("7z")
        } else if first.starts_with(&[0x04, 0x22, 0x4d, 0x18]) {
            Self::Foreign("lz4")
        } else if first.starts_with(b"PAR1") {
            Self::Foreign("Parquet")
        } else if first.starts_with(b"Obj\x01") {
            Self::Foreign("Avro")
        } else {
            Self::Plain
        }
    }

    /// Its name as people know it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Zip => "zip",
            Self::Foreign(name) => name,
        }
    }
}

/// The encoding other than UTF-8 that a byte order mark announces, if one does.
pub(crate) fn foreign_text(first: &[u8]) -> Option<&'static str> {
    if first.starts_with(&[0xff, 0xfe, 0, 0]) || first.starts_with(&[0, 0, 0xfe, 0xff]) {
        Some("UTF-32")
    } else if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
        Some("UTF-16")
    } else {
        None
    }
}

/// The byte order mark of UTF-8, which says nothing and is removed.
pub(crate) const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
