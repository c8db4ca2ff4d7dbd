//! How much time and memory saving and restoring take, beside restic's own client over the same server. Run by hand, since it writes gigabytes:
//! `cargo test -p molt-snapshots --release --test figures -- --ignored --nocapture`.

mod support;

use molt_snapshots::order::{Outcome, Work};
use std::process::Command;
use std::time::Instant;
use support::Sandbox;
use support::process::{outcome, start};

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    println!("{what}: {:.1} s", began.elapsed().as_secs_f64());
    done
}

#[test]
#[ignore = "writes gigabytes; its figures are read by people"]
fn figures() {
    let sandbox = Sandbox::new();
    let mut state = 88_172_645_463_325_252_u64;
    let mut noise = |count: usize| -> Vec<u8> {
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .flatten()
        .take(count)
        .collect()
    };
    for number in 0..100_000 {
        let folder = sandbox.at(&format!("small/{}/{}", number / 5000, number / 100));
        if number % 100 == 0 {
            std::fs::create_dir_all(&folder).unwrap();
        }
        std::fs::write(folder.join(number.to_string()), noise(2048)).unwrap();
    }
    for number in 0..18 {
        std::fs::write(sandbox.at(&format!("large-{number}")), noise(100 * 1024 * 1024)).unwrap();
    }
    let save = |parent| outcome(start(&sandbox.order(Work::Save { parent, tags: vec![] }))).unwrap();
    let Outcome::Saved { manifest } = timed("first save", || save(None)) else {
        panic!()
    };
    println!(
        "{} files, {} bytes, {} packs",
        manifest.files,
        manifest.bytes,
        manifest.packs.len()
    );
    timed("save of nothing", || {
        assert!(matches!(save(Some(manifest.snapshot)), Outcome::Unchanged { .. }))
    });
    std::fs::write(sandbox.at("small/0/0/0"), b"changed").unwrap();
    let Outcome::Saved { manifest: second } = timed("save of one small file", || save(Some(manifest.snapshot))) else {
        panic!()
    };
    println!("{} bytes were sent for it", second.added_bytes);
    let disk = tempfile::tempdir().unwrap();
    let mut order = sandbox.order(Work::Restore {
        snapshot: second.snapshot,
    });
    order.home = disk.path().join("home");
    order.work_dir = disk.path().join("work");
    std::fs::create_dir(&order.home).unwrap();
    timed("restore", || {
        assert!(matches!(outcome(start(&order)), Some(Outcome::Restored { .. })))
    });

    let other = Sandbox::new();
    let restic = |arguments: &[&str]| {
        let output = Command::new("/usr/bin/time")
            .args([
                "-f",
                "%M kB",
                "restic",
                "--no-cache",
                "-q",
                "-r",
                &other.server.restic_url(),
            ])
            .args(arguments)
            .env("RESTIC_PASSWORD", "figures")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        println!(
            "{}",
            String::from_utf8_lossy(&output.stderr)
                .lines()
                .next_back()
                .unwrap_or_default()
        );
    };
    let home = sandbox.home();
    timed("restic init", || restic(&["init"]));
    timed("restic, first save", || restic(&["backup", home.to_str().unwrap()]));
    timed("restic, save of nothing", || {
        restic(&["backup", home.to_str().unwrap()])
    });
    let target = tempfile::tempdir().unwrap();
    timed("restic, restore", || {
        restic(&["restore", "latest", "--target", target.path().to_str().unwrap()])
    });
}
