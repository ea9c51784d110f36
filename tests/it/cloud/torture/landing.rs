//! Files land all the while: new ones, rewritten ones, deleted ones, told of once, often, or by nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use lakehand_domain::clock::Clock;
use lakehand_domain::timestamp::Timestamp;
use lakehand_testkit::real_clock::RealClock;
use serde_json::json;

use super::content::{Content, content, key};
use crate::cloud::world::{World, dice, pause};

/// What has landed, and what is known of it.
pub(super) struct Landing {
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    bucket: String,
    queue: String,
    seed: String,
    /// Each object with its revision, and when that was put.
    revisions: BTreeMap<u64, (u64, Timestamp)>,
    /// Every content that was ever put, by key and eTag.
    pub(super) put: BTreeMap<(String, String), Content>,
    pub(super) deleted: BTreeSet<String>,
    pub(super) rewritten: BTreeSet<String>,
    pub(super) garbage: u64,
    /// Messages beyond those that the bucket sends.
    pub(super) deliveries: u64,
}

/// Not more messages wait than this, so that files land as fast as they are processed.
const BACKLOG: u64 = 60;

/// An object is rewritten only so long after it was put: versions of one second are ordered by their names alone.
const SETTLED: Duration = Duration::from_secs(2);

impl Landing {
    pub(super) async fn of(world: &World, seed: &str) -> Self {
        Self {
            s3: world.s3.clone(),
            sqs: world.sqs.clone(),
            bucket: world.landing(),
            queue: world.queue_url("").await,
            seed: seed.to_owned(),
            revisions: BTreeMap::new(),
            put: BTreeMap::new(),
            deleted: BTreeSet::new(),
            rewritten: BTreeSet::new(),
            garbage: 0,
            deliveries: 0,
        }
    }

    /// How many files there are.
    pub(super) fn files(&self) -> usize {
        self.put.keys().map(|(key, _)| key).collect::<BTreeSet<_>>().len()
    }

    /// Files land until then.
    pub(super) async fn until(&mut self, end: Timestamp) {
        for step in 0.. {
            if RealClock.now() >= end {
                return;
            }
            while self.backlog().await.is_none_or(|backlog| backlog > BACKLOG) {
                if RealClock.now() >= end {
                    return;
                }
                pause(Duration::from_millis(300)).await;
            }
            self.step(step).await;
        }
    }

    async fn step(&mut self, step: u64) {
        let throw = |about: u64, sides: u64| dice(&format!("{}/landing/{about}", self.seed), step, sides);
        let (what, which, more) = (throw(0, 100), throw(1, u64::MAX), throw(2, 3));
        let known = self.revisions.len() as u64;
        let old = (known > 0).then(|| which % known).and_then(|at| {
            let (number, (revision, put)) = self.revisions.iter().nth(usize::try_from(at).ok()?)?;
            Some((*number, *revision, RealClock.now().since(*put) > SETTLED))
        });
        match (what, old) {
            (0..12, Some((number, revision, true))) => {
                self.rewritten.insert(key(&self.seed, number));
                self.put(number, revision + 1).await;
            }
            (12..14, Some((number, _, _))) => self.delete(number).await,
            (14..20, Some((number, _, _))) => self.deliver(&key(&self.seed, number)).await,
            (20, _) => {
                self.garbage += 1;
                self.send(&format!("{{\"Records\": [{{\"garbage\": {step}}}]}}")).await;
            }
            _ => {
                let number = step;
                self.put(number, 0).await;
                for _ in 0..more {
                    self.deliver(&key(&self.seed, number)).await;
                }
            }
        }
    }

    async fn put(&mut self, number: u64, revision: u64) {
        let (key, content) = (key(&self.seed, number), content(&self.seed, number, revision));
        loop {
            let body = ByteStream::from(content.bytes.clone());
            let answer = self.s3.put_object().bucket(&self.bucket).key(&key).body(body).send().await;
            if let Ok(answer) = answer {
                let etag = answer.e_tag().unwrap_or_default().trim_matches('"').to_owned();
                self.put.insert((key, etag), content);
                break;
            }
            pause(Duration::from_millis(200)).await;
        }
        self.revisions.insert(number, (revision, RealClock.now()));
    }

    async fn delete(&mut self, number: u64) {
        let key = key(&self.seed, number);
        while self.s3.delete_object().bucket(&self.bucket).key(&key).send().await.is_err() {
            pause(Duration::from_millis(200)).await;
        }
        // It never comes back.
        self.revisions.remove(&number);
        self.deleted.insert(key);
    }

    async fn deliver(&mut self, key: &str) {
        self.deliveries += 1;
        let body = json!({"Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self.bucket}, "object": {"key": key}}
        }]});
        self.send(&body.to_string()).await;
    }

    async fn send(&self, body: &str) {
        while self.sqs.send_message().queue_url(&self.queue).message_body(body).send().await.is_err() {
            pause(Duration::from_millis(200)).await;
        }
    }

    async fn backlog(&self) -> Option<u64> {
        let name = aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
        let answer = self.sqs.get_queue_attributes().queue_url(&self.queue).attribute_names(name.clone()).send().await;
        answer.ok()?.attributes()?.get(&name)?.parse().ok()
    }

    /// The objects that are there at the end, each with its eTag.
    pub(super) async fn current(&self) -> BTreeMap<String, String> {
        let mut current = BTreeMap::new();
        let mut pages = self.s3.list_objects_v2().bucket(&self.bucket).into_paginator().send();
        while let Some(page) = pages.next().await {
            for object in page.expect("a page").contents() {
                let etag = object.e_tag().unwrap_or_default().trim_matches('"').to_owned();
                current.insert(object.key().unwrap_or_default().to_owned(), etag);
            }
        }
        current
    }
}
