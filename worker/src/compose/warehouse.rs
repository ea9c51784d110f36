//! Warehouses.

use std::sync::Arc;

use anyhow::Context as _;
use lakehand_aws::Service;
use lakehand_dataset::catalog::Catalog;
use lakehand_domain::id::WorkerId;
use lakehand_domain::port::object_store::ObjectStore;
use lakehand_domain::port::warehouse::{QueryWarehouse, Warehouse};
use lakehand_transform::PartFiles;
use lakehand_warehouse::redshift::{ClusterUser, IamRole, RedshiftOptions, RedshiftWarehouse, Target, worst_batch};
use lakehand_warehouse::sqlite::SqliteWarehouse;

use super::{clock, lake_uri, make_folder_of};
use crate::settings::Settings;
use crate::settings::location::Location;

/// A warehouse by both its ports.
pub(super) struct Opened {
    /// For loading.
    pub(super) warehouse: Arc<dyn Warehouse>,
    /// For questions of people.
    pub(super) query: Arc<dyn QueryWarehouse>,
}

/// The warehouse, which reads the lake's parts.
pub(super) async fn open(settings: &Settings, lake: Arc<dyn ObjectStore>, worker: &WorkerId) -> anyhow::Result<Opened> {
    let told = || format!("open the warehouse {} (warehouse.url)", settings.warehouse);
    match &settings.warehouse {
        Location::Sqlite(path) => {
            make_folder_of(path)?;
            let path = path.clone();
            let opened =
                tokio::task::spawn_blocking(move || SqliteWarehouse::open(&path, Arc::new(PartFiles::new(lake))));
            let warehouse = Arc::new(opened.await.context("open a backend")?.with_context(told)?);
            Ok(Opened { warehouse: Arc::clone(&warehouse) as _, query: warehouse })
        }
        Location::Redshift { name, database } => {
            let config = lakehand_aws::connect(&settings.aws.options.of(Service::RedshiftData)).await;
            let options = redshift_options(settings, name, database, worker)?;
            let warehouse = RedshiftWarehouse::open(&config, options, lake, clock()).with_context(told)?;
            let warehouse = Arc::new(warehouse);
            Ok(Opened { warehouse: Arc::clone(&warehouse) as _, query: warehouse })
        }
        // Settings refuse this; it is said all the same.
        other => anyhow::bail!("warehouse.url: {other} is no warehouse"),
    }
}

/// What the worst batch of each dataset would cost beyond what the warehouse takes.
pub(super) fn beyond_limits(settings: &Settings, catalog: &Catalog) -> Vec<String> {
    if !matches!(settings.warehouse, Location::Redshift { .. }) {
        return Vec::new();
    }
    let budgets = catalog.family_shapes();
    let budgets = budgets.iter().flat_map(worst_batch);
    budgets.filter_map(|budget| budget.problem()).collect()
}

fn redshift_options(
    settings: &Settings,
    name: &str,
    database: &str,
    worker: &WorkerId,
) -> anyhow::Result<RedshiftOptions> {
    let ours = &settings.aws.redshift;
    let (name, secret_arn) = (name.to_owned(), ours.secret_arn.clone());
    let target = if ours.cluster {
        let user = match (secret_arn, &ours.db_user) {
            (Some(secret), _) => ClusterUser::Secret(secret),
            (None, Some(user)) => ClusterUser::Named(user.clone()),
            (None, None) => ClusterUser::Iam,
        };
        Target::Cluster { identifier: name, user }
    } else {
        Target::Workgroup { name, secret_arn }
    };
    let iam_role = if ours.iam_role == "default" { IamRole::Default } else { IamRole::Arn(ours.iam_role.clone()) };
    // Readers of the tables pass over what begins with an underscore.
    let copy_prefix = lake_uri(settings)?.join("_copy");
    Ok(RedshiftOptions {
        iam_role,
        requests_per_second: f64::from(ours.requests_per_second),
        max_active_statements: ours.max_active_statements,
        schema_prefix: ours.schema_prefix.clone(),
        statement_timeout: ours.statement_timeout,
        ..RedshiftOptions::new(target, database, copy_prefix, worker.as_str())
    })
}
