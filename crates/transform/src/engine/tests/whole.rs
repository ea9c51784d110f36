//! The whole way from bytes to parts, by definitions as people write them.

use std::fmt::Write as _;

use lakehand_dataset::check::check_definition;
use lakehand_dataset::fingerprint::TransformIdentity;
use lakehand_dataset::problem::DefinitionFile;

use super::*;

const DEFINITION: &str = r#"
name = "orders"
[source]
objects = ["orders_{day}.jsonl"]
format = "jsonl"
[quality]
max_rejects = "1%"
[encoding]
row_group_rows = 5000

[tables.orders]
mode = "upsert"
key = ["id"]
partition_by = ["month(day)"]
where = "state <> 'CANCELLED'"
[tables.orders.columns]
id = { type = "bigint", from = "id", required = true }
state = { type = "varchar(20)", from = "state" }
day = { type = "date", from = "day" }
net = { type = "decimal(12,2)", from = "net" }
gross = { type = "decimal(12,2)", expr = "ROUND(net * 1.19, 2)", max = 100000 }
from_file = { type = "date", capture = "day" }

[tables.items]
mode = "append"
rows = "items[]"
[tables.items.columns]
order_id = { type = "bigint", from = "$.id" }
sku = { type = "varchar(40)", from = "sku" }
quantity = { type = "integer", from = "quantity" }
double_quantity = { type = "smallint", expr = "quantity * 2" }
"#;

fn orders() -> Arc<Dataset> {
    let landing = ObjectUri::parse("file:///landing").unwrap();
    let file = DefinitionFile { path: "orders.toml".to_owned(), text: DEFINITION.to_owned() };
    Arc::new(check_definition(&file, &landing, &TransformIdentity("t".to_owned())).unwrap())
}

fn orders_input(lines: String) -> TransformInput {
    TransformInput {
        dataset: orders(),
        captures: BTreeMap::from([("day".to_owned(), "2026-11-21".to_owned())]),
        load_id: LoadId::new("0123456789abcdef0123456789abcdef"),
        object: ObjectUri::parse("file:///landing/orders_2026-11-21.jsonl").unwrap(),
        order: Order::from_text("o"),
        content: Content::Bytes(Bytes::from(lines)),
    }
}

/// Some chunks of orders; every thousandth has a quantity that its double does not fit, every two thousandth is no
/// JSON.
fn lines(count: u32) -> String {
    let mut text = String::new();
    for id in 1..=count {
        let state = ["NEW", "PAID", "CANCELLED"][id as usize % 3];
        let quantity = if id % 1000 == 500 { 20_000 } else { id % 7 };
        if id % 2000 == 0 {
            writeln!(text, "{{\"id\":{id},\"state\"").unwrap();
            continue;
        }
        writeln!(
            text,
            "{{\"id\":{id},\"state\":\"{state}\",\"day\":\"2026-{:02}-11\",\"net\":{}.{:02},\"items\":[{{\"sku\":\"a-{id}-{}\",\"quantity\":1}},{{\"sku\":\"b\",\"quantity\":{quantity}}}]}}",
            id % 3 + 1,
            id % 900,
            id % 100,
            "x".repeat(20),
        )
        .unwrap();
    }
    text
}

#[test]
fn a_file_becomes_the_same_parts_whatever_the_threads() {
    let input = orders_input(lines(80_000));
    let mut runs = Vec::new();
    for threads in [1, 2, 4] {
        let sink = Memory::default();
        let engine = Engine::with_threads(NonZeroUsize::new(threads).unwrap());
        let transformed = engine.transform(&input, &sink, &|| false).unwrap();
        let parts = sink.parts.lock().unwrap().clone();
        runs.push((transformed, parts));
    }
    assert!(runs[0] == runs[1] && runs[0] == runs[2]);
    let (transformed, parts) = &runs[0];
    let sink = Memory { parts: Arc::new(Mutex::new(parts.clone())), ..Memory::default() };
    assert_eq!((transformed.records, transformed.rejects.total()), (80_000, 120));
    assert_eq!(transformed.verdict, Verdict::Accepted);
    let rows: Vec<u64> = transformed.tables.iter().map(|table| table.rows).collect();
    assert_eq!(rows, [80_000 - 120, 2 * (80_000 - 120)]);

    // Rejects stand in the order of the file, under their line, and are nowhere else.
    let rejects = sink.quarantine(transformed);
    let expected: Vec<u64> = (1..=80_000).filter(|id| id % 2000 == 0 || id % 1000 == 500).collect();
    assert_eq!(rejects.iter().map(|reject| reject.record).collect::<Vec<_>>(), expected);
    assert_eq!(rejects[0].column.as_deref(), Some("items.double_quantity"));
    assert_eq!((rejects[0].rule, rejects[0].value.as_deref()), (Rule::Range, Some("40000")));
    assert!(rejects[0].raw.starts_with("{\"id\":500,"));
    assert_eq!(rejects[2].rule, Rule::Syntax);

    let orders = &transformed.tables[0];
    let mut partitions: Vec<_> = orders.parts.iter().map(|part| part.partition[0].clone()).collect();
    partitions.dedup();
    assert_eq!(partitions, ["p_day=2026-01", "p_day=2026-02", "p_day=2026-03"]);
    let mut ids = Vec::new();
    for part in &orders.parts {
        let columns = sink.rows(part, &orders.columns);
        let names: Vec<_> = orders.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names[6..], ["_passes", "_load_id", "_object", "_record", "_order"]);
        let (state, ColumnValues::Boolean(passes)) = (texts(&columns[1]), &columns[6]) else { panic!("{columns:?}") };
        assert!(
            state.iter().zip(passes).all(|(state, passes)| (state.as_deref() != Some("CANCELLED")) == passes.unwrap())
        );
        assert_eq!(integers(&columns[0]), integers(&columns[9]));
        ids.extend(integers(&columns[0]).into_iter().flatten());
        let (ColumnValues::Decimal { unscaled: net, .. }, ColumnValues::Decimal { unscaled: gross, .. }) =
            (&columns[3], &columns[4])
        else {
            panic!("{columns:?}");
        };
        assert!(net.iter().zip(gross).all(|(net, gross)| (net.unwrap() * 119 - gross.unwrap() * 100).abs() <= 50));
        assert_eq!(columns[5], ColumnValues::Date(vec![Some(20_778); net.len()]));
    }
    ids.sort_unstable();
    let accepted = (1..=80_000i64).filter(|id| id % 2000 != 0 && id % 1000 != 500);
    assert!(ids.into_iter().eq(accepted));

    let items = &transformed.tables[1];
    let columns = sink.rows(&items.parts[0], &items.columns);
    assert_eq!(integers(&columns[0])[..4], [1, 1, 2, 2].map(Some));
    assert_eq!(integers(&columns[3])[..4], [2, 2, 2, 4].map(Some));
    assert_eq!(integers(&columns[7])[..4], [1, 2, 1, 2].map(Some));
    assert_eq!(items.columns[7].name, "_element");
}

#[test]
fn the_same_rows_come_from_a_file_and_from_memory() {
    let text = lines(3000);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut input = orders_input(text);
    let engine = Engine::new();
    let memory = Memory::default();
    let from_memory = engine.transform(&input, &memory, &|| false).unwrap();
    input.content = Content::File { len: input.content.len(), file: Arc::new(file) };
    let sink = Memory::default();
    let from_file = engine.transform(&input, &sink, &|| false).unwrap();
    assert_eq!(from_file, from_memory);
    assert!(*sink.parts.lock().unwrap() == *memory.parts.lock().unwrap());
}

#[test]
fn a_stop_before_the_start_makes_nothing() {
    let sink = Memory::default();
    let error = Engine::new().transform(&orders_input(lines(10)), &sink, &|| true).unwrap_err();
    assert!(matches!(error, TransformError::Cancelled));
    assert!(sink.begun.lock().unwrap().is_empty());
}

#[test]
fn blank_lines_alone_are_accepted() {
    let transformed =
        Engine::new().transform(&orders_input("\n\n\r\n".to_owned()), &Memory::default(), &|| false).unwrap();
    assert_eq!((transformed.verdict, transformed.records), (Verdict::Accepted, 0));
    assert!(transformed.tables.iter().all(|table| table.rows == 0 && table.parts.is_empty()));
    assert!(transformed.quarantine.is_none());
}

#[test]
fn the_check_names_every_expression_that_cannot_hold() {
    let mut dataset = (*orders()).clone();
    assert_eq!(Engine::new().check(&dataset), []);
    dataset.tables[0].filter = Some("net + 1".to_owned());
    dataset.tables[0].columns[4].origin = Origin::Expression("nosuch * 2".to_owned());
    dataset.tables[1].columns[3].origin = Origin::Expression("sku || '!'".to_owned());
    let problems = Engine::new().check(&dataset);
    let paths: Vec<_> = problems.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        ["tables.orders.columns.gross.expr", "tables.orders.where", "tables.items.columns.double_quantity.expr"]
    );
    assert!(problems[0].1.contains("nosuch"));
    assert!(problems[1].1.contains("not a boolean"));
    assert!(problems[2].1.contains("smallint"));
    // An expression may not use another one.
    dataset = (*orders()).clone();
    dataset.tables[0].columns[4].origin = Origin::Expression("gross".to_owned());
    assert_eq!(Engine::new().check(&dataset).len(), 1);
    let mut input = orders_input(lines(10));
    input.dataset = Arc::new(dataset);
    assert!(matches!(
        Engine::new().transform(&input, &Memory::default(), &|| false),
        Err(TransformError::Engine { .. })
    ));
}

#[test]
fn the_reason_is_told_whichever_worker_meets_it() {
    let mut input = orders_input(String::new());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packed.write_all(lines(60_000).as_bytes()).unwrap();
    let mut packed = packed.finish().unwrap();
    packed.truncate(packed.len() - 100);
    input.content = Content::Bytes(Bytes::from(packed));
    let engine = Engine::with_threads(NonZeroUsize::new(8).unwrap());
    for _ in 0..3 {
        let error = engine.transform(&input, &Memory::default(), &|| false).unwrap_err();
        assert!(matches!(error, TransformError::Unreadable { .. }), "{error:?}");
    }
}
