//! What the arguments mean, and what is done about them.

use std::io::Read;

use http::Method;
use serde_json::Value;

use super::socket::{Engine, encode};
use super::template::fill;

/// A command of `docker`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Is the engine there, and what is it?
    Info(Option<String>),
    /// Versions.
    Version(Option<String>),
    /// "Build" the images of these references: the images file must have them.
    Build {
        /// References.
        tags: Vec<String>,
        /// Whether the recipe comes on standard input.
        reads_input: bool,
    },
    /// "Fetch" an image, or give it another name: the images file must have it.
    Need(String),
    /// Facts about an image.
    ImageInspect(String, Option<String>),
    /// All images that have been made, of which there are none.
    ImageList,
    /// Forget images.
    ImageRemove(Vec<String>),
    /// Containers.
    Ps(Ps),
    /// Remove containers.
    Remove {
        /// Names or ids.
        containers: Vec<String>,
        /// Even those that run.
        force: bool,
    },
    /// What a container wrote.
    Logs(String),
    /// The endpoints that there are.
    ContextList,
}

/// Options of `docker ps`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ps {
    /// Those that do not run, too.
    pub all: bool,
    /// Ids only.
    pub quiet: bool,
    /// `kind=value`.
    pub filters: Vec<String>,
    /// Template for a line.
    pub format: Option<String>,
}

/// Options that are followed by a value, and that mean something or are simply skipped.
const WITH_VALUE: [&str; 14] = [
    "--host",
    "-H",
    "--context",
    "-c",
    "--config",
    "-l",
    "--log-level",
    "--format",
    "-f",
    "--file",
    "--filter",
    "-t",
    "--tag",
    "--platform",
];

/// The arguments of one command, sorted.
#[derive(Debug, Default)]
struct Sorted {
    options: Vec<(String, String)>,
    words: Vec<String>,
}

impl Sorted {
    fn value(&self, names: &[&str]) -> Option<String> {
        self.options
            .iter()
            .rev()
            .find(|(name, _)| names.contains(&name.as_str()))
            .map(|(_, value)| value.clone())
    }

    fn values(&self, names: &[&str]) -> Vec<String> {
        self.options
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()))
            .map(|(_, value)| value.clone())
            .collect()
    }

    fn has(&self, names: &[&str]) -> bool {
        self.options.iter().any(|(name, _)| names.contains(&name.as_str()))
    }
}

fn sort(args: &[String], forms: &[&str]) -> Result<Sorted, String> {
    let mut sorted = Sorted::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "-" || !arg.starts_with('-') {
            sorted.words.push(arg.clone());
        } else if let Some((name, value)) = arg.split_once('=') {
            sorted.options.push((name.to_owned(), value.to_owned()));
        } else if WITH_VALUE.contains(&arg.as_str()) && !forms.contains(&arg.as_str()) {
            let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
            sorted.options.push((arg.clone(), value.clone()));
        } else {
            sorted.options.push((arg.clone(), String::new()));
        }
    }
    Ok(sorted)
}

/// The endpoint, if the arguments name it, and the command.
pub fn parse(args: &[String]) -> Result<(Option<String>, Command), String> {
    // Options before the command are those of `docker` itself.
    let mut start = 0;
    while args.get(start).is_some_and(|arg| arg.starts_with('-')) {
        let arg = args.get(start).map(String::as_str).unwrap_or_default();
        start += if WITH_VALUE.contains(&arg) { 2 } else { 1 };
    }
    let global = sort(args.get(..start).unwrap_or(args), &[])?;
    let rest = args.get(start..).unwrap_or_default();
    let Some((name, rest)) = rest.split_first() else {
        return Err("no command".to_owned());
    };
    let unknown = || format!("this stand-in does not know: docker {}", args.join(" "));
    let (name, rest) = match (name.as_str(), rest.split_first()) {
        ("image" | "container" | "context", Some((action, rest))) => (format!("{name} {action}"), rest),
        ("buildx" | "builder", Some((action, rest))) => (action.clone(), rest),
        _ => (name.clone(), rest),
    };
    // For these, -f is force and takes no value.
    let force = matches!(name.as_str(), "rm" | "container rm" | "rmi" | "image rm");
    let sorted = sort(rest, if force { &["-f"] } else { &[] })?;
    let format = sorted.value(&["--format", "-f"]);
    let word = |place: usize| {
        sorted
            .words
            .get(place)
            .cloned()
            .ok_or_else(|| format!("docker {name} needs a name"))
    };
    let command = match name.as_str() {
        "info" => Command::Info(format),
        "version" => Command::Version(format),
        "build" => Command::Build {
            tags: sorted.values(&["-t", "--tag"]),
            reads_input: sorted.value(&["-f", "--file"]).as_deref() == Some("-")
                || sorted.words.iter().any(|w| w == "-"),
        },
        "pull" | "image pull" => Command::Need(word(0)?),
        "tag" | "image tag" => Command::Need(word(1)?),
        "image inspect" => Command::ImageInspect(word(0)?, format),
        "image ls" | "image list" | "images" => Command::ImageList,
        "image rm" | "rmi" => Command::ImageRemove(sorted.words),
        "ps" | "container ls" => Command::Ps(Ps {
            all: sorted.has(&["-a", "--all", "-aq", "-qa"]),
            quiet: sorted.has(&["-q", "--quiet", "-aq", "-qa"]),
            filters: sorted.values(&["--filter", "-f"]),
            format: sorted.value(&["--format"]),
        }),
        "rm" | "container rm" => Command::Remove {
            force: sorted.has(&["-f", "--force"]),
            containers: sorted.words,
        },
        "logs" | "container logs" => Command::Logs(word(0)?),
        "context ls" => Command::ContextList,
        _ => return Err(unknown()),
    };
    Ok((global.value(&["--host", "-H"]), command))
}

/// Carries a command out; answers with what it prints.
pub async fn execute(engine: &Engine, command: Command) -> Result<String, String> {
    match command {
        Command::Info(format) => print(&engine.get("/info").await?, format.as_deref()),
        Command::Version(format) => print(&engine.get("/version").await?, format.as_deref()),
        Command::Build { tags, reads_input } => {
            if reads_input {
                // Whoever writes the recipe must not find the pipe closed.
                std::io::stdin()
                    .read_to_end(&mut Vec::new())
                    .map_err(|error| error.to_string())?;
            }
            for tag in &tags {
                image(engine, tag).await?;
            }
            Ok(String::new())
        }
        Command::Need(reference) => image(engine, &reference).await.map(|_| format!("{reference}\n")),
        Command::ImageInspect(reference, format) => {
            let image = image(engine, &reference).await?;
            match format {
                Some(format) => print(&image, Some(&format)),
                None => print(&Value::Array(vec![image]), None),
            }
        }
        Command::ImageList => Ok(String::new()),
        Command::ImageRemove(references) => {
            for reference in &references {
                engine
                    .call(Method::DELETE, &format!("/images/{}", encode(reference)))
                    .await?;
            }
            Ok(references
                .iter()
                .map(|reference| format!("Untagged: {reference}\n"))
                .collect())
        }
        Command::Ps(options) => ps(engine, &options).await,
        Command::Remove { containers, force } => {
            for container in &containers {
                engine
                    .call(
                        Method::DELETE,
                        &format!("/containers/{}?force={force}", encode(container)),
                    )
                    .await?;
            }
            Ok(containers.iter().map(|container| format!("{container}\n")).collect())
        }
        Command::Logs(container) => {
            let log = engine
                .call(
                    Method::GET,
                    &format!("/containers/{}/logs?stdout=1&stderr=1", encode(&container)),
                )
                .await?;
            Ok(String::from_utf8_lossy(&log).into_owned())
        }
        Command::ContextList => Err("context ls needs no engine".to_owned()),
    }
}

async fn image(engine: &Engine, reference: &str) -> Result<Value, String> {
    engine.get(&format!("/images/{}/json", encode(reference))).await
}

fn print(value: &Value, format: Option<&str>) -> Result<String, String> {
    match format {
        Some(format) => fill(format, value).map(|text| text + "\n"),
        None => serde_json::to_string_pretty(value)
            .map(|text| text + "\n")
            .map_err(|error| error.to_string()),
    }
}

async fn ps(engine: &Engine, options: &Ps) -> Result<String, String> {
    let mut filters = serde_json::Map::new();
    for filter in &options.filters {
        let (kind, value) = filter
            .split_once('=')
            .ok_or_else(|| format!("filter {filter:?} is not kind=value"))?;
        let values = filters.entry(kind).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(values) = values {
            values.push(value.into());
        }
    }
    let filters = encode(&Value::Object(filters).to_string());
    let all = u8::from(options.all);
    let Value::Array(containers) = engine
        .get(&format!("/containers/json?all={all}&filters={filters}"))
        .await?
    else {
        return Err("the engine's list is no list".to_owned());
    };
    let format = match (&options.format, options.quiet) {
        (Some(format), _) => format,
        (None, true) => "{{.ID}}",
        (None, false) => "{{.ID}}\t{{.Image}}\t{{.Status}}\t{{.Names}}",
    };
    let mut out = String::new();
    for container in &containers {
        let short_id: String = container["Id"].as_str().unwrap_or_default().chars().take(12).collect();
        let line = serde_json::json!({
            "ID": short_id,
            "Names": container.pointer("/Names/0").and_then(Value::as_str).unwrap_or_default().trim_start_matches('/'),
            "Image": container["Image"], "Status": container["Status"], "State": container["State"],
        });
        out += &fill(format, &line)?;
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<(Option<String>, Command), String> {
        parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn every_call_that_wrangler_makes_is_understood() {
        let command = |line| of(line).unwrap().1;
        assert_eq!(command("info"), Command::Info(None));
        assert_eq!(
            command("build --load -t cloudflare-dev/box:1 --platform linux/amd64 --provenance=false -f - /ctx"),
            Command::Build {
                tags: vec!["cloudflare-dev/box:1".into()],
                reads_input: true
            }
        );
        let pull = "pull cloudflare/proxy-everything:3cb1195@sha256:0ef6 --platform linux/amd64";
        assert_eq!(
            command(pull),
            Command::Need("cloudflare/proxy-everything:3cb1195@sha256:0ef6".into())
        );
        assert_eq!(
            command("tag a cloudflare-dev/box:1"),
            Command::Need("cloudflare-dev/box:1".into())
        );
        assert_eq!(
            command("image inspect cloudflare-dev/box:1 --format {{.Size}}"),
            Command::ImageInspect("cloudflare-dev/box:1".into(), Some("{{.Size}}".into()))
        );
        assert_eq!(
            command("image ls --filter reference=x* --format {{.Repository}}"),
            Command::ImageList
        );
        assert_eq!(command("image rm x:1"), Command::ImageRemove(vec!["x:1".into()]));
        assert_eq!(command("rmi -f x:1"), Command::ImageRemove(vec!["x:1".into()]));
        assert_eq!(
            command("rm --force a b"),
            Command::Remove {
                containers: vec!["a".into(), "b".into()],
                force: true
            }
        );
        assert_eq!(
            command("rm -f a"),
            Command::Remove {
                containers: vec!["a".into()],
                force: true
            }
        );
        assert_eq!(command("context ls --format json"), Command::ContextList);
        let ps = Ps {
            all: true,
            quiet: true,
            filters: vec!["label=a=b".into()],
            format: None,
        };
        assert_eq!(command("ps --all --quiet --filter label=a=b"), Command::Ps(ps));
    }

    #[test]
    fn the_endpoint_comes_before_the_command() {
        let (host, command) = of("--host unix:///run/e.sock info --format x").unwrap();
        assert_eq!(host.as_deref(), Some("unix:///run/e.sock"));
        assert_eq!(command, Command::Info(Some("x".into())));
        assert_eq!(of("-H=unix:///x info").unwrap().0.as_deref(), Some("unix:///x"));
    }

    #[test]
    fn what_is_not_understood_is_an_error_and_not_a_success() {
        for line in [
            "push x",
            "login",
            "",
            "--host",
            "image",
            "image frobnicate",
            "pull",
            "tag a",
        ] {
            assert!(of(line).is_err(), "{line}");
        }
    }
}
