//! A bucket, made where it is missing; what is there is left as it is.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use lakehand_aws::provision::{Finding, Mode, ProvisionError, State};
use lakehand_aws::{Kind, SdkConfig, classify};

/// S3 takes no location for this region (CreateBucket, `LocationConstraint`).
const UNNAMED_REGION: &str = "us-east-1";

/// Makes the bucket in the region of the configuration. Harmless when done again, or by two at once: a bucket that is
/// ours already is as planned.
///
/// # Errors
/// Where the service refuses or fails; also where the name is taken by somebody else.
pub async fn provision_bucket(config: &SdkConfig, bucket: &str, mode: Mode) -> Result<Finding, ProvisionError> {
    // Emulators know buckets by their path.
    let path_style = config.endpoint_url().is_some();
    let client = Client::from_conf(Builder::from(config).force_path_style(path_style).build());
    let named = format!("bucket {bucket}");
    match client.head_bucket().bucket(bucket).send().await {
        Ok(_) => return Ok(Finding::new(named, State::AsPlanned)),
        Err(error) => {
            let failure = classify(error);
            if failure.kind != Kind::NotFound {
                return Err(ProvisionError::Failed { doing: "look at", resource: named, source: failure.cause });
            }
        }
    }
    if mode == Mode::DryRun {
        return Ok(Finding::new(named, State::Missing));
    }
    let region = config.region().map_or(UNNAMED_REGION, AsRef::as_ref);
    let place = (region != UNNAMED_REGION).then(|| {
        CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region)).build()
    });
    match client.create_bucket().bucket(bucket).set_create_bucket_configuration(place).send().await {
        Ok(_) => Ok(Finding::new(named, State::Made)),
        Err(error) => {
            let failure = classify(error);
            if failure.is("BucketAlreadyOwnedByYou") {
                return Ok(Finding::new(named, State::AsPlanned));
            }
            Err(ProvisionError::Failed { doing: "make", resource: named, source: failure.cause })
        }
    }
}
