//! A definition that grows while old files still wait, and what `check --against-warehouse` says of it before.

use serde_json::Value;

use crate::harness::{Site, text};

/// The definition before it grows.
pub(crate) const GOODS: &str = r#"
name = "goods"
[source]
objects = ["goods_*.csv"]
format = "csv"
[quality]
max_rejects = 0
[tables.goods]
mode = "upsert"
key = ["id"]
version = "changed"
[tables.goods.columns]
id = { type = "integer", required = true }
changed = { type = "smallint", required = true }
note = { type = "varchar(5)" }
price = { type = "decimal(5,2)" }
"#;

/// Wider in every way, and with one column more.
pub(crate) fn grown(definition: &str) -> String {
    definition
        .replace("id = { type = \"integer\"", "id = { type = \"bigint\"")
        .replace("changed = { type = \"smallint\"", "changed = { type = \"integer\"")
        .replace("varchar(5)", "varchar(40)")
        .replace("decimal(5,2)", "decimal(20,2)")
        + "maker = { type = \"varchar(20)\", default = \"nobody\" }\n"
}

fn redefine(site: &Site, text: &str) {
    std::fs::write(site.path("datasets/d0.toml"), text).expect("a definition");
}

/// What would become of the one dataset: the exit code, and each change as its table, step and column.
fn planned(site: &Site) -> (Option<i32>, Vec<String>, Value) {
    let output = site.run(&["check", "--against-warehouse", "--output", "json"]);
    let told: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    let changes = told["warehouse"][0]["changes"].as_array().expect("changes").iter();
    let words = changes.map(|change| {
        let part = |key: &str| change["step"][key].as_str().unwrap_or("").to_owned();
        format!("{} {} {} {}", part("step"), part("column"), part("is"), part("becomes")).trim().to_owned()
    });
    (output.status.code(), words.collect(), told)
}

const CHANGES: [&str; 5] = [
    "retype id integer bigint",
    "retype changed smallint integer",
    "retype note varchar(5) varchar(40)",
    "retype price decimal(5,2) decimal(20,2)",
    "add maker  varchar(20)",
];

#[test]
fn columns_come_and_grow_wider_while_old_files_wait() {
    let site = Site::new(&[GOODS]);
    assert_eq!(planned(&site).1, ["create"], "there is no warehouse yet");
    assert!(!site.path("state/warehouse.sqlite").try_exists().expect("a folder"), "looking makes none");
    site.land("goods_1.csv", "id,changed,note,price\n1,1,old,1.50\n2,1,,2.00\n");
    assert_eq!(site.drain(), 0);
    assert_eq!((planned(&site).0, planned(&site).1), (Some(0), Vec::new()));

    // A file is written under the old definition, and waits.
    assert!(site.run(&["pause"]).status.success());
    site.land("goods_2.csv", "id,changed,note,price\n2,2,wait,3.25\n3,1,,\n");
    assert_eq!(site.run(&["run", "--drain"]).status.code(), Some(1));
    let before = site.warehouse();
    redefine(&site, &grown(GOODS));
    let (code, changes, told) = planned(&site);
    assert_eq!((code, changes), (Some(0), CHANGES.map(str::to_owned).to_vec()), "{told:#}");
    let shown = text(&site.run(&["check", "--against-warehouse"]));
    for words in ["get the column maker varchar(20)", "have id as bigint in place of integer", "all is well"] {
        assert!(shown.contains(words), "no {words:?} in\n{shown}");
    }
    assert_eq!(site.warehouse(), before, "nothing was changed");

    site.land(
        "goods_3.csv",
        "id,changed,note,price,maker\n9007199254740993,70000,much longer than before,123456789012345678.99,us\n1,2,new,9.99,\n",
    );
    assert!(site.run(&["resume"]).status.success());
    assert_eq!(site.drain(), 0);
    let rows = site.query("SELECT id, changed, note, price, maker FROM goods_goods ORDER BY id");
    let first = rows.iter().map(|row| row[..3].join(" ")).collect::<Vec<_>>();
    assert_eq!(
        first,
        ["1 2 new", "2 2 wait", "3 1 null", "9007199254740993 70000 much longer than before"],
        "{rows:?}"
    );
    assert_eq!(rows[3][3], "123456789012345678.99");
    let makers: Vec<&str> = rows.iter().map(|row| row[4].as_str()).collect();
    assert_eq!((makers[0], makers[3]), ("nobody", "us"));
    assert_eq!((planned(&site).0, planned(&site).1), (Some(0), Vec::new()), "all is done");

    // To go back would bend rows, and its turn is over besides.
    redefine(&site, GOODS);
    let (code, _, told) = planned(&site);
    let refused = told["warehouse"][0]["refused"].as_str().expect("a refusal");
    assert_eq!(code, Some(64), "{told:#}");
    assert!(refused.contains("raise revision"), "{refused}");
}

#[test]
fn what_would_bend_rows_is_refused_before_anything_is_loaded() {
    let site = Site::new(&[GOODS]);
    site.land("goods_1.csv", "id,changed,note,price\n1,1,old,1.50\n");
    assert_eq!(site.drain(), 0);
    let before = site.warehouse();
    for (from, to, words) in [
        ("varchar(5)", "varchar(4)", "column note of goods.goods holds varchar(5) and is to hold varchar(4)"),
        ("decimal(5,2)", "decimal(5,1)", "holds decimal(5,2) and is to hold decimal(5,1)"),
        ("\"smallint\"", "\"varchar(9)\"", "holds smallint and is to hold varchar(9)"),
        ("key = [\"id\"]", "key = [\"id\", \"shop\"]", "1 rows of goods.goods have no shop, which is to be of the key"),
    ] {
        let more = if to.contains("shop") { "shop = { type = \"bigint\", required = true }\n" } else { "" };
        redefine(&site, &(GOODS.replacen(from, to, 1) + more));
        let output = site.run(&["check", "--against-warehouse"]);
        assert_eq!(output.status.code(), Some(64), "{}", text(&output));
        for said in [
            words,
            "d0.toml:2: name: the warehouse cannot be changed to this definition of goods",
            "FAIL, see above",
            "another name",
        ] {
            assert!(text(&output).contains(said), "{to}: no {said:?} in\n{}", text(&output));
        }
        assert!(site.run(&["check"]).status.success(), "the definition itself is fine");
    }
    // A key of columns that every row has may change: rows contend anew.
    redefine(&site, &GOODS.replace("key = [\"id\"]", "key = [\"changed\"]"));
    let (code, changes, _) = planned(&site);
    assert_eq!((code, changes), (Some(0), vec!["recompute".to_owned()]));
    assert_eq!(site.warehouse(), before);
}
