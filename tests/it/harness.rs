//! One site: a landing folder, a lake and all state below one temporary folder, and the real program to run on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_lakehand");

/// The least that a dataset needs.
pub(crate) const LINES: &str = r#"
name = "lines"
[source]
objects = ["lines_*.csv"]
format = "csv"
[tables.lines]
mode = "append"
[tables.lines.columns]
id = { type = "bigint", required = true }
"#;

/// The settings of a site: everything short, so that tests are.
const SETTINGS: &str = r#"
[landing]
url = "{landing}"
[lake]
url = "./lake"
[state]
folder = "./state"
[intake]
lease = "3s"
visibility = "3s"
clock_skew = "0s"
[loading]
linger = "100ms"
[listing]
interval = "500ms"
settle_time = "0s"
[shutdown]
drain_patience = "60s"
"#;

/// A site.
#[derive(Debug)]
pub(crate) struct Site {
    folder: TempDir,
    landing: PathBuf,
}

impl Site {
    /// A site with its own landing and these definitions.
    pub(crate) fn new(definitions: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let landing = folder.path().join("landing");
        std::fs::create_dir_all(&landing).expect("a landing");
        Self::lay(folder, landing, definitions)
    }

    /// A site whose landing is another's.
    pub(crate) fn on(landing: &Path, definitions: &[&str]) -> Self {
        Self::lay(TempDir::new().expect("a temporary folder"), landing.to_owned(), definitions)
    }

    fn lay(folder: TempDir, landing: PathBuf, definitions: &[&str]) -> Self {
        let site = Self { folder, landing };
        std::fs::create_dir_all(site.path("datasets")).expect("a folder of definitions");
        std::fs::create_dir_all(site.path("lake")).expect("a lake");
        site.settings("");
        for (at, text) in definitions.iter().enumerate() {
            std::fs::write(site.path(&format!("datasets/d{at}.toml")), text).expect("a definition");
        }
        site
    }

    /// Writes the settings anew, with more at their end.
    pub(crate) fn settings(&self, more: &str) {
        let text = SETTINGS.replace("{landing}", &format!("file://{}", self.landing.display()));
        std::fs::write(self.path("lakehand.toml"), format!("{text}{more}")).expect("settings");
    }

    /// A path of the site.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Writes a file into the landing, all at once, as a careful producer does.
    pub(crate) fn land(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.landing.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder of the landing");
        let temporary = self.folder.path().join("landing.tmp");
        std::fs::write(&temporary, bytes).expect("a file");
        std::fs::rename(&temporary, &path).expect("a landed file");
        path
    }

    /// The program on this site.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.current_dir(self.folder.path()).args(arguments).env_remove("LAKEHAND_LOG");
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }

    /// Runs a drain and gives its exit code; anything but 0 and 1 fails the test.
    #[expect(clippy::print_stdout, reason = "a test that fails later shows what the program said")]
    pub(crate) fn drain(&self) -> i32 {
        let output = self.run(&["run", "--drain"]);
        let code = output.status.code().unwrap_or(-1);
        println!("{}", text(&output));
        assert!(code == 0 || code == 1, "drain exited with {code}: {}", text(&output));
        code
    }

    /// Starts the program and leaves it running.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
    }

    /// What the program answers as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output)))
    }

    /// Rows of a query on the warehouse, each value as text.
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let connection = Connection::open(self.path("state/warehouse.sqlite")).expect("a warehouse");
        let mut statement = connection.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..columns)
                .map(|at| {
                    Ok(match row.get_ref(at)? {
                        rusqlite::types::ValueRef::Null => "null".to_owned(),
                        rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                        rusqlite::types::ValueRef::Real(value) => value.to_string(),
                        rusqlite::types::ValueRef::Text(value) => String::from_utf8_lossy(value).into_owned(),
                        rusqlite::types::ValueRef::Blob(value) => format!("{value:?}"),
                    })
                })
                .collect()
        });
        rows.expect("a query").collect::<Result<_, _>>().expect("rows")
    }

    /// Every file of the lake that readers or manifests see, by its path, and its bytes' hash.
    pub(crate) fn lake(&self) -> BTreeMap<String, blake3::Hash> {
        let mut files = BTreeMap::new();
        let root = self.path("lake");
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder of the lake") {
                let path = entry.expect("an entry").path();
                let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
                if path.is_dir() {
                    folders.push(path);
                } else if !hidden {
                    let name = path.strip_prefix(&root).expect("below the lake").display().to_string();
                    let bytes = std::fs::read(&path).expect("a file of the lake");
                    // A manifest names its parts by where they lie, and each site lies elsewhere.
                    let own = root.display().to_string();
                    let told = |bytes| String::from_utf8(bytes).expect("a manifest").replace(&own, "");
                    let bytes = if name.contains("/_manifests/") { told(bytes).into_bytes() } else { bytes };
                    files.insert(name, blake3::hash(&bytes));
                }
            }
        }
        files
    }

    /// Every row of every table of accepted rows, and every marker but its batch and time, in a fixed order.
    pub(crate) fn warehouse(&self) -> BTreeMap<String, Vec<Vec<String>>> {
        let tables =
            self.query("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%\\_\\_rows' ESCAPE '\\'");
        let mut all = BTreeMap::new();
        for table in tables.into_iter().flatten() {
            let mut rows = self.query(&format!("SELECT * FROM \"{table}\""));
            rows.sort();
            all.insert(table, rows);
        }
        let markers = "SELECT entry, load_id, generation FROM lakehand_markers ORDER BY entry";
        all.insert("markers".to_owned(), self.query(markers));
        all
    }
}

/// What a program printed.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
