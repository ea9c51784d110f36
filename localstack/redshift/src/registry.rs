//! The statements that can be described, and the tokens that name them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::error::ApiError;
use crate::clock::{Clock, micros};
use crate::options::Limits;
use crate::statement::{Asked, Statement};

/// How long it is at least until it is looked again for what is to be forgotten, in microseconds.
const LOOK_AGAIN: i64 = 1_000_000;

/// Statements by number, and what is known of tokens.
#[derive(Debug)]
pub(crate) struct Registry {
    limits: Limits,
    clock: Arc<dyn Clock>,
    /// What makes numbers differ between two runs of the stand-in.
    born: i64,
    made: AtomicU64,
    queries: AtomicI64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// In the order of their submission.
    statements: BTreeMap<u64, Arc<Statement>>,
    by_id: HashMap<String, u64>,
    tokens: HashMap<String, Token>,
    /// Those that had not ended when they were last looked at.
    active: BTreeSet<u64>,
    /// When it is looked again for what is to be forgotten.
    look_again: i64,
}

#[derive(Debug)]
struct Token {
    asked: Asked,
    id: String,
    created: i64,
}

/// What became of a submission.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// It is new, and is to be run.
    New(Arc<Statement>),
    /// The token named it before.
    Known(Arc<Statement>),
    /// The token named this number before, and its statement has been forgotten since.
    Forgotten(String),
}

impl Registry {
    pub(crate) fn new(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let born = clock.now_micros();
        Self {
            limits,
            clock,
            born,
            made: AtomicU64::new(0),
            queries: AtomicI64::new(born / 1_000),
            kept: Mutex::default(),
        }
    }

    /// The next number of a query.
    pub(crate) fn next_query(&self) -> i64 {
        self.queries.fetch_add(1, Ordering::SeqCst)
    }

    /// A number in the form of a UUID that no other statement or session has.
    pub(crate) fn next_id(&self) -> String {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (self.born, number, salt).hash(&mut hasher);
            hasher.finish()
        };
        let (high, low) = (half(0), half(1));
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }

    /// Takes a statement, or finds the one that its token has named within the token's lifetime. A new one gets its session
    /// from `session`, and is refused where that fails.
    pub(crate) fn submit(
        &self,
        asked: Asked,
        token: Option<String>,
        session: impl FnOnce() -> Result<Option<String>, ApiError>,
    ) -> Result<Submitted, ApiError> {
        let now = self.clock.now_micros();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.forget(now, &self.limits);
        if let Some(known) = token.as_ref().and_then(|token| kept.tokens.get(token)) {
            if known.asked != asked {
                return Err(ApiError::validation("The ClientToken has been used with other parameters before"));
            }
            let statement = kept.by_id.get(&known.id).and_then(|number| kept.statements.get(number));
            return Ok(match statement {
                Some(statement) => Submitted::Known(Arc::clone(statement)),
                None => Submitted::Forgotten(known.id.clone()),
            });
        }
        let Kept { statements, active, .. } = &mut *kept;
        active.retain(|number| statements.get(number).is_some_and(|statement| !statement.has_ended()));
        if active.len() >= self.limits.active_statements {
            return Err(ApiError::active_statements(self.limits.active_statements));
        }
        let session = session()?;
        let id = self.next_id();
        if let Some(token) = token {
            kept.tokens.insert(token, Token { asked: asked.clone(), id: id.clone(), created: now });
        }
        let statement = Arc::new(Statement::new(id.clone(), asked, session, now));
        let number = kept.statements.last_key_value().map_or(0, |(number, _)| number + 1);
        kept.active.insert(number);
        kept.by_id.insert(id, number);
        kept.statements.insert(number, Arc::clone(&statement));
        Ok(Submitted::New(statement))
    }

    /// The statement of this number, without the number of a part.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Statement>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.forget(self.clock.now_micros(), &self.limits);
        let number = kept.by_id.get(id)?;
        kept.statements.get(number).map(Arc::clone)
    }

    /// All of them, the newest first.
    pub(crate) fn newest_first(&self) -> Vec<(u64, Arc<Statement>)> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.forget(self.clock.now_micros(), &self.limits);
        kept.statements.iter().rev().map(|(number, statement)| (*number, Arc::clone(statement))).collect()
    }

    /// Lets this statement be unknown from now on; it goes on where it runs.
    pub(crate) fn expire(&self, id: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = kept.by_id.remove(id) {
            kept.statements.remove(&number);
        }
    }
}

impl Kept {
    fn forget(&mut self, now: i64, limits: &Limits) {
        if now < self.look_again && self.statements.len() <= limits.remembered_statements {
            return;
        }
        self.look_again = now.saturating_add(LOOK_AGAIN);
        let oldest = now.saturating_sub(micros(limits.token_lifetime));
        self.tokens.retain(|_, token| token.created > oldest);
        let oldest = now.saturating_sub(micros(limits.result_lifetime));
        // What is remembered is bounded: the oldest go first, as if their day were over.
        let (mut count, mut bytes) = (0, 0);
        let mut gone = Vec::new();
        for (number, statement) in self.statements.iter().rev() {
            let progress = statement.progress.borrow();
            count += 1;
            bytes +=
                progress.parts.iter().filter_map(|part| part.result.as_ref()).map(|result| result.size).sum::<usize>();
            let too_much = count > limits.remembered_statements || bytes > limits.remembered_bytes;
            if progress.state.is_final() && (too_much || progress.updated <= oldest) {
                gone.push(*number);
            }
        }
        for number in gone {
            if let Some(statement) = self.statements.remove(&number) {
                self.by_id.remove(&statement.id);
            }
        }
    }
}
