//! Lives of many entries, as puts in the order in which they were made; the same seed, the same lives.

use std::collections::BTreeMap;
use std::time::Duration;

use lakehand_domain::entry::{
    ClaimDecision, ClaimRequest, Entry, EntryState, LoadSummary, SetAsideKind, SetAsideReason, claim,
};
use lakehand_domain::id::{DatasetId, Fingerprint, WorkerId};
use lakehand_domain::object::{ObjectStat, ObjectUri, ObjectVersion};
use lakehand_domain::object_event::Cause;
use lakehand_domain::reject::{RejectCounts, Rule};
use lakehand_domain::timestamp::Timestamp;

const LEASE: Duration = Duration::from_mins(1);
const SKEW: Duration = Duration::from_secs(5);

/// Numbers that follow from a seed.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

pub(super) fn at(second: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(second).unwrap() * 1_000_000)
}

pub(super) fn request(dataset: &str, object: &str, version: u64, cause: Cause, now: Timestamp) -> ClaimRequest {
    let version_id = format!("{version:032x}");
    ClaimRequest {
        dataset: DatasetId::new(dataset),
        object: ObjectStat {
            uri: ObjectUri::parse(object).unwrap(),
            version: ObjectVersion::of(Some(&version_id), None, 3, at(0)),
            version_id: Some(version_id),
            etag: Some("\"5d41402abc4b2a76b9719d911017c592\"".to_owned()),
            size: 4_096,
            last_modified: at(0),
        },
        fingerprint: Fingerprint::new("3f9d1b0c5e7a48269d1c0b5e7a482693"),
        worker: WorkerId::new("lakehand-7d9f6c5b4d-x2x7k-1-0a1b2c3d"),
        lease_for: LEASE,
        skew: SKEW,
        cause,
        asked_at: Timestamp::from_micros(i64::MAX),
        marked: None,
        now,
    }
}

pub(super) fn taken(existing: Option<&Entry>, request: &ClaimRequest) -> Entry {
    match claim(existing, request) {
        ClaimDecision::Take(entry) => *entry,
        other => panic!("not taken: {other:?}"),
    }
}

pub(super) fn summary(entry: &Entry, tables: &[&str]) -> LoadSummary {
    let mut rejects = RejectCounts::default();
    rejects.add(Rule::Type, Some("flats.base_rent"));
    let lake = format!("s3://company-data-lake/prod/{}", entry.dataset);
    LoadSummary {
        manifest: Some(ObjectUri::parse(&format!("{lake}/_manifests/{}.json", entry.load_id)).unwrap()),
        records: 1_234,
        rejects,
        rows: tables.iter().map(|table| ((*table).to_owned(), 1_233)).collect(),
        bytes: 123_456,
        parts: 2,
        quarantine: Some(ObjectUri::parse(&format!("{lake}/_quarantine/{}.jsonl.zst", entry.load_id)).unwrap()),
    }
}

pub(super) fn reason(message: &str) -> SetAsideReason {
    SetAsideReason { kind: SetAsideKind::Unreadable, message: message.to_owned() }
}

/// Entries of three datasets, some of them versions of one object, some at the same instant, in all states.
pub(super) fn puts(dice: &mut Dice, entries: u64, changes: u64) -> Vec<Entry> {
    let mut lives: BTreeMap<u64, Entry> = BTreeMap::new();
    let mut puts = Vec::new();
    for change in 0..entries + changes {
        let number = if change < entries { change } else { dice.below(entries) };
        let now = at(dice.below(entries / 2 + 2));
        let cause = if dice.below(4) == 0 { Cause::Replay } else { Cause::Arrived };
        let entry = match lives.get(&number) {
            None => {
                let object = format!("s3://landing/in/{}.json", number / 3);
                let dataset = ["berlin_flats", "munich_flats", "shops"][usize::try_from(number % 7 % 3).unwrap()];
                Some(taken(None, &request(dataset, &object, number, cause, now)))
            }
            Some(entry) => next(dice, entry, cause, now),
        };
        let Some(entry) = entry else { continue };
        lives.insert(number, entry.clone());
        puts.push(entry);
    }
    puts
}

fn next(dice: &mut Dice, entry: &Entry, cause: Cause, now: Timestamp) -> Option<Entry> {
    let again = |now: Timestamp| {
        let request = ClaimRequest {
            dataset: entry.dataset.clone(),
            object: entry.object.clone(),
            ..request("d", "s3://b/k", 0, cause, now)
        };
        match claim(Some(entry), &request) {
            ClaimDecision::Take(entry) => Some(*entry),
            _ => None,
        }
    };
    match (&entry.state, entry.lease().cloned()) {
        (EntryState::Claimed { .. }, Some(lease)) => match dice.below(6) {
            0 => entry.extended(&lease, LEASE, now).ok(),
            1 => entry.given_back(&lease, Some("disk full".to_owned()), false, Some(now), now).ok(),
            2 => entry.set_aside(&lease, reason("torn"), None, now).ok(),
            _ => entry.written(&lease, summary(entry, &["flats"]), now).ok(),
        },
        (EntryState::Written { .. }, _) => match dice.below(5) {
            0 => entry.parts_lost(&entry.load_id, "a part is gone".to_owned(), now).ok(),
            1 => entry.refused(&entry.load_id, reason("22003"), now).ok(),
            _ => entry.loaded(&entry.load_id, "0f1e2d3c4b5a6978", now).ok()?,
        },
        (EntryState::Loaded { .. }, _) => again(now).or_else(|| entry.restored(None, now).ok().flatten()),
        (EntryState::SetAside { told: false, .. }, _) if dice.below(2) == 0 => entry.told(now).ok(),
        (EntryState::SetAside { .. } | EntryState::Claimed { .. }, _) => again(now),
    }
}
