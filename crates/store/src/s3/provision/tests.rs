use super::*;

const QUEUE: &str = "arn:aws:sqs:eu-central-1:000000000000:arrivals";

fn plan(prefixes: &[&str], outputs: &[&str]) -> NotificationPlan {
    NotificationPlan {
        bucket: "company".to_owned(),
        prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
        queue_arn: QUEUE.to_owned(),
        outputs: outputs.iter().map(|output| ObjectUri::parse(output).unwrap()).collect(),
    }
}

#[test]
fn what_lakehand_writes_is_never_told_of() {
    let loops = |prefixes: &[&str], output: &str| plan(prefixes, &[output]).check().is_err();
    for (prefixes, output) in [
        (&[][..], "s3://company/lake"),
        (&["in/"], "s3://company"),
        (&["in/"], "s3://company/in"),
        (&["in/"], "s3://company/in/"),
        (&["in/"], "s3://company/in/lake"),
        (&["lake/landing/"], "s3://company/lake"),
        (&["l"], "s3://company/lake"),
        (&["a/", "lake/"], "s3://company/lake/"),
    ] {
        assert!(loops(prefixes, output), "{prefixes:?} {output}");
    }
    for (prefixes, output) in [
        (&[][..], "s3://company-lake/x"),
        (&["in/"], "s3://company/lake"),
        (&["in/"], "s3://company/int"),
        (&["lake"], "file:///company/lake"),
        (&["lake2/"], "s3://company/lake"),
    ] {
        assert!(!loops(prefixes, output), "{prefixes:?} {output}");
    }
    assert_eq!(
        plan(&["in/"], &["s3://company/in/lake"]).check().unwrap_err().to_string(),
        "bucket company would tell of what lakehand itself writes to s3://company/in/lake: keys that begin with \"in/\" \
         are told of, and each would be read and written again without end; use another bucket, or prefixes of which \
         neither begins with the other"
    );
}

#[test]
fn rules_never_overlap() {
    assert_eq!(plan(&[], &[]).rules(), [""]);
    assert_eq!(plan(&["b/", "a/x", "a/", "a/", "ab"], &[]).rules(), ["a/", "ab", "b/"]);
    assert_eq!(plan(&["in/", ""], &[]).rules(), [""]);
}

/// The template makes the bucket tell of the same.
#[test]
fn the_template_makes_the_same_notification() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/cloudformation.json"));
    let text = text.unwrap();
    let made = planned("in/", QUEUE).unwrap();
    let events: Vec<&str> = made.events().iter().map(Event::as_str).collect();
    assert_eq!(events, ["s3:ObjectCreated:*"]);
    assert!(text.contains(r#""Event": "s3:ObjectCreated:*""#), "as the template says");
}

mod cloud {
    use aws_sdk_s3::primitives::ByteStream;
    use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
    use aws_sdk_sqs::types::QueueAttributeName;
    use lakehand_aws::{AwsOptions, connect};
    use lakehand_testkit::real_clock::RealClock;
    use lakehand_testkit::services::{self, EMULATORS};

    use super::*;

    /// A bucket and a queue of one test's own.
    struct Bucket {
        config: SdkConfig,
        objects: Client,
        messages: aws_sdk_sqs::Client,
        queue_url: String,
        plan: NotificationPlan,
    }

    impl Bucket {
        async fn on(emulator: &str, prefixes: &[&str]) -> Self {
            let options = AwsOptions {
                region: Some("eu-central-1".to_owned()),
                endpoint_url: Some(services::emulator(emulator)),
                ..AwsOptions::default()
            };
            let config = connect(&options).await;
            let objects = Client::from_conf(Builder::from(&config).force_path_style(true).build());
            let messages = aws_sdk_sqs::Client::new(&config);
            let suffix = services::suffix();
            let made = messages.create_queue().queue_name(format!("arrivals-{suffix}")).send().await.unwrap();
            let queue_url = made.queue_url.unwrap();
            let arn = QueueAttributeName::QueueArn;
            let is = messages.get_queue_attributes().queue_url(&queue_url).attribute_names(arn.clone());
            let queue_arn = is.send().await.unwrap().attributes.unwrap().remove(&arn).unwrap();
            let bucket = format!("landing-{suffix}");
            let here = BucketLocationConstraint::EuCentral1;
            let here = CreateBucketConfiguration::builder().location_constraint(here).build();
            objects.create_bucket().bucket(&bucket).create_bucket_configuration(here).send().await.unwrap();
            let plan = NotificationPlan { bucket, queue_arn, ..plan(prefixes, &[]) };
            Self { config, objects, messages, queue_url, plan }
        }

        async fn told(&self, plan: &NotificationPlan, mode: Mode) -> Vec<String> {
            let found = provision_notifications(&self.config, plan, &RealClock, mode).await.unwrap();
            found.iter().map(Finding::to_string).collect()
        }

        async fn put(&self, key: &str) {
            let body = ByteStream::from_static(b"{}");
            self.objects.put_object().bucket(&self.plan.bucket).key(key).body(body).send().await.unwrap();
        }

        /// The bodies of all messages, once this many speak of objects.
        async fn messages(&self, objects: usize) -> String {
            let mut all = String::new();
            for _ in 0..20 {
                let received = self.messages.receive_message().queue_url(&self.queue_url);
                let received = received.max_number_of_messages(10).wait_time_seconds(1).send().await.unwrap();
                for message in received.messages.unwrap_or_default() {
                    all.push_str(&message.body.unwrap_or_default());
                }
                if all.matches("ObjectCreated:Put").count() >= objects {
                    break;
                }
            }
            all
        }

        async fn drop(self) {
            let listed = self.objects.list_objects_v2().bucket(&self.plan.bucket).send().await.unwrap();
            for object in listed.contents.unwrap_or_default() {
                let key = object.key.unwrap_or_default();
                self.objects.delete_object().bucket(&self.plan.bucket).key(key).send().await.unwrap();
            }
            self.objects.delete_bucket().bucket(&self.plan.bucket).send().await.unwrap();
            self.messages.delete_queue().queue_url(&self.queue_url).send().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_bucket_tells_of_what_lands_and_of_nothing_else() {
        for emulator in EMULATORS {
            let bucket = Bucket::on(emulator, &["in/", "in/deeper/", "other/"]).await;
            let named = format!("bucket {}: notification of keys that begin with", bucket.plan.bucket);
            let all = |state: &str| ["in/", "other/"].map(|rule| format!("{named} {rule:?}: {state}"));
            assert_eq!(bucket.told(&bucket.plan, Mode::DryRun).await, all("missing, would be made"), "{emulator}");
            assert_eq!(bucket.told(&bucket.plan, Mode::Make).await, all("made"), "{emulator}");
            for mode in [Mode::Make, Mode::DryRun] {
                assert_eq!(bucket.told(&bucket.plan, mode).await, all("as planned"), "{emulator}");
            }
            for key in ["lake/x", "in/a", "other/b", "inner/c"] {
                bucket.put(key).await;
            }
            let messages = bucket.messages(2).await;
            for (key, told) in [("in/a", true), ("other/b", true), ("lake/x", false), ("inner/c", false)] {
                let keys = [key.to_owned(), key.replace('/', "%2F")];
                assert_eq!(keys.iter().any(|key| messages.contains(key.as_str())), told, "{emulator}: {key}");
            }
            bucket.drop().await;
        }
    }

    /// What others have the bucket tell stays, and is not taken for ours.
    #[tokio::test]
    async fn other_notifications_stay_and_differences_are_told_of() {
        for emulator in EMULATORS {
            let bucket = Bucket::on(emulator, &["in/"]).await;
            bucket.told(&bucket.plan, Mode::Make).await;
            let other = NotificationPlan { prefixes: vec!["elsewhere/".to_owned()], ..bucket.plan.clone() };
            bucket.told(&other, Mode::Make).await;
            let is = bucket.objects.get_bucket_notification_configuration().bucket(&bucket.plan.bucket).send().await;
            let mut prefixes: Vec<String> =
                is.unwrap().queue_configurations().iter().map(|queue| Rule::of(queue).prefix.to_owned()).collect();
            prefixes.sort();
            assert_eq!(prefixes, ["elsewhere/", "in/"], "{emulator}");
            let stranger = NotificationPlan { queue_arn: format!("{QUEUE}-else"), ..bucket.plan.clone() };
            let found = bucket.told(&stranger, Mode::Make).await;
            let expected = format!(
                "bucket {}: notification of keys that begin with \"in/\": is s3:ObjectCreated:* of keys \"in/\"…\"\" to {}, \
                 planned was to {QUEUE}-else; left as it is",
                bucket.plan.bucket, bucket.plan.queue_arn
            );
            assert_eq!(found, [expected], "{emulator}");
            bucket.drop().await;
        }
    }

    #[tokio::test]
    async fn a_bucket_that_is_not_there_is_named() {
        let bucket = Bucket::on("ROTO", &[]).await;
        let missing = NotificationPlan { bucket: "landing-that-is-not-there".to_owned(), ..bucket.plan.clone() };
        let error = provision_notifications(&bucket.config, &missing, &RealClock, Mode::Make).await.unwrap_err();
        assert_eq!(error.to_string(), "look at bucket landing-that-is-not-there");
        let looping = NotificationPlan {
            outputs: vec![ObjectUri::parse(&format!("s3://{}/lake", bucket.plan.bucket)).unwrap()],
            ..bucket.plan.clone()
        };
        let error = provision_notifications(&bucket.config, &looping, &RealClock, Mode::Make).await.unwrap_err();
        assert!(matches!(error, ProvisionError::Plan(_)), "{error:?}");
        bucket.drop().await;
    }
}
