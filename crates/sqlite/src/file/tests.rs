use tempfile::TempDir;

use super::*;

const LAYOUT: Layout = Layout {
    holds: "shelf",
    application: 0x6c68_5445,
    version: 3,
    tables: "CREATE TABLE book (name TEXT NOT NULL) STRICT; CREATE INDEX book_by_name ON book (name);",
};

fn books(connection: &Connection) -> Vec<String> {
    let mut statement = connection.prepare("SELECT name FROM book ORDER BY name").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn fill_with(name: &str) -> impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()> {
    let name = name.to_owned();
    move |transaction| transaction.execute("INSERT INTO book VALUES (?1)", [name]).map(drop)
}

#[test]
fn a_new_file_is_filled_once_and_is_as_durable_when_opened_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("made/on/the/way");
    for name in ["first", "second"] {
        let connection = open(&path, &LAYOUT, fill_with(name)).unwrap();
        assert_eq!(books(&connection), ["first"], "only the one that makes the file fills it");
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        let synchronous: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
        assert_eq!((mode.as_str(), synchronous), ("wal", 2));
    }
}

#[test]
fn a_file_that_cannot_be_filled_stays_empty_and_can_be_opened_later() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    let failure = open(&path, &LAYOUT, |_| Err(rusqlite::Error::QueryReturnedNoRows)).unwrap_err();
    assert!(matches!(failure, Failure::Failed { effect: Effect::NotApplied, .. }), "{failure:?}");
    assert_eq!(books(&open(&path, &LAYOUT, fill_with("later")).unwrap()), ["later"]);
}

#[test]
fn files_of_something_else_are_refused_and_left_as_they_are() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("text"), "not a database, but long enough to have a header ".repeat(20)).unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    let foreign = |name: &str, batch: &str| Connection::open(at(name)).unwrap().execute_batch(batch).unwrap();
    foreign("tables", "CREATE TABLE book (x)");
    foreign("application", "PRAGMA application_id = 7");
    foreign("version", "PRAGMA user_version = 3");
    let table = [
        ("text", "not a database"),
        ("folder", "unable to open"),
        ("text/below", "cannot be made"),
        ("tables", "give the shelf a file of its own"),
        ("application", "give the shelf a file of its own"),
        ("version", "give the shelf a file of its own"),
    ];
    for (name, says) in table {
        let failure = open(&at(name), &LAYOUT, fill_with("never")).unwrap_err();
        let Failure::Denied(cause) = &failure else { panic!("{name}: {failure:?}") };
        assert!(cause.to_string().contains(says), "{name}: {cause}");
    }
    let tables: i64 = Connection::open(at("tables"))
        .unwrap()
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_file_of_another_version_is_named_with_both_versions() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("newer");
    drop(open(&path, &LAYOUT, fill_with("kept")).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let failure = open(&path, &LAYOUT, fill_with("never")).unwrap_err();
    let Failure::Newer(message) = &failure else { panic!("{failure:?}") };
    assert!(message.contains("version 7 of the shelf's tables") && message.contains("knows version 3"), "{message}");
    assert!(message.contains(&path.display().to_string()), "{message}");
}

#[test]
fn opening_a_new_file_in_many_threads_at_once_fills_it_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    std::thread::scope(|scope| {
        for number in 0..12 {
            let path = &path;
            scope.spawn(move || open(path, &LAYOUT, fill_with(&number.to_string())).unwrap());
        }
    });
    assert_eq!(books(&open(&path, &LAYOUT, fill_with("last")).unwrap()).len(), 1);
}
