//! What a user sees of secrets: commands, backends, the process.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use automate_core::ids::TenantId;
use automate_core::secrets::{SecretError, SecretResolver};
use automate_governance::secrets::{MasterKey, MasterKeys, SecretChain, SecretChanges};
use automate_tests::binary::Project;
use automate_tests::both_databases;
use automate_tests::openbao::{OpenBao, ROOT_TOKEN};
use serde_json::Value;

use super::{TENANT, backend, value};
use crate::serving::Serving;

/// Puts a secret into an input, whose log line shows what is left of it.
const SHOW: &str = "workflow: show\non: [{ manual: true }]\nsteps:\n  - { id: tell, uses: log.write, with: { message: \"it is REFERENCE\" } }\n";

fn verdict_of<'c>(checks: &'c Value, backend: &str) -> &'c Value {
    let all = checks.as_array().unwrap();
    let found = all.iter().find(|c| c["name"] == "secrets" && c["found"].as_str().unwrap().starts_with(backend));
    found.unwrap_or_else(|| panic!("{checks:#}"))
}

#[test]
fn s5_what_was_stored_is_shown_by_no_command() {
    let project = Project::embedded();
    let secret = "s5-canary-2f61b7";
    let mut shown = String::new();
    for (args, stdin) in [
        (&["secrets", "set", "CRM", "--json"][..], secret),
        (&["secrets", "set", "CRM"], secret),
        (&["secrets", "rotate", "CRM"], secret),
        (&["secrets", "list"], ""),
        (&["secrets", "list", "--json"], ""),
        (&["secrets", "rotate", "--master-key", "--json"], ""),
        (&["config", "show"], ""),
        (&["doctor", "--json"], ""),
        (&["secrets", "delete", "CRM", "--json"], ""),
    ] {
        let answer = project.run_with_stdin(args, stdin).exits(0);
        shown.push_str(&answer.out);
        shown.push_str(&answer.err);
    }
    assert!(shown.contains("CRM") && shown.contains("\"version\": 1"), "{shown}");
    assert!(!shown.contains("s5-canary"), "{shown}");
    // There is none that would: only writing, listing, and deleting.
    let help = project.run(&["secrets", "--help"]).exits(0).out;
    for word in ["get", "show", "reveal", "export"] {
        assert!(!help.lines().any(|line| line.trim_start().starts_with(word)), "{help}");
    }
    let gone = project.run(&["secrets", "get", "CRM"]);
    assert_eq!(gone.code, 2);
}

both_databases! {
    async fn s10_the_secret_of_another_tenant_is_as_absent_as_one_that_never_was(test: TestDatabase) {
        let backend = backend(&test, MasterKeys::new(MasterKey::generate()));
        let other = TenantId::new();
        backend.set(other, "THEIRS", &value("value-of-others")).await.unwrap();
        let chain = SecretChain::new(vec![std::sync::Arc::new(backend.clone())], std::time::Duration::ZERO, SecretChanges::default());
        for reference in ["THEIRS", "database/THEIRS", "THEIRS?version=1"] {
            let theirs = chain.resolve(TENANT, reference).await.unwrap_err();
            let never = chain.resolve(TENANT, &reference.replace("THEIRS", "NEVER")).await.unwrap_err();
            assert!(matches!(theirs, SecretError::NotFound { .. }), "{theirs}");
            assert_eq!(theirs.to_string().replace("THEIRS", "NEVER"), never.to_string());
        }
        assert_eq!(backend.list(TENANT).await.unwrap(), []);
        assert_eq!(backend.delete(TENANT, "THEIRS").await, Ok(false));
        assert!(chain.resolve(other, "THEIRS").await.is_ok());
    }
}

#[test]
fn a_mounted_folder_is_a_backend() {
    let project = Project::embedded();
    let folder = project.path().join("mounted");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("CRM"), "mounted-canary-91d3\n").unwrap();
    fs::set_permissions(folder.join("CRM"), fs::Permissions::from_mode(0o440)).unwrap();
    project.write("automate.toml", "[secrets]\nbackends = [\"file\", \"database\"]\nfile_dir = \"mounted\"\n");
    for (n, reference) in ["$secret:CRM", "$secret:file/CRM", "{{ secrets.CRM }}"].into_iter().enumerate() {
        let document = SHOW.replace("REFERENCE", reference).replace("workflow: show", &format!("workflow: show{n}"));
        let file = project.write("show.yaml", &document);
        let _ = project.run(&["workflow", "import", &file]).exits(0);
        let ended = project.run(&["run", &format!("show{n}"), "--wait", "--json"]).exits(0);
        assert!(!ended.out.contains("mounted-canary") && !ended.err.contains("mounted-canary"), "{}", ended.out);
    }
    let checks = project.run(&["doctor", "--json"]).exits(0).json();
    assert_eq!(verdict_of(&checks, "file: 1 files")["verdict"], "ok");
    assert_eq!(verdict_of(&checks, "database: ")["verdict"], "ok");
    fs::set_permissions(folder.join("CRM"), fs::Permissions::from_mode(0o444)).unwrap();
    let checks = project.run(&["doctor", "--json"]).exits(0).json();
    assert_eq!(verdict_of(&checks, "file: others")["verdict"], "warn");
    fs::remove_dir_all(&folder).unwrap();
    let checks = project.run(&["doctor", "--json"]).exits(1).json();
    assert_eq!(verdict_of(&checks, "file: mounted")["verdict"], "fail");
    // Named and not set up: it is said before anything starts.
    project.write("automate.toml", "[secrets]\nbackends = [\"file\"]\n");
    let refused = project.run(&["executions", "list"]).exits(1);
    assert!(refused.err.contains("`secrets.file_dir` is not set"), "{}", refused.err);
}

#[test]
fn vault_is_a_backend_and_its_credentials_are_shown_nowhere() {
    let Some(mut bao) = OpenBao::start() else { return };
    let _ = bao.bao(&["kv", "put", "-mount=secret", "automate/default/CRM", "value=vault-canary-one"]);
    let _ = bao.bao(&["kv", "put", "-mount=secret", "automate/default/CRM", "value=vault-canary-two"]);
    let project = Project::embedded();
    let config = format!(
        "[secrets]\nbackends = [\"vault\", \"env\"]\n[secrets.vault]\naddress = \"{}\"\ntoken_file = \"token\"\n",
        bao.address()
    );
    project.write("automate.toml", &config);
    project.write("token", ROOT_TOKEN);
    let mut shown = String::new();
    for (n, reference) in ["$secret:CRM", "$secret:vault/CRM?version=1"].into_iter().enumerate() {
        let document = SHOW.replace("REFERENCE", reference).replace("workflow: show", &format!("workflow: show{n}"));
        let file = project.write("show.yaml", &document);
        let _ = project.run(&["workflow", "import", &file]).exits(0);
        let mut command = project.command(&["run", &format!("show{n}"), "--wait", "--json"]);
        command.env("RUST_LOG", "trace");
        let ended = automate_tests::binary::Answer::of(command.output().unwrap()).exits(0);
        shown.push_str(&ended.out);
        shown.push_str(&ended.err);
    }
    let config = project.run(&["config", "show"]).exits(0);
    let doctor = project.run(&["doctor", "--json"]).exits(0);
    assert_eq!(verdict_of(&doctor.json(), "vault: logged in")["verdict"], "ok");
    shown.push_str(&config.out);
    shown.push_str(&doctor.out);
    assert!(shown.contains("/v1/secret/data/automate/default/CRM"), "the calls were logged at `trace`");
    for hidden in [ROOT_TOKEN, "vault-canary"] {
        let at = shown.find(hidden);
        assert!(at.is_none(), "{hidden}: {}", &shown[at.unwrap_or(0).saturating_sub(300)..at.unwrap_or(0) + 100]);
    }
    bao.stop();
    let checks = project.run(&["doctor", "--json"]).exits(1).json();
    assert_eq!(verdict_of(&checks, "vault: http")["verdict"], "fail");
    project.write("automate.toml", "[secrets]\nbackends = [\"vault\"]\n");
    let refused = project.run(&["executions", "list"]).exits(1);
    assert!(refused.err.contains("`secrets.vault.address` is not set"), "{}", refused.err);
}

#[test]
fn s7_a_server_leaves_no_core_and_s8_starts_no_process() {
    let project = Project::embedded();
    let server = Serving::start(project.command(&["serve", "--bind", "127.0.0.1:0"]), project.path());
    server.ready();
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core}");
    let mut children = String::new();
    for task in fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap() {
        // A thread may have ended; a kernel may not tell of children.
        children.push_str(&fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default());
    }
    assert_eq!(children, "");
    server.stop();
}
