//! What an [`ObjectStore`](super::ObjectStore) answers.

use std::fmt::Write;

use super::{Event, Face, File, Request, State};

/// An answer, and what it holds.
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A refusal as S3 words it.
    pub(super) fn refusal(status: u16, code: &str) -> Self {
        Self::careless(status, code, "no")
    }

    /// The same of a server that repeats, in `message`, what no log may hold.
    pub(super) fn careless(status: u16, code: &str, message: &str) -> Self {
        let region = if code == "AuthorizationHeaderMalformed" { "<Region>eu-west-3</Region>" } else { "" };
        let body = format!(
            "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{region}</Error>"
        );
        let body = if code.is_empty() { Vec::new() } else { body.into_bytes() };
        Self { status, headers: vec![("content-type", "application/xml".into())], body }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// As it is sent.
    pub(super) fn bytes(&self, method: &str) -> Vec<u8> {
        let mut head =
            format!("HTTP/1.1 {} Scripted\r\ncontent-length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let mut bytes = (head + "\r\n").into_bytes();
        // 204 has no length, and what follows `HEAD` is only told of.
        if method != "HEAD" {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// Its entity tag: another for other bytes.
fn tag(body: &[u8]) -> String {
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("\"{hash:016x}\"")
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<std::borrow::Cow<'a, str>> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(found, _)| *found == name)?;
    Some(value.replace("%2F", "/").into())
}

/// The folder that a path lies in, with the slash at its end.
fn folder(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.get(..path.rfind('/').map_or(0, |at| at + 1)).unwrap_or_default()
}

impl State {
    /// Does what is asked.
    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        let answer = self.carry_out(request);
        self.events.push(Event { request: request.clone(), status: answer.status });
        answer
    }

    fn carry_out(&mut self, request: &Request) -> Answer {
        let is_s3 = matches!(self.face, Face::S3(_));
        if self.key.as_ref().is_some_and(|key| !request.header("authorization").contains(key)) {
            return match is_s3 {
                true => Answer::refusal(403, "InvalidAccessKeyId"),
                false => Answer::of(401, "").with("www-authenticate", "Basic realm=\"radio\""),
            };
        }
        if let Face::S3(bucket) = &self.face {
            let bucket = format!("/{bucket}");
            match request.path.strip_prefix(&bucket) {
                Some("" | "/") if request.query.contains("list-type=2") => {
                    return self.list(&request.query, &bucket);
                }
                Some(path) if path.len() > 1 => {}
                _ => return Answer::refusal(404, "NoSuchBucket"),
            }
        }
        let path = request.path.as_str();
        match (request.method.as_str(), &self.face) {
            ("PUT", Face::WebDav) if !self.folders.contains(folder(path)) => Answer::status(409),
            ("PUT", _) if is_s3 && !request.header("x-amz-copy-source").is_empty() => self.copy(request),
            ("PUT", _) => {
                let tag = tag(&request.body);
                let file = File { body: request.body.clone(), headers: request.headers.clone() };
                let known = self.files.insert(path.to_owned(), file).is_some();
                Answer::status(if is_s3 {
                    200
                } else if known {
                    204
                } else {
                    201
                })
                .with("etag", tag)
            }
            (_, Face::PutOnly) => Answer::status(405),
            ("GET" | "HEAD", _) => match self.files.get(path) {
                Some(file) => Answer::of(200, file.body.clone()).with("etag", tag(&file.body)),
                None if is_s3 => Answer::refusal(404, "NoSuchKey"),
                None => Answer::status(404),
            },
            ("DELETE", _) => match self.files.remove(path) {
                None if !is_s3 => Answer::status(404),
                _ => Answer::status(204),
            },
            ("MKCOL", Face::WebDav) => {
                let made = format!("{}/", path.trim_end_matches('/'));
                match self.folders.contains(folder(path)) {
                    true if self.folders.insert(made) => Answer::status(201),
                    true => Answer::status(405),
                    false => Answer::status(409),
                }
            }
            ("PROPFIND", Face::WebDav) if !self.folders.contains(path) => Answer::status(404),
            ("PROPFIND", Face::WebDav) => self.properties(path),
            _ => Answer::status(405),
        }
    }

    fn copy(&mut self, request: &Request) -> Answer {
        let source = format!("/{}", request.header("x-amz-copy-source").trim_start_matches('/'));
        let Some(file) = self.files.get(&source).cloned() else { return Answer::refusal(404, "NoSuchKey") };
        let tag = tag(&file.body);
        self.files.insert(request.path.clone(), file);
        Answer::of(
            200,
            format!(
                "<CopyObjectResult><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>{tag}</ETag></CopyObjectResult>"
            ),
        )
    }

    /// A page of a list: `ListObjectsV2`.
    fn list(&self, query: &str, bucket: &str) -> Answer {
        let prefix = parameter(query, "prefix").unwrap_or_default();
        let after = parameter(query, "continuation-token").unwrap_or_default();
        let (mut objects, mut folders) = (Vec::new(), Vec::new());
        for (path, file) in &self.files {
            let Some(key) = path.strip_prefix(&format!("{bucket}/")) else { continue };
            let Some(rest) = key.strip_prefix(&*prefix).filter(|_| key > &*after) else { continue };
            match rest.split_once('/') {
                Some((below, _)) => folders.push(format!("{prefix}{below}/")),
                None => objects.push((key, file)),
            }
        }
        let is_cut = objects.len() > self.page;
        objects.truncate(self.page);
        folders.dedup();
        let mut xml = format!("<ListBucketResult><IsTruncated>{is_cut}</IsTruncated>");
        if let Some((last, _)) = objects.last().filter(|_| is_cut) {
            let _ = write!(xml, "<NextContinuationToken>{last}</NextContinuationToken>");
        }
        for (key, file) in objects {
            let (size, tag) = (file.body.len(), tag(&file.body));
            let _ = write!(
                xml,
                "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>{tag}</ETag><Size>{size}</Size></Contents>"
            );
        }
        for folder in folders {
            let _ = write!(xml, "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
        }
        Answer::of(200, xml + "</ListBucketResult>").with("content-type", "application/xml")
    }

    /// A folder, as WebDAV lists it.
    fn properties(&self, path: &str) -> Answer {
        let mut xml = String::from("<?xml version=\"1.0\"?>\n<D:multistatus xmlns:D=\"DAV:\">\n");
        let _ = writeln!(xml, "<D:response><D:href>{path}</D:href></D:response>");
        for (found, file) in self.files.iter().filter(|(found, _)| folder(found) == path) {
            let length = file.body.len();
            let _ = writeln!(
                xml,
                "<D:response>\n<D:href>{found}</D:href><D:propstat><D:prop><lp1:getcontentlength xmlns:lp1=\"DAV:\">{length}</lp1:getcontentlength></D:prop></D:propstat></D:response>"
            );
        }
        Answer::of(207, xml + "</D:multistatus>").with("content-type", "application/xml")
    }
}
