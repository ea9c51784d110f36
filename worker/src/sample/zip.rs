//! Writes a zip archive of deflated members, byte for byte the same for the same input.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// The archive with these members, each a name and its bytes. All dates are the earliest the format knows.
pub(crate) fn archive(members: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, bytes) in members {
        let offset = size(out.len())?;
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(bytes)?;
        let packed = encoder.finish()?;
        let mut shared = Vec::new();
        shared.extend_from_slice(&20_u16.to_le_bytes());
        // Bit 11: the name is UTF-8.
        shared.extend_from_slice(&0x0800_u16.to_le_bytes());
        shared.extend_from_slice(&8_u16.to_le_bytes());
        shared.extend_from_slice(&[0, 0, 0x21, 0]);
        shared.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
        shared.extend_from_slice(&size(packed.len())?.to_le_bytes());
        shared.extend_from_slice(&size(bytes.len())?.to_le_bytes());
        let name_len = u16::try_from(name.len()).map_err(|_| io::Error::other("the member's name is too long"))?;
        shared.extend_from_slice(&name_len.to_le_bytes());
        shared.extend_from_slice(&[0, 0]);

        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&shared);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&packed);

        directory.extend_from_slice(b"PK\x01\x02");
        directory.extend_from_slice(&20_u16.to_le_bytes());
        directory.extend_from_slice(&shared);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let count = u16::try_from(members.len()).map_err(|_| io::Error::other("too many members"))?;
    let start = size(out.len())?;
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06");
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&size(directory.len())?.to_le_bytes());
    out.extend_from_slice(&start.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    Ok(out)
}

fn size(bytes: usize) -> io::Result<u32> {
    u32::try_from(bytes).map_err(|_| io::Error::other("a sample archive is at most 4 GiB"))
}
