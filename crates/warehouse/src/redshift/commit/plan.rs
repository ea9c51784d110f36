//! The statements of a batch: pure functions of what was read before it.

use lakehand_domain::id::Nonce;
use lakehand_domain::shape::{Contest, FamilyShape, OnRewrite, TableShape, lineage};
use lakehand_domain::warehousing::{CommitRequest, StagedLoad};

use super::{Replaced, loads};
use crate::redshift::contest::{self, Scope};
use crate::redshift::fence::{self, MARKER_COLUMNS};
use crate::redshift::names::{Names, StagingName};
use crate::redshift::sql::{guard, literal, number, quote, quoted_list};
use crate::redshift::stage::union;
use crate::redshift::state::{Registered, in_force_text};
use crate::redshift::trouble::Trouble;

/// The statement of the transaction that fails unless the fence is ours.
pub(super) const HOLDS_THE_FENCE: usize = 1;
/// The statement that fails unless all else is as the request says.
pub(super) const GUARDS: usize = 2;

/// All that decides the statements of a batch.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) names: &'a Names,
    pub(crate) shape: &'a FamilyShape,
    pub(crate) request: &'a CommitRequest,
    /// The loads of older generations that the batch replaces.
    pub(crate) replaced: Replaced,
    /// Names the tables that the batch works with.
    pub(crate) work: Nonce,
    pub(crate) tables: Vec<BatchTable>,
    /// All tables of all datasets of the family.
    pub(crate) family: Vec<TableShape>,
}

/// A table of the dataset.
#[derive(Debug, Clone)]
pub(crate) struct BatchTable {
    /// Its place among the tables of the batch.
    pub(crate) number: usize,
    pub(crate) registered: Registered,
    /// Where its rows are staged; empty for a table that the definition in force does not name.
    pub(crate) stagings: Vec<(Nonce, String)>,
    /// Whether the standing of any row may change.
    pub(crate) is_recomputed: bool,
}

impl BatchTable {
    /// How many rows a load has for it.
    pub(crate) fn rows_of(&self, load: &StagedLoad) -> u64 {
        let described = load.manifest.tables.iter().find(|described| described.table == self.registered.shape.name);
        described.map_or(0, |described| described.rows)
    }

    /// A staged value as its column of the rows keeps it; `s` is the staged row.
    pub(super) fn staged_value(&self, name: &str) -> String {
        let column = self.registered.columns.iter().find(|column| column.name == name);
        column.map_or_else(|| format!("s.{}", quote(name)), |column| column.of_staged("s."))
    }

    /// What its rows contend for, where that is gathered before the transaction: the columns of the key, or the parts of
    /// the scope.
    fn contended(&self) -> &[String] {
        match &self.registered.shape.contest {
            Contest::Upsert { key: names, .. } | Contest::Replace { scope: names, .. } => names,
            Contest::Append { .. } => &[],
        }
    }

    fn is_upsert(&self) -> bool {
        matches!(self.registered.shape.contest, Contest::Upsert { .. })
    }
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        names: &'a Names,
        shape: &'a FamilyShape,
        request: &'a CommitRequest,
        replaced: Replaced,
        work: Nonce,
    ) -> Self {
        Self { names, shape, request, replaced, work, tables: Vec::new(), family: Vec::new() }
    }

    /// The name of a script of this batch.
    pub(crate) fn name_of(&self, script: &str) -> String {
        format!("lakehand/commit/{}/{}/{script}", self.shape.family, self.request.batch)
    }

    /// A staging table, as statements name it.
    pub(crate) fn staging(&self, nonce: &Nonce, table: &TableShape) -> String {
        self.names.staging(&StagingName::of_table(&self.shape.family, nonce, table))
    }

    pub(super) fn work_table(&self, purpose: &str) -> String {
        self.names.staging(&StagingName::of_work(&self.shape.family, &self.work, purpose))
    }

    /// The list of loads, as statements name it.
    pub(crate) fn list(&self) -> String {
        self.work_table("loads")
    }

    fn counts(&self) -> String {
        self.work_table("counts")
    }

    pub(super) fn touched(&self, table: &BatchTable) -> String {
        self.work_table(&format!("keys{}", table.number))
    }

    /// All tables that the batch works with, as statements name them.
    pub(crate) fn work_tables(&self) -> Vec<String> {
        let touched = self.tables.iter().filter(|table| !table.contended().is_empty());
        let touched = touched.map(|table| self.touched(table));
        [self.list(), self.counts()].into_iter().chain(touched).chain(self.references().tables).collect()
    }

    /// Whether rows of the batch may come into a table, or go from it.
    fn moves(&self, table: &BatchTable) -> bool {
        self.adds(table) || self.removes(table)
    }

    /// A table that older definitions had, and no replaced load has rows for, costs nothing.
    fn removes(&self, table: &BatchTable) -> bool {
        let name = &table.registered.shape.name;
        self.replaced.values().any(|load| load.rows.get(name).is_some_and(|rows| *rows > 0))
    }

    /// Whether what is contended for is gathered. A load without rows speaks of a scope as well.
    pub(super) fn gathers(&self, table: &BatchTable) -> bool {
        !table.contended().is_empty() && (!table.is_upsert() || self.moves(table))
    }

    pub(super) fn adds(&self, table: &BatchTable) -> bool {
        !table.stagings.is_empty() && self.request.loads.iter().any(|load| table.rows_of(load) > 0)
    }

    /// Whether the standing of rows hangs on which versions of an object there are.
    pub(crate) fn has_contested_objects(&self) -> bool {
        let contested = |table: &BatchTable| {
            let contest = &table.registered.shape.contest;
            matches!(contest, Contest::Append { on_rewrite: OnRewrite::Replace | OnRewrite::Ignore })
        };
        self.tables.iter().any(contested)
    }

    /// Whether two loads of the batch are of one object.
    pub(crate) fn objects_repeat(&self) -> bool {
        let mut objects = std::collections::BTreeSet::new();
        !self.request.loads.iter().all(|load| objects.insert(load.manifest.object.uri.as_str()))
    }

    /// The statement that counts the live loads, besides those of the batch, of the objects of the batch.
    pub(crate) fn count_rivals(&self) -> String {
        let markers = self.names.markers(&self.shape.family);
        contest::count_rivals(&markers, &self.list(), &self.request.definition.dataset)
    }

    /// What is done before the transaction: the list of loads, how many rows of each are staged, and the keys and scopes
    /// whose rows come or go.
    pub(crate) fn prepare(&self) -> Result<Vec<String>, Trouble> {
        let mut statements = loads::statements(self)?;
        statements.extend(self.count());
        statements.extend(self.tables.iter().filter(|table| self.gathers(table)).map(|table| self.touch(table)));
        statements.extend(self.references().prepare);
        Ok(statements)
    }

    fn touch(&self, table: &BatchTable) -> String {
        let selects = if table.is_upsert() { self.touched_keys(table) } else { self.touched_scopes(table) };
        let columns: Vec<String> = (0..table.contended().len()).map(|at| format!("key_{at}")).collect();
        format!(
            "CREATE TABLE {} AS SELECT DISTINCT {} FROM ({}) AS k",
            self.touched(table),
            quoted_list("k.", &columns),
            selects.join(" UNION ALL ")
        )
    }

    /// The scopes of the loads that come, and of those that go, which a changed definition may have placed elsewhere.
    fn touched_scopes(&self, table: &BatchTable) -> Vec<String> {
        let (list, markers) = (self.list(), self.names.markers(&self.shape.family));
        let mut selects = vec![format!("SELECT {} FROM {list} AS l", contest::touched_parts(table.contended(), "l"))];
        if !self.replaced.is_empty() {
            selects.push(format!(
                "SELECT {} FROM {markers} AS m JOIN {list} AS l ON m.\"load_id\" = l.\"replaces\"",
                contest::touched_parts(table.contended(), "m")
            ));
        }
        selects
    }

    fn touched_keys(&self, table: &BatchTable) -> Vec<String> {
        let (key, shape) = (table.contended(), &table.registered.shape);
        let mut selects = Vec::new();
        if self.adds(table) {
            let staged = |name: &str| table.staged_value(name);
            selects.push(format!(
                "SELECT {} FROM {}",
                contest::touched_columns(shape, key, staged),
                self.staged(table)
            ));
        }
        if self.removes(table) {
            let kept = |name: &str| format!("r.{}", quote(name));
            selects.push(format!(
                "SELECT {} FROM {} AS r JOIN {} AS l ON r.\"_load_id\" = l.\"replaces\"",
                contest::touched_columns(shape, key, kept),
                self.names.rows(shape),
                self.list()
            ));
        }
        selects
    }

    /// The staged rows of the listed loads: `s` is the row, `l` its load.
    pub(super) fn staged(&self, table: &BatchTable) -> String {
        format!(
            "({}) AS s JOIN {} AS l ON l.\"load_id\" = s.\"_load_id\" AND l.\"staging\" = s.\"staging\"",
            self.staged_rows(table),
            self.list()
        )
    }

    /// The statements of the transaction, in their order.
    pub(crate) fn transaction(&self) -> Result<Vec<String>, Trouble> {
        let request = self.request;
        let count = format!("\"batch\" = {}, \"batches\" = \"batches\" + 1", literal(&request.batch));
        let mut statements = vec![
            fence::write(self.names, &request.fence, &count),
            fence::hold(self.names, &request.fence),
            self.guard()?,
        ];
        // Standing is decided from the markers of all live loads, so these come first; nobody sees one without the other.
        statements.extend(self.markers());
        for table in &self.tables {
            let (shape, rows) = (&table.registered.shape, self.names.rows(&table.registered.shape));
            if self.removes(table) {
                statements.push(format!(
                    "DELETE FROM {rows} WHERE \"_load_id\" IN (SELECT \"replaces\" FROM {} WHERE \"replaces\" IS NOT NULL)",
                    self.list()
                ));
            }
            if self.adds(table) {
                statements.push(self.add(table));
            }
            // A version without rows contends as well, so that rows may lose although none come.
            if table.is_recomputed && (self.moves(table) || !table.is_upsert()) {
                let (touched, list) = (self.touched(table), self.list());
                let scope = match &shape.contest {
                    Contest::Append { .. } => Scope::Objects { list: &list },
                    Contest::Replace { scope, .. } if scope.is_empty() => Scope::All,
                    Contest::Upsert { .. } | Contest::Replace { .. } => Scope::Keys { touched: &touched },
                };
                let markers = self.names.markers(&self.shape.family);
                statements.extend(contest::recompute(&rows, &markers, shape, scope));
            }
        }
        statements.extend(self.decide_references());
        statements.push(format!("DROP TABLE {}", self.used_work_tables().join(", ")));
        Ok(statements)
    }

    /// The tables that [`Plan::prepare`] has made.
    fn used_work_tables(&self) -> Vec<String> {
        let keys = self.tables.iter().filter(|table| self.gathers(table));
        let keys = keys.map(|table| self.touched(table));
        [self.list(), self.counts()].into_iter().chain(keys).chain(self.references().tables).collect()
    }

    fn add(&self, table: &BatchTable) -> String {
        let shape = &table.registered.shape;
        let columns: Vec<String> = shape.part_columns().into_iter().map(|column| column.name).collect();
        let values: Vec<String> = columns.iter().map(|name| table.staged_value(name)).collect();
        format!(
            "INSERT INTO {} ({}, {}) SELECT {}, {} FROM {}",
            self.names.rows(shape),
            quoted_list("", &columns),
            quote(lineage::STANDING),
            values.join(", "),
            contest::unrivalled(shape, "s."),
            self.staged(table)
        )
    }

    fn markers(&self) -> Vec<String> {
        let (markers, list, request) = (self.names.markers(&self.shape.family), self.list(), self.request);
        let mut statements = Vec::new();
        if !self.replaced.is_empty() {
            statements.push(format!("DELETE FROM {markers} WHERE \"entry\" IN (SELECT \"entry\" FROM {list})"));
        }
        statements.push(format!(
            "INSERT INTO {markers} ({MARKER_COLUMNS}) SELECT \"entry\", {}, \"object\", \"version_order\", \
             \"generation\", \"load_id\", {}, \"rows\", \"rejects\", \"scopes\", {}, {} FROM {list}",
            literal(request.definition.dataset.as_str()),
            self.fingerprint(),
            literal(&request.batch),
            literal(&request.now.to_string()),
        ));
        statements
    }

    /// What must be zero: the fence of another epoch or without our definition; a list that is not whole; markers that
    /// are newer, or others, than those read; loads of which not all rows are staged.
    fn guard(&self) -> Result<String, Trouble> {
        let (family, list, request) = (&self.shape.family, self.list(), self.request);
        // As the fence row holds it, between the brackets of its list.
        let in_force = in_force_text(std::slice::from_ref(&request.definition))?;
        let in_force = in_force.trim_matches(['[', ']']);
        let markers = self.names.markers(family);
        let mut amiss = vec![
            format!(
                "(SELECT COUNT(*) FROM {} WHERE \"erasure_epoch\" <> {} OR STRPOS(\"in_force\", {}) = 0)",
                self.names.fence(family),
                number(request.fence.erasure_epoch),
                literal(in_force)
            ),
            format!("ABS({} - (SELECT COUNT(DISTINCT \"entry\") FROM {list}))", request.loads.len()),
            format!("ABS({} - (SELECT COUNT(*) FROM {list}))", request.loads.len()),
            format!(
                "ABS({} - (SELECT COUNT(*) FROM {markers} AS m JOIN {list} AS l ON m.\"entry\" = l.\"entry\" \
                 AND m.\"load_id\" = l.\"replaces\" AND m.\"generation\" < l.\"generation\"))",
                self.replaced.len()
            ),
            format!(
                "ABS({} - (SELECT COUNT(*) FROM {markers} AS m JOIN {list} AS l ON m.\"entry\" = l.\"entry\"))",
                self.replaced.len()
            ),
        ];
        let tables = self.tables.iter().filter(|table| !table.stagings.is_empty());
        amiss.extend(tables.map(|table| format!("(SELECT COUNT(*) FROM ({}) AS w)", self.wrongly_staged(table))));
        Ok(guard(&amiss.join(" + ")))
    }

    /// The statement that finds the listed loads of which more or fewer rows are staged than their manifests say.
    pub(crate) fn wrongly_staged(&self, table: &BatchTable) -> String {
        let (expected, number) = (loads::rows_column(table), table.number);
        format!(
            "SELECT l.\"load_id\", COALESCE(c.\"counted\", 0) AS \"counted\", l.{expected} AS \"expected\" FROM {} AS l \
             LEFT JOIN {} AS c ON c.\"load_id\" = l.\"load_id\" AND c.\"staging\" = l.\"staging\" \
             AND c.\"number\" = {number} WHERE COALESCE(c.\"counted\", 0) <> l.{expected}",
            self.list(),
            self.counts()
        )
    }

    /// Counts what is staged, which nothing changes once it is.
    fn count(&self) -> Vec<String> {
        let counts = self.counts();
        let mut statements = vec![format!(
            "CREATE TABLE {counts} (\"staging\" VARCHAR(64) NOT NULL, \"load_id\" VARCHAR(64) NOT NULL, \
             \"number\" INTEGER NOT NULL, \"counted\" BIGINT NOT NULL)"
        )];
        for table in self.tables.iter().filter(|table| !table.stagings.is_empty()) {
            statements.push(format!(
                "INSERT INTO {counts} SELECT u.\"staging\", u.\"_load_id\", {}, COUNT(*) FROM ({}) AS u \
                 GROUP BY u.\"staging\", u.\"_load_id\"",
                table.number,
                union(&table.stagings, "\"_load_id\"")
            ));
        }
        statements
    }
}
