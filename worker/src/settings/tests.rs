//! Layers, their order, and what is said of what is wrong.

use std::path::Path;

use super::layers::{Origin, Sources};
use super::*;

struct Case {
    folder: tempfile::TempDir,
    sources: Sources,
}

fn case(text: &str, environment: &[(&str, &str)], flags: &[&str]) -> Case {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lakehand.toml"), text).unwrap();
    let sources = Sources {
        file: None,
        current_folder: folder.path().to_owned(),
        environment: environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
    };
    Case { folder, sources }
}

fn problems(text: &str, environment: &[(&str, &str)], flags: &[&str]) -> Vec<String> {
    let case = case(text, environment, flags);
    let folder = format!("{}/", case.folder.path().display());
    let problems = Settings::load(&case.sources).expect_err("the settings are wrong");
    problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
}

const NAMED: &str = "[landing]\nurl = \"./landing\"\n[lake]\nurl = \"./lake\"\n";

#[test]
fn flags_stand_over_environment_over_file_over_defaults() {
    let text = format!("{NAMED}[intake]\nconcurrency = 2\nlease = \"30s\"\nmax_attempts = 7\n");
    let environment =
        [("LAKEHAND__INTAKE__CONCURRENCY", "3"), ("LAKEHAND__INTAKE__LEASE", "40s"), ("LAKEHAND_LOG", "x")];
    let case = case(&text, &environment, &["intake.concurrency=5"]);
    let settings = Settings::load(&case.sources).unwrap();
    assert_eq!(settings.daemon.intake.max_files, 5);
    assert_eq!(settings.daemon.intake.lease, 40 * SECOND);
    assert_eq!(settings.daemon.intake.max_attempts, 7);
    assert_eq!(settings.landing.path(), Some(case.folder.path().join("landing").as_path()));
    assert_eq!(settings.queue.path(), Some(case.folder.path().join(".lakehand/queue.sqlite").as_path()));
    let origin = |key: &str| settings.effective.iter().find(|one| one.key == key).map(|one| one.origin.to_string());
    assert_eq!(origin("intake.concurrency").as_deref(), Some("--set"));
    assert_eq!(origin("intake.lease").as_deref(), Some("LAKEHAND__INTAKE__LEASE"));
    assert!(origin("intake.max_attempts").unwrap().ends_with("lakehand.toml:8"));
    assert_eq!(origin("queue.url").as_deref(), Some("default"));
}

#[test]
fn paths_begin_where_they_were_said() {
    let case = case(NAMED, &[], &[]);
    let elsewhere = tempfile::tempdir().unwrap();
    let sources = Sources {
        file: Some(case.folder.path().join("lakehand.toml")),
        current_folder: elsewhere.path().to_owned(),
        flags: vec!["lake.url=./other".to_owned()],
        ..Sources::default()
    };
    let settings = Settings::load(&sources).unwrap();
    assert_eq!(settings.landing.path(), Some(case.folder.path().join("landing").as_path()));
    assert_eq!(settings.lake.path(), Some(elsewhere.path().join("other").as_path()));
    assert_eq!(settings.datasets, case.folder.path().join("datasets"));
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let text = "[landing]\nurl = \"gs://bucket\"\n[intake]\nconcurrency = 0\nleese = \"1s\"\n[loading]\nlinger = 5\n[que]\nurl = 1\n";
    let found = problems(text, &[("LAKEHAND__LISTING__INTERVAL", "soon")], &["shutdown.deadline=-1s", "nonsense"]);
    assert_eq!(found, ["--set: \"nonsense\" is not KEY=VALUE, such as intake.concurrency=4"]);
    let found = problems(text, &[("LAKEHAND__LISTING__INTERVAL", "soon")], &["shutdown.deadline=-1s"]);
    assert_eq!(
        found,
        [
            "lakehand.toml:2: landing.url: gs://bucket is no landing of this build (gs://); this build has file:///FOLDER (or a path such as ./landing) and s3://BUCKET/PREFIX",
            "lakehand.toml:4: intake.concurrency: \"0\" is refused: it must be a whole number from 1 to 1024",
            "lakehand.toml:5: intake.leese: there is no such setting; [intake] has concurrency, max_bytes_in_flight, max_transforms, lease, visibility, clock_skew, max_attempts, retry_first, retry_most",
            "lakehand.toml:7: loading.linger: \"5\" is refused: it must be a duration from 0s to 1d, such as \"30s\"",
            "lakehand.toml:9: que.url: there is no section [que]; there are landing, lake, state, queue, ledger, warehouse, aws, s3, redshift, datasets, spool, intake, loading, listing, sweeper, shutdown, transform, privacy, http",
            "LAKEHAND__LISTING__INTERVAL: listing.interval: \"soon\" is refused: it must be a duration from 100ms to 1d, such as \"30s\"",
            "--set: shutdown.deadline: \"-1s\" is refused: it must be a duration from 1s to 1d, such as \"30s\"",
            "settings: lake.url: it must be named; this build has file:///FOLDER (or a path such as ./landing) and s3://BUCKET/PREFIX; write [lake] url = \"./lake\" into lakehand.toml, or set LAKEHAND__LAKE__URL",
        ]
    );
}

#[test]
fn broken_syntax_names_its_line() {
    let found = problems("[landing]\nurl = \"./landing\n", &[], &[]);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("lakehand.toml:2: "), "{found:?}");
}

#[test]
fn a_file_that_was_asked_for_must_be_there() {
    let sources =
        Sources { file: Some("nowhere.toml".into()), current_folder: Path::new("/").to_owned(), ..Sources::default() };
    let problems = Settings::load(&sources).expect_err("there is no file");
    assert_eq!(problems[0].origin, Origin::File { path: "nowhere.toml".to_owned(), line: 1 });
}

#[test]
fn settings_are_checked_against_each_other() {
    let found = problems(&format!("{NAMED}[sweeper]\npart_grace = \"10s\"\n"), &[], &[]);
    assert!(found[0].contains("sweeper.part_grace: it must be longer than intake.lease"), "{found:?}");
    let found = problems("[landing]\nurl = \"./data\"\n[lake]\nurl = \"./data/lake\"\n", &[], &[]);
    assert!(found[0].contains("within each other"), "{found:?}");
}

#[test]
fn no_secret_is_shown() {
    let text = format!("{NAMED}[warehouse]\nurl = \"postgres://me:hunter2@host/db?password=hunter3\"\n");
    let found = problems(&text, &[("LAKEHAND__QUEUE__URL", "sqs://key:hunter4@queue")], &[]);
    let all = found.join("\n");
    assert!(all.contains("postgres://me:***@host"), "{all}");
    assert!(!all.contains("hunter"), "{all}");
}

const CLOUD: &str = "[landing]\nurl = \"s3://landing\"\n[lake]\nurl = \"s3://lake/x\"\n[queue]\nurl = \"sqs://arrivals\"\n\
    dead_letters_url = \"sqs://arrivals-dead\"\n[ledger]\nurl = \"dynamodb://lakehand\"\n[warehouse]\n\
    url = \"redshift://group/dev\"\n";

#[test]
fn all_of_it_can_lie_in_aws() {
    let environment = [
        ("LAKEHAND__AWS__ENDPOINT_URL", "http://127.0.0.1:4566"),
        ("LAKEHAND__AWS__SQS_ENDPOINT_URL", "http://127.0.0.1:1"),
    ];
    let case = case(CLOUD, &environment, &["redshift.iam_role=arn:aws:iam::1:role/copy"]);
    let settings = Settings::load(&case.sources).unwrap();
    assert!(
        [&settings.queue, &settings.landing, &settings.lake, &settings.ledger, &settings.warehouse]
            .iter()
            .all(|location| location.path().is_none())
    );
    let endpoint = |service| settings.aws.options.of(service).endpoint_url;
    assert_eq!(endpoint(lakehand_aws::Service::S3).as_deref(), Some("http://127.0.0.1:4566"));
    assert_eq!(endpoint(lakehand_aws::Service::Sqs).as_deref(), Some("http://127.0.0.1:1"));
    assert!(settings.aws.s3.path_style, "an endpoint of one's own has no host for each bucket");
    assert_eq!(settings.aws.redshift.iam_role, "arn:aws:iam::1:role/copy");
}

#[test]
fn places_of_aws_are_checked_against_each_other() {
    for (was, is, said) in [
        ("dead_letters_url = \"sqs://arrivals-dead\"\n", "", "queue.dead_letters_url: it must be named"),
        ("sqs://arrivals-dead", "sqs://arrivals", "must not go to the queue they came from"),
        ("s3://lake/x", "s3://landing/x", "within each other"),
        ("s3://lake/x", "./lake", "Redshift copies from S3 alone"),
        ("[warehouse]", "keep_loaded = \"3d\"\n[warehouse]", "it must be at least 30d"),
        ("[warehouse]", "[redshift]\nkind = \"cluster\"\n[warehouse]", "a cluster wants redshift.db_user"),
        ("[warehouse]", "[redshift]\ndb_user = \"me\"\n[warehouse]", "a workgroup knows its user by IAM"),
        ("[warehouse]", "[aws]\nendpoint_url = \"localhost\"\n[warehouse]", "it must be the URL of an endpoint"),
        ("[warehouse]", "[s3]\nlake_bucket_owner = \"12345\"\n[warehouse]", "the twelve digits of an account"),
        ("[warehouse]", "[s3]\nstorage_class = \"DEEP_ARCHIVE\"\n[warehouse]", "it must be one of STANDARD"),
        ("[warehouse]", "[redshift]\nschema_prefix = \"Team_\"\n[warehouse]", "at most 20 small letters"),
    ] {
        let found = problems(&CLOUD.replace(was, is), &[], &[]);
        assert!(found.len() == 1 && found[0].contains(said), "{is}: {found:?}");
    }
}
