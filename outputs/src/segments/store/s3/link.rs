//! What lies between `object_store` and the server: our connections, and what answers mean.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Request, Response};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};

use super::super::client::{Client, Failure, readable};
use super::S3Config;
use crate::sink::Retry;

/// Why a request of `object_store` came to nothing, as [`Service`] told it.
pub(super) enum Reason<'a> {
    Failed(&'a Failure),
    Refused(&'a Refused),
}

/// What [`Service`] told.
pub(super) fn reason(error: &object_store::Error) -> Option<Reason<'_>> {
    let mut error: &(dyn Error + 'static) = error;
    loop {
        if let Some(failure) = error.downcast_ref() {
            return Some(Reason::Failed(failure));
        }
        if let Some(refused) = error.downcast_ref() {
            return Some(Reason::Refused(refused));
        }
        error = error.source()?;
    }
}

/// An answer that is none of success.
#[derive(Debug, Default, thiserror::Error)]
#[error("{host}: {status} {code} {message}")]
pub(super) struct Refused {
    host: String,
    /// 0 where there is none.
    status: u16,
    /// What S3 calls it; empty where it does not say.
    code: String,
    message: String,
    /// The bucket's own region, where it is another.
    region: Option<String>,
}

impl Refused {
    fn new(host: String, answer: &Response<Bytes>) -> Self {
        let body = String::from_utf8_lossy(answer.body());
        let element = |name: &str| {
            let (_, rest) = body.split_once(&format!("<{name}>"))?;
            let (text, _) = rest.split_once(&format!("</{name}>"))?;
            Some(readable(text, &[])).filter(|text| !text.is_empty())
        };
        let header = answer.headers().get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
        Self {
            host,
            status: answer.status().as_u16(),
            code: element("Code").unwrap_or_default(),
            message: element("Message").unwrap_or_default(),
            region: header.map(|region| readable(region, &[])).or_else(|| element("Region")),
        }
    }

    /// Whether there is no such object, in a bucket that is there.
    pub(super) fn is_absent(&self) -> bool {
        self.status == 404 && self.code != "NoSuchBucket"
    }

    /// What it means and what to do.
    pub(super) fn words(&self, config: &S3Config) -> (String, Retry) {
        use Retry::{Seldom, Soon};
        let Self { host, status, code, region, .. } = self;
        let secrets: Vec<String> =
            config.secret_access_key.iter().chain(&config.access_key_id).cloned().collect();
        let message = readable(&self.message, &secrets);
        let said = [status.to_string(), code.clone(), message].join(" ").trim().to_owned();
        let elsewhere = matches!(
            code.as_str(),
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"
        );
        if gives_roles(host) {
            let why = "no keys are given, and there is no role that gives any";
            return (format!("{why} ({host}: {said}); give access_key_id and secret_access_key"), Seldom);
        }
        if elsewhere || (300..400).contains(status) {
            let region = region.as_deref().filter(|region| *region != config.region);
            let advice = match region {
                Some(region) => format!("set region: {region}"),
                None => "correct region and endpoint".into(),
            };
            return (format!("the bucket is not in region {} ({said}); {advice}", config.region), Seldom);
        }
        match (status, code.as_str()) {
            (_, "NoSuchBucket") => {
                ("there is no such bucket; create it, or correct bucket and endpoint".into(), Seldom)
            }
            (_, "InvalidAccessKeyId") => {
                ("the key id is not known there; correct access_key_id".into(), Seldom)
            }
            (_, "SignatureDoesNotMatch") => {
                ("the secret key is not that of the key id; correct secret_access_key".into(), Seldom)
            }
            (_, "RequestTimeTooSkewed") => {
                ("this machine's clock and the server's are too far apart; set it".into(), Seldom)
            }
            (_, "ExpiredToken" | "InvalidToken") => {
                ("the session token is no longer valid; renew the keys".into(), Seldom)
            }
            (401 | 403, _) => (
                format!(
                    "the keys do not allow it ({said}); they need s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket"
                ),
                Seldom,
            ),
            (404, _) => (format!("there is no such object ({said})"), Soon),
            (413 | 507, _) | (_, "EntityTooLarge" | "QuotaExceeded" | "XMinioStorageFull") => {
                (format!("the server takes no more ({said}); make room there"), Seldom)
            }
            (408 | 409 | 425 | 429 | 500..=599, _) => {
                (format!("the server has trouble, or asks to wait ({said})"), Soon)
            }
            _ => (format!("unexpected answer ({said}); check endpoint, region and bucket"), Seldom),
        }
    }
}

/// Whether a host is asked for keys, and not for objects: what Amazon's machines and their containers have, and its token
/// service.
fn gives_roles(host: &str) -> bool {
    host.starts_with("169.254.") || host.starts_with("sts.")
}

/// Gives `object_store` our connections.
#[derive(Debug)]
pub(super) struct Connector(Arc<Client>);

impl Connector {
    pub(super) fn new(client: Client) -> Self {
        Self(Arc::new(client))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(Arc::clone(&self.0))))
    }
}

#[derive(Debug)]
struct Service(Arc<Client>);

#[async_trait]
impl HttpService for Service {
    /// An answer that is none of success is an error here: the crate would only keep half of what it says.
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let host = head.uri.host().unwrap_or_default().to_owned();
        let body = body.collect().await?.to_bytes();
        // Unknown is what is never tried again.
        let answer = self.0.send(Request::from_parts(head, body)).await;
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(answer.map(Into::into)),
            Ok(answer) => Err(HttpError::new(HttpErrorKind::Unknown, Refused::new(host, &answer))),
            Err(failure) if gives_roles(&host) => {
                let refused = Refused { host, message: failure.to_string(), ..Refused::default() };
                Err(HttpError::new(HttpErrorKind::Unknown, refused))
            }
            Err(failure) => Err(HttpError::new(HttpErrorKind::Unknown, failure)),
        }
    }
}
