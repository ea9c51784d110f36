//! Services that are this test's own, so that it may crash them: PostgreSQL, and an emulator that keeps what it has.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::cloud::world::Places;
use crate::harness::text;

/// They are stopped, and what they had is removed, when this is dropped.
#[derive(Debug)]
pub(super) struct Own {
    state: TempDir,
}

impl Own {
    /// Starts them.
    pub(super) fn start() -> Self {
        let own = Self { state: TempDir::new().expect("a temporary folder") };
        own.services(&["up", "postgres", "roto"]);
        own
    }

    /// Where they are, and stay.
    pub(super) fn places(&self) -> Places {
        let port = |name: &str| {
            let file = self.state.path().join(format!("{name}.port"));
            std::fs::read_to_string(file).expect("its port").trim().to_owned()
        };
        Places {
            emulator: format!("http://127.0.0.1:{}", port("roto")),
            postgres: format!("host=127.0.0.1 port={} user=lakehand dbname=postgres", port("postgres")),
        }
    }

    /// It ends in the middle of its work.
    pub(super) fn crash(&self, name: &str) {
        self.services(&["crash", name]);
    }

    /// It starts again, with what it had.
    pub(super) fn start_again(&self, name: &str) {
        self.services(&["up", name]);
    }

    fn services(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().expect("the script runs");
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../localstack/services.sh");
        let mut command = Command::new(script);
        command.args(arguments).env("LAKEHAND_SERVICES", self.state.path()).env("LAKEHAND_DURABLE", "1");
        command
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Nobody is left to tell that it failed.
        _ = self.command(&["down"]).output();
    }
}
