//! The path of one file: two short loops with the ledger between them, each stage a free async function from one type
//! to the next.
//!
//! **Intake**, driven by the queue ([`process`]):
//!
//! | stage | from | to | durable after it |
//! |---|---|---|---|
//! | [`event`] | a message | [`event::Received`] | nothing |
//! | [`claim`] | one record of it | [`claim::Claimed`] | ledger: claimed |
//! | [`read`] | `Claimed` | [`read::Fetched`] | nothing |
//! | [`transform`] | `Fetched` | [`transform::Transformed`] | nothing |
//! | [`write`] | `Transformed` | [`write::Written`] | lake: parts and manifest; ledger: written, or set aside |
//! | [`settle`] | all records of the message | [`settle::Settled`] | the message is gone, or waits |
//!
//! Each type is made by its stage alone. A redelivered message, or one about an entry whose worker died, goes on after
//! the last durable state: claimed is transformed again, to the same bytes under the same names; written, loaded and
//! set aside are done.
//!
//! What the stages of intake share: [`intake`] (what they are given), [`change`] (one change of an entry by
//! compare-and-set), [`dead_letters`] (how they are sent), [`keep`] (leases and visibility while work goes on), [`observe`] (who looks on), [`error`].

pub mod change;
pub mod dead_letters;
pub mod error;
pub mod intake;
pub mod keep;
pub mod observe;
pub mod pause;
pub mod ports;

pub mod process;

pub mod event;

pub mod claim;

pub mod read;

pub mod transform;

pub mod write;

pub mod settle;

pub mod loading;

mod gather;

mod stage;

mod commit;

mod finish;
