//! Changed definitions: what may change, what may not, and what happens to the rows that are there.

use lakehand_domain::port::warehouse::{MigrateOutcome, MigrationPlan, PlannedChange, PlannedStep};
use lakehand_domain::shape::{ColumnType, Contest, OnRewrite, Run};

use super::sample::{Site, Sites, column, load, upsert};
use super::scope::replace;
use super::{SampleLoad, expected_rows};

pub(super) async fn check(sites: &Sites) {
    the_same_migration_twice_is_harmless(sites).await;
    columns_come_and_go(sites).await;
    columns_grow_wider_and_keep_every_digit(sites).await;
    what_would_bend_rows_is_refused(sites).await;
    an_empty_table_takes_any_shape(sites).await;
    another_contest_decides_anew(sites).await;
    a_plan_says_what_a_migration_would_do_and_does_nothing(sites).await;
}

fn append(on_rewrite: OnRewrite) -> Contest {
    Contest::Append { on_rewrite }
}

fn some_loads() -> Vec<SampleLoad> {
    let mut loads = vec![
        load(1, 1_000, 1, &[(1, Some(1)), (2, Some(9)), (3, None)]),
        load(1, 2_000, 1, &[(1, Some(2))]),
        load(2, 1_000, 1, &[(2, Some(3)), (3, None)]),
    ];
    loads[1].rows[0].passes = false;
    loads
}

async fn the_same_migration_twice_is_harmless(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    site.deliver(&some_loads()).await;
    let before = site.dump().await;
    site.put_in_force().await;
    assert_eq!(site.dump().await, before);
    let fence = site.take().await;
    assert_eq!(fence.in_force, site.shape.definitions);
    assert!(fence.retired.is_empty());
}

async fn columns_come_and_go(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    site.deliver(&[load(1, 1, 1, &[(1, None)])]).await;
    // A required column comes; the rows that are there have null in it.
    let wider = site.redefined("wider", |table| table.columns.insert(0, column("rooms", "integer", true)));
    wider.put_in_force().await;
    wider.deliver(&[load(2, 1, 1, &[(2, None)])]).await;
    let (view, rows) = ((site.tested.view)(site.table()), (site.tested.rows)(site.table()));
    let rooms = format!("SELECT listing_id, rooms FROM {view} ORDER BY listing_id");
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(site.answer(&rooms).await, vec![vec![text("1"), None], vec![text("2"), text("7")]]);
    // It goes: its values stay, new rows have none, people do not see it.
    let narrower = site.redefined("narrower", |_| {});
    narrower.put_in_force().await;
    narrower.deliver(&[load(3, 1, 1, &[(3, None)])]).await;
    let kept = format!("SELECT listing_id, rooms FROM {rows} ORDER BY listing_id");
    let expected = vec![vec![text("1"), None], vec![text("2"), text("7")], vec![text("3"), None]];
    assert_eq!(site.answer(&kept).await, expected);
    assert!(site.tested.query.query(&rooms, 1).await.is_err());
    // It comes back.
    let again = site.redefined("again", |table| table.columns.push(column("rooms", "integer", false)));
    again.put_in_force().await;
    assert_eq!(site.answer(&kept).await, expected);
    assert_eq!(site.answer(&rooms).await, expected);
}

async fn columns_grow_wider_and_keep_every_digit(sites: &Sites) {
    let site = sites.bare(&upsert()).await;
    let typed = |fingerprint: &str, types: [&str; 3]| {
        site.redefined(fingerprint, |table| {
            table.columns.push(column("small", types[0], false));
            table.columns.push(column("rent", types[1], false));
            table.columns.push(column("words", types[2], false));
        })
    };
    let steps = [
        ["smallint", "decimal(5,2)", "varchar(3)"],
        ["integer", "decimal(15,2)", "varchar(9)"],
        ["bigint", "decimal(16,2)", "varchar(65535)"],
        ["bigint", "decimal(38,2)", "varchar(65535)"],
    ];
    for (number, types) in (1..).zip(steps) {
        let step = typed(&format!("step {number}"), types);
        step.put_in_force().await;
        step.deliver(&[load(number, 1, 1, &[(1, Some(i64::from(number)))])]).await;
        let rows = (site.tested.rows)(site.table());
        let values = site.answer(&format!("SELECT small, rent, words FROM {rows}")).await;
        let line = ["7", "7.00", "new"].map(|text| Some(text.to_owned())).to_vec();
        assert_eq!(values, vec![line; number as usize], "{types:?}");
    }
    assert_eq!(site.dump_view().await.len(), 1);
}

/// The steps of a plan, each as its table and what happens to it.
async fn planned(next: &Site) -> Vec<String> {
    let MigrationPlan::Changes(changes) = next.warehouse().plan(&next.shape).await.unwrap() else {
        panic!("the plan is refused");
    };
    let words = |change: PlannedChange| {
        assert_eq!(change.table.rsplit('.').next(), Some("flats"), "{}", change.table);
        match change.step {
            PlannedStep::Create => "create".to_owned(),
            PlannedStep::Add { column, becomes } => format!("add {column} {becomes}"),
            PlannedStep::Retype { column, is, becomes } => format!("{column} {is} to {becomes}"),
            PlannedStep::Hide { column } => format!("hide {column}"),
            PlannedStep::Recompute => "recompute".to_owned(),
        }
    };
    changes.into_iter().map(words).collect()
}

async fn a_plan_says_what_a_migration_would_do_and_does_nothing(sites: &Sites) {
    let site = sites.bare(&upsert()).await;
    assert_eq!(planned(&site).await, ["create"]);
    site.put_in_force().await;
    assert_eq!(planned(&site).await, [""; 0]);
    site.deliver(&some_loads()).await;
    let (before, fence) = (site.dump().await, site.take().await);
    let next = site.redefined("next", |table| {
        table.columns.retain(|column| column.name != "last_modified");
        table.columns.push(column("rooms", "integer", false));
        table.columns.iter_mut().find(|column| column.name == "note").unwrap().column_type =
            ColumnType::parse("varchar(21)").unwrap();
        table.contest = Contest::Upsert { key: vec!["listing_id".to_owned()], version: None };
    });
    let steps = ["note varchar(20) to varchar(21)", "add rooms integer", "hide last_modified", "recompute"];
    assert_eq!(planned(&next).await, steps);
    assert_eq!(site.dump().await, before, "nothing was done");
    // Whoever holds the fence holds it still, and the definition in force is the one before.
    assert_eq!(next.warehouse().migrate(&fence, &next.shape).await.unwrap(), MigrateOutcome::InForce);
    assert_eq!(planned(&next).await, [""; 0], "what was planned is done");
    // Who still has the definition before is told that its turn is over.
    let MigrationPlan::Refused { message } = site.warehouse().plan(&site.shape).await.unwrap() else {
        panic!("a retired definition is planned");
    };
    assert!(message.contains(site.shape.definitions[0].fingerprint.as_str()), "{message}");
}

async fn assert_refused(site: &Site, next: &Site) -> String {
    let (before, fence) = (site.dump().await, site.take().await);
    let outcome = next.warehouse().migrate(&fence, &next.shape).await.unwrap();
    let MigrateOutcome::Refused { message } = outcome else { panic!("{outcome:?}") };
    assert!(message.contains("flats"), "the message names the table: {message}");
    assert_eq!(site.dump().await, before);
    let after = site.take().await;
    assert_eq!((&after.in_force, &after.retired), (&fence.in_force, &fence.retired));
    let planned = next.warehouse().plan(&next.shape).await.unwrap();
    assert_eq!(planned, MigrationPlan::Refused { message: message.clone() }, "a plan knows it before");
    message
}

async fn what_would_bend_rows_is_refused(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    site.deliver(&some_loads()).await;
    for narrower in ["integer", "smallint", "varchar(20)", "decimal(18,0)", "boolean", "double"] {
        let next = site.redefined("next", |table| table.columns[1] = column("last_modified", narrower, false));
        let message = assert_refused(&site, &next).await;
        assert!(message.contains("last_modified") && message.contains("bigint") && message.contains(narrower));
    }
    let next = site.redefined("next", |table| table.columns[2] = column("note", "varchar(19)", false));
    assert_refused(&site, &next).await;
    // A refusal in the last column takes back the change of the first.
    let next = site.redefined("next", |table| {
        table.columns.insert(0, column("rooms", "integer", false));
        table.columns[3] = column("note", "json", false);
    });
    assert_refused(&site, &next).await;
    let columns = site.tested.query.query(&format!("SELECT * FROM {}", (site.tested.rows)(site.table())), 1).await;
    assert!(!columns.unwrap().columns.contains(&"rooms".to_owned()));
    // Rows without the new key cannot contend.
    let key = |name: &str| Contest::Upsert { key: vec![name.to_owned()], version: None };
    let next = site.redefined("next", |table| {
        table.columns.push(column("rooms", "integer", true));
        table.contest = key("rooms");
    });
    assert_refused(&site, &next).await;
    for bad in ["note", "nowhere"] {
        assert_refused(&site, &site.redefined("next", |table| table.contest = key(bad))).await;
    }
    // Nobody knows what replaces rows whose loads say nothing of the new scope; what they say is not what they do not.
    let message =
        assert_refused(&site, &site.redefined("next", |table| table.contest = replace(&["hour"], false))).await;
    assert!(message.contains("hour"), "{message}");
    let files = |capture: &str| Run { capture: "run".to_owned(), files: capture.to_owned() };
    let by_run = Contest::Replace { scope: vec!["day".to_owned()], run: Some(files("day")) };
    assert_refused(&site, &site.redefined("next", |table| table.contest = by_run)).await;
    site.deliver(&[load(9, 1, 1, &[(9, None)])]).await;
}

async fn an_empty_table_takes_any_shape(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    let silent = site.redefined("silent", |table| table.contest = replace(&["hour"], false));
    silent.put_in_force().await;
    let next = site.redefined("next", |table| table.columns[2] = column("note", "json", false));
    next.put_in_force().await;
    next.deliver(&some_loads()).await;
    next.assert_is(&expected_rows(&next, &upsert(), &some_loads())).await;
}

async fn another_contest_decides_anew(sites: &Sites) {
    let by_order = Contest::Upsert { key: vec!["listing_id".to_owned()], version: None };
    let contests = [
        append(OnRewrite::Append),
        upsert(),
        append(OnRewrite::Replace),
        by_order,
        append(OnRewrite::Ignore),
        replace(&["day"], true),
        replace(&[], false),
        append(OnRewrite::Append),
        replace(&["day"], false),
        upsert(),
    ];
    let first = sites.site(&contests[0]).await;
    first.deliver(&some_loads()).await;
    first.assert_is(&expected_rows(&first, &contests[0], &some_loads())).await;
    for (number, contest) in contests.iter().enumerate().skip(1) {
        let next = first.redefined(&format!("contest {number}"), |table| table.contest = contest.clone());
        next.put_in_force().await;
        next.assert_is(&expected_rows(&next, contest, &some_loads())).await;
    }
    // Without its where a table shows what was filtered, and hides it again with it.
    let open = first.redefined("open", |table| {
        table.contest = upsert();
        table.has_where = false;
    });
    let mut all_pass = some_loads();
    all_pass.iter_mut().flat_map(|load| &mut load.rows).for_each(|row| row.passes = true);
    open.put_in_force().await;
    open.assert_is(&expected_rows(&open, &upsert(), &all_pass)).await;
    let closed = first.redefined("closed", |table| table.contest = upsert());
    closed.put_in_force().await;
    closed.assert_is(&expected_rows(&closed, &upsert(), &some_loads())).await;
}
