use lakehand_domain::clock::Clock as _;
use lakehand_queue::sqlite::{QueueOptions, SqliteQueue};
use lakehand_testkit::manual_clock::ManualClock;

use super::*;
use crate::replay::selection::LetterReason;

const SHORT: Duration = Duration::from_mins(1);

struct Site {
    _folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    letters: Arc<SqliteQueue>,
    pass: LetterPass,
}

/// A pass over a queue with so many letters of each of two kinds, one of which is selected.
async fn site(selected: usize, others: usize, change: impl FnOnce(&mut LetterPass)) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::hurrying(Timestamp::parse("2100-01-01T00:00:00Z").unwrap()));
    let open = |name: &str| {
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        Arc::new(SqliteQueue::open(&folder.path().join("queue.db"), name, QueueOptions::default(), time).unwrap())
    };
    let (letters, messages) = (open("letters"), open("messages"));
    for n in 0..selected.max(others) {
        if n < others {
            letters.send(&letter("unreadable", n), Duration::ZERO).await.unwrap();
        }
        if n < selected {
            letters.send(&format!("no letter {n}"), Duration::ZERO).await.unwrap();
        }
    }
    clock.advance(Duration::from_secs(1));
    let mut pass = LetterPass {
        letters: Arc::<SqliteQueue>::clone(&letters),
        messages,
        clock: Arc::<ManualClock>::clone(&clock),
        catalog: Arc::default(),
        next: Arc::new(()),
        selection: LetterSelection { reason: Some(LetterReason::Raw), ..LetterSelection::default() },
        most_held: MOST_HELD,
        dry: false,
        started: clock.now(),
        state: Mutex::default(),
    };
    change(&mut pass);
    Site { _folder: folder, clock, letters, pass }
}

fn letter(kind: &str, n: usize) -> String {
    format!(
        r#"{{"lakehand_dead_letter":1,"kind":"{kind}","reason":"r","at":"2099-12-31T00:00:00Z","object":"s3://b/{n}","generation":1}}"#
    )
}

impl Site {
    /// Receives until the pass is over, and ends every message as it is told to.
    async fn until_over(&self, mut settlement: impl FnMut(&Message) -> Settlement) -> Vec<String> {
        let mut bodies = Vec::new();
        for _ in 0..10_000 {
            for message in self.pass.receive(10, SHORT, Duration::ZERO).await.unwrap() {
                let ended = settlement(&message);
                let receipt = std::slice::from_ref(&message.receipt);
                let told = match &ended {
                    Settlement::Deleted => self.pass.delete(receipt).await,
                    _ => self.pass.extend(receipt, SHORT).await,
                };
                assert_eq!(told.unwrap(), [ReceiptOutcome::Done]);
                self.pass.message_settled(&message.id, &ended);
                bodies.push(message.body);
            }
            if self.pass.end().is_some() {
                return bodies;
            }
            self.clock.advance(Duration::from_secs(1));
        }
        panic!("the pass does not end");
    }

    async fn depth(&self) -> QueueDepth {
        self.letters.depth().await.unwrap()
    }
}

#[tokio::test]
async fn each_letter_is_seen_once_and_what_is_hidden_is_shown_at_the_end() {
    let site = site(25, 60, |_| {}).await;
    let bodies = site.until_over(|_| Settlement::Deleted).await;
    assert_eq!((bodies.len(), site.pass.end()), (25, Some(End::Complete)));
    assert!(bodies.iter().all(|body| body.starts_with("no letter")));
    assert_eq!(site.pass.passed_over(), (60, 0));
    assert_eq!(site.depth().await, QueueDepth { in_flight: 60, ..QueueDepth::default() });
    assert_eq!(site.pass.hidden_elsewhere().await, 0);
    assert_eq!(site.pass.show_all().await, None);
    assert_eq!(site.depth().await, QueueDepth { visible: 60, ..QueueDepth::default() });
}

#[tokio::test]
async fn what_is_hidden_stays_so_however_long_the_pass_takes() {
    let site = site(1, 30, |_| {}).await;
    let mut rounds = 0;
    // One letter waits, again and again, for hours.
    let bodies = site.until_over(|_| {
        rounds += 1;
        site.clock.advance(Duration::from_secs(20));
        if rounds < 120 { Settlement::Waits { until: Timestamp::default() } } else { Settlement::Deleted }
    });
    let bodies = bodies.await;
    assert!(bodies.iter().all(|body| body == "no letter 0"), "{bodies:?}");
    assert_eq!((bodies.len(), site.pass.passed_over()), (120, (30, 0)));
    assert!(site.clock.now().since(Timestamp::parse("2100-01-01T00:00:00Z").unwrap()) > HOLD * 2);
    let seen = site.letters.receive(10, SHORT, Duration::ZERO).await.unwrap();
    assert!(seen.is_empty(), "nobody else sees them meanwhile: {seen:?}");
}

#[tokio::test]
async fn what_this_run_sends_and_what_is_newer_is_not_for_this_pass() {
    let site = site(3, 0, |_| {}).await;
    let Site { letters, pass, .. } = site;
    let pass = Arc::new(pass);
    let outbox = Outbox(Arc::clone(&pass));
    outbox.send("no letter of before", Duration::ZERO).await.unwrap();
    site.clock.advance(Duration::from_secs(1));
    letters.send("no letter of later", Duration::ZERO).await.unwrap();
    let mut given = 0;
    while pass.end().is_none() {
        for message in pass.receive(10, SHORT, Duration::ZERO).await.unwrap() {
            given += 1;
            outbox.send(&message.body, Duration::ZERO).await.unwrap();
            pass.delete(&[message.receipt]).await.unwrap();
            pass.message_settled(&message.id, &Settlement::Deleted);
        }
    }
    assert_eq!((given, pass.passed_over()), (3, (0, 5)));
    assert_eq!(pass.depth().await.unwrap().total(), 0, "the pass is over, whatever lies there");
    assert_eq!(pass.messages.depth().await.unwrap().total(), 0);
    pass.send("asked for", Duration::ZERO).await.unwrap();
    assert_eq!(pass.messages.depth().await.unwrap().total(), 1, "what is asked for is asked of everybody");
}

#[tokio::test]
async fn a_pass_hides_no_more_than_it_may() {
    let site = site(0, 60, |pass| pass.most_held = 25).await;
    site.until_over(|_| Settlement::Deleted).await;
    let Some(End::CutShort(why)) = site.pass.end() else { panic!("{:?}", site.pass.end()) };
    assert!(why.starts_with("30 letters are hidden"), "{why}");
    assert_eq!(site.pass.show_all().await, None);
    assert_eq!(site.depth().await.visible, 60);
}

#[tokio::test]
async fn beyond_the_limit_only_what_waits_is_asked_for() {
    let site = site(30, 0, |pass| pass.selection.limit = 4).await;
    let mut waits = 3;
    let bodies = site.until_over(|message| {
        if message.body == "no letter 2" && waits > 0 {
            waits -= 1;
            return Settlement::Waits { until: Timestamp::default() };
        }
        Settlement::Deleted
    });
    let bodies = bodies.await;
    assert_eq!(bodies.len(), 4 + 3, "{bodies:?}");
    assert!(matches!(site.pass.end(), Some(End::CutShort(why)) if why.contains("limit of 4")));
    site.pass.show_all().await;
    assert_eq!(site.depth().await, QueueDepth { visible: 26, ..QueueDepth::default() });
}

#[tokio::test]
async fn a_letter_that_somebody_else_hides_is_said_not_to_have_been_seen() {
    let site = site(5, 0, |_| {}).await;
    let other = site.letters.receive(2, Duration::from_hours(1), Duration::ZERO).await.unwrap();
    assert_eq!(other.len(), 2);
    assert_eq!(site.until_over(|_| Settlement::Deleted).await.len(), 3);
    assert_eq!((site.pass.end(), site.pass.hidden_elsewhere().await), (Some(End::Complete), 2));
}

#[tokio::test]
async fn a_dry_pass_hands_out_nothing() {
    let site = site(12, 12, |pass| pass.dry = true).await;
    assert!(site.until_over(|_| Settlement::Deleted).await.is_empty());
    assert_eq!((site.pass.lines(|lines| lines.letters()), site.pass.passed_over()), (12, (12, 0)));
    assert_eq!(site.pass.show_all().await, None);
    assert_eq!(site.depth().await, QueueDepth { visible: 24, ..QueueDepth::default() });
}
