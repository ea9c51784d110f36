//! What has to be: a pure function of the versions that were read and the definition in force.

mod scope;

use std::collections::BTreeSet;

use lakehand_domain::entry::SetAsideKind;
use lakehand_domain::id::EntryId;
use lakehand_domain::object::ObjectStat;

use crate::plan::{Body, DatasetPlan, Line, Mode, Revision};
use scope::Verdict;

/// One version of an object, as it landed.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) entry: EntryId,
    pub(crate) stat: ObjectStat,
    pub(crate) body: Body,
}

impl Version {
    /// Why it cannot be loaded, if it cannot.
    pub(crate) fn refusal(&self) -> Option<SetAsideKind> {
        let (lines, rejects) = (self.body.lines.len(), self.rejects());
        if self.body.is_unreadable {
            Some(SetAsideKind::Unreadable)
        } else if rejects * 2 > lines {
            Some(SetAsideKind::TooManyRejects)
        } else if self.body.lines.contains(&Line::Poison) {
            Some(SetAsideKind::RefusedByWarehouse)
        } else {
            None
        }
    }

    pub(crate) fn rejects(&self) -> usize {
        self.body.lines.iter().filter(|line| **line == Line::Bad).count()
    }
}

/// A version whose load is live, and the definition it was made under.
#[derive(Debug, Clone)]
pub(crate) struct Live<'a> {
    pub(crate) version: &'a Version,
    pub(crate) load: String,
    pub(crate) revision: Revision,
}

struct Row<'a> {
    live: &'a Live<'a>,
    record: usize,
    key: i64,
    version: Option<i64>,
    passes: bool,
}

impl Row<'_> {
    /// Lineage decides where nothing else does.
    fn lineage(&self) -> (String, &str, usize) {
        let stat = &self.live.version.stat;
        (stat.order().as_str().to_owned(), stat.uri.as_str(), self.record)
    }
}

/// Every row of every live load with its standing, as lines, sorted. `parents` are the keys of the visible rows that its
/// records reference; none: they reference nothing.
pub(crate) fn rows(
    dataset: &DatasetPlan,
    in_force: Revision,
    live: &[Live<'_>],
    parents: Option<&BTreeSet<i64>>,
) -> Vec<String> {
    let waits =
        |version: Option<i64>| version.is_some_and(|value| parents.is_some_and(|there| !there.contains(&value)));
    let mut lines = table("t", in_force.mode, in_force.has_where, live, &waits, |_| true);
    if dataset.two_tables {
        let mode = match in_force.mode {
            Mode::Append | Mode::Ignore => in_force.mode,
            _ => Mode::Replace,
        };
        lines.extend(table("u", mode, false, live, &waits, |key| key % 2 == 0));
    }
    lines.sort();
    lines
}

/// The keys of the visible rows of a table `t`, of such lines.
pub(crate) fn visible_keys(lines: &[String]) -> BTreeSet<i64> {
    let visible = lines.iter().filter(|line| line.starts_with("t ") && line.ends_with(" visible"));
    visible.filter_map(|line| line.rsplit(' ').nth(4)?.parse().ok()).collect()
}

fn table(
    name: &str,
    mode: Mode,
    has_where: bool,
    live: &[Live<'_>],
    waits: &dyn Fn(Option<i64>) -> bool,
    takes: fn(i64) -> bool,
) -> Vec<String> {
    let mut all = Vec::new();
    for load in live {
        for (at, line) in load.version.body.lines.iter().enumerate() {
            if let Line::Row { key, version, passes } = *line
                && takes(key)
            {
                let passes = passes || !load.revision.has_where;
                all.push(Row { live: load, record: at + 1, key, version, passes });
            }
        }
    }
    let order = |load: &Live<'_>| load.version.stat.order();
    let newest = |row: &Row<'_>, newest: bool| {
        let of_object = live.iter().filter(|other| other.version.stat.uri == row.live.version.stat.uri);
        let mut others = of_object.map(order);
        let mine = order(row.live);
        others.all(|other| if newest { other <= mine } else { other >= mine })
    };
    let beats_all = |row: &Row<'_>, by_version: bool| {
        let rank = |row: &Row<'_>| {
            (row.version.filter(|_| by_version), row.lineage().0, row.lineage().1.to_owned(), row.record)
        };
        all.iter().filter(|rival| rival.key == row.key).all(|rival| rank(rival) <= rank(row))
    };
    let standing = |row: &Row<'_>| {
        let wins = match mode {
            Mode::Append => true,
            Mode::Replace => newest(row, true),
            Mode::Ignore => newest(row, false),
            Mode::UpsertByVersion => beats_all(row, true),
            Mode::Upsert => beats_all(row, false),
            Mode::Scope | Mode::Runs | Mode::Whole => match scope::verdict(mode, live, row.live) {
                Verdict::Wins => true,
                Verdict::Lost => false,
                Verdict::Waits => return "waiting",
            },
        };
        match (wins, row.passes || !has_where) {
            (false, _) => "lost",
            (true, false) => "filtered",
            (true, true) if waits(row.version) => "waiting",
            (true, true) => "visible",
        }
    };
    let line = |row: &Row<'_>| {
        let (order, object, record) = row.lineage();
        let version = row.version.filter(|_| name == "t").map_or_else(|| "-".to_owned(), |version| version.to_string());
        let extra = (1..=2).map(|n| {
            let is_there = name == "t" && n <= row.live.revision.extra;
            if is_there { (row.key + i64::from(n)).to_string() } else { "-".to_owned() }
        });
        let extra: Vec<String> = extra.collect();
        let (load, key, standing) = (&row.live.load, row.key, standing(row));
        format!("{name} {object} {order} {load} {record} {key} {version} {} {standing}", extra.join(" "))
    };
    all.iter().map(line).collect()
}
