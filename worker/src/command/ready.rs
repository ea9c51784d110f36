//! `lakehand ready`: asks the worker of this machine how it does, for the health checks of containers.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::context::Context;
use crate::failure::{Ending, Failure};

/// A worker that takes longer to answer is not well.
const PATIENCE: Duration = Duration::from_secs(5);

/// No answer is longer than this.
const LONGEST: u64 = 64 * 1024;

/// Asks, and passes on what it says.
pub(crate) async fn run(context: &Context) -> Result<Ending, Failure> {
    let settings = context.settings()?;
    let Some(address) = settings.http_listen else {
        return Err(Failure::Asked("http.listen is not set: the worker says nowhere how it does".to_owned()));
    };
    let asked = tokio::time::timeout(PATIENCE, ask(address)).await;
    let (ready, said) = asked.with_context(|| format!("no answer from {address} within {PATIENCE:?}"))??;
    context.output.text(&said)?;
    Ok(if ready { Ending::Well } else { Ending::FilesFailed })
}

/// One request of HTTP/1.0, whose answer ends with the connection.
async fn ask(listening: SocketAddr) -> anyhow::Result<(bool, String)> {
    let mut address = listening;
    if address.ip().is_unspecified() {
        // Listening everywhere, it listens here too.
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let asking = || format!("ask {address} (http.listen)");
    let mut stream = TcpStream::connect(address).await.with_context(asking)?;
    let request = format!("GET /ready HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.with_context(asking)?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer).await.with_context(asking)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("{address} does not speak HTTP"))?;
    match head.split(' ').nth(1) {
        Some("200") => Ok((true, body.to_owned())),
        Some("503") => Ok((false, body.to_owned())),
        other => bail!("{address} is no worker of lakehand: it answered {}", other.unwrap_or("nothing")),
    }
}
