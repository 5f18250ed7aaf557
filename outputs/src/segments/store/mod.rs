//! Where segments and manifests are kept: one file for each kind of store, and a line in `StoreConfig::folder`.
//!
//! `docs/stores.md` says what each of them promises.

mod client;
mod local;
mod put;
#[cfg(feature = "s3")]
mod s3;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::sink::SinkError;

pub use put::PutConfig;
#[cfg(feature = "s3")]
pub use s3::S3Config;

/// A text longer than this, in bytes, is not ours.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// A store as declared.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StoreConfig {
    /// A folder of this machine, that a web server serves; created where needed.
    Local(PathBuf),
    /// A bucket of S3, or of a server that speaks its protocol.
    #[cfg(feature = "s3")]
    S3(S3Config),
    /// A server that takes files by HTTP `PUT`.
    Put(PutConfig),
}

/// A field of a store that cannot be meant. The caller corrects it. Never shows a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value} is not accepted, give {accepted}")]
pub struct InvalidStore {
    /// The field's name in a station file.
    pub field: &'static str,
    /// What it held.
    pub value: String,
    /// What would be accepted.
    pub accepted: &'static str,
}

impl StoreConfig {
    /// The folder of a track below the store's own; `None` is that itself.
    pub(crate) fn folder(&self, below: Option<&str>) -> Arc<dyn Folder> {
        match self {
            Self::Local(path) => {
                let path = below.map_or(path.clone(), |name| path.join(name));
                Arc::new(local::LocalFolder::new(path))
            }
            #[cfg(feature = "s3")]
            Self::S3(config) => Arc::new(s3::S3Folder::new(config, below)),
            Self::Put(config) => Arc::new(put::PutFolder::new(config, below)),
        }
    }

    /// Refuses what cannot be meant, naming the field, its value and what would do.
    pub fn validate(&self) -> Result<(), InvalidStore> {
        match self {
            Self::Local(path) if path.as_os_str().is_empty() => {
                Err(InvalidStore { field: "path", value: "\"\"".into(), accepted: "a directory" })
            }
            Self::Local(_) => Ok(()),
            #[cfg(feature = "s3")]
            Self::S3(config) => config.validate(),
            Self::Put(config) => config.validate(),
        }
    }

    /// Where it is, for people: the same for two that keep their files in the same place. Holds no secret.
    pub fn place(&self) -> String {
        match self {
            Self::Local(path) => path.display().to_string(),
            #[cfg(feature = "s3")]
            Self::S3(config) => config.place(),
            Self::Put(config) => config.place(),
        }
    }

    /// The folder that it is on this machine, if it is one.
    pub fn local(&self) -> Option<&Path> {
        match self {
            Self::Local(path) => Some(path),
            _ => None,
        }
    }
}

/// A file found in a [`Folder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// Where the files of one track lie. Names in it are plain: no separators.
///
/// Files appear whole or not at all, and only those that airchain names are ever touched. What is under way when a
/// call is dropped runs to its end before the next one begins.
#[async_trait]
pub(crate) trait Folder: Send + Sync {
    /// What and where it is, for people; holds no secret.
    fn describe(&self) -> String;

    /// Sees that it is there and this output's alone, and clears away what interrupted writes have left. Called before all
    /// that changes anything, again after a fault.
    async fn claim(&self) -> Result<(), SinkError>;

    /// Lets go of it.
    async fn release(&self) {}

    /// Refuses a folder that another output still holds, where that can be known.
    async fn check_free(&self) -> Result<(), SinkError> {
        Ok(())
    }

    /// The files in it whose names could be airchain's. Where a store has no lists, those that its playlist names and that
    /// are there: what else earlier runs have left stays.
    async fn list(&self) -> Result<Vec<Found>, SinkError>;

    /// A small text; `None` where there is no such file, empty where it is none of ours: no text, or longer than 1 MiB.
    async fn text(&self, name: &str) -> Result<Option<String>, SinkError>;

    /// Whether a file that was put is still there, where asking costs next to nothing; else it is taken to be.
    async fn has(&self, _name: &str) -> bool {
        true
    }

    /// Puts a file, in place of an older one of that name. Its kind is told by [its name](super::name::Kind::of).
    async fn put(&self, name: &str, data: Bytes) -> Result<(), SinkError>;

    /// Removes a file; one that is not there is as good as removed. Where a store removes nothing at all, neither does this.
    async fn remove(&self, name: &str) -> Result<(), SinkError>;

    /// Moves a file of others out of the way, under a name that is free.
    async fn set_aside(&self, name: &str) -> Result<(), SinkError>;
}
