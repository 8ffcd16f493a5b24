//! Commands that send a signed test request. The secret stays in a variable of the shell: the page
//! never has it.

use automate_connectors::verify::DEFAULT_HMAC_HEADER;
use automate_core::document::definition::{Verify, VerifyScheme};

/// The variable with the secret.
pub(super) const VARIABLE: &str = "WEBHOOK_SECRET";

/// A word of the shell that stands for exactly this text.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The address of an endpoint; what is no plain character of a path is escaped (RFC 3986).
pub(super) fn address(base: &str, tenant: &str, path: &str) -> String {
    let mut address = format!("{}/hooks/{tenant}/", base.trim_end_matches('/'));
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                address.push(char::from(byte))
            }
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}

/// The lines that make the signature, and the headers that carry it, in double quotes of the shell.
fn parts(verify: &Verify) -> (Vec<&'static str>, Vec<String>) {
    const BODY: &str = r#"SIGNATURE=$(printf '%s' "$BODY" | openssl dgst -sha256 -mac HMAC -macopt "key:$WEBHOOK_SECRET" | sed 's/^.*= //')"#;
    const STRIPE: &str = r#"SIGNATURE=$(printf '%s.%s' "$NOW" "$BODY" | openssl dgst -sha256 -mac HMAC -macopt "key:$WEBHOOK_SECRET" | sed 's/^.*= //')"#;
    const SLACK: &str = r#"SIGNATURE=$(printf 'v0:%s:%s' "$NOW" "$BODY" | openssl dgst -sha256 -mac HMAC -macopt "key:$WEBHOOK_SECRET" | sed 's/^.*= //')"#;
    const NOW: &str = "NOW=$(date +%s)";
    match verify.scheme {
        VerifyScheme::None => (Vec::new(), Vec::new()),
        VerifyScheme::Hmac => {
            let header = verify.header.as_deref().unwrap_or(DEFAULT_HMAC_HEADER);
            // A header's name is a token (RFC 9110): nothing of it means anything to a shell in quotes.
            let header: String = header.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
            (vec![BODY], vec![format!("{header}: sha256=$SIGNATURE")])
        }
        VerifyScheme::Github => (
            vec![NOW, BODY],
            vec!["x-github-delivery: test-$NOW".to_owned(), "x-hub-signature-256: sha256=$SIGNATURE".to_owned()],
        ),
        VerifyScheme::Stripe => (vec![NOW, STRIPE], vec!["stripe-signature: t=$NOW,v1=$SIGNATURE".to_owned()]),
        VerifyScheme::Slack => (
            vec![NOW, SLACK],
            vec!["x-slack-request-timestamp: $NOW".to_owned(), "x-slack-signature: v0=$SIGNATURE".to_owned()],
        ),
        VerifyScheme::Standard => (
            vec![
                NOW,
                r#"ID="test_$NOW""#,
                r#"case "$WEBHOOK_SECRET" in"#,
                r#"  whsec_*) KEY=$(printf '%s' "${WEBHOOK_SECRET#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \n') ;;"#,
                r#"  *) KEY=$(printf '%s' "$WEBHOOK_SECRET" | od -An -v -tx1 | tr -d ' \n') ;;"#,
                "esac",
                r#"SIGNATURE=$(printf '%s.%s.%s' "$ID" "$NOW" "$BODY" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$KEY" -binary | base64)"#,
            ],
            vec![
                "webhook-id: $ID".to_owned(),
                "webhook-timestamp: $NOW".to_owned(),
                "webhook-signature: v1,$SIGNATURE".to_owned(),
            ],
        ),
    }
}

/// The command for a shell: a test body, its signature by the endpoint's scheme, and the request.
pub(super) fn command(url: &str, verify: &Verify, body: &str) -> String {
    let (lines, headers) = parts(verify);
    let mut command = format!("BODY={}\n", quoted(body));
    for line in lines {
        command.push_str(line);
        command.push('\n');
    }
    command.push_str(&format!("curl -i {} \\\n  -H 'content-type: application/json' \\\n", quoted(url)));
    for header in headers {
        command.push_str(&format!("  -H \"{header}\" \\\n"));
    }
    command.push_str("  --data-binary \"$BODY\"");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scheme: VerifyScheme, header: Option<&str>) -> String {
        let verify =
            Verify { scheme, secrets: vec!["KEY".to_owned()], header: header.map(str::to_owned), tolerance: None };
        command("https://example.com/hooks/default/orders", &verify, r#"{"it":"isn't"}"#)
    }

    #[test]
    fn the_command_signs_by_the_scheme_of_the_endpoint() {
        assert!(of(VerifyScheme::Hmac, None).contains(r#"-H "x-signature: sha256=$SIGNATURE""#));
        assert!(of(VerifyScheme::Hmac, Some("x-own")).contains(r#"-H "x-own: sha256=$SIGNATURE""#));
        assert!(of(VerifyScheme::Github, None).contains("x-hub-signature-256: sha256=$SIGNATURE"));
        assert!(of(VerifyScheme::Stripe, None).contains("stripe-signature: t=$NOW,v1=$SIGNATURE"));
        assert!(of(VerifyScheme::Slack, None).contains("x-slack-signature: v0=$SIGNATURE"));
        assert!(of(VerifyScheme::Standard, None).contains("webhook-signature: v1,$SIGNATURE"));
        assert!(!of(VerifyScheme::None, None).contains("SIGNATURE"));
    }

    #[test]
    fn nothing_of_the_installation_means_anything_to_the_shell() {
        assert!(of(VerifyScheme::Hmac, None).starts_with(r#"BODY='{"it":"isn'\''t"}'"#));
        let header = of(VerifyScheme::Hmac, Some("x\"; rm -rf $HOME; \""));
        assert!(header.contains(r#"-H "xrm-rfHOME: sha256=$SIGNATURE""#), "{header}");
        let address = address("https://example.com/", "default", "a'b $(x)/é");
        assert_eq!(address, "https://example.com/hooks/default/a%27b%20%24%28x%29/%C3%A9");
    }
}
