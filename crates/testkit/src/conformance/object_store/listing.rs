//! What is listed, and where pages end.

use super::StoreUnderTest;

pub(super) async fn a_list_is_in_order_and_goes_folder_by_folder(test: StoreUnderTest) {
    // By bytes a dot comes before a slash, and a slash before a digit.
    let names =
        ["a/b", "a.txt", "a/b/c".trim_end_matches("/c"), "a-b/x", "a0", "a/c/d", "ab/x", "A", "\u{e9}", "z/z/z"];
    let mut sorted: Vec<&str> = names.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    for name in &sorted {
        test.put(name, name).await;
    }
    assert_eq!(test.names(&test.prefix).await, sorted);
    assert_eq!(test.names(&test.prefix.join("a")).await, ["a/b", "a/c/d"]);
    assert_eq!(test.names(&test.prefix.join("a/")).await, ["a/b", "a/c/d"]);
    assert_eq!(test.names(&test.prefix.join("a/b")).await, Vec::<String>::new(), "an object is not below itself");
    let page = test.second.list(&test.prefix, None, 100).await.unwrap();
    for stat in page.objects {
        assert_eq!(stat.size, test.name(&stat.uri).len() as u64);
    }
}

async fn paged(test: &StoreUnderTest, limit: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = test.second.list(&test.prefix, after.as_deref(), limit).await.unwrap();
        assert!(page.objects.len() <= limit);
        names.extend(page.objects.iter().map(|stat| test.name(&stat.uri)));
        match page.next {
            Some(next) => after = Some(next),
            None => return names,
        }
    }
}

pub(super) async fn pages_cover_everything_once(test: StoreUnderTest) {
    let mut names: Vec<String> = (0..12).map(|number| format!("f{}/x{number}", number % 3)).collect();
    names.extend((0..5).map(|number| format!("f1/deep/{number}")));
    names.extend(["f1.x", "f1-x", "f1", "f10"].map(|name| format!("g/{name}")));
    for name in &names {
        test.put(name, "x").await;
    }
    names.sort_unstable();
    for limit in [1, 2, 3, 7, 20, 21, 22] {
        assert_eq!(paged(&test, limit).await, names, "limit {limit}");
    }
    for after in ["", "f1", "f1/", "f1/deep", "f1/deep/2", "f1/deep/2x", "f1/x1", "f1/zzz", "g/f10", "zzz"] {
        let key = test.prefix.join(after);
        let page = test.second.list(&test.prefix, Some(key.key()), 100).await.unwrap();
        let listed: Vec<String> = page.objects.iter().map(|stat| test.name(&stat.uri)).collect();
        let expected: Vec<String> = names.iter().filter(|name| name.as_str() > after).cloned().collect();
        assert_eq!(listed, expected, "after {after:?}");
    }
}

/// What is there all the time is listed exactly once, whatever comes and goes.
pub(super) async fn pages_survive_changes_between_them(test: StoreUnderTest) {
    let mut stats = Vec::new();
    for number in 0..20 {
        stats.push(test.put(&format!("f{}/{number:02}", number / 5), "x").await);
    }
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    let mut round = 0;
    loop {
        let page = test.second.list(&test.prefix, after.as_deref(), 3).await.unwrap();
        seen.extend(page.objects.into_iter().map(|stat| stat.uri));
        let Some(next) = page.next else { break };
        after = Some(next);
        // Every third goes, even the one that the page ended with, and others come.
        if let Some(stat) = stats.get(round * 3 + 2) {
            test.first.delete(stat).await.unwrap();
        }
        test.put(&format!("f{}/new", round % 5), "x").await;
        round += 1;
    }
    for (number, stat) in stats.iter().enumerate() {
        if number % 3 != 2 {
            let times = seen.iter().filter(|uri| **uri == stat.uri).count();
            assert_eq!(times, 1, "{}", stat.uri);
        }
    }
}
