//! Work on an open file: on threads that may block, and in transactions.

use std::sync::{Arc, Mutex, PoisonError};

use lakehand_domain::fault::Effect;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::failure::Failure;

/// Runs `work` with the connection on a thread that may block. Once begun it goes on to its end, also when the caller
/// does not wait for it any more.
///
/// # Errors
/// [`Failure::Failed`] with an unknown effect where `work` panics or the runtime ends before it.
pub async fn blocking<T: Send + 'static>(
    connection: &Arc<Mutex<Connection>>,
    work: impl FnOnce(&mut Connection) -> T + Send + 'static,
) -> Result<T, Failure> {
    let connection = Arc::clone(connection);
    let task = tokio::task::spawn_blocking(move || {
        // A panic rolled its transaction back as it unwound: the connection is as good as before.
        let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut connection)
    });
    task.await.map_err(|panic| Failure::Failed { effect: Effect::Unknown, source: Box::new(panic) })
}

/// Does `work` in one transaction that has the writers' lock from its start, so that it cannot fail half-way for want
/// of it; an error of `work` rolls it back. `failed` makes the caller's error of a failure to begin or to commit.
pub fn write<T, E>(
    connection: &mut Connection,
    failed: impl Fn(Failure) -> E,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| failed(Failure::of(error, Effect::NotApplied)))?;
    let value = work(&transaction)?;
    // A commit that fails may all the same be found in the log after a crash.
    transaction.commit().map_err(|error| failed(Failure::of(error, Effect::Unknown)))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM book", [], |row| row.get(0)).unwrap()
    }

    #[tokio::test]
    async fn a_panic_rolls_back_is_in_doubt_and_leaves_the_connection_usable() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE book (name)").unwrap();
        let connection = Arc::new(Mutex::new(connection));
        let add = |then: fn()| {
            move |connection: &mut Connection| {
                write(connection, drop, |transaction| {
                    transaction.execute("INSERT INTO book VALUES ('a')", []).map_err(drop)?;
                    then();
                    Ok(())
                })
            }
        };
        let failure = blocking(&connection, add(|| panic!("on purpose"))).await.unwrap_err();
        assert!(matches!(failure, Failure::Failed { effect: Effect::Unknown, .. }), "{failure:?}");
        assert_eq!(blocking(&connection, |connection| rows(connection)).await.unwrap(), 0);
        blocking(&connection, add(|| {})).await.unwrap().unwrap();
        assert_eq!(blocking(&connection, |connection| rows(connection)).await.unwrap(), 1);
    }

    #[test]
    fn an_error_of_the_work_rolls_back_and_is_the_answer() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE book (name)").unwrap();
        let refused = write(
            &mut connection,
            |failure| panic!("{failure:?}"),
            |transaction| {
                transaction.execute("INSERT INTO book VALUES ('a')", []).unwrap();
                Err::<(), _>("no")
            },
        );
        assert_eq!((refused, rows(&connection)), (Err("no"), 0));
    }

    /// A deferred foreign key is a violation that only COMMIT finds: the nearest to a commit that fails.
    #[test]
    fn a_commit_that_fails_is_in_doubt() {
        let mut connection = Connection::open_in_memory().unwrap();
        let tables = "PRAGMA foreign_keys = ON; CREATE TABLE shelf (id INTEGER PRIMARY KEY);
             CREATE TABLE book (shelf REFERENCES shelf DEFERRABLE INITIALLY DEFERRED);";
        connection.execute_batch(tables).unwrap();
        let failure = write(
            &mut connection,
            |failure| failure,
            |transaction| {
                transaction.execute("INSERT INTO book VALUES (1)", []).map(drop).unwrap();
                Ok(())
            },
        )
        .unwrap_err();
        assert!(matches!(failure, Failure::Failed { effect: Effect::Unknown, .. }), "{failure:?}");
    }
}
