//! An endpoint that answers as a test wants, and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use lakehand_aws::{AwsOptions, SdkConfig, connect};
use lakehand_domain::clock::Clock;
use lakehand_queue::sqs::{QueueAddress, SqsOptions, SqsQueue};
use lakehand_testkit::real_clock::RealClock;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// One call, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// `DeleteMessageBatch`, …
    pub(crate) operation: String,
    pub(crate) input: Value,
}

impl Call {
    /// The ids of the entries whose receipts are these; all entries where none is named.
    pub(crate) fn entries(&self) -> Vec<(String, String)> {
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        let entries = self.input["Entries"].as_array().unwrap().iter();
        entries.map(|entry| (text(entry, "Id"), text(entry, "ReceiptHandle"))).collect()
    }
}

/// How a call is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Json(Value),
    /// A refusal with this code and message.
    Error(&'static str, &'static str),
    /// With the service's own failure.
    Down,
    /// Never.
    Silence,
}

type Answer = Box<dyn Fn(usize, &Call) -> Reply + Send + Sync>;

pub(crate) struct Fake {
    pub(crate) url: String,
    calls: Arc<Mutex<Vec<Call>>>,
    _serving: JoinSet<()>,
}

impl Fake {
    /// `answer` is given how many calls of the same operation came before, and the call. Opening is answered here.
    pub(crate) async fn new(answer: impl Fn(usize, &Call) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen): (Arc<Answer>, _) = (Arc::new(Box::new(answer)), Arc::clone(&calls));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                connections.spawn(async move { drop(serve(stream, &answer, &seen).await) });
            }
        });
        Self { url, calls, _serving: serving }
    }

    /// The calls of one operation.
    pub(crate) fn calls(&self, operation: &str) -> Vec<Call> {
        self.calls.lock().unwrap().iter().filter(|call| call.operation == operation).cloned().collect()
    }

    pub(crate) async fn config(&self) -> SdkConfig {
        config(&self.url).await
    }

    /// A queue whose URL names a host that does not exist: calls must not go there.
    pub(crate) async fn queue(&self, clock: Arc<dyn Clock>) -> SqsQueue {
        let queue = QueueAddress::parse("http://nowhere.invalid:1/000000000000/work").unwrap();
        SqsQueue::open(&self.config().await, SqsOptions { queue }, clock).await.unwrap()
    }

    pub(crate) async fn real_queue(&self) -> SqsQueue {
        self.queue(Arc::new(RealClock)).await
    }
}

pub(crate) async fn config(url: &str) -> SdkConfig {
    let options = AwsOptions {
        region: Some("eu-central-1".to_owned()),
        endpoint_url: Some(url.to_owned()),
        // Machines that test are busy.
        attempt_timeout: Duration::from_mins(1),
        ..AwsOptions::default()
    };
    let credentials = SharedCredentialsProvider::new(Credentials::from_keys("test", "test", None));
    connect(&options).await.into_builder().credentials_provider(credentials).build()
}

async fn serve(stream: TcpStream, answer: &Answer, seen: &Mutex<Vec<Call>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut operation, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line.trim_end().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "x-amz-target" => operation = value.rsplit('.').next().unwrap().to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let call = Call { operation, input: serde_json::from_slice(&body).unwrap() };
        let before = {
            let mut seen = seen.lock().unwrap();
            seen.push(call.clone());
            seen.iter().filter(|other| other.operation == call.operation).count() - 1
        };
        let reply = match (call.operation.as_str(), before) {
            ("GetQueueAttributes", 0) => attributes(),
            _ => answer(before, &call),
        };
        let (status, body) = match reply {
            Reply::Json(body) => ("200 OK", body),
            Reply::Error(code, message) => {
                ("400 Bad Request", json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": message}))
            }
            Reply::Down => ("503 Service Unavailable", json!({"__type": "ServiceUnavailable"})),
            Reply::Silence => {
                std::future::pending::<()>().await;
                return Ok(());
            }
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
    }
}

/// What the queue says of itself when it is opened.
pub(crate) fn attributes() -> Reply {
    Reply::Json(json!({"Attributes": {
        "QueueArn": "arn:aws:sqs:eu-central-1:000000000000:work",
        "MaximumMessageSize": "2048",
    }}))
}

/// All entries are done.
pub(crate) fn all_done(call: &Call) -> Reply {
    let done: Vec<_> = call.entries().into_iter().map(|(id, _)| json!({"Id": id})).collect();
    Reply::Json(json!({"Successful": done, "Failed": []}))
}

/// Entries whose receipt begins with `bad` fail for themselves, the others are done.
pub(crate) fn bad_fail(call: &Call, code: &str, sender_fault: bool, message: &str) -> Reply {
    let (failed, done): (Vec<_>, Vec<_>) =
        call.entries().into_iter().partition(|(_, handle)| handle.starts_with("bad"));
    let done: Vec<_> = done.into_iter().map(|(id, _)| json!({"Id": id})).collect();
    let failed: Vec<_> = failed
        .into_iter()
        .map(|(id, _)| json!({"Id": id, "Code": code, "SenderFault": sender_fault, "Message": message}))
        .collect();
    Reply::Json(json!({"Successful": done, "Failed": failed}))
}
