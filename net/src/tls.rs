//! TLS to a server: whom to trust.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::dial::DialError;

/// What the system trusts, once read: it is the same for all connections, and large.
static SYSTEM: OnceCell<TlsConnector> = OnceCell::const_new();

/// Trusts what the system trusts, and what is in `ca_file`.
pub(crate) async fn connector(ca_file: Option<PathBuf>) -> Result<TlsConnector, DialError> {
    match ca_file {
        None => SYSTEM.get_or_try_init(|| read(None)).await.cloned(),
        Some(_) => read(ca_file).await,
    }
}

/// Reads files, so not on the I/O runtime's own threads.
async fn read(ca_file: Option<PathBuf>) -> Result<TlsConnector, DialError> {
    let made = tokio::task::spawn_blocking(move || build(ca_file)).await;
    made.unwrap_or_else(|_| Err("reading the trusted certificates failed".into())).map_err(DialError::Trust)
}

fn build(ca_file: Option<PathBuf>) -> Result<TlsConnector, String> {
    let own = ca_file.as_deref().map(read_pem).transpose()?.unwrap_or_default();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(own.iter().cloned());
    if roots.is_empty() {
        return Err("no trusted certificates on this system; install ca-certificates or give ca_file".into());
    }
    let provider = Arc::new(ring::default_provider());
    let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| error.to_string())?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { webpki, own }))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn read_pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unusable = |why: String| format!("ca_file {}: {why}", path.display());
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(format!("{error}; give a PEM file of certificates")))?;
    if certificates.is_empty() {
        return Err(unusable("holds no certificate; give a PEM file of certificates".into()));
    }
    Ok(certificates)
}

/// The usual checks; but a server that shows the very certificate that the user gave is the one that is meant. Stations
/// sign their own certificates, as authorities that they are not, for names they do not have.
#[derive(Debug)]
struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.own.iter().any(|own| own == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
