//! The statements that can be described, and the tokens that name them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::error::ApiError;
use crate::clock::{Clock, micros};
use crate::options::Limits;
use crate::statement::{Asked, Statement};

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
}

#[derive(Debug)]
struct Token {
    asked: Asked,
    id: String,
    session: Option<String>,
    created: i64,
}

/// What became of a submission.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// It is new, and is to be run.
    New(Arc<Statement>),
    /// The token named it before.
    Known(Arc<Statement>),
    /// The token named it before, and it has been forgotten since.
    Forgotten {
        /// Its number.
        id: String,
        /// Its session.
        session: Option<String>,
    },
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

    /// Takes a statement, or finds the one that its token has named within the token's lifetime.
    pub(crate) fn submit(
        &self,
        asked: Asked,
        token: Option<String>,
        session: Option<String>,
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
                None => Submitted::Forgotten { id: known.id.clone(), session: known.session.clone() },
            });
        }
        let active = kept.statements.values().filter(|statement| !statement.progress.borrow().state.is_final()).count();
        if active >= self.limits.active_statements {
            return Err(ApiError::active_statements(self.limits.active_statements));
        }
        let id = self.next_id();
        if let Some(token) = token {
            kept.tokens
                .insert(token, Token { asked: asked.clone(), id: id.clone(), session: session.clone(), created: now });
        }
        let statement = Arc::new(Statement::new(id.clone(), asked, session, now));
        let number = kept.statements.last_key_value().map_or(0, |(number, _)| number + 1);
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
        let oldest = now.saturating_sub(micros(limits.token_lifetime));
        self.tokens.retain(|_, token| token.created > oldest);
        let oldest = now.saturating_sub(micros(limits.result_lifetime));
        self.statements.retain(|_, statement| {
            let progress = statement.progress.borrow();
            !progress.state.is_final() || progress.updated > oldest
        });
        let statements = &self.statements;
        self.by_id.retain(|_, number| statements.contains_key(number));
    }
}
