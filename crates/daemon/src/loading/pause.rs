//! When loading pauses: because somebody said so, in the ledger, or by the clock.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use lakehand_domain::id::DatasetId;
use lakehand_domain::port::ledger::LedgerError;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::pause::{pause_text, paused_until};
use lakehand_pipeline::ports::Ports;

/// Cron patterns of minutes in which nothing is loaded: `* 8-17 * * MON-FRI` is from eight to six on working days, in UTC;
/// `* 8-17 * * MON-FRI Europe/Berlin` by the clocks of Berlin, whatever the season.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PauseWindows(Vec<Window>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Window {
    pattern: String,
    cron: Cron,
    zone: Tz,
}

/// So many patterns are enough for anybody, and each is looked at before each batch.
const MOST: usize = 100;

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{pattern:?} is no cron pattern such as \"* 8-17 * * MON-FRI\", the minutes in which nothing is loaded, in UTC or in \
     the zone that may follow, such as Europe/Berlin: {why}"
)]
pub struct PauseWindowError {
    pattern: String,
    why: String,
}

impl PauseWindows {
    /// Reads patterns of five fields: minute, hour, day of month, month, day of week. A time zone may follow.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, PauseWindowError> {
        let patterns = patterns.into_iter().map(str::trim).filter(|pattern| !pattern.is_empty());
        let mut windows = Vec::new();
        for pattern in patterns {
            let refuse = |why: String| PauseWindowError { pattern: pattern.to_owned(), why };
            if windows.len() == MOST {
                return Err(refuse(format!("it is one more than the {MOST} that there may be")));
            }
            let fields: Vec<&str> = pattern.split_whitespace().collect();
            let (five, zone) = match fields.len() {
                5 => (fields.as_slice(), Tz::UTC),
                6 => {
                    let zone = fields[5].parse().map_err(|_| refuse(format!("{:?} is no time zone", fields[5])))?;
                    (&fields[..5], zone)
                }
                _ => return Err(refuse("it has five fields".to_owned())),
            };
            let cron = Cron::from_str(&five.join(" ")).map_err(|error| refuse(error.to_string()))?;
            windows.push(Window { pattern: pattern.to_owned(), cron, zone });
        }
        Ok(Self(windows))
    }

    /// The pattern that this instant lies in, with its zone.
    pub(crate) fn window_of(&self, now: Timestamp) -> Option<String> {
        let now = DateTime::<Utc>::from_timestamp_micros(now.micros())?;
        let inside = |window: &&Window| {
            // A pattern without seconds means the first of each minute.
            let there = now.with_timezone(&window.zone).duration_trunc(TimeDelta::minutes(1));
            there.is_ok_and(|there| window.cron.is_time_matching(&there).unwrap_or(false))
        };
        let window = self.0.iter().find(inside)?;
        Some(if window.zone == Tz::UTC { format!("{} (UTC)", window.pattern) } else { window.pattern.clone() })
    }
}

impl fmt::Display for PauseWindows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns: Vec<&str> = self.0.iter().map(|window| window.pattern.as_str()).collect();
        f.write_str(&patterns.join("; "))
    }
}

/// Why the loading of a dataset is paused now; `None`: it is not.
pub(super) async fn why_paused(
    ports: &Ports,
    windows: &PauseWindows,
    dataset: &DatasetId,
) -> Result<Option<String>, LedgerError> {
    let now = ports.clock.now();
    if let Some(until) = paused_until(ports.ledger.as_ref(), Some(dataset), now).await? {
        return Ok(Some(format!("{}, as somebody asked for", pause_text(until))));
    }
    Ok(windows.window_of(now).map(|window| format!("in the minutes of loading.pause, {window}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_window_is_all_of_its_minutes() {
        let windows = PauseWindows::parse(["* 8-17 * * MON-FRI", " ", "30-59 3 1 * *"]).unwrap();
        assert_eq!(windows.to_string(), "* 8-17 * * MON-FRI; 30-59 3 1 * *");
        // 2026-11-20 is a Friday.
        for (text, inside) in [
            ("2026-11-20T07:59:59.999999Z", false),
            ("2026-11-20T08:00:00Z", true),
            ("2026-11-20T17:59:59.999999Z", true),
            ("2026-11-20T18:00:00Z", false),
            ("2026-11-21T12:00:00Z", false),
            ("2026-12-01T03:29:59Z", false),
            ("2026-12-01T03:30:17.5Z", true),
        ] {
            assert_eq!(windows.window_of(at(text)).is_some(), inside, "{text}");
        }
        assert_eq!(PauseWindows::default().window_of(at("2026-11-20T12:00:00Z")), None);
    }

    #[test]
    fn a_window_is_by_the_clocks_of_its_zone() {
        let windows = PauseWindows::parse(["* 8-17 * * MON-FRI Europe/Berlin"]).unwrap();
        for (text, inside) in [
            ("2026-11-20T06:59:59Z", false),
            ("2026-11-20T07:00:00Z", true),
            ("2026-11-20T16:59:59Z", true),
            ("2026-11-20T17:00:00Z", false),
            // In summer its clocks are another hour ahead.
            ("2026-07-17T05:59:59Z", false),
            ("2026-07-17T06:00:00Z", true),
            ("2026-07-17T16:00:00Z", false),
            // Sunday there, Saturday here.
            ("2026-11-21T23:30:00Z", false),
        ] {
            assert_eq!(windows.window_of(at(text)).is_some(), inside, "{text}");
        }
        // The hour that comes twice, and the one that does not come.
        let twice = PauseWindows::parse(["* 2 * * * Europe/Berlin"]).unwrap();
        let minutes = |first: &str| {
            let first = at(first).micros();
            (0..240)
                .filter(|minute| {
                    let now = Timestamp::from_micros(first + minute * 60_000_000);
                    twice.window_of(now).is_some()
                })
                .count()
        };
        assert_eq!(minutes("2026-10-24T22:00:00Z"), 120);
        assert_eq!(minutes("2026-03-28T23:00:00Z"), 0);
        let of_utc = PauseWindows::parse(["* * * * *"]).unwrap();
        assert_eq!(of_utc.window_of(at("2026-11-20T12:00:00Z")).as_deref(), Some("* * * * * (UTC)"));
    }

    #[test]
    fn there_are_not_more_than_can_be_looked_at() {
        assert!(PauseWindows::parse(vec!["* 1 * * *"; MOST]).is_ok());
        assert!(PauseWindows::parse(vec!["* 1 * * *"; MOST + 1]).is_err());
    }

    #[test]
    fn a_pattern_that_is_none_is_refused_by_name() {
        for bad in ["soon", "* 25 * * *", "* * * *", "0 * 8-17 * * MON-FRI", "* 1 * * * Europe/Bonn", "@daily"] {
            let error = PauseWindows::parse(["* 1 * * *", bad]).unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("MON-FRI"), "{error}");
        }
    }
}
