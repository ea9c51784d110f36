//! The same random tables with random dirt, into Redshift.

use std::time::Duration;

use super::world::World;
use crate::planted::{FORMATS, definition, planted, rejected};

/// Each column in the notation in which it was planted; PostgreSQL writes doubles so that they read back the same.
const SELECT: &str = "SELECT id, n, d, big, x, t, day, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
                      to_char(ts, 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), b, j";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_planted_stands_in_redshift() {
    let definitions = FORMATS.map(definition);
    let world = World::new(&definitions.each_ref().map(String::as_str)).await;
    let all = FORMATS.map(|format| planted(format, "cloud"));
    let mut files = 0;
    for (name, bytes) in all.iter().flat_map(|planted| &planted.files) {
        world.put(name, bytes.clone()).await;
        world.deliver(name).await;
        files += 1;
    }
    let worker = world.worker();
    world.until_settled(files, Duration::from_mins(3)).await;
    worker.stop();
    let listed = world.json(&["rejects", "--list", "--limit", "100000"]);
    for (format, planted) in FORMATS.iter().zip(&all) {
        assert_eq!(rejected(&listed, format), planted.dirty, "{format}");
        let rows = world.query(&format!("{SELECT} FROM planted_{format}.rows ORDER BY id")).await;
        assert_eq!(rows.len(), planted.clean.len(), "{format}");
        for (mut row, record) in rows.into_iter().zip(&planted.clean) {
            let mut cells = record.clone().map(|value| value.unwrap_or_else(|| "null".to_owned()));
            if record[4].is_some() {
                row[4] = row[4].parse::<f64>().expect("a number").to_string();
            }
            if record[9].is_some() {
                cells[9].truncate(1);
            }
            assert_eq!(row.as_slice(), cells, "{format}");
        }
    }
}
