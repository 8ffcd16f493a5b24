//! The `vault` backend against a real server.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use automate_core::config::{Config, Hidden, VaultAuth};
use automate_core::ids::TenantId;
use automate_core::secrets::{BackendHealth, SecretError, SecretResolver, SecretsBackend};
use automate_governance::secrets::{
    EnvBackend, SecretChain, SecretChanges, TenantNames, VaultBackend, VaultSettings, VaultSetupError,
};
use automate_tests::openbao::{OpenBao, ROOT_TOKEN};

const T: TenantId = TenantId::DEFAULT;

/// What reads everything under `automate`.
const READER: &str = r#"path "secret/data/automate/*" { capabilities = ["read"] }"#;

fn config(bao: &OpenBao) -> automate_core::config::Vault {
    let mut vault = Config::default().secrets.vault;
    vault.address = bao.address();
    vault.token = Hidden::new(ROOT_TOKEN.to_owned());
    vault
}

fn with_role(bao: &OpenBao, (role_id, secret_id): (String, String)) -> automate_core::config::Vault {
    let mut vault = config(bao);
    vault.auth = VaultAuth::AppRole;
    vault.token = Hidden::default();
    vault.role_id = Hidden::new(role_id);
    vault.secret_id = Hidden::new(secret_id);
    vault
}

fn backend(vault: &automate_core::config::Vault) -> VaultBackend {
    VaultBackend::new(VaultSettings::from_config(vault).unwrap()).unwrap()
}

async fn read(backend: &VaultBackend, tenant: TenantId, key: &str) -> Result<Option<String>, String> {
    let found = backend.get_secret(tenant, key).await.map_err(|error| error.to_string())?;
    Ok(found.map(|value| value.expose_secret().to_owned()))
}

fn put(bao: &OpenBao, path: &str, fields: &[&str]) {
    let _ = bao.bao(&[&["kv", "put", "-mount=secret", path], fields].concat());
}

struct Acme(TenantId);

#[async_trait]
impl TenantNames for Acme {
    async fn slug(&self, tenant: TenantId) -> Result<Option<String>, String> {
        Ok((tenant == self.0).then(|| "acme".to_owned()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_a_path_of_its_tenant_and_one_field_of_it() {
    let Some(bao) = OpenBao::start() else { return };
    let (acme, other) = (TenantId::new(), TenantId::new());
    put(&bao, "automate/default/CRM", &["value=of-default", "note=x"]);
    put(&bao, "automate/acme/CRM", &["value=of-acme"]);
    put(&bao, &format!("automate/{other}/CRM"), &["value=of-other"]);
    put(&bao, "automate/default/NUMBER", &["other=1"]);
    let backend = backend(&config(&bao)).with_tenants(Arc::new(Acme(acme)));
    assert_eq!(read(&backend, T, "CRM").await, Ok(Some("of-default".to_owned())));
    assert_eq!(read(&backend, acme, "CRM").await, Ok(Some("of-acme".to_owned())));
    assert_eq!(read(&backend, other, "CRM").await, Ok(Some("of-other".to_owned())));
    assert_eq!(read(&backend, TenantId::new(), "CRM").await, Ok(None));
    assert_eq!(read(&backend, T, "GONE").await, Ok(None));
    for key in ["..", ".", "", "../default/CRM", "acme/CRM", "CRM?version=1", "%2e%2e"] {
        assert_eq!(read(&backend, T, key).await, Ok(None), "{key}");
    }
    let error = read(&backend, T, "NUMBER").await.unwrap_err();
    assert!(error.contains("no field `value`"), "{error}");
    // The largest value passes, a larger one does not.
    put(&bao, "automate/default/LARGEST", &[&format!("value={}", "x".repeat(64 * 1024))]);
    assert_eq!(read(&backend, T, "LARGEST").await.unwrap().unwrap().len(), 64 * 1024);
    put(&bao, "automate/default/LARGE", &[&format!("value={}", "x".repeat(64 * 1024 + 1))]);
    assert!(read(&backend, T, "LARGE").await.unwrap_err().contains("larger than 65536 bytes"));
    assert!(matches!(backend.health().await, BackendHealth::Ok(found) if found.contains("logged in")));
}

#[tokio::test(flavor = "multi_thread")]
async fn mount_prefix_and_field_are_the_operators_choice() {
    let Some(bao) = OpenBao::start() else { return };
    let _ = bao.bao(&["secrets", "enable", "-path=team/kv", "-version=2", "kv"]);
    let _ = bao.bao(&["kv", "put", "-mount=team/kv", "default/CRM", "token=by-another-name"]);
    let mut vault = config(&bao);
    (vault.mount, vault.prefix, vault.field) = ("team/kv".to_owned(), String::new(), "token".to_owned());
    assert_eq!(read(&backend(&vault), T, "CRM").await, Ok(Some("by-another-name".to_owned())));
    vault.mount = "nowhere".to_owned();
    let error = read(&backend(&vault), T, "CRM").await.unwrap_err();
    assert!(error.contains("Vault answered 404: no handler for route"), "{error}");
    assert!(matches!(backend(&vault).health().await, BackendHealth::Fail(..)));
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_pinned_and_deleted_ones_are_gone() {
    let Some(bao) = OpenBao::start() else { return };
    for value in ["value=first-version", "value=second-version", "value=third-version"] {
        put(&bao, "automate/default/CRM", &[value]);
    }
    let _ = bao.bao(&["kv", "delete", "-mount=secret", "-versions=2", "automate/default/CRM"]);
    let chain = SecretChain::new(
        vec![Arc::new(EnvBackend::new("X_", &Default::default())), Arc::new(backend(&config(&bao)))],
        Duration::from_secs(60),
        SecretChanges::default(),
    );
    let value = |key: &'static str| {
        let chain = &chain;
        async move { chain.resolve(T, key).await.map(|v| v.expose_secret().to_owned()) }
    };
    assert_eq!(value("CRM").await.unwrap(), "third-version");
    assert_eq!(value("CRM?version=1").await.unwrap(), "first-version");
    assert_eq!(value("vault/CRM?version=3").await.unwrap(), "third-version");
    for gone in ["CRM?version=2", "CRM?version=4"] {
        let asked = vec!["vault".to_owned()];
        assert_eq!(value(gone).await.unwrap_err(), SecretError::NotFound { key: gone.to_owned(), asked });
    }
    let _ = bao.bao(&["kv", "delete", "-mount=secret", "automate/default/CRM"]);
    assert_eq!(value("vault/CRM").await.unwrap_err().to_string().split(';').next(), Some("secret `CRM` was not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_logs_in_once_renews_and_logs_in_again_where_its_token_is_gone() {
    let Some(bao) = OpenBao::start() else { return };
    bao.policy("reader", READER);
    put(&bao, "automate/default/CRM", &["value=by-a-role"]);
    let role = bao.role("app", &["token_policies=reader", "token_ttl=6s", "token_max_ttl=15s"]);
    let backend = backend(&with_role(&bao, role));
    assert_eq!(read(&backend, T, "CRM").await, Ok(Some("by-a-role".to_owned())));
    let accessors = || bao.bao(&["list", "-format=json", "auth/token/accessors"]);
    let logged_in = accessors().matches("\",\n").count();
    // At once: no reading logs in by itself.
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let backend = backend.clone();
        readers.spawn(async move { read(&backend, T, "CRM").await });
    }
    assert!(readers.join_all().await.iter().all(Result::is_ok));
    assert_eq!(accessors().matches("\",\n").count(), logged_in);
    // Revoked behind its back: 403, a new token, the value.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let _ = bao.bao(&["token", "revoke", "-mode=path", "auth/approle"]);
    assert_eq!(read(&backend, T, "CRM").await, Ok(Some("by-a-role".to_owned())));
    // Kept renewed over its life, and past the end of all renewals.
    backend.keep_renewed();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(read(&backend, T, "CRM").await, Ok(Some("by-a-role".to_owned())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_periodic_token_is_kept_alive_while_nothing_is_read() {
    let Some(bao) = OpenBao::start() else { return };
    bao.policy("reader", READER);
    put(&bao, "automate/default/CRM", &["value=by-a-token"]);
    let token = || bao.bao(&["token", "create", "-policy=reader", "-period=6s", "-field=token"]);
    let (kept, left) = (token(), token());
    let mut vault = config(&bao);
    vault.token = Hidden::default();
    vault.token_file = bao.folder().join("token");
    std::fs::write(&vault.token_file, format!("{kept}\n")).unwrap();
    let renewed = backend(&vault);
    renewed.keep_renewed();
    let idle = {
        let mut vault = config(&bao);
        vault.token = Hidden::new(left);
        backend(&vault)
    };
    assert_eq!(read(&idle, T, "CRM").await, Ok(Some("by-a-token".to_owned())));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(read(&renewed, T, "CRM").await, Ok(Some("by-a-token".to_owned())));
    // The other one has expired and cannot be had again.
    let error = read(&idle, T, "CRM").await.unwrap_err();
    assert!(error.contains("expired"), "{error}");
    // A file that somebody replaces is read again, once its token is refused.
    let _ = bao.bao(&["token", "revoke", &kept]);
    std::fs::write(&vault.token_file, token()).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(read(&renewed, T, "CRM").await, Ok(Some("by-a-token".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_or_away_is_an_error_that_holds_no_credential_and_no_lower_backend_answers() {
    let Some(mut bao) = OpenBao::start() else { return };
    bao.policy("reader", r#"path "secret/data/automate/default/OPEN" { capabilities = ["read"] }"#);
    put(&bao, "automate/default/OPEN", &["value=open-to-me"]);
    put(&bao, "automate/default/CLOSED", &["value=closed-to-me"]);
    let (role_id, secret_id) = bao.role("app", &["token_policies=reader"]);
    let good = backend(&with_role(&bao, (role_id.clone(), secret_id.clone())));
    assert_eq!(read(&good, T, "OPEN").await, Ok(Some("open-to-me".to_owned())));
    let closed = read(&good, T, "CLOSED").await.unwrap_err();
    assert!(closed.contains("must allow `read` on `secret/data/automate/default/CLOSED`"), "{closed}");
    assert_eq!(read(&good, T, "OPEN").await, Ok(Some("open-to-me".to_owned())));
    assert!(matches!(good.health().await, BackendHealth::Warn(..)));

    let wrong = backend(&with_role(&bao, (role_id.clone(), "not-the-secret-id".to_owned())));
    let refused = read(&wrong, T, "OPEN").await.unwrap_err();
    assert!(refused.contains("the log-in at `auth/approle` was refused with 400"), "{refused}");
    assert!(!refused.contains("not-the-secret-id") && !refused.contains(&role_id), "{refused}");
    // Asked again at once, it fails as it did, without a call.
    assert_eq!(read(&wrong, T, "OPEN").await.unwrap_err(), refused);
    assert!(matches!(wrong.health().await, BackendHealth::Fail(..)));

    let mut vault = config(&bao);
    vault.token = Hidden::new("no token\nat all".to_owned());
    assert!(read(&backend(&vault), T, "OPEN").await.unwrap_err().contains("characters that a header cannot carry"));
    let with_env = |vault: VaultBackend| {
        let env = [("X_OPEN".to_owned(), "stand-in-value".to_owned())].into();
        let backends: Vec<Arc<dyn SecretsBackend>> = vec![Arc::new(vault), Arc::new(EnvBackend::new("X_", &env))];
        SecretChain::new(backends, Duration::ZERO, SecretChanges::default())
    };
    bao.stop();
    let chain = with_env(good);
    let error = chain.resolve(T, "OPEN").await.unwrap_err();
    assert!(matches!(&error, SecretError::Unavailable { backend, .. } if backend == "vault"), "{error}");
    assert!(!error.to_string().contains(&secret_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_authority_must_be_named() {
    let Some(bao) = OpenBao::start_tls() else { return };
    put(&bao, "automate/default/CRM", &["value=over-tls"]);
    let mut vault = config(&bao);
    let error = read(&backend(&vault), T, "CRM").await.unwrap_err();
    assert!(error.contains("could not connect"), "{error}");
    vault.ca_file = bao.ca_file();
    assert_eq!(read(&backend(&vault), T, "CRM").await, Ok(Some("over-tls".to_owned())));
    vault.ca_file = bao.folder().join("log");
    let error = VaultBackend::new(VaultSettings::from_config(&vault).unwrap()).err();
    assert!(error.is_some(), "a file without certificates is none");
}

#[test]
fn what_is_missing_or_there_twice_is_named() {
    let mut vault = Config::default().secrets.vault;
    let refused = |vault: &automate_core::config::Vault| VaultSettings::from_config(vault).unwrap_err();
    assert_eq!(refused(&vault), VaultSetupError::NoAddress);
    vault.address = "https://vault.internal:8200".to_owned();
    assert_eq!(refused(&vault), VaultSetupError::Missing("secrets.vault.token"));
    vault.token = Hidden::new("a-token-of-the-test".to_owned());
    assert!(VaultSettings::from_config(&vault).is_ok());
    assert!(!format!("{:?} {vault:?}", VaultSettings::from_config(&vault)).contains("a-token-of-the-test"));
    vault.token_file = "/run/token".into();
    assert_eq!(refused(&vault), VaultSetupError::Twice("secrets.vault.token"));
    vault.auth = VaultAuth::AppRole;
    assert_eq!(refused(&vault), VaultSetupError::Missing("secrets.vault.role_id"));
}
