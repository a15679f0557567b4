//! What the emulator remembers. Everything is in memory; locks are held for look-ups and checks, never while signing.

mod assertions;
mod directory;
mod faults;
mod journal;
mod keys;
mod quota;
mod roles;

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) use assertions::{Assertions, UsedAssertion};
pub(crate) use directory::{
    Application, Cloud, Consent, Directory, Features, Plan, Secret, Tenant, TenantState,
    TokenLifetime, later,
};
pub(crate) use faults::{Aadsts, BadBody, FaultEntry, FaultKind, Faults, Match, RetryAfter};
pub(crate) use journal::{Entry, Journal, Kind};
pub(crate) use keys::{Certificate, Federated, IssuerKey, is_visible};
pub(crate) use quota::{Bucket, Quota};
pub(crate) use roles::{Api, Roles};

use crate::error::Error;
use crate::signing::Signer;

/// All state of one emulator.
pub(crate) struct World {
    pub(crate) signer: Signer,
    directory: RwLock<Directory>,
    faults: Mutex<Faults>,
    journal: Mutex<Journal>,
    quota: Mutex<Quota>,
    assertions: Mutex<Assertions>,
}

impl World {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self {
            signer: Signer::new()?,
            directory: RwLock::default(),
            faults: Mutex::default(),
            journal: Mutex::default(),
            quota: Mutex::default(),
            assertions: Mutex::default(),
        })
    }

    // A panic elsewhere leaves these structures whole (each is changed by one call), so poison is ignored.

    pub(crate) fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn directory_mut(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn quota(&self) -> MutexGuard<'_, Quota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn assertions(&self) -> MutexGuard<'_, Assertions> {
        self.assertions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
