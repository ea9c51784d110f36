//! Leases and numbers kept under a name.

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use lakehand_domain::id::WorkerId;
use lakehand_domain::port::ledger::LedgerError;
use lakehand_domain::timestamp::Timestamp;

use super::DynamoLedger;
use super::call::{done, failed, unintelligible};
use super::item::{key, number, text};
use super::table::{LEASE, NUMBER, OWNER, PK, UNTIL, VALUE};

impl DynamoLedger {
    /// Where the answer was lost and the SDK asks again, it finds itself the owner, and has the lease.
    pub(super) async fn hold_lease(
        &self,
        name: &str,
        owner: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, LedgerError> {
        let mut item = key(LEASE, name);
        item.insert(OWNER.to_owned(), text(owner.as_str()));
        item.insert(UNTIL.to_owned(), number(until.micros()));
        let held = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#pk) OR #owner = :owner OR #until <= :now")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_names("#until", UNTIL)
            .expression_attribute_values(":owner", text(owner.as_str()))
            .expression_attribute_values(":now", number(now.micros()))
            .send()
            .await;
        done("hold", &self.table, held)
    }

    pub(super) async fn drop_lease(&self, name: &str, owner: &WorkerId) -> Result<(), LedgerError> {
        let dropped = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(LEASE, name)))
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_values(":owner", text(owner.as_str()))
            .send()
            .await;
        done("let_go", &self.table, dropped).map(drop)
    }

    pub(super) async fn read_number(&self, name: &str) -> Result<Option<i64>, LedgerError> {
        let Some(item) = self.item("number", key(NUMBER, name)).await? else { return Ok(None) };
        let value = item.get(VALUE).and_then(|value| value.as_n().ok()?.parse().ok());
        let unreadable = || unintelligible("number", format!("the number {name} is {:?}", item.get(VALUE)));
        value.ok_or_else(unreadable).map(Some)
    }

    /// A number that is as great already refuses the write, which is all there is to do.
    pub(super) async fn raise_number(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        let raised = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(NUMBER, name)))
            .update_expression("SET #value = :value")
            .condition_expression("attribute_not_exists(#value) OR #value < :value")
            .expression_attribute_names("#value", VALUE)
            .expression_attribute_values(":value", number(value))
            .send()
            .await;
        done("raise", &self.table, raised).map(drop)
    }

    /// Not repeated by the SDK: between an attempt whose answer was lost and the next, somebody may have raised it.
    pub(super) async fn reset_number(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        let mut item = key(NUMBER, name);
        item.insert(VALUE.to_owned(), AttributeValue::N(value.to_string()));
        let once = aws_sdk_dynamodb::config::Builder::new().retry_config(RetryConfig::disabled());
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = put.customize().config_override(once).send().await;
        put.map(drop).map_err(|error| failed("reset", &self.table, error))
    }
}
