//! Takes away from a plan that fails what it fails without, so that what matters is left.

use crate::plan::Plan;
use crate::world::{Ending, Watch, run};

/// So many runs are spent on it.
const RUNS: u32 = 1_500;

struct Shrinker {
    plan: Plan,
    runs: u32,
    kind: String,
}

/// A plan that still fails, and its run with a trace.
pub(crate) fn shrink(plan: &Plan) -> (Plan, Ending) {
    // What went wrong by chance is told by its place, so that each fault can be taken away by itself.
    let drawn = run(plan, Watch::default());
    let fixed = Plan { fates: Some(drawn.fates), ..plan.clone() };
    let kind = drawn.failure.as_deref().map(kind).unwrap_or_default();
    let start = if run(&fixed, Watch::default()).failure.is_some() { fixed } else { plan.clone() };
    let mut shrinker = Shrinker { plan: start, runs: 0, kind };
    while shrinker.round() && shrinker.runs < RUNS {}
    let ending = run(&shrinker.plan, Watch { is_traced: true, ..Watch::default() });
    (shrinker.plan, ending)
}

/// What is wrong, without what it is wrong with: the words before the second colon, in which no name or number is.
fn kind(failure: &str) -> String {
    let words = failure.split(':').take(2).flat_map(str::split_whitespace);
    words
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b','))
        .collect::<Vec<_>>()
        .join(" ")
}

impl Shrinker {
    /// Keeps a smaller plan if it fails too.
    fn attempt(&mut self, smaller: Plan) -> bool {
        if smaller == self.plan || self.runs >= RUNS {
            return false;
        }
        self.runs += 1;
        // Another failure would be another story.
        let fails = run(&smaller, Watch::default()).failure.is_some_and(|failure| kind(&failure) == self.kind);
        if fails {
            self.plan = smaller;
        }
        fails
    }

    /// Whether anything could be taken away.
    fn round(&mut self) -> bool {
        let mut any = self.fates();
        let mut at = self.plan.steps.len();
        while at > 0 {
            at -= 1;
            let mut smaller = self.plan.clone();
            smaller.steps.remove(at);
            any |= self.attempt(smaller);
        }
        while self.plan.replicas > 1 && self.attempt(Plan { replicas: self.plan.replicas - 1, ..self.plan.clone() }) {
            any = true;
        }
        any |= self.attempt(Plan { lag_ms: 0, ..self.plan.clone() });
        any |= self.attempt(Plan { omits: false, ..self.plan.clone() });
        any |= self.attempt(Plan { is_new: false, ..self.plan.clone() });
        any |= self.attempt(Plan { outages: Vec::new(), ..self.plan.clone() });
        any |= self.attempt(Plan { is_swept: false, ..self.plan.clone() });
        any |= self.attempt(Plan { max_files: 1, ..self.plan.clone() });
        let faults = self.plan.faults;
        any |= self.attempt(Plan { faults: crate::wire::Faults { slow_step: 0, ..faults }, ..self.plan.clone() });
        let faults = self.plan.faults;
        any |= self.attempt(Plan { faults: crate::wire::Faults { abort: 0, ..faults }, ..self.plan.clone() });
        if let [only] = self.plan.datasets.as_slice() {
            let mut smaller = self.plan.clone();
            smaller.datasets[0] = crate::plan::DatasetPlan { two_tables: false, ..only.clone() };
            any |= self.attempt(smaller);
        }
        any
    }

    /// Takes faults away, many at first, then one by one.
    fn fates(&mut self) -> bool {
        let mut any = false;
        let mut size = self.plan.fates.as_ref().map_or(0, std::collections::BTreeMap::len);
        while size > 0 {
            let mut at = 0;
            while let Some(fates) = self.plan.fates.clone().filter(|fates| at < fates.len()) {
                let left = fates.into_iter().enumerate().filter(|(place, _)| *place < at || *place >= at + size);
                let left = left.map(|(_, fate)| fate).collect();
                if self.attempt(Plan { fates: Some(left), ..self.plan.clone() }) {
                    any = true;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
        any
    }
}
