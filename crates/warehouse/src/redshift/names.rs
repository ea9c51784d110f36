//! The names of everything lakehand keeps in Redshift. A dataset's tables lie in a schema of its name, lakehand's own in
//! `lakehand`; before both stands a prefix, where the settings say one.
//!
//! A name has at most 63 bytes: Redshift takes 127, and PostgreSQL, on which the stand-in runs, cuts longer ones off.

use lakehand_domain::id::{DatasetId, FamilyId, Nonce, digest};
use lakehand_domain::shape::TableShape;

use super::sql::quote;

/// The longest name that PostgreSQL takes whole.
const LONGEST: usize = 63;
/// What the names of staging and work tables begin with.
const STAGING: &str = "stg_";
/// The digits that stand for a family, or for a table, in the name of a staging table.
const DIGITS: usize = 10;

/// The longest nonce that the name of a staging table holds.
pub(crate) const LONGEST_NONCE: usize = LONGEST - STAGING.len() - 2 * DIGITS - 2;

/// How things are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The schema of lakehand's own tables, unquoted.
    pub(crate) fn own_schema(&self) -> String {
        format!("{}lakehand", self.prefix)
    }

    /// The schema of a dataset, unquoted.
    pub(crate) fn schema(&self, dataset: &DatasetId) -> String {
        fitted(&format!("{}{dataset}", self.prefix))
    }

    /// A table of lakehand's own as statements name it.
    pub(crate) fn own(&self, name: &str) -> String {
        format!("{}.{}", quote(&self.own_schema()), quote(name))
    }

    pub(crate) fn fence(&self, family: &FamilyId) -> String {
        self.own(&fence(family))
    }

    pub(crate) fn markers(&self, family: &FamilyId) -> String {
        self.own(&markers(family))
    }

    pub(crate) fn definitions(&self, family: &FamilyId) -> String {
        self.own(&definitions(family))
    }

    pub(crate) fn tables(&self, family: &FamilyId) -> String {
        self.own(&tables(family))
    }

    /// The register of families.
    pub(crate) fn families(&self) -> String {
        self.own("families")
    }

    /// The view that people read, as statements name it.
    pub(crate) fn view(&self, table: &TableShape) -> String {
        format!("{}.{}", quote(&self.schema(&table.dataset)), quote(&view(table)))
    }

    /// The table of every accepted row of every live load, as statements name it.
    pub(crate) fn rows(&self, table: &TableShape) -> String {
        format!("{}.{}", quote(&self.schema(&table.dataset)), quote(&rows(table)))
    }

    /// The next form of a table while it is copied. No definition's table has a name that begins so.
    pub(crate) fn rebuilt(&self, table: &TableShape) -> String {
        format!("{}.{}", quote(&self.schema(&table.dataset)), quote(&rebuilt(table)))
    }

    pub(crate) fn staging(&self, staging: &StagingName) -> String {
        self.own(&staging.to_string())
    }
}

/// The tables that a family has, unquoted: fence, markers, definitions and the register of its tables.
pub(crate) fn of_family(family: &FamilyId) -> [String; 4] {
    [fence(family), markers(family), definitions(family), tables(family)]
}

fn fence(family: &FamilyId) -> String {
    fitted(&format!("fence_{family}"))
}

fn markers(family: &FamilyId) -> String {
    fitted(&format!("markers_{family}"))
}

fn definitions(family: &FamilyId) -> String {
    fitted(&format!("definitions_{family}"))
}

fn tables(family: &FamilyId) -> String {
    fitted(&format!("tables_{family}"))
}

/// The view of a table, unquoted.
pub(crate) fn view(table: &TableShape) -> String {
    fitted(&table.name)
}

/// The rows of a table, unquoted.
pub(crate) fn rows(table: &TableShape) -> String {
    fitted(&format!("{}__rows", table.name))
}

/// The next form of the rows of a table while they are copied, unquoted.
pub(crate) fn rebuilt(table: &TableShape) -> String {
    fitted(&format!("_rebuilt_{}", table.name))
}

/// The name itself, or its beginning and a digest of it where it is too long.
fn fitted(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let digest = &digest(&[b"name", name.as_bytes()])[..16];
    format!("{}_{digest}", &name[..name.floor_char_boundary(LONGEST - 17)])
}

/// One staging table, or one table that a commit works with: family, nonce and what it is for can be read off its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StagingName {
    family: String,
    nonce: Nonce,
    purpose: String,
}

impl StagingName {
    /// The staging table of this table. The name holds a digest of the columns: what was staged by another shape is
    /// another table.
    pub(crate) fn of_table(family: &FamilyId, nonce: &Nonce, table: &TableShape) -> Self {
        let mut parts = vec!["staging".to_owned(), table.dataset.to_string(), table.name.clone()];
        for column in table.part_columns() {
            parts.extend([column.name, column.column_type.to_string(), column.required.to_string()]);
        }
        let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        Self { family: family_digits(family), nonce: nonce.clone(), purpose: digest(&parts)[..DIGITS].to_owned() }
    }

    /// A table that one commit works with; `purpose` is a short word.
    pub(crate) fn of_work(family: &FamilyId, nonce: &Nonce, purpose: &str) -> Self {
        Self { family: family_digits(family), nonce: nonce.clone(), purpose: format!("{purpose:_>DIGITS$}") }
    }

    /// Reads a name of the catalogue; `None` for one that is none of ours.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix(STAGING)?;
        let (family, rest) = rest.split_at_checked(DIGITS)?;
        let rest = rest.strip_prefix('_')?;
        let (nonce, purpose) = rest.split_at_checked(rest.len().checked_sub(DIGITS + 1)?)?;
        let purpose = purpose.strip_prefix('_')?;
        Some(Self { family: family.to_owned(), nonce: Nonce::new(nonce), purpose: purpose.to_owned() })
    }

    pub(crate) fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    pub(crate) fn is_of(&self, family: &FamilyId) -> bool {
        self.family == family_digits(family)
    }
}

impl std::fmt::Display for StagingName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{STAGING}{}_{}_{}", self.family, self.nonce, self.purpose)
    }
}

/// The pattern of `LIKE … ESCAPE '!'` that finds all staging tables, or those of one family.
pub(crate) fn staging_pattern(family: Option<&FamilyId>) -> String {
    let family = family.map(|family| format!("{}!_", family_digits(family))).unwrap_or_default();
    format!("{}{family}%", STAGING.replace('_', "!_"))
}

fn family_digits(family: &FamilyId) -> String {
    digest(&[b"family", family.as_str().as_bytes()])[..DIGITS].to_owned()
}

/// Whether names can be made of a nonce, and read back.
pub(crate) fn takes_nonce(nonce: &Nonce) -> bool {
    let text = nonce.as_str();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !text.is_empty() && text.len() <= LONGEST_NONCE && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use lakehand_domain::shape::{ColumnShape, ColumnType, Contest, TableLayout};

    use super::*;

    fn table(name: &str) -> TableShape {
        TableShape {
            dataset: DatasetId::new("berlin"),
            name: name.to_owned(),
            columns: vec![ColumnShape { name: "a".to_owned(), column_type: ColumnType::Bigint, required: true }],
            contest: Contest::Append { on_rewrite: lakehand_domain::shape::OnRewrite::Replace },
            has_where: false,
            exploded: false,
            subjects: Vec::new(),
            references: Vec::new(),
            layout: TableLayout::default(),
        }
    }

    #[test]
    fn names_read_back() {
        let (family, nonce) = (FamilyId::new("berlin"), Nonce::new("a_b__1"));
        let one = StagingName::of_table(&family, &nonce, &table("flats"));
        assert_eq!(StagingName::parse(&one.to_string()), Some(one.clone()));
        assert!(one.is_of(&family) && !one.is_of(&FamilyId::new("hamburg")));
        assert_eq!(one.nonce(), &nonce);
        let work = StagingName::of_work(&family, &nonce, "loads");
        assert!(work.to_string().ends_with("_a_b__1______loads"), "{work}");
        assert_eq!(StagingName::parse(&work.to_string()), Some(work));
        for foreign in ["stg_", "stg_a", "stg_0123456789_", "stg_0123456789_n_short", "fence_berlin", "stg_0123456789ä"]
        {
            assert_eq!(StagingName::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn another_shape_is_another_staging_table() {
        let (family, nonce) = (FamilyId::new("berlin"), Nonce::new("n"));
        let name = |table: &TableShape| StagingName::of_table(&family, &nonce, table).to_string();
        let mut wider = table("flats");
        wider.columns[0].column_type = ColumnType::Integer;
        let mut laid_out = table("flats");
        laid_out.layout.sort_key.push("a".to_owned());
        assert_ne!(name(&table("flats")), name(&wider));
        assert_ne!(name(&table("flats")), name(&table("houses")));
        assert_eq!(name(&table("flats")), name(&laid_out));
    }

    #[test]
    fn no_name_is_longer_than_postgresql_takes() {
        let long = "t".repeat(60);
        let names = Names::new("team_");
        let (family, dataset) = (FamilyId::new(&long), DatasetId::new(&long));
        let nonce = Nonce::new("n".repeat(LONGEST_NONCE));
        assert!(takes_nonce(&nonce));
        let mut all = vec![names.schema(&dataset), view(&table(&long)), rows(&table(&long))];
        all.extend(of_family(&family));
        all.push(StagingName::of_table(&family, &nonce, &table(&long)).to_string());
        all.push(StagingName::of_work(&family, &nonce, "loads").to_string());
        for name in &all {
            assert!(name.len() <= LONGEST, "{name}");
        }
        assert_ne!(rows(&table(&long)), rows(&table(&format!("{long}x"))));
        assert_eq!(names.rows(&table("flats")), "\"team_berlin\".\"flats__rows\"");
        assert_eq!(names.fence(&FamilyId::new("berlin")), "\"team_lakehand\".\"fence_berlin\"");
        for bad in ["", "A", "a-b", "a\"b", &"n".repeat(LONGEST_NONCE + 1)] {
            assert!(!takes_nonce(&Nonce::new(bad)), "{bad}");
        }
    }

    #[test]
    fn patterns_take_underscores_as_they_are() {
        assert_eq!(staging_pattern(None), "stg!_%");
        let one = staging_pattern(Some(&FamilyId::new("berlin")));
        assert!(one.starts_with("stg!_") && one.ends_with("!_%"), "{one}");
    }
}
