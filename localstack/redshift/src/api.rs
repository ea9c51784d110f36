//! The Data API's requests, answers and errors, as its JSON has them.

pub(crate) mod answer;
pub(crate) mod error;
pub(crate) mod request;
