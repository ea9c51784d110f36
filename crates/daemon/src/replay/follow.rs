//! Follows what was begun again to its end: an entry that is written is loaded by us or by whoever loads its dataset.

use std::time::Duration;

use lakehand_domain::entry::{Entry, EntryState};
use lakehand_domain::fault::chain;
use lakehand_domain::id::EntryId;
use lakehand_domain::port::ledger::LedgerError;

use crate::daemon::Run;
use crate::drain::{why_not_yet, why_stuck};
use crate::replay::pass::LetterPass;
use crate::replay::report::LetterOutcome;

/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// At most so many entries are asked for in one look.
const ASKED: usize = 200;

/// Where an entry stands.
enum Stand {
    Over,
    Moves,
    Stuck,
}

/// Returns once the pass is over and everything it began has come to its end, or cannot by itself; or when nothing has
/// come to its end for longer than the patience.
pub(super) async fn until_over(run: &Run, pass: &LetterPass) {
    loop {
        run.ports.clock.sleep(LOOK).await;
        if pass.end().is_none() {
            if run.is_out_of_patience() {
                pass.cut_short("nothing has come to its end for long, so that it is not waited for any more");
            }
            continue;
        }
        match look(run, pass).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => tracing::debug!(error = chain(&error), "what was begun again cannot be followed"),
        }
        if run.is_out_of_patience() {
            return;
        }
    }
}

/// Looks once at every entry that was begun again; gives how many still move.
pub(super) async fn look(run: &Run, pass: &LetterPass) -> Result<usize, LedgerError> {
    let begun = pass.lines(|lines| lines.begun());
    let mut moving = 0;
    for entry in begun.iter().take(ASKED) {
        if let Stand::Moves = stand(run, pass, entry).await? {
            moving += 1;
        }
    }
    Ok(moving.max(begun.len().saturating_sub(ASKED)))
}

async fn stand(run: &Run, pass: &LetterPass, id: &EntryId) -> Result<Stand, LedgerError> {
    let over = |outcome: &LetterOutcome| {
        pass.lines(|lines| lines.over(id, outcome));
        Ok(Stand::Over)
    };
    let waits = |why: &str| pass.lines(|lines| lines.waits(id, why));
    let Some(Entry { dataset, state, .. }) = run.ports.ledger.get(id).await? else {
        return over(&LetterOutcome::Failed { error: "the ledger has no such entry any more".to_owned() });
    };
    match state {
        EntryState::Loaded { .. } => over(&LetterOutcome::Loaded),
        EntryState::SetAside { reason, .. } => over(&LetterOutcome::SetAsideAgain(reason)),
        EntryState::Claimed { .. } => {
            waits("it was sent back to be written again");
            Ok(Stand::Moves)
        }
        EntryState::Written { .. } => {
            let health = run.board.state().families.get(&dataset).cloned().unwrap_or_default();
            if let Some(why) = why_stuck(&health) {
                waits(&why);
                return Ok(Stand::Stuck);
            }
            waits(&why_not_yet(&health));
            Ok(Stand::Moves)
        }
    }
}
