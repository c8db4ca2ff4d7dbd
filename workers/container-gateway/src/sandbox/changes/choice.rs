//! A wanted tier or image, as this deployment can give it.

use crate::sandbox_do::Sandbox;
use molt_common::sandbox_change::{ChangeSandbox, ImageChoice, Wanted};
use molt_lifecycle::sandbox::Sandbox as Machine;
use molt_platform::container::Container;
use worker::Result;

/// Name of the deployment's own image.
const OWN: &str = "stable";

/// What is to be set for the next start.
pub enum Choice {
    /// Nothing.
    None,
    Tier(u8),
    Image {
        image: Option<ImageChoice>,
        /// What that stands for now.
        reference: String,
    },
}

/// Why it cannot be: the field, and a text for people.
pub type Refusal = (&'static str, String);

/// What is to be set.
pub fn of(object: &Sandbox, machine: &Machine, asked: &ChangeSandbox) -> Result<std::result::Result<Choice, Refusal>> {
    let container = object.container()?;
    Ok(match &asked.wanted {
        // What is out of range is refused as that.
        Wanted::Tier { tier } if (1..=3).contains(tier) => chosen_tier(&container, *tier),
        Wanted::Image { image } => chosen_image(&container, machine, image.as_ref()),
        _ => Ok(Choice::None),
    })
}

fn one_size_fits_all(field: &'static str) -> Refusal {
    let text =
        "cannot be chosen: under the scheduling policy of this deployment every sandbox has the same tier and image";
    (field, text.into())
}

fn chosen_tier(container: &Container, tier: u8) -> std::result::Result<Choice, Refusal> {
    match container.image(OWN) {
        Some(_) => Ok(Choice::Tier(tier)),
        None => Err(one_size_fits_all("tier")),
    }
}

fn chosen_image(
    container: &Container,
    machine: &Machine,
    asked: Option<&ImageChoice>,
) -> std::result::Result<Choice, Refusal> {
    if container.image(OWN).is_none() {
        return Err(one_size_fits_all("image"));
    }
    let Some(asked) = asked else {
        let Some(image) = machine.previous_image() else {
            return Err(("image", "has no choice before this one to go back to".into()));
        };
        let reference = match image.as_ref().and_then(|image| image.pinned.clone()) {
            Some(pinned) => pinned,
            None => named(container, image.as_ref().map_or(OWN, |image| &image.name))?,
        };
        return Ok(Choice::Image { image, reference });
    };
    let reference = named(container, &asked.name)?;
    if asked
        .pinned
        .as_ref()
        .is_some_and(|pinned| !pinned.is_empty() && *pinned != reference)
    {
        let text = "can be pinned to what its name stands for now, and to nothing else";
        return Err(("image", text.into()));
    }
    let image = ImageChoice {
        name: asked.name.clone(),
        pinned: asked.pinned.as_ref().map(|_| reference.clone()),
    };
    Ok(Choice::Image {
        image: Some(image),
        reference,
    })
}

fn named(container: &Container, name: &str) -> std::result::Result<String, Refusal> {
    let known = container.image(name);
    known.ok_or_else(|| {
        (
            "image",
            format!("must be the name of one of this deployment's images, and {name:?} is none"),
        )
    })
}

impl Choice {
    /// Whether the newest start took it.
    pub fn was_taken(&self, machine: &Machine) -> bool {
        match self {
            Self::None => true,
            Self::Tier(tier) => machine.tier == *tier,
            Self::Image { reference, .. } => machine.image_reference.as_ref() == Some(reference),
        }
    }

    /// Sets it for the next start. Whether that changed anything.
    pub fn set(self, machine: &mut Machine) -> bool {
        let before = machine.settings.clone();
        match self {
            Self::None => {}
            Self::Tier(tier) => machine.set_tier(tier),
            Self::Image { image, .. } => machine.set_image(image),
        }
        machine.settings != before
    }
}
