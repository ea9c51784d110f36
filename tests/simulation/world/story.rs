//! The steps of a story.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lakehand_domain::id::{DatasetId, EntryId};
use lakehand_domain::message::Attributes;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::{Cause, ObjectEvent, OwnMessage};
use lakehand_pipeline::pause::pause_number;
use serde_json::json;

use super::{World, said};
use crate::definitions::{object_uri, uri};
use crate::model::Version;
use crate::plan::{Body, Step, Style};

/// Workers with another definition start this long after those before.
const DEPLOY: Duration = Duration::from_secs(2);
/// A restore takes an operator this long, in which all replicas are stopped.
const RESTORE: Duration = Duration::from_secs(5);

fn named(dataset: Option<usize>) -> Option<DatasetId> {
    dataset.map(|dataset| DatasetId::new(format!("d{dataset}")))
}

impl World {
    pub(super) fn take(self: &Arc<Self>, step: &Step) {
        self.timeline.trace(|| said(step));
        match step {
            Step::Land { dataset, object, body, backdated_s, announced_ms, style } => {
                self.land(*dataset, *object, body, *backdated_s);
                for after in announced_ms {
                    let (world, dataset, object, style) = (Arc::clone(self), *dataset, *object, *style);
                    self.timeline.after(Duration::from_millis(*after), move || world.announce(dataset, object, style));
                }
            }
            Step::Delete { dataset, object } => {
                if let Ok(stat) = self.landing.stat_now(&object_uri(*dataset, *object)) {
                    drop(self.landing.delete_now(&stat));
                }
            }
            Step::Announce { dataset, object, style } => self.announce(*dataset, *object, *style),
            Step::Replay { dataset, object } => self.send_own(&[object_uri(*dataset, *object)], Cause::Replay),
            Step::ReplayLetters => {
                for letter in self.letters.receive_now(10, Duration::from_secs(1)) {
                    self.send(&letter.body);
                    self.letters.delete_now(&[letter.receipt]);
                }
            }
            Step::Junk => {
                let body = format!("junk at {}", self.timeline.now());
                self.judge.junk(&body);
                self.send(&body);
            }
            Step::Stray => {
                let stray = uri(&format!("s3://landing/nowhere/{}", self.timeline.now().micros()));
                self.judge.stray(stray.clone());
                self.send_own(&[stray], Cause::Arrived);
            }
            Step::Deploy { dataset } => self.deploy(*dataset),
            Step::Kill { replica } => self.stop(*replica, true),
            Step::Stop { replica } => self.stop(*replica, false),
            Step::Drain { replica } => {
                self.running().drains.insert(*replica);
                self.stop(*replica, false);
            }
            Step::Pause { dataset, seconds } => {
                let until = self.timeline.now().plus(Duration::from_secs(*seconds));
                self.judge.paused(*dataset, until);
                self.ledger.reset_now(&pause_number(named(*dataset).as_ref()), until.micros());
            }
            Step::Resume { dataset } => {
                self.judge.paused(*dataset, self.timeline.now());
                self.ledger.reset_now(&pause_number(named(*dataset).as_ref()), 0);
            }
            Step::ShowAgain { which } => drop(self.queue.show_again(*which)),
            Step::KeepLedger => self.running().kept_ledger = Some(self.ledger.snapshot()),
            Step::KeepWarehouse => self.running().kept_warehouse = Some(self.warehouse.snapshot()),
            Step::RestoreLedger => {
                let Some(kept) = self.running().kept_ledger.take() else { return };
                self.close_for(RESTORE);
                self.judge.ledger_restored();
                self.ledger.restore(kept);
            }
            Step::RestoreWarehouse { is_live } => {
                let Some(kept) = self.running().kept_warehouse.take() else { return };
                if *is_live {
                    self.judge.warehouse_restored();
                } else {
                    self.close_for(RESTORE);
                }
                self.warehouse.restore(&kept);
            }
        }
    }

    fn land(&self, dataset: usize, object: u64, body: &Body, backdated_s: u64) {
        let uri = object_uri(dataset, object);
        let at = self.timeline.now().minus(Duration::from_secs(backdated_s));
        let stat = self.landing.put_as_of(&uri, &Bytes::from(body.text()), at);
        let entry = EntryId::of(&DatasetId::new(format!("d{dataset}")), &uri, &stat.version);
        self.timeline.trace(|| format!("   landed {uri} {} as entry {entry}", stat.version));
        self.judge.landed(Version { entry, stat, body: body.clone() });
    }

    fn announce(&self, dataset: usize, object: u64, style: Style) {
        let uri = object_uri(dataset, object);
        match style {
            Style::Notification => {
                let record = json!({
                    "eventVersion": "2.1", "eventName": "ObjectCreated:Put",
                    "s3": {"bucket": {"name": "landing"}, "object": {"key": uri.key()}}
                });
                self.send(&json!({ "Records": [record] }).to_string());
            }
            Style::Own => self.send_own(&[uri], Cause::Arrived),
            Style::Together => {
                let all = (0..4).map(|object| object_uri(dataset, object));
                let others = all.filter(|other| *other != uri && self.landing.stat_now(other).is_ok());
                let together: Vec<ObjectUri> = std::iter::once(uri.clone()).chain(others).collect();
                self.send_own(&together, Cause::Arrived);
            }
        }
    }

    fn send_own(&self, objects: &[ObjectUri], cause: Cause) {
        let events = objects.iter().map(|uri| ObjectEvent { uri: uri.clone(), cause }).collect();
        self.send(&OwnMessage::new(events).body());
    }

    fn send(&self, body: &str) {
        self.timeline.trace(|| format!("   sent {body}"));
        self.queue.send_now(body, &Attributes::new(), Duration::ZERO);
    }

    fn deploy(self: &Arc<Self>, dataset: usize) {
        let mut running = self.running();
        // Of definitions whose first workers started within the difference of two clocks nobody can tell which is newer.
        if self.timeline.now() < running.last_start.plus(DEPLOY) {
            let world = Arc::clone(self);
            self.timeline.after(DEPLOY, move || world.deploy(dataset));
            return;
        }
        let last = self.plan.datasets[dataset].revisions.len() - 1;
        running.revisions[dataset] = (running.revisions[dataset] + 1).min(last);
        let replicas: Vec<usize> = running.replicas.keys().copied().collect();
        drop(running);
        for replica in replicas {
            let (delay, is_killed) = self.timeline.draw(|random| (random.millis(0, 20_000), random.once_in(3)));
            let world = Arc::clone(self);
            self.timeline.after(delay, move || {
                let running = world.running();
                let is_old = running.replicas.get(&replica).is_some_and(|known| known.revisions != running.revisions);
                drop(running);
                if is_old {
                    world.stop(replica, is_killed);
                }
            });
        }
    }

    fn stop(&self, replica: usize, is_killed: bool) {
        let running = self.running();
        let Some(known) = running.replicas.get(&replica) else { return };
        self.timeline.trace(|| format!("{} is told to stop, killed {is_killed}", known.process.name));
        if is_killed {
            self.network.kill(&known.process);
        } else {
            known.stop.cancel();
        }
    }

    /// Stops everything, as an operator does for a restore, and starts it again after a while.
    fn close_for(self: &Arc<Self>, duration: Duration) {
        let mut running = self.running();
        running.is_closed = true;
        for replica in std::mem::take(&mut running.replicas).into_values() {
            replica.process.die();
        }
        drop(running);
        self.network.cut();
        let world = Arc::clone(self);
        self.timeline.after(duration, move || {
            world.running().is_closed = false;
            for replica in 0..world.plan.replicas {
                world.start(replica);
            }
        });
    }
}
