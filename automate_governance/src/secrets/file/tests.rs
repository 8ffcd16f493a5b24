use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

struct Slugs(TenantId);

#[async_trait]
impl TenantNames for Slugs {
    async fn slug(&self, tenant: TenantId) -> Result<Option<String>, String> {
        if tenant == self.0 { Ok(Some("acme".to_owned())) } else { Err("the database is away".to_owned()) }
    }
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o440)).unwrap();
}

async fn get(backend: &FileBackend, tenant: TenantId, key: &str) -> Result<Option<String>, String> {
    let found = backend.get_secret(tenant, key).await.map_err(|error| error.to_string())?;
    Ok(found.map(|value| value.expose_secret().to_owned()))
}

#[tokio::test]
async fn a_key_is_a_file_without_its_last_line_break() {
    let dir = tempfile::tempdir().unwrap();
    let backend = FileBackend::new(dir.path().to_owned());
    for (key, bytes, value) in [
        ("PLAIN", "value", "value"),
        ("UNIX", "value\n", "value"),
        ("DOS", "value\r\n", "value"),
        ("LINES", "one\ntwo\n\n", "one\ntwo\n"),
        ("BLANKS", "  v \t", "  v \t"),
    ] {
        write(&dir.path().join(key), bytes);
        assert_eq!(get(&backend, TenantId::DEFAULT, key).await, Ok(Some(value.to_owned())), "{key}");
    }
    assert_eq!(get(&backend, TenantId::DEFAULT, "GONE").await, Ok(None));
    // Read each time: what the platform replaces is there at once.
    fs::remove_file(dir.path().join("PLAIN")).unwrap();
    write(&dir.path().join("PLAIN"), "other");
    assert_eq!(get(&backend, TenantId::DEFAULT, "PLAIN").await, Ok(Some("other".to_owned())));
}

#[tokio::test]
async fn s10_each_tenant_has_its_own_folder_and_sees_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (acme, other) = (TenantId::new(), TenantId::new());
    let backend = FileBackend::new(dir.path().to_owned());
    let named = FileBackend::new(dir.path().to_owned()).with_tenants(Arc::new(Slugs(acme)));
    write(&dir.path().join("K"), "of-default");
    write(&dir.path().join("acme/K"), "of-acme");
    write(&dir.path().join(format!("{other}/K")), "of-other");
    assert_eq!(get(&backend, TenantId::DEFAULT, "K").await, Ok(Some("of-default".to_owned())));
    assert_eq!(get(&named, acme, "K").await, Ok(Some("of-acme".to_owned())));
    assert_eq!(get(&backend, other, "K").await, Ok(Some("of-other".to_owned())));
    assert_eq!(get(&backend, acme, "K").await, Ok(None), "without its name its id counts");
    // A folder is no value, and a tenant whose name cannot be known reads nothing.
    assert_eq!(get(&backend, TenantId::DEFAULT, "acme").await, Ok(None));
    assert!(get(&named, other, "K").await.unwrap_err().contains("the database is away"));
    for key in ["..", ".", "acme/K", "../K", ""] {
        assert_eq!(get(&backend, TenantId::DEFAULT, key).await, Ok(None), "{key}");
    }
}

#[tokio::test]
async fn links_may_lead_within_the_folder_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("mounted");
    // As Kubernetes mounts: KEY → ..data/KEY, ..data → ..2026_11_21/.
    write(&root.join("..2026_11_21/K"), "mounted-value");
    symlink("..2026_11_21", root.join("..data")).unwrap();
    symlink("..data/K", root.join("K")).unwrap();
    write(&dir.path().join("outside"), "not-for-you");
    symlink("../outside", root.join("OUT")).unwrap();
    symlink("/etc/passwd", root.join("PASSWD")).unwrap();
    symlink("..", root.join("tenant")).unwrap();
    symlink("LOOP", root.join("LOOP")).unwrap();
    symlink("nowhere", root.join("DANGLING")).unwrap();
    let backend = FileBackend::new(root.clone());
    assert_eq!(get(&backend, TenantId::DEFAULT, "K").await, Ok(Some("mounted-value".to_owned())));
    for key in ["OUT", "PASSWD", "tenant"] {
        let error = get(&backend, TenantId::DEFAULT, key).await.unwrap_err();
        assert!(error.contains("leaves `secrets.file_dir`"), "{key}: {error}");
    }
    assert!(get(&backend, TenantId::DEFAULT, "LOOP").await.is_err());
    assert_eq!(get(&backend, TenantId::DEFAULT, "DANGLING").await, Ok(None));
}

#[tokio::test]
async fn what_is_no_text_of_a_sensible_size_is_refused_without_being_shown() {
    let dir = tempfile::tempdir().unwrap();
    let backend = FileBackend::new(dir.path().to_owned());
    write(&dir.path().join("LARGEST"), "x".repeat(limits::SECRET_BYTES) + "\r\n");
    assert_eq!(get(&backend, TenantId::DEFAULT, "LARGEST").await.unwrap().unwrap().len(), limits::SECRET_BYTES);
    write(&dir.path().join("LARGE"), "x".repeat(limits::SECRET_BYTES + 1));
    write(&dir.path().join("HUGE"), vec![0xff; 300_000]);
    write(&dir.path().join("EMPTY"), "\n");
    write(&dir.path().join("BYTES"), [b'h', b'u', b's', b'h', 0xff]);
    for (key, why) in [("LARGE", "larger"), ("HUGE", "larger"), ("EMPTY", "empty"), ("BYTES", "not UTF-8")] {
        let error = get(&backend, TenantId::DEFAULT, key).await.unwrap_err();
        assert!(error.contains(why) && !error.contains("hush"), "{key}: {error}");
    }
    let pipe = dir.path().join("PIPE");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(get(&backend, TenantId::DEFAULT, "PIPE").await.unwrap_err().contains("not a file"));
}

#[tokio::test]
async fn a_folder_that_is_away_is_no_absent_key() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone");
    let backend = FileBackend::new(gone.clone());
    assert!(get(&backend, TenantId::DEFAULT, "K").await.unwrap_err().contains("cannot be read"));
    assert!(matches!(backend.health().await, BackendHealth::Fail(found, _) if found.contains("gone")));
    write(&gone.join("K"), "v-of-the-file");
    write(&gone.join("acme/K"), "v-of-the-file");
    assert!(matches!(backend.health().await, BackendHealth::Ok(found) if found.starts_with("2 files")));
    fs::set_permissions(gone.join("acme/K"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(backend.health().await, BackendHealth::Warn(found, _) if found.contains("acme/K")));
    for _ in 0..2 {
        fs::set_permissions(gone.join("K"), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(get(&backend, TenantId::DEFAULT, "K").await, Ok(Some("v-of-the-file".to_owned())));
        assert_eq!(backend.told.lock().unwrap().len(), 1, "said once");
    }
}
