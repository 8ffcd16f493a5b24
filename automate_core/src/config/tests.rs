use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn load(toml: &str, vars: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let options = LoadOptions {
        file: None,
        env: env(vars),
        overrides: flags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    };
    Config::from_layers(Some(("automate.toml", toml)), &options)
}

fn messages(result: Result<Loaded, ConfigErrors>) -> Vec<String> {
    result.unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn every_default_of_the_table_parses() {
    let mut config = Config::default();
    for key in keys() {
        assert_eq!(key.set_default(&mut config), Ok(()), "{}", key.name);
    }
    assert_eq!(config.worker.concurrency, 256);
    assert_eq!(config.worker.drain, Duration::from_secs(30));
    assert_eq!(config.outbox.lease, Duration::from_secs(30));
    assert_eq!(config.outbox.reap_interval, Duration::from_secs(10));
    assert_eq!(config.secrets.backends, ["env", "database"]);
    assert_eq!(config.database.url, "sqlite://./data/automate.db");
    assert_eq!(config.server.body_limit_bytes, crate::limits::BODY_BYTES);
    for key in keys() {
        assert_eq!(key.show(&Config::default()), key.default, "{}", key.name);
    }
}

#[test]
fn each_layer_goes_over_the_one_before() {
    let toml = "[server]\nbind = \"0.0.0.0:1\"\n[database]\nurl = \"sqlite://file.db\"\n[worker]\nconcurrency = 2\n";
    let file = load(toml, &[], &[]).unwrap();
    assert_eq!(file.config.server.bind, "0.0.0.0:1");
    assert_eq!(file.sources["worker.concurrency"].to_string(), "automate.toml line 6");

    let url = load(toml, &[("DATABASE_URL", "postgres://u:p@h/db")], &[]).unwrap();
    assert_eq!(url.config.database.url, "postgres://u:p@h/db");

    let vars = [
        ("DATABASE_URL", "postgres://h/db"),
        ("AUTOMATE_DATABASE__URL", "sqlite://env.db"),
        ("AUTOMATE_SERVER__BIND", "[::1]:2"),
    ];
    let environment = load(toml, &vars, &[]).unwrap();
    assert_eq!(environment.config.database.url, "sqlite://env.db");
    assert_eq!(environment.config.server.bind, "[::1]:2");
    assert_eq!(environment.sources["server.bind"].to_string(), "environment AUTOMATE_SERVER__BIND");

    let flags = load(toml, &vars, &[("server.bind", "127.0.0.1:3")]).unwrap();
    assert_eq!(flags.config.server.bind, "127.0.0.1:3");
    assert_eq!(flags.sources["server.bind"], Source::Flag);
    assert_eq!(flags.config.worker.concurrency, 2);
}

#[test]
fn the_default_database_follows_the_data_directory() {
    let loaded = load("data_dir = \"/var/lib/automate/\"", &[], &[]).unwrap();
    assert_eq!(loaded.config.database.url, "sqlite:///var/lib/automate/automate.db");
    let fixed = load("data_dir = \"/x\"\n[database]\nurl = \"sqlite://a.db\"", &[], &[]).unwrap();
    assert_eq!(fixed.config.database.url, "sqlite://a.db");
}

#[test]
fn an_unknown_key_names_the_nearest_one_as_its_source_writes_it() {
    assert_eq!(
        messages(load(
            "[sever]\nbind = \"x\"\n[server]\nbnid = 1\nworkerz = 2\n",
            &[("AUTOMATE_SERVER_BIND", "x")],
            &[("log.fromat", "x")]
        )),
        [
            "unknown key `server.bnid` (automate.toml line 4); did you mean `server.bind`?",
            "unknown key `server.workerz` (automate.toml line 5); did you mean `server.workers`?",
            "unknown key `sever.bind` (automate.toml line 2); did you mean `server.bind`?",
            "unknown key `AUTOMATE_SERVER_BIND` (environment AUTOMATE_SERVER_BIND); did you mean `AUTOMATE_SERVER__BIND`?",
            "unknown key `log.fromat` (command line); did you mean `log.format`?",
        ]
    );
}

#[test]
fn all_errors_come_at_once_with_key_source_and_what_was_expected() {
    let toml = "[worker]\nconcurrency = \"many\"\n[outbox]\nlease_seconds = 0\n[log]\nformat = \"xml\"\n[egress]\nallow = [\"10.0.0.5/8\"]\nserver = 3\n";
    let found = messages(load(
        toml,
        &[("AUTOMATE_WORKER__DRAIN_SECONDS", "-1"), ("DATABASE_URL", "mysql://u:hunter2@h/db")],
        &[],
    ));
    assert_eq!(found.len(), 7, "{found:#?}");
    assert!(found.contains(&"`worker.concurrency` (automate.toml line 2): expected a whole number from 1 to 10000, got the text `many`".to_owned()), "{found:#?}");
    assert!(
        found
            .contains(&"`log.format` (automate.toml line 6): expected `text` or `json`, got the text `xml`".to_owned())
    );
    assert!(found.contains(&"`worker.drain_seconds` (environment AUTOMATE_WORKER__DRAIN_SECONDS): expected a whole number of seconds from 0 to 3600, got `-1`".to_owned()));
    assert!(found.iter().any(|m| m.contains("did you mean `10.0.0.0/8`?")));
    assert!(!found.join("\n").contains("hunter2"));
}

#[test]
fn a_section_that_is_no_table_and_a_key_that_is_one_are_refused() {
    assert!(messages(load("server = 3", &[], &[]))[0].contains("expected a section with keys"));
    assert!(messages(load("[server.bind]\nx = 1", &[], &[]))[0].contains("expected host:port, got a table"));
    assert!(load("[server]\n[connections]\n", &[], &[]).is_ok());
    assert!(messages(load("[nonsense]", &[], &[]))[0].contains("unknown key `nonsense`"));
}

#[test]
fn toml_that_does_not_parse_is_named_by_line_without_its_text() {
    let found = messages(load("[database]\nurl = \"postgres://u:hunter2@h\nx = 1", &[], &[]));
    assert!(found[0].starts_with("automate.toml line 2: "), "{found:?}");
    assert!(!found.join("").contains("hunter2"));
}

#[test]
fn reserved_variables_are_no_keys() {
    let reserved = [
        ("AUTOMATE_MASTER_KEY", "x"),
        ("AUTOMATE_MASTER_KEY_FILE", "x"),
        ("AUTOMATE_CONFIG", "x"),
        ("AUTOMATE_SECRET_SLACK", "x"),
        ("AUTOMATE_TEST_POSTGRES", "x"),
        ("AUTOMATES", "x"),
    ];
    assert!(load("", &reserved, &[]).is_ok());
    assert!(load("", &[("AUTOMATE_SECRETS__CACHE_SECONDS", "0")], &[]).is_ok());
    // A prefix of the operator's own, wherever it is set.
    assert!(load("[secrets]\nenv_prefix = \"AUTOMATE_MINE_\"", &[("AUTOMATE_MINE_X", "x")], &[]).is_ok());
    assert!(load("", &[("AUTOMATE_MINE_X", "x")], &[]).is_err());
}

#[test]
fn a_prefix_that_would_serve_the_master_key_as_a_secret_is_refused() {
    for prefix in ["", "A", "AUTOMATE_", "AUTOMATE_MASTER_", "AUTOMATE_MASTER_KEY_", "X", "x y_"] {
        assert!(load("", &[], &[("secrets.env_prefix", prefix)]).is_err(), "{prefix}");
    }
    assert!(load("", &[], &[("templates.env_allow", "AUTOMATE_MASTER_KEY")]).is_err());
}

#[test]
fn lists_come_as_lists_or_with_commas() {
    let list = load("[egress]\nallow = [\"10.0.0.0/8\", \"127.0.0.1:9000\"]", &[], &[]).unwrap();
    let text = load("", &[("AUTOMATE_EGRESS__ALLOW", "10.0.0.0/8, 127.0.0.1:9000,")], &[]).unwrap();
    assert_eq!(list.config.egress, text.config.egress);
    assert_eq!(list.config.egress.allow.len(), 2);
}

#[test]
fn connections_are_read_from_all_layers_and_shown_masked() {
    let toml = "[connections.crm]\nconnector = \"http\"\nbase_url = \"https://u:pw@crm.example\"\ntoken = \"$secret:CRM\"\npassword = \"literal\"\nscopes = [\"a\"]\n[connections.crm.extra]\nkey = 1\n";
    let loaded = load(toml, &[("AUTOMATE_CONNECTIONS__CRM__BASE_URL", "https://other.example")], &[]).unwrap();
    let crm = &loaded.config.connections["crm"];
    assert_eq!(crm.connector, "http");
    assert_eq!(crm.fields["base_url"], "https://other.example");
    assert_eq!(crm.fields["extra"], serde_json::json!({"key": 1}));
    let shown: BTreeMap<String, String> = loaded.effective().into_iter().map(|e| (e.key, e.value)).collect();
    assert_eq!(shown["connections.crm.token"], "$secret:CRM");
    assert_eq!(shown["connections.crm.password"], "***");
    assert!(!format!("{:?}", loaded.config).contains("literal"));

    let missing = messages(load("[connections.crm]\ntoken = \"x\"\n[connections]\nbad = 1", &[], &[]));
    assert!(
        missing[0].contains("expected a section `[connections.NAME]`")
            || missing[1].contains("connections.crm.connector"),
        "{missing:?}"
    );
}

#[test]
fn providers_are_read_from_all_layers_and_shown_masked() {
    let toml = "[providers.openai]\napi_key = \"$secret:OPENAI\"\n[providers.local]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:8080/v1\"\napi_key = \"literal\"\n[providers.local.prices.\"a.b-1\"]\ninput = \"0.15\"\n";
    let loaded = load(toml, &[("AUTOMATE_PROVIDERS__LOCAL__DEFAULT_MODEL", "a.b-1")], &[]).unwrap();
    let local = &loaded.config.providers["local"];
    assert_eq!((local.kind.as_str(), &local.fields["default_model"]), ("openai", &serde_json::json!("a.b-1")));
    assert_eq!(local.fields["prices"], serde_json::json!({"a.b-1": {"input": "0.15"}}));
    let shown: BTreeMap<String, String> = loaded.effective().into_iter().map(|e| (e.key, e.value)).collect();
    assert_eq!(shown["providers.openai.kind"], "openai");
    assert_eq!(shown["providers.openai.api_key"], "$secret:OPENAI");
    assert_eq!(shown["providers.local.api_key"], "***");
    assert!(!format!("{:?}", loaded.config).contains("literal"));
    let wrong = messages(load("[providers]\nbad = 1\n[providers.x]\nkind = 3\n", &[], &[]));
    assert!(wrong[0].contains("expected a section `[providers.NAME]`"), "{wrong:?}");
    assert!(wrong[1].contains("expected a kind of provider"), "{wrong:?}");
}

#[test]
fn identity_providers_are_read_from_all_layers_and_shown_masked() {
    let toml = "[oidc.corp]\nissuer = \"https://id.example\"\nclient_id = \"automate\"\nclient_secret = \"$secret:OIDC\"\nallowed_domains = [\"example.org\"]\ncreate_users = true\n[oidc.lab]\nissuer = \"http://127.0.0.1:9000\"\nclient_id = \"x\"\n";
    let loaded = load(toml, &[("AUTOMATE_OIDC__LAB__CLIENT_SECRET", "literal")], &[]).unwrap();
    let corp = &loaded.config.oidc["corp"];
    assert!(corp.create_users && corp.allowed_domains == ["example.org"] && corp.scopes == ["email", "profile"]);
    let shown: BTreeMap<String, String> = loaded.effective().into_iter().map(|e| (e.key, e.value)).collect();
    assert_eq!(shown["oidc.corp.client_secret"], "$secret:OIDC");
    assert_eq!(shown["oidc.lab.client_secret"], "***");
    assert!(!format!("{:?}", loaded.config).contains("literal"));
    let wrong =
        messages(load("[oidc]\nbad = 1\n[oidc.x]\nissuer = \"ftp://x\"\nclient = 1\ncreate_users = 7\n", &[], &[]));
    for part in
        ["[oidc.NAME]", "oidc.x.issuer` (", "did you mean `oidc.x.client_id`", "`true` or `false`", "is missing"]
    {
        assert!(wrong.iter().any(|message| message.contains(part)), "{part}: {wrong:?}");
    }
}

#[test]
fn effective_values_mask_the_password_of_the_database() {
    let loaded = load("", &[("DATABASE_URL", "postgres://u:hunter2@h/db")], &[]).unwrap();
    let url = loaded.effective().into_iter().find(|e| e.key == "database.url").unwrap();
    assert_eq!(
        (url.value.as_str(), url.source.to_string().as_str()),
        ("postgres://u:***@h/db", "environment DATABASE_URL")
    );
    assert!(!format!("{:?}", loaded.config).contains("hunter2"));
}

#[test]
fn an_absent_named_file_is_an_error_and_an_absent_default_is_not() {
    let options = LoadOptions { file: Some("/no/such/automate.toml".into()), ..LoadOptions::default() };
    assert!(Config::load(options).unwrap_err().to_string().contains("cannot read /no/such/automate.toml (--config)"));
    let options = LoadOptions { env: env(&[("AUTOMATE_CONFIG", "/no/such.toml")]), ..LoadOptions::default() };
    assert!(Config::load(options).unwrap_err().to_string().contains("(AUTOMATE_CONFIG)"));
    // The crate's own folder has no automate.toml.
    assert!(Config::load(LoadOptions::default()).unwrap().file.is_none());
}

#[test]
fn the_reference_page_holds_the_table_of_keys() {
    let page = include_str!("../../../docs/configuration.md");
    let (_, rest) = page.split_once("<!-- keys: begin -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- keys: end -->").unwrap();
    assert_eq!(table.trim(), reference_table().trim(), "the table of keys has changed; paste:\n{}", reference_table());
}
