//! Secrets from files, as Kubernetes and Docker mount them.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::secrets::{BackendHealth, SecretError, SecretValue, SecretsBackend, is_valid_key};
use zeroize::Zeroizing;

use super::tenants::{DefaultTenantOnly, TenantNames, folder};

const NAME: &str = "file";

/// Serves a folder with one file for each key: `DIR/KEY` for the default tenant, `DIR/TENANT/KEY` for
/// every other, where TENANT is its slug or, where no slug is known, its id. A file is read each
/// time, so a value that the platform replaces is there with the next reading.
///
/// Nothing outside of the folder is read: links may lead from one place in it to another, which is
/// how Kubernetes replaces all files at once, and nowhere else.
pub struct FileBackend {
    folder: PathBuf,
    tenants: Arc<dyn TenantNames>,
    /// The files that the log has said of that others can read them.
    told: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl FileBackend {
    /// A backend on a folder, which need not be there yet.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, tenants: Arc::new(DefaultTenantOnly), told: Arc::default() }
    }

    /// The same, with the names of tenants.
    #[must_use]
    pub fn with_tenants(mut self, tenants: Arc<dyn TenantNames>) -> Self {
        self.tenants = tenants;
        self
    }

    async fn path(&self, tenant: TenantId, key: &str) -> Result<PathBuf, String> {
        if tenant == TenantId::DEFAULT {
            return Ok(self.folder.join(key));
        }
        Ok(self.folder.join(folder(self.tenants.as_ref(), tenant).await?).join(key))
    }
}

#[async_trait]
impl SecretsBackend for FileBackend {
    fn name(&self) -> &str {
        NAME
    }

    async fn get_secret(&self, tenant: TenantId, key: &str) -> Result<Option<SecretValue>, SecretError> {
        if !is_valid_key(key) {
            return Ok(None);
        }
        let unavailable =
            |reason: String| SecretError::Unavailable { key: key.to_owned(), backend: NAME.to_owned(), reason };
        let path = self.path(tenant, key).await.map_err(unavailable)?;
        let root = self.folder.clone();
        // A folder may lie on a slow or hanging file system.
        let told = Arc::clone(&self.told);
        let read = tokio::task::spawn_blocking(move || {
            let found = read(&root, &path)?;
            if found.as_ref().is_some_and(|found| found.is_open) {
                tell(&told, path);
            }
            Ok(found.map(|found| found.value))
        });
        let result = read.await.unwrap_or_else(|_| Err(Unreadable::File(io::Error::other("the task ended early"))));
        result.map_err(|error: Unreadable| unavailable(error.to_string()))
    }

    async fn health(&self) -> BackendHealth {
        let root = self.folder.clone();
        let looked = tokio::task::spawn_blocking(move || look(&root)).await;
        let looked = looked.unwrap_or_else(|_| Err(io::Error::other("the task ended early")));
        let shown = self.folder.display();
        match looked {
            Ok(Seen { files, open: None }) => BackendHealth::Ok(format!("{files} files in {shown}")),
            Ok(Seen { open: Some(path), .. }) => BackendHealth::Warn(
                format!("others than owner and group can read {}", path.display()),
                format!("mount with mode 0440, or `chmod -R o-rwx {shown}`"),
            ),
            Err(error) => {
                BackendHealth::Fail(format!("{shown}: {error}"), "mount it, or correct `secrets.file_dir`".to_owned())
            }
        }
    }
}

/// Why a file that is there gives no value. Holds nothing of what is in it.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("its file is a link that leaves `secrets.file_dir`")]
    Outside,
    #[error("it is not a file")]
    NotAFile,
    #[error("its file is larger than {} bytes", limits::SECRET_BYTES)]
    TooLarge,
    #[error("its file is empty")]
    Empty,
    #[error("its file is not UTF-8")]
    NotText,
    #[error("its file cannot be read: {0}")]
    File(#[from] io::Error),
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Says once of each file that others can read it.
fn tell(told: &Mutex<BTreeSet<PathBuf>>, path: PathBuf) {
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    if told.len() < limits::SECRET_FILES && !told.contains(&path) {
        tracing::warn!(path = %path.display(), "others than owner and group can read a file that holds a secret");
        told.insert(path);
    }
}

/// What a file holds.
struct Found {
    value: SecretValue,
    /// Whether others than its owner and group can read it.
    is_open: bool,
}

fn read(root: &Path, path: &Path) -> Result<Option<Found>, Unreadable> {
    // First: where the whole folder is not there, no key is known to be absent.
    let root = root.canonicalize()?;
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !real.starts_with(root) {
        return Err(Unreadable::Outside);
    }
    let kind = std::fs::symlink_metadata(&real)?.file_type();
    if kind.is_dir() {
        // A tenant's folder, whose name is a key as well.
        return Ok(None);
    }
    if !kind.is_file() {
        return Err(Unreadable::NotAFile);
    }
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    // The last part may have become a link, or a pipe that nobody writes, since it was looked at.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, open_flags());
    let file = match options.open(&real) {
        Ok(file) => file,
        // Replaced just now: the next reading finds the new one.
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Unreadable::NotAFile);
    }
    // One allocation that is wiped: a buffer that grows would leave its smaller selves behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limits::SECRET_BYTES + 3));
    file.take(limits::SECRET_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        if bytes.len() as u64 > limits::SECRET_FILE_BYTES { Unreadable::TooLarge } else { Unreadable::NotText }
    })?;
    let text = text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t));
    if text.len() > limits::SECRET_BYTES {
        return Err(Unreadable::TooLarge);
    }
    if text.is_empty() {
        return Err(Unreadable::Empty);
    }
    Ok(Some(Found { value: SecretValue::new(text.to_owned()), is_open: others_may_read(&metadata) }))
}

#[cfg(unix)]
fn open_flags() -> i32 {
    use rustix::fs::OFlags;
    i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits()).unwrap_or_default()
}

#[cfg(unix)]
fn others_may_read(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o004 != 0
}

#[cfg(not(unix))]
fn others_may_read(_: &std::fs::Metadata) -> bool {
    false
}

/// What is in the folder.
struct Seen {
    files: usize,
    /// A file that others can read.
    open: Option<PathBuf>,
}

fn look(root: &Path) -> io::Result<Seen> {
    let mut seen = Seen { files: 0, open: None };
    let mut folders = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            // What is no key serves nothing: `..data` of Kubernetes among them.
            let is_key =
                path.file_name().and_then(|n| n.to_str()).is_some_and(|n| is_valid_key(n) && !n.starts_with(".."));
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            if !is_key || seen.files >= limits::SECRET_FILES {
                continue;
            }
            if metadata.is_dir() && depth == 0 {
                folders.push((path, 1));
            } else if metadata.is_file() {
                seen.files += 1;
                if others_may_read(&metadata) {
                    seen.open.get_or_insert(path);
                }
            }
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests;
