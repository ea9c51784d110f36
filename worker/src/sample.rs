//! Sample data that lakehand makes itself: hourly zips of rental flats, some of them dirty, the same for the same seed.

pub(crate) mod dirt;
pub(crate) mod flat;
pub(crate) mod hourly;
pub(crate) mod random;
pub(crate) mod zip;
