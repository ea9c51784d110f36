//! Hourly zips of flats: new listings, changed listings, and now and then a dirty line.

use std::io;

use crate::sample::dirt;
use crate::sample::flat::{Listing, line};
use crate::sample::random::Random;
use crate::sample::zip;

/// 2019-01-12T00:00:00Z.
const START: i64 = 1_547_251_200;
const FIRST_ID: u64 = 56_900_000;

/// A sequence of hourly files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hourly {
    /// The same seed gives the same files.
    pub(crate) seed: u64,
    /// Lines in each file.
    pub(crate) lines: u64,
    /// How many of a hundred lines are dirty.
    pub(crate) dirt: u64,
}

impl Hourly {
    /// The name of an hour's file.
    pub(crate) fn name(hour: u64) -> String {
        let at = chrono::DateTime::from_timestamp(START + i64::try_from(hour).unwrap_or(0) * 3_600, 0);
        format!("immobilienscout24_berlin_{}.zip", at.map(|at| at.format("%Y%m%d_%H").to_string()).unwrap_or_default())
    }

    /// The bytes of an hour's file. `edition` 0 is the first; another one changes some of its lines.
    pub(crate) fn zip(&self, hour: u64, edition: u64) -> io::Result<Vec<u8>> {
        let lines = self.jsonl(hour, edition);
        let half = lines.len() / 2;
        let cut = lines[half..].iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| half + at + 1);
        // Two members, as the portal delivers an hour that was fetched in two halves.
        zip::archive(&[("first.json", &lines[..cut]), ("second.json", &lines[cut..])])
    }

    /// The lines of an hour's file.
    pub(crate) fn jsonl(&self, hour: u64, edition: u64) -> Vec<u8> {
        let mut random = Random::of(&[self.seed, 3, hour]);
        let mut bytes = Vec::new();
        let known = hour * self.lines * 7 / 10;
        for number in 0..self.lines {
            // Three lines of ten speak of a listing that an earlier hour has spoken of.
            let changed = known > 0 && random.percent(30);
            let id = if changed { random.below(known) } else { known + number };
            let modified = START + i64::try_from(hour * 3_600 + number * 3_600 / self.lines.max(1)).unwrap_or(0);
            let rewritten = edition > 0 && random.percent(10);
            let revision = hour + 1 + if rewritten { edition * 1_000 } else { 0 };
            let text = line(self.seed, Listing { id: FIRST_ID + id, revision, modified });
            if random.percent(self.dirt) {
                bytes.extend_from_slice(&dirt::spoil(&text, &mut random));
            } else {
                bytes.extend_from_slice(text.as_bytes());
            }
            bytes.push(b'\n');
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_has_the_portals_keys_and_the_same_seed_gives_the_same_file() {
        let files = Hourly { seed: 7, lines: 40, dirt: 1 };
        assert_eq!(files.zip(3, 0).unwrap(), files.zip(3, 0).unwrap());
        assert_ne!(files.jsonl(3, 0), files.jsonl(3, 1));
        let full = (0..500)
            .map(|id| line(7, Listing { id, revision: 1, modified: START }))
            .map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap())
            .map(|value| value["data"].as_object().unwrap().len())
            .max();
        assert_eq!(full, Some(131), "the shape of the portal's records");
        assert_eq!(Hourly::name(25), "immobilienscout24_berlin_20190113_01.zip");
    }
}
