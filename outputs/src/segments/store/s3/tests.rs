//! The client of S3 against a simulated one, in simulated time.

use std::time::Duration;

use testkit::object_store::{Face, Fault, ObjectStore};

use super::*;

const SEGMENT: &str = "1700000000123-42.ts";
const LIVE: &str = "live.m3u8";
const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn config() -> S3Config {
    S3Config {
        prefix: "radio/live".into(),
        endpoint: Some("http://s3.example:9000".into()),
        access_key_id: Some(ID.into()),
        secret_access_key: Some(SECRET.into()),
        ..S3Config::new("station", "eu-west-1")
    }
}

fn server() -> ObjectStore {
    ObjectStore::new(Face::S3("station".into())).with_key(&format!("AWS4-HMAC-SHA256 Credential={ID}/"))
}

fn folder(store: &ObjectStore, config: &S3Config, below: Option<&str>) -> S3Folder {
    S3Folder::over(Arc::new(store.clone()), config, below, |_| None)
}

fn found(name: &str, bytes: u64) -> Found {
    Found { name: name.into(), bytes }
}

#[tokio::test(start_paused = true)]
async fn objects_go_up_whole_with_their_type_over_one_connection() {
    let store = server().with_page(1);
    let folder = folder(&store, &config(), Some("low"));
    folder.claim().await.unwrap();
    assert_eq!(folder.list().await.unwrap(), []);
    assert_eq!(folder.text(LIVE).await.unwrap(), None);
    folder.put(SEGMENT, Bytes::from(vec![7; 188 * 1000])).await.unwrap();
    folder.put(LIVE, format!("#EXTM3U\n{SEGMENT}\n").into()).await.unwrap();
    let path = |name| format!("/station/radio/live/low/{name}");
    assert_eq!(store.get(&path(SEGMENT)), Some(vec![7; 188 * 1000]));
    let header = |name, header| store.header(&path(name), header);
    assert_eq!(header(SEGMENT, "content-type"), "video/mp2t");
    assert_eq!(header(SEGMENT, "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(header(LIVE, "content-type"), "application/vnd.apple.mpegurl");
    assert_eq!(header(LIVE, "cache-control"), "public, max-age=1");
    assert_eq!(header(LIVE, "host"), "s3.example:9000");
    store.put(&path("photo.jpg"), "of others");
    store.put(&path("deep/1-1.ts"), "of others");
    store.put("/station/radio/live/lower/1-1.ts", "of others");
    assert_eq!(folder.list().await.unwrap(), [found(SEGMENT, 188_000), found(LIVE, 28)]);
    assert!(folder.text(LIVE).await.unwrap().is_some_and(|text| text.contains(SEGMENT)));
    assert_eq!(folder.describe(), "s3://station/radio/live/low at http://s3.example:9000");
    assert_eq!(store.check_order(), Ok(1));
    folder.remove(LIVE).await.unwrap();
    folder.remove(SEGMENT).await.unwrap();
    folder.remove(SEGMENT).await.unwrap();
    assert!(store.get(&path(SEGMENT)).is_none());
    assert_eq!(store.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_apart_and_tell_no_secret() {
    use Retry::{Seldom, Soon};
    let store = server();
    let config = config();
    let folder = folder(&store, &config, None);
    for (status, code, said, retry) in [
        (301, "PermanentRedirect", "correct region", Seldom),
        (400, "AuthorizationHeaderMalformed", "set region: eu-west-3", Seldom),
        (403, "InvalidAccessKeyId", "access_key_id", Seldom),
        (403, "SignatureDoesNotMatch", "secret_access_key", Seldom),
        (403, "RequestTimeTooSkewed", "clock", Seldom),
        (400, "ExpiredToken", "renew", Seldom),
        (403, "AccessDenied", "s3:PutObject", Seldom),
        (403, "", "s3:PutObject", Seldom),
        (404, "NoSuchBucket", "create it", Seldom),
        (429, "TooManyRequests", "wait", Soon),
        (500, "InternalError", "trouble", Soon),
        (503, "SlowDown", "wait", Soon),
        (507, "XMinioStorageFull", "room", Seldom),
        (418, "", "unexpected", Seldom),
    ] {
        store.script(move |_| Some(Fault::Status(status, code)));
        let before = store.events().len();
        let put = folder.put(SEGMENT, Bytes::from_static(b"sound")).await;
        // When to try again is not the crate's to say.
        assert_eq!(store.events().len(), before + 1, "{status} {code}");
        let errors =
            [put.unwrap_err(), folder.list().await.unwrap_err(), folder.remove(SEGMENT).await.unwrap_err()];
        for error in errors {
            let message = error.message.as_str();
            assert!(message.contains(said) && message.contains("station"), "{status} {code}: {message}");
            assert_eq!(error.retry, retry, "{status} {code}");
            let all = format!("{message} {} {config:?}", folder.describe());
            for secret in [ID, SECRET] {
                assert!(!all.contains(secret), "{secret} in {all}");
            }
        }
        assert!(folder.text(LIVE).await.is_err(), "{status} {code}");
    }
    store.script(|_| Some(Fault::Status(404, "NoSuchKey")));
    assert_eq!(folder.text(LIVE).await.unwrap(), None);
    folder.remove(LIVE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_breaks_passes_and_nothing_half_done_is_seen() {
    let store = server();
    let folder = folder(&store, &config(), None);
    let path = format!("/station/radio/live/{SEGMENT}");
    let data = Bytes::from(vec![7; 300_000]);
    for fault in [Fault::Close, Fault::CutBody, Fault::Silence] {
        store.script(move |_| Some(fault.clone()));
        let error = folder.put(SEGMENT, data.clone()).await.unwrap_err();
        assert_eq!(error.retry, Retry::Soon, "{error}");
        assert!(store.get(&path).is_none(), "{error}");
        assert_eq!(folder.text(LIVE).await.unwrap_err().retry, Retry::Soon);
    }
    store.refuse();
    let error = folder.put(SEGMENT, data.clone()).await.unwrap_err();
    assert!(error.message.contains("refuses the connection") && error.retry == Retry::Soon, "{error}");
    store.script(|_| Some(Fault::Slow(Duration::from_secs(5))));
    store.heal();
    folder.put(SEGMENT, data.clone()).await.unwrap();
    assert_eq!(store.get(&path), Some(data.to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_playlist_of_others_is_set_aside() {
    let store = server();
    let folder = folder(&store, &config(), None);
    for (text, names) in [("one", 1), ("two", 2)] {
        store.put("/station/radio/live/index.m3u8", text);
        folder.set_aside("index.m3u8").await.unwrap();
        assert_eq!(store.paths().len(), names);
    }
    assert_eq!(store.text("/station/radio/live/index.m3u8.old2"), "two");
    store.put("/station/radio/live/live.m3u8", vec![b'x'; MAX_TEXT_BYTES + 1]);
    assert_eq!(folder.text(LIVE).await.unwrap(), Some(String::new()));
}

#[tokio::test(start_paused = true)]
async fn keys_come_from_the_environment_where_none_are_declared() {
    let environment = |name: &str| {
        let known =
            [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", "t0ken")];
        known.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    };
    let store = server();
    let without = S3Config { access_key_id: None, secret_access_key: None, ..config() };
    let dialler: Arc<dyn Dialler> = Arc::new(store.clone());
    let folder = S3Folder::over(dialler.clone(), &without, None, environment);
    folder.put(LIVE, Bytes::from_static(b"#EXTM3U\n")).await.unwrap();
    assert_eq!(store.header("/station/radio/live/live.m3u8", "x-amz-security-token"), "t0ken");
    // A token is of the key beside it.
    let folder = S3Folder::over(dialler.clone(), &config(), None, environment);
    folder.put(LIVE, Bytes::from_static(b"#EXTM3U\n")).await.unwrap();
    assert_eq!(store.header("/station/radio/live/live.m3u8", "x-amz-security-token"), "");
    let half = S3Config { secret_access_key: None, ..config() };
    let error = S3Folder::over(dialler.clone(), &half, None, |_| None).claim().await.unwrap_err();
    assert!(error.message.contains("give both") && error.retry == Retry::Seldom, "{error}");
    // No keys at all: the machine is asked for its role, in vain.
    store.refuse();
    let error = S3Folder::over(dialler, &without, None, |_| None).list().await.unwrap_err();
    assert!(error.message.contains("no keys are given") && error.retry == Retry::Seldom, "{error}");
}

#[test]
fn what_cannot_be_meant_is_refused_without_its_secrets() {
    let with = |prefix: &str| S3Config { prefix: prefix.into(), ..config() };
    let at = |endpoint: &str| S3Config { endpoint: Some(endpoint.into()), ..config() };
    for (config, field) in [
        (S3Config::new("", "eu-west-1"), "bucket"),
        (S3Config::new("a/b", "eu-west-1"), "bucket"),
        (S3Config::new("..", "eu-west-1"), "bucket"),
        (S3Config::new("a\r\nb", "eu-west-1"), "bucket"),
        (S3Config::new("a", ""), "region"),
        (S3Config::new("a", "x.evil/"), "region"),
        (with("a//b"), "prefix"),
        (with("a/../b"), "prefix"),
        (with("a\nb"), "prefix"),
        (at("ftp://h"), "endpoint"),
        (at("https://id:s3cret@h"), "endpoint"),
        (at("https://h?x=s3cret"), "endpoint"),
    ] {
        let invalid = config.validate().unwrap_err();
        assert_eq!(invalid.field, field, "{invalid}");
        let all = format!("{invalid} {config:?}");
        assert!(!all.contains("s3cret") && !all.contains(SECRET) && !all.contains('\n'), "{all}");
    }
    for prefix in ["", "/", "radio", "/radio/live/", "Grüße an alle"] {
        with(prefix).validate().unwrap();
    }
    assert_eq!(S3Config { prefix: "/a/".into(), endpoint: None, ..config() }.place(), "s3://station/a");
}
