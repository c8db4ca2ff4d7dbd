//! The disk of a running sandbox, reached from outside by the kernel's own way: tests fill it, say in one number what is on it, and load a database on it.

use crate::people::User;
use crate::stack::Stack;
use nix::unistd::{Gid, Uid, geteuid};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{self as unix, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The home, as the sandbox sees it.
const HOME: &str = "/home/agent";
/// Folder in the home that tests fill.
const FOLDER: &str = "kept";
/// Names that tools stumble over.
const ODD_NAMES: [&[u8]; 6] = [
    b"line\nbreak",
    b"-rf",
    b"\xff\xfe",
    b" ",
    b"*.lock",
    "ünïcödé 🦀".as_bytes(),
];

/// The home in a running sandbox.
#[derive(Clone, Debug)]
pub struct Disk {
    home: PathBuf,
    owner: (u32, u32),
}

/// What one round writes.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Files altogether.
    pub files: u32,
    /// Bytes of each, at most.
    pub longest: u32,
}

impl Disk {
    /// Whether this process may reach the disks of sandboxes: it takes the machine's own administrator, as their files belong to other users.
    #[must_use]
    pub fn is_reachable() -> bool {
        geteuid().is_root()
    }

    /// That of a user's running sandbox.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn of(stack: &Stack, user: &User) -> Self {
        let serve = stack.supervisor(user).await;
        let home =
            seen_from_here(serve.pid).unwrap_or_else(|| panic!("{HOME} of {} is not found on this machine", serve.pid));
        let told = fs::metadata(&home).expect("a home");
        Self {
            home,
            owner: (told.uid(), told.gid()),
        }
    }

    /// The home, as this machine sees it.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Puts a program there as the agent's.
    ///
    /// # Panics
    /// When the disk is full.
    pub fn put(&self, path: &Path, program: &Path) {
        let folder = path.parent().expect("a folder");
        fs::create_dir_all(folder).expect("folders");
        self.own(folder);
        // A copy that runs already may not be written over.
        drop(fs::remove_file(path));
        fs::copy(program, path).expect("room");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
        self.own(path);
    }

    /// The folder that is filled.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let folder = self.home.join(FOLDER);
        if !folder.exists() {
            fs::create_dir(&folder).expect("a folder");
            self.own(&folder);
        }
        folder
    }

    /// The agent owns what is written here, as if it had done so.
    fn own(&self, path: &Path) {
        unix::lchown(path, Some(self.owner.0), Some(self.owner.1)).expect("the agent's");
    }

    /// Fills the folder where nothing is yet, and changes a part of what is there: files written, written over, cut, lengthened, renamed and removed, folders,
    /// links of both kinds, modes, old times and odd names. The same seed makes the same changes.
    ///
    /// # Panics
    /// When the disk is full.
    pub fn change(&self, load: Load, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let folder = self.folder();
        let there = fs::read_dir(&folder).expect("a listing").count() > 0;
        let changes = if there { load.files / 10 + 1 } else { load.files };
        for number in 0..changes {
            let number = if there {
                random.random_range(0..load.files)
            } else {
                number
            };
            self.change_one(&folder, number, load.longest, &mut random);
        }
        for (index, name) in ODD_NAMES.iter().enumerate() {
            if random.random_bool(0.3) || !there {
                self.write(&folder.join(OsStr::from_bytes(name)), &mut random, 100 + index);
            }
        }
    }

    fn change_one(&self, folder: &Path, number: u32, longest: u32, random: &mut StdRng) {
        let below = folder
            .join(format!("{:02}", number % 50))
            .join(format!("{:02}", number % 7));
        if !below.exists() {
            fs::create_dir_all(&below).expect("folders");
            for path in [&below, below.parent().expect("a parent")] {
                self.own(path);
            }
        }
        let file = below.join(number.to_string());
        let length = random.random_range(0..=longest) as usize;
        match random.random_range(0..20) {
            0 => drop(fs::remove_file(&file)),
            1 => self.link(&file, random),
            2 if is_file(&file) => drop(fs::rename(&file, below.join(format!("{number}-moved")))),
            3 if is_file(&file) => {
                fs::set_permissions(&file, fs::Permissions::from_mode(random.random_range(0o400..=0o777)))
                    .expect("a mode")
            }
            // The same length and an old time: only who looks closer sees that it changed.
            4 if is_file(&file) => self.replace_silently(&file, random),
            5 if is_file(&file) => {
                let mut file = File::options().append(true).open(&file).expect("a file");
                file.write_all(&bytes(random, length / 8)).expect("room");
            }
            _ => self.write(&file, random, length),
        }
    }

    fn write(&self, file: &Path, random: &mut StdRng, length: usize) {
        // A link would be followed out of here.
        drop(fs::remove_file(file));
        fs::write(file, bytes(random, length)).expect("room");
        self.own(file);
        if random.random_bool(0.2) {
            let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(random.random_range(0..1_700_000_000_000_000_000));
            File::options()
                .write(true)
                .open(file)
                .and_then(|file| file.set_modified(time))
                .expect("a time");
        }
    }

    fn link(&self, file: &Path, random: &mut StdRng) {
        let link = file.with_extension("link");
        drop(fs::remove_file(&link));
        if random.random_bool(0.5) && is_file(file) {
            fs::hard_link(file, &link).expect("a link");
        } else {
            let targets = ["/etc/passwd", "../nowhere", ".", "a\nb"];
            let target = targets[random.random_range(0..targets.len())];
            unix::symlink(target, &link).expect("a link");
            self.own(&link);
        }
    }

    fn replace_silently(&self, file: &Path, random: &mut StdRng) {
        let told = fs::metadata(file).expect("a file");
        let new = file.with_extension("new");
        fs::write(&new, bytes(random, usize::try_from(told.len()).expect("a length"))).expect("room");
        self.own(&new);
        let time = told.modified().expect("a time");
        File::options()
            .write(true)
            .open(&new)
            .and_then(|file| file.set_modified(time))
            .expect("a time");
        fs::rename(&new, file).expect("a name");
    }

    /// One number for everything in the folder: names, kinds, modes, owners, times, contents, targets of links, and which names are one file.
    ///
    /// # Panics
    /// When something cannot be read.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut first_names = std::collections::HashMap::new();
        let root = self.folder();
        for path in below(&root) {
            let told = fs::symlink_metadata(&path).expect("metadata");
            let name = path.strip_prefix(&root).expect("below it").as_os_str().as_bytes();
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update(self.line(&told));
            if told.is_symlink() {
                hash.update(fs::read_link(&path).expect("a target").as_os_str().as_bytes());
            } else if told.is_file() {
                if told.nlink() > 1 {
                    hash.update(
                        first_names
                            .entry(told.ino())
                            .or_insert_with(|| name.to_vec())
                            .as_slice(),
                    );
                }
                hash.update(content(&path).expect("its bytes"));
            }
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn line(&self, told: &Metadata) -> String {
        let mine = (told.uid(), told.gid()) == self.owner;
        // A link's own time is set by no tool everywhere.
        let time = if told.is_symlink() {
            (0, 0)
        } else {
            (told.mtime(), told.mtime_nsec())
        };
        format!(
            "{:o} {mine} {time:?} {}",
            told.mode(),
            if told.is_file() { told.len() } else { 0 }
        )
    }

    /// Path of the database that tests load.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.home.join("loaded.db")
    }

    /// As the agent's user and group are outside of the sandbox.
    #[must_use]
    pub fn owner(&self) -> (Uid, Gid) {
        (Uid::from_raw(self.owner.0), Gid::from_raw(self.owner.1))
    }
}

/// Where the home of a process's sandbox lies for this one. Not by way of `/proc/<pid>/root`, which SQLite resolves to this machine's own root.
fn seen_from_here(pid: i32) -> Option<PathBuf> {
    let mounts = |who: &str| fs::read_to_string(format!("/proc/{who}/mountinfo")).unwrap_or_default();
    // Fields: id, parent, device, root within the file system, mount point.
    let of = |line: &str| {
        let fields: Vec<String> = line.split(' ').take(5).map(str::to_owned).collect();
        <[String; 5]>::try_from(fields).ok()
    };
    let theirs = mounts(&pid.to_string());
    let [_, _, device, root, _] = theirs.lines().filter_map(of).find(|fields| fields[4] == HOME)?;
    let own = mounts("self");
    own.lines()
        .filter_map(of)
        .filter(|fields| fields[2] == device)
        .find_map(|[_, _, _, base, point]| {
            let rest = Path::new(&root).strip_prefix(&base).ok()?;
            let path = Path::new(&point).join(rest);
            path.is_dir().then_some(path)
        })
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|told| told.is_file())
}

fn bytes(random: &mut StdRng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    random.fill_bytes(&mut bytes);
    bytes
}

/// Everything below a folder, in the order of names.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a listing")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    let mut all = vec![];
    for entry in entries {
        let is_folder = fs::symlink_metadata(&entry).expect("metadata").is_dir();
        all.push(entry.clone());
        if is_folder {
            all.extend(below(&entry));
        }
    }
    all
}

fn content(path: &Path) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut piece = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(&piece[..read]);
    }
}
