use super::*;

fn refused(plan: &QueuesPlan) -> String {
    plan.check().unwrap_err().to_string()
}

#[test]
fn plans_that_make_no_sense_are_refused() {
    let plan = || QueuesPlan::new("arrivals", "arrivals-dead");
    plan().check().unwrap();
    assert_eq!(
        refused(&QueuesPlan { queue: "a.fifo".to_owned(), ..plan() }),
        "queue a.fifo: buckets cannot send to a FIFO queue; use a standard queue"
    );
    assert_eq!(
        refused(&QueuesPlan { dead_letters: "a b".to_owned(), ..plan() }),
        r#""a b" is not a name for a queue: it is 1 to 80 letters, digits, - or _"#
    );
    assert_eq!(
        refused(&QueuesPlan { dead_letters: "arrivals".to_owned(), ..plan() }),
        "queue arrivals: its dead letters need a queue of their own"
    );
    let fourteen = Duration::from_hours(14 * 24);
    assert_eq!(
        refused(&QueuesPlan { retention: fourteen, ..plan() }),
        "dead letters must be kept longer than messages: their age counts from the first time they were sent"
    );
    assert_eq!(
        refused(&QueuesPlan { retention: fourteen * 2, ..plan() }),
        "the retention is 2419200s; it is 60s to 14 days"
    );
    assert_eq!(
        refused(&QueuesPlan { visibility: Duration::from_hours(12), ..plan() }),
        "the visibility is 43200s; it is 1s to less than 12 hours"
    );
    assert_eq!(refused(&QueuesPlan { max_receives: 0, ..plan() }), "max receives are 0; they are 1 to 1000");
}

/// Templates and this code make the same queues.
#[test]
fn the_template_makes_the_same_queues() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/cloudformation.json"));
    let template: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let plan = QueuesPlan::new("q", "d");
    let queue = &template["Resources"]["Queue"]["Properties"];
    assert_eq!(queue["MessageRetentionPeriod"], plan.retention.as_secs());
    assert_eq!(queue["VisibilityTimeout"], plan.visibility.as_secs());
    assert_eq!(queue["ReceiveMessageWaitTimeSeconds"], WAIT.as_secs());
    assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], plan.max_receives);
    let letters = &template["Resources"]["DeadLetterQueue"]["Properties"];
    assert_eq!(letters["MessageRetentionPeriod"], plan.dead_letter_retention.as_secs());
    let statement = &template["Resources"]["QueuePolicy"]["Properties"]["PolicyDocument"]["Statement"][0];
    let made = policy::statement("bucket", None, "arn:aws:sqs:eu-central-1:123456789012:q").unwrap();
    for same in ["Effect", "Principal", "Action"] {
        assert_eq!(statement[same], made[same]);
    }
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, inner)| (key.clone(), inner.as_object().unwrap().keys().cloned().collect::<Vec<_>>()))
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&statement["Condition"]), keys(&made["Condition"]));
}

mod cloud {
    use lakehand_aws::{AwsOptions, connect};
    use lakehand_testkit::services::{self, EMULATORS};

    use super::*;

    async fn reach(emulator: &str) -> SdkConfig {
        let options = AwsOptions {
            region: Some("eu-central-1".to_owned()),
            endpoint_url: Some(services::emulator(emulator)),
            ..AwsOptions::default()
        };
        connect(&options).await
    }

    fn plan() -> QueuesPlan {
        let suffix = services::suffix();
        QueuesPlan {
            buckets: vec![format!("landing-{suffix}"), format!("other.landing-{suffix}")],
            ..QueuesPlan::new(format!("arrivals-{suffix}"), format!("dead-{suffix}"))
        }
    }

    fn told(queues: &Queues) -> Vec<String> {
        queues.findings.iter().map(Finding::to_string).collect()
    }

    async fn drop_queues(config: &SdkConfig, queues: Queues) {
        for queue in [queues.queue, queues.dead_letters].into_iter().flatten() {
            Client::new(config).delete_queue().queue_url(queue.url).send().await.unwrap();
        }
    }

    #[tokio::test]
    async fn making_queues_twice_is_harmless() {
        for emulator in EMULATORS.into_iter().chain(["LOCALSTACK"]) {
            let (config, plan) = (reach(emulator).await, plan());
            let named = named(&plan.queue);
            let letters = super::named(&plan.dead_letters);
            let dry = provision_queues(&config, &plan, Mode::DryRun).await.unwrap();
            assert_eq!(told(&dry), [&letters, &named].map(|queue| format!("{queue}: missing, would be made")));
            assert_eq!((dry.queue, dry.dead_letters), (None, None));
            let parts = [
                letters.clone(),
                named.clone(),
                format!("{named}: redrive policy"),
                format!("{named}: leave for bucket {} to send", plan.buckets[0]),
                format!("{named}: leave for bucket {} to send", plan.buckets[1]),
            ];
            let all = |state: &str| parts.clone().map(|part| format!("{part}: {state}"));
            let made = provision_queues(&config, &plan, Mode::Make).await.unwrap();
            assert_eq!(told(&made), all("made"), "{emulator}");
            for mode in [Mode::Make, Mode::DryRun] {
                assert_eq!(
                    told(&provision_queues(&config, &plan, mode).await.unwrap()),
                    all("as planned"),
                    "{emulator}"
                );
            }
            drop_queues(&config, made).await;
        }
    }

    #[tokio::test]
    async fn queues_that_differ_are_told_of_and_left_alone() {
        for emulator in EMULATORS {
            let (config, plan) = (reach(emulator).await, plan());
            let made = provision_queues(&config, &plan, Mode::Make).await.unwrap();
            let other = QueuesPlan {
                visibility: Duration::from_secs(77),
                max_receives: 5,
                bucket_account: Some("999999999999".to_owned()),
                buckets: vec![plan.buckets[0].clone(), "new".to_owned()],
                ..plan.clone()
            };
            let found = told(&provision_queues(&config, &other, Mode::Make).await.unwrap());
            let named = named(&plan.queue);
            let visibility = format!("{named}: VisibilityTimeout: is 120, planned was 77; left as it is");
            assert!(found.contains(&visibility), "{emulator}: {found:#?}");
            let differs =
                |what: &str| found.iter().any(|line| line.starts_with(what) && line.contains("left as it is"));
            assert!(differs(&format!("{named}: redrive policy: is to ")), "{emulator}: {found:#?}");
            assert!(differs(&format!("{named}: leave for bucket {}", plan.buckets[0])), "{emulator}: {found:#?}");
            assert!(found.contains(&format!("{named}: leave for bucket new to send: made")), "{emulator}: {found:#?}");
            // What was there before is there still, the second bucket's leave among it.
            let again = told(&provision_queues(&config, &plan, Mode::DryRun).await.unwrap());
            assert!(again.iter().all(|line| line.ends_with("as planned")), "{emulator}: {again:#?}");
            drop_queues(&config, made).await;
        }
    }

    /// Infrastructure code gives its statements other names.
    #[tokio::test]
    async fn leave_that_was_given_by_another_name_is_as_planned() {
        for emulator in EMULATORS {
            let (config, plan) = (reach(emulator).await, plan());
            let made = provision_queues(&config, &plan, Mode::Make).await.unwrap();
            let (client, queue) = (Client::new(&config), made.queue.clone().unwrap());
            let is = attributes(&client, &plan.queue, &queue.url, &[Attribute::Policy]).await.unwrap();
            let renamed = is[&Attribute::Policy].replace("LakehandEventsOf", "Template");
            set(&client, &plan.queue, &queue, Attribute::Policy, renamed).await.unwrap();
            let again = told(&provision_queues(&config, &plan, Mode::Make).await.unwrap());
            assert!(again.iter().all(|line| line.ends_with("as planned")), "{emulator}: {again:#?}");
            drop_queues(&config, made).await;
        }
    }

    #[tokio::test]
    async fn of_several_who_make_queues_none_fails() {
        for emulator in EMULATORS {
            let (config, plan) = (reach(emulator).await, plan());
            let made = futures::future::join_all((0..6).map(|_| provision_queues(&config, &plan, Mode::Make))).await;
            let made: Vec<Queues> = made.into_iter().map(Result::unwrap).collect();
            assert!(made.iter().all(|queues| queues.queue == made[0].queue), "{emulator}");
            let again = told(&provision_queues(&config, &plan, Mode::DryRun).await.unwrap());
            assert!(again.iter().all(|line| line.ends_with("as planned")), "{emulator}: {again:#?}");
            drop_queues(&config, made.into_iter().next().unwrap()).await;
        }
    }
}
