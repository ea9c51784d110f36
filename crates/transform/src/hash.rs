//! Keys made from values: a hash of typed values that depends on what they are and not on how they were written.
//!
//! Each value is a tag, the length of its bytes (four, little-endian) and its bytes; their BLAKE3 is the hash. Whole
//! numbers of all widths are one type, and so are decimals of all scales. The encoding is for ever: keys in warehouses
//! were made by it.

/// A value as it is hashed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Hashed<'a> {
    /// None.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A smallint, integer or bigint.
    Integer(i64),
    /// A real or double.
    Float(f64),
    /// A decimal of this scale.
    Decimal(i128, u8),
    /// A varchar.
    Text(&'a str),
    /// A date.
    Date(i64),
    /// A timestamp.
    Timestamp(i64),
    /// A timestamptz.
    Timestamptz(i64),
    /// A json, as it came.
    Json(&'a str),
}

/// Hashes values one after the other.
#[derive(Debug, Default)]
pub(crate) struct KeyHasher {
    hasher: blake3::Hasher,
    any: bool,
}

impl KeyHasher {
    /// Adds a value.
    pub(crate) fn add(&mut self, value: Hashed<'_>) {
        self.any |= value != Hashed::Null;
        match value {
            Hashed::Null => self.field(0, &[]),
            Hashed::Boolean(value) => self.field(1, &[u8::from(value)]),
            Hashed::Integer(value) => self.field(2, &value.to_le_bytes()),
            // Both zeros are one value.
            Hashed::Float(value) => self.field(3, &(if value == 0.0 { 0.0 } else { value }).to_bits().to_le_bytes()),
            Hashed::Decimal(value, scale) => {
                let (mut value, mut scale) = (value, if value == 0 { 0 } else { scale });
                while scale > 0 && value % 10 == 0 {
                    value /= 10;
                    scale -= 1;
                }
                let mut bytes = [0; 17];
                bytes[..16].copy_from_slice(&value.to_le_bytes());
                bytes[16] = scale;
                self.field(4, &bytes);
            }
            Hashed::Text(text) => self.field(5, text.as_bytes()),
            Hashed::Date(days) => self.field(6, &days.to_le_bytes()),
            Hashed::Timestamp(micros) => self.field(7, &micros.to_le_bytes()),
            Hashed::Timestamptz(micros) => self.field(8, &micros.to_le_bytes()),
            Hashed::Json(text) => self.field(9, text.as_bytes()),
        }
    }

    fn field(&mut self, tag: u8, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.hasher.update(&[tag, len[0], len[1], len[2], len[3]]);
        self.hasher.update(bytes);
    }

    /// The first 128 bits, big-endian; `None` where every value was null.
    pub(crate) fn finish(&self) -> Option<u128> {
        let hash = self.hasher.finalize();
        let first = hash.as_bytes().first_chunk::<16>()?;
        self.any.then_some(u128::from_be_bytes(*first))
    }
}

/// The first 64 of the 128 bits, as a bigint holds them.
pub(crate) fn as_bigint(hash: u128) -> i64 {
    // The upper half of 128 bits always fits 64.
    u64::try_from(hash >> 64).unwrap_or_default().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(values: &[Hashed<'_>]) -> Option<u128> {
        let mut hasher = KeyHasher::default();
        for value in values {
            hasher.add(*value);
        }
        hasher.finish()
    }

    /// These numbers stand in warehouses: a change here is a change of every key.
    #[test]
    fn keys_never_change() {
        let berlin = hash(&[Hashed::Text("10115"), Hashed::Text("Mitte (Mitte)"), Hashed::Null]).unwrap();
        assert_eq!(format!("{berlin:032x}"), BERLIN);
        assert_eq!(as_bigint(berlin), 0x1857_a448_b1b9_81e0);
        let number = hash(&[Hashed::Integer(42), Hashed::Decimal(150, 2), Hashed::Float(0.5)]).unwrap();
        assert_eq!(format!("{number:032x}"), NUMBER);
    }

    #[test]
    fn the_value_counts_and_not_its_spelling() {
        assert_eq!(hash(&[Hashed::Decimal(150, 2)]), hash(&[Hashed::Decimal(15, 1)]));
        assert_eq!(hash(&[Hashed::Decimal(0, 2)]), hash(&[Hashed::Decimal(0, 0)]));
        assert_eq!(hash(&[Hashed::Float(-0.0)]), hash(&[Hashed::Float(0.0)]));
        assert_eq!(hash(&[Hashed::Null, Hashed::Null]), None);
        let different = [
            hash(&[Hashed::Text("ab"), Hashed::Text("c")]),
            hash(&[Hashed::Text("a"), Hashed::Text("bc")]),
            hash(&[Hashed::Text("abc")]),
            hash(&[Hashed::Text("abc"), Hashed::Null]),
            hash(&[Hashed::Null, Hashed::Text("abc")]),
            hash(&[Hashed::Json("abc")]),
            hash(&[Hashed::Text("")]),
            hash(&[Hashed::Integer(1)]),
            hash(&[Hashed::Date(1)]),
            hash(&[Hashed::Timestamp(1)]),
            hash(&[Hashed::Timestamptz(1)]),
            hash(&[Hashed::Boolean(true)]),
        ];
        for (at, one) in different.iter().enumerate() {
            assert!(!different[..at].contains(one), "{at}");
        }
    }

    const BERLIN: &str = "1857a448b1b981e019727233121bc7ef";
    const NUMBER: &str = "3f13bb44fe656cfd58cb88e588604b00";
}
