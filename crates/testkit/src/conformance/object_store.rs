//! The suite of the store port.

use std::future::Future;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError};

mod listing;
mod reading;
mod writing;

/// A store, and a prefix in it below which nothing is.
#[derive(Debug)]
pub struct StoreUnderTest {
    /// The store.
    pub first: Arc<dyn ObjectStore>,
    /// The same store, as another process has it.
    pub second: Arc<dyn ObjectStore>,
    /// The prefix, which is the test's own.
    pub prefix: ObjectUri,
    /// A URI that is not of this store, by its scheme.
    pub foreign: ObjectUri,
    /// What the service behind the store can do.
    pub service: Service,
}

/// Where services differ, and the port with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// A version that was replaced can still be read, copied and deleted.
    pub keeps_versions: bool,
    /// Every read is pinned by the service, so that `unchanged` has nothing to look at.
    pub pins_reads: bool,
    /// A deletion is decided where the object is, and not by a look before it.
    pub deletes_on_condition: bool,
    /// Characters of names that it is known to lose objects by, as some emulators do.
    pub loses: &'static [char],
}

impl Service {
    /// Plain files.
    pub const FILES: Self = Self { keeps_versions: false, pins_reads: false, deletes_on_condition: true, loses: &[] };
}

/// Runs every check below a prefix of its own.
pub async fn object_store_suite<F>(make: impl Fn() -> F)
where
    F: Future<Output = StoreUnderTest>,
{
    reading::what_is_put_reads_back(make().await).await;
    reading::names_mean_themselves(make().await).await;
    reading::what_is_missing_is_not_found(make().await).await;
    reading::what_is_foreign_is_refused(make().await).await;
    reading::an_overwritten_version_is_never_another(make().await).await;
    reading::an_open_version_never_mixes_with_another(make().await).await;
    reading::readers_and_writers_in_a_race_never_mix_versions(make().await).await;
    reading::ranges_give_their_bytes(make().await).await;
    writing::a_put_if_absent_keeps_what_is_there(make().await).await;
    writing::of_twelve_puts_if_absent_one_wins(make().await).await;
    writing::an_upload_is_visible_only_when_complete(make().await).await;
    writing::uploads_of_many_sizes_read_back(make().await).await;
    writing::an_upload_given_up_leaves_nothing_visible(make().await).await;
    writing::two_uploads_of_one_name_end_with_one_of_them(make().await).await;
    listing::a_list_is_in_order_and_goes_folder_by_folder(make().await).await;
    listing::pages_cover_everything_once(make().await).await;
    listing::pages_survive_changes_between_them(make().await).await;
    writing::a_copy_is_of_exactly_one_version(make().await).await;
    writing::a_delete_is_of_exactly_one_version(make().await).await;
    writing::a_delete_in_a_race_never_takes_the_newer_version(make().await).await;
    writing::what_is_sealed_waits_beside_others(make().await).await;
}

impl StoreUnderTest {
    async fn put(&self, name: &str, bytes: &str) -> ObjectStat {
        let uri = self.prefix.join(name);
        let bytes = Bytes::copy_from_slice(bytes.as_bytes());
        assert_eq!(self.first.put(&uri, bytes, PutCondition::Always).await.unwrap(), PutOutcome::Written);
        self.first.stat(&uri).await.unwrap()
    }

    async fn text(&self, name: &str) -> String {
        let stat = self.second.stat(&self.prefix.join(name)).await.unwrap();
        String::from_utf8(read(&self.second, &stat, None).await.unwrap()).unwrap()
    }

    /// The names below `prefix`, relative to the test's own prefix.
    async fn names(&self, prefix: &ObjectUri) -> Vec<String> {
        let page = self.second.list(prefix, None, 10_000).await.unwrap();
        assert_eq!(page.next, None);
        page.objects.iter().map(|stat| self.name(&stat.uri)).collect()
    }

    fn name(&self, uri: &ObjectUri) -> String {
        let base = format!("{}/", self.prefix.as_str().trim_end_matches('/'));
        uri.as_str().strip_prefix(&base).unwrap().to_owned()
    }
}

/// All bytes of one version, checked as the port asks its callers to.
async fn read(
    store: &Arc<dyn ObjectStore>,
    stat: &ObjectStat,
    range: Option<Range<u64>>,
) -> Result<Vec<u8>, StoreError> {
    let bytes = drain(store.open(stat, range).await?).await?;
    store.unchanged(stat).await?;
    Ok(bytes)
}

async fn drain(body: ObjectBody) -> Result<Vec<u8>, StoreError> {
    match body {
        ObjectBody::File { file, len } => {
            let mut bytes = vec![0; usize::try_from(len).unwrap()];
            let mut filled = 0;
            while filled < bytes.len() {
                match file.read_at(&mut bytes[filled..], filled as u64).unwrap() {
                    0 => break,
                    more => filled += more,
                }
            }
            bytes.truncate(filled);
            Ok(bytes)
        }
        ObjectBody::Stream(chunks) => {
            let chunks: Vec<Bytes> = chunks.try_collect().await?;
            Ok(chunks.concat())
        }
    }
}
