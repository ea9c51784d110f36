//! Messages that were right and were then damaged, byte by byte and by each other. `make fuzz` goes on for longer.

use std::fs;
use std::time::{Duration, Instant};

use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::{ObjectEvent, OwnMessage};

use super::random::is_sane;
use super::*;

/// The most memory that the process may ever have had, in a long run, in which it does nothing else.
const MOST_MEMORY: u64 = 200 << 20;

struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % (most.max(1) as u64)).unwrap()
    }
}

fn right(chance: &mut Chance) -> String {
    let key = ["in/a.jsonl", "red+flower.jpg", "%e4%f6", "a//b%2Fc", "%F0%9F%90%9F"][chance.below(5)];
    let notification = notification(key).to_string();
    match chance.below(6) {
        0 => sns("Notification", &notification).to_string(),
        1 => event_bridge("Object Created", key).to_string(),
        2 => sns("Notification", &event_bridge("Object Created", key).to_string()).to_string(),
        3 => {
            let uri = ObjectUri::parse(&format!("s3://landing/{key}")).unwrap();
            OwnMessage::new(vec![ObjectEvent { uri, cause: Cause::Replay }; 3]).body()
        }
        4 => json!({"Records": [s3("ObjectCreated:Put", key), s3("ObjectRemoved:Delete", key), {"s3": 1}]}).to_string(),
        _ => notification,
    }
}

fn damaged(seed: u64) -> String {
    let chance = &mut Chance(seed);
    let mut bytes = right(chance).into_bytes();
    for _ in 0..=chance.below(5) {
        let at = chance.below(bytes.len());
        let end = (at + 1 + chance.below(40)).min(bytes.len());
        match chance.below(8) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                let place = chance.below(bytes.len() + 1);
                bytes.splice(place..place, again);
            }
            3 => {
                let other = right(chance).into_bytes();
                bytes.splice(at..end, other);
            }
            4 => bytes
                .splice(at..at, std::iter::repeat_n(b"[{\"\\"[chance.below(4)], chance.below(50_000)))
                .for_each(drop),
            5 if !bytes.is_empty() => bytes[at] = b"{}[]\",:\\%+0-e.\n\0"[chance.below(16)],
            _ if !bytes.is_empty() => bytes[at] ^= 1 << chance.below(8),
            _ => bytes.push(b'{'),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The most memory that this process ever had.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[expect(clippy::disallowed_methods, reason = "a test is told by its caller how long to go on, and where to begin")]
fn from_outside(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test that goes on for so long looks at real time")]
fn damaged_messages_give_records() {
    let long = from_outside("LAKEHAND_FUZZ_SECONDS");
    let lasts = Duration::from_secs(long.unwrap_or(1));
    let (first, began) = (from_outside("LAKEHAND_FUZZ_SEED").unwrap_or(0), Instant::now());
    let mut seed = first;
    while began.elapsed() < lasts {
        let body = damaged(seed);
        let shown = std::panic::catch_unwind(|| is_sane(&body));
        assert!(shown.is_ok(), "seed {seed}: {body:?}");
        if let (Some(_), Some(peak)) = (long, peak()) {
            assert!(peak < MOST_MEMORY, "{peak} bytes of memory after seed {seed}");
        }
        seed += 1;
    }
    let peak = peak().unwrap_or(0) >> 20;
    println!("{} damaged messages in {:?}, at most {peak} MB of memory", seed - first, began.elapsed());
}
