//! Noticing objects that appear where no service sends events.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::object::ObjectUri;

/// Names objects soon after they appear. It may miss some, or name one twice: a listing sweep catches what it missed,
/// and the ledger knows what is done.
#[async_trait]
pub trait LandingWatch: Debug + Send {
    /// The objects that appeared since the last call; waits until there is one. May be dropped while it waits, without
    /// losing any. An error means that some were missed and a listing is due; the watch goes on.
    async fn next(&mut self) -> Result<Vec<ObjectUri>, WatchError>;
}

/// Appearances were missed.
#[derive(Debug, thiserror::Error)]
#[error("the watch missed appearances: {message}")]
pub struct WatchError {
    /// Why.
    pub message: String,
}
