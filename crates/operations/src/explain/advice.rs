//! What a person can do about an object, as far as it can be told from here.

use lakehand_domain::entry::{Entry, EntryState};

use super::{ExplainPorts, Routing, StoreSays};

/// Under which definition the newest version was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// Today's, or nobody knows today's.
    Ours { is_refused: bool },
    /// Another.
    Other { is_refused: bool },
}

/// What a written file waits for.
fn wait(written: Written, entry: &Entry) -> String {
    let fingerprint = &entry.fingerprint;
    match written {
        Written::Ours { is_refused: false } => {
            "its Parquet is in the lake; it is loaded with the next batch, if lakehand \
                                                runs and the warehouse answers"
                .to_owned()
        }
        Written::Ours { is_refused: true } => format!(
            "its Parquet is in the lake, and the warehouse refuses to put its definition {fingerprint} in force: lakehand \
             check --against-warehouse says why; once that is mended it is loaded, and where the definition is changed it \
             is transformed anew"
        ),
        Written::Other { is_refused: true } => format!(
            "its Parquet is in the lake, written under definition {fingerprint}, which the warehouse refused; lakehand run \
             with the definition in force transforms it anew, at its next look"
        ),
        Written::Other { is_refused: false } => format!(
            "its Parquet is in the lake, written under definition {fingerprint}, which is not the one of today: workers \
             that have it load it once it is in force; where a newer one is in force, or it is given up, lakehand run \
             transforms it anew"
        ),
    }
}

/// What to do, as far as it can be told.
pub(super) fn advice(
    ports: &ExplainPorts<'_>,
    routing: &Routing,
    store: &StoreSays,
    entries: &[Entry],
    written: Written,
) -> Vec<String> {
    let mut advice = Vec::new();
    let mut say = |text: String| advice.push(text);
    match (&routing.dataset, store) {
        (None, StoreSays::Present { .. }) if entries.is_empty() => {
            say("no dataset claims it: add a pattern for it to source.objects of a definition".to_owned());
        }
        (None, _) if entries.is_empty() => {
            say("no dataset claims it, and it is not there: look at its name".to_owned());
        }
        (Some(dataset), StoreSays::Present { .. }) if entries.is_empty() => say(format!(
            "{dataset} claims it, and nothing was done with it yet: lakehand run takes it up at its next listing"
        )),
        (Some(_), StoreSays::Absent) if entries.is_empty() => {
            say("it is not there, and was never seen: the sender did not write it, or wrote it elsewhere".to_owned());
        }
        (_, StoreSays::Present { version, .. })
            if !entries.is_empty() && !entries.iter().any(|entry| entry.object.version == *version) =>
        {
            say("it was written again since: lakehand run takes the new version up at its next listing".to_owned());
        }
        _ => {}
    }
    if let StoreSays::Unknown { error } = store {
        say(format!("the store does not answer: {error}"));
    }
    // What an older version waits for matters to nobody once a newer one is there.
    let Some(newest) = entries.first() else { return advice };
    match &newest.state {
        EntryState::Claimed { lease: Some(lease), .. } if lease.expires_at < ports.now => say(format!(
            "its worker {} has not spoken since its lease ran out: another takes it up; if none does, none runs",
            lease.worker
        )),
        EntryState::Claimed { retry_at: Some(at), .. } => say(format!("it is tried again after {at}")),
        EntryState::Claimed { .. } | EntryState::Loaded { .. } => {}
        EntryState::Written { .. } => say(wait(written, newest)),
        EntryState::SetAside { reason, .. } => say(format!(
            "{}: correct the file and let it land again, which is a new version; or, where the definition is at fault, \
             correct that and run: lakehand replay {}",
            reason.kind, newest.object.uri
        )),
    }
    advice
}
