//! Making the table: twice, by several, and where another is there already.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use lakehand_aws::provision::{Finding, Mode, State};
use lakehand_domain::timestamp::Timestamp;
use lakehand_testkit::manual_clock::ManualClock;
use lakehand_testkit::microburst::Microburst;
use lakehand_testkit::real_clock::RealClock;
use lakehand_testkit::services::{self, EMULATORS};

use super::super::super::provision::{Billing, TablePlan, provision_table};
use super::{Table, reach};

fn plan() -> TablePlan {
    TablePlan { deletion_protection: false, ..TablePlan::new(format!("ledger-{}", services::suffix())) }
}

fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(Finding::to_string).collect()
}

#[tokio::test]
async fn making_a_table_twice_is_harmless() {
    for emulator in EMULATORS {
        let (config, plan) = (reach(&services::emulator(emulator)).await, plan());
        let make = async |mode| told(&provision_table(&config, &plan, &RealClock, mode).await.unwrap());
        let named = format!("table {}", plan.table);
        assert_eq!(make(Mode::DryRun).await, [format!("{named}: missing, would be made")], "{emulator}");
        assert_eq!(make(Mode::DryRun).await, [format!("{named}: missing, would be made")], "nothing was made");
        let parts = ["", ": time to live", ": point-in-time recovery"];
        let all = |state: &str| parts.map(|part| format!("{named}{part}: {state}"));
        assert_eq!(make(Mode::Make).await, all("made"), "{emulator}");
        for mode in [Mode::Make, Mode::DryRun] {
            assert_eq!(make(mode).await, all("as planned"), "{emulator}");
        }
        Table { config, name: plan.table }.drop().await;
    }
}

#[tokio::test]
async fn of_several_who_make_a_table_none_fails() {
    for emulator in EMULATORS {
        let (config, plan) = (reach(&services::emulator(emulator)).await, plan());
        let made =
            futures::future::join_all((0..6).map(|_| provision_table(&config, &plan, &RealClock, Mode::Make))).await;
        let tables: Vec<State> = made.into_iter().map(|findings| findings.unwrap().remove(0).state).collect();
        assert_eq!(tables.iter().filter(|state| **state == State::Made).count(), 1, "{emulator}: {tables:?}");
        assert!(tables.iter().all(|state| matches!(state, State::Made | State::AsPlanned)), "{emulator}: {tables:?}");
        Table { config, name: plan.table }.drop().await;
    }
}

#[tokio::test]
async fn a_table_that_differs_is_told_of_and_left_alone() {
    for emulator in EMULATORS {
        let (config, plan) = (reach(&services::emulator(emulator)).await, plan());
        let key = KeySchemaElement::builder().attribute_name("name").key_type(KeyType::Hash).build().unwrap();
        let attribute = AttributeDefinition::builder().attribute_name("name").attribute_type(ScalarAttributeType::S);
        let client = Client::new(&config);
        client
            .create_table()
            .table_name(&plan.table)
            .key_schema(key)
            .attribute_definitions(attribute.build().unwrap())
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
        let provisioned = TablePlan { billing: Billing::Provisioned { read: 5, write: 7 }, ..plan.clone() };
        let found = told(&provision_table(&config, &provisioned, &RealClock, Mode::DryRun).await.unwrap());
        let named = format!("table {}", plan.table);
        let expected = [
            "is name HASH, planned was pk HASH",
            "billing: is PAY_PER_REQUEST, planned was PROVISIONED 5/7",
            "attribute pk: is missing, planned was S",
            "index by_state: is missing, planned was place HASH at RANGE, KEYS_ONLY",
            "index by_object: is missing, planned was object HASH, KEYS_ONLY",
            "index untold: is missing, planned was untold HASH at RANGE, KEYS_ONLY",
        ];
        for expected in expected {
            let line = format!("{named}: {expected}; left as it is");
            assert!(found.contains(&line), "{emulator}: no {line:?} in {found:#?}");
        }
        let still = client.describe_table().table_name(&plan.table).send().await.unwrap().table.unwrap();
        assert_eq!(still.key_schema()[0].attribute_name(), "name");
        Table { config, name: plan.table }.drop().await;
    }
}

#[tokio::test]
async fn a_provisioned_table_is_as_planned() {
    for emulator in EMULATORS {
        let config = reach(&services::emulator(emulator)).await;
        let plan = TablePlan { billing: Billing::Provisioned { read: 5, write: 7 }, ..plan() };
        let found = provision_table(&config, &plan, &RealClock, Mode::Make).await.unwrap();
        assert_eq!(found[0].state, State::Made, "{emulator}: {found:?}");
        let found = provision_table(&config, &plan, &RealClock, Mode::Make).await.unwrap();
        assert!(found.iter().all(|finding| finding.state == State::AsPlanned), "{emulator}: {found:?}");
        let dearer = TablePlan { billing: Billing::Provisioned { read: 9, write: 7 }, ..plan.clone() };
        let found = told(&provision_table(&config, &dearer, &RealClock, Mode::Make).await.unwrap());
        let line =
            format!("table {}: billing: is PROVISIONED 5/7, planned was PROVISIONED 9/7; left as it is", plan.table);
        assert!(found.contains(&line), "{emulator}: {found:?}");
        Table { config, name: plan.table }.drop().await;
    }
}

/// The service makes backups ready some seconds after the table.
#[tokio::test]
async fn recovery_is_switched_on_as_soon_as_it_can_be() {
    let upstream = services::emulator("ROTO");
    let proxy = Microburst::before(&upstream).await;
    let (config, plan) = (reach(&proxy.url()).await, plan());
    let unready = r#"[{"service": "dynamodb", "operation": "UpdateContinuousBackups", "times": 3,
        "error": {"code": "ContinuousBackupsUnavailableException", "status": 400}}]"#;
    proxy.rules(unready).await;
    let clock = ManualClock::hurrying(Timestamp::default());
    let found = provision_table(&config, &plan, &clock, Mode::Make).await.unwrap();
    assert!(found.iter().all(|finding| finding.state == State::Made), "{found:?}");
    assert_eq!(lakehand_domain::clock::Clock::now(&clock), Timestamp::from_micros(15_000_000));
    Table { config: reach(&upstream).await, name: plan.table }.drop().await;
}
