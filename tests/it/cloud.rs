//! The real `lakehand`, as processes, on a cloud of this machine: S3, SQS and DynamoDB by an emulator, Redshift by its
//! stand-in on PostgreSQL.

mod definitions;
mod deliveries;
mod doubt;
mod evolution;
mod letters;
mod outage;
mod planted;
mod refusals;
mod sweep;
mod torture;
mod world;
mod zombie;
