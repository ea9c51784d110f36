//! One cloud of its own for each test: buckets, queues, a table, a database, and workers as processes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use lakehand_aws::AwsOptions;
use lakehand_redshift_standin::{Fault, Rule, Running, S3Access, StandinError, StandinOptions, database_name};
use lakehand_testkit::services;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{BINARY, text};

/// Everything short, so that tests are.
const SETTINGS: &str = r#"
[landing]
url = "s3://landing-{suffix}"
[lake]
url = "s3://lake-{suffix}"
[queue]
url = "sqs://arrivals-{suffix}"
dead_letters_url = "sqs://arrivals-{suffix}-dead"
[ledger]
url = "dynamodb://ledger-{suffix}"
[warehouse]
url = "redshift://local/w{suffix}"
[aws]
region = "eu-central-1"
[redshift]
iam_role = "arn:aws:iam::000000000000:role/copy"
requests_per_second = 100
[intake]
lease = "5s"
visibility = "5s"
clock_skew = "1s"
retry_first = "200ms"
[loading]
linger = "300ms"
poll = "1s"
[sweeper]
interval = "2s"
claim_grace = "1s"
[shutdown]
deadline = "20s"
"#;

/// Where the services below a cloud are.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The URL of the emulator of AWS.
    pub(super) emulator: String,
    /// How PostgreSQL is reached.
    pub(super) postgres: String,
}

impl Places {
    /// Those that all tests share.
    pub(super) fn of_all() -> Self {
        Self { emulator: services::emulator("ROTO"), postgres: services::postgres() }
    }
}

/// Where each service is reached.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    pub(super) s3: String,
    pub(super) sqs: String,
    pub(super) dynamodb: String,
    pub(super) redshift: String,
}

/// One cloud.
pub(super) struct World {
    pub(super) suffix: String,
    standin: Option<Running>,
    instance: String,
    places: Places,
    /// Settings of this cloud's own, as variables of the environment.
    settings: Vec<(&'static str, &'static str)>,
    pub(super) s3: aws_sdk_s3::Client,
    pub(super) sqs: aws_sdk_sqs::Client,
    pub(super) endpoints: Endpoints,
    folder: TempDir,
    workers: AtomicU32,
}

impl World {
    /// Makes everything, by the program's own `provision`. Every dataset is a definition file.
    pub(super) async fn new(definitions: &[&str]) -> Self {
        Self::at(Places::of_all(), &[], definitions).await
    }

    /// The same on services of its own, with more settings.
    pub(super) async fn at(places: Places, settings: &[(&'static str, &'static str)], definitions: &[&str]) -> Self {
        let emulator = places.emulator.clone();
        let suffix = services::suffix();
        let instance = format!("it{suffix}");
        let standin = start_standin(&places, &instance, None).await.expect("the stand-in starts");
        let options = AwsOptions { endpoint_url: Some(emulator.clone()), ..AwsOptions::default() };
        let config = lakehand_aws::connect(&options).await;
        let path_style = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let endpoints = Endpoints {
            s3: emulator.clone(),
            sqs: emulator.clone(),
            dynamodb: emulator,
            redshift: standin.endpoint_url(),
        };
        let world = Self {
            standin: Some(standin),
            instance,
            places,
            settings: settings.to_vec(),
            s3: aws_sdk_s3::Client::from_conf(path_style),
            sqs: aws_sdk_sqs::Client::new(&config),
            endpoints,
            folder: TempDir::new().expect("a temporary folder"),
            workers: AtomicU32::new(0),
            suffix,
        };
        std::fs::write(world.path("lakehand.toml"), SETTINGS.replace("{suffix}", &world.suffix)).expect("settings");
        world.define("datasets", definitions);
        let made = world.run(&["provision", "--create-buckets"]);
        assert!(made.status.success(), "{}", text(&made));
        world
    }

    /// Writes definitions into a folder of its own.
    pub(super) fn define(&self, folder: &str, definitions: &[&str]) {
        std::fs::create_dir_all(self.path(folder)).expect("a folder of definitions");
        for (at, text) in definitions.iter().enumerate() {
            std::fs::write(self.path(&format!("{folder}/d{at}.toml")), text).expect("a definition");
        }
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub(super) fn landing(&self) -> String {
        format!("landing-{}", self.suffix)
    }

    pub(super) fn lake(&self) -> String {
        format!("lake-{}", self.suffix)
    }

    /// The program on this cloud, its services reached by these endpoints.
    pub(super) fn command_by(&self, endpoints: &Endpoints, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .env_remove("LAKEHAND_LOG")
            .envs(self.settings.iter().copied())
            .env("LAKEHAND__AWS__S3_ENDPOINT_URL", &endpoints.s3)
            .env("LAKEHAND__AWS__SQS_ENDPOINT_URL", &endpoints.sqs)
            .env("LAKEHAND__AWS__DYNAMODB_ENDPOINT_URL", &endpoints.dynamodb)
            .env("LAKEHAND__AWS__REDSHIFT_DATA_ENDPOINT_URL", &endpoints.redshift);
        command
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        self.command_by(&self.endpoints, arguments)
    }

    /// Runs the program to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }

    /// What the program answers as JSON.
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output)))
    }

    /// Starts a worker.
    pub(super) fn worker(&self) -> Worker {
        self.worker_by(&self.endpoints, &[])
    }

    /// Starts a worker that reaches the services by these endpoints, with more arguments.
    pub(super) fn worker_by(&self, endpoints: &Endpoints, more: &[&str]) -> Worker {
        let number = self.workers.fetch_add(1, Ordering::SeqCst);
        let log = self.path(&format!("worker{number}.log"));
        let file = File::create(&log).expect("a log");
        let child = self
            .command_by(endpoints, &[&["run"], more].concat())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the program starts");
        Worker { child, log }
    }

    /// Lets an object land; the bucket tells the queue.
    pub(super) async fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        let body = ByteStream::from(bytes.into());
        self.s3.put_object().bucket(self.landing()).key(key).body(body).send().await.expect("the object is put");
    }

    /// Delivers an event about an object once more.
    pub(super) async fn deliver(&self, key: &str) {
        let encoded: String = key
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'/' | b'-' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect();
        let body = json!({"Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self.landing()}, "object": {"key": encoded}}
        }]});
        self.send(&body.to_string()).await;
    }

    /// Sends a message.
    pub(super) async fn send(&self, body: &str) {
        let url = self.queue_url("").await;
        self.sqs.send_message().queue_url(url).message_body(body).send().await.expect("the message is sent");
    }

    pub(super) async fn queue_url(&self, ending: &str) -> String {
        let name = format!("arrivals-{}{ending}", self.suffix);
        let answer = self.sqs.get_queue_url().queue_name(name).send().await.expect("the queue is there");
        answer.queue_url.expect("a URL")
    }

    /// How many messages the queue has, whatever they wait for.
    pub(super) async fn depth(&self) -> u64 {
        let url = self.queue_url("").await;
        let all = aws_sdk_sqs::types::QueueAttributeName::All;
        let answer = self.sqs.get_queue_attributes().queue_url(url).attribute_names(all).send().await;
        let attributes = answer.expect("the queue answers").attributes.unwrap_or_default();
        attributes
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("ApproximateNumberOf"))
            .map(|(_, value)| value.parse::<u64>().unwrap_or(0))
            .sum()
    }

    /// The objects that dead letters name, with how many letters name each, taking the letters.
    pub(super) async fn letters(&self) -> BTreeMap<String, u32> {
        let mut named = BTreeMap::new();
        for letter in self.take_letters().await {
            let object = letter["object"].as_str().unwrap_or("no object").rsplit('/').next().unwrap_or_default();
            *named.entry(object.to_owned()).or_default() += 1;
        }
        named
    }

    /// Takes all dead letters.
    pub(super) async fn take_letters(&self) -> Vec<Value> {
        let url = self.queue_url("-dead").await;
        let mut letters = Vec::new();
        loop {
            let answer = self.sqs.receive_message().queue_url(&url).max_number_of_messages(10).send().await;
            let messages = answer.expect("the dead-letter queue answers").messages.unwrap_or_default();
            if messages.is_empty() {
                return letters;
            }
            for message in messages {
                letters.push(serde_json::from_str(message.body().unwrap_or_default()).expect("a letter"));
                let receipt = message.receipt_handle().unwrap_or_default();
                self.sqs.delete_message().queue_url(&url).receipt_handle(receipt).send().await.expect("deleted");
            }
        }
    }

    /// How many entries are in each state.
    pub(super) fn states(&self) -> BTreeMap<String, u64> {
        let mut states = BTreeMap::new();
        for total in self.json(&["loads", "--limit", "1"])["totals"].as_array().expect("totals") {
            let state = total["state"].as_str().expect("a state").to_owned();
            *states.entry(state).or_default() += total["entries"].as_u64().expect("a count");
        }
        states
    }

    /// Waits until so many entries are loaded or set aside, and none is under way, and the queue is empty.
    pub(super) async fn until_settled(&self, entries: u64, patience: Duration) {
        let mut last = String::new();
        let settled = tokio::time::timeout(patience, async {
            loop {
                let states = self.states();
                let depth = self.depth().await;
                let count = |state: &str| states.get(state).copied().unwrap_or(0);
                let moving = count("claimed") + count("written") + depth;
                if moving == 0 && count("loaded") + count("set_aside") >= entries {
                    return;
                }
                last = format!("{states:?}, {depth} messages");
                pause(Duration::from_millis(500)).await;
            }
        });
        let ended = settled.await;
        assert!(ended.is_ok(), "not settled after {patience:?}: {last}\n{}", self.logs());
    }

    /// The last lines of every worker's log.
    pub(super) fn logs(&self) -> String {
        let mut all = String::new();
        for number in 0..self.workers.load(Ordering::SeqCst) {
            let log = std::fs::read_to_string(self.path(&format!("worker{number}.log"))).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(15)..].join("\n");
            _ = writeln!(all, "--- worker {number}\n{tail}");
        }
        all
    }

    /// Every line of any worker's log that has this text, the oldest first.
    pub(super) fn logged(&self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for number in 0..self.workers.load(Ordering::SeqCst) {
            let log = std::fs::read_to_string(self.path(&format!("worker{number}.log"))).unwrap_or_default();
            lines.extend(log.lines().filter(|line| line.contains(text)).map(|line| format!("{line} ({number})")));
        }
        lines.sort();
        lines
    }

    /// Rows of a query on the warehouse, each value as text.
    pub(super) async fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let answer = postgres(&self.places, &self.database(), sql).await;
        let mut rows = Vec::new();
        for message in answer {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                rows.push((0..row.len()).map(|at| row.get(at).unwrap_or("null").to_owned()).collect());
            }
        }
        rows
    }

    /// The database of PostgreSQL that stands for the warehouse.
    fn database(&self) -> String {
        database_name(&self.instance, "local", &format!("w{}", self.suffix))
    }

    /// Keeps the warehouse's state as it is now. No worker runs meanwhile.
    pub(super) async fn dump(&mut self) {
        let database = self.database();
        self.without_standin(&[format!("CREATE DATABASE \"{database}_kept\" TEMPLATE \"{database}\"")]).await;
    }

    /// Brings the warehouse back to the state that was kept. No worker runs meanwhile.
    pub(super) async fn restore(&mut self) {
        let database = self.database();
        self.without_standin(&[
            format!("DROP DATABASE \"{database}\""),
            format!("ALTER DATABASE \"{database}_kept\" RENAME TO \"{database}\""),
        ])
        .await;
    }

    async fn without_standin(&mut self, statements: &[String]) {
        let next = start_standin(&self.places, &self.instance, None).await.expect("the stand-in starts");
        self.endpoints.redshift = next.endpoint_url();
        let before = self.standin.replace(next);
        before.expect("one runs").stop().await;
        for statement in statements {
            postgres(&self.places, "postgres", statement).await;
        }
    }

    /// Stops the stand-in, and starts it again at the same address after `away`: it remembers no statement.
    #[expect(clippy::print_stdout, reason = "a test that fails shows why the stand-in did not start")]
    pub(super) async fn restart_standin(&mut self, away: Duration) {
        let address = self.standin().address();
        self.standin.take().expect("it runs").stop().await;
        pause(away).await;
        for _ in 0..50 {
            match start_standin(&self.places, &self.instance, Some(address)).await {
                Ok(again) => {
                    self.standin = Some(again);
                    return;
                }
                Err(error) => println!("the stand-in does not start at {address}: {error}"),
            }
            pause(Duration::from_millis(200)).await;
        }
        panic!("the stand-in does not start again at {address}");
    }

    /// The stand-in of the warehouse.
    pub(super) fn standin(&self) -> &Running {
        self.standin.as_ref().expect("it runs")
    }

    /// Every statement is refused, as a paused cluster does.
    pub(super) fn pause_warehouse(&self) {
        let (code, message) = ("ValidationException".to_owned(), "Redshift cluster is paused.".to_owned());
        self.standin().faults().set(vec![Rule::new(Fault::Refuse { code, message, status: 400 })]);
    }

    /// Takes all faults of the warehouse away.
    pub(super) fn resume_warehouse(&self) {
        self.standin().faults().clear();
    }

    /// One number.
    pub(super) async fn number(&self, sql: &str) -> i64 {
        self.query(sql).await[0][0].parse().unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Every object of the lake by its key, with its size.
    pub(super) async fn lake_objects(&self) -> BTreeMap<String, u64> {
        let mut objects = BTreeMap::new();
        let mut pages = self.s3.list_objects_v2().bucket(self.lake()).into_paginator().send();
        while let Some(page) = pages.next().await {
            for object in page.expect("a page").contents() {
                let size = object.size().unwrap_or_default().unsigned_abs();
                objects.insert(object.key().unwrap_or_default().to_owned(), size);
            }
        }
        objects
    }

    /// The bytes of an object of the lake.
    pub(super) async fn lake_bytes(&self, key: &str) -> Vec<u8> {
        let object = self.s3.get_object().bucket(self.lake()).key(key).send().await.expect("the object is there");
        object.body.collect().await.expect("its bytes").to_vec()
    }

    /// Checks that the live parts of the lake are there with the bytes that their manifests say, and gives how many
    /// rows they hold, by dataset and table. A load is live where the warehouse has marked it.
    pub(super) async fn live_rows(&self) -> BTreeMap<String, u64> {
        let marked: BTreeSet<String> =
            self.query("SELECT load_id FROM lakehand.markers").await.into_iter().map(|mut row| row.remove(0)).collect();
        let objects = self.lake_objects().await;
        let mut rows = BTreeMap::new();
        let mut found = BTreeSet::new();
        for key in objects.keys().filter(|key| key.contains("/_manifests/")) {
            let manifest: Value = serde_json::from_slice(&self.lake_bytes(key).await).expect("a manifest");
            let load = manifest["load_id"].as_str().expect("a load").to_owned();
            if !marked.contains(&load) {
                continue;
            }
            found.insert(load);
            for table in manifest["tables"].as_array().expect("tables") {
                let name = format!(
                    "{}.{}",
                    manifest["dataset"].as_str().unwrap_or_default(),
                    table["table"].as_str().unwrap_or_default()
                );
                for part in table["parts"].as_array().expect("parts") {
                    let uri = part["uri"].as_str().expect("a URI");
                    let key = uri.strip_prefix(&format!("s3://{}/", self.lake())).expect("a part of this lake");
                    let bytes = self.lake_bytes(key).await;
                    assert_eq!(Some(bytes.len() as u64), part["bytes"].as_u64(), "{key}");
                    let checksum = &blake3::hash(&bytes).to_hex()[..32];
                    assert_eq!(Some(checksum), part["checksum"].as_str(), "{key}");
                    *rows.entry(name.clone()).or_default() += part["rows"].as_u64().expect("rows");
                }
            }
        }
        assert_eq!(found, marked, "every marked load has its manifest");
        rows
    }
}

async fn start_standin(places: &Places, instance: &str, at: Option<SocketAddr>) -> Result<Running, StandinError> {
    let s3 = S3Access::fixed(&places.emulator, "eu-central-1", "test", "test");
    let postgres = places.postgres.parse().expect("how PostgreSQL is reached");
    let mut options = StandinOptions::new(postgres, instance, s3);
    if let Some(address) = at {
        options.listen = address;
    }
    lakehand_redshift_standin::start(options).await
}

async fn postgres(places: &Places, database: &str, sql: &str) -> Vec<tokio_postgres::SimpleQueryMessage> {
    let mut config: tokio_postgres::Config = places.postgres.parse().expect("how PostgreSQL is reached");
    config.dbname(database);
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.expect("PostgreSQL is there");
    tokio::select! {
        answer = client.simple_query(sql) => answer.unwrap_or_else(|error| panic!("{sql}: {error}")),
        ended = connection => panic!("{sql}: the connection ended: {ended:?}"),
    }
}

/// A worker's process. It is killed when it is dropped.
pub(super) struct Worker {
    child: Child,
    log: PathBuf,
}

impl Worker {
    /// kill -9.
    pub(super) fn kill(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }

    /// Sends a signal by its name.
    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.expect("kill runs").success(), "SIG{name}");
    }

    /// SIGTERM, and waits for the drain. What it logged.
    pub(super) fn stop(mut self) -> String {
        self.signal("TERM");
        let ended = self.child.wait().expect("it ends");
        let log = self.log();
        assert!(ended.success(), "a drained worker ends with 0: {ended}\n{log}");
        log
    }

    /// How it ended, where it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("its end can be asked for")
    }

    /// What it logged.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Lets real time pass.
#[expect(clippy::disallowed_methods, reason = "the processes under test live in real time")]
pub(super) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Numbers that look random; the same for the same seed and throw.
pub(super) fn dice(seed: &str, throw: u64, sides: u64) -> u64 {
    let hash = blake3::hash(format!("{seed}/{throw}").as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes")) % sides
}
