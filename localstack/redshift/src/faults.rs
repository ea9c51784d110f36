//! Switches by which the stand-in misbehaves as the service can. Each counts how often it came up and how often it acted.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// One switch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it does.
    pub fault: Fault,
    /// Only calls of this operation, such as `DescribeStatement`, or statements that came by it; of any where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Only statements whose name, or else whose SQL, has this text in it. A call that names no statement never matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<String>,
    /// So many that match are let through first.
    #[serde(default)]
    pub skip: u64,
    /// At most so often; for ever where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// With this share of those that match, by chance from the seed; always where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

impl Rule {
    /// Always, everywhere.
    pub fn new(fault: Fault) -> Self {
        Self { fault, operation: None, matching: None, skip: 0, times: None, share: None }
    }

    /// Only calls of this operation.
    #[must_use]
    pub fn of(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Only statements that have this text in name or SQL.
    #[must_use]
    pub fn matching(mut self, text: impl Into<String>) -> Self {
        self.matching = Some(text.into());
        self
    }

    /// At most so often.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// So many that match are let through first.
    #[must_use]
    pub fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// With this share of those that match.
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        self.share = Some(share);
        self
    }
}

/// What a switch does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The call is throttled, and does nothing.
    Throttle,
    /// The call is refused with this exception, and does nothing: a paused cluster, an internal error.
    Refuse {
        /// Its name.
        code: String,
        /// What it says.
        message: String,
        /// The HTTP status.
        #[serde(default = "client_error")]
        status: u16,
    },
    /// The answer comes late.
    SlowAnswer {
        /// By so many milliseconds.
        millis: u64,
    },
    /// The connection is cut before the call is looked at; it does nothing.
    LoseRequest,
    /// The call is done, and the connection is cut before a byte of the answer.
    LoseAnswer,
    /// The statement fails with these words instead of being run: a right that was revoked, a disk that is full. Of a
    /// batch, only statements whose own SQL, or whose batch's name, has the text of the rule.
    Fail {
        /// What the warehouse says.
        message: String,
    },
    /// The statement is held up before its transaction is committed, its locks held.
    SlowCommit {
        /// By so many milliseconds.
        millis: u64,
    },
    /// The transaction is rolled back where it would be committed; the statement is told as failed, in the same words as
    /// by `FailAfterCommit`: the service has lost the database, and nobody can tell.
    FailBeforeCommit,
    /// The transaction is committed; the statement is told as failed.
    FailAfterCommit,
    /// An administrator stops the statement where it would be committed.
    AbortBeforeCommit,
    /// The statement is forgotten as soon as it has ended, as all are after a day.
    Expire,
}

fn client_error() -> u16 {
    400
}

/// What a switch has done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fired {
    /// The switch.
    pub rule: Rule,
    /// How often it came up.
    pub seen: u64,
    /// How often it acted.
    pub fired: u64,
}

/// The switches of a stand-in that runs.
#[derive(Debug, Clone)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    rules: Vec<Fired>,
    chance: u64,
}

/// What a switch is asked about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Event<'a> {
    /// The operation.
    pub(crate) operation: &'a str,
    /// The statement's name.
    pub(crate) name: Option<&'a str>,
    /// The statement's SQL.
    pub(crate) sqls: &'a [String],
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State { rules: Vec::new(), chance: seed })) }
    }

    /// Puts these in place of those there were. Counts begin anew.
    pub fn set(&self, rules: Vec<Rule>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.rules = rules.into_iter().map(|rule| Fired { rule, seen: 0, fired: 0 }).collect();
    }

    /// Adds one to those there are.
    pub fn add(&self, rule: Rule) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.rules.push(Fired { rule, seen: 0, fired: 0 });
    }

    /// Takes all away.
    pub fn clear(&self) {
        self.set(Vec::new());
    }

    /// What they have done.
    pub fn fired(&self) -> Vec<Fired> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).rules.clone()
    }

    /// How often all of them together have acted.
    pub fn total(&self) -> u64 {
        self.fired().iter().map(|fired| fired.fired).sum()
    }

    /// The first switch of a wanted kind that acts on this.
    pub(crate) fn strike(&self, event: Event<'_>, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { rules, chance } = &mut *state;
        for entry in rules.iter_mut() {
            if !wanted(&entry.rule.fault) || !event.concerns(&entry.rule) {
                continue;
            }
            entry.seen += 1;
            let spent = entry.rule.times.is_some_and(|times| entry.fired >= times);
            let lucky = entry.rule.share.is_some_and(|share| next(chance) >= share);
            if entry.seen <= entry.rule.skip || spent || lucky {
                continue;
            }
            entry.fired += 1;
            return Some(entry.rule.fault.clone());
        }
        None
    }
}

impl Event<'_> {
    fn concerns(&self, rule: &Rule) -> bool {
        let operation = rule.operation.as_ref().is_none_or(|operation| operation == self.operation);
        let matching = rule.matching.as_ref().is_none_or(|text| {
            self.name.is_some_and(|name| name.contains(text)) || self.sqls.iter().any(|sql| sql.contains(text))
        });
        operation && matching
    }
}

/// The next number of a chance that begins with the seed, from 0 to 1 (SplitMix64).
#[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
fn next(chance: &mut u64) -> f64 {
    *chance = chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *chance;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(operation: &str) -> Event<'_> {
        Event { operation, ..Event::default() }
    }

    #[test]
    fn a_switch_lets_some_through_and_acts_so_often() {
        let faults = Faults::new(0);
        faults.set(vec![Rule::new(Fault::Throttle).of("DescribeStatement").after(1).times(2)]);
        let struck = |operation: &str| faults.strike(event(operation), |fault| *fault == Fault::Throttle).is_some();
        assert!(!struck("ExecuteStatement"));
        let describes: Vec<bool> = (0..5).map(|_| struck("DescribeStatement")).collect();
        assert_eq!(describes, [false, true, true, false, false]);
        assert_eq!((faults.fired()[0].seen, faults.total()), (5, 2));
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed() {
        let run = |seed: u64| {
            let faults = Faults::new(seed);
            faults.set(vec![Rule::new(Fault::LoseAnswer).share(0.3)]);
            (0..200).map(|_| faults.strike(event("x"), |_| true).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let hits = run(7).into_iter().filter(|hit| *hit).count();
        assert!((40..80).contains(&hits), "{hits} of 200 with a share of 0.3");
    }

    #[test]
    fn a_switch_reads_as_json() {
        let rules: Vec<Rule> = serde_json::from_str(
            r#"[{"fault":{"kind":"slow_commit","millis":20},"matching":"batch-7","times":1},{"fault":{"kind":"lose_answer"}}]"#,
        )
        .unwrap();
        assert_eq!(rules[0], Rule::new(Fault::SlowCommit { millis: 20 }).matching("batch-7").times(1));
        let told = serde_json::to_string(&rules[1]).unwrap();
        assert_eq!(told, r#"{"fault":{"kind":"lose_answer"},"skip":0}"#);
        assert!(serde_json::from_str::<Rule>(r#"{"fault":{"kind":"lose_answer"},"time":1}"#).is_err());
    }
}
