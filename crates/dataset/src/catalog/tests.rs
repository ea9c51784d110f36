use lakehand_domain::object::ObjectUri;
use lakehand_domain::shape::{ColumnType, Contest};

use super::*;
use crate::dataset::Origin;

fn landing() -> ObjectUri {
    ObjectUri::parse("s3://landing").unwrap()
}

fn uri(text: &str) -> ObjectUri {
    ObjectUri::parse(text).unwrap()
}

fn identity() -> TransformIdentity {
    TransformIdentity("test".to_owned())
}

fn file(path: &str, text: &str) -> DefinitionFile {
    DefinitionFile { path: path.to_owned(), text: text.to_owned() }
}

/// A definition of one append table.
fn simple(name: &str, objects: &str, more: &str) -> DefinitionFile {
    let text = format!(
        "name = \"{name}\"\n\n[source]\nobjects = [{objects}]\nformat = \"jsonl\"\n{more}\n[tables.t]\nmode = \"append\"\ncolumns.a = {{ type = \"integer\" }}\n"
    );
    file(&format!("{name}.toml"), &text)
}

fn check(files: &[DefinitionFile]) -> Result<Catalog, Vec<String>> {
    let lake = uri("s3://lake/clean");
    Catalog::check(files, &landing(), Some(&lake), &identity())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn objects_find_their_dataset_and_captures() {
    let catalog = check(&[
        simple("flats", "\"flats_{day}.zip\", \"old/{day}/**/flats.zip\"", ""),
        simple("offers", "\"offers/**\"", ""),
        simple("else", "\"s3://other bucket/größe+*.json\"", ""),
    ])
    .unwrap();
    for (object, expected) in [
        ("s3://landing/flats_2026.zip", Some(("flats", Some("2026")))),
        ("s3://landing/flats_ü 1+2.zip", Some(("flats", Some("ü 1+2")))),
        ("s3://landing/old/d%201/a/b/flats.zip", Some(("flats", Some("d%201")))),
        ("s3://landing/old/d/flats.zip", Some(("flats", Some("d")))),
        ("s3://landing/offers/a/b", Some(("offers", None))),
        ("s3://other bucket/größe+1 2.json", Some(("else", None))),
        ("s3://landing/flats_.zip", None),
        ("s3://landing/offers", None),
        ("s3://landing2/offers/a", None),
        ("file:///landing/offers/a", None),
    ] {
        let route = catalog.route(&uri(object));
        let found =
            route.as_ref().map(|route| (route.dataset.id.as_str(), route.captures.get("day").map(String::as_str)));
        assert_eq!(found, expected, "{object}");
    }
    assert_eq!(catalog.iter().map(|dataset| dataset.id.as_str()).collect::<Vec<_>>(), ["else", "flats", "offers"]);
    assert!(catalog.get(&DatasetId::new("flats")).is_some() && catalog.get(&DatasetId::new("flat")).is_none());
    let prefixes: Vec<String> = catalog.prefixes().iter().map(ToString::to_string).collect();
    assert_eq!(prefixes, ["s3://landing/", "s3://other bucket/"]);
}

#[test]
fn problems_between_files_name_both_places() {
    let problems = check(&[
        simple("a", "\"x*.zip\"", ""),
        simple("a_b", "\"y*.zip\", \"*1.zip\"", ""),
        file(
            "a2.toml",
            "name = \"a\"\n[source]\nobjects = [\"z\"]\nformat = \"csv\"\n[tables.t]\nmode = \"append\"\ncolumns.a = { type = \"date\" }\n",
        ),
        file(
            "broken.toml",
            "name = \"d\"\n[source]\nobjects = [\"y5*\"]\nformat = \"csv\"\n[tables.b_t]\nmode = \"append\"\ncolumns.a = { type = \"dat\" }\n",
        ),
    ])
    .unwrap_err();
    insta::assert_snapshot!(problems.join("\n"), @r#"
    a_b.toml:4: source.objects: "*1.zip" and "x*.zip" in a.toml:4 both match s3://landing/x1.zip: an object belongs to one dataset
    a2.toml:1: name: the dataset "a" is defined already, in a.toml:1
    broken.toml:3: source.objects: "y5*" and "y*.zip" in a_b.toml:4 both match s3://landing/y5.zip: an object belongs to one dataset
    broken.toml:3: source.objects: "y5*" and "*1.zip" in a_b.toml:4 both match s3://landing/y51.zip: an object belongs to one dataset
    broken.toml:7: tables.b_t.columns.a.type: "dat" is not a type; did you mean date?
    "#);
}

#[test]
fn tables_of_one_name_in_a_warehouse_without_schemas_are_refused() {
    let one = simple("a", "\"x\"", "").text.replace("tables.t", "tables.b_c");
    let other = simple("a_b", "\"y\"", "").text.replace("tables.t", "tables.c");
    let problems = check(&[file("one.toml", &one), file("other.toml", &other)]).unwrap_err();
    insta::assert_snapshot!(problems.join("\n"), @r#"other.toml:7: tables.c: a_b_c would be the name of this table and of a.b_c in one.toml:7; rename one of them"#);
}

#[test]
fn what_lakehand_writes_never_lands_again() {
    let problems = check(&[
        simple("a", "\"s3://lake/**/*.parquet\"", ""),
        simple("b", "\"b/*.json\"", "after_load = \"archive:s3://landing/b/\""),
        simple("c", "\"c/*.json\"", "after_load = \"archive:s3://landing/done\""),
        simple("d", "\"d/*.json\"", "after_load = \"archive:s3://lake/clean/done\""),
    ])
    .unwrap_err();
    insta::assert_snapshot!(problems.join("\n"), @r#"
    a.toml:4: source.objects: "s3://lake/**/*.parquet" reaches into the lake, for example s3://lake/clean/.parquet: what is written would land again
    a.toml:4: source.objects: "s3://lake/**/*.parquet" reaches into the archive of d.toml:6, for example s3://lake/clean/done/.parquet: what is archived would land again
    b.toml:4: source.objects: "b/*.json" reaches into the archive of b.toml:6, for example s3://landing/b/.json: what is archived would land again
    d.toml:6: source.after_load: the archive and the lake overlap, for example s3://lake/clean/done/
    "#);
}

#[test]
fn no_lake_refuses_no_pattern() {
    let files = [simple("a", "\"s3://lake/**/*.parquet\"", "")];
    assert!(Catalog::check(&files, &landing(), None, &identity()).is_ok());
}

/// The definitions that are delivered.
fn delivered() -> Catalog {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/datasets");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        files.push(file(path.file_name().unwrap().to_str().unwrap(), &std::fs::read_to_string(&path).unwrap()));
    }
    check(&files).unwrap_or_else(|problems| panic!("{}", problems.join("\n")))
}

#[test]
fn the_flats_of_berlin_have_their_columns_and_links() {
    let catalog = delivered();
    let route = catalog.route(&uri("s3://landing/immobilienscout24_berlin_20190113_07.json.zip")).unwrap();
    let flats = route.dataset.table("flats").unwrap();
    assert_eq!(flats.columns.len(), 37);
    let fields = flats.columns.iter().take_while(|column| matches!(column.origin, Origin::Field(_)));
    assert_eq!(fields.count(), 34);
    let rent = &flats.shape.columns[5];
    assert_eq!((rent.name.as_str(), rent.column_type), ("base_rent", ColumnType::Decimal { precision: 12, scale: 2 }));
    let last = flats.shape.columns.last().unwrap();
    assert_eq!((last.name.as_str(), last.column_type), ("rent_per_sqm", ColumnType::Double));

    // A link holds the same hash as the key it leads to only if both are made of the same columns in the same order.
    let hash = |table: &str, column: &str| {
        let table = route.dataset.table(table).unwrap();
        let at = table.shape.columns.iter().position(|shape| shape.name == column).unwrap();
        match &table.columns[at].origin {
            Origin::Hash(columns) => columns.clone(),
            other => panic!("{column} is {other:?}"),
        }
    };
    assert_eq!(hash("flats", "address_id"), hash("address", "address_id"));
    assert_eq!(hash("flats", "agency_id"), hash("agency", "agency_id"));
    assert_eq!(hash("address", "city_id"), hash("city", "city_id"));
    for name in ["address", "city", "agency"] {
        let table = route.dataset.table(name).unwrap();
        assert!(table.skip_without_key, "{name}");
        assert!(table.shape.columns[0].required, "the key of {name}");
    }
}

#[test]
fn rent_offers_are_keyed_by_their_id() {
    let catalog = delivered();
    let route = catalog.route(&uri("s3://landing/rent_offers_2022-01-25.csv")).unwrap();
    assert_eq!(route.captures["day"], "2022-01-25");
    let offers = &route.dataset.table("offers").unwrap().shape;
    let contest = Contest::Upsert { key: vec!["id".to_owned()], version: Some("creation".to_owned()) };
    assert_eq!((&offers.contest, offers.columns.len()), (&contest, 25));
}

mod references;
