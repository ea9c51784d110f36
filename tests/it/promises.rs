//! `PROMISES.md` names the tests that hold lakehand to its word: each of them is there, and each promise has one.

use std::collections::BTreeSet;

use crate::architecture::{root, sources};

/// What is not promised needs no test.
const REFUSALS: &str = "## What is not promised";

/// Each promise with its tests. A test's name is one word of small letters between backticks, after the dash.
fn promises(text: &str) -> Vec<(String, Vec<String>)> {
    text.split("\n- ")
        .skip(1)
        .map(|item| {
            let item = item.split("\n\n").next().unwrap_or_default();
            let (said, tests) = item.split_once('—').unwrap_or((item, ""));
            let names = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            (said.split_whitespace().collect::<Vec<_>>().join(" "), names)
        })
        .collect()
}

#[test]
fn every_test_that_a_promise_names_is_there() {
    let page = std::fs::read_to_string(root().join("PROMISES.md")).expect("the page of promises");
    let mut tests = BTreeSet::new();
    for (_, text) in sources() {
        let mut is_test = false;
        for line in text.lines() {
            let line = line.trim_start();
            // Tests of proptest stand within its macro, with the attribute all the same.
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let named = line.split("fn ").nth(1).filter(|_| is_test && !line.starts_with("//"));
            if let Some(name) = named.and_then(|rest| rest.split(['(', '<']).next()) {
                tests.insert(name.to_owned());
                is_test = false;
            }
        }
    }
    assert!(tests.len() > 300, "only {} tests are found", tests.len());
    let (promised, refused) = page.split_once(REFUSALS).expect("what is not promised is said, too");
    let promised = promises(promised);
    assert!(promised.len() > 20, "{promised:#?}");
    for (said, names) in &promised {
        assert!(!names.is_empty(), "nothing tests that {said:?}");
    }
    for (said, names) in promised.iter().chain(&promises(refused)) {
        for name in names {
            assert!(tests.contains(name), "{said:?} names {name}, and there is no such test");
        }
    }
}
