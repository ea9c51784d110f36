use lakehand_domain::shape::{ColumnShape, ColumnType, Contest, OnRewrite, TableLayout};

use super::super::ddl;
use super::*;

fn table(dataset: &str, name: &str, references: &[(&str, &str)]) -> TableShape {
    let column = |name: &str| ColumnShape { name: name.to_owned(), column_type: ColumnType::Bigint, required: false };
    let reference = |(column, dataset): &(&str, &str)| Reference {
        column: (*column).to_owned(),
        dataset: DatasetId::new(*dataset),
        table: "t".to_owned(),
        to: "id".to_owned(),
    };
    TableShape {
        dataset: DatasetId::new(dataset),
        name: name.to_owned(),
        columns: vec![column("id"), column("a"), column("b")],
        contest: Contest::Append { on_rewrite: OnRewrite::Replace },
        has_where: false,
        exploded: false,
        layout: TableLayout::default(),
        subjects: Vec::new(),
        references: references.iter().map(reference).collect(),
    }
}

/// Customers; their orders, in two tables; the items of orders, which name customers as well.
fn family() -> Vec<TableShape> {
    vec![
        table("customers", "t", &[]),
        table("orders", "t", &[("a", "customers")]),
        table("orders", "u", &[]),
        table("items", "t", &[("a", "orders"), ("b", "customers")]),
    ]
}

fn made(all: &[TableShape]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    for table in all {
        connection.execute_batch(&ddl::create_rows(&names::rows(table), &ddl::rows_columns(table))).unwrap();
        for statement in ddl::create_indexes(table) {
            connection.execute_batch(&statement).unwrap();
        }
    }
    for statement in indexes(all) {
        connection.execute_batch(&statement).unwrap();
    }
    connection
}

/// One row for each record, visible.
fn add(connection: &Connection, table: &TableShape, load: &str, rows: &[(i64, Option<i64>, Option<i64>)]) {
    for (record, (id, a, b)) in rows.iter().enumerate() {
        connection
            .execute(
                &format!(
                    "INSERT INTO {} (\"id\", \"a\", \"b\", \"_load_id\", \"_object\", \"_record\", \"_order\", \
                     \"_standing\") VALUES (?1, ?2, ?3, ?4, ?4, ?5, '1', 'visible')",
                    quote(&names::rows(table))
                ),
                rusqlite::params![id, a, b, load, i64::try_from(record).unwrap()],
            )
            .unwrap();
    }
}

fn visible(connection: &Connection, table: &TableShape) -> Vec<i64> {
    let sql = format!("SELECT \"id\" FROM {} WHERE \"_standing\" = 'visible' ORDER BY 1", quote(&names::rows(table)));
    let mut statement = connection.prepare(&sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn no_table_of_rows_is_read_through() {
    let all = family();
    let connection = made(&all);
    let mut asked = 0;
    for changed in ["customers", "orders", "items"] {
        let tied = Tied { all: all.clone(), changed: DatasetId::new(changed) };
        tied.watch(&connection).unwrap();
        for statement in tied.decisions() {
            if statement.starts_with("INSERT") || statement.starts_with("UPDATE") {
                let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
                let steps = explained.query_map([], |row| row.get::<_, String>("detail")).unwrap();
                for step in steps.map(Result::unwrap).filter(|step| step.starts_with("SCAN")) {
                    // What was noted is read through; `k` and `v` are its names.
                    assert!(["SCAN k", "SCAN v"].contains(&step.as_str()), "{step}: {statement}");
                }
                asked += 1;
            }
            connection.execute_batch(&statement).unwrap();
        }
    }
    assert!(asked >= 12, "{asked} statements");
}

#[test]
fn only_what_a_batch_touches_is_decided() {
    let all = family();
    let [customers, orders, second, items] = all.as_slice() else { panic!("four tables") };
    let connection = made(&all);
    let batch = |changed: &str, apply: &dyn Fn()| {
        let tied = Tied { all: all.clone(), changed: DatasetId::new(changed) };
        tied.watch(&connection).unwrap();
        apply();
        let before = connection.total_changes();
        tied.decide(&connection).unwrap();
        connection.total_changes() - before
    };
    let many: Vec<(i64, Option<i64>, Option<i64>)> = (0..1_000).map(|id| (id, Some(id % 100), None)).collect();
    batch("orders", &|| add(&connection, orders, "o1", &many));
    assert_eq!(visible(&connection, orders), [0; 0], "they wait for their customers");
    batch("orders", &|| {
        add(&connection, orders, "o2", &[(5_000, Some(7), None)]);
        add(&connection, second, "o2", &[(5_001, None, None)]);
    });
    assert_eq!(visible(&connection, second), [0; 0], "a record waits in all its tables");
    batch("items", &|| add(&connection, items, "i1", &[(1, Some(7), None), (2, Some(8), None), (3, Some(7), Some(9))]));
    // Ten of a thousand orders are of customer 7, and one more, in two tables.
    let touched = batch("customers", &|| add(&connection, customers, "c1", &[(7, None, None)]));
    assert_eq!(visible(&connection, orders), [7, 107, 207, 307, 407, 507, 607, 707, 807, 907, 5_000]);
    assert_eq!(visible(&connection, second), [5_001]);
    assert_eq!(visible(&connection, items), [1], "item 3 is of customer 9 as well");
    assert!(touched < 100, "{touched} changes for twelve records");
    // What comes back, and is there when the batch ends, moves nothing.
    let rows = quote(&names::rows(customers));
    batch("customers", &|| {
        connection.execute(&format!("DELETE FROM {rows}"), []).unwrap();
        add(&connection, customers, "c2", &[(7, None, None), (9, None, None)]);
    });
    assert_eq!(visible(&connection, orders).len(), 21);
    assert_eq!(visible(&connection, items), [1, 3]);
    batch("customers", &|| connection.execute_batch(&format!("DELETE FROM {rows} WHERE id = 7")).unwrap());
    assert_eq!((visible(&connection, orders).len(), visible(&connection, items)), (10, Vec::new()));
    let left: i64 = connection.query_row("SELECT count(*) FROM sqlite_temp_master", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}
