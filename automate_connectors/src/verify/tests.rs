use std::time::Duration;

use automate_core::document::definition::VerifyScheme;
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &[u8] = br#"{"id": "evt_1", "amount": 100}"#;
const SIGNED: [VerifyScheme; 5] =
    [VerifyScheme::Hmac, VerifyScheme::Standard, VerifyScheme::Stripe, VerifyScheme::Github, VerifyScheme::Slack];
const TIMED: [VerifyScheme; 3] = [VerifyScheme::Standard, VerifyScheme::Stripe, VerifyScheme::Slack];

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn now() -> DateTime<Utc> {
    at(1_700_000_000)
}

fn headers(pairs: &[(String, String)]) -> HeaderMap {
    pairs.iter().map(|(k, v)| (k.parse::<HeaderName>().unwrap(), HeaderValue::from_str(v).unwrap())).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn signed(scheme: VerifyScheme) -> Vec<(String, String)> {
    sign(scheme, SECRET, None, "msg_1", now(), BODY).unwrap()
}

fn check_at(
    scheme: VerifyScheme,
    pairs: &[(String, String)],
    body: &[u8],
    secrets: &[&str],
    now: DateTime<Utc>,
) -> Result<Verified, VerifyError> {
    verify(scheme, &Signed { headers: &headers(pairs), body }, secrets, None, DEFAULT_TOLERANCE, now)
}

fn check(scheme: VerifyScheme, pairs: &[(String, String)], body: &[u8]) -> Result<Verified, VerifyError> {
    check_at(scheme, pairs, body, &[SECRET], now())
}

#[test]
fn the_vectors_of_the_providers_hold() {
    let github =
        pairs(&[("x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")]);
    check_at(VerifyScheme::Github, &github, b"Hello, World!", &["It's a Secret to Everybody"], now()).unwrap();

    let standard = pairs(&[
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ]);
    let body = br#"{"test": 2432232314}"#;
    let verified = check_at(VerifyScheme::Standard, &standard, body, &[SECRET], at(1_614_265_330)).unwrap();
    assert_eq!(verified.delivery_id.as_deref(), Some("msg_p5jXN8AQM9LWM0D4loKWxJek"));
    assert_eq!(verified.timestamp, Some(at(1_614_265_330)));

    let slack_body: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
        &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
        &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J\
        %2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let slack = pairs(&[
        ("x-slack-request-timestamp", "1531420618"),
        ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
    ]);
    check_at(VerifyScheme::Slack, &slack, slack_body, &["8f742231b10e8888abcd99yyyzzz85a5"], at(1_531_420_618))
        .unwrap();

    // Computed with Python's hmac over `1492774577.` and the body.
    let stripe = pairs(&[(
        "stripe-signature",
        "t=1492774577,v1=09357d4fb8d9eba6f07fdea6b2428fa819063ec7bb7f9eca18b88cf0ff729476,v0=00",
    )]);
    let body = br#"{"id": "evt_1", "object": "event"}"#;
    check_at(VerifyScheme::Stripe, &stripe, body, &["whsec_test_secret"], at(1_492_774_577)).unwrap();

    // The HMAC-SHA256 example that reference works repeat (key `key`).
    let hmac = pairs(&[("x-signature", "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8")]);
    check_at(VerifyScheme::Hmac, &hmac, b"The quick brown fox jumps over the lazy dog", &["key"], now()).unwrap();
}

#[test]
fn what_we_sign_we_verify() {
    for scheme in SIGNED {
        check(scheme, &signed(scheme), BODY).unwrap_or_else(|error| panic!("{}: {error}", scheme.as_str()));
    }
    assert_eq!(check(VerifyScheme::None, &[], BODY), Ok(Verified::default()));
}

#[test]
fn w1_a_request_without_signature_is_refused() {
    for scheme in SIGNED {
        let error = check(scheme, &[], BODY).unwrap_err();
        assert!(matches!(error, VerifyError::MissingHeader { .. }), "{}: {error}", scheme.as_str());
        assert_eq!(error.http_status(), 401);
        for missing in 0..signed(scheme).len() {
            let mut pairs = signed(scheme);
            let (name, _) = pairs.remove(missing);
            if name != "x-github-delivery" {
                assert!(check(scheme, &pairs, BODY).is_err(), "{} without {name}", scheme.as_str());
            }
        }
    }
}

#[test]
fn w2_no_flipped_bit_passes() {
    for scheme in SIGNED {
        for position in 0..BODY.len() * 8 {
            let mut body = BODY.to_vec();
            body[position / 8] ^= 1 << (position % 8);
            assert!(check(scheme, &signed(scheme), &body).is_err(), "{} body bit {position}", scheme.as_str());
        }
        for (index, (name, value)) in signed(scheme).into_iter().enumerate() {
            if name == "x-github-delivery" {
                continue; // GitHub does not sign it.
            }
            for position in 0..value.len() * 8 {
                let mut bytes = value.clone().into_bytes();
                bytes[position / 8] ^= 1 << (position % 8);
                let Ok(flipped) = HeaderValue::from_bytes(&bytes) else { continue };
                if hex_case_only(&value, &bytes) {
                    continue; // `a` and `A` are the same hexadecimal digit.
                }
                let mut map = headers(&signed(scheme));
                let key: HeaderName = signed(scheme)[index].0.parse().unwrap();
                map.insert(key, flipped);
                let request = Signed { headers: &map, body: BODY };
                let outcome = verify(scheme, &request, &[SECRET], None, DEFAULT_TOLERANCE, now());
                assert!(outcome.is_err(), "{} {name} bit {position}", scheme.as_str());
            }
        }
    }
}

fn hex_case_only(before: &str, after: &[u8]) -> bool {
    let digits = before.rsplit('=').next().unwrap_or(before);
    digits.len() == 64
        && before.len() == after.len()
        && before.as_bytes()[..before.len() - 64] == after[..before.len() - 64]
        && before.as_bytes().eq_ignore_ascii_case(after)
}

#[test]
fn w3_no_signature_of_another_length_passes() {
    use base64::Engine as _;
    for scheme in SIGNED {
        let good = signed(scheme);
        let (name, value) = good.last().cloned().unwrap();
        let split = value.rfind(['=', ',']).filter(|_| scheme != VerifyScheme::Standard);
        let (prefix, text) = match split {
            Some(i) => value.split_at(i + 1),
            None => value.split_at(3), // `v1,`
        };
        let replaced = |text: String| {
            let mut pairs = good.clone();
            pairs.retain(|(n, _)| *n != name);
            pairs.push((name.clone(), text));
            check(scheme, &pairs, BODY)
        };
        let mac: Vec<u8> = match scheme {
            VerifyScheme::Standard => base64::engine::general_purpose::STANDARD.decode(text).unwrap(),
            _ => hex::decode(text).unwrap(),
        };
        let encode = |bytes: &[u8]| match scheme {
            VerifyScheme::Standard => base64::engine::general_purpose::STANDARD.encode(bytes),
            _ => hex::encode(bytes),
        };
        for length in 0..=64_usize {
            // A prefix of the right one, and the right one with bytes after it.
            let bytes: Vec<u8> = mac.iter().copied().chain(std::iter::repeat(0)).take(length).collect();
            let outcome = replaced(format!("{prefix}{}", encode(&bytes)));
            assert_eq!(outcome.is_ok(), length == 32, "{} at {length} bytes", scheme.as_str());
            let zeros = replaced(format!("{prefix}{}", encode(&vec![0; length])));
            assert!(zeros.is_err(), "{} with {length} zeros", scheme.as_str());
        }
        for text in [prefix.to_owned(), format!("{prefix}!!!!"), format!("{value}0"), String::new(), "ü".repeat(4)] {
            if let Ok(header) = HeaderValue::from_str(&text) {
                let mut map = headers(&good);
                map.insert(name.parse::<HeaderName>().unwrap(), header);
                let request = Signed { headers: &map, body: BODY };
                assert!(verify(scheme, &request, &[SECRET], None, DEFAULT_TOLERANCE, now()).is_err(), "{text:?}");
            }
        }
    }
}

#[test]
fn w4_a_body_that_was_written_anew_is_refused() {
    let value: serde_json::Value = serde_json::from_slice(BODY).unwrap();
    let again = serde_json::to_vec(&value).unwrap();
    assert_ne!(again, BODY);
    for scheme in SIGNED {
        assert_eq!(check(scheme, &signed(scheme), &again), Err(VerifyError::Mismatch), "{}", scheme.as_str());
    }
}

#[test]
fn w5_old_and_new_secrets_both_pass_while_both_are_known() {
    let new = "whsec_bmV3IHNlY3JldCBvZiB0d2VudHkgYnl0ZXM=";
    for scheme in SIGNED {
        check_at(scheme, &signed(scheme), BODY, &[new, SECRET], now()).unwrap();
        check_at(scheme, &signed(scheme), BODY, &[SECRET, new], now()).unwrap();
        assert_eq!(check_at(scheme, &signed(scheme), BODY, &[new], now()), Err(VerifyError::Mismatch));
    }
    // One request that carries both signatures.
    let old = sign_standard(SECRET, "msg_1", now(), BODY).unwrap();
    let both = format!("{} {old}", sign_standard(new, "msg_1", now(), BODY).unwrap());
    let with = |signature: &str| {
        pairs(&[("webhook-id", "msg_1"), ("webhook-timestamp", "1700000000"), ("webhook-signature", signature)])
    };
    for secret in [SECRET, new] {
        check_at(VerifyScheme::Standard, &with(&both), BODY, &[secret], now()).unwrap();
    }
    let eight = format!("{}{old}", "v1,AAAA ".repeat(7));
    check(VerifyScheme::Standard, &with(&eight), BODY).unwrap();
    let hundred = format!("{}{old}", "v1,AAAA ".repeat(99));
    assert_eq!(check(VerifyScheme::Standard, &with(&hundred), BODY), Err(VerifyError::TooManySignatures));
    let stripe = format!("{}{}", "v1=00,".repeat(99), sign_stripe(SECRET, now(), BODY));
    assert_eq!(
        check(VerifyScheme::Stripe, &pairs(&[("stripe-signature", &stripe)]), BODY),
        Err(VerifyError::TooManySignatures)
    );
}

#[test]
fn w6_a_weaker_scheme_is_no_substitute() {
    let sha1 = pairs(&[("x-hub-signature", "sha1=0123456789012345678901234567890123456789")]);
    assert!(check(VerifyScheme::Github, &sha1, BODY).is_err());
    let stripe = sign_stripe(SECRET, now(), BODY).replace("v1=", "v0=");
    assert_eq!(check(VerifyScheme::Stripe, &pairs(&[("stripe-signature", &stripe)]), BODY), Err(VerifyError::Mismatch));
    let slack = sign_slack(SECRET, now(), BODY).replace("v0=", "none=");
    let slack = pairs(&[("x-slack-request-timestamp", "1700000000"), ("x-slack-signature", &slack)]);
    assert!(check(VerifyScheme::Slack, &slack, BODY).is_err());
    for prefix in ["v0,", "v1a,", "none,", ""] {
        let mut standard = signed(VerifyScheme::Standard);
        standard[2].1 = standard[2].1.replace("v1,", prefix);
        assert_eq!(check(VerifyScheme::Standard, &standard, BODY), Err(VerifyError::Mismatch), "{prefix}");
    }
    // A public key is known to everybody and must not become an HMAC key.
    let public = "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let refused = check_at(VerifyScheme::Standard, &signed(VerifyScheme::Standard), BODY, &[public], now());
    assert_eq!(refused, Err(VerifyError::NoSecret { scheme: "standard" }));
    assert!(sign_standard(public, "msg_1", now(), BODY).is_err());
    for scheme in SIGNED {
        // The signature of another scheme does not count either.
        for other in SIGNED.into_iter().filter(|other| *other != scheme) {
            assert!(check(scheme, &signed(other), BODY).is_err(), "{} as {}", other.as_str(), scheme.as_str());
        }
        // An empty secret would let everybody sign.
        for none in [&[][..], &[""][..]] {
            assert!(matches!(check_at(scheme, &signed(scheme), BODY, none, now()), Err(VerifyError::NoSecret { .. })));
        }
    }
}

#[test]
fn w7_a_timestamp_outside_the_tolerance_is_refused() {
    for scheme in TIMED {
        for (offset, ok) in [(299, true), (300, true), (301, false), (-299, true), (-300, true), (-301, false)] {
            let then = now() + TimeDelta::seconds(offset);
            let outcome = check_at(scheme, &signed(scheme), BODY, &[SECRET], then);
            assert_eq!(outcome.is_ok(), ok, "{} {offset}: {outcome:?}", scheme.as_str());
        }
        for text in ["soon", "-1", "+1700000000", "9223372036854775808", "1.7e9", "", "1700000000.5", "0x10", " "] {
            let bad = match scheme {
                VerifyScheme::Stripe => pairs(&[("stripe-signature", &format!("t={text},v1={}", "0".repeat(64)))]),
                _ => {
                    let mut bad = signed(scheme);
                    bad.iter_mut()
                        .filter(|(name, _)| name.ends_with("timestamp"))
                        .for_each(|p| text.clone_into(&mut p.1));
                    bad
                }
            };
            let outcome = check(scheme, &bad, BODY);
            assert_eq!(outcome, Err(VerifyError::InvalidTimestamp), "{} {text:?}", scheme.as_str());
        }
    }
    let request = Signed { headers: &headers(&signed(VerifyScheme::Slack)), body: BODY };
    let narrow =
        verify(VerifyScheme::Slack, &request, &[SECRET], None, Duration::from_secs(10), now() + TimeDelta::seconds(11));
    assert_eq!(narrow, Err(VerifyError::TimestampOutside { off_by: 11, tolerance: 10 }));
}

#[test]
fn w8_a_replay_has_the_same_delivery_id_and_another_delivery_has_not() {
    for scheme in [VerifyScheme::Standard, VerifyScheme::Stripe, VerifyScheme::Github, VerifyScheme::Slack] {
        let first = check(scheme, &signed(scheme), BODY).unwrap().delivery_id;
        assert!(first.is_some());
        assert_eq!(check(scheme, &signed(scheme), BODY).unwrap().delivery_id, first);
        let other = sign(scheme, SECRET, None, "msg_2", now() + TimeDelta::seconds(1), BODY).unwrap();
        assert_ne!(check(scheme, &other, BODY).unwrap().delivery_id, first, "{}", scheme.as_str());
    }
}

#[test]
fn w10_an_id_that_nobody_sends_in_good_faith_is_a_bad_request() {
    for scheme in [VerifyScheme::Standard, VerifyScheme::Github] {
        for id in [&b"msg 1"[..], b"msg\t1", b"msg\xff1", b"", &[b'a'; 257], &[b'a'; 10_240]] {
            let mut map = headers(&signed(scheme));
            let name = if scheme == VerifyScheme::Github { "x-github-delivery" } else { "webhook-id" };
            map.insert(name, HeaderValue::from_bytes(id).unwrap());
            let request = Signed { headers: &map, body: BODY };
            let error = verify(scheme, &request, &[SECRET], None, DEFAULT_TOLERANCE, now()).unwrap_err();
            assert_eq!((error.clone(), error.http_status()), (VerifyError::InvalidId, 400));
        }
    }
    let mut dotted = signed(VerifyScheme::Standard);
    dotted[0].1 = "msg.1".to_owned();
    assert_eq!(check(VerifyScheme::Standard, &dotted, BODY), Err(VerifyError::InvalidId));
    // CR, LF and NUL cannot be in a header's value at all.
    assert!(HeaderValue::from_bytes(b"msg\r\n1").is_err() && HeaderValue::from_bytes(b"msg\x001").is_err());
}

#[test]
fn a_header_that_comes_twice_is_refused() {
    for scheme in SIGNED {
        for (name, value) in signed(scheme) {
            let mut map = headers(&signed(scheme));
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(&value).unwrap());
            let request = Signed { headers: &map, body: BODY };
            let outcome = verify(scheme, &request, &[SECRET], None, DEFAULT_TOLERANCE, now());
            assert_eq!(outcome, Err(VerifyError::DuplicateHeader { header: name }));
        }
    }
}

#[test]
fn the_plain_scheme_takes_its_header_from_the_endpoint() {
    let pairs = sign(VerifyScheme::Hmac, SECRET, Some("X-My-Signature"), "", now(), BODY).unwrap();
    let request = Signed { headers: &headers(&pairs), body: BODY };
    let check = |header| verify(VerifyScheme::Hmac, &request, &[SECRET], header, DEFAULT_TOLERANCE, now());
    check(Some("X-My-Signature")).unwrap();
    check(Some("x-my-signature")).unwrap();
    assert!(check(None).is_err());
    assert!(check(Some("not a header\n")).is_err());
}

#[test]
fn a_long_secret_is_hashed_as_the_rfc_says() {
    // RFC 4231, test case 6: a key of 131 bytes of 0xaa.
    let key = [0xaa; 131];
    let mac = super::scheme::mac(&key, &[b"Test Using Larger Than Block-Size Key - Hash Key First"]);
    assert_eq!(hex::encode(mac), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
