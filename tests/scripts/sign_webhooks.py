#!/usr/bin/env python3
"""Signs a payload as a webhook sender does and posts it. Standard library only.

An implementation of its own of the senders' documents, so that a fault of ours in reading them
does not hide behind itself:

  stripe    Stripe-Signature: t=SECONDS,v1=HEX       over  SECONDS.BODY
  github    X-Hub-Signature-256: sha256=HEX          over  BODY
  slack     X-Slack-Signature: v0=HEX                over  v0:SECONDS:BODY
  standard  webhook-signature: v1,BASE64             over  ID.SECONDS.BODY   (Standard Webhooks 1.0.0)
  hmac      X-Signature: HEX                         over  BODY
  none      unsigned

usage: sign_webhooks.py SCHEME URL PAYLOAD-FILE [--secret-env NAME] [--id ID] [--at SECONDS]
                        [--header NAME] [--content-type TYPE] [--repeat N]

The secret is read from the environment variable WEBHOOK_SECRET, or the one named. Prints, for each
request, a line of JSON: {"status": 202, "headers": {...}, "body": {...}}.
"""

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import os
import sys
import time
import urllib.parse
import uuid


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def standard_key(secret: str) -> bytes:
    if secret.startswith("whsec_"):
        encoded = secret[len("whsec_"):]
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    return secret.encode()


def signed_headers(scheme: str, secret: str, body: bytes, delivery: str, at: int, header: str) -> dict:
    key, seconds = secret.encode(), str(at).encode()
    if scheme == "stripe":
        return {"Stripe-Signature": f"t={at},v1={mac(key, seconds + b'.' + body).hex()}"}
    if scheme == "github":
        return {
            "X-GitHub-Event": "issues",
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": "sha256=" + mac(key, body).hex(),
        }
    if scheme == "slack":
        return {
            "X-Slack-Request-Timestamp": str(at),
            "X-Slack-Signature": "v0=" + mac(key, b"v0:" + seconds + b":" + body).hex(),
        }
    if scheme == "standard":
        message = delivery.encode() + b"." + seconds + b"." + body
        signature = base64.b64encode(mac(standard_key(secret), message)).decode()
        return {
            "webhook-id": delivery,
            "webhook-timestamp": str(at),
            "webhook-signature": f"v1,{signature}",
        }
    if scheme == "hmac":
        return {header: mac(key, body).hex()}
    return {}


def post(url: str, headers: dict, body: bytes) -> dict:
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=70)
    target = parts.path + ("?" + parts.query if parts.query else "")
    connection.request("POST", target, body=body, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    connection.close()
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = text
    return {"status": answer.status, "headers": {k.lower(): v for k, v in answer.getheaders()}, "body": parsed}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scheme", choices=["stripe", "github", "slack", "standard", "hmac", "none"])
    parser.add_argument("url")
    parser.add_argument("payload", help="a file; `-` reads standard input")
    parser.add_argument("--secret-env", default="WEBHOOK_SECRET")
    parser.add_argument("--id", default=None)
    parser.add_argument("--at", type=int, default=None)
    parser.add_argument("--header", default="X-Signature")
    parser.add_argument("--content-type", default="application/json")
    parser.add_argument("--repeat", type=int, default=1)
    given = parser.parse_args()

    secret = os.environ.get(given.secret_env, "")
    if given.scheme != "none" and not secret:
        print(f"the environment variable {given.secret_env} is not set", file=sys.stderr)
        return 2
    if given.payload == "-":
        body = sys.stdin.buffer.read()
    else:
        with open(given.payload, "rb") as file:
            body = file.read()
    delivery = given.id or f"msg_{uuid.uuid4().hex}"
    at = given.at if given.at is not None else int(time.time())
    headers = signed_headers(given.scheme, secret, body, delivery, at, given.header)
    headers["Content-Type"] = given.content_type
    worst = 0
    for _ in range(given.repeat):
        answer = post(given.url, headers, body)
        print(json.dumps(answer))
        worst = max(worst, answer["status"])
    return 0 if worst < 300 else 1


if __name__ == "__main__":
    sys.exit(main())
