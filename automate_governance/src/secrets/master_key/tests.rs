use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_key_is_read_from_base64_and_hex() {
    let key = MasterKey::generate();
    let hex = hex::encode(key.bytes());
    for text in [
        key.to_base64().as_str(),
        &hex,
        &hex.to_uppercase(),
        &URL_SAFE_NO_PAD.encode(key.bytes()),
        &format!(" {hex}\n"),
    ] {
        assert_eq!(MasterKey::parse(text, "test").unwrap().id(), key.id());
    }
    assert!(!format!("{key:?}").contains(&hex));
}

#[test]
fn s2_a_key_of_the_wrong_length_is_refused_without_being_shown() {
    for bad in ["", "short", "hunter2hunter2!!", &"ab".repeat(31), &"00".repeat(32), &STANDARD.encode([7u8; 33])] {
        let error = MasterKey::parse(bad, "AUTOMATE_MASTER_KEY").unwrap_err().to_string();
        assert!(error.contains("AUTOMATE_MASTER_KEY") && error.contains("32 random bytes"), "{error}");
        assert!(bad.is_empty() || !error.contains(bad), "{error}");
    }
}

#[test]
fn the_first_key_wraps_and_the_others_read() {
    let (new, old) = (MasterKey::generate(), MasterKey::generate());
    let text = format!("{},{}", *new.to_base64(), *old.to_base64());
    let loaded = MasterKeys::load(&env(&[("AUTOMATE_MASTER_KEY", &text)]), Path::new("/nonexistent")).unwrap();
    assert_eq!(loaded.keys.current().unwrap().id(), new.id());
    assert!(loaded.keys.get(old.id()).is_some());
    assert_eq!(loaded.origin, KeyOrigin::Environment);
    let both = env(&[("AUTOMATE_MASTER_KEY", &text), ("AUTOMATE_MASTER_KEY_FILE", "/x")]);
    assert!(matches!(MasterKeys::load(&both, Path::new("/x")), Err(MasterKeyError::Ambiguous)));
}

#[test]
fn without_a_key_a_private_file_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let first = MasterKeys::load(&env(&[]), &data).unwrap();
    let path = data.join("master.key");
    assert_eq!(first.origin, KeyOrigin::Generated(path.clone()));
    assert_eq!((mode(&path), mode(&data)), (0o600, 0o700));
    let second = MasterKeys::load(&env(&[]), &data).unwrap();
    assert_eq!(second.origin, KeyOrigin::DataDir(path));
    assert_eq!(second.keys.ids(), first.keys.ids());
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "no draft is left");
}

#[test]
fn processes_that_start_at_once_agree_on_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let start = std::sync::Barrier::new(8);
    let ids: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let loaded = MasterKeys::load(&env(&[]), dir.path()).unwrap();
                    (loaded.keys.ids(), matches!(loaded.origin, KeyOrigin::Generated(_)))
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|(id, _)| *id == ids[0].0));
    assert_eq!(ids.iter().filter(|(_, made)| *made).count(), 1);
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    write_private(&path, &MasterKey::generate()).unwrap();
    let vars = env(&[("AUTOMATE_MASTER_KEY_FILE", path.to_str().unwrap())]);
    assert!(MasterKeys::load(&vars, dir.path()).is_ok());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = MasterKeys::load(&vars, dir.path()).unwrap_err().to_string();
    assert!(error.contains("0644") && error.contains("chmod 600"), "{error}");
    let absent = env(&[("AUTOMATE_MASTER_KEY_FILE", "/no/such/key")]);
    assert!(MasterKeys::load(&absent, dir.path()).unwrap_err().to_string().contains("/no/such/key"));
}

#[test]
fn s2_finding_a_key_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    assert!(MasterKeys::find(&env(&[]), dir.path()).unwrap().is_none());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let made = MasterKeys::load(&env(&[]), dir.path()).unwrap();
    let found = MasterKeys::find(&env(&[]), dir.path()).unwrap().unwrap();
    assert_eq!((found.keys.ids(), found.origin), (made.keys.ids(), KeyOrigin::DataDir(dir.path().join("master.key"))));
    assert!(MasterKeys::none().current().is_none() && MasterKeys::none().ids().is_empty());
}
