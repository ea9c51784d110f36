//! A proxy before an emulator that does to calls, chosen or at random, what networks and services do. microburst does not
//! serve here: it drops the Content-Length of every answer, which is all that a `HeadObject` says of the size, and it
//! cannot lose an answer that has no body, as those of most writes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What is done before a call goes on.
type Deed = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What happens to a call.
#[derive(Clone)]
pub enum Fault {
    /// It is answered so, and does not reach the service.
    Refused(u16, &'static str),
    /// It happens, and its answer is lost with the connection.
    LostAnswer,
    /// The body of its answer breaks off after so many bytes.
    CutAfter(usize),
    /// The body of its answer gives so many bytes, and then nothing for this long.
    StalledAfter(usize, Duration),
    /// The first byte of the answer's body is another.
    FlippedByte,
    /// This header of the request does not reach the service.
    HeaderDropped(&'static str),
    /// The `Range` of the request is this one.
    OtherRange(&'static str),
    /// It is answered by 200 and this error in the body, and does not reach the service.
    ErrorAfter200(&'static str),
    /// Something else happens just before it.
    Before(Deed),
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fault")
    }
}

impl Fault {
    /// Does something else just before the call.
    pub fn before<F: Future<Output = ()> + Send + 'static>(deed: impl Fn() -> F + Send + Sync + 'static) -> Self {
        Self::Before(Arc::new(move || Box::pin(deed())))
    }
}

struct Rule {
    method: &'static str,
    /// What the target must contain, and must not.
    with: &'static str,
    without: &'static str,
    skipped: usize,
    times: usize,
    fault: Fault,
}

/// A call that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `METHOD target`.
    pub line: String,
    headers: Vec<(String, String)>,
}

impl Seen {
    /// One of its headers.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

#[derive(Default)]
struct Plan {
    rules: Vec<Rule>,
    seen: Vec<Seen>,
    /// Where calls that no rule is for fail at random: the state of what is drawn, and how often one failed.
    chance: Option<u64>,
    chanced: usize,
    /// Bodies of requests that are on their way now, and the most there were at once.
    flying: usize,
    most_flying: usize,
}

/// The proxy. Dropped, it is gone.
pub struct Meddler {
    /// Where to send what it is to pass on.
    pub url: String,
    plan: Arc<Mutex<Plan>>,
    _serving: JoinSet<()>,
}

impl fmt::Debug for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meddler").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Meddler {
    /// Starts one before the service at this URL. It passes everything on until it is told otherwise.
    pub async fn before(endpoint: &str) -> Self {
        let upstream = endpoint.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let plan = Arc::new(Mutex::new(Plan::default()));
        let (mut serving, of_all) = (JoinSet::new(), Arc::clone(&plan));
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (upstream, plan) = (upstream.clone(), Arc::clone(&of_all));
                connections.spawn(async move {
                    // A connection that ends in the middle is what this is for.
                    drop(serve(client, &upstream, &plan).await);
                });
            }
        });
        Self { url, plan, _serving: serving }
    }

    /// The next `times` calls by `method` whose target contains `with` meet this fault.
    pub fn meddle(&self, method: &'static str, with: &'static str, times: usize, fault: Fault) {
        self.meddle_later(method, with, "\n", 0, times, fault);
    }

    /// As [`Meddler::meddle`], after `skipped` such calls went well, and only where the target does not contain `without`.
    pub fn meddle_later(
        &self,
        method: &'static str,
        with: &'static str,
        without: &'static str,
        skipped: usize,
        times: usize,
        fault: Fault,
    ) {
        self.plan.lock().unwrap().rules.push(Rule { method, with, without, skipped, times, fault });
    }

    /// From now on one call in seven fails somehow, the same ones for the same seed and calls.
    pub fn fail_at_random(&self, seed: u64) {
        self.plan.lock().unwrap().chance = Some(seed);
    }

    /// From now on no call fails at random any more.
    pub fn calm(&self) {
        self.plan.lock().unwrap().chance = None;
    }

    /// How many calls failed at random.
    pub fn chanced(&self) -> usize {
        self.plan.lock().unwrap().chanced
    }

    /// The calls that came since this was last asked.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.plan.lock().unwrap().seen)
    }

    /// How many calls by `method` came since calls were last asked for.
    pub fn count(&self, method: &str) -> usize {
        self.seen().iter().filter(|seen| seen.line.starts_with(method)).count()
    }

    /// How many faults are still to be met.
    pub fn unmet(&self) -> usize {
        self.plan.lock().unwrap().rules.iter().map(|rule| rule.times).sum()
    }

    /// The most bodies of requests that were on their way at once.
    pub fn most_flying(&self) -> usize {
        self.plan.lock().unwrap().most_flying
    }
}

struct Call {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Reads up to the empty line: the first line, the headers, and what came of the body.
async fn head(
    stream: &mut TcpStream,
    mut bytes: Vec<u8>,
) -> std::io::Result<Option<(String, Vec<(String, String)>, Vec<u8>)>> {
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Ok(Some((first, headers, bytes.split_off(end + 4))))
}

async fn serve(mut client: TcpStream, upstream: &str, plan: &Mutex<Plan>) -> std::io::Result<()> {
    let mut rest = Vec::new();
    loop {
        let Some((first, headers, mut body)) = head(&mut client, rest).await? else { return Ok(()) };
        let mut words = first.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if header(&headers, "expect").is_some() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let length: usize = header(&headers, "content-length").map_or(0, |length| length.parse().unwrap());
        assert!(header(&headers, "content-encoding") != Some("aws-chunked"), "bodies go as they are");
        while body.len() < length {
            if client.read_buf(&mut body).await? == 0 {
                return Ok(());
            }
        }
        rest = body.split_off(length);
        let mut call = Call { method, target, headers, body };
        let fault = {
            let mut plan = plan.lock().unwrap();
            plan.seen.push(Seen { line: format!("{} {}", call.method, call.target), headers: call.headers.clone() });
            plan.flying += call.body.len();
            plan.most_flying = plan.most_flying.max(plan.flying);
            plan.fate(&call)
        };
        let answered = answer(&mut client, upstream, &mut call, fault).await;
        plan.lock().unwrap().flying -= call.body.len();
        if !answered? {
            return Ok(());
        }
    }
}

impl Plan {
    fn fate(&mut self, call: &Call) -> Option<Fault> {
        let meets = |rule: &&mut Rule| {
            rule.times > 0
                && rule.method == call.method
                && call.target.contains(rule.with)
                && !call.target.contains(rule.without)
        };
        let Some(rule) = self.rules.iter_mut().find(meets) else { return self.drawn(call) };
        if rule.skipped > 0 {
            rule.skipped -= 1;
            return None;
        }
        rule.times -= 1;
        Some(rule.fault.clone())
    }
}

impl Plan {
    fn drawn(&mut self, call: &Call) -> Option<Fault> {
        let state = self.chance.as_mut()?;
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let drawn = usize::try_from(*state >> 40).unwrap();
        let fault = match drawn % 35 {
            0 | 1 => Fault::Refused(503, "SlowDown"),
            2 => Fault::Refused(500, "InternalError"),
            3 | 4 if call.method == "GET" => Fault::CutAfter(drawn % 2_000_000),
            3 | 4 => Fault::LostAnswer,
            _ => return None,
        };
        self.chanced += 1;
        Some(fault)
    }
}

/// Answers one call; `false`: the connection is to be lost.
async fn answer(
    client: &mut TcpStream,
    upstream: &str,
    call: &mut Call,
    fault: Option<Fault>,
) -> std::io::Result<bool> {
    let error =
        |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>meddled</Message></Error>");
    match &fault {
        Some(Fault::Refused(status, code)) => {
            let body = if call.method == "HEAD" { String::new() } else { error(code) };
            let told = format!("HTTP/1.1 {status} Meddled\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            client.write_all(told.as_bytes()).await?;
            return Ok(true);
        }
        Some(Fault::ErrorAfter200(code)) => {
            let body = error(code);
            let told = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            client.write_all(told.as_bytes()).await?;
            return Ok(true);
        }
        Some(Fault::Before(deed)) => deed().await,
        Some(Fault::HeaderDropped(name)) => call.headers.retain(|(found, _)| !found.eq_ignore_ascii_case(name)),
        Some(Fault::OtherRange(range)) => {
            for (_, value) in call.headers.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("range")) {
                (*range).clone_into(value);
            }
        }
        _ => {}
    }
    let (first, headers, mut body) = forward(upstream, call).await?;
    let keep = |name: &str| {
        !["transfer-encoding", "connection", "keep-alive"].iter().any(|other| name.eq_ignore_ascii_case(other))
    };
    let kept = headers.iter().filter(|(name, _)| keep(name) && !name.eq_ignore_ascii_case("content-length"));
    let kept: Vec<String> = kept.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = if call.method == "HEAD" { header(&headers, "content-length").map(str::to_owned) } else { None };
    let length = length.unwrap_or_else(|| body.len().to_string());
    let told = format!("{first}\r\n{}content-length: {length}\r\n\r\n", kept.concat());
    match fault {
        Some(Fault::LostAnswer) => return Ok(false),
        Some(Fault::FlippedByte) => body[0] ^= 1,
        Some(Fault::CutAfter(bytes)) => {
            client.write_all(told.as_bytes()).await?;
            client.write_all(&body[..bytes.min(body.len())]).await?;
            client.flush().await?;
            return Ok(false);
        }
        Some(Fault::StalledAfter(bytes, how_long)) => {
            client.write_all(told.as_bytes()).await?;
            client.write_all(&body[..bytes.min(body.len())]).await?;
            client.flush().await?;
            #[expect(clippy::disallowed_methods, reason = "a service that stalls does so in real time")]
            tokio::time::sleep(how_long).await;
            return Ok(false);
        }
        _ => {}
    }
    client.write_all(told.as_bytes()).await?;
    client.write_all(&body).await?;
    Ok(true)
}

async fn forward(upstream: &str, call: &Call) -> std::io::Result<(String, Vec<(String, String)>, Vec<u8>)> {
    let mut server = TcpStream::connect(upstream).await?;
    let keep = |name: &str| !["connection", "expect"].iter().any(|other| name.eq_ignore_ascii_case(other));
    let kept = call.headers.iter().filter(|(name, _)| keep(name));
    let kept: Vec<String> = kept.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let asked = format!("{} {} HTTP/1.1\r\n{}connection: close\r\n\r\n", call.method, call.target, kept.concat());
    server.write_all(asked.as_bytes()).await?;
    server.write_all(&call.body).await?;
    let mut raw = Vec::new();
    server.read_to_end(&mut raw).await?;
    let (first, headers, body) = head(&mut server, raw).await?.ok_or_else(cut_off)?;
    let chunked = header(&headers, "transfer-encoding").is_some_and(|value| value.contains("chunked"));
    Ok((first, headers, if chunked { unchunked(&body) } else { body }))
}

/// The emulator ended in the middle of its answer.
fn cut_off() -> std::io::Error {
    std::io::Error::from(std::io::ErrorKind::UnexpectedEof)
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(at) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..at]).unwrap().split(';').next().unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&bytes[at + 2..at + 2 + size]);
        bytes = &bytes[at + 4 + size..];
    }
    whole
}
