//! Questions of people: read only, limited, exact.

use lakehand_domain::port::warehouse::CommitOutcome;

use super::sample::{Sites, column, load, upsert};

pub(super) async fn check(sites: &Sites) {
    what_writes_is_refused(sites).await;
    values_come_back_as_they_went(sites).await;
}

async fn what_writes_is_refused(sites: &Sites) {
    let site = sites.site(&upsert()).await;
    site.deliver(&[load(1, 1, 1, &[(1, None), (2, None), (3, None)])]).await;
    let before = site.dump().await;
    let (rows, view) = ((site.tested.rows)(site.table()), (site.tested.view)(site.table()));
    for sql in [
        format!("DELETE FROM {rows}"),
        format!("UPDATE {rows} SET _standing = 'lost'"),
        format!("DROP VIEW {view}"),
        format!("SELECT 1; DELETE FROM {rows}"),
        format!("WITH gone AS (SELECT 1) DELETE FROM {rows}"),
        "CREATE TABLE intruder (a integer)".to_owned(),
        "COMMIT".to_owned(),
        "SELECT nothing FROM nowhere".to_owned(),
        String::new(),
    ] {
        assert!(site.tested.query.query(&sql, 10).await.is_err(), "{sql}");
    }
    assert_eq!(site.dump().await, before);
    let answer = site.tested.query.query(&format!("SELECT listing_id FROM {view} ORDER BY 1;"), 2).await.unwrap();
    assert_eq!(answer.columns, vec!["listing_id".to_owned()]);
    assert_eq!(answer.rows, vec![vec![Some("1".to_owned())], vec![Some("2".to_owned())]]);
}

async fn values_come_back_as_they_went(sites: &Sites) {
    let site = sites.bare(&upsert()).await.redefined("typed", |table| {
        table.columns.push(column("rent", "decimal(12,2)", false));
        table.columns.push(column("area", "decimal(38,2)", false));
        table.columns.push(column("lift", "boolean", false));
        table.columns.push(column("empty", "integer", false));
    });
    site.put_in_force().await;
    let manifest = site.manifest(&load(1, 1, 1, &[(i64::MAX, Some(i64::MIN))]));
    let staged = site.stage(&[manifest]).await.unwrap();
    assert_eq!(site.commit(&site.take().await, &staged).await, CommitOutcome::Committed { batches: 1 });
    let view = (site.tested.view)(site.table());
    let values = site.answer(&format!("SELECT listing_id, last_modified, rent, area, lift FROM {view}")).await;
    let expected = ["9223372036854775807", "-9223372036854775808", "7.00", "7.00", "true"];
    assert_eq!(values, vec![expected.map(|text| Some(text.to_owned())).to_vec()]);
}
