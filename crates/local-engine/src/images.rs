//! The images file: what the engine runs for which image reference.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::glob;
use crate::limits::LimitCaps;

/// Part of the reference of the image that workerd uses for the container that owns the network.
const SIDECAR_IMAGE: &str = "proxy-everything";

/// Contents of the images file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    images: Vec<Image>,
}

/// One image: a program of the host, its files and its environment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Pattern for the references that mean this image; `*` stands for any run of characters. The first entry that matches wins.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Program and first arguments; the `Cmd` of a container comes after them.
    pub entrypoint: Vec<String>,
    /// Environment, under the container's own.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files and directories of the host that are there inside, read-only.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Directories that are writable inside, empty at start and gone with the container. One below `/home` belongs to the agent's
    /// user (1000), any other to the supervisor's (0).
    #[serde(default)]
    pub writable: Vec<PathBuf>,
    /// Host name inside.
    #[serde(default = "default_hostname")]
    pub hostname: String,
    /// Bounds below those of the tier.
    #[serde(default)]
    pub limits: LimitCaps,
}

/// A file or directory of the host and its place inside.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Absolute path on the host.
    pub source: PathBuf,
    /// Absolute path inside.
    pub target: PathBuf,
}

/// What an image reference means to this engine.
#[derive(Debug)]
pub enum Known<'a> {
    /// The container that owns a network; the engine itself plays it.
    Sidecar,
    /// A program in a sandbox.
    App(&'a Image),
}

/// Why the images file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// The file cannot be read.
    #[error("cannot read the images file {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not JSON of the right shape.
    #[error("the images file {path} is not valid: {error}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: serde_json::Error,
    },
    /// A field holds what it must not.
    #[error("images[{index}] ({pattern}): {problem}")]
    Invalid {
        /// Place in the list, from 0.
        index: usize,
        /// Its `match`.
        pattern: String,
        /// What is wrong, with the name of the field.
        problem: String,
    },
}

fn default_hostname() -> String {
    "sandbox".to_owned()
}

impl Images {
    /// Reads and checks the file, the existence of every mount's source included.
    pub fn load(path: &Path) -> Result<Self, ImagesError> {
        let text = std::fs::read(path).map_err(|error| ImagesError::Read {
            path: path.to_owned(),
            error,
        })?;
        let images: Self = serde_json::from_slice(&text).map_err(|error| ImagesError::Parse {
            path: path.to_owned(),
            error,
        })?;
        images.check(&|source| source.exists())?;
        Ok(images)
    }

    /// What `reference` means, `None` when no entry matches it.
    pub fn find(&self, reference: &str) -> Option<Known<'_>> {
        if reference.contains(SIDECAR_IMAGE) {
            return Some(Known::Sidecar);
        }
        self.images
            .iter()
            .find(|image| glob::matches(&image.pattern, reference))
            .map(Known::App)
    }

    /// The patterns, in order.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.images.iter().map(|image| image.pattern.as_str())
    }

    fn check(&self, exists: &dyn Fn(&Path) -> bool) -> Result<(), ImagesError> {
        for (index, image) in self.images.iter().enumerate() {
            if let Err(problem) = image.check(exists) {
                return Err(ImagesError::Invalid {
                    index,
                    pattern: image.pattern.clone(),
                    problem,
                });
            }
        }
        Ok(())
    }
}

impl Image {
    fn check(&self, exists: &dyn Fn(&Path) -> bool) -> Result<(), String> {
        if self.pattern.is_empty() {
            return Err("match is empty".to_owned());
        }
        if self.entrypoint.first().is_none_or(String::is_empty) {
            return Err("entrypoint must name a program".to_owned());
        }
        for name in self.env.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(format!("env: {name:?} is no name of a variable"));
            }
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.hostname.is_empty() || self.hostname.len() > 63 || !self.hostname.chars().all(plain) {
            return Err(format!(
                "hostname {:?} must be 1 to 63 letters, digits and '-'",
                self.hostname
            ));
        }
        for mount in &self.mounts {
            check_target("mounts.target", &mount.target)?;
            if !mount.source.is_absolute() {
                return Err(format!("mounts.source {} is not absolute", mount.source.display()));
            }
            if !exists(&mount.source) {
                return Err(format!("mounts.source {} does not exist", mount.source.display()));
            }
        }
        for target in &self.writable {
            check_target("writable", target)?;
        }
        Ok(())
    }
}

/// A place inside must be a plain absolute path that hides nothing the sandbox itself is made of.
fn check_target(field: &str, target: &Path) -> Result<(), String> {
    use std::path::Component;
    let plain = target
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !target.is_absolute() || !plain || target == Path::new("/") {
        return Err(format!(
            "{field} {} is not a plain absolute path below /",
            target.display()
        ));
    }
    for reserved in [
        "/proc", "/dev", "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
    ] {
        if target.starts_with(reserved) {
            return Err(format!(
                "{field} {} lies in {reserved}, which the engine provides",
                target.display()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Images, String> {
        let images: Images = serde_json::from_str(json).map_err(|error| error.to_string())?;
        images
            .check(&|source| !source.starts_with("/missing"))
            .map_err(|error| error.to_string())?;
        Ok(images)
    }

    #[test]
    fn the_first_entry_that_matches_wins_and_the_sidecar_needs_none() {
        let images = parse(
            r#"{"images":[{"match":"cloudflare-dev/a*","entrypoint":["/a"]},{"match":"cloudflare-dev/*","entrypoint":["/b"]}]}"#,
        )
        .unwrap();
        let program = |reference| match images.find(reference) {
            Some(Known::App(image)) => image.entrypoint[0].clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(program("cloudflare-dev/agent:1"), "/a");
        assert_eq!(program("cloudflare-dev/other:1"), "/b");
        assert!(images.find("docker.io/else").is_none());
        assert!(matches!(
            images.find("cloudflare/proxy-everything:3cb1195@sha256:0e"),
            Some(Known::Sidecar)
        ));
    }

    #[test]
    fn every_fault_names_the_entry_and_the_field() {
        let with = |rest: &str| format!(r#"{{"images":[{{"match":"x","entrypoint":["/a"]{rest}}}]}}"#);
        for (json, expected) in [
            (
                r#"{"images":[{"match":"","entrypoint":["/a"]}]}"#.to_owned(),
                "match is empty",
            ),
            (
                r#"{"images":[{"match":"x","entrypoint":[]}]}"#.to_owned(),
                "entrypoint must name",
            ),
            (with(r#","hostname":"a b""#), "hostname \"a b\""),
            (with(r#","env":{"A=B":"c"}"#), "env: \"A=B\""),
            (
                with(r#","mounts":[{"source":"/missing/x","target":"/opt/x"}]"#),
                "/missing/x does not exist",
            ),
            (
                with(r#","mounts":[{"source":"x","target":"/opt/x"}]"#),
                "mounts.source x is not absolute",
            ),
            (
                with(r#","mounts":[{"source":"/x","target":"opt"}]"#),
                "mounts.target opt",
            ),
            (with(r#","writable":["/home/../etc"]"#), "writable /home/../etc"),
            (with(r#","writable":["/etc/x"]"#), "lies in /etc"),
            (with(r#","writable":["/"]"#), "below /"),
            (with(r#","typo":1"#), "unknown field `typo`"),
        ] {
            let error = parse(&json).unwrap_err();
            assert!(error.contains(expected), "{error:?} should contain {expected:?}");
        }
    }
}
