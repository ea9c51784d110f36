//! Which live loads win their scope: SQL that both SQLite and Redshift take, over the markers of a dataset.

/// What a marker says, as SQL expressions of its columns, each compared by its bytes.
#[derive(Debug)]
pub(crate) struct Said {
    /// The scope, part by part. A marker for which one is null speaks of no scope.
    pub(crate) scope: Vec<String>,
    /// The run; of a run of one object that object.
    pub(crate) run: String,
    /// How many objects the run has for the scope: a number.
    pub(crate) files: String,
    /// The object.
    pub(crate) object: String,
    /// The order of its version.
    pub(crate) order: String,
    /// The load.
    pub(crate) load: String,
    /// The entry.
    pub(crate) entry: String,
}

/// How a load stands that won its scope.
pub(crate) const WINS: &str = "wins";

/// A select of `of_load` and `verdict` for all loads that speak of a scope: `wins`, `lost`, or `waiting` for the rest of
/// its run. `markers` is what stands behind FROM, conditions included.
pub(crate) fn verdicts(said: &Said, markers: &str) -> String {
    let parts: Vec<String> = (0..said.scope.len()).map(|at| format!("\"scope_{at}\"")).collect();
    let spoken: Vec<String> =
        said.scope.iter().zip(&parts).map(|(value, name)| format!("{value} AS {name}, ")).collect();
    let of = |more: &[&str]| {
        let all: Vec<&str> = parts.iter().map(String::as_str).chain(more.iter().copied()).collect();
        if all.is_empty() { String::new() } else { format!("PARTITION BY {} ", all.join(", ")) }
    };
    let speaks: Vec<String> = parts.iter().map(String::as_str).chain(["\"run\"", "\"files\""]).map(is_said).collect();
    // What was said; of each object in a run the newest version; what each run has; the runs of each scope in order.
    let said_by = format!(
        "SELECT {} AS \"of_load\", {} AS \"entry\", {}{} AS \"run\", {} AS \"files\", {} AS \"object\", {} AS \"order\" \
         FROM {markers}",
        said.load,
        said.entry,
        spoken.concat(),
        said.run,
        said.files,
        said.object,
        said.order
    );
    let versions = format!(
        "SELECT a.*, ROW_NUMBER() OVER ({}ORDER BY \"order\" DESC, \"entry\") AS \"version_place\" FROM ({said_by}) AS a \
         WHERE {}",
        of(&["\"run\"", "\"object\""]),
        speaks.join(" AND ")
    );
    let of_run = of(&["\"run\""]);
    let runs = format!(
        "SELECT b.*, MAX(\"order\") OVER ({of_run}) AS \"run_order\", CASE WHEN SUM(CASE WHEN \"version_place\" = 1 THEN \
         1 ELSE 0 END) OVER ({of_run}) >= MAX(\"files\") OVER ({of_run}) THEN 1 ELSE 0 END AS \"is_whole\" \
         FROM ({versions}) AS b"
    );
    let ranked = format!(
        "SELECT c.*, DENSE_RANK() OVER ({}ORDER BY \"run_order\" DESC, \"run\" DESC) AS \"run_place\" FROM ({runs}) AS c",
        of(&["\"is_whole\""])
    );
    format!(
        "SELECT \"of_load\", CASE WHEN \"version_place\" > 1 THEN 'lost' WHEN \"is_whole\" = 0 THEN 'waiting' WHEN \
         \"run_place\" > 1 THEN 'lost' ELSE '{WINS}' END AS \"verdict\" FROM ({ranked}) AS d"
    )
}

fn is_said(name: &str) -> String {
    format!("{name} IS NOT NULL")
}
