//! Carries an order out.

use crate::compare;
use crate::failure::{Failure, Outcome as Result};
use crate::import::Import;
use crate::order::{Order, Outcome, Report, Work};
use crate::progress::Progress;
use crate::prune;
use crate::repository::Access;
use crate::restore;
use crate::restore_path::RestorePath;
use crate::save::Save;
use crate::verify;
use crate::work_dir::WorkDir;
use molt_common::control::snapshot::Upkeep;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Time between two reports of progress.
const REPORTED_EVERY: Duration = Duration::from_millis(250);

/// Carries `order` out and tells `report` how far it is; the last report is [`Report::Done`] or [`Report::Failed`]. Blocks until then, and works on several
/// threads. The process may be killed at any moment: nothing that was published is harmed, and the next order begins clean. It must not have a database of
/// the home open itself: POSIX takes all of its locks on a file away when the file is closed anywhere in it.
pub fn run(order: Order, report: &mut dyn FnMut(Report)) {
    let progress = Progress::default();
    let carried = std::thread::scope(|scope| {
        let (over, waiting) = mpsc::channel::<()>();
        let progress = &progress;
        let order = &order;
        let work = scope.spawn(move || {
            let _over = over;
            carry_out(order, progress)
        });
        let mut last = None;
        while waiting.recv_timeout(REPORTED_EVERY) == Err(RecvTimeoutError::Timeout) {
            let now = progress.report();
            if last.as_ref() != Some(&now) {
                report(now.clone());
                last = Some(now);
            }
        }
        work.join()
            .unwrap_or_else(|_| Err(Failure::lasting("the work broke off; standard error says where")))
    });
    report(match carried {
        Ok(outcome) => Report::Done {
            outcome: Box::new(outcome),
        },
        Err(Failure { message, transient }) => Report::Failed {
            error: message,
            transient,
        },
    });
}

fn carry_out(order: &Order, progress: &Progress) -> Result<Outcome> {
    let access = Access::new(&order.repository)?;
    // Through no link from here on.
    let home = std::fs::canonicalize(&order.home).map_err(|error| Failure::disk("opening", &order.home, &error))?;
    let work_dir = WorkDir::new(&order.work_dir)?;
    match &order.work {
        Work::Save { parent, tags } => Save {
            access: &access.keeping(&work_dir),
            home: &home,
            work_dir: &work_dir,
            parent: *parent,
            tags,
        }
        .run(progress),
        Work::Restore { snapshot } => {
            let laid = restore::restore(
                &access.keeping(&work_dir),
                &home,
                &work_dir,
                order.owner,
                *snapshot,
                progress,
            )?;
            Ok(Outcome::Restored {
                files: laid.files,
                bytes: laid.bytes,
            })
        }
        Work::Import { plan } => {
            let import = Import {
                repository: &order.repository,
                home: &home,
                work_dir: &work_dir,
                owner: order.owner,
                plan,
            };
            Ok(Outcome::Imported {
                report: import.run(progress)?,
            })
        }
        Work::Upkeep { upkeep } => maintain(order, upkeep, &access, &home, &work_dir, progress),
    }
}

fn maintain(
    order: &Order,
    upkeep: &Upkeep,
    access: &Access,
    home: &Path,
    work_dir: &WorkDir,
    progress: &Progress,
) -> Result<Outcome> {
    match upkeep {
        Upkeep::Verify { snapshot, full } => Ok(Outcome::Verified {
            verification: verify::verify(access, *snapshot, *full, progress)?,
        }),
        Upkeep::Prune { keep } => {
            let removed = prune::prune(&order.repository, keep, prune::GRACE)?;
            Ok(Outcome::Pruned {
                removed_bytes: removed.bytes,
                removed_objects: removed.objects,
            })
        }
        Upkeep::Compare { snapshot } => {
            let found = compare::compare(access, home, work_dir, *snapshot, progress)?;
            Ok(Outcome::Compared {
                differences: found.first,
                count: found.count,
            })
        }
        Upkeep::RestorePath { snapshot, path, to } => {
            let (path, to) = (Path::new(path), Path::new(to.as_ref().unwrap_or(path)));
            let (paths, kept_as) = RestorePath {
                access,
                home,
                owner: order.owner,
                snapshot: *snapshot,
                path,
                to,
            }
            .run(progress)?;
            Ok(Outcome::PathRestored { paths, kept_as })
        }
    }
}
