//! A bucket, as declared.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use airchain_net::{Dialler, mask_url};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{BackoffConfig, RetryConfig};
use url::Url;

use super::super::InvalidStore;
use super::super::client::{Client, readable};
use super::link::Connector;

/// Where keys and roles come from when the station file names none, as Amazon's own programs do it.
const ENVIRONMENT: [(&str, AmazonS3ConfigKey); 8] = [
    ("AWS_ACCESS_KEY_ID", AmazonS3ConfigKey::AccessKeyId),
    ("AWS_SECRET_ACCESS_KEY", AmazonS3ConfigKey::SecretAccessKey),
    ("AWS_SESSION_TOKEN", AmazonS3ConfigKey::Token),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", AmazonS3ConfigKey::WebIdentityTokenFile),
    ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
];

/// A bucket, as declared.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct S3Config {
    /// Its name.
    pub bucket: String,
    /// Folders in it, `a/b`; empty for the bucket itself.
    pub prefix: String,
    /// Its region.
    pub region: String,
    /// Server, where it is not Amazon's: `https://host`. It is asked for `/bucket/object`.
    pub endpoint: Option<String>,
    /// Key id; `AWS_ACCESS_KEY_ID` where absent, else the role of the machine.
    pub access_key_id: Option<String>,
    /// Secret key; `AWS_SECRET_ACCESS_KEY` where absent.
    pub secret_access_key: Option<String>,
    /// PEM file of certificates to trust beside the system's. The server's own certificate may be in it.
    pub ca_file: Option<PathBuf>,
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Config").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl S3Config {
    /// A bucket of Amazon's, with keys from the environment.
    pub fn new(bucket: impl Into<String>, region: impl Into<String>) -> Self {
        Self { bucket: bucket.into(), region: region.into(), ..Self::default() }
    }

    /// Refuses what cannot be meant, naming the field and what would do, and no secret.
    pub fn validate(&self) -> Result<(), InvalidStore> {
        let invalid = |field, value: &str, accepted| {
            Err(InvalidStore { field, value: format!("{:?}", readable(value, &[])), accepted })
        };
        let plain = |text: &str, also: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
        };
        if !plain(&self.bucket, ".-_") || self.bucket.starts_with('.') {
            return invalid("bucket", &self.bucket, "a bucket's name: letters, digits, `.`, `_` and `-`");
        }
        if !plain(&self.region, "-") {
            return invalid(
                "region",
                &self.region,
                "a region such as eu-central-1; where there is none, us-east-1",
            );
        }
        let prefix = self.prefix.trim_matches('/');
        if Path::parse(prefix).is_err() || prefix.chars().any(char::is_control) {
            return invalid(
                "prefix",
                &self.prefix,
                "folders such as radio/live, none of them empty, `.` or `..`",
            );
        }
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        let is_meant = Url::parse(endpoint).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.host_str().is_some_and(|host| !host.is_empty())
                && url.username().is_empty()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        if !is_meant {
            let accepted = "https://host, with the keys in access_key_id and secret_access_key";
            return invalid("endpoint", &mask_url(endpoint), accepted);
        }
        Ok(())
    }

    /// Where it is: the same for two that write to the same folder.
    pub(in super::super) fn place(&self) -> String {
        let prefix = self.prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        let at = self
            .endpoint
            .as_deref()
            .map(|endpoint| format!(" at {}", mask_url(endpoint.trim_end_matches('/'))));
        format!("s3://{}{slash}{prefix}{}", self.bucket, at.unwrap_or_default())
    }

    /// The bucket, with keys of the station file and `environment`, over a network.
    pub(super) fn open(
        &self,
        dialler: Arc<dyn Dialler>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<AmazonS3, object_store::Error> {
        let never =
            RetryConfig { max_retries: 0, backoff: BackoffConfig::default(), ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_http_connector(Connector::new(Client::new(dialler)))
            // Of one object, and not every server has it.
            .with_disable_bulk_delete(true)
            .with_retry(never);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        for (name, key) in ENVIRONMENT {
            // A token is of the key id beside it.
            if self.access_key_id.is_some() && name == "AWS_SESSION_TOKEN" {
                continue;
            }
            if let Some(value) = environment(name).filter(|value| !value.is_empty()) {
                builder = builder.with_config(key, value);
            }
        }
        if let Some(id) = &self.access_key_id {
            builder = builder.with_access_key_id(id);
        }
        if let Some(secret) = &self.secret_access_key {
            builder = builder.with_secret_access_key(secret);
        }
        builder.build()
    }
}
