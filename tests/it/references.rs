//! References between datasets over three levels, whatever comes first: customers, their orders, and the items of these.

use serde_json::Value;

use crate::harness::{Site, text};

const CUSTOMERS: &str = r#"
name = "customers"
[source]
objects = ["customers_*.csv"]
format = "csv"
[tables.people]
mode = "upsert"
key = ["id"]
version = "changed"
where = "active"
[tables.people.columns]
id = { type = "integer", required = true }
changed = { type = "integer", required = true }
active = { type = "boolean", required = true }
"#;

const ORDERS: &str = r#"
name = "orders"
[source]
objects = ["orders_*.jsonl"]
format = "jsonl"
[quality]
max_rejects = "50%"
[tables.orders]
mode = "append"
[tables.orders.columns]
number = { type = "varchar(10)", required = true }
customer = { type = "bigint", references = "customers.people.id" }
"#;

const ITEMS: &str = r#"
name = "items"
[source]
objects = ["items_*.csv"]
format = "csv"
[tables.items]
mode = "upsert"
key = ["id"]
[tables.items.columns]
id = { type = "integer", required = true }
order = { type = "varchar(10)", required = true, references = "orders.number" }
"#;

const ALL: [&str; 3] = [ITEMS, ORDERS, CUSTOMERS];

const SEEN: [(&str, &str); 3] = [("customers_people", "id"), ("orders_orders", "number"), ("items_items", "id")];

/// What people see of each dataset.
fn seen(site: &Site) -> [String; 3] {
    SEEN.map(|(view, column)| {
        let rows = site.query(&format!("SELECT {column} FROM {view} ORDER BY 1"));
        rows.concat().join(" ")
    })
}

/// Where the records of a file went: visible, deduplicated, filtered, waiting, rejected. They are all that were read.
fn account(site: &Site, file: &str) -> [u64; 5] {
    let told = site.json(&["explain", file]);
    assert_eq!(told["adds_up"], true, "{told:#}");
    let generation = &told["versions"][0]["generations"][0];
    assert_eq!(generation["state"], "loaded", "{told:#}");
    let table = &generation["tables"][0];
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{table:#}"));
    let of_standing = |name: &str| number(&table["standing"][name]);
    let account = [
        of_standing("visible"),
        of_standing("lost"),
        of_standing("filtered"),
        of_standing("waiting"),
        number(&table["rejected"]),
    ];
    assert_eq!(account.iter().sum::<u64>(), number(&table["records"]), "{table:#}");
    account
}

/// Files of each level in their last version, and those that a newer version of the file replaces.
const ITEMS_1: &str = "id,order\n1,a\n2,b\n3,c\n4,nowhere\n";
const ITEMS_2: &str = "id,order\n4,c\n5,d\n";
const ORDERS_BEFORE: &str =
    "{\"number\":\"a\",\"customer\":1}\n{\"number\":\"b\",\"customer\":2}\n{\"number\":\"c\"}\nno JSON\n";
const ORDERS_AFTER: &str = "{\"number\":\"b\",\"customer\":1}\n{\"number\":\"c\"}\n{\"number\":\"d\",\"customer\":3}\n";
const CUSTOMERS_1: &str = "id,changed,active\n1,1,true\n2,1,true\n";
const CUSTOMERS_2: &str = "id,changed,active\n2,2,false\n3,2,true\n";

#[test]
fn records_are_visible_while_what_they_reference_is_whatever_comes_first() {
    let site = Site::new(&ALL);
    // Children first: the items of orders that nobody knows, then orders of customers that nobody knows.
    site.land("items_1.csv", ITEMS_1);
    assert_eq!(site.drain(), 0);
    assert_eq!(account(&site, "items_1.csv"), [0, 0, 0, 4, 0]);
    site.land("orders_1.jsonl", ORDERS_BEFORE);
    assert_eq!(site.drain(), 0);
    assert_eq!(seen(&site), ["", "c", "3"]);
    assert_eq!(account(&site, "orders_1.jsonl"), [1, 0, 0, 2, 1]);
    let shown = text(&site.run(&["explain", "orders_1.jsonl"]));
    assert!(shown.contains("4 records read = 1 visible + 2 waiting + 1 rejected: adds up"), "{shown}");
    assert!(shown.contains("waiting for customer to be visible in customers.people.id"), "{shown}");

    site.land("customers_1.csv", CUSTOMERS_1);
    assert_eq!(site.drain(), 0);
    assert_eq!(seen(&site), ["1 2", "a b c", "1 2 3"]);
    assert_eq!(account(&site, "items_1.csv"), [3, 0, 0, 1, 0]);

    // Told again, nothing changes: neither by another look at what lies there, nor by transforming it anew.
    let before = site.warehouse();
    assert_eq!(site.drain(), 0);
    assert_eq!(site.warehouse(), before);
    assert_eq!(site.run(&["replay", "items_1.csv"]).status.code(), Some(0));
    assert_eq!(site.drain(), 0);
    assert_eq!(seen(&site), ["1 2", "a b c", "1 2 3"]);

    // Customer 2 is not active any more, its order and the item of that wait.
    site.land("customers_2.csv", CUSTOMERS_2);
    assert_eq!(site.drain(), 0);
    assert_eq!(seen(&site), ["1 3", "a c", "1 3"]);
    assert_eq!(account(&site, "customers_1.csv"), [1, 1, 0, 0, 0]);
    // A newer version of the orders has lost a, gives b to customer 1, and has d; the newer of item 4 is of order c.
    site.land("orders_1.jsonl", ORDERS_AFTER);
    site.land("items_2.csv", ITEMS_2);
    assert_eq!(site.drain(), 0);
    let last = ["1 3", "b c d", "2 3 4 5"];
    assert_eq!(seen(&site), last);
    assert_eq!(account(&site, "items_1.csv"), [2, 1, 0, 1, 0]);

    // Parents first, all at once and with nothing before it, it is the same.
    let other = Site::new(&ALL);
    for (name, bytes) in [
        ("customers_2.csv", CUSTOMERS_2),
        ("customers_1.csv", CUSTOMERS_1),
        ("orders_1.jsonl", ORDERS_AFTER),
        ("items_1.csv", ITEMS_1),
        ("items_2.csv", ITEMS_2),
    ] {
        other.land(name, bytes);
    }
    assert_eq!(other.drain(), 0);
    assert_eq!(seen(&other), last);
}

#[test]
fn a_dataset_that_changes_its_family_is_refused_with_what_to_do() {
    let free = ORDERS.replace(", references = \"customers.people.id\"", "");
    let site = Site::new(&[&free, CUSTOMERS]);
    site.land("orders_1.jsonl", ORDERS_BEFORE);
    site.land("customers_1.csv", CUSTOMERS_1);
    assert_eq!(site.drain(), 0);
    std::fs::write(site.path("datasets/d0.toml"), ORDERS).expect("a definition");
    let checked = site.run(&["check", "--against-warehouse"]);
    let said = text(&checked);
    assert_eq!(checked.status.code(), Some(64), "{said}");
    let words = ["table orders.orders was loaded into family orders", "one of family customers now", "another name"];
    assert!(words.iter().all(|part| said.contains(part)), "{said}");

    // Another name, and the files once more, as it says.
    let renamed = ORDERS.replace("name = \"orders\"", "name = \"sales\"").replace("orders_*", "sales_*");
    std::fs::write(site.path("datasets/d0.toml"), renamed).expect("a definition");
    assert_eq!(site.run(&["check", "--against-warehouse"]).status.code(), Some(0));
    site.land("sales_1.jsonl", ORDERS_BEFORE);
    assert_eq!(site.drain(), 0);
    assert_eq!(site.query("SELECT number FROM sales_orders ORDER BY 1").concat(), ["a", "b", "c"]);
}
