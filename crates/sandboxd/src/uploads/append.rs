//! Adding to an upload: one request at a time, and the newest one wins.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use molt_common::problem::Problem;
use molt_common::upload::Checksum;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedMutexGuard, watch};

use super::record::Progress;
use super::{Upload, Uploads, disk};
use crate::clock::now_ms;
use crate::proxy::Admitted;

/// How long somebody who adds is waited for after he was told to stop.
const HANDOVER: Duration = Duration::from_secs(10);
/// Bytes that are gathered before they are written: each write is a visit to another thread.
const GATHERED: usize = 256 * 1024;

/// Pieces that are still taken of one who is told to stop, as far as they are there.
const LAST_PIECES: u32 = 64;

/// One part of an upload.
pub struct Part {
    /// Where it begins.
    pub offset: u64,
    /// Hash that it must have.
    pub checksum: Option<Checksum>,
    /// Its bytes; none in an upload of nothing.
    pub body: Option<Incoming>,
}

enum Hasher {
    None,
    Sha1(Sha1, [u8; 20]),
    Sha256(Sha256, [u8; 32]),
}

impl Hasher {
    fn of(checksum: Option<Checksum>) -> Self {
        match checksum {
            None => Self::None,
            Some(Checksum::Sha1(expected)) => Self::Sha1(Sha1::new(), expected),
            Some(Checksum::Sha256(expected)) => Self::Sha256(Sha256::new(), expected),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::None => {}
            Self::Sha1(hash, _) => hash.update(bytes),
            Self::Sha256(hash, _) => hash.update(bytes),
        }
    }

    fn holds(self) -> bool {
        match self {
            Self::None => true,
            Self::Sha1(hash, expected) => hash.finalize().as_slice() == expected,
            Self::Sha256(hash, expected) => hash.finalize().as_slice() == expected,
        }
    }
}

/// The right to add to an upload, and the sign that somebody else wants it.
type Turn = (OwnedMutexGuard<()>, watch::Receiver<u64>);

/// How a part ended.
enum End {
    Whole,
    /// The client, his session or a newer request ended it: what is there counts.
    Cut,
    TooLong,
}

impl Uploads {
    /// Adds a part and answers how much there is then. When it is all, the delivery begins.
    pub(super) async fn append(
        self: &Arc<Self>,
        upload: &Arc<Upload>,
        part: Part,
        session: Admitted,
    ) -> Result<u64, Problem> {
        let turn = self.alone(upload).await?;
        let (uploads, upload) = (Arc::clone(self), Arc::clone(upload));
        // Beside the request, which is dropped at any await when its client has gone: what has come is brought to its end all the same.
        let added = tokio::spawn(async move { uploads.add(&upload, part, session, turn).await });
        added.await.unwrap_or_else(|_| Err(Problem::internal()))
    }

    async fn add(
        self: &Arc<Self>,
        upload: &Arc<Upload>,
        part: Part,
        mut session: Admitted,
        (_writing, mut wanted): Turn,
    ) -> Result<u64, Problem> {
        let there = self.settle(upload)?;
        let record = upload.record();
        if part.offset != there {
            return Err(Problem::new(
                409,
                "offset_conflict",
                format!("The upload has {there} bytes, and this part begins at {}.", part.offset),
            ));
        }
        let room = record.length - there;
        if part.body.as_ref().is_some_and(|body| body.size_hint().lower() > room) {
            return Err(too_long(record.length));
        }
        if record.progress != Progress::Receiving {
            // The last part again, with nothing left to say.
            return Ok(there);
        }
        let verified = part.checksum.is_some().then_some(there);
        self.change(upload, |record| record.unverified_from = verified)
            .map_err(|error| disk(&error))?;
        let mut file = self.spool.append(&record.id).await.map_err(|error| disk(&error))?;
        let mut hasher = Hasher::of(part.checksum);
        let mut gone = upload.gone.subscribe();
        let stop = async {
            tokio::select! {
                _ = session.ended() => {}
                _ = wanted.changed() => {}
                _ = gone.wait_for(|gone| *gone) => {}
            }
        };
        let copied = copy(part.body, &mut file, &mut hasher, room, stop).await;
        let flushed = file.flush().await;
        let end = copied
            .and_then(|end| flushed.map(|()| end))
            .map_err(|error| disk(&error))?;
        let back = |problem| {
            self.spool.truncate(&record.id, there).map_err(|error| disk(&error))?;
            Err(problem)
        };
        match end {
            End::TooLong => return back(too_long(record.length)),
            End::Cut if verified.is_some() => return back(cut()),
            End::Whole if !hasher.holds() => {
                return back(Problem::new(
                    460,
                    "checksum_mismatch",
                    "The bytes that came do not have the hash of Upload-Checksum. They were dropped.",
                ));
            }
            End::Cut | End::Whole => {}
        }
        if *upload.gone.borrow() {
            return Err(removed());
        }
        let there = self.spool.offset(&record.id).unwrap_or(0);
        let complete = there == record.length;
        self.change(upload, |record| {
            record.unverified_from = None;
            record.expires_at = now_ms().saturating_add(self.ttl_ms);
            if complete {
                record.progress = Progress::Waiting;
            }
        })
        .map_err(|error| disk(&error))?;
        if complete {
            self.deliver(upload);
            return Ok(there);
        }
        match end {
            End::Cut => Err(cut()),
            End::Whole | End::TooLong => Ok(there),
        }
    }

    /// The right to add, taken from whoever has it.
    async fn alone(&self, upload: &Upload) -> Result<Turn, Problem> {
        upload.wanted.send_modify(|count| *count += 1);
        let writing = tokio::time::timeout(HANDOVER, Arc::clone(&upload.writing).lock_owned()).await;
        let writing = writing.map_err(|_| {
            Problem::new(423, "upload_locked", "Another request is adding to this upload.").retry_after(1)
        })?;
        Ok((writing, upload.wanted.subscribe()))
    }

    /// Ends whoever adds, so that what is there now stays as it is, and answers how much that is.
    pub(super) async fn settled_offset(self: &Arc<Self>, upload: &Arc<Upload>) -> Result<u64, Problem> {
        let record = upload.record();
        if record.progress != Progress::Receiving {
            return Ok(record.length);
        }
        let _turn = self.alone(upload).await?;
        self.settle(upload)
    }

    /// Makes good what a part has left that did not come to its end, because the disk refused: bytes that were never verified go, and an upload that
    /// is whole is delivered. Answers how much there is. For the one whose turn it is.
    fn settle(self: &Arc<Self>, upload: &Arc<Upload>) -> Result<u64, Problem> {
        let record = upload.record();
        if record.progress != Progress::Receiving {
            return Ok(record.length);
        }
        if *upload.gone.borrow() {
            return Err(removed());
        }
        if let Some(verified) = record.unverified_from {
            self.spool
                .truncate(&record.id, verified)
                .map_err(|error| disk(&error))?;
        }
        let there = self.spool.offset(&record.id).unwrap_or(0);
        if there == record.length {
            self.change(upload, |record| {
                record.unverified_from = None;
                record.progress = Progress::Waiting;
                record.expires_at = now_ms().saturating_add(self.ttl_ms);
            })
            .map_err(|error| disk(&error))?;
            self.deliver(upload);
        }
        Ok(there)
    }
}

/// Copies until the end, or until `stop`: what has come by then is kept.
async fn copy(
    body: Option<Incoming>,
    file: &mut File,
    hasher: &mut Hasher,
    mut room: u64,
    stop: impl Future<Output = ()>,
) -> std::io::Result<End> {
    let Some(mut body) = body else { return Ok(End::Whole) };
    let mut stop = std::pin::pin!(stop);
    let mut last_pieces = None;
    let mut gathered: Vec<u8> = Vec::with_capacity(GATHERED);
    let end = loop {
        let frame = match &mut last_pieces {
            None => tokio::select! {
                frame = body.frame() => frame,
                () = &mut stop => {
                    last_pieces = Some(LAST_PIECES);
                    continue;
                }
            },
            Some(0) => break End::Cut,
            Some(left) => {
                *left -= 1;
                match body.frame().now_or_never() {
                    Some(frame) => frame,
                    None => break End::Cut,
                }
            }
        };
        let piece: Bytes = match frame {
            None => break End::Whole,
            Some(Err(_)) => break End::Cut,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) => piece,
                Err(_) => continue,
            },
        };
        match room.checked_sub(piece.len() as u64) {
            Some(rest) => room = rest,
            None => return Ok(End::TooLong),
        }
        hasher.update(&piece);
        gathered.extend_from_slice(&piece);
        if gathered.len() >= GATHERED {
            file.write_all(&gathered).await?;
            gathered.clear();
        }
    };
    file.write_all(&gathered).await?;
    Ok(end)
}

fn too_long(length: u64) -> Problem {
    Problem::new(
        413,
        "part_too_long",
        format!("With this part the upload would have more than its {length} bytes."),
    )
}

fn cut() -> Problem {
    Problem::new(
        409,
        "part_cut",
        "The part was cut off. Ask how much is there and go on from that.",
    )
}

fn removed() -> Problem {
    Problem::new(410, "upload_removed", "The upload was removed meanwhile.")
}

#[cfg(test)]
#[path = "append_tests.rs"]
mod tests;
