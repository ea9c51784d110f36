//! Which run of each scope its rows are of: a function of the markers, by what each has said.

use std::collections::BTreeMap;

use lakehand_domain::id::{DatasetId, LoadId};
use lakehand_domain::object::Order;
use lakehand_domain::shape::Run;
use lakehand_domain::warehousing::Marker;

use super::state::{Family, Standing};

/// How the rows of loads that speak of a scope stand; a load that is not here wins.
#[derive(Debug, Default)]
pub(super) struct Verdicts(BTreeMap<LoadId, Standing>);

impl Verdicts {
    /// How the rows of a load stand before anything is known of them; `None`: they are those of the scope.
    pub(super) fn of(&self, load: &LoadId) -> Option<Standing> {
        self.0.get(load).copied()
    }
}

/// The live loads of one run that speak of one scope.
#[derive(Debug, Default)]
struct Spoken<'a> {
    markers: Vec<&'a Marker>,
    files: u64,
}

impl<'a> Spoken<'a> {
    /// Of each object the newest version.
    fn newest(&self) -> Vec<&'a Marker> {
        let is_newest = |marker: &&&Marker| {
            let mut of_object = self.markers.iter().filter(|other| other.object == marker.object);
            of_object.all(|other| rank(other) <= rank(marker))
        };
        self.markers.iter().filter(is_newest).copied().collect()
    }

    fn order(&self) -> Option<&'a Order> {
        self.markers.iter().map(|marker| &marker.order).max()
    }
}

fn rank(marker: &Marker) -> (&Order, std::cmp::Reverse<&lakehand_domain::id::EntryId>) {
    (&marker.order, std::cmp::Reverse(&marker.entry))
}

pub(super) fn verdicts(family: &Family, dataset: &DatasetId, scope: &[String], run: Option<&Run>) -> Verdicts {
    let mut runs: BTreeMap<(Vec<&String>, &str), Spoken<'_>> = BTreeMap::new();
    for marker in family.markers().filter(|marker| marker.dataset == *dataset) {
        let said = |name: &String| marker.scopes.get(name);
        let Some(of) = scope.iter().map(said).collect::<Option<Vec<_>>>() else { continue };
        let (name, files) = match run {
            None => (marker.object.as_str(), 1),
            Some(run) => {
                let files = said(&run.files_said()).and_then(|files| files.parse().ok());
                let (Some(name), Some(files)) = (said(&run.capture), files) else { continue };
                (name.as_str(), files)
            }
        };
        let spoken = runs.entry((of, name)).or_default();
        spoken.markers.push(marker);
        spoken.files = spoken.files.max(files);
    }
    let is_whole = |spoken: &Spoken<'_>| spoken.newest().len() as u64 >= spoken.files;
    let mut verdicts = Verdicts::default();
    for ((of, name), spoken) in &runs {
        let mut rivals = runs.iter().filter(|((other, _), rival)| other == of && is_whole(rival));
        let is_last = rivals.all(|((_, other), rival)| (rival.order(), *other) <= (spoken.order(), *name));
        for marker in &spoken.markers {
            let is_newest = spoken.newest().iter().any(|newest| newest.entry == marker.entry);
            let standing = match (is_newest, is_whole(spoken), is_last) {
                (false, _, _) | (true, true, false) => Standing::Lost,
                (true, false, _) => Standing::Waiting,
                (true, true, true) => continue,
            };
            verdicts.0.insert(marker.load_id.clone(), standing);
        }
    }
    verdicts
}
