//! The embedded queue: messages in a SQLite file that several processes of one machine share.
//!
//! It delivers as SQS does, so that what works here works there: at least once, in no order, each delivery with a
//! receipt of its own, at most twelve hours of visibility after a receive, and a dead-letter queue for what was
//! received too often. Every change is on disk before it is answered.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lakehand_domain::clock::Clock;
use lakehand_domain::id::{MessageId, ReceiptHandle, digest};
use lakehand_domain::message::{Attributes, Message};
use lakehand_domain::port::queue::{
    LONGEST_DELAY, LONGEST_MESSAGE, Queue, QueueDepth, QueueError, ReceiptOutcome, message_bytes,
};
use lakehand_domain::timestamp::Timestamp;
use lakehand_sqlite::work;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use tokio::sync::Notify;

use self::file::{failed, not_applied, open_file};

mod file;

#[cfg(test)]
mod tests;

/// A message is hidden at most this long after a receive, as in SQS.
pub const LONGEST_VISIBILITY: Duration = Duration::from_hours(12);

/// A receive hands out at most this many messages, as in SQS.
pub const MOST_MESSAGES: usize = 10;

/// What other processes send is seen this much later at most; senders of this handle are seen at once.
const POLL: Duration = Duration::from_millis(100);

/// How a queue treats its messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueOptions {
    /// Where messages go that were received too often; `None`: they are delivered for ever.
    pub redrive: Option<Redrive>,
}

/// When a message is given up by the queue itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// A message that was received this many times is moved at the next receive instead of being delivered again.
    pub max_receives: u32,
    /// The name of the queue in the same file that takes it.
    pub dead_letters: String,
}

/// One named queue of a SQLite file. Other queues of the file, its dead-letter queue among them, are other values.
#[derive(Debug)]
pub struct SqliteQueue {
    name: Arc<str>,
    redrive: Option<Redrive>,
    clock: Arc<dyn Clock>,
    connection: Arc<Mutex<Connection>>,
    arrived: Notify,
}

impl SqliteQueue {
    /// Opens the queue `name` in the file at `path`, which is made, with its folder, where it is missing. Blocks while
    /// it does, for a few milliseconds as a rule and for half a minute at most.
    ///
    /// # Errors
    /// [`QueueError::Denied`] where the file cannot be opened, is no lakehand queue or comes from a newer version;
    /// [`QueueError::Unavailable`] where another process keeps it locked or the disk fails.
    pub fn open(path: &Path, name: &str, options: QueueOptions, clock: Arc<dyn Clock>) -> Result<Self, QueueError> {
        Ok(Self {
            name: Arc::from(name),
            redrive: options.redrive,
            clock,
            connection: Arc::new(Mutex::new(open_file(path)?)),
            arrived: Notify::new(),
        })
    }

    /// Runs `work` with the connection on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        work::blocking(&self.connection, work).await.map_err(|failure| failed(operation, failure))?
    }

    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.blocking(operation, move |connection| write(connection, operation, work)).await
    }

    /// Takes what is due now. Where nobody waits for the answer any more, nothing is taken.
    async fn take(&self, max: usize, visibility: Duration) -> Result<Vec<Message>, QueueError> {
        let abandoned = Abandoned::default();
        let unwanted = Arc::clone(&abandoned.0);
        let (name, redrive) = (Arc::clone(&self.name), self.redrive.clone());
        let now = self.clock.now();
        self.blocking("receive", move |connection| {
            // A look first: a queue that is idle is polled without taking the lock of the writers.
            if !is_any_due(connection, &name, now).map_err(not_applied("receive"))? {
                return Ok(Vec::new());
            }
            write(connection, "receive", |transaction| {
                if let Some(redrive) = &redrive {
                    give_up(transaction, &name, redrive, now)?;
                }
                let messages = deliver(transaction, &name, max, visibility, now)?;
                if unwanted.load(Ordering::SeqCst) {
                    // The error only rolls back; nobody is there to read it.
                    return Err(rusqlite::Error::QueryReturnedNoRows);
                }
                Ok(messages)
            })
        })
        .await
    }

    /// Applies `change` to each receipt in one transaction; `change` says whether it met its message.
    async fn for_each_receipt(
        &self,
        operation: &'static str,
        receipts: &[ReceiptHandle],
        change: impl Fn(&Transaction<'_>, &str, Receipt) -> rusqlite::Result<bool> + Send + 'static,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        if receipts.is_empty() {
            return Ok(Vec::new());
        }
        let receipts: Vec<Option<Receipt>> = receipts.iter().map(Receipt::parse).collect();
        let name = Arc::clone(&self.name);
        self.write(operation, move |transaction| {
            receipts
                .into_iter()
                .map(|receipt| match receipt {
                    Some(receipt) if change(transaction, &name, receipt)? => Ok(ReceiptOutcome::Done),
                    _ => Ok(ReceiptOutcome::Lost),
                })
                .collect()
        })
        .await
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Message>, QueueError> {
        let (max, visibility) = (max.clamp(1, MOST_MESSAGES), visibility.min(LONGEST_VISIBILITY));
        let mut left = wait;
        loop {
            // Interest is registered before the look, so that nothing sent between the two is slept through.
            let arrived = self.arrived.notified();
            let messages = self.take(max, visibility).await?;
            if !messages.is_empty() || left.is_zero() {
                return Ok(messages);
            }
            let step = left.min(POLL);
            tokio::select! {
                () = self.clock.sleep(step) => left -= step,
                () = arrived => {}
            }
        }
    }

    async fn extend(
        &self,
        receipts: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        let visible_at = self.clock.now().plus(visibility).micros();
        let longest = micros(LONGEST_VISIBILITY);
        let outcomes = self
            .for_each_receipt("extend", receipts, move |transaction, name, receipt| {
                let mut statement = transaction.prepare_cached(
                    "UPDATE message SET visible_at = min(?1, received_at + ?2)
                     WHERE seq = ?3 AND delivery_count = ?4 AND queue = ?5",
                )?;
                Ok(statement.execute(params![visible_at, longest, receipt.seq, receipt.delivery, name])? > 0)
            })
            .await?;
        if visibility.is_zero() {
            self.arrived.notify_waiters();
        }
        Ok(outcomes)
    }

    async fn delete(&self, receipts: &[ReceiptHandle]) -> Result<Vec<ReceiptOutcome>, QueueError> {
        self.for_each_receipt("delete", receipts, |transaction, name, receipt| {
            let mut statement = transaction
                .prepare_cached("DELETE FROM message WHERE seq = ?1 AND delivery_count = ?2 AND queue = ?3")?;
            Ok(statement.execute(params![receipt.seq, receipt.delivery, name])? > 0)
        })
        .await
    }

    async fn send_with(&self, body: &str, attributes: &Attributes, delay: Duration) -> Result<MessageId, QueueError> {
        let bytes = message_bytes(body, attributes);
        if bytes > LONGEST_MESSAGE {
            return Err(QueueError::TooLong { operation: "send", bytes, most: LONGEST_MESSAGE });
        }
        let (name, body, attributes) = (Arc::clone(&self.name), body.to_owned(), attributes_text(attributes));
        let now = self.clock.now();
        let visible_at = now.plus(delay.min(LONGEST_DELAY));
        let id = self
            .write("send", move |transaction| {
                transaction
                    .prepare_cached(
                        "INSERT INTO message (queue, id, body, attributes, sent_at, visible_at)
                         VALUES (?1, '', ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![name, body, attributes, now.micros(), visible_at.micros()])?;
                let seq = transaction.last_insert_rowid();
                let id = digest(&[name.as_bytes(), &seq.to_be_bytes(), &now.micros().to_be_bytes()]);
                transaction.prepare_cached("UPDATE message SET id = ?1 WHERE seq = ?2")?.execute(params![id, seq])?;
                Ok(MessageId::new(id))
            })
            .await?;
        self.arrived.notify_waiters();
        Ok(id)
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        let name = Arc::clone(&self.name);
        let now = self.clock.now();
        self.blocking("depth", move |connection| {
            connection
                .prepare_cached(
                    "SELECT count(*) FILTER (WHERE visible_at <= ?1),
                            count(*) FILTER (WHERE visible_at > ?1 AND delivery_count > 0),
                            count(*) FILTER (WHERE visible_at > ?1 AND delivery_count = 0)
                     FROM message WHERE queue = ?2",
                )
                .and_then(|mut statement| {
                    let count = |row: &rusqlite::Row<'_>, column| row.get::<_, i64>(column).map(i64::unsigned_abs);
                    statement.query_row(params![now.micros(), name], |row| {
                        Ok(QueueDepth { visible: count(row, 0)?, in_flight: count(row, 1)?, delayed: count(row, 2)? })
                    })
                })
                .map_err(not_applied("depth"))
        })
        .await
    }
}

/// Names one delivery: the message's row, which is never used again, and the count of its deliveries.
#[derive(Debug, Clone, Copy)]
struct Receipt {
    seq: i64,
    delivery: u32,
}

impl Receipt {
    fn parse(handle: &ReceiptHandle) -> Option<Self> {
        let (seq, delivery) = handle.as_str().split_once('-')?;
        Some(Self { seq: seq.parse().ok()?, delivery: delivery.parse().ok()? })
    }

    fn handle(self) -> ReceiptHandle {
        ReceiptHandle::new(format!("{}-{}", self.seq, self.delivery))
    }
}

/// Says to the blocking half of a receive that its caller has gone.
#[derive(Debug, Default)]
struct Abandoned(Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn write<T>(
    connection: &mut Connection,
    operation: &'static str,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> Result<T, QueueError> {
    work::write(
        connection,
        |failure| failed(operation, failure),
        |transaction| work(transaction).map_err(not_applied(operation)),
    )
}

fn is_any_due(connection: &Connection, name: &str, now: Timestamp) -> rusqlite::Result<bool> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM message WHERE queue = ?1 AND visible_at <= ?2 LIMIT 1")?;
    let due: Option<i64> = statement.query_row(params![name, now.micros()], |row| row.get(0)).optional()?;
    Ok(due.is_some())
}

/// Moves what was received too often. A moved message is a new row, so that old receipts do not reach it.
fn give_up(transaction: &Transaction<'_>, name: &str, redrive: &Redrive, now: Timestamp) -> rusqlite::Result<()> {
    let moved = transaction
        .prepare_cached(
            "INSERT INTO message (queue, id, body, attributes, sent_at, visible_at)
             SELECT ?1, id, body, attributes, sent_at, ?2 FROM message
             WHERE queue = ?3 AND visible_at <= ?2 AND delivery_count >= ?4",
        )?
        .execute(params![redrive.dead_letters, now.micros(), name, redrive.max_receives])?;
    if moved > 0 {
        transaction
            .prepare_cached("DELETE FROM message WHERE queue = ?1 AND visible_at <= ?2 AND delivery_count >= ?3")?
            .execute(params![name, now.micros(), redrive.max_receives])?;
    }
    Ok(())
}

fn deliver(
    transaction: &Transaction<'_>,
    name: &str,
    max: usize,
    visibility: Duration,
    now: Timestamp,
) -> rusqlite::Result<Vec<Message>> {
    let mut statement = transaction.prepare_cached(
        "UPDATE message SET delivery_count = delivery_count + 1, received_at = ?1, visible_at = ?2
         WHERE seq IN (SELECT seq FROM message WHERE queue = ?3 AND visible_at <= ?1 ORDER BY visible_at, seq LIMIT ?4)
         RETURNING seq, delivery_count, id, body, sent_at, attributes",
    )?;
    let limit = i64::try_from(max).unwrap_or(i64::MAX);
    let messages = statement.query_map(params![now.micros(), now.plus(visibility).micros(), name, limit], |row| {
        let receipt = Receipt { seq: row.get(0)?, delivery: row.get(1)? };
        Ok(Message {
            id: MessageId::new(row.get::<_, String>(2)?),
            receipt: receipt.handle(),
            body: row.get(3)?,
            attributes: attributes_of(row.get_ref(5)?.as_str()?),
            sent_at: Timestamp::from_micros(row.get(4)?),
            received_at: now,
            delivery_count: receipt.delivery,
        })
    })?;
    messages.collect()
}

/// Empty text for none, which most messages have.
fn attributes_text(attributes: &Attributes) -> String {
    if attributes.is_empty() { String::new() } else { serde_json::to_string(attributes).unwrap_or_default() }
}

/// Nothing is decided by attributes: text that is none of ours is none.
fn attributes_of(text: &str) -> Attributes {
    serde_json::from_str(text).unwrap_or_default()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
