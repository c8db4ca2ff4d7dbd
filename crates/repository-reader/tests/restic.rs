//! Against repositories that restic itself made: what was saved is read, byte by byte, and what was harmed afterwards is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use molt_repository_reader::{
    Content, FetchError, Id, NodeKind, ObjectKind, ObjectName, Objects, ReadError, Repository, RepositoryKey,
};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const PASSWORD: &str = "not a secret";

/// A repository's folder as a store.
struct Folder {
    root: PathBuf,
    fetched: Cell<u64>,
}

impl Folder {
    fn read(&self, object: &ObjectName, offset: u64, length: Option<u64>) -> Result<Vec<u8>, FetchError> {
        let mut file = fs::File::open(self.root.join(object.to_string())).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => FetchError::Missing,
            _ => FetchError::Failed(error.to_string()),
        })?;
        let has = file.metadata().unwrap().len();
        let length = length.unwrap_or(has);
        if offset + length > has {
            return Err(FetchError::Size(has));
        }
        file.seek(SeekFrom::Start(offset)).unwrap();
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        file.read_exact(&mut bytes).unwrap();
        self.fetched.set(self.fetched.get() + length);
        Ok(bytes)
    }
}

impl Objects for &Folder {
    async fn whole(&self, object: &ObjectName, most: u64) -> Result<Vec<u8>, FetchError> {
        let bytes = self.read(object, 0, None)?;
        if bytes.len() as u64 > most {
            return Err(FetchError::Size(bytes.len() as u64));
        }
        Ok(bytes)
    }

    async fn range(&self, object: &ObjectName, offset: u64, length: u32) -> Result<Vec<u8>, FetchError> {
        self.read(object, offset, Some(u64::from(length)))
    }

    async fn list(&self, kind: ObjectKind) -> Result<Vec<Id>, FetchError> {
        let entries = fs::read_dir(self.root.join(kind.folder())).unwrap();
        Ok(entries
            .map(|entry| Id::parse(entry.unwrap().file_name().to_str().unwrap()).unwrap())
            .collect())
    }
}

struct Saved {
    folder: tempfile::TempDir,
    home: PathBuf,
    snapshot: Id,
    key: RepositoryKey,
}

fn restic(repository: &Path, arguments: &[&str]) -> String {
    let output = Command::new("restic")
        .args(["--no-cache", "--repo"])
        .arg(repository)
        .args(arguments)
        .env("RESTIC_PASSWORD", PASSWORD)
        .output()
        .expect("restic is installed");
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn noise(length: usize, mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length / 8 + 1).flat_map(|_| next()).collect();
    bytes.truncate(length);
    bytes
}

fn name(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

fn save(version: &str, megabytes: usize) -> Saved {
    let folder = tempfile::tempdir().unwrap();
    let (home, repository) = (folder.path().join("home"), folder.path().join("repository"));
    fs::create_dir_all(home.join("deep/er/est")).unwrap();
    fs::create_dir(home.join("empty")).unwrap();
    fs::write(home.join("nothing"), b"").unwrap();
    fs::write(home.join("note.txt"), b"hello").unwrap();
    fs::write(home.join("deep/er/est/noise"), noise(megabytes << 20, 7)).unwrap();
    fs::write(home.join("deep/zeros"), vec![0; 3 << 20]).unwrap();
    for odd in [
        b"\xff\xfe".as_slice(),
        b"new\nline",
        b"quote\"and\\slash",
        "\u{fc}ber \u{1f600}".as_bytes(),
        b"\\xff",
    ] {
        fs::write(home.join(name(odd)), odd).unwrap();
    }
    fs::set_permissions(home.join("note.txt"), PermissionsExt::from_mode(0o4751)).unwrap();
    symlink("deep/zeros", home.join("link")).unwrap();
    // Releases of restic before 0.17 save the target of a link as text; tree.rs has a test of what later ones do with bytes.
    symlink("\u{fc}ber\n", home.join("odd link")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(home.join("pipe"))
            .status()
            .unwrap()
            .success()
    );
    fs::create_dir(home.join("many")).unwrap();
    for number in 0..3_000 {
        fs::write(home.join(format!("many/{number}")), number.to_string()).unwrap();
    }
    restic(&repository, &["init", "--repository-version", version]);
    // A second index and packs of the size that sandboxes write.
    let home_text = home.to_str().unwrap();
    restic(
        &repository,
        &["backup", "--pack-size", "4", &format!("{home_text}/many")],
    );
    restic(&repository, &["backup", "--pack-size", "4", home_text]);
    let list = restic(&repository, &["snapshots", "--json", "--path", home_text]);
    let at = list.rfind("\"id\":\"").unwrap() + 6;
    Saved {
        home,
        snapshot: Id::parse(&list[at..at + 64]).unwrap(),
        key: RepositoryKey::from_json(&restic(&repository, &["cat", "masterkey"])).unwrap(),
        folder,
    }
}

impl Saved {
    fn store(&self) -> Folder {
        Folder {
            root: self.folder.path().join("repository"),
            fetched: Cell::new(0),
        }
    }
}

type Found = BTreeMap<Vec<u8>, (char, u32, Vec<u8>)>;

/// Everything in the snapshot below the home, or the first thing that is wrong.
async fn read_all(saved: &Saved) -> Result<Found, ReadError> {
    let store = saved.store();
    let repository = Repository::open(&store, saved.key.clone()).await?;
    let index = repository.index().await?;
    let snapshot = repository.snapshot(&saved.snapshot).await?;
    assert_eq!(snapshot.paths, [saved.home.to_str().unwrap()]);
    let way: Vec<&[u8]> = saved.home.iter().skip(1).map(OsStrExt::as_bytes).collect();
    let home = repository.find(&index, &snapshot.tree, &way).await?.unwrap();
    let NodeKind::Folder { tree } = home.kind else {
        panic!("{:?}", home.kind)
    };
    let mut folders = vec![(Vec::new(), tree)];
    let mut found = Found::new();
    while let Some((path, tree)) = folders.pop() {
        for node in repository.tree(&index, &tree).await?.nodes {
            let path = [path.as_slice(), b"/", &node.name].concat();
            let (kind, bytes) = match node.kind {
                NodeKind::Folder { tree } => {
                    folders.push((path.clone(), tree));
                    ('d', Vec::new())
                }
                NodeKind::Link { target } => ('l', target),
                NodeKind::Other => ('o', Vec::new()),
                NodeKind::File { size, content } => {
                    let mut content = Content::new(&index, content)?;
                    assert_eq!(content.size(), size, "{}", String::from_utf8_lossy(&path));
                    let mut bytes = Vec::new();
                    while let Some(part) = content.next(&repository, &index).await? {
                        assert!(part.len() <= 8 << 20, "one blob at a time");
                        bytes.extend_from_slice(&part);
                    }
                    ('f', bytes)
                }
            };
            found.insert(path, (kind, node.mode, bytes));
        }
    }
    Ok(found)
}

fn on_disk(home: &Path) -> Found {
    let mut found = Found::new();
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            let (kind, bytes) = if about.is_dir() {
                folders.push(path.clone());
                ('d', Vec::new())
            } else if about.is_symlink() {
                ('l', fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
            } else if about.is_file() {
                ('f', fs::read(&path).unwrap())
            } else {
                ('o', Vec::new())
            };
            let below = &path.as_os_str().as_bytes()[home.as_os_str().len()..];
            found.insert(below.to_vec(), (kind, about.permissions().mode() & 0o7777, bytes));
        }
    }
    found
}

#[tokio::test]
async fn what_restic_saved_is_read_byte_by_byte_in_both_formats() {
    for version in ["1", "2"] {
        let saved = save(version, 9);
        let (found, disk) = (read_all(&saved).await.unwrap(), on_disk(&saved.home));
        let names = |all: &Found| {
            all.keys()
                .map(|path| String::from_utf8_lossy(path).into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&found), names(&disk), "format {version}");
        for (path, what) in disk {
            assert!(
                found[&path] == what,
                "format {version}: {}",
                String::from_utf8_lossy(&path)
            );
        }
    }
}

#[tokio::test]
async fn a_range_fetches_only_the_blobs_that_it_touches() {
    let saved = save("2", 24);
    let store = saved.store();
    let repository = Repository::open(&store, saved.key.clone()).await.unwrap();
    let index = repository.index().await.unwrap();
    let root = repository.snapshot(&saved.snapshot).await.unwrap().tree;
    let way: Vec<&[u8]> = saved.home.iter().skip(1).map(OsStrExt::as_bytes).collect();
    let way = [way.as_slice(), &[b"deep".as_slice(), b"er", b"est", b"noise"]].concat();
    let node = repository.find(&index, &root, &way).await.unwrap().unwrap();
    let NodeKind::File { content, .. } = node.kind else {
        panic!()
    };
    let whole = noise(24 << 20, 7);
    for (from, to) in [
        (0, 1),
        (0, 24 << 20),
        (5_000_000, 5_000_100),
        ((24 << 20) - 1, 24 << 20),
        (7, 7),
        (24 << 20, 99 << 20),
        (1 << 20, 20 << 20),
    ] {
        let before = store.fetched.get();
        let mut part = Content::new(&index, content.clone())
            .unwrap()
            .only(&index, &(from..to))
            .unwrap();
        let mut bytes = Vec::new();
        while let Some(more) = part.next(&repository, &index).await.unwrap() {
            bytes.extend_from_slice(&more);
        }
        let (from, to) = (
            usize::try_from(from).unwrap().min(whole.len()),
            usize::try_from(to).unwrap().min(whole.len()),
        );
        assert!(bytes == whole[from..to], "{from} to {to}");
        let fetched = store.fetched.get() - before;
        assert!(
            fetched <= (to - from) as u64 + (17 << 20),
            "{from} to {to} fetched {fetched}"
        );
    }
    for (path, expected) in [
        (vec![b"note.txt".as_slice(), b"x"], ReadError::NotAFolder),
        (vec![b"link".as_slice(), b"x"], ReadError::NotAFolder),
        (vec![b"nowhere".as_slice()], ReadError::NotFound),
        (vec![b"deep".as_slice(), b".."], ReadError::NotFound),
    ] {
        let home: Vec<&[u8]> = saved.home.iter().skip(1).map(OsStrExt::as_bytes).collect();
        let path = [home, path].concat();
        assert_eq!(repository.find(&index, &root, &path).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn whatever_is_harmed_is_named_and_never_read() {
    let saved = save("2", 3);
    let store = saved.store();
    let mut objects = vec!["config".to_owned(), format!("snapshots/{}", saved.snapshot)];
    for folder in ["index", "data"] {
        let list = Command::new("find")
            .args([folder, "-type", "f"])
            .current_dir(&store.root)
            .output()
            .unwrap();
        objects.extend(String::from_utf8(list.stdout).unwrap().lines().map(str::to_owned));
    }
    assert!(objects.len() > 5, "{objects:?}");
    let other = |path: &str| {
        objects
            .iter()
            .rev()
            .find(|one| *one != path && one.starts_with("data"))
            .unwrap()
    };
    for path in &objects {
        let place = store.root.join(path);
        let good = fs::read(&place).unwrap();
        let mut changed = good.clone();
        changed[good.len() / 3] ^= 1;
        let harms: [(&str, Option<Vec<u8>>); 4] = [
            ("changed", Some(changed)),
            // A pack's last bytes are its own list of blobs, which restic alone reads: more than that is cut.
            ("cut", Some(good[..good.len() / 2].to_vec())),
            ("swapped", Some(fs::read(store.root.join(other(path))).unwrap())),
            ("gone", None),
        ];
        fs::set_permissions(&place, PermissionsExt::from_mode(0o600)).unwrap();
        for (harm, bytes) in harms {
            match bytes {
                Some(bytes) => fs::write(&place, bytes).unwrap(),
                None => fs::remove_file(&place).unwrap(),
            }
            let told = match (harm, read_all(&saved).await) {
                (_, Err(error)) => error,
                (_, Ok(_)) => panic!("{path} {harm} was read"),
            };
            let named = told.to_string();
            // Without an index nothing says which one it was; then the blob is named.
            let names = named.contains(path.as_str())
                || (path.starts_with("index") && harm == "gone" && matches!(told, ReadError::Unindexed { .. }));
            assert!(names && told.is_fault(), "{path} {harm}: {named}");
            fs::write(&place, &good).unwrap();
        }
    }
    read_all(&saved).await.unwrap();
}

#[tokio::test]
async fn another_key_opens_nothing() {
    let (saved, other) = (save("2", 0), save("2", 0));
    let store = saved.store();
    let refused = Repository::open(&store, other.key).await.err().unwrap();
    assert!(refused.to_string().starts_with("config is damaged"), "{refused}");
    for bad in [
        "",
        "{}",
        r#"{"mac":{"k":"","r":""},"encrypt":""}"#,
        r#"{"mac":{"k":"AA==","r":"AA=="},"encrypt":"AA=="}"#,
    ] {
        assert!(matches!(RepositoryKey::from_json(bad), Err(ReadError::Key(_))), "{bad}");
    }
}
