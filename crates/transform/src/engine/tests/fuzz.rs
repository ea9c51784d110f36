//! Files that were right and were then damaged, in every format and wrapping: nothing panics, nothing goes on for ever,
//! and nothing takes more memory than it may.
//!
//! `make fuzz MINUTES=60` goes on for longer than the second it has among the other tests, from seeds of its own. A
//! finding names its seed; `SEED=…` begins with it.

use std::fs;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::formats::{ALL, rows, wrapped, written};
use super::*;

/// No input of this size may take longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(10);

/// The most memory that the process may ever have had, in a long run, in which it does nothing else. Inputs have some
/// kilobytes; a bomb among them is unpacked in chunks.
const MOST_MEMORY: u64 = 700 << 20;

/// Numbers that look random.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % (most.max(1) as u64)).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// Lengths, counts and offsets that are wrong in the ways that hurt.
const NUMBERS: [u64; 9] =
    [0, 1, 0x7f, 0x80, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff];

fn damage(bytes: &mut Vec<u8>, chance: &mut Chance) {
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len());
        let some = 1 + chance.below(24);
        let end = (at + some).min(bytes.len());
        match chance.below(10) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                let place = chance.below(bytes.len() + 1);
                bytes.splice(place..place, again);
            }
            3 => bytes.extend((0..some).map(|_| chance.byte())),
            4 | 5 => {
                let number = NUMBERS[chance.below(NUMBERS.len())].to_le_bytes();
                let wide = [1, 2, 4, 8][chance.below(4)].min(bytes.len() - at);
                bytes[at..at + wide].copy_from_slice(&number[..wide]);
            }
            // Signs that structure is made of.
            6 if !bytes.is_empty() => bytes[at] = b"{}[]\",:\\\n\r\0\xef\xff"[chance.below(13)],
            7 if !bytes.is_empty() => bytes[at] ^= 1 << chance.below(8),
            _ if !bytes.is_empty() => bytes[at] = chance.byte(),
            _ => bytes.push(chance.byte()),
        }
    }
}

/// A file that was right, damaged before it was compressed, or after, or both; or nothing that was ever right.
fn made(seed: u64) -> (Vec<u8>, Format) {
    let mut chance = Chance(seed);
    let mut bytes_of_seed = [0; 32];
    bytes_of_seed[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes_of_seed);
    let rows = rows().new_tree(&mut TestRunner::new_with_rng(Config::default(), rng)).unwrap().current();
    let format = ALL[chance.below(ALL.len())];
    let rows: Vec<_> = rows.into_iter().map(|(row, dirt)| (row, dirt.map(|dirt| format.takes(dirt)))).collect();
    let (mut bytes, _) = written(&rows, format, chance.byte());
    match chance.below(40) {
        0 => bytes = (0..chance.below(5_000)).map(|_| chance.byte()).collect(),
        // What compresses well: bombs, and records without end.
        1 => bytes = vec![b" {[\"\0,\n"[chance.below(7)]; 1 << (10 + chance.below(15))],
        _ => {}
    }
    let place = chance.below(4);
    if place != 1 {
        damage(&mut bytes, &mut chance);
    }
    let mut bytes = wrapped(bytes, chance.byte());
    if place != 0 {
        damage(&mut bytes, &mut chance);
    }
    (bytes, format.format())
}

/// What is wrong with how one file ends; `None`: nothing.
fn amiss(seed: u64, engine: &Arc<Engine>, cancelled: &Arc<AtomicBool>) -> Option<String> {
    let (bytes, format) = made(seed);
    let columns = vec![
        field("id", "bigint"),
        field("n", "integer"),
        field("d", "decimal(12,2)"),
        field("x", "double"),
        field("t", "varchar(20)"),
        field("day", "date"),
        field("at", "timestamptz"),
        field("b", "boolean"),
    ];
    let mut dataset = dataset(vec![table("t", columns)]);
    dataset.source.format = format;
    dataset.quality.max_rejects = MaxRejects::Count(u64::MAX);
    let mut input = input(dataset);
    input.content = Content::Bytes(Bytes::from(bytes));
    let told = Arc::clone(cancelled);
    match engine.transform(&input, &Memory::default(), &|| told.load(Ordering::Relaxed)) {
        // It may say that the file is unreadable. It may not say that it does not know.
        Err(error @ (TransformError::Engine { .. } | TransformError::Io { .. })) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            Some(format!("{error}: {}", source.unwrap_or_default()))
        }
        Ok(done) => {
            let rows: u64 = done.tables.iter().map(|table| table.rows).sum();
            let accounted = rows + done.rejects.total();
            (accounted != done.records).then(|| format!("{} records, {accounted} of them accounted for", done.records))
        }
        Err(_) => None,
    }
}

/// The most memory that this process ever had.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[expect(clippy::disallowed_methods, reason = "a test is told by its caller how long to go on, and where to begin")]
fn told(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test that goes on for so long looks at real time")]
fn damaged_files_are_read_or_refused() {
    let long = told("LAKEHAND_FUZZ_SECONDS");
    let lasts = Duration::from_secs(long.unwrap_or(1));
    let (first, began) = (told("LAKEHAND_FUZZ_SEED").unwrap_or(0), Instant::now());
    let cancelled = Arc::new(AtomicBool::new(false));
    let (tell, hear) = channel();
    let runs = {
        let cancelled = Arc::clone(&cancelled);
        thread::spawn(move || {
            let engine = Arc::new(Engine::with_threads(NonZeroUsize::MIN));
            let mut seed = first;
            while began.elapsed() < lasts && !cancelled.load(Ordering::Relaxed) {
                let amiss = amiss(seed, &engine, &cancelled);
                if tell.send((seed, amiss)).is_err() {
                    return;
                }
                seed += 1;
            }
        })
    };
    let (mut findings, mut last) = (Vec::new(), None);
    loop {
        match hear.recv_timeout(PATIENCE) {
            Ok((seed, amiss)) => {
                last = Some(seed);
                if let Some(amiss) = amiss {
                    println!("seed {seed}: {amiss}");
                    findings.push((seed, amiss));
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                cancelled.store(true, Ordering::Relaxed);
                panic!("the file after {last:?} takes longer than {PATIENCE:?}");
            }
        }
        // Among other tests the memory is theirs, too.
        if let (Some(_), Some(peak)) = (long, peak()) {
            assert!(peak < MOST_MEMORY, "{peak} bytes of memory after seed {last:?}");
        }
    }
    assert!(runs.join().is_ok(), "the file after seed {last:?} panics");
    let files = last.map_or(0, |last| last + 1 - first);
    println!("{files} damaged files in {:?}, at most {} MB of memory", began.elapsed(), peak().unwrap_or(0) >> 20);
    assert!(findings.is_empty(), "{findings:?}");
}
