//! References: what they name, which datasets they make one family, and every problem they can have.

use lakehand_domain::shape::Reference;

use super::*;

/// A dataset of tables, each with its columns as they are written.
fn dataset(name: &str, tables: &[(&str, &str)]) -> DefinitionFile {
    let table = |(table, columns): &(&str, &str)| format!("[tables.{table}]\nmode = \"append\"\n{columns}\n");
    let text = format!(
        "name = \"{name}\"\n[source]\nobjects = [\"{name}/*\"]\nformat = \"jsonl\"\n{}",
        tables.iter().map(table).collect::<String>()
    );
    file(&format!("{name}.toml"), &text)
}

fn customers() -> DefinitionFile {
    let people = "columns.id = { type = \"bigint\" }\ncolumns.mail = { type = \"varchar(64)\", mask = \"sha256\" }";
    dataset(
        "customers",
        &[("people", people), ("towns", "columns.town = { type = \"varchar(9)\" }\ncolumns.id = { type = \"real\" }")],
    )
}

fn orders(column_type: &str, references: &str) -> DefinitionFile {
    let column = format!("columns.c = {{ type = \"{column_type}\", references = \"{references}\" }}");
    dataset("orders", &[("t", &column)])
}

#[test]
fn what_they_name_is_found_and_families_are_made() {
    let items = dataset("items", &[("t", "columns.o = { type = \"integer\", references = \"orders.c\" }")]);
    let alone = dataset("alone", &[("t", "columns.o = { type = \"integer\" }")]);
    let catalog = check(&[items, orders("bigint", "customers.people.id"), customers(), alone]).unwrap();
    let of = |name: &str| Arc::clone(catalog.get(&DatasetId::new(name)).unwrap());
    let expected = Reference {
        column: "c".to_owned(),
        dataset: DatasetId::new("customers"),
        table: "people".to_owned(),
        to: "id".to_owned(),
    };
    assert_eq!(of("orders").tables[0].shape.references, [expected]);
    for name in ["customers", "orders", "items"] {
        assert_eq!(of(name).family().as_str(), "customers", "{name}");
    }
    assert_eq!(of("alone").family().as_str(), "alone");
    let members: Vec<&str> =
        catalog.of_family(&FamilyId::new("customers")).map(|dataset| dataset.id.as_str()).collect();
    assert_eq!(members, ["customers", "items", "orders"]);
    let shapes = catalog.family_shapes();
    assert_eq!(shapes.iter().map(|shape| shape.tables.len()).collect::<Vec<_>>(), [1, 4]);
    // What a column references decides the standing of rows.
    let other = check(&[orders("varchar(20)", "customers.town"), customers()]).unwrap();
    let free = check(&[dataset("orders", &[("t", "columns.c = { type = \"bigint\" }")]), customers()]).unwrap();
    let fingerprints =
        [&catalog, &other, &free].map(|catalog| catalog.get(&DatasetId::new("orders")).unwrap().fingerprint.clone());
    assert!(fingerprints[0] != fingerprints[1] && fingerprints[0] != fingerprints[2]);
    assert_eq!(of("customers").fingerprint, free.get(&DatasetId::new("customers")).unwrap().fingerprint);
}

#[test]
fn every_problem_is_told() {
    let place = "orders.toml:7: tables.t.columns.c.references";
    for (column_type, references, expected) in [
        ("bigint", "customers", "\"customers\" is not dataset.table.column, or dataset.column"),
        ("bigint", "customer.id", "there is no dataset \"customer\"; did you mean customers?"),
        ("bigint", "orders.c", "names its own dataset; references are to others"),
        ("bigint", "customers.people.idd", "there is no column \"idd\" in table customers.people; did you mean id?"),
        ("bigint", "customers.place.id", "there is no column \"id\" in table customers.place"),
        (
            "bigint",
            "customers.id",
            "tables people and towns of customers both have a column id; write customers.people.id",
        ),
        (
            "date",
            "customers.people.id",
            "is date, and customers.people.id is bigint: they cannot be compared for being the same; give both the same type",
        ),
        (
            "real",
            "customers.towns.id",
            "is real, and customers.towns.id is real: they cannot be compared for being the same; give both the same type",
        ),
        (
            "varchar(64)",
            "customers.mail",
            "is masked otherwise than what it references, so that they are never the same",
        ),
    ] {
        let problems = check(&[customers(), orders(column_type, references)]).unwrap_err();
        assert_eq!(problems, [format!("{place}: {expected}")], "{references}");
    }
    let runs = file(
        "orders.toml",
        "name = \"orders\"\n[source]\nobjects = [\"orders/{run}_{n}_{all}\"]\nformat = \"jsonl\"\n[tables.t]\nmode = \"replace\"\nscope = []\nrun = \"run\"\nrun_files = \"all\"\ncolumns.c = { type = \"bigint\", references = \"customers.people.id\" }\n",
    );
    let problems = check(&[customers(), runs]).unwrap_err();
    assert_eq!(
        problems,
        [
            "orders.toml:10: tables.t.columns.c.references: is not for a dataset with a table that has runs of several files: its rows wait for their runs; make them two datasets, or leave run and run_files out"
        ]
    );
}

#[test]
fn circles_are_refused() {
    let of = |name: &str, parent: &str| {
        dataset(name, &[("t", &format!("columns.c = {{ type = \"bigint\", references = \"{parent}.c\" }}"))])
    };
    let problems = check(&[of("a", "b"), of("b", "c"), of("c", "a"), of("d", "a")]).unwrap_err();
    let expected = [
        ("a", "a references b references c references a"),
        ("b", "b references c references a references b"),
        ("c", "c references a references b references c"),
    ];
    let expected = expected.map(|(name, circle)| {
        format!("{name}.toml:7: tables.t.columns.c.references: makes a circle: {circle}; a record would wait for itself: take one of them out")
    });
    assert_eq!(problems, expected);
}
