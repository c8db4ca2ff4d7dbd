//! An R2 bucket: objects that are created once and never replaced, lists by pages, and errors told apart.
//!
//! `worker` 0.8.7 has conditions and checksums of a put, so there are no declarations of ours here. What it has not is a deadline and the
//! difference between R2's refusals and R2's failures.

mod upload;

use futures_util::future::{Either, select};
use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
pub use upload::Upload;
use wasm_bindgen::JsValue;
use web_sys::ReadableStream;
use worker::{Conditional, Data, Delay, Env, Include, Object, Range, ResponseBody};

/// How long R2 may take for anything but the transfer of a body.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the transfer of a body into R2 may take: the client sends it.
const TRANSFER: Duration = Duration::from_secs(300);
/// Largest number that a number of the runtime holds exactly; nothing in R2 is so long.
const LARGEST: u64 = (1 << 53) - 1;

/// Why the bucket did not do something.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The bytes are not those of the checksum. Nothing was stored.
    #[error("the bytes are not those of the checksum")]
    Digest,
    /// The object has no bytes in this span.
    #[error("the object has none of these bytes")]
    Range,
    /// It did not answer in time. What was sent may be stored all the same, but never a part of it.
    #[error("no answer in time")]
    Slow,
    /// It failed, or the body broke off. Nothing was stored.
    #[error("{0}")]
    Failed(String),
}

impl From<worker::Error> for BucketError {
    fn from(error: worker::Error) -> Self {
        let text = error.to_string();
        // R2's own numbers of errors, which end its messages.
        if text.contains("(10037)") {
            Self::Digest
        } else if text.contains("(10039)") {
            Self::Range
        } else {
            Self::Failed(text)
        }
    }
}

impl From<JsValue> for BucketError {
    fn from(error: JsValue) -> Self {
        worker::Error::from(error).into()
    }
}

/// What is to be stored.
pub enum Contents {
    /// As it comes in. The stream must know its length, as the body of a request with `Content-Length` does.
    Stream(ReadableStream),
    /// All of it.
    Bytes(Vec<u8>),
}

/// What came of [`Bucket::create`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is stored.
    Stored,
    /// There was one of this name, which stays as it is.
    Exists,
}

/// An object that is being read.
pub struct Reading {
    /// Bytes of the whole object.
    pub size: u64,
    /// Those that were asked for.
    pub body: ReadableStream,
}

/// A part of a list.
pub struct Page {
    /// Keys and sizes, in the order of the keys.
    pub objects: Vec<(String, u64)>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<String>,
}

/// An object, without its bytes.
pub struct About {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Its version.
    pub etag: String,
    /// When it was stored, in milliseconds since 1970.
    pub uploaded: u64,
}

/// A part of a list with all that is known of each.
pub struct AboutPage {
    /// In the order of the keys.
    pub objects: Vec<About>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<String>,
}

/// Bytes of one version of an object.
pub enum Version {
    /// They come here.
    Body(ReadableStream),
    /// There is another version now.
    Replaced,
    /// There is none.
    Missing,
}

/// A bucket.
#[derive(Clone, Debug)]
pub struct Bucket(worker::Bucket);

impl Bucket {
    /// The one that is bound under this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(env: &Env, binding: &str) -> worker::Result<Self> {
        env.bucket(binding).map(Self)
    }

    /// Size of an object; `None` when there is none.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn size(&self, key: &str) -> Result<Option<u64>, BucketError> {
        let object = in_time(PATIENCE, self.0.head(key)).await?;
        Ok(object.map(|object| object.size()))
    }

    /// Opens an object, or `length` bytes of it from `offset` on; `None` when there is none. Bytes flow as the body is read.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn read(&self, key: &str, span: Option<(u64, u64)>) -> Result<Option<Reading>, BucketError> {
        let get = self.0.get(key);
        let get = match span {
            Some((offset, length)) if offset <= LARGEST && length <= LARGEST => {
                get.range(Range::OffsetWithLength { offset, length })
            }
            Some(_) => return Err(BucketError::Range),
            None => get,
        };
        let Some(object) = in_time(PATIENCE, get.execute()).await? else {
            return Ok(None);
        };
        let size = object.size();
        let body = stream(&object)?;
        Ok(Some(Reading { size, body }))
    }

    /// All bytes of an object of at most `longest`; `None` when there is none.
    ///
    /// # Errors
    /// [`BucketError`]; also when it is longer.
    pub async fn bytes(&self, key: &str, longest: u64) -> Result<Option<Vec<u8>>, BucketError> {
        let Some(object) = in_time(PATIENCE, self.0.get(key).execute()).await? else {
            return Ok(None);
        };
        if object.size() > longest {
            return Err(BucketError::Failed(format!("an object of {} bytes", object.size())));
        }
        match object.body() {
            Some(body) => in_time(PATIENCE, body.bytes()).await.map(Some),
            None => Err(BucketError::Failed("an object without a body".into())),
        }
    }

    /// `length` bytes of an object from `offset` on, and how long the object is; `None` when there is none. Fewer come where it ends before.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn span(&self, key: &str, offset: u64, length: u64) -> Result<Option<(Vec<u8>, u64)>, BucketError> {
        if offset > LARGEST || length > LARGEST {
            return Err(BucketError::Range);
        }
        let get = self.0.get(key).range(Range::OffsetWithLength { offset, length });
        let Some(object) = in_time(PATIENCE, get.execute()).await? else {
            return Ok(None);
        };
        let size = object.size();
        match object.body() {
            Some(body) => Ok(Some((in_time(PATIENCE, body.bytes()).await?, size))),
            None => Err(BucketError::Failed("an object without a body".into())),
        }
    }

    /// What is known of an object; `None` when there is none.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn about(&self, key: &str) -> Result<Option<About>, BucketError> {
        let object = in_time(PATIENCE, self.0.head(key)).await?;
        Ok(object.as_ref().map(about))
    }

    /// Up to `limit` objects whose keys begin with `prefix`, with all that is known of each, from `cursor` on.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn about_page(&self, prefix: &str, cursor: Option<String>, limit: u32) -> Result<AboutPage, BucketError> {
        let list = self.0.list().prefix(prefix).limit(limit).include(Vec::<Include>::new());
        let list = match cursor {
            Some(cursor) => list.cursor(cursor),
            None => list,
        };
        let found = in_time(PATIENCE, list.execute()).await?;
        Ok(AboutPage {
            objects: found.objects().iter().map(about).collect(),
            next: found.cursor().filter(|_| found.truncated()),
        })
    }

    /// Folders right below `prefix`, with a slash at their ends.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        let (mut folders, mut cursor) = (Vec::new(), None);
        loop {
            let list = self
                .0
                .list()
                .prefix(prefix)
                .delimiter("/")
                .include(Vec::<Include>::new());
            let list = match cursor.take() {
                Some(cursor) => list.cursor(cursor),
                None => list,
            };
            let found = in_time(PATIENCE, list.execute()).await?;
            folders.extend(found.delimited_prefixes());
            cursor = found.cursor().filter(|_| found.truncated());
            if cursor.is_none() {
                return Ok(folders);
            }
        }
    }

    /// `length` bytes of this version of an object from `offset` on.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn version(&self, key: &str, etag: &str, offset: u64, length: u64) -> Result<Version, BucketError> {
        if offset > LARGEST || length > LARGEST {
            return Err(BucketError::Range);
        }
        let unchanged = Conditional {
            etag_matches: Some(etag.to_owned()),
            ..Conditional::default()
        };
        let get = self.0.get(key).range(Range::OffsetWithLength { offset, length });
        let Some(object) = in_time(PATIENCE, get.only_if(unchanged).execute()).await? else {
            return Ok(Version::Missing);
        };
        // R2 answers a condition that does not hold with the object and no body.
        match object.body() {
            Some(_) => Ok(Version::Body(stream(&object)?)),
            None => Ok(Version::Replaced),
        }
    }

    /// Stores an object unless there is one of this name. With `sha256`, R2 itself refuses bytes of another sum. A body that breaks off stores
    /// nothing.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn create(
        &self,
        key: &str,
        contents: Contents,
        sha256: Option<[u8; 32]>,
    ) -> Result<Created, BucketError> {
        let data = match contents {
            Contents::Stream(stream) => Data::ReadableStream(stream),
            Contents::Bytes(bytes) => Data::Bytes(bytes),
        };
        let unless_there = Conditional {
            etag_does_not_match: Some("*".into()),
            ..Conditional::default()
        };
        let put = self.0.put(key, data).only_if(unless_there);
        let put = match sha256 {
            Some(sum) => put.sha256(sum),
            None => put,
        };
        let stored = in_time(TRANSFER, put.execute()).await?;
        Ok(if stored.is_some() {
            Created::Stored
        } else {
            Created::Exists
        })
    }

    /// Copies an object over another one, byte for byte, without its bytes passing through memory at once. Whether there was one.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn copy(&self, from: &str, to: &str) -> Result<bool, BucketError> {
        let Some(object) = in_time(PATIENCE, self.0.get(from).execute()).await? else {
            return Ok(false);
        };
        let put = self.0.put(to, Data::ReadableStream(stream(&object)?));
        in_time(TRANSFER, put.execute()).await?;
        Ok(true)
    }

    /// Writes an object, in the place of one that is there.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn replace(&self, key: &str, bytes: Vec<u8>) -> Result<(), BucketError> {
        in_time(TRANSFER, self.0.put(key, Data::Bytes(bytes)).execute()).await?;
        Ok(())
    }

    /// Begins an upload by parts, which stands in the place of an object that is there once it is complete. With notes about the object.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn upload(&self, key: &str, notes: &[(&str, String)]) -> Result<Upload, BucketError> {
        let notes: HashMap<String, String> = notes
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.clone()))
            .collect();
        let begin = self.0.create_multipart_upload(key).custom_metadata(notes);
        Ok(Upload {
            upload: in_time(PATIENCE, begin.execute()).await?,
            parts: Vec::new(),
        })
    }

    /// Removes an object. One that is not there is no error.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn remove(&self, key: &str) -> Result<(), BucketError> {
        in_time(PATIENCE, self.0.delete(key)).await
    }

    /// Objects whose keys begin with `prefix`, up to a thousand, from `cursor` on.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn page(&self, prefix: &str, cursor: Option<String>) -> Result<Page, BucketError> {
        let list = self.0.list().prefix(prefix).include(Vec::<Include>::new());
        let list = match cursor {
            Some(cursor) => list.cursor(cursor),
            None => list,
        };
        let found = in_time(PATIENCE, list.execute()).await?;
        let objects = found.objects();
        Ok(Page {
            objects: objects.iter().map(|object| (object.key(), object.size())).collect(),
            next: found.cursor().filter(|_| found.truncated()),
        })
    }
}

fn about(object: &Object) -> About {
    About {
        key: object.key(),
        size: object.size(),
        etag: object.etag(),
        uploaded: object.uploaded().as_millis(),
    }
}

fn stream(object: &Object) -> Result<ReadableStream, BucketError> {
    let body = object
        .body()
        .ok_or_else(|| BucketError::Failed("an object without a body".into()))?;
    match body.response_body()? {
        ResponseBody::Stream(stream) => Ok(stream),
        ResponseBody::Body(_) | ResponseBody::Empty => Err(BucketError::Failed("a body that is no stream".into())),
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = worker::Result<T>>) -> Result<T, BucketError> {
    match select(pin!(work), pin!(Delay::from(limit))).await {
        Either::Left((outcome, _)) => Ok(outcome?),
        Either::Right(_) => Err(BucketError::Slow),
    }
}
