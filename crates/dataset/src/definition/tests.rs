use toml::de::DeTable;

use super::*;
use crate::problem::Report;

/// Every key a section knows, and whether it must be there.
fn keys(schema: &Json) -> String {
    let required = schema["required"].as_array().unwrap();
    let mark = |key: &String| if required.contains(&Json::from(key.as_str())) { "!" } else { "" };
    let properties = schema["properties"].as_object().unwrap();
    let mut keys: Vec<String> = properties.keys().map(|key| format!("{key}{}", mark(key))).collect();
    keys.sort();
    assert_eq!(schema["additionalProperties"], false);
    keys.join(" ")
}

#[test]
fn the_schema_knows_every_section_and_says_what_each_key_is_for() {
    let schema = json_schema();
    let sections = &schema["properties"];
    assert_eq!(keys(&schema), "checks description encoding name! privacy quality revision source! tables!");
    assert_eq!(
        keys(&sections["source"]),
        "after_load binary csv encoding format! max_block_bytes max_expanded_bytes max_expansion max_line_bytes objects! \
         on_rewrite records"
    );
    assert_eq!(
        keys(&sections["source"]["properties"]["csv"]),
        "comment delimiter empty_is_null escape header names quote"
    );
    assert_eq!(keys(&sections["quality"]), "freshness max_partitions max_rejects min_records unknown_fields");
    assert_eq!(keys(&sections["encoding"]), "part_bytes row_group_rows zstd_level");
    assert_eq!(keys(&sections["checks"]["additionalProperties"]), "message sql!");
    let table = &sections["tables"]["additionalProperties"];
    assert_eq!(
        keys(table),
        "columns! key mode! partition_by redshift rows rows_without_key run run_files scope \
         version where"
    );
    assert_eq!(keys(&table["properties"]["redshift"]), "dist_key dist_style json sort_key");
    let column = &table["properties"]["columns"]["additionalProperties"];
    assert_eq!(
        keys(column),
        "capture default expr extract format from hash_of map mask matches max max_length min min_length null_if one_of \
         references required subject trim type! unique zone"
    );
    assert_eq!(table["properties"]["mode"]["enum"], json!(["append", "upsert", "replace"]));
    assert_eq!(
        column["properties"]["required"]["description"],
        "Whether a row without a value is rejected. Default false."
    );
    assert_eq!(
        column["properties"]["type"]["description"],
        "boolean, smallint, integer, bigint, real, double, decimal(p,s), varchar(n), date, timestamp, timestamptz or\njson."
    );
}

#[test]
fn scalars_keep_their_spelling() {
    let text =
        "a = [1, -2, 1_000, 0x1F, 1.50, 1e3, true, 2024-01-02, 2024-01-02T03:04:05+01:00, 2024-01-02 03:04:05, \"x\"]";
    let table = DeTable::parse(text).unwrap();
    let file = crate::problem::DefinitionFile { path: String::new(), text: text.to_owned() };
    let mut report = Report::new(&file);
    let mut reader = Reader::new(&mut report, true);
    let read = <Vec<At<Scalar>>>::read(&table.get_ref()["a"], &mut reader).unwrap();
    let texts: Vec<&str> = read.iter().map(|scalar| scalar.value.0.as_str()).collect();
    let expected = ["1", "-2", "1000", "31", "1.50", "1e3", "true", "2024-01-02"];
    assert_eq!(texts[..8], expected);
    assert_eq!(texts[8..], ["2024-01-02T03:04:05+01:00", "2024-01-02T03:04:05", "x"]);
}

#[test]
fn the_example_of_the_module_is_a_good_definition() {
    let source = include_str!("../definition.rs");
    let example = source.split("```toml").nth(1).unwrap().split("```").next().unwrap();
    let text = example.lines().map(|line| line.trim_start_matches("//!").trim_start()).collect::<Vec<_>>().join("\n");
    let file = crate::problem::DefinitionFile { path: "example.toml".to_owned(), text };
    let landing = lakehand_domain::object::ObjectUri::parse("s3://landing").unwrap();
    let identity = crate::fingerprint::TransformIdentity("t".to_owned());
    let dataset = crate::check::check_definition(&file, &landing, &identity);
    assert_eq!(dataset.unwrap().id.as_str(), "berlin_flats");
}
