//! What verifying a token costs in workerd: every way side by side, in turn, round after round, as ratios to what the router does for
//! HS256. The time of an empty request is taken off. `scripts/bench verify` builds the worker first.

use e2e_tests::launch::root;
use e2e_tests::people::{now, sign_with};
use e2e_tests::signing_key::SigningKey;
use e2e_tests::wait::until;
use jsonwebtoken::Algorithm;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
const SECRET: &str = "a-benchmark-secret-of-at-least-32-bytes";

/// A way to verify: label, its name in the worker, token, key, and how often per request.
struct Way {
    label: &'static str,
    name: &'static str,
    token: String,
    jwk: Value,
    times: u32,
    /// Microseconds of one verification, one for each round.
    took: Vec<f64>,
}

/// `wrangler dev` in a process group of its own.
struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        if let Ok(group) = i32::try_from(self.0.id()) {
            // It may have ended by itself.
            let _ = killpg(Pid::from_raw(group), Signal::SIGTERM);
        }
        let _ = self.0.wait();
    }
}

fn start(port: u16) -> Result<Dev, Box<dyn Error>> {
    let config = root().join("tests/bench/verify-worker/wrangler.jsonc");
    let mut command = Command::new(std::env::var_os("MOLT_NODE").ok_or("run it as scripts/bench verify")?);
    command.arg(std::env::var_os("MOLT_WRANGLER").ok_or("run it as scripts/bench verify")?);
    command.args([
        "dev",
        "--ip",
        "127.0.0.1",
        "--inspector-port",
        "0",
        "--show-interactive-dev-session=false",
    ]);
    command.arg("--port").arg(port.to_string()).arg("--config").arg(config);
    command
        .env("WRANGLER_SEND_METRICS", "false")
        .env("CI", "1")
        .process_group(0);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    Ok(Dev(command.spawn()?))
}

fn ways() -> Vec<Way> {
    let claims = json!({"sub": "0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11", "aud": "authenticated", "role": "authenticated",
        "iss": "issuer", "email": "ada@example.test", "session_id": "5f3f0a52-5f0c-4a2f-9d4b-1f0d5d9f6b11", "aal": "aal1",
        "app_metadata": {"provider": "email", "providers": ["email"]}, "user_metadata": {"name": "Ada"},
        "iat": now(), "exp": now() + 3600});
    let (es, rs) = (SigningKey::es256("e1"), SigningKey::rs256("r1"));
    let hs256 = sign_with(&claims, Algorithm::HS256, SECRET);
    let way = |label, name, token: &str, jwk: Value, times| Way {
        label,
        name,
        token: token.into(),
        jwk,
        times,
        took: Vec::new(),
    };
    let (es_token, rs_token) = (es.token(&claims), rs.token(&claims));
    vec![
        way("HS256 in wasm (the router)", "hs256-wasm", &hs256, es.jwk(), 20_000),
        way("HS256 by Web Crypto", "hs256-webcrypto", &hs256, es.jwk(), 5_000),
        way(
            "ES256 by Web Crypto (the router)",
            "webcrypto",
            &es_token,
            es.jwk(),
            5_000,
        ),
        way(
            "RS256 by Web Crypto (the router)",
            "webcrypto",
            &rs_token,
            rs.jwk(),
            5_000,
        ),
        way("ES256 in wasm", "wasm", &es_token, es.jwk(), 300),
        way("RS256 in wasm", "wasm", &rs_token, rs.jwk(), 300),
        way("whole HS256 token", "whole", &hs256, es.jwk(), 5_000),
        way("whole ES256 token", "whole", &es_token, es.jwk(), 5_000),
        way("whole RS256 token", "whole", &rs_token, rs.jwk(), 5_000),
    ]
}

/// Seconds that a request with so many verifications takes, all of which must succeed.
async fn measured(http: &reqwest::Client, url: &str, way: &Way, times: u32) -> Result<f64, Box<dyn Error>> {
    let work = json!({"way": way.name, "times": times, "token": way.token, "jwk": way.jwk, "secret": SECRET});
    let begun = Instant::now();
    let answer = http.post(url).body(work.to_string()).send().await?.text().await?;
    let took = begun.elapsed().as_secs_f64();
    if answer == times.to_string() {
        Ok(took)
    } else {
        Err(format!("{}: {answer} of {times} verified", way.label).into())
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let _dev = start(port)?;
    let url = format!("http://127.0.0.1:{port}/");
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut ways = ways();
    until("the worker answers", Duration::from_secs(60), async || {
        measured(&http, &url, &ways[0], 1).await.ok()
    })
    .await;
    for round in 0..=ROUNDS {
        for way in &mut ways {
            let empty = measured(&http, &url, way, 0).await?;
            let full = measured(&http, &url, way, way.times).await?;
            // The first round warms up.
            if round > 0 {
                way.took.push((full - empty) * 1e6 / f64::from(way.times));
            }
        }
    }
    let first = ways[0].took.clone();
    println!(
        "{:<34} {:>10} {:>8}  (ratio: lowest to highest of {ROUNDS} rounds)",
        "", "µs", "ratio"
    );
    for way in &ways {
        let ratios: Vec<f64> = way.took.iter().zip(&first).map(|(took, first)| took / first).collect();
        let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = ratios.iter().copied().fold(0.0, f64::max);
        let (took, ratio) = (median(&way.took), median(&ratios));
        println!(
            "{:<34} {took:>10.2} {ratio:>8.2}  ({lowest:.2} to {highest:.2})",
            way.label
        );
    }
    Ok(())
}
