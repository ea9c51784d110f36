//! A proxy in front of an emulator that throttles, breaks connections and loses answers, as a test tells it.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use lakehand_domain::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::real_clock::RealClock;
use crate::services::program;

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Microburst {
    address: String,
    _process: Child,
}

impl Microburst {
    /// Starts one in front of the emulator at this URL. It passes everything on until it is told otherwise.
    pub async fn before(upstream: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(program("microburst"))
            .args(["--upstream", upstream, "--host", "127.0.0.1", "--port", &port.to_string(), "--no-resign"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let proxy = Self { address: format!("127.0.0.1:{port}"), _process: process };
        for _ in 0..300 {
            if proxy.call("GET", "health", "").await.is_ok() {
                return proxy;
            }
            RealClock.sleep(Duration::from_millis(100)).await;
        }
        panic!("microburst does not answer at {}", proxy.address);
    }

    /// Where to send what it is to pass on.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds rules: a JSON list, as its documentation says. An answer that is lost after the call took effect is
    /// `[{"service": "sqs", "operation": "SendMessage", "times": 1, "response": {"abort_frac": 0.3}}]`.
    pub async fn rules(&self, rules: &str) {
        self.call("PATCH", "rules", rules).await.unwrap();
    }

    /// Puts these rules in place of those there were.
    pub async fn only_rules(&self, rules: &str) {
        self.call("POST", "rules", rules).await.unwrap();
    }

    /// What fired since the start: a JSON list.
    pub async fn fired(&self) -> String {
        self.call("GET", "fired", "").await.unwrap()
    }

    /// Counts of requests seen, faulted and forwarded, among others: a JSON object.
    pub async fn stats(&self) -> String {
        self.call("GET", "stats", "").await.unwrap()
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let request = format!(
            "{method} /_microburst/{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        if head.split(' ').nth(1).is_none_or(|status| !status.starts_with('2')) {
            return Err(std::io::Error::other(answer));
        }
        Ok(body.to_owned())
    }
}
