//! One COPY: the list of files that it reads, and its statement.

use bytes::Bytes;
use lakehand_domain::id::{FamilyId, Nonce};
use lakehand_domain::manifest::Part;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::PutCondition;
use serde_json::json;

use crate::redshift::RedshiftWarehouse;
use crate::redshift::options::IamRole;
use crate::redshift::sql::quoted_list;
use crate::redshift::trouble::Trouble;

/// The parts of one table that have the same columns in the same order.
pub(super) struct Copied<'a> {
    pub(super) columns: Vec<&'a str>,
    pub(super) parts: Vec<&'a Part>,
}

impl Copied<'_> {
    /// Puts the list of files, and gives where it lies. All files are mandatory, which is not the default, and each has
    /// to have exactly its bytes (Redshift, "Using a manifest to specify data files").
    pub(super) async fn put_list(
        &self,
        warehouse: &RedshiftWarehouse,
        family: &FamilyId,
        name: &Nonce,
        table: usize,
        number: usize,
    ) -> Result<String, Trouble> {
        let uri = list_uri(&warehouse.copy_prefix, family, name, table, number);
        let bytes = Bytes::from(self.list());
        // Putting the same bytes again under the same name is harmless.
        warehouse.lake.put(&uri, bytes, PutCondition::Always).await?;
        Ok(uri.as_str().to_owned())
    }

    fn list(&self) -> String {
        let entry = |part: &&Part| json!({ "url": part.uri.as_str(), "mandatory": true, "meta": { "content_length": part.bytes } });
        json!({ "entries": self.parts.iter().map(entry).collect::<Vec<_>>() }).to_string()
    }

    /// COPY maps columns by position: the columns are those of the parts, in their order.
    pub(super) fn statement(&self, staging: &str, list: &str, role: &IamRole) -> String {
        let role = match role {
            IamRole::Default => "DEFAULT".to_owned(),
            IamRole::Arn(arn) => format!("'{arn}'"),
        };
        let columns = quoted_list("", &self.columns);
        format!("COPY {staging} ({columns}) FROM '{list}' IAM_ROLE {role} FORMAT AS PARQUET MANIFEST STATUPDATE OFF")
    }
}

/// `<prefix>/<nonce>/<family>/<table>-<number>.json`. All parts of it are plain.
fn list_uri(prefix: &ObjectUri, family: &FamilyId, name: &Nonce, table: usize, number: usize) -> ObjectUri {
    prefix.join(&format!("{name}/{family}/{table}-{number}.json"))
}

/// The staging that a list of files belongs to.
pub(crate) fn staging_of(prefix: &ObjectUri, list: &ObjectUri) -> Option<(Nonce, FamilyId)> {
    let rest = list.as_str().strip_prefix(prefix.as_str().trim_end_matches('/'))?.strip_prefix('/')?;
    let mut parts = rest.split('/');
    let (nonce, family) = (parts.next()?, parts.next()?);
    parts.next()?;
    Some((Nonce::new(nonce), FamilyId::new(family)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(uri: &str, bytes: u64) -> Part {
        let uri = ObjectUri::parse(uri).unwrap();
        Part { uri, rows: 1, bytes, checksum: String::new(), partition: Vec::new() }
    }

    #[test]
    fn lists_name_every_part_with_its_bytes() {
        let parts = [part("s3://lake/d/t/p_city=Köln \"x\\/a.parquet", 7), part("s3://lake/d/t/b.parquet", 8)];
        let copied = Copied { columns: vec!["a", "b\"c"], parts: parts.iter().collect() };
        let list: serde_json::Value = serde_json::from_str(&copied.list()).unwrap();
        let first = &list["entries"][0];
        assert_eq!(first["url"], parts[0].uri.as_str());
        assert_eq!((&first["mandatory"], &first["meta"]["content_length"]), (&json!(true), &json!(7)));
        assert_eq!(
            copied.statement("\"l\".\"s\"", "s3://lake/_copy/n/f/0-0.json", &IamRole::Default),
            "COPY \"l\".\"s\" (\"a\", \"b\"\"c\") FROM 's3://lake/_copy/n/f/0-0.json' IAM_ROLE DEFAULT FORMAT AS PARQUET \
             MANIFEST STATUPDATE OFF"
        );
        let role = IamRole::Arn("arn:aws:iam::1:role/r".to_owned());
        assert!(copied.statement("s", "l", &role).contains(" IAM_ROLE 'arn:aws:iam::1:role/r' "));
    }

    #[test]
    fn lists_tell_their_staging() {
        for prefix in ["s3://lake/root/_copy", "s3://lake/_copy/"] {
            let prefix = ObjectUri::parse(prefix).unwrap();
            let uri = list_uri(&prefix, &FamilyId::new("berlin"), &Nonce::new("n_1"), 2, 0);
            assert!(uri.as_str().ends_with("/_copy/n_1/berlin/2-0.json"), "{uri}");
            assert_eq!(staging_of(&prefix, &uri), Some((Nonce::new("n_1"), FamilyId::new("berlin"))));
            assert_eq!(staging_of(&prefix, &prefix.join("n_1/other")), None);
        }
    }
}
