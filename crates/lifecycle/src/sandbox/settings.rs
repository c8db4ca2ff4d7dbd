//! What operators set about a sandbox. Stored with its state; takes effect with the next start, or at once where nothing is started for it.

use super::{Sandbox, Stage};
use molt_common::sandbox_call::Phase;
use molt_common::sandbox_change::{ImageChoice, KeepAlive};
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// Choices about starts and sleep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Settings {
    /// Tier of the next start, once it was changed; before that the tier of the user's row counts.
    #[serde(default)]
    pub tier: Option<u8>,
    /// Image of the next start; the deployment's `stable` when `None`.
    #[serde(default)]
    pub image: Option<ImageChoice>,
    /// The choice before this one; `None` when the image was never changed.
    #[serde(default)]
    pub image_before: Option<ImageBefore>,
    /// When it may sleep.
    #[serde(default)]
    pub keep_alive: KeepAlive,
}

/// A choice that can be gone back to: also the deployment's own is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageBefore {
    /// The choice.
    pub image: Option<ImageChoice>,
}

impl Sandbox {
    /// Sets the tier (1, 2 or 3) of the next start.
    pub const fn set_tier(&mut self, tier: u8) {
        self.settings.tier = Some(tier);
    }

    /// Sets the image of the next start; `None` for the deployment's own. What was chosen so far can be gone back to.
    pub fn set_image(&mut self, image: Option<ImageChoice>) {
        if self.settings.image != image {
            let image_before = std::mem::replace(&mut self.settings.image, image);
            self.settings.image_before = Some(ImageBefore { image: image_before });
        }
    }

    /// The choice before the newest one, for [`set_image`](Self::set_image); `None` when the image was never changed.
    #[must_use]
    pub fn previous_image(&self) -> Option<Option<ImageChoice>> {
        self.settings.image_before.as_ref().map(|before| before.image.clone())
    }

    /// Sets when it may sleep. Starts nothing; the time of sleep counts from the same activity as before.
    pub fn set_keep_alive(&mut self, keep_alive: KeepAlive) {
        self.settings.keep_alive = keep_alive;
    }

    /// Tier of the next start, where the user's row says `row`.
    #[must_use]
    pub fn next_tier(&self, row: u8) -> u8 {
        self.settings.tier.unwrap_or(row)
    }

    /// Image of the next start; `None` for the deployment's own.
    #[must_use]
    pub const fn next_image(&self) -> Option<&ImageChoice> {
        self.settings.image.as_ref()
    }

    /// Since when there is a disk that a stop would discard; `None` before the container has answered, and without one.
    #[must_use]
    pub fn has_disk_since(&self) -> Option<Millis> {
        match self.stage {
            Stage::Starting { .. } | Stage::Running | Stage::Stopping { .. } => self.booted_at,
            Stage::Stopped | Stage::Failed { .. } => None,
        }
    }

    /// The same where a stop could not be preceded by a save: nothing that a supervisor keeps is discarded.
    #[must_use]
    pub fn unkept_disk_since(&self) -> Option<Millis> {
        let restores = matches!(
            self.stage,
            Stage::Starting {
                phase: Phase::Container | Phase::Restore,
                ..
            }
        );
        let kept = self.disk.kept && (self.disk.restored || restores);
        self.has_disk_since().filter(|_| !kept)
    }
}
