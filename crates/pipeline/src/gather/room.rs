//! How much a batch takes.

use lakehand_domain::entry::Entry;

use crate::loading::LoadingSettings;

/// What is left of a batch. An entry that alone is more than a batch takes is a batch of its own.
#[derive(Debug)]
pub(super) struct Room {
    is_empty: bool,
    entries: usize,
    bytes: u64,
    rows: u64,
}

impl Room {
    /// A whole batch.
    pub(super) fn whole(settings: &LoadingSettings) -> Self {
        Self {
            is_empty: true,
            entries: settings.max_batch_entries,
            bytes: settings.max_batch_bytes,
            rows: settings.max_batch_rows,
        }
    }

    /// Half a batch.
    pub(super) fn half(settings: &LoadingSettings) -> Self {
        let whole = Self::whole(settings);
        Self { entries: whole.entries / 2, bytes: whole.bytes / 2, rows: whole.rows / 2, ..whole }
    }

    /// Takes an entry, if there is room for it still.
    pub(super) fn takes(&mut self, entry: &Entry) -> bool {
        let (bytes, rows) =
            entry.summary().map_or((0, 0), |summary| (summary.bytes, summary.rows.values().sum::<u64>()));
        let fits = self.entries > 0 && bytes <= self.bytes && rows <= self.rows;
        if !fits && !self.is_empty {
            return false;
        }
        self.is_empty = false;
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.rows = self.rows.saturating_sub(rows);
        true
    }
}
