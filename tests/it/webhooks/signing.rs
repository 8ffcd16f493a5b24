//! Who may deliver.

use automate_core::document::definition::VerifyScheme;
use automate_core::status::ExecutionStatus;
use automate_tests::both_databases;
use serde_json::{Value, json};

use super::site::{Answer, NEW_SECRET, SECRET, Site, pairs, signed};

const SIGNED: [VerifyScheme; 5] =
    [VerifyScheme::Hmac, VerifyScheme::Standard, VerifyScheme::Stripe, VerifyScheme::Github, VerifyScheme::Slack];

const BODY: &[u8] = br#"{"id": "evt_1", "event_id": "Ev1", "n": 42}"#;

both_databases! {
    async fn a_delivery_signed_by_an_independent_script_runs_its_workflow_to_the_end(test: TestDatabase) {
        let site = Site::over(&test).await;
        for scheme in SIGNED {
            site.listen_signed(scheme).await;
            let body = json!({"id": format!("evt_{}", scheme.as_str()), "text": "größer als 100 €"});
            let answer = sent_by_script(scheme, &site, &body).await;
            assert_eq!(answer["status"], 202, "{answer}");
            assert_eq!(answer["body"]["duplicate"], false);
            let id = answer["body"]["execution_ids"][0].as_str().unwrap_or_else(|| panic!("{answer}"));
            let record = site.ended(id).await;
            assert_eq!(record.status, ExecutionStatus::Completed, "{:?}", record.error);
            let output: Value = serde_json::from_str(record.output.as_deref().unwrap()).unwrap();
            assert_eq!(output, body, "{}", scheme.as_str());
        }
    }

    async fn w1_no_signature_and_no_such_path_get_the_same_answer(test: TestDatabase) {
        let site = Site::over(&test).await;
        for scheme in SIGNED {
            site.listen_signed(scheme).await;
        }
        let unknown = site.post("nobody-listens", &[], BODY).await;
        assert_eq!((unknown.status, unknown.code().as_str()), (401, "SIGNATURE_INVALID"));
        assert!(unknown.headers.contains_key("www-authenticate"));
        let stranger = site.post_to("/hooks/no-such-tenant/stripe", &[], BODY).await;
        assert_eq!((stranger.status, stranger.anonymous()), (401, unknown.anonymous()));
        for scheme in SIGNED {
            let answer = site.post(scheme.as_str(), &[], BODY).await;
            assert_eq!((answer.status, answer.anonymous()), (401, unknown.anonymous()), "{}", scheme.as_str());
            let names = |answer: &Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&answer), names(&unknown));
        }
        assert_eq!(site.executions().await, 0);
    }

    async fn w2_to_w8_only_the_right_signature_of_these_bytes_at_this_time_passes(test: TestDatabase) {
        let site = Site::over(&test).await;
        for scheme in SIGNED {
            site.listen_signed(scheme).await;
            let path = scheme.as_str();
            let good = signed(scheme, SECRET, "msg_1", 0, BODY);
            let mut refused = Vec::new();
            // W2: another body. W4: the same value, written otherwise.
            refused.push(("w2 body", good.clone(), BODY.iter().map(|b| if *b == b'4' { b'5' } else { *b }).collect()));
            refused.push(("w4", good.clone(), serde_json::to_vec(&serde_json::from_slice::<Value>(BODY).unwrap()).unwrap()));
            // W3: a truncated signature.
            let mut cut = good.clone();
            let last = cut.last_mut().unwrap();
            last.1.truncate(last.1.len() - 2);
            refused.push(("w3", cut, BODY.to_vec()));
            refused.push(("another secret", signed(scheme, NEW_SECRET, "msg_1", 0, BODY), BODY.to_vec()));
            // W6: another scheme's signature.
            let other = SIGNED.into_iter().find(|other| *other != scheme).unwrap();
            refused.push(("w6", signed(other, SECRET, "msg_1", 0, BODY), BODY.to_vec()));
            // W7: too old, too new.
            if !matches!(scheme, VerifyScheme::Hmac | VerifyScheme::Github) {
                refused.push(("w7 old", signed(scheme, SECRET, "msg_1", -310, BODY), BODY.to_vec()));
                refused.push(("w7 new", signed(scheme, SECRET, "msg_1", 310, BODY), BODY.to_vec()));
            }
            for (row, headers, body) in refused {
                let answer = site.post(path, &headers, &body).await;
                assert_eq!((answer.status, answer.code().as_str()), (401, "SIGNATURE_INVALID"), "{path} {row}");
            }
            assert_eq!(site.post(path, &good, BODY).await.status, 202, "{path}");
        }
        assert_eq!(site.executions().await, 5);
    }

    async fn w5_both_secrets_pass_during_a_rotation_and_many_signatures_do_not(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.secrets.set("NEXT", NEW_SECRET);
        site.listen("standard", "{ scheme: standard, secrets: [$secret:SIGNING, $secret:NEXT] }").await;
        for (id, secret) in [("msg_1", SECRET), ("msg_2", NEW_SECRET)] {
            let answer = site.post("standard", &signed(VerifyScheme::Standard, secret, id, 0, BODY), BODY).await;
            assert_eq!(answer.status, 202, "{answer:?}");
        }
        let mut hundred = signed(VerifyScheme::Standard, SECRET, "msg_3", 0, BODY);
        hundred[2].1 = format!("{}{}", "v1,AAAA ".repeat(99), hundred[2].1);
        assert_eq!(site.post("standard", &hundred, BODY).await.status, 401);
    }

    async fn a_secret_that_cannot_be_read_is_our_fault_and_not_the_senders(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen("orders", "{ scheme: stripe, secret: $secret:NOT_SET }").await;
        let headers = signed(VerifyScheme::Stripe, SECRET, "", 0, BODY);
        let answer = site.post("orders", &headers, BODY).await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "SECRET_UNAVAILABLE"));
        assert!(answer.headers.contains_key("retry-after"));
        assert!(!answer.text.contains("NOT_SET"), "{answer:?}");
        site.secrets.set("NOT_SET", SECRET);
        assert_eq!(site.post("orders", &headers, BODY).await.status, 202);
    }

    async fn slack_is_answered_its_challenge_only_when_it_signs(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen_signed(VerifyScheme::Slack).await;
        let body = br#"{"type": "url_verification", "challenge": "3eZbrw1a"}"#;
        let answer = site.post_signed(VerifyScheme::Slack, "", body).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"challenge": "3eZbrw1a"})));
        assert_eq!(site.post("slack", &[], body).await.status, 401);
        assert_eq!(site.executions().await, 0);
        let form = b"command=%2Fdeploy&text=web+app&trigger_id=13345224609";
        let mut headers = signed(VerifyScheme::Slack, SECRET, "", 0, form);
        headers.extend(pairs(&[("content-type", "application/x-www-form-urlencoded")]));
        let answer = site.post("slack", &headers, form).await;
        let record = site.ended(&answer.execution()).await;
        let output: Value = serde_json::from_str(record.output.as_deref().unwrap()).unwrap();
        assert_eq!(output, json!({"command": "/deploy", "text": "web app", "trigger_id": "13345224609"}));
    }

    async fn refused_deliveries_are_in_the_inbox_with_secrets_masked_and_strangers_are_not(test: TestDatabase) {
        let site = Site::over(&test).await;
        site.listen_signed(VerifyScheme::Stripe).await;
        let mut headers = signed(VerifyScheme::Stripe, NEW_SECRET, "", 0, BODY);
        let signature = headers[0].1.clone();
        headers.extend(pairs(&[("authorization", "Bearer canary-77"), ("x-forwarded-for", "203.0.113.9"), ("x-kept", "yes")]));
        assert_eq!(site.post("stripe", &headers, BODY).await.status, 401);
        assert_eq!(site.post("nobody-listens", &headers, BODY).await.status, 401);
        let good = site.post_signed(VerifyScheme::Stripe, "", BODY).await;
        assert_eq!(good.status, 202);
        let rows = site.inbox(2).await;
        assert_eq!(rows.len(), 2, "{rows:?}");
        let bad = rows.iter().find(|row| row.signature == "SIGNATURE_INVALID").unwrap();
        assert_eq!((bad.path.as_str(), bad.http_status, bad.body.as_deref()), ("stripe", 401, Some(BODY)));
        assert_eq!(bad.remote_addr.as_deref(), Some("127.0.0.1"), "a header is not believed");
        assert!(bad.headers.contains("\"x-kept\":\"yes\""), "{}", bad.headers);
        assert!(!bad.headers.contains("canary-77") && !bad.headers.contains(&signature), "{}", bad.headers);
        let ok = rows.iter().find(|row| row.signature == "ok").unwrap();
        assert_eq!((ok.http_status, ok.body.is_none(), ok.body_bytes), (202, true, i64::try_from(BODY.len()).unwrap()));
        let event = site.event(good.json()["event_id"].as_str().unwrap()).await;
        assert_eq!(event.payload.as_bytes(), BODY, "the payload is the body byte for byte");
        assert!(event.headers.unwrap().contains("\"stripe-signature\":\"***\""));
    }
}

/// Has `tests/scripts/sign_webhooks.py` sign and send a body.
async fn sent_by_script(scheme: VerifyScheme, site: &Site, body: &Value) -> Value {
    use tokio::io::AsyncWriteExt as _;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/sign_webhooks.py");
    let mut child = tokio::process::Command::new("python3")
        .args([script, scheme.as_str(), &format!("http://{}/hooks/default/{}", site.address, scheme.as_str()), "-"])
        .env("WEBHOOK_SECRET", SECRET)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3 is there");
    let mut stdin = child.stdin.take().unwrap();
    // Indented, so that a body that is parsed and written again would not verify.
    stdin.write_all(serde_json::to_string_pretty(body).unwrap().as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}
