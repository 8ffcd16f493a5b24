//! How to reach Vault, and with what to log in.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use automate_core::config;
use automate_core::limits;
use automate_core::secrets::SecretValue;
use url::Url;
use zeroize::Zeroizing;

/// Bytes of a file with a credential.
const CREDENTIAL_BYTES: u64 = 16 * 1024;
/// Bytes of a file with certificates.
const CERTIFICATES_BYTES: u64 = limits::CONFIG_BYTES as u64;

/// Why the backend cannot be made. Names keys of the configuration, never a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultSetupError {
    /// There is no server.
    #[error("`secrets.vault.address` is not set")]
    NoAddress,
    /// The address does not parse.
    #[error("`secrets.vault.address` is not an address: {0}")]
    Address(String),
    /// A credential is missing.
    #[error("`{0}` is not set, which `secrets.vault.auth` needs")]
    Missing(&'static str),
    /// A credential is there twice.
    #[error("both `{0}` and `{0}_file` are set; keep one of them")]
    Twice(&'static str),
    /// The file with certificates cannot be read.
    #[error("`secrets.vault.ca_file`: {0}")]
    Certificates(String),
    /// The client cannot be made.
    #[error("{0}")]
    Client(String),
}

/// A credential, or the file that has it, which is read at each log-in.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The value itself.
    Given(SecretValue),
    /// A file; what stands around it is cut off.
    File(PathBuf),
}

impl Credential {
    /// The value. The error says what is wrong with the file.
    pub(super) fn read(&self) -> Result<SecretValue, String> {
        let path = match self {
            Self::Given(value) => return Ok(value.clone()),
            Self::File(path) => path,
        };
        let fail = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let bytes = Zeroizing::new(read_file(path, CREDENTIAL_BYTES).map_err(|e| fail(&e))?);
        let text = std::str::from_utf8(&bytes).map_err(|_| fail(&"not UTF-8"))?.trim();
        if text.is_empty() { Err(fail(&"empty")) } else { Ok(SecretValue::new(text.to_owned())) }
    }
}

/// How to log in.
#[derive(Debug, Clone)]
pub enum VaultAuth {
    /// With a token.
    Token(Credential),
    /// With a role.
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role_id: SecretValue,
        /// What proves it; none where the role is bound otherwise.
        secret_id: Option<Credential>,
    },
}

/// Where Vault is, and what of it to read.
#[derive(Debug, Clone)]
pub struct VaultSettings {
    /// Scheme, host and port.
    pub address: Url,
    /// The namespace.
    pub namespace: Option<String>,
    /// Where the KV engine is mounted.
    pub mount: String,
    /// What paths begin with; may be empty.
    pub prefix: String,
    /// The field that is the value.
    pub field: String,
    /// How to log in.
    pub auth: VaultAuth,
    /// Certificates that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl VaultSettings {
    /// The settings of a configuration.
    ///
    /// # Errors
    /// [`VaultSetupError`] for what is missing or there twice.
    pub fn from_config(vault: &config::Vault) -> Result<Self, VaultSetupError> {
        if vault.address.is_empty() {
            return Err(VaultSetupError::NoAddress);
        }
        let address = Url::parse(&vault.address).map_err(|e| VaultSetupError::Address(e.to_string()))?;
        let auth = match vault.auth {
            config::VaultAuth::Token => {
                let token = credential("secrets.vault.token", &vault.token, &vault.token_file)?;
                VaultAuth::Token(token.ok_or(VaultSetupError::Missing("secrets.vault.token"))?)
            }
            config::VaultAuth::AppRole => VaultAuth::AppRole {
                mount: vault.auth_mount.clone(),
                role_id: vault.role_id.value().ok_or(VaultSetupError::Missing("secrets.vault.role_id"))?,
                secret_id: credential("secrets.vault.secret_id", &vault.secret_id, &vault.secret_id_file)?,
            },
        };
        Ok(Self {
            address,
            namespace: filled(&vault.namespace),
            mount: vault.mount.clone(),
            prefix: vault.prefix.clone(),
            field: vault.field.clone(),
            auth,
            ca_file: filled(&vault.ca_file),
        })
    }

    pub(super) fn read_ca(&self) -> Result<Option<Vec<u8>>, VaultSetupError> {
        let read = |path: &PathBuf| {
            read_file(path, CERTIFICATES_BYTES)
                .map_err(|e| VaultSetupError::Certificates(format!("{}: {e}", path.display())))
        };
        self.ca_file.as_ref().map(read).transpose()
    }
}

fn filled<T: Default + PartialEq + Clone>(value: &T) -> Option<T> {
    (*value != T::default()).then(|| value.clone())
}

fn credential(key: &'static str, value: &config::Hidden, file: &Path) -> Result<Option<Credential>, VaultSetupError> {
    match (value.value(), file.as_os_str().is_empty()) {
        (Some(_), false) => Err(VaultSetupError::Twice(key)),
        (Some(value), true) => Ok(Some(Credential::Given(value))),
        (None, false) => Ok(Some(Credential::File(file.to_owned()))),
        (None, true) => Ok(None),
    }
}

fn read_file(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    // Made once: a buffer that grows would leave its smaller selves behind unwiped.
    let mut bytes = Vec::with_capacity(usize::try_from(limit).unwrap_or_default().saturating_add(2));
    std::fs::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(std::io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}
