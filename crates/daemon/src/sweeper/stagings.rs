//! Staging tables whose loader died.

use std::collections::BTreeMap;

use lakehand_domain::id::{FamilyId, Nonce};
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::ports::Ports;

use crate::sweeper::{SweepError, SweeperSettings};

/// Staging tables seen, and since when. A staging table has no age of its own that every warehouse tells.
#[derive(Debug, Default)]
pub(crate) struct SeenStagings(BTreeMap<(FamilyId, Nonce), Timestamp>);

impl SeenStagings {
    /// Drops those that this process has seen for longer than the grace, which no pass lasts. Gives how many.
    pub(crate) async fn sweep(&mut self, ports: &Ports, settings: &SweeperSettings) -> Result<u64, SweepError> {
        let now = ports.clock.now();
        let mut there = BTreeMap::new();
        let mut dropped = 0;
        for dataset in ports.catalog.iter() {
            let family = dataset.family();
            for name in ports.warehouse.stagings(&family).await? {
                let key = (family.clone(), name);
                let since = self.0.get(&key).copied().unwrap_or(now);
                if now >= since.plus(settings.staging_grace) {
                    ports.warehouse.drop_staging(&key.1).await?;
                    dropped += 1;
                } else {
                    there.insert(key, since);
                }
            }
        }
        self.0 = there;
        Ok(dropped)
    }
}
