//! The settings: one file, the environment, flags; read once, checked whole, with every problem at once.
//!
//! Only this module reads the environment. Nothing falls back silently: what has no default here must be named.

pub(crate) mod aws;
pub(crate) mod layers;
pub(crate) mod location;
pub(crate) mod problem;
pub(crate) mod reader;
pub(crate) mod secrets;
pub(crate) mod unit;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lakehand_daemon::{DaemonSettings, LandingSettings, Reach, SweeperSettings};
use lakehand_domain::backoff::Backoff;
use lakehand_pipeline::intake::IntakeSettings;
use lakehand_pipeline::loading::LoadingSettings;

use self::aws::AwsSettings;
use self::layers::{Layers, Sources};
use self::location::{Location, Role};
use self::problem::SettingsProblem;
use self::reader::{Effective, Reader};
use self::secrets::MaskSecrets;

/// Checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The settings file, where there is one.
    pub(crate) file: Option<PathBuf>,
    /// Where messages come from.
    pub(crate) queue: Location,
    /// Where files land.
    pub(crate) landing: Location,
    /// Where Parquet goes.
    pub(crate) lake: Location,
    /// What has become of every file.
    pub(crate) ledger: Location,
    /// Where rows go.
    pub(crate) warehouse: Location,
    /// How AWS is used, where any of these lies there.
    pub(crate) aws: AwsSettings,
    /// The folder of dataset definitions.
    pub(crate) datasets: PathBuf,
    /// How the daemon goes about its work.
    pub(crate) daemon: DaemonSettings,
    /// Threads of the transform.
    pub(crate) transform_threads: usize,
    /// The keys of masks.
    pub(crate) mask_secrets: MaskSecrets,
    /// Where the worker says over HTTP how it does; `None`: nowhere.
    pub(crate) http_listen: Option<SocketAddr>,
    /// Every setting as it is in effect.
    pub(crate) effective: Vec<Effective>,
}

/// The environment as it is; a variable that is no text is left out.
pub(crate) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
const MILLISECOND: Duration = Duration::from_millis(1);

impl Settings {
    /// Reads and checks all settings.
    pub(crate) fn load(sources: &Sources) -> Result<Self, Vec<SettingsProblem>> {
        let layers = Layers::collect(sources)?;
        let file = layers.file.clone();
        let mut reader = Reader::new(layers);

        let landing = reader.location("landing.url", Role::Landing, None);
        let lake = reader.location("lake.url", Role::Lake, None);
        let state = reader.folder("state.folder", Path::new(".lakehand"));
        let sqlite = |name: &str| Some(Location::Sqlite(state.join(name)));
        let queue = reader.location("queue.url", Role::Queue, sqlite("queue.sqlite"));
        let ledger = reader.location("ledger.url", Role::Ledger, sqlite("ledger.sqlite"));
        let warehouse = reader.location("warehouse.url", Role::Warehouse, sqlite("warehouse.sqlite"));
        let aws = AwsSettings::read(&mut reader, queue.as_ref(), warehouse.as_ref());
        let datasets = reader.folder("datasets.folder", Path::new("datasets"));
        let spool = reader.folder("spool.folder", &state.join("spool"));

        let place = landing.as_ref().map(Location::to_string).unwrap_or_default();
        let mut daemon = daemon(&mut reader, spool, place.split_once("://").map_or("file", |(scheme, _)| scheme));
        // What time-to-live has taken from the ledger is not brought back from the lake.
        daemon.sweeper.forgets_loaded = aws.dynamodb.keep_loaded;
        let transform_threads = reader.count("transform.threads", 1..=256, default_threads());

        let mask_secrets = reader.secrets("privacy.keys_folder");
        let http_listen = reader.text("http.listen", |text| {
            text.parse::<SocketAddr>()
                .map(drop)
                .map_err(|_| "it must be an address and a port, such as 127.0.0.1:9464".to_owned())
        });

        if let (Some(landing), Some(lake)) = (&landing, &lake)
            && lie_within_each_other(landing, lake)
        {
            reader.refuse(
                "lake.url",
                "lake and landing must not lie within each other: what is written would land again",
            );
        }
        if let (Some(Location::Redshift { .. }), Some(Location::Folder(_))) = (&warehouse, &lake) {
            reader.refuse("lake.url", "Redshift copies from S3 alone: the lake must be s3://BUCKET/PREFIX");
        }
        let effective = reader.finish()?;
        // Unwrap safety: a location that could not be read is a problem, and `finish` has none.
        let found = |location: Option<Location>| location.ok_or_else(Vec::new);
        Ok(Self {
            file,
            queue: found(queue)?,
            landing: found(landing)?,
            lake: found(lake)?,
            ledger: found(ledger)?,
            warehouse: found(warehouse)?,
            aws,
            datasets,
            daemon,
            transform_threads,
            mask_secrets,
            http_listen: http_listen.and_then(|text| text.parse().ok()),
            effective,
        })
    }
}

fn lie_within_each_other(landing: &Location, lake: &Location) -> bool {
    match (landing, lake) {
        (Location::Folder(landing), Location::Folder(lake)) => landing.starts_with(lake) || lake.starts_with(landing),
        (Location::S3(landing), Location::S3(lake)) => {
            landing == lake || landing.is_below(lake) || lake.is_below(landing)
        }
        _ => false,
    }
}

/// How the landing is listed: a folder for all that lies in it, since nothing else may tell of it; a landing whose
/// service sends events rarely, and for what they missed.
fn listing(reader: &mut Reader, scheme: &str) -> LandingSettings {
    let usual = if scheme == "file" { LandingSettings::default() } else { LandingSettings::with_events() };
    let (overlap, history) = match usual.reach {
        Reach::New { overlap, history } => (overlap, history),
        Reach::All => (DAY, false),
    };
    let words = [("all", true), ("new", false)];
    let all = reader.choice("listing.reach", &words, if usual.reach == Reach::All { "all" } else { "new" });
    let overlap = reader.duration("listing.overlap", Duration::ZERO..=365 * DAY, overlap);
    let history = reader.boolean("listing.history", history);
    let reach = if all { Reach::All } else { Reach::New { overlap, history } };
    LandingSettings {
        listed: reader.boolean("listing.enabled", true),
        reach,
        interval: reader.duration("listing.interval", 100 * MILLISECOND..=DAY, usual.interval),
        settle: reader.duration("listing.settle_time", Duration::ZERO..=DAY, usual.settle),
        max_pages: reader.count("listing.max_pages", 1..=10_000_000, usual.max_pages),
        pages_per_second: reader.count("listing.pages_per_second", 1..=1000, usual.pages_per_second),
        ..usual
    }
}

fn daemon(reader: &mut Reader, spool: PathBuf, landing_scheme: &str) -> DaemonSettings {
    let usual = DaemonSettings::default();
    let mut settings = DaemonSettings {
        intake: intake(reader, spool),
        loading: loading(reader),
        pause: reader.windows("loading.pause"),
        landing: listing(reader, landing_scheme),
        backlog: usual.backlog,
        sweeper: sweeper(reader),
        drain_deadline: reader.duration("shutdown.deadline", SECOND..=DAY, usual.drain_deadline),
        drain_patience: reader.duration("shutdown.drain_patience", SECOND..=DAY, usual.drain_patience),
        deadlines: usual.deadlines,
    };
    settings.sweeper.skew = settings.intake.skew;
    if let Reach::New { overlap, .. } = settings.landing.reach
        && overlap <= settings.landing.settle
    {
        let message = "it must be longer than listing.settle_time, or what was too recent for one listing would be too \
                       old for the next";
        reader.refuse("listing.overlap", message);
    }
    check_across(reader, &settings);
    settings
}

fn sweeper(reader: &mut Reader) -> SweeperSettings {
    let usual = SweeperSettings::default();
    SweeperSettings {
        every: reader.duration("sweeper.interval", 100 * MILLISECOND..=DAY, usual.every),
        claim_grace: reader.duration("sweeper.claim_grace", Duration::ZERO..=DAY, usual.claim_grace),
        lake_every: reader.duration("sweeper.lake_interval", 100 * MILLISECOND..=30 * DAY, usual.lake_every),
        part_grace: reader.duration("sweeper.part_grace", SECOND..=365 * DAY, usual.part_grace),
        staging_grace: reader.duration("sweeper.staging_grace", SECOND..=365 * DAY, usual.staging_grace),
        ..usual
    }
}

fn intake(reader: &mut Reader, spool: PathBuf) -> IntakeSettings {
    let usual = IntakeSettings::default();
    let mut intake = IntakeSettings {
        max_files: reader.count("intake.concurrency", 1..=1024, usual.max_files),
        max_bytes: reader.size("intake.max_bytes_in_flight", 1_000_000..=1 << 50, usual.max_bytes),
        max_transforms: reader.count("intake.max_transforms", 1..=256, usual.max_transforms),
        lease: reader.duration("intake.lease", 3 * SECOND..=DAY, usual.lease),
        visibility: reader.duration("intake.visibility", 3 * SECOND..=usual.max_visibility, usual.visibility),
        skew: reader.duration("intake.clock_skew", Duration::ZERO..=3600 * SECOND, usual.skew),
        max_attempts: reader.count("intake.max_attempts", 1..=1000, usual.max_attempts),
        retry: Backoff {
            first: reader.duration("intake.retry_first", 10 * MILLISECOND..=DAY, usual.retry.first),
            most: reader.duration("intake.retry_most", 10 * MILLISECOND..=DAY, usual.retry.most),
        },
        spool,
        ..usual
    };
    // A short lease leaves less room before its end, and the rest must still be enough to work in.
    intake.margin = intake.margin.min(intake.lease.min(intake.visibility) / 4);
    intake
}

fn loading(reader: &mut Reader) -> LoadingSettings {
    let usual = LoadingSettings::default();
    LoadingSettings {
        linger: reader.duration("loading.linger", Duration::ZERO..=DAY, usual.linger),
        poll: reader.duration("loading.poll", 100 * MILLISECOND..=DAY, usual.poll),
        max_batch_entries: reader.count("loading.max_batch_entries", 1..=10_000, usual.max_batch_entries),
        max_batch_bytes: reader.size("loading.max_batch_bytes", 1_000_000..=1 << 50, usual.max_batch_bytes),
        ..usual
    }
}

impl Settings {
    /// The datasets folder alone, as far as it can be told while other settings are wrong.
    pub(crate) fn datasets_folder(sources: &Sources) -> Option<PathBuf> {
        let mut reader = Reader::new(Layers::collect(sources).ok()?);
        Some(reader.folder("datasets.folder", Path::new("datasets")))
    }
}

/// What must hold between settings.
fn check_across(reader: &mut Reader, settings: &DaemonSettings) {
    let (intake, sweeper) = (&settings.intake, &settings.sweeper);
    let longest = intake.lease.max(intake.visibility) + intake.skew;
    for (key, grace) in [("sweeper.part_grace", sweeper.part_grace), ("sweeper.staging_grace", sweeper.staging_grace)] {
        if grace < longest {
            let message = format!(
                "it must be longer than intake.lease and intake.visibility with intake.clock_skew, {} together, or \
                 the sweeper could take what a worker still writes",
                unit::duration_text(longest)
            );
            reader.refuse(key, message);
        }
    }
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get).min(256)
}

#[cfg(test)]
mod tests;
