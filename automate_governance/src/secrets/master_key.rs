//! The master key, which wraps the key of every stored secret.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aes_gcm::aead::Generate as _;
use aes_gcm::{Aes256Gcm, Key};
use automate_core::limits;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// The name of the key file in the data directory.
const FILE_NAME: &str = "master.key";
/// Bytes of a key file that are read.
const FILE_BYTES: u64 = 8 * 1024;
/// How often and how long to wait for another process that is just writing the key file.
const FILE_RETRIES: u32 = 20;
const FILE_PAUSE: Duration = Duration::from_millis(50);

/// One key of 32 bytes. It is wiped from memory when dropped, and `Debug` shows its id only.
#[derive(Clone)]
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    id: String,
}

impl MasterKey {
    /// A fresh random key.
    #[must_use]
    pub fn generate() -> Self {
        let mut random = Key::<Aes256Gcm>::generate();
        let key = Self::from_bytes(random.into());
        random.zeroize();
        key
    }

    /// A key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        // Names the key without telling anything of its 256 random bits.
        let digest = Sha256::new().chain_update(b"automate master key id\0").chain_update(bytes).finalize();
        let id = format!("mk_{}", hex::encode(digest.iter().take(8).copied().collect::<Vec<u8>>()));
        Self { bytes: Zeroizing::new(bytes), id }
    }

    /// A key from 32 bytes in base64 (either alphabet) or hex.
    ///
    /// # Errors
    /// [`MasterKeyError::Malformed`], which says what was found but not the text.
    pub fn parse(text: &str, origin: &str) -> Result<Self, MasterKeyError> {
        let malformed = |found: String| MasterKeyError::Malformed { origin: origin.to_owned(), found };
        let text = text.trim();
        let decoded = if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            hex::decode(text).ok()
        } else {
            let bare = text.trim_end_matches('=');
            STANDARD_NO_PAD.decode(bare).or_else(|_| URL_SAFE_NO_PAD.decode(bare)).ok()
        };
        let decoded =
            Zeroizing::new(decoded.ok_or_else(|| malformed("text that is neither base64 nor hex".to_owned()))?);
        let bytes: [u8; 32] =
            decoded.as_slice().try_into().map_err(|_| malformed(format!("{} bytes", decoded.len())))?;
        if bytes.iter().all(|b| *b == bytes[0]) {
            return Err(malformed("the same byte 32 times".to_owned()));
        }
        Ok(Self::from_bytes(bytes))
    }

    /// Its name, stored beside what it wraps.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.bytes.as_slice()))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// The current master key, which wraps what is new, and earlier ones, which can still read.
#[derive(Debug, Clone)]
pub struct MasterKeys {
    current: Option<MasterKey>,
    earlier: Vec<MasterKey>,
}

impl MasterKeys {
    /// One key alone.
    #[must_use]
    pub const fn new(current: MasterKey) -> Self {
        Self { current: Some(current), earlier: Vec::new() }
    }

    /// No key: nothing stored can be read, and nothing new stored.
    #[must_use]
    pub const fn none() -> Self {
        Self { current: None, earlier: Vec::new() }
    }

    /// The same, able to read what an earlier key wrapped.
    #[must_use]
    pub fn with_earlier(mut self, key: MasterKey) -> Self {
        self.earlier.push(key);
        self
    }

    /// The key that wraps what is new.
    #[must_use]
    pub const fn current(&self) -> Option<&MasterKey> {
        self.current.as_ref()
    }

    /// The key of an id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&MasterKey> {
        self.all().find(|key| key.id == id)
    }

    /// The ids of all keys, the current one first.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.all().map(|key| key.id.clone()).collect()
    }

    fn all(&self) -> impl Iterator<Item = &MasterKey> {
        self.current.iter().chain(&self.earlier)
    }

    /// Keys separated by commas, blanks or lines; the first is the current one.
    fn parse(text: &str, origin: &str) -> Result<Self, MasterKeyError> {
        let mut keys = text
            .split([',', ' ', '\t', '\r', '\n'])
            .filter(|part| !part.is_empty())
            .take(limits::MASTER_KEYS)
            .map(|part| MasterKey::parse(part, origin));
        let current = keys
            .next()
            .ok_or_else(|| MasterKeyError::Malformed { origin: origin.to_owned(), found: "nothing".to_owned() })??;
        Ok(Self { current: Some(current), earlier: keys.collect::<Result<_, _>>()? })
    }

    /// The keys of this installation: `AUTOMATE_MASTER_KEY`, or the file that
    /// `AUTOMATE_MASTER_KEY_FILE` names, or `master.key` in the data directory, which is made where
    /// it is absent. Several processes may start at once: one makes the file, all read the same.
    ///
    /// # Errors
    /// [`MasterKeyError`], each with what to do.
    pub fn load(env: &BTreeMap<String, String>, data_dir: &Path) -> Result<LoadedKeys, MasterKeyError> {
        if let Some(found) = Self::find(env, data_dir)? {
            return Ok(found);
        }
        let path = data_dir.join(FILE_NAME);
        let made = make_file(&path)?;
        let keys = Self::read(&path, 0o077)?;
        if made {
            tracing::warn!(
                path = %path.display(),
                "a new master key was made; keep a copy apart from the database: without it stored secrets are lost"
            );
        }
        let origin = if made { KeyOrigin::Generated(path) } else { KeyOrigin::DataDir(path) };
        Ok(LoadedKeys { keys, origin })
    }

    /// The same, where there are any; nothing is made. For a database that has secrets already: a new
    /// key would open none of them.
    ///
    /// # Errors
    /// As [`MasterKeys::load`].
    pub fn find(env: &BTreeMap<String, String>, data_dir: &Path) -> Result<Option<LoadedKeys>, MasterKeyError> {
        let var = |name: &str| env.get(name).filter(|value| !value.is_empty());
        let (keys, origin) = match (var("AUTOMATE_MASTER_KEY"), var("AUTOMATE_MASTER_KEY_FILE")) {
            (Some(_), Some(_)) => return Err(MasterKeyError::Ambiguous),
            (Some(text), None) => (Self::parse(text, "AUTOMATE_MASTER_KEY")?, KeyOrigin::Environment),
            (None, Some(path)) => {
                let path = PathBuf::from(path);
                // Group-readable is how container platforms mount secrets.
                (Self::read(&path, 0o007)?, KeyOrigin::File(path))
            }
            (None, None) => {
                let path = data_dir.join(FILE_NAME);
                let there = path.try_exists();
                if !there.map_err(|source| MasterKeyError::File { path: path.display().to_string(), source })? {
                    return Ok(None);
                }
                (Self::read(&path, 0o077)?, KeyOrigin::DataDir(path))
            }
        };
        Ok(Some(LoadedKeys { keys, origin }))
    }

    fn read(path: &Path, forbidden_mode: u32) -> Result<Self, MasterKeyError> {
        let origin = path.display().to_string();
        let file_error = |source| MasterKeyError::File { path: origin.clone(), source };
        let mut text = Zeroizing::new(String::new());
        for attempt in 0..=FILE_RETRIES {
            let file = fs::File::open(path).map_err(file_error)?;
            check_mode(&file, path, forbidden_mode)?;
            text.clear();
            file.take(FILE_BYTES).read_to_string(&mut text).map_err(file_error)?;
            if !text.trim().is_empty() {
                break;
            }
            if attempt < FILE_RETRIES {
                std::thread::sleep(FILE_PAUSE);
            }
        }
        Self::parse(&text, &origin)
    }
}

/// Master keys and where they come from.
#[derive(Debug, Clone)]
pub struct LoadedKeys {
    /// The keys.
    pub keys: MasterKeys,
    /// Where they come from.
    pub origin: KeyOrigin,
}

/// Where the master key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOrigin {
    /// `AUTOMATE_MASTER_KEY`.
    Environment,
    /// The file of `AUTOMATE_MASTER_KEY_FILE`.
    File(PathBuf),
    /// The data directory, from an earlier start.
    DataDir(PathBuf),
    /// The data directory, made just now.
    Generated(PathBuf),
}

/// Why there is no usable master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// Both variables are set.
    #[error("both AUTOMATE_MASTER_KEY and AUTOMATE_MASTER_KEY_FILE are set; keep one of them")]
    Ambiguous,
    /// Not 32 bytes.
    #[error(
        "the master key in {origin} must be 32 random bytes in base64 or hex, found {found}; `openssl rand -base64 32` makes one"
    )]
    Malformed {
        /// The variable or file.
        origin: String,
        /// What was found, without the text.
        found: String,
    },
    /// Others can read the file.
    #[error("the master key file {path} has mode {mode:04o}, so others can read it; run `chmod 600 {path}`")]
    Permissions {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file cannot be read or made.
    #[error("the master key file {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

#[cfg(unix)]
fn check_mode(file: &fs::File, path: &Path, forbidden: u32) -> Result<(), MasterKeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata =
        file.metadata().map_err(|source| MasterKeyError::File { path: path.display().to_string(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & forbidden == 0 {
        Ok(())
    } else {
        Err(MasterKeyError::Permissions { path: path.display().to_string(), mode })
    }
}

#[cfg(not(unix))]
fn check_mode(_: &fs::File, _: &Path, _: u32) -> Result<(), MasterKeyError> {
    Ok(())
}

/// Makes the key file where there is none; `true` where this call made it. The key is written to a
/// file of another name, which is then linked to its place: linking fails when the place is taken,
/// and nobody ever sees half a key.
fn make_file(path: &Path) -> Result<bool, MasterKeyError> {
    let file_error = |source| MasterKeyError::File { path: path.display().to_string(), source };
    if path.try_exists().map_err(file_error)? {
        return Ok(false);
    }
    let directory = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    private_directory(directory).map_err(file_error)?;
    let draft = directory.join(format!(".{FILE_NAME}.{}", automate_core::ids::new_v7()));
    let result = write_private(&draft, &MasterKey::generate()).and_then(|()| match fs::hard_link(&draft, path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // A file system without links: the same exclusion, and readers wait for the content.
        Err(_) => match write_private(path, &MasterKey::generate()) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(e),
        },
    });
    // What is left of the draft after a failure is a key that wraps nothing.
    drop(fs::remove_file(&draft));
    let made = result.map_err(file_error)?;
    if made {
        // The name itself must survive a crash, or the next start makes another key.
        fs::File::open(directory).and_then(|d| d.sync_all()).map_err(file_error)?;
    }
    Ok(made)
}

fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn write_private(path: &Path, key: &MasterKey) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(key.to_base64().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
