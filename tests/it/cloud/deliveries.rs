//! Files delivered one to three times in random order to three replicas, one of which is killed every few seconds:
//! every file is loaded or set aside, each row is once in the warehouse and once in the lake, and the dead letters name
//! exactly the files that cannot succeed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use super::world::{World, dice, pause};

/// Every row of every file stands.
pub(super) const ORDERS: &str = r#"
name = "orders"
[source]
objects = ["orders_*.jsonl*"]
format = "jsonl"
[quality]
max_rejects = "20%"
[tables.orders]
mode = "append"
[tables.orders.columns]
order_id = { type = "bigint", from = "id", required = true }
amount = { type = "decimal(12,2)", from = "amount", min = 0 }
placed = { type = "timestamptz", from = "placed" }
customer = { type = "varchar(40)", from = "customer.name" }
"#;

/// One row a key, the newest version.
pub(super) const STOCK: &str = r#"
name = "stock"
[source]
objects = ["stock_*.jsonl"]
format = "jsonl"
[tables.stock]
mode = "upsert"
key = ["sku"]
version = "changed"
[tables.stock.columns]
sku = { type = "varchar(20)", from = "sku", required = true }
changed = { type = "bigint", from = "changed" }
pieces = { type = "integer", from = "pieces" }
"#;

const FILES: u64 = 500;
const LINES: u64 = 10;

/// One file, and what becomes of it.
pub(super) struct Sample {
    pub(super) key: String,
    pub(super) bytes: Vec<u8>,
    pub(super) rows: u64,
    pub(super) is_good: bool,
}

/// The file of a number: most are orders, some stock; some cannot be read, some have too many rejects.
pub(super) fn sample(number: u64) -> Sample {
    if number % 5 == 4 {
        let mut text = String::new();
        for line in 0..LINES {
            // Keys come again in other files, with versions in no order of the files.
            let key = dice("key", number * LINES + line, 200);
            let changed = number * LINES + line;
            _ = writeln!(text, r#"{{"sku":"s{key}","changed":{changed},"pieces":{}}}"#, changed % 1000);
        }
        return Sample {
            key: format!("stock_{number:04}.jsonl"),
            bytes: text.into_bytes(),
            rows: LINES,
            is_good: true,
        };
    }
    let mut text = String::new();
    let too_many = number % 97 == 3;
    let mut rows = 0;
    for line in 0..LINES {
        let id = number * LINES + line;
        let dirty = if too_many { line % 2 == 0 } else { dice("dirt", id, 60) == 0 };
        rows += u64::from(!dirty);
        let amount = if dirty { "-1.00" } else { "12.50" };
        _ = writeln!(
            text,
            r#"{{"id":{id},"amount":"{amount}","placed":"2026-11-21T08:00:00+01:00","customer":{{"name":"Kö {id}"}}}}"#
        );
    }
    if number % 89 == 7 {
        let mut torn = zstd::encode_all(text.as_bytes(), 3).expect("zstd");
        torn.truncate(torn.len() / 2);
        return Sample { key: format!("orders_{number:04}.jsonl.zst"), bytes: torn, rows: 0, is_good: false };
    }
    // Chance alone can bring a file above its limit as well.
    let is_good = (LINES - rows) * 100 <= 20 * LINES;
    let rows = if is_good { rows } else { 0 };
    Sample { key: format!("orders_{number:04}.jsonl"), bytes: text.into_bytes(), rows, is_good }
}

/// What the warehouse shows of stock once all files are in: the newest version of each key.
fn newest_stock(files: u64) -> BTreeMap<String, (u64, u64)> {
    let mut newest = BTreeMap::new();
    for number in (0..files).filter(|number| number % 5 == 4) {
        for line in 0..LINES {
            let changed = number * LINES + line;
            let seen = newest.entry(format!("s{}", dice("key", changed, 200))).or_insert((changed, changed % 1000));
            *seen = (*seen).max((changed, changed % 1000));
        }
    }
    newest
}

/// Lets the files land, each told of one to three times, in an order of its own.
pub(super) async fn land(world: &World, files: std::ops::Range<u64>, seed: &str) {
    let mut order: Vec<u64> = files.collect();
    order.sort_by_key(|number| dice(seed, *number, u64::MAX));
    for number in order {
        let file = sample(number);
        world.put(&file.key, file.bytes).await;
        for _ in 0..dice("again", number, 3) {
            world.deliver(&file.key).await;
        }
    }
}

/// Everything that must hold once the first `files` files are in, and `others` that are none of these.
pub(super) async fn assert_all_is_in(world: &World, files: u64, others: u64) {
    let samples: Vec<Sample> = (0..files).map(sample).collect();
    let good = samples.iter().filter(|file| file.is_good).count() as u64;
    let states = world.states();
    assert_eq!(states.get("loaded"), Some(&(good + others)), "{states:?}");
    assert_eq!(states.get("set_aside").copied().unwrap_or(0), files - good, "{states:?}");

    let orders: u64 = samples.iter().filter(|file| file.key.starts_with("orders")).map(|file| file.rows).sum();
    let stock: u64 = samples.iter().filter(|file| file.key.starts_with("stock")).map(|file| file.rows).sum();
    let count = async |sql: &str| u64::try_from(world.number(sql).await).expect("a count");
    assert_eq!(count("SELECT count(*) FROM orders.orders").await, orders);
    assert_eq!(count("SELECT count(DISTINCT order_id) FROM orders.orders").await, orders, "no row twice");
    assert_eq!(count("SELECT count(*) FROM orders.orders__rows").await, orders);
    assert_eq!(count("SELECT count(*) FROM stock.stock__rows").await, stock);
    let shown = world.query("SELECT sku, changed, pieces FROM stock.stock ORDER BY sku").await;
    let wanted: Vec<Vec<String>> = newest_stock(files)
        .into_iter()
        .map(|(sku, (changed, pieces))| vec![sku, changed.to_string(), pieces.to_string()])
        .collect();
    assert_eq!(shown, wanted, "the newest version of each key");

    let live = world.live_rows().await;
    assert_eq!(live.get("orders.orders").copied().unwrap_or(0), orders, "the lake");
    assert_eq!(live.get("stock.stock").copied().unwrap_or(0), stock, "the lake");
}

/// The dead letters name exactly the files that cannot succeed.
pub(super) async fn assert_letters(world: &World, files: u64) {
    let wanted: BTreeSet<String> = (0..files).map(sample).filter(|file| !file.is_good).map(|file| file.key).collect();
    let mut named = BTreeSet::new();
    for _ in 0..40 {
        named.extend(world.letters().await.into_keys());
        if named == wanted {
            break;
        }
        pause(Duration::from_millis(500)).await;
    }
    assert_eq!(named, wanted, "{}", world.logs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_row_once_whatever_is_killed_and_however_often_it_is_told() {
    let world = World::new(&[ORDERS, STOCK]).await;
    let mut workers = vec![world.worker(), world.worker(), world.worker()];
    let landing = land(&world, 0..FILES, "order");
    let killing = async {
        for round in 0..u64::MAX {
            pause(Duration::from_millis(1_500 + dice("pause", round, 2_500))).await;
            let victim = usize::try_from(dice("victim", round, 3)).expect("a small number");
            workers[victim].kill();
            workers[victim] = world.worker();
            let states = world.states();
            if round >= 5 && states.get("loaded").copied().unwrap_or(0) >= FILES * 9 / 10 {
                return round + 1;
            }
        }
        0
    };
    let ((), kills) = tokio::join!(landing, killing);
    world.until_settled(FILES, Duration::from_mins(4)).await;
    assert_all_is_in(&world, FILES, 0).await;
    assert_letters(&world, FILES).await;
    println!("{FILES} files, {kills} kills");
    for worker in workers {
        worker.stop();
    }
}
