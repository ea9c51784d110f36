//! Claimed entries that nobody works on: their worker died, and their message is gone or long in coming.

use std::collections::BTreeMap;
use std::time::Duration;

use lakehand_domain::entry::{Entry, EntryState, StateName};
use lakehand_domain::id::EntryId;
use lakehand_domain::object_event::{Cause, ObjectEvent, OwnMessage};
use lakehand_domain::port::ledger::EntryQuery;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::ports::Ports;

use crate::sweeper::{SweepError, SweeperSettings, Turn};

/// Entries on a page of the ledger.
const PAGE: usize = 500;

/// Objects in a message. Those of one message are worked on one after the other.
const OBJECTS_A_MESSAGE: usize = 8;

/// What was asked for, in which revision, and when.
#[derive(Debug, Default)]
pub(crate) struct Asked(BTreeMap<EntryId, (u64, Timestamp)>);

/// So many are remembered as asked for; beyond it the next sweep asks.
const MOST_ASKED: usize = 50_000;

/// Asks, through the queue, for claimed entries that have been free for longer than `grace`; intake's claim decides what
/// becomes of them. Gives how many. With a turn it is kept with every page, and the sweep ends where it is lost.
pub(crate) async fn ask_for_lapsed(
    ports: &Ports,
    settings: &SweeperSettings,
    grace: Duration,
    turn: Option<&Turn<'_>>,
    asked: &mut Asked,
) -> Result<u64, SweepError> {
    let now = ports.clock.now();
    asked.0.retain(|_, (_, at)| now < at.plus(settings.ask_again));
    let mut count = 0;
    for dataset in ports.catalog.iter() {
        let mut query = EntryQuery {
            dataset: Some(dataset.id.clone()),
            state: Some(StateName::Claimed),
            limit: PAGE,
            ..EntryQuery::default()
        };
        loop {
            let mut page = ports.ledger.list(&query).await?;
            page.entries.retain(|entry| {
                let is_asked = asked.0.get(&entry.id).is_some_and(|(revision, _)| *revision == entry.revision);
                !is_asked && is_free(entry, settings.skew, grace, now)
            });
            for some in page.entries.chunks(OBJECTS_A_MESSAGE) {
                let event = |entry: &Entry| ObjectEvent { uri: entry.object.uri.clone(), cause: Cause::Arrived };
                ports.queue.send(&OwnMessage::new(some.iter().map(event).collect()).body(), Duration::ZERO).await?;
                asked.0.extend(some.iter().map(|entry| (entry.id.clone(), (entry.revision, now))));
                count += some.len() as u64;
            }
            let Some(next) = page.next else { break };
            query.after = Some(next);
            let is_ours = match turn {
                Some(turn) => turn.next_page().await?,
                None => true,
            };
            if !is_ours || asked.0.len() >= MOST_ASKED {
                return Ok(count);
            }
        }
    }
    Ok(count)
}

/// Whether nobody can have been working on it for longer than `grace`.
fn is_free(entry: &Entry, skew: Duration, grace: Duration, now: Timestamp) -> bool {
    let since = match &entry.state {
        EntryState::Claimed { lease: Some(lease), .. } => lease.expires_at.plus(skew),
        EntryState::Claimed { lease: None, retry_at } => retry_at.map_or(entry.updated, |at| at.max(entry.updated)),
        _ => return false,
    };
    entry.is_lapsed(now, skew) && now >= since.plus(grace)
}
