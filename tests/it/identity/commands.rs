//! `createsuperuser`, `changepassword` and `token`, as a user runs them.

use automate_tests::binary::Project;

use crate::serving::Serving;

#[test]
fn the_first_superuser_is_made_at_the_command_line_and_gets_a_token() {
    let project = Project::embedded();
    let create = ["createsuperuser", "--email", "ada@example.org", "--password-stdin"];
    let weak = project.run_with_stdin(&create, "short\n").exits(1);
    assert!(weak.err.contains("at least 12 characters"), "{}", weak.err);
    assert!(project.run_with_stdin(&create, "").exits(2).err.contains("empty"));
    let asked = project.run(&["createsuperuser", "--email", "ada@example.org"]).exits(2);
    assert!(asked.err.contains("--password-stdin"), "{}", asked.err);
    let made = project.run_with_stdin(&create, "correct horse of mine\n").exits(0);
    assert!(made.out.contains("ada@example.org") && !format!("{}{}", made.out, made.err).contains("horse"));
    let twice = project.run_with_stdin(&create, "correct horse of mine\n").exits(1);
    assert!(twice.err.contains("exists"), "{}", twice.err);

    let token =
        project.run(&["token", "create", "--name", "ci", "--scopes", "workflows:read, events:publish"]).exits(0);
    assert!(token.out.trim().starts_with("aut_") && token.err.contains("not shown again"), "{}", token.err);
    let made = project
        .run(&[
            "token",
            "create",
            "--name",
            "x",
            "--scopes",
            "admin",
            "--user",
            "ADA@example.org",
            "--expires",
            "30d",
            "--json",
        ])
        .exits(0)
        .json();
    assert!(made["token"].as_str().unwrap().starts_with(made["prefix"].as_str().unwrap()));
    assert!(made["expires_at"].is_string() && made["email"] == "ada@example.org");
    let unknown = project.run(&["token", "create", "--name", "x", "--scopes", "workflow:read"]).exits(1);
    assert!(unknown.err.contains("did you mean `workflows:read`?"), "{}", unknown.err);
    let _ = project.run(&["token", "create", "--name", "x", "--scopes", "admin", "--expires", "soon"]).exits(2);
    let _ = project.run(&["token", "create", "--name", "x"]).exits(2);

    let list = project.run(&["token", "list", "--json"]).exits(0);
    let secret = token.out.trim();
    assert!(!list.out.contains(&secret[20..40]), "no list has a secret");
    let rows = list.json()["results"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 2);
    // By what a list shows, by the id, and by nothing else.
    let revoked = project.run(&["token", "revoke", made["prefix"].as_str().unwrap()]).exits(0);
    assert!(revoked.out.contains("revoked"));
    let first = rows.iter().find(|row| row["name"] == "ci").unwrap()["id"].as_str().unwrap();
    let _ = project.run(&["token", "revoke", first, "--json"]).exits(0);
    assert!(project.run(&["token", "revoke", "aut_nonsense"]).exits(1).err.contains("token list"));
    assert!(!project.run(&["token", "list"]).exits(0).out.contains("active"));

    let change = ["changepassword", "--email", "ada@example.org", "--password-stdin"];
    let _ = project.run_with_stdin(&change, "another horse of mine").exits(0);
    let nobody = ["changepassword", "--email", "eve@example.org", "--password-stdin"];
    assert!(project.run_with_stdin(&nobody, "another horse of mine").exits(1).err.contains("no user"));
}

#[test]
fn whose_token_it_is_must_be_said_where_it_is_not_plain() {
    let project = Project::embedded();
    let create = ["token", "create", "--name", "x", "--scopes", "admin"];
    assert!(project.run(&create).exits(1).err.contains("createsuperuser"));
    for email in ["ada@example.org", "bob@example.org"] {
        let args = ["createsuperuser", "--email", email, "--password-stdin"];
        let _ = project.run_with_stdin(&args, "correct horse of mine").exits(0);
    }
    assert!(project.run(&create).exits(2).err.contains("--user"));
}

#[test]
fn a18_a_server_prints_a_link_for_the_first_account_until_there_is_one() {
    let project = Project::embedded();
    let out = project.path().join("serve.out");
    let mut command = project.command(&["serve", "--bind", "127.0.0.1:0"]);
    command.env("AUTOMATE_SERVER__PUBLIC_URL", "https://flows.example.org");
    let server = Serving::start(command, project.path());
    server.ready();
    let said = std::fs::read_to_string(&out).unwrap();
    let token =
        said.split_once("https://flows.example.org/admin/setup/?token=").map_or("", |(_, rest)| rest.trim_end());
    assert!(token.len() > 40 && token.chars().all(|c| c.is_ascii_alphanumeric()), "{said}");
    let log = std::fs::read_to_string(project.path().join("serve.log")).unwrap();
    assert!(!log.contains(token), "the link is printed, and not logged");
    server.stop();
    let create = ["createsuperuser", "--email", "ada@example.org", "--password-stdin"];
    let _ = project.run_with_stdin(&create, "correct horse of mine").exits(0);
    let server = Serving::start(project.command(&["serve", "--bind", "127.0.0.1:0"]), project.path());
    server.ready();
    let said = std::fs::read_to_string(&out).unwrap();
    assert!(!said.contains("setup"), "{said}");
    server.stop();
}

#[test]
fn a22_metrics_are_for_whoever_has_the_token_where_there_is_one() {
    let project = Project::embedded();
    let short = project.command(&["serve"]).env("AUTOMATE_METRICS__TOKEN", "guess-me").output().unwrap();
    assert_eq!(short.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&short.stderr).contains("guess-me"));
    let token = "a-token-of-the-scraper-7c1e";
    let mut command = project.command(&["serve", "--bind", "127.0.0.1:0"]);
    command.env("AUTOMATE_METRICS__TOKEN", token);
    let server = Serving::start(command, project.path());
    server.ready();
    for target in ["/metrics", "/ext/observability/metrics"] {
        assert_eq!(server.get(target).0, 404);
        assert_eq!(server.get_as(target, &token[1..]).0, 404);
        let (status, text) = server.get_as(target, token);
        assert!(status == 200 && text.contains("automate_"), "{status} {text}");
    }
    server.stop();
}
