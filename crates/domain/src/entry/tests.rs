use std::time::Duration;

use super::*;
use crate::object::ObjectVersion;
use crate::object_event::Cause;

const LEASE: Duration = Duration::from_mins(1);
const SKEW: Duration = Duration::from_secs(5);

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn request(worker: &str, fingerprint: &str, cause: Cause, second: i64) -> ClaimRequest {
    let uri = ObjectUri::parse("s3://landing/a.json").unwrap();
    let version = ObjectVersion::of(Some("v1"), None, 3, at(0));
    ClaimRequest {
        dataset: DatasetId::new("d"),
        object: ObjectStat { uri, version, version_id: None, etag: None, size: 3, last_modified: at(0) },
        fingerprint: Fingerprint::new(fingerprint),
        worker: WorkerId::new(worker),
        lease_for: LEASE,
        skew: SKEW,
        cause,
        asked_at: at(second),
        marked: None,
        now: at(second),
    }
}

fn taken(decision: ClaimDecision) -> Entry {
    match decision {
        ClaimDecision::Take(entry) => *entry,
        other => panic!("not taken: {other:?}"),
    }
}

fn summary() -> LoadSummary {
    LoadSummary {
        manifest: None,
        records: 1,
        rejects: RejectCounts::default(),
        rows: BTreeMap::new(),
        bytes: 0,
        parts: 0,
        quarantine: None,
    }
}

fn claimed() -> Entry {
    taken(claim(None, &request("a", "f1", Cause::Arrived, 0)))
}

fn written() -> Entry {
    let entry = claimed();
    let lease = entry.lease().unwrap().clone();
    entry.written(&lease, summary(), at(1)).unwrap()
}

fn loaded() -> Entry {
    let entry = written();
    entry.loaded(&entry.load_id, "b1", at(2)).unwrap().unwrap()
}

fn aside() -> Entry {
    let entry = claimed();
    let lease = entry.lease().unwrap().clone();
    let reason = SetAsideReason { kind: SetAsideKind::Unreadable, message: "torn".to_owned() };
    entry.set_aside(&lease, reason, None, at(1)).unwrap()
}

#[test]
fn a_lease_holds_until_it_has_run_out_and_the_skew_has_passed() {
    let entry = claimed();
    let held = claim(Some(&entry), &request("b", "f1", Cause::Arrived, 65));
    assert_eq!(held, ClaimDecision::Held { until: at(65) });
    let stolen = taken(claim(Some(&entry), &request("b", "f1", Cause::Arrived, 66)));
    assert_eq!((stolen.generation, stolen.token), (Generation(1), FencingToken(2)));
    assert_eq!(stolen.load_id, entry.load_id, "same generation and fingerprint, same load");
    let zombie = entry.lease().unwrap();
    assert_eq!(stolen.written(zombie, summary(), at(70)), Err(Refusal::LeaseLost));
    assert_eq!(stolen.extended(zombie, LEASE, at(70)), Err(Refusal::LeaseLost));
}

#[test]
fn only_the_listed_causes_raise_a_generation() {
    let generation_after = |entry: &Entry, fingerprint: &str, cause: Cause| match claim(
        Some(entry),
        &request("b", fingerprint, cause, 1_000),
    ) {
        ClaimDecision::Take(taken) => Some(taken.generation.0),
        _ => None,
    };
    let cases = [
        (claimed(), "f1", Cause::Arrived, Some(1)),
        (claimed(), "f2", Cause::Arrived, Some(2)),
        (written(), "f2", Cause::Arrived, None),
        (written(), "f2", Cause::Replay, None),
        (written(), "f2", Cause::DefinitionChanged, Some(2)),
        (written(), "f1", Cause::DefinitionChanged, None),
        (loaded(), "f2", Cause::Arrived, None),
        (loaded(), "f2", Cause::DefinitionChanged, None),
        (loaded(), "f1", Cause::Replay, Some(2)),
        (aside(), "f2", Cause::Arrived, None),
        (aside(), "f1", Cause::Replay, Some(2)),
        (aside(), "f1", Cause::Letter(Generation(1)), Some(2)),
        (aside(), "f1", Cause::Letter(Generation(7)), None),
        (loaded(), "f1", Cause::Letter(Generation(1)), None),
    ];
    for (entry, fingerprint, cause, expected) in cases {
        assert_eq!(generation_after(&entry, fingerprint, cause), expected, "{:?} {cause:?}", entry.state_name());
    }
}

#[test]
fn a_replay_that_is_delivered_again_does_nothing() {
    let mut late = request("b", "f1", Cause::Replay, 1_000);
    late.asked_at = at(1);
    assert!(matches!(claim(Some(&loaded()), &late), ClaimDecision::Done(_)), "it was loaded after it was asked for");
}

#[test]
fn what_a_newer_definition_asks_for_is_left_to_those_who_have_it() {
    let mut asked = request("old", "f1", Cause::DefinitionChanged, 1_000);
    asked.asked_at = at(100);
    assert!(matches!(claim(Some(&written()), &asked), ClaimDecision::Held { .. }), "it is asked of another");
    let done = ClaimRequest { asked_at: at(0), ..asked };
    assert!(matches!(claim(Some(&written()), &done), ClaimDecision::Done(_)), "it was written after it was asked for");
}

#[test]
fn a_version_that_is_seen_again_is_not_gone() {
    let entry = claimed();
    let reason = |kind| SetAsideReason { kind, message: String::new() };
    let gone = entry.abandoned(reason(SetAsideKind::Gone), SKEW, at(100)).unwrap();
    assert_eq!(taken(claim(Some(&gone), &request("b", "f1", Cause::Arrived, 101))).generation, Generation(2));
}

#[test]
fn workers_lost_with_the_file_are_counted_and_those_that_gave_it_back_are_not() {
    let lost = taken(claim(Some(&claimed()), &request("b", "f1", Cause::Arrived, 100)));
    assert_eq!(lost.lapses, 1);
    let lease = lost.lease().unwrap().clone();
    let back = lost.given_back(&lease, None, false, None, at(101)).unwrap();
    assert_eq!(taken(claim(Some(&back), &request("c", "f1", Cause::Arrived, 102))).lapses, 1);
    let raised = taken(claim(Some(&loaded()), &request("b", "f1", Cause::Replay, 100)));
    assert_eq!(raised.lapses, 0);
}

#[test]
fn a_replay_that_fails_leaves_the_load_before_it_live() {
    let before = loaded();
    let again = taken(claim(Some(&before), &request("b", "f2", Cause::Replay, 100)));
    let lease = again.lease().unwrap().clone();
    let reason = SetAsideReason { kind: SetAsideKind::TooManyRejects, message: "9 of 10".to_owned() };
    let failed = again.set_aside(&lease, reason, None, at(101)).unwrap();
    assert_eq!(failed.live.as_ref().unwrap().load_id, before.load_id);
    assert_eq!(failed.generation, Generation(2));
}

#[test]
fn loaded_twice_is_loaded_once_and_another_load_is_refused() {
    let entry = loaded();
    assert_eq!(entry.loaded(&entry.load_id, "b2", at(9)), Ok(None));
    assert_eq!(entry.loaded(&LoadId::new("other"), "b2", at(9)), Err(Refusal::MovedOn { state: StateName::Loaded }));
}

#[test]
fn a_marker_outweighs_whatever_a_written_entry_was_set_aside_for() {
    let mut entry = written();
    if let EntryState::Written { summary, .. } = &mut entry.state {
        summary.manifest = ObjectUri::parse("s3://lake/m.json").ok();
    }
    for kind in [SetAsideKind::RefusedByWarehouse, SetAsideKind::Gone, SetAsideKind::Replaced] {
        let reason = SetAsideReason { kind, message: "22003".to_owned() };
        let refused = entry.refused(&entry.load_id, reason, at(2)).unwrap();
        assert_eq!(refused.loaded(&entry.load_id, "b1", at(3)).unwrap().unwrap().state_name(), StateName::Loaded);
        assert!(refused.loaded(&LoadId::new("other"), "b1", at(3)).is_err());
    }
    assert!(aside().loaded(&aside().load_id, "b1", at(3)).is_err());
}

/// Its commit was late, or its answer was lost, while the entry was begun anew.
#[test]
fn a_load_that_is_found_in_the_warehouse_is_live_though_its_entry_has_begun_anew() {
    let live = |load: &Entry| loaded().live.map(|live| LiveLoad { generation: load.generation, ..live }).unwrap();
    let before = written();
    let again = taken(claim(Some(&before), &request("b", "f2", Cause::DefinitionChanged, 100)));
    let reason = SetAsideReason { kind: SetAsideKind::Gone, message: "deleted".to_owned() };
    let gone = Entry { unloaded: None, ..again.clone() }.abandoned(reason, SKEW, at(200)).unwrap();
    for entry in [again.clone(), gone.clone()] {
        let found = entry.found_live(live(&before)).unwrap().unwrap();
        assert_eq!((found.live.as_ref(), found.revision), (Some(&live(&before)), entry.revision + 1));
        let unfound = Entry { live: None, unloaded: entry.unloaded.clone(), revision: entry.revision, ..found.clone() };
        assert_eq!(unfound, entry, "nothing else is changed");
        assert_eq!(found.unloaded, None, "it waits for nothing any more");
        assert_eq!(found.found_live(live(&before)), Ok(None), "it is known");
    }
    let third = Entry { generation: Generation(3), live: Some(live(&again)), ..gone.clone() };
    assert_eq!(third.found_live(live(&before)), Ok(None), "a newer one is live");
    let moved_on = |state| Err(Refusal::MovedOn { state });
    assert_eq!(before.found_live(live(&before)), moved_on(StateName::Written));
    assert_eq!(again.found_live(live(&again)), moved_on(StateName::Claimed), "its end will meet the marker");
}

/// The ledger was restored from a backup, and the warehouse has what was loaded since.
#[test]
fn a_load_that_a_restored_ledger_has_lost_is_its_entrys_again() {
    let again = taken(claim(Some(&loaded()), &request("b", "f2", Cause::Replay, 100)));
    let of = |entry: &Entry| {
        let (load_id, generation) = (entry.load_id.clone(), entry.generation);
        let fingerprint = entry.fingerprint.clone();
        loaded().live.map(|live| LiveLoad { load_id, generation, fingerprint, ..live }).unwrap()
    };
    let reason = SetAsideReason { kind: SetAsideKind::Gone, message: "deleted".to_owned() };
    let gone = claimed().abandoned(reason, SKEW, at(100)).unwrap();
    for (entry, live) in [(loaded(), of(&again)), (aside(), of(&again)), (gone.clone(), of(&gone))] {
        let found = entry.found_live(live.clone()).unwrap().unwrap();
        assert_eq!(
            (found.state_name(), &found.load_id, found.generation),
            (StateName::Loaded, &live.load_id, live.generation)
        );
        assert_eq!((found.live.as_ref(), found.updated), (Some(&live), entry.updated));
        assert_eq!(found.found_live(live), Ok(None), "it is known");
    }
    let other = LiveLoad { load_id: LoadId::new("other"), ..of(&gone) };
    assert_eq!(gone.found_live(other), Err(Refusal::MovedOn { state: StateName::SetAside }));
}

/// Begun anew under another definition, and gone or replaced before it was read again: what was written is whole.
#[test]
fn what_was_written_comes_back_where_the_source_is_gone_before_it_is_read_again() {
    let before = written();
    let again = taken(claim(Some(&before), &request("b", "f2", Cause::DefinitionChanged, 100)));
    assert_eq!(again.unloaded.as_ref().map(|unloaded| &unloaded.load_id), Some(&before.load_id));
    let third = taken(claim(Some(&again), &request("c", "f3", Cause::Arrived, 200)));
    let reason = SetAsideReason { kind: SetAsideKind::Replaced, message: "replaced".to_owned() };
    let back = third.abandoned(reason.clone(), SKEW, at(300)).unwrap();
    assert_eq!(
        (&back.load_id, back.generation, &back.fingerprint),
        (&before.load_id, before.generation, &before.fingerprint)
    );
    assert_eq!((back.summary(), back.unloaded.as_ref()), (before.summary(), None));
    let lease = third.lease().unwrap().clone();
    let summary = before.summary().unwrap().clone();
    assert_eq!(third.written(&lease, summary, at(201)).unwrap().unloaded, None);
    assert_eq!(
        third.set_aside(&lease, reason, None, at(201)).unwrap().unloaded,
        None,
        "the newer definition refuses it"
    );
}

#[test]
fn an_overtaken_entry_begins_again_above_the_marker() {
    let entry = written();
    let again = entry.overtaken(&entry.load_id, Generation(3), None, at(2)).unwrap();
    assert_eq!((again.generation, again.state_name()), (Generation(4), StateName::Claimed));
    assert_eq!(again.load_id, LoadId::of(&entry.id, Generation(4), &entry.fingerprint));
    assert!(again.is_lapsed(at(2), SKEW), "anyone may take it");
    assert_eq!(again.revision, entry.revision + 1);
    let moved_on = Err(Refusal::MovedOn { state: StateName::Written });
    assert_eq!(entry.overtaken(&LoadId::new("other"), Generation(3), None, at(2)), moved_on);
    let higher = Entry { generation: Generation(5), ..entry.clone() };
    assert_eq!(higher.overtaken(&entry.load_id, Generation(3), None, at(2)), moved_on, "a lower marker is no obstacle");
    assert!(loaded().overtaken(&entry.load_id, Generation(3), None, at(2)).is_err());
}

#[test]
fn a_lost_entry_begins_above_its_marker() {
    let mut lost = request("a", "f1", Cause::Arrived, 0);
    lost.marked = Some(Generation(4));
    assert_eq!(taken(claim(None, &lost)).generation, Generation(5));
}

#[test]
fn giving_back_counts_only_the_files_own_failures_and_waits() {
    let entry = claimed();
    let lease = entry.lease().unwrap().clone();
    let back = entry.given_back(&lease, Some("disk full".to_owned()), false, Some(at(30)), at(1)).unwrap();
    assert_eq!((back.attempts, back.lease()), (0, None));
    assert_eq!(claim(Some(&back), &request("b", "f1", Cause::Arrived, 20)), ClaimDecision::Held { until: at(30) });
    assert_eq!(taken(claim(Some(&back), &request("b", "f1", Cause::Arrived, 30))).token, FencingToken(2));
    assert_eq!(entry.given_back(&lease, None, true, None, at(1)).unwrap().attempts, 1);
}

#[test]
fn a_restored_warehouse_sends_loads_back_to_written() {
    let back = loaded().restored(None, at(50)).unwrap().unwrap();
    assert_eq!((back.state_name(), back.live), (StateName::Written, None));
    assert!(written().restored(None, at(50)).is_err(), "nothing of it was live");
    let before = loaded();
    let again = taken(claim(Some(&before), &request("b", "f2", Cause::Replay, 100)));
    assert_eq!(again.restored(None, at(101)), Ok(None), "a replay under way brings its own rows, or fails");
    let lease = again.lease().unwrap().clone();
    let reason = SetAsideReason { kind: SetAsideKind::TooManyRejects, message: "9 of 10".to_owned() };
    let back = again.set_aside(&lease, reason, None, at(101)).unwrap().restored(None, at(102)).unwrap().unwrap();
    assert_eq!(
        (back.state_name(), &back.load_id, back.generation),
        (StateName::Written, &before.load_id, Generation(1))
    );
}

/// What an entry quotes may be of any length; what it keeps of it is not.
#[test]
fn an_entry_keeps_the_beginning_of_what_went_wrong() {
    let long = "ü".repeat(5_000);
    let reason = || SetAsideReason { kind: SetAsideKind::Unreadable, message: long.clone() };
    let entry = claimed();
    let lease = entry.lease().unwrap().clone();
    let lost = written();
    let kept = [
        entry.given_back(&lease, Some(long.clone()), true, None, at(1)).unwrap(),
        entry.set_aside(&lease, reason(), None, at(1)).unwrap(),
        entry.abandoned(reason(), SKEW, at(100)).unwrap(),
        lost.refused(&lost.load_id, reason(), at(2)).unwrap(),
        lost.parts_lost(&lost.load_id, long.clone(), at(2)).unwrap(),
    ];
    for entry in kept {
        let error = entry.last_error.as_deref().unwrap();
        assert!(error.len() <= transition::SAID_BYTES && error.ends_with("ü…"), "{} bytes", error.len());
        if let EntryState::SetAside { reason, .. } = &entry.state {
            assert_eq!(reason.message, error);
        }
    }
}

#[test]
fn every_state_reads_back_from_json() {
    for entry in [claimed(), written(), loaded(), aside()] {
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    }
}
