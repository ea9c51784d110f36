//! Staging tables whose loader died.

use std::collections::BTreeMap;
use std::time::Duration;

use lakehand_domain::id::{FamilyId, Nonce};
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::ports::Ports;

use crate::sweeper::{SweepError, SweeperSettings};

/// Staging tables seen, and since when. A staging table has no age of its own that every warehouse tells; its name tells
/// one, so that processes that never run for as long as the grace sweep all the same. Names that others gave are of the age
/// that this process has seen.
#[derive(Debug, Default)]
pub(crate) struct SeenStagings(BTreeMap<(FamilyId, Nonce), Timestamp>);

impl SeenStagings {
    /// Drops those that are older than the grace, which no pass lasts. Gives how many.
    pub(crate) async fn sweep(&mut self, ports: &Ports, settings: &SweeperSettings) -> Result<u64, SweepError> {
        let now = ports.clock.now();
        // A warehouse whose calls may take long is given the time of a stage and a commit, whatever the setting.
        let longest = ports.warehouse.call_limits().map_or(Duration::ZERO, |limits| limits.rows * 2);
        let grace = settings.staging_grace.max(longest).saturating_add(settings.skew);
        let mut there = BTreeMap::new();
        let mut dropped = 0;
        for dataset in ports.catalog.iter() {
            let family = dataset.family();
            for name in ports.warehouse.stagings(&family).await? {
                let key = (family.clone(), name);
                let seen = self.0.get(&key).copied().unwrap_or(now);
                let since = key.1.made_at().map_or(seen, |made| made.min(seen));
                if now >= since.plus(grace) {
                    ports.warehouse.drop_staging(&key.1).await?;
                    dropped += 1;
                } else {
                    there.insert(key, seen);
                }
            }
        }
        self.0 = there;
        Ok(dropped)
    }
}
