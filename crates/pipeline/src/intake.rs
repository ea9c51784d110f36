//! What the stages of intake are given: ports, settings, and what is lent to one message.

use std::path::PathBuf;
use std::time::Duration;

use lakehand_domain::backoff::Backoff;
use lakehand_domain::port::queue::LONGEST_VISIBILITY;
use lakehand_domain::timestamp::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::keep::Keep;
use crate::observe::Observer;
use crate::ports::Ports;

/// How intake works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeSettings {
    /// At most this many messages are worked on at once, one file of each at a time.
    pub max_files: usize,
    /// At most this many bytes of objects are in work at once; a larger object is worked on alone.
    pub max_bytes: u64,
    /// At most this many files are transformed at once.
    pub max_transforms: usize,
    /// A received message is hidden from others for this long, and kept so while it is worked on.
    pub visibility: Duration,
    /// The longest a message may be hidden from its receipt on, whatever is asked for.
    pub max_visibility: Duration,
    /// A claimed entry is leased for this long, and kept so while it is worked on.
    pub lease: Duration,
    /// Another worker's lease counts as run out only this long after its end: the most that two workers' clocks differ.
    pub skew: Duration,
    /// Work that cannot be kept stops this long before its lease or visibility ends.
    pub margin: Duration,
    /// How long to wait for messages; a queue may answer sooner.
    pub poll: Duration,
    /// How long to wait for messages while draining.
    pub drain_poll: Duration,
    /// A file is set aside after failing this often in ways that were its own.
    pub max_attempts: u32,
    /// A file is set aside after its worker was lost this often with it in its hands: it may be what kills them.
    pub max_lapses: u32,
    /// How long to wait after failures.
    pub retry: Backoff,
    /// The folder for objects that arrive as streams, are not kept in memory, and are read from their end first.
    pub spool: PathBuf,
    /// An object of at most this many bytes that arrives as a stream is kept in memory.
    pub spool_memory: u64,
    /// Parts go to the lake in chunks of this many bytes.
    pub upload_chunk: usize,
    /// At most this many parts of one file become visible at once.
    pub max_completions: usize,
}

impl Default for IntakeSettings {
    fn default() -> Self {
        Self {
            max_files: 4,
            max_bytes: 2 << 30,
            max_transforms: 2,
            visibility: Duration::from_mins(1),
            max_visibility: LONGEST_VISIBILITY,
            lease: Duration::from_mins(1),
            skew: Duration::from_secs(5),
            margin: Duration::from_secs(5),
            poll: Duration::from_secs(20),
            drain_poll: Duration::from_secs(1),
            max_attempts: 5,
            max_lapses: 20,
            retry: Backoff::default(),
            spool: std::env::temp_dir(),
            spool_memory: 8 << 20,
            upload_chunk: 1 << 20,
            max_completions: 8,
        }
    }
}

/// What every stage of the intake of one message is given.
#[derive(Debug, Clone, Copy)]
pub struct Intake<'a> {
    /// The outside.
    pub ports: &'a Ports,
    /// How to work.
    pub settings: &'a IntakeSettings,
    /// Room, turns and leases.
    pub keep: &'a dyn Keep,
    /// Who looks on.
    pub observer: &'a dyn Observer,
    /// Cancelled when the work on the message is to stop and be given back.
    pub cancel: &'a CancellationToken,
}

impl Intake<'_> {
    pub(crate) fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }
}
