//! Disks that are full, and a table that is gone: waited out, with health telling the truth, and no file set
//! aside. The disk is a small one in memory, which only the worker's own mount namespace has.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{BINARY, Site, text};

const LINES: &str = r#"
name = "lines"
[source]
objects = ["lines_*.csv"]
format = "csv"
[tables.lines]
mode = "append"
[tables.lines.columns]
id = { type = "bigint", required = true }
text = { type = "varchar(2000)" }
"#;

const ROWS: u64 = 400;

/// A worker with a disk of its own, of two megabytes, in a folder of the site.
struct OnSmallDisk<'a> {
    site: &'a Site,
    worker: Child,
    disk: PathBuf,
    listen: String,
}

impl<'a> OnSmallDisk<'a> {
    fn start(site: &'a Site, disk: &str, more: &[&str]) -> Self {
        let disk = site.path(disk);
        std::fs::create_dir_all(&disk).expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
        let listen = format!("http.listen=127.0.0.1:{port}");
        let script = "mount -t tmpfs -o size=2m none \"$1\" && shift && exec \"$@\"";
        let worker = Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
            .arg(&disk)
            .args([BINARY, "run", "--set", &listen])
            .args(more)
            .current_dir(site.path("."))
            .env_remove("LAKEHAND_LOG")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("util-linux has unshare");
        let on = Self { site, worker, disk, listen };
        on.until("it runs", || on.site.run(&["ready", "--set", &on.listen]).status.success());
        on
    }

    /// A path on its disk, as seen from outside.
    fn path(&self, name: &str) -> PathBuf {
        let inside = self.disk.strip_prefix("/").expect("an absolute path");
        Path::new(&format!("/proc/{}/root", self.worker.id())).join(inside).join(name)
    }

    /// Fills the disk to its last byte.
    fn fill(&self) {
        let zeros = vec![0; 4096];
        let mut filler = std::fs::File::create(self.path("filler")).expect("a file on its disk");
        while std::io::Write::write_all(&mut filler, &zeros).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.path("filler")).expect("the filler goes");
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..240 {
            if holds() {
                return;
            }
            pause();
        }
        let ready = self.site.run(&["ready", "--set", &self.listen]);
        panic!("{what}: not after two minutes: {:#}\n{}", self.site.json(&["loads"]), text(&ready));
    }

    /// Waits until its health says what is wrong.
    fn until_sick(&self, says: &[&str]) {
        self.until(&format!("health says one of {says:?}"), || {
            let output = self.site.run(&["ready", "--set", &self.listen]);
            let said = text(&output).to_lowercase();
            output.status.code() == Some(1) && says.iter().any(|word| said.contains(word))
        });
    }

    fn until_well(&self) {
        self.until("health is well again", || self.site.run(&["ready", "--set", &self.listen]).status.success());
    }

    fn entries(&self, state: &str) -> usize {
        let loads = self.site.json(&["loads"]);
        let loads = loads["loads"].as_array().expect("loads");
        loads.iter().filter(|load| load["state"] == *state).count()
    }

    /// No file is blamed for the disk.
    fn assert_nobody_is_blamed(&self) {
        let loads = self.site.json(&["loads"]);
        for load in loads["loads"].as_array().expect("loads") {
            assert!(load["state"] != "set_aside" && load["attempts"] == 0, "{load:#}");
        }
    }
}

impl Drop for OnSmallDisk<'_> {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.worker.kill();
        _ = self.worker.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the process under test lives in real time")]
fn pause() {
    std::thread::sleep(Duration::from_millis(500));
}

fn file(number: u64) -> String {
    let row = |id: u64| format!("{},{}\n", number * ROWS + id, format!("{id} ").repeat(100));
    format!("id,text\n{}", (0..ROWS).map(row).collect::<String>())
}

fn loaded(site: &Site, query: impl Fn(&str) -> Vec<Vec<String>>, files: u64) {
    let rows = query("SELECT count(*), count(DISTINCT id) FROM lines_lines");
    assert_eq!(rows, [[(files * ROWS).to_string(), (files * ROWS).to_string()]], "{:#}", site.json(&["loads"]));
}

#[test]
fn a_full_lake_is_waited_out() {
    let site = Site::new(&[LINES]);
    let on = OnSmallDisk::start(&site, "lake", &[]);
    site.land("lines_1.csv", file(1));
    on.until("the first is loaded", || on.entries("loaded") == 1);
    on.fill();
    site.land("lines_2.csv", file(2));
    site.land("lines_3.csv", file(3));
    on.until_sick(&["space", "full"]);
    on.assert_nobody_is_blamed();
    on.free();
    on.until("all are loaded", || on.entries("loaded") == 3);
    on.until_well();
    on.assert_nobody_is_blamed();
    loaded(&site, |sql| site.query(sql), 3);
}

/// The warehouse's disk alone: files go on being written to the lake.
#[test]
fn a_full_warehouse_sets_nothing_aside() {
    let site = Site::new(&[LINES]);
    let on = OnSmallDisk::start(&site, "house", &["--set", "warehouse.url=sqlite://./house/w.sqlite"]);
    site.land("lines_1.csv", file(1));
    on.until("the first is loaded", || on.entries("loaded") == 1);
    on.fill();
    site.land("lines_2.csv", file(2));
    site.land("lines_3.csv", file(3));
    on.until("both are written", || on.entries("written") == 2);
    on.until_sick(&["space", "full"]);
    on.assert_nobody_is_blamed();
    on.free();
    on.until("all are loaded", || on.entries("loaded") == 3);
    on.until_well();
    on.assert_nobody_is_blamed();
}

#[test]
fn a_dropped_table_sets_nothing_aside() {
    let site = Site::new(&[LINES]);
    let on = OnSmallDisk::start(&site, "unused", &[]);
    site.land("lines_1.csv", file(1));
    on.until("the first is loaded", || on.entries("loaded") == 1);
    let warehouse = rusqlite::Connection::open(site.path("state/warehouse.sqlite")).expect("a warehouse");
    warehouse.busy_timeout(Duration::from_secs(10)).expect("a setting");
    let rename = "PRAGMA legacy_alter_table = ON; ALTER TABLE lines_lines__rows RENAME TO kept";
    warehouse.execute_batch(rename).expect("the table is gone");
    site.land("lines_2.csv", file(2));
    site.land("lines_3.csv", file(3));
    on.until("both are written", || on.entries("written") == 2);
    on.until_sick(&["no such table", "lines__rows"]);
    on.assert_nobody_is_blamed();
    warehouse
        .execute_batch(&rename.replace("lines_lines__rows RENAME TO kept", "kept RENAME TO lines_lines__rows"))
        .expect("it is back");
    on.until("all are loaded", || on.entries("loaded") == 3);
    on.until_well();
    on.assert_nobody_is_blamed();
    loaded(&site, |sql| site.query(sql), 3);
}
