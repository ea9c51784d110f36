use serde_json::{Value, json};

use super::*;

/// The infrastructure template makes the table that this code makes.
#[test]
fn the_template_makes_the_same_table() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/cloudformation.json"));
    let template: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let table = &template["Resources"]["Ledger"]["Properties"];
    let config = aws_sdk_dynamodb::Config::builder().behavior_version_latest().build();
    let request = table_of(Client::from_conf(config).create_table(), &TablePlan::new("t")).unwrap();
    let keys = |keys: &[KeySchemaElement]| {
        let key = |key: &KeySchemaElement| json!({ "AttributeName": key.attribute_name(), "KeyType": key.key_type().as_str() });
        keys.iter().map(key).collect::<Value>()
    };
    assert_eq!(table["KeySchema"], keys(request.get_key_schema().as_deref().unwrap()));
    let attribute = |attribute: &AttributeDefinition| {
        let kind = attribute.attribute_type().as_str();
        json!({ "AttributeName": attribute.attribute_name(), "AttributeType": kind })
    };
    let attributes = request.get_attribute_definitions().as_deref().unwrap().iter().map(attribute);
    assert_eq!(table["AttributeDefinitions"], attributes.collect::<Value>());
    let index = |index: &GlobalSecondaryIndex| {
        let projection = index.projection().and_then(Projection::projection_type).unwrap().as_str();
        json!({
            "IndexName": index.index_name(),
            "KeySchema": keys(index.key_schema()),
            "Projection": { "ProjectionType": projection },
        })
    };
    let indexes = request.get_global_secondary_indexes().as_deref().unwrap().iter().map(index);
    assert_eq!(table["GlobalSecondaryIndexes"], indexes.collect::<Value>());
    assert_eq!(table["BillingMode"], request.get_billing_mode().as_ref().unwrap().as_str());
    assert_eq!(table["DeletionProtectionEnabled"], request.get_deletion_protection_enabled().unwrap());
    assert_eq!(table["TimeToLiveSpecification"], json!({ "AttributeName": TTL_ATTRIBUTE, "Enabled": true }));
}

/// The policy that stands alone allows what the template's role may do, and nothing else.
#[test]
fn the_policy_is_the_templates() {
    let read = |name: &str| -> Value {
        let path = format!("{}/../../deploy/{name}", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let allowed = |policy: &Value| -> Vec<(Value, Value)> {
        let statements = policy["Statement"].as_array().unwrap().iter();
        statements.map(|statement| (statement["Sid"].clone(), statement["Action"].clone())).collect()
    };
    let template = read("cloudformation.json");
    let role = &template["Resources"]["WorkerPolicy"]["Properties"]["PolicyDocument"];
    assert_eq!(allowed(&read("iam-policy.json")), allowed(role));
}
