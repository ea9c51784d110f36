//! A warehouse in front of another, in which a test can meddle at any call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use lakehand_domain::id::{EntryId, FamilyId, LedgerId, LoadId, Nonce};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::port::warehouse::{
    CommitOutcome, MigrateOutcome, MigrationPlan, TakeOutcome, Warehouse, WarehouseError,
};
use lakehand_domain::shape::FamilyShape;
use lakehand_domain::warehousing::{CommitRequest, Fence, Marker, Staging, TableStanding};

type Deed = Pin<Box<dyn Future<Output = ()> + Send>>;
type Judge = Box<dyn Fn(&Manifest) -> bool + Send>;

/// Does what a test asks for before the call goes on to the warehouse behind.
pub(crate) struct Meddled {
    pub(crate) inner: Arc<dyn Warehouse>,
    before_commit: Mutex<Option<Deed>>,
    refuses: Mutex<Option<Judge>>,
    staged: Mutex<Vec<usize>>,
}

impl fmt::Debug for Meddled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meddled")
    }
}

impl Meddled {
    pub(crate) fn new(inner: Arc<dyn Warehouse>) -> Self {
        Self { inner, before_commit: Mutex::default(), refuses: Mutex::default(), staged: Mutex::default() }
    }

    /// Done once, before the next commit.
    pub(crate) fn before_commit(&self, deed: impl Future<Output = ()> + Send + 'static) {
        *lock(&self.before_commit) = Some(Box::pin(deed));
    }

    /// Refuses to stage these manifests, as a warehouse refuses rows that do not fit.
    pub(crate) fn refuse(&self, judge: impl Fn(&Manifest) -> bool + Send + 'static) {
        *lock(&self.refuses) = Some(Box::new(judge));
    }

    /// Refuses nothing any more.
    pub(crate) fn relent(&self) {
        *lock(&self.refuses) = None;
    }

    /// How many manifests each call to stage had.
    pub(crate) fn staged(&self) -> Vec<usize> {
        lock(&self.staged).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Warehouse for Meddled {
    async fn ensure(&self, family: &FamilyId) -> Result<(), WarehouseError> {
        self.inner.ensure(family).await
    }

    async fn take_fence(
        &self,
        family: &FamilyId,
        owner: &Nonce,
        ledger: &LedgerId,
    ) -> Result<TakeOutcome, WarehouseError> {
        self.inner.take_fence(family, owner, ledger).await
    }

    async fn markers(&self, family: &FamilyId, entries: &[EntryId]) -> Result<Vec<Marker>, WarehouseError> {
        self.inner.markers(family, entries).await
    }

    async fn migrate(&self, fence: &Fence, shape: &FamilyShape) -> Result<MigrateOutcome, WarehouseError> {
        self.inner.migrate(fence, shape).await
    }

    async fn plan(&self, shape: &FamilyShape) -> Result<MigrationPlan, WarehouseError> {
        self.inner.plan(shape).await
    }

    async fn stage(
        &self,
        shape: &FamilyShape,
        name: &Nonce,
        manifests: &[Arc<Manifest>],
    ) -> Result<Staging, WarehouseError> {
        lock(&self.staged).push(manifests.len());
        let refused = lock(&self.refuses).as_ref().is_some_and(|judge| manifests.iter().any(|one| judge(one)));
        if refused {
            return Err(WarehouseError::Data { message: "a value does not fit".to_owned() });
        }
        self.inner.stage(shape, name, manifests).await
    }

    async fn commit(&self, shape: &FamilyShape, request: &CommitRequest) -> Result<CommitOutcome, WarehouseError> {
        let deed = lock(&self.before_commit).take();
        if let Some(deed) = deed {
            deed.await;
        }
        self.inner.commit(shape, request).await
    }

    async fn drop_staging(&self, name: &Nonce) -> Result<(), WarehouseError> {
        self.inner.drop_staging(name).await
    }

    async fn stagings(&self, family: &FamilyId) -> Result<Vec<Nonce>, WarehouseError> {
        self.inner.stagings(family).await
    }

    async fn standing(&self, shape: &FamilyShape, load: &LoadId) -> Result<Vec<TableStanding>, WarehouseError> {
        self.inner.standing(shape, load).await
    }

    async fn ping(&self) -> Result<(), WarehouseError> {
        self.inner.ping().await
    }

    fn ddl(&self, shape: &FamilyShape) -> Vec<String> {
        self.inner.ddl(shape)
    }
}
