//! Backends of the store port, and the watch over landing folders: one file or folder each.

pub mod file;
pub mod s3 {
    //! Buckets of S3.

    pub mod provision;
}
pub mod watch;
