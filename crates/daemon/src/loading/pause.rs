//! When loading pauses: because somebody said so, in the ledger, or by the clock.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use croner::Cron;
use lakehand_domain::id::DatasetId;
use lakehand_domain::port::ledger::LedgerError;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::pause::{pause_text, paused_until};
use lakehand_pipeline::ports::Ports;

/// Cron patterns of minutes in which nothing is loaded, in UTC: `* 8-17 * * MON-FRI` is from eight to six on working
/// days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PauseWindows(Vec<(String, Cron)>);

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{pattern:?} is no cron pattern such as \"* 8-17 * * MON-FRI\", the minutes in which nothing is loaded (UTC): {why}"
)]
pub struct PauseWindowError {
    pattern: String,
    why: String,
}

impl PauseWindows {
    /// Reads patterns of five fields: minute, hour, day of month, month, day of week.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, PauseWindowError> {
        let read = |pattern: &str| {
            let refuse = |why: String| PauseWindowError { pattern: pattern.to_owned(), why };
            if pattern.split_whitespace().count() != 5 {
                return Err(refuse("it has five fields".to_owned()));
            }
            let cron = Cron::from_str(pattern).map_err(|error| refuse(error.to_string()))?;
            Ok((pattern.to_owned(), cron))
        };
        patterns
            .into_iter()
            .map(str::trim)
            .filter(|pattern| !pattern.is_empty())
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The pattern that this instant lies in.
    pub(crate) fn window_of(&self, now: Timestamp) -> Option<&str> {
        // A pattern without seconds means the first of each minute.
        let now = DateTime::<Utc>::from_timestamp_micros(now.micros())?.duration_trunc(TimeDelta::minutes(1)).ok()?;
        let inside = |cron: &Cron| cron.is_time_matching(&now).unwrap_or(false);
        self.0.iter().find(|(_, cron)| inside(cron)).map(|(pattern, _)| pattern.as_str())
    }
}

impl fmt::Display for PauseWindows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns: Vec<&str> = self.0.iter().map(|(pattern, _)| pattern.as_str()).collect();
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
    Ok(windows.window_of(now).map(|pattern| format!("in the minutes of loading.pause, {pattern} (UTC)")))
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
    fn a_pattern_that_is_none_is_refused_by_name() {
        for bad in ["soon", "* 25 * * *", "* * * *", "0 * 8-17 * * MON-FRI", "@daily"] {
            let error = PauseWindows::parse(["* 1 * * *", bad]).unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("MON-FRI"), "{error}");
        }
    }
}
