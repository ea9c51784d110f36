//! Sessions: connections that are kept from one statement to the next, with their temporary tables and settings.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::error::ApiError;
use crate::connection::Connection;
use crate::database::Target;

/// The sessions that are kept.
#[derive(Debug)]
pub(crate) struct Sessions {
    limit: usize,
    kept: Mutex<HashMap<String, Arc<Session>>>,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    /// Where it is.
    pub(crate) target: Target,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The connection, while no statement has it.
    connection: Option<Connection>,
    /// Whether a statement has it, or is to have it.
    busy: bool,
    /// How long it is kept after a statement, in microseconds.
    keep: i64,
    /// Until when it is kept.
    until: i64,
}

impl Sessions {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    /// Opens a session for a statement.
    pub(crate) fn open(&self, id: &str, target: Target, keep_seconds: i64, now: i64) -> Result<(), ApiError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut kept, now);
        if kept.len() >= self.limit {
            return Err(ApiError::active_sessions(self.limit));
        }
        let state =
            State { connection: None, busy: true, keep: keep_seconds.saturating_mul(1_000_000), until: i64::MAX };
        kept.insert(id.to_owned(), Arc::new(Session { target, state: Mutex::new(state) }));
        Ok(())
    }

    /// Where a session is.
    pub(crate) fn target(&self, id: &str, now: i64) -> Result<Target, ApiError> {
        self.find(id, now).map(|session| session.target.clone())
    }

    /// Takes a session for a statement; one has it at a time.
    pub(crate) fn claim(&self, id: &str, keep_seconds: Option<i64>, now: i64) -> Result<(), ApiError> {
        let session = self.find(id, now)?;
        let mut state = session.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.busy {
            return Err(ApiError::validation(format!("Session {id} is running another statement")));
        }
        state.busy = true;
        if let Some(seconds) = keep_seconds {
            state.keep = seconds.saturating_mul(1_000_000);
        }
        Ok(())
    }

    /// The connection of a session that was taken, if it has one already.
    pub(crate) fn connection(&self, id: &str) -> Option<Connection> {
        let session = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(id).map(Arc::clone)?;
        let mut state = session.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.connection.take()
    }

    /// Gives a session back after its statement; without a connection it is over.
    pub(crate) fn give_back(&self, id: &str, connection: Option<Connection>, now: i64) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let over = kept.get(id).is_some_and(|session| {
            let mut state = session.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.busy = false;
            state.until = now.saturating_add(state.keep);
            state.connection = connection;
            state.connection.is_none() || state.keep == 0
        });
        if over {
            kept.remove(id);
        }
    }

    /// Ends a session whose statement did not come so far as to give it back.
    pub(crate) fn release(&self, id: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let busy =
            kept.get(id).is_some_and(|session| session.state.lock().unwrap_or_else(PoisonError::into_inner).busy);
        if busy {
            kept.remove(id);
        }
    }

    /// Ends all.
    pub(crate) fn clear(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn find(&self, id: &str, now: i64) -> Result<Arc<Session>, ApiError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut kept, now);
        kept.get(id).map(Arc::clone).ok_or_else(|| ApiError::not_found(format!("Session {id} does not exist.")))
    }
}

fn forget(kept: &mut HashMap<String, Arc<Session>>, now: i64) {
    kept.retain(|_, session| {
        let state = session.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.busy || state.until > now
    });
}
