//! What an entry takes: never near the limit of an item, and as a rule one write unit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use lakehand_domain::entry::{Entry, LoadSummary};
use lakehand_domain::id::{EntryId, MessageId, digest};
use lakehand_domain::message::MessageRef;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::Cause;
use lakehand_domain::reject::{RejectCounts, Rule};

use super::super::document::{Documents, SAMPLE};
use super::super::item::{Item, Layout, shard};
use super::super::table::{INDEXES, PK};
use super::histories::{at, reason, request, summary, taken};

/// The most that DynamoDB takes.
const ITEM_BYTES: usize = 400 * 1024;

const UNIT_BYTES: usize = 1024;

/// Sizes as the developer guide counts them: names and values in UTF-8, a number by its pairs of digits.
fn bytes(item: &Item) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        other => panic!("no entry has {other:?}"),
    };
    item.iter().map(|(name, attribute)| name.len() + value(attribute)).sum()
}

fn layout() -> Layout {
    Layout { shards: 4, keep_loaded: Some(Duration::from_hours(24 * 90)) }
}

fn item(entry: &Entry) -> Item {
    let document = Documents::new().unwrap().write(entry).unwrap();
    assert_eq!(Documents::new().unwrap().read(&document).unwrap(), *entry);
    layout().item(entry, document, "0123456789ab-7ffff")
}

/// Write units of a put: of the item, and of every index whose entry comes, goes or moves.
fn units(before: Option<&Item>, after: &Item) -> usize {
    let of = |bytes: usize| bytes.div_ceil(UNIT_BYTES);
    let mut units = of(before.map_or(0, bytes).max(bytes(after)));
    for index in INDEXES {
        let keys: Vec<&str> = [Some(index.partition), index.sort, Some(PK)].into_iter().flatten().collect();
        let entry = |item: &Item| -> Option<Item> {
            keys.iter().map(|key| Some(((*key).to_owned(), item.get(*key)?.clone()))).collect()
        };
        let (was, is) = (before.and_then(entry), entry(after));
        if was != is {
            units += [was, is].iter().flatten().map(|entry| of(bytes(entry))).sum::<usize>();
        }
    }
    units
}

/// Everything that can grow is as large as it can be.
fn largest() -> Entry {
    let key = |letter: &str| letter.repeat(1_024);
    let long = |prefix: &str| ObjectUri::parse(&format!("s3://{}/{}", "b".repeat(63), prefix)).unwrap();
    let mut rejects = RejectCounts::default();
    for number in 0..10_000 {
        rejects.add(Rule::UnknownField, Some(&format!("{number} {}", "\"".repeat(200))));
    }
    let rows: BTreeMap<String, u64> = (0..100).map(|n| (format!("{n:060}"), u64::MAX)).collect();
    let full = LoadSummary {
        manifest: Some(long(&key("\""))),
        records: u64::MAX,
        rejects,
        rows,
        bytes: u64::MAX,
        parts: u64::MAX,
        quarantine: Some(long(&key("\""))),
    };
    let mut first = request(&"d".repeat(60), long(&key("\u{1}")).as_str(), 1, Cause::Arrived, at(1));
    first.object.etag = Some(key("\""));
    first.object.version_id = Some(key("\""));
    let attributes = (0..20).map(|n| (format!("{n}"), "\u{1}".repeat(100_000))).collect();
    first.asked_by = MessageRef::new(&MessageId::new(key("\u{1}")), at(1), &attributes);
    let claimed = taken(None, &first);
    let lease = claimed.lease().unwrap().clone();
    let written = claimed.written(&lease, full.clone(), at(2)).unwrap();
    let loaded = written.loaded(&written.load_id, &key("b"), at(3)).unwrap().unwrap();
    let again = taken(Some(&loaded), &request("d", "s3://b/k", 1, Cause::Replay, at(4)));
    let lease = again.lease().unwrap().clone();
    again.set_aside(&lease, reason(&"\u{1}".repeat(1_000_000)), Some(full), at(5)).unwrap()
}

#[test]
fn the_largest_entry_stays_far_below_the_limit_of_an_item() {
    let entry = largest();
    let text = serde_json::to_vec(&entry).unwrap();
    assert!(text.len() < ITEM_BYTES / 2, "{} bytes, even if nothing of it could be compressed", text.len());
    let item = item(&entry);
    assert!(bytes(&item) < ITEM_BYTES / 4, "{} bytes", bytes(&item));
}

#[test]
fn a_file_that_is_claimed_written_and_loaded_costs_nine_write_units() {
    let object =
        "s3://company-landing-zone/immobilienscout24/2026/11/21/immobilienscout24_berlin_2026-11-21T08_00_00.jsonl.gz";
    let claimed = taken(None, &request("immobilienscout24_berlin", object, 7, Cause::Arrived, at(1_795_000_000)));
    let lease = claimed.lease().unwrap().clone();
    let extended = claimed.extended(&lease, Duration::from_mins(5), at(1_795_000_100)).unwrap();
    let made = summary(&claimed, &["flats", "cores", "agents"]);
    let written = claimed.written(&lease, made, at(1_795_000_200)).unwrap();
    let loaded = written.loaded(&written.load_id, "0f1e2d3c4b5a6978", at(1_795_000_300)).unwrap().unwrap();
    let [claimed, extended, written, loaded] = [claimed, extended, written, loaded].map(|entry| item(&entry));
    for item in [&claimed, &extended, &written, &loaded] {
        // With room for names that are much longer and for a few dozen kinds of rejects.
        assert!(bytes(item) < 800, "{} bytes: {item:?}", bytes(item));
    }
    // The item, its place, and once its object.
    assert_eq!(units(None, &claimed), 1 + 1 + 1);
    assert_eq!(units(Some(&claimed), &written), 1 + 2);
    assert_eq!(units(Some(&written), &loaded), 1 + 2);
    assert_eq!(units(Some(&claimed), &extended), 1 + 2, "each prolongation of a long file's lease");
}

/// No partition takes more writes than its share.
#[test]
fn entries_are_spread_evenly() {
    let mut shards = [0_u32; 4];
    for number in 0..4_000 {
        let request = request("d", &format!("s3://b/{number}"), 1, Cause::Arrived, at(1));
        shards[usize::from(shard(&taken(None, &request).id, 4))] += 1;
    }
    assert!(shards.iter().all(|entries| (900..1_100).contains(entries)), "{shards:?}");
    let odd: BTreeSet<u16> = (0..100).map(|number| shard(&EntryId::new(format!("no digits {number}")), 4)).collect();
    assert_eq!(odd.len(), 4, "whatever its name");
}

/// What lies in tables was compressed against this very sample: it never changes. Better ones are further formats.
#[test]
fn the_sample_of_format_1_is_what_it_was() {
    assert_eq!(digest(&[SAMPLE]), "5355e5c33f9a61c6c3ab7992bed3ce8b");
}

#[test]
fn documents_of_another_kind_are_told_from_broken_ones() {
    let documents = Documents::new().unwrap();
    let mut document = documents.write(&largest()).unwrap();
    let said = |document: &[u8]| documents.read(document).unwrap_err().to_string();
    assert_eq!(said(&[]), "it is empty");
    document[0] = 9;
    assert_eq!(said(&document), "its format is 9, and this version of lakehand reads format 1");
    document[0] = 1;
    document.truncate(40);
    assert!(said(&document).starts_with("its compressed form is broken"), "{}", said(&document));
    assert!(said(b"\x01{}").starts_with("its compressed form is broken"));
}
