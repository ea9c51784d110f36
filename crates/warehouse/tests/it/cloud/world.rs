//! A stand-in and a bucket of its own for a test.

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lakehand_aws::{AwsOptions, Service, connect};
use lakehand_domain::clock::Clock;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::ObjectStore;
use lakehand_domain::port::warehouse::{QueryWarehouse, Warehouse};
use lakehand_domain::shape::{ColumnShape, TableShape};
use lakehand_domain::value::RowBatch;
use lakehand_redshift_standin::{Running, S3Access, StandinOptions, start};
use lakehand_store::s3::{S3Options, S3Store};
use lakehand_testkit::conformance::warehouse::{SampleParts, Tested};
use lakehand_testkit::real_clock::RealClock;
use lakehand_testkit::services;
use lakehand_warehouse::redshift::{RedshiftOptions, RedshiftWarehouse, Target};

use super::parquet::encode;

const REGION: &str = "eu-central-1";
const WORKGROUP: &str = "analytics";
const DATABASE: &str = "dev";

/// A stand-in, a bucket, and what is asked of both.
pub(crate) struct World {
    pub(crate) standin: Running,
    pub(crate) parts: Arc<BucketParts>,
    place: Place,
}

/// Where stand-in and bucket are.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    s3: String,
    redshift: String,
    /// The root of the lake.
    pub(crate) root: ObjectUri,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With the stand-in's options changed.
    pub(crate) async fn with(change: impl FnOnce(&mut StandinOptions)) -> Self {
        Self::on("ROTO", change).await
    }

    /// With the bucket at this emulator.
    pub(crate) async fn on(emulator: &str, change: impl FnOnce(&mut StandinOptions)) -> Self {
        let s3 = services::emulator(emulator);
        let name = format!("redshift{}", services::suffix());
        let access = S3Access::fixed(&s3, REGION, "test", "test");
        let mut standin = StandinOptions::new(services::postgres().parse().unwrap(), &name, access);
        change(&mut standin);
        let standin = start(standin).await.unwrap();
        let root = ObjectUri::parse(&format!("s3://{name}/lake")).unwrap();
        let place = Place { s3, redshift: standin.endpoint_url(), root };
        let client = place.s3_client().await;
        let region = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(REGION.into()).build();
        client.create_bucket().bucket(&name).create_bucket_configuration(region).send().await.unwrap();
        Self { standin, parts: place.parts(), place }
    }

    pub(crate) fn place(&self) -> Place {
        self.place.clone()
    }

    /// A warehouse as one process has it.
    pub(crate) async fn warehouse(&self, worker: &str) -> Arc<RedshiftWarehouse> {
        self.place.warehouse(worker).await
    }

    /// The same with options changed.
    pub(crate) async fn warehouse_with(
        &self,
        worker: &str,
        change: impl FnOnce(&mut RedshiftOptions),
    ) -> Arc<RedshiftWarehouse> {
        self.place.warehouse_trying(worker, AwsOptions::default().max_attempts, change).await
    }

    /// The same, whose SDK tries every call this often.
    pub(crate) async fn warehouse_trying(
        &self,
        worker: &str,
        max_attempts: u32,
        change: impl FnOnce(&mut RedshiftOptions),
    ) -> Arc<RedshiftWarehouse> {
        self.place.warehouse_trying(worker, max_attempts, change).await
    }

    /// The Data API, as an operator has it.
    pub(crate) async fn api(&self) -> aws_sdk_redshiftdata::Client {
        aws_sdk_redshiftdata::Client::new(&connect(&self.place.options(3).of(Service::RedshiftData)).await)
    }

    /// Runs a statement as an operator would, beside lakehand; it must succeed.
    pub(crate) async fn operate(&self, sql: &str) {
        let api = self.api().await;
        let sent = api.execute_statement().workgroup_name(WORKGROUP).database(DATABASE).sql(sql).wait_time_seconds(20);
        let sent = sent.send().await.unwrap();
        let told = api.describe_statement().id(sent.id().unwrap()).wait_time_seconds(20).send().await.unwrap();
        assert_eq!(told.status().unwrap().as_str(), "FINISHED", "{sql}: {:?}", told.error());
    }

    /// Stops the stand-in and removes what it made.
    pub(crate) async fn end(self) {
        self.standin.stop_and_remove().await.unwrap();
    }
}

impl Place {
    /// As a text that [`Place::read`] reads, for another process.
    pub(crate) fn written(&self) -> String {
        [&self.s3, &self.redshift, self.root.as_str()].join(" ")
    }

    pub(crate) fn read(text: &str) -> Self {
        let [s3, redshift, root] = text.split(' ').collect::<Vec<_>>().try_into().unwrap();
        Self { s3: s3.to_owned(), redshift: redshift.to_owned(), root: ObjectUri::parse(root).unwrap() }
    }

    fn options(&self, max_attempts: u32) -> AwsOptions {
        AwsOptions {
            region: Some(REGION.to_owned()),
            endpoint_url: Some(self.s3.clone()),
            endpoints: BTreeMap::from([(Service::RedshiftData, self.redshift.clone())]),
            max_attempts,
            ..AwsOptions::default()
        }
    }

    async fn s3_client(&self) -> aws_sdk_s3::Client {
        let config = connect(&self.options(3).of(Service::S3)).await;
        aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build())
    }

    /// The parts in the bucket.
    pub(crate) fn parts(&self) -> Arc<BucketParts> {
        Arc::new(BucketParts::new(self.clone()))
    }

    /// A warehouse as one process has it.
    pub(crate) async fn warehouse(&self, worker: &str) -> Arc<RedshiftWarehouse> {
        self.warehouse_trying(worker, AwsOptions::default().max_attempts, |_| {}).await
    }

    async fn warehouse_trying(
        &self,
        worker: &str,
        max_attempts: u32,
        change: impl FnOnce(&mut RedshiftOptions),
    ) -> Arc<RedshiftWarehouse> {
        let target = Target::Workgroup { name: WORKGROUP.to_owned(), secret_arn: None };
        let mut options = RedshiftOptions::new(target, DATABASE, self.root.join("_copy"), worker);
        options.requests_per_second = 10_000.0;
        change(&mut options);
        let config = connect(&self.options(max_attempts).of(Service::RedshiftData)).await;
        let writer = S3Options { path_style: true, ..S3Options::new(services::suffix()) };
        let s3 = connect(&self.options(3).of(Service::S3)).await;
        let lake = Arc::new(S3Store::new(&s3, writer).unwrap()) as Arc<dyn ObjectStore>;
        Arc::new(RedshiftWarehouse::open(&config, options, lake, Arc::new(RealClock) as Arc<dyn Clock>).unwrap())
    }
}

/// What the suites ask.
pub(crate) fn tested(warehouse: &Arc<RedshiftWarehouse>) -> Tested {
    Tested {
        warehouse: Arc::clone(warehouse) as Arc<dyn Warehouse>,
        query: Arc::clone(warehouse) as Arc<dyn QueryWarehouse>,
        view: |table: &TableShape| format!("\"{}\".\"{}\"", table.dataset, table.name),
        rows: |table: &TableShape| format!("\"{}\".\"{}__rows\"", table.dataset, table.name),
        keep: Box::new(()),
    }
}

/// Parts in a bucket, as Parquet. A thread of its own puts them there, so that a test's code needs not wait for each.
#[derive(Debug)]
pub(crate) struct BucketParts {
    root: ObjectUri,
    orders: Mutex<Sender<Order>>,
}

/// Bytes for an object, or none where it is to go; and whom to tell.
type Order = (ObjectUri, Option<Bytes>, Sender<()>);

impl BucketParts {
    fn new(place: Place) -> Self {
        let (orders, inbox) = channel::<Order>();
        let root = place.root.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = place.s3_client().await;
                // The thread has nothing else to do while it waits.
                while let Ok((uri, bytes, done)) = inbox.recv() {
                    let (bucket, key) = (uri.bucket(), uri.key());
                    match bytes {
                        Some(bytes) => {
                            client
                                .put_object()
                                .bucket(bucket)
                                .key(key)
                                .body(bytes.into())
                                .send()
                                .await
                                .map(drop)
                                .unwrap();
                        }
                        None => client.delete_object().bucket(bucket).key(key).send().await.map(drop).unwrap(),
                    }
                    done.send(()).unwrap();
                }
            });
        });
        Self { root, orders: Mutex::new(orders) }
    }

    /// Puts an object, or removes it.
    pub(crate) fn order(&self, uri: &ObjectUri, bytes: Option<Bytes>) {
        let (done, told) = channel();
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone();
        orders.send((uri.clone(), bytes, done)).unwrap();
        told.recv().unwrap();
    }
}

impl SampleParts for BucketParts {
    fn root(&self) -> ObjectUri {
        self.root.clone()
    }

    fn keep(&self, uri: &ObjectUri, columns: &[ColumnShape], batches: Vec<RowBatch>) -> (u64, String) {
        let bytes = encode(columns, &batches);
        let size = bytes.len() as u64;
        self.order(uri, Some(bytes));
        (size, String::new())
    }

    fn lose(&self, uri: &ObjectUri) {
        self.order(uri, None);
    }
}
