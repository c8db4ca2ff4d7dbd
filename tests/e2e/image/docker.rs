//! Docker, as far as these tests need it.

use e2e_tests::launch::root;
use std::process::{Command, Output};

/// The build arguments that this machine needs.
pub fn build_arguments() -> Vec<(String, String)> {
    let text = std::env::var("MOLT_IMAGE_ARGS").expect("MOLT_IMAGE_ARGS is not set: run scripts/test --only image");
    text.split_whitespace()
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// The engine.
pub struct Docker;

impl Docker {
    /// Its client.
    pub fn program() -> String {
        std::env::var("MOLT_IMAGE_DOCKER").expect("MOLT_IMAGE_DOCKER is not set: run scripts/test --only image")
    }

    /// Runs the client.
    pub fn run(arguments: &[&str]) -> Output {
        Command::new(Self::program())
            .args(arguments)
            .current_dir(root())
            .output()
            .unwrap()
    }

    /// Runs it, takes for granted that it works, and answers with what it printed.
    pub fn succeeds(arguments: &[&str]) -> String {
        let output = Self::run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Builds the image as README says, with what this machine needs.
    pub fn build(tag: &str) {
        let arguments: Vec<String> = build_arguments()
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut command = vec![
            "build",
            "--network",
            "host",
            "-f",
            "images/sandbox/Dockerfile",
            "-t",
            tag,
        ];
        for argument in &arguments {
            command.extend(["--build-arg", argument]);
        }
        command.push(".");
        Self::succeeds(&command);
    }
}

/// A container without a network, removed with the test.
pub struct Container(String);

impl Container {
    /// Starts one of this image.
    pub fn start(image: &str, environment: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut command = vec!["run", "--detach", "--network", "none"];
        for pair in &pairs {
            command.extend(["--env", pair]);
        }
        command.push(image);
        Self(Docker::succeeds(&command))
    }

    /// Runs a program in it, as root and without the token of the start, which the engine would hand it.
    pub fn inside(&self, command: &[&str]) -> Output {
        Docker::run(&[&["exec", "--env", "MOLT_CONTROL_TOKEN=", &self.0], command].concat())
    }

    /// Its processes as `ps` tells them with these columns.
    pub fn processes(&self, columns: &str) -> Vec<String> {
        let table = Docker::succeeds(&["top", &self.0, "-o", columns]);
        table.lines().skip(1).map(|line| line.trim().to_owned()).collect()
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        let output = Docker::run(&["logs", &self.0]);
        [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat()
    }

    /// Sends TERM, and KILL after so many seconds. Answers with its exit code.
    pub fn stop(&self, seconds: u32) -> String {
        Docker::succeeds(&["stop", "--time", &seconds.to_string(), &self.0]);
        Docker::succeeds(&["inspect", "--format", "{{.State.ExitCode}}", &self.0])
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the container wrote ---\n{}", self.log());
        }
        Docker::run(&["rm", "--force", "--volumes", &self.0]);
    }
}
