//! What must be there at the end, said as shortly as it can be: a function of the versions that were read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::content::{Content, Fate};
use super::landing::Landing;
use crate::cloud::world::{World, pause};
use crate::harness::text;

/// One version that the ledger knows.
struct Known<'a> {
    key: String,
    /// The order of an object's versions: when it was last modified, then its name.
    order: (i64, String),
    etag: String,
    state: String,
    kind: String,
    load: String,
    accounted: [u64; 3],
    content: &'a Content,
}

impl Known<'_> {
    fn is_loaded(&self) -> bool {
        self.state == "loaded"
    }

    fn is_unseen(&self) -> bool {
        ["gone", "replaced"].contains(&self.kind.as_str())
    }

    /// Whether it became what its content says.
    fn is_explained(&self) -> bool {
        match self.content.fate {
            Fate::Loaded => self.is_loaded(),
            Fate::Unreadable => self.kind == "unreadable",
            Fate::TooManyRejects => self.kind == "too_many_rejects",
        }
    }
}

/// What the program answers, on a machine that may be too busy to answer in time.
#[expect(clippy::print_stdout, reason = "a test that fails shows what the program said")]
async fn told(world: &World, arguments: &[&str]) -> Value {
    for _ in 0..30 {
        let output = world.run(&[arguments, &["--output", "json"]].concat());
        if output.status.success() {
            return serde_json::from_slice(&output.stdout).expect("JSON");
        }
        println!("{arguments:?}: {}", text(&output));
        pause(Duration::from_secs(1)).await;
    }
    panic!("{arguments:?}: no answer")
}

async fn read<'a>(world: &World, landing: &'a Landing) -> Vec<Known<'a>> {
    let loads = told(world, &["loads", "--limit", "100000"]).await;
    let loads = loads["loads"].as_array().expect("loads");
    loads.iter().map(|load| known(load, landing)).collect()
}

fn known<'a>(load: &Value, landing: &'a Landing) -> Known<'a> {
    let text = |name: &str| load[name].as_str().unwrap_or_default().to_owned();
    let (object, version) = (text("object"), text("version"));
    let key = object.rsplit('/').next().unwrap_or_default().to_owned();
    let mut parts = version.rsplitn(3, '-');
    let modified = parts.next().and_then(|micros| micros.parse().ok()).expect("when it was modified");
    let etag = parts.nth(1).expect("an eTag").to_owned();
    let Some(content) = landing.put.get(&(key.clone(), etag.clone())) else {
        panic!("the ledger knows of {version} of {key}, which nobody put")
    };
    let rows = load["rows"].as_object().map_or(0, |rows| rows.values().filter_map(Value::as_u64).sum());
    let accounted = [load["records"].as_u64().unwrap_or(0), rows, load["rejects"].as_u64().unwrap_or(0)];
    let order = (modified, version);
    Known { key, order, etag, state: text("state"), kind: text("reason_kind"), load: text("load"), accounted, content }
}

/// What is not yet what it must become; nothing: all is settled.
/// Each with the object that it is about, if any.
pub(super) async fn unsettled(world: &World, landing: &Landing) -> Vec<(String, String)> {
    let depth = world.depth().await;
    let mut open = Vec::new();
    if depth > 0 {
        open.push((String::new(), format!("{depth} messages in the queue")));
    }
    let all = read(world, landing).await;
    let current = landing.current().await;
    let newest: BTreeSet<(&str, &str)> = all
        .iter()
        .filter(|known| known.is_explained())
        .map(|known| (known.key.as_str(), known.etag.as_str()))
        .collect();
    for (key, etag) in &current {
        let content = &landing.put[&(key.clone(), etag.clone())];
        if content.dataset.is_some() && !newest.contains(&(key, etag)) {
            open.push((key.clone(), format!("eTag {etag} is not in the ledger as {:?}", content.fate)));
        }
    }
    for known in &all {
        // What was rewritten or deleted before anybody read it cannot be read any more.
        let is_current = current.get(&known.key) == Some(&known.etag);
        if !known.is_explained() && (is_current || !known.is_unseen()) {
            open.push((known.key.clone(), format!("{} is {} {}", known.order.1, known.state, known.kind)));
        }
    }
    open
}

type Rows = Vec<Vec<String>>;

fn sorted<'a>(rows: impl Iterator<Item = &'a Vec<String>>) -> Rows {
    let mut rows: Rows = rows.cloned().collect();
    rows.sort();
    rows
}

/// Of each object's versions the one that `pick` takes.
fn one_an_object<'a>(
    loaded: &[&'a Known<'a>],
    pick: impl Fn(&'a Known<'a>, &'a Known<'a>) -> &'a Known<'a>,
) -> Vec<&'a Known<'a>> {
    let mut picked: BTreeMap<&str, &Known<'_>> = BTreeMap::new();
    for known in loaded {
        let place = picked.entry(&known.key).or_insert(known);
        *place = pick(place, known);
    }
    picked.into_values().collect()
}

/// Compares warehouse, lake, quarantine and dead letters with what the versions that were read must give. How many
/// versions that were, and rows.
pub(super) async fn compare(world: &World, landing: &Landing, letters: &[Value]) -> (usize, usize) {
    let all = read(world, landing).await;
    let loaded: Vec<&Known<'_>> = all.iter().filter(|known| known.is_loaded()).collect();
    for known in &loaded {
        let (rows, rejects) = (known.content.rows.len() as u64, known.content.rejects.len() as u64);
        assert_eq!(known.accounted, [rows + rejects, rows, rejects], "records, rows and rejects of {}", known.key);
    }
    let marked = world.query("SELECT load_id FROM lakehand.markers ORDER BY load_id").await;
    let marked: Vec<String> = marked.into_iter().map(|mut row| row.remove(0)).collect();
    let mut wanted: Vec<String> = loaded.iter().map(|known| known.load.clone()).collect();
    wanted.sort();
    assert_eq!(marked, wanted, "every load that the ledger calls loaded is marked, once, and no other");

    let lake = world.live_rows().await;
    let mut total = 0;
    for (dataset, columns) in [
        ("orders", "id, amount, customer"),
        ("notes", "id, text"),
        ("first", "id, text"),
        ("stock", "sku, changed, pieces"),
    ] {
        let of: Vec<&Known<'_>> =
            loaded.iter().copied().filter(|known| known.content.dataset == Some(dataset)).collect();
        let accepted = sorted(of.iter().flat_map(|known| &known.content.rows));
        let kept = world.query(&format!("SELECT {columns} FROM {dataset}.{dataset}__rows")).await;
        assert_eq!(sorted(kept.iter()), accepted, "{dataset}: every accepted row of every live load, once");
        let name = format!("{dataset}.{dataset}");
        assert_eq!(
            lake.get(&name).copied().unwrap_or(0),
            accepted.len() as u64,
            "{dataset}: the live parts of the lake"
        );
        total += accepted.len();

        let standing = match dataset {
            "orders" => one_an_object(&of, |one, other| if other.order > one.order { other } else { one }),
            "first" => one_an_object(&of, |one, other| if other.order < one.order { other } else { one }),
            _ => of.clone(),
        };
        let mut visible = sorted(standing.iter().flat_map(|known| &known.content.rows));
        if dataset == "stock" {
            let mut newest: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for row in visible {
                let changed = |row: &[String]| row[1].parse::<u64>().expect("a number");
                let place = newest.entry(row[0].clone()).or_insert_with(|| row.clone());
                if changed(&row) > changed(place) {
                    *place = row;
                }
            }
            visible = sorted(newest.values());
        }
        let shown = world.query(&format!("SELECT {columns} FROM {dataset}.{dataset}")).await;
        assert_eq!(sorted(shown.iter()), visible, "{dataset}: what stands, and nothing else");
    }
    compare_rejects(world, &all).await;
    compare_letters(landing, &all, letters);
    (all.len(), total)
}

/// Each rejected record is in quarantine, with its reason.
async fn compare_rejects(world: &World, all: &[Known<'_>]) {
    let told = told(world, &["rejects", "--list", "--limit", "100000"]).await;
    let told = told["rejects"].as_array().expect("rejects").iter();
    let mut found: Vec<(String, String)> = told
        .map(|reject| {
            assert_eq!(reject["rule"], "bounds", "{reject}");
            let object = reject["object"].as_str().expect("an object").rsplit('/').next().unwrap_or_default();
            (object.to_owned(), reject["raw"].as_str().expect("the record").to_owned())
        })
        .collect();
    // A version that was read and then replaced before it was loaded keeps its rejects.
    let read = all.iter().filter(|known| known.is_explained() || known.accounted[0] > 0);
    let mut wanted: Vec<(String, String)> =
        read.flat_map(|known| known.content.rejects.iter().map(|raw| (known.key.clone(), raw.clone()))).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted, "quarantine");
}

/// Every file that was set aside has its letter, so have files that no dataset takes and messages that mean nothing;
/// nothing else has.
fn compare_letters(landing: &Landing, all: &[Known<'_>], letters: &[Value]) {
    let mut found = BTreeSet::new();
    let mut garbage = BTreeSet::new();
    for letter in letters {
        let kind = letter["kind"].as_str().unwrap_or_else(|| panic!("no letter of lakehand's: {letter}")).to_owned();
        if let Some(object) = letter["object"].as_str() {
            found.insert((object.rsplit('/').next().unwrap_or_default().to_owned(), kind));
        } else {
            assert_eq!(kind, "undecodable", "{letter}");
            garbage.insert(letter["original"]["body"].to_string());
        }
    }
    assert_eq!(garbage.len() as u64, landing.garbage, "each message that means nothing");
    let aside = all.iter().filter(|known| known.state == "set_aside");
    let mut wanted: BTreeSet<(String, String)> = aside.map(|known| (known.key.clone(), known.kind.clone())).collect();
    let strangers = landing.put.iter().filter(|(_, content)| content.dataset.is_none());
    wanted.extend(strangers.map(|((key, _), _)| (key.clone(), "no_dataset".to_owned())));
    // A version that came to be seen after all was told of before.
    let unseen = |(key, kind): &&(String, String)| {
        let unsteady = landing.deleted.contains(key) || landing.rewritten.contains(key);
        unsteady && ["gone", "replaced"].contains(&kind.as_str())
    };
    let missing: Vec<_> = wanted.difference(&found).collect();
    let more: Vec<_> = found.difference(&wanted).filter(|letter| !unseen(letter)).collect();
    assert!(missing.is_empty() && more.is_empty(), "letters that are missing: {missing:?}; letters too many: {more:?}");
}
