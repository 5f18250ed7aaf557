//! A bucket of S3, or of a server that speaks its protocol, through `object_store`.
//!
//! An object appears whole or not at all, and is there for readers once it has been put (S3 is strongly consistent), so
//! nothing has to be renamed. Only signing and the protocol are the crate's: connections are ours, and so is when to try again.

mod config;
mod link;

use std::sync::Arc;

use airchain_net::{Dialler, Network};
use async_trait::async_trait;
use bytes::Bytes;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt, PutOptions};

pub use self::config::S3Config;
use self::link::{Reason, reason};
use super::client::{Failure, readable};
use super::{Folder, Found, MAX_TEXT_BYTES};
use crate::segments::name::{self, Kind};
use crate::sink::{Retry, SinkError};

/// The folder of a track in the bucket.
pub(crate) struct S3Folder {
    store: Result<AmazonS3, SinkError>,
    config: S3Config,
    folder: Path,
}

impl S3Folder {
    pub(super) fn new(config: &S3Config, below: Option<&str>) -> Self {
        let environment = |name: &str| std::env::var(name).ok();
        Self::over(Arc::new(Network::new(config.ca_file.clone())), config, below, environment)
    }

    /// Over another network, with another environment.
    fn over(
        dialler: Arc<dyn Dialler>,
        config: &S3Config,
        below: Option<&str>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let seldom = |message| SinkError { message, retry: Retry::Seldom };
        let folder = Path::parse(config.prefix.trim_matches('/')).unwrap_or_default();
        let folder = below.map_or(folder.clone(), |below| folder.join(below));
        let store = config.validate().map_err(|invalid| seldom(invalid.to_string())).and_then(|()| {
            config.open(dialler, environment).map_err(|error| {
                seldom(format!("{}: {error}; give both access_key_id and secret_access_key", config.place()))
            })
        });
        Self { store, config: config.clone(), folder }
    }

    fn store(&self) -> Result<&AmazonS3, SinkError> {
        self.store.as_ref().map_err(|error| SinkError { message: error.message.clone(), retry: error.retry })
    }

    fn path(&self, name: &str) -> Path {
        self.folder.clone().join(name)
    }

    /// What failed, for people.
    fn fault(&self, doing: &str, path: &Path, error: &object_store::Error) -> SinkError {
        let (why, retry) = match reason(error) {
            Some(Reason::Refused(refused)) => refused.words(&self.config),
            Some(Reason::Failed(failure)) => (failure.to_string(), failure.retry()),
            None => {
                let secrets: Vec<String> =
                    self.config.secret_access_key.iter().chain(&self.config.access_key_id).cloned().collect();
                (readable(&error.to_string(), &secrets), Retry::Soon)
            }
        };
        SinkError { message: format!("cannot {doing} {path} in {}: {why}", self.config.place()), retry }
    }
}

#[async_trait]
impl Folder for S3Folder {
    fn describe(&self) -> String {
        S3Config { prefix: self.folder.to_string(), ..self.config.clone() }.place()
    }

    async fn claim(&self) -> Result<(), SinkError> {
        self.store().map(|_| ())
    }

    async fn list(&self) -> Result<Vec<Found>, SinkError> {
        let listed = self.store()?.list_with_delimiter(Some(&self.folder)).await;
        let listed = listed.map_err(|error| self.fault("list", &self.folder, &error))?;
        let found = listed.objects.into_iter().filter_map(|object| {
            let name = object.location.filename().filter(|name| Kind::of(name).is_some())?.to_owned();
            Some(Found { name, bytes: object.size })
        });
        Ok(found.collect())
    }

    async fn text(&self, name: &str) -> Result<Option<String>, SinkError> {
        let path = self.path(name);
        let bytes = match self.store()?.get(&path).await {
            Ok(answer) => answer.bytes().await,
            Err(error) => Err(error),
        };
        match bytes {
            Ok(bytes) if bytes.len() > MAX_TEXT_BYTES => Ok(Some(String::new())),
            Ok(bytes) => Ok(Some(String::from_utf8(bytes.to_vec()).unwrap_or_default())),
            Err(error) => match reason(&error) {
                Some(Reason::Refused(refused)) if refused.is_absent() => Ok(None),
                Some(Reason::Failed(Failure::TooLong)) => Ok(Some(String::new())),
                _ => Err(self.fault("read", &path, &error)),
            },
        }
    }

    async fn put(&self, name: &str, data: Bytes) -> Result<(), SinkError> {
        let mut attributes = Attributes::new();
        let kind = name::mime(name).unwrap_or("application/octet-stream");
        attributes.insert(Attribute::ContentType, kind.into());
        attributes.insert(Attribute::CacheControl, Kind::of(name).map_or("no-cache", Kind::cache).into());
        let (path, options) = (self.path(name), PutOptions { attributes, ..PutOptions::default() });
        let put = self.store()?.put_opts(&path, data.into(), options).await;
        put.map(|_| ()).map_err(|error| self.fault("write", &path, &error))
    }

    async fn remove(&self, name: &str) -> Result<(), SinkError> {
        let path = self.path(name);
        match self.store()?.delete(&path).await {
            Err(error) => match reason(&error) {
                Some(Reason::Refused(refused)) if refused.is_absent() => Ok(()),
                _ => Err(self.fault("remove", &path, &error)),
            },
            Ok(()) => Ok(()),
        }
    }

    async fn set_aside(&self, name: &str) -> Result<(), SinkError> {
        let (store, from) = (self.store()?, self.path(name));
        let mut to = self.path(&format!("{name}.old"));
        for n in 2..100 {
            if store.head(&to).await.is_err() {
                break;
            }
            to = self.path(&format!("{name}.old{n}"));
        }
        tracing::warn!(store = self.describe(), %from, %to, "not a playlist of airchain's, set aside");
        store.copy(&from, &to).await.map_err(|error| self.fault("set aside", &from, &error))?;
        self.remove(name).await
    }
}

#[cfg(test)]
mod tests;
