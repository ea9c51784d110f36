//! Where the services are that tests need: `make test` starts them (`localstack/services.sh`) and says so in the
//! environment. A test that needs one fails where it is missing; it never passes by being skipped.

/// The emulators of AWS that backends are tested on. More than one, so that nothing fits one's quirks.
pub const EMULATORS: [&str; 2] = ["ROTO", "MINISTACK"];

/// The URL of an emulator: `ROTO`, `MINISTACK`, or `LOCALSTACK` (queues and objects only; it alone moves dead letters).
pub fn emulator(name: &str) -> String {
    variable(&format!("LAKEHAND_TEST_{name}"))
}

/// How PostgreSQL is reached, as `key=value` pairs; its user may make databases.
pub fn postgres() -> String {
    variable("LAKEHAND_TEST_POSTGRES")
}

/// The program of this name in the venv that `localstack/services.sh` made.
pub fn program(name: &str) -> std::path::PathBuf {
    std::path::Path::new(&variable("LAKEHAND_TEST_VENV")).join("bin").join(name)
}

/// Letters and digits that no other run of a test has, for the names of queues, buckets and tables.
pub fn suffix() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    format!("{:012x}", RandomState::new().build_hasher().finish() >> 16)
}

fn variable(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "no setting of the program: where this machine's test services are")]
    let value = std::env::var(name);
    value.unwrap_or_else(|_| {
        panic!("{name} is not set: run `make test`, or start the services with localstack/services.sh up and source the file it names")
    })
}
