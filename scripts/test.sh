#!/usr/bin/env bash
# The project's whole test run, the same for people and for CI: installs what is missing and runs
# every test, on SQLite, on a private PostgreSQL and against an OpenBao, and the admin in a browser.
#
#   scripts/test.sh            everything
#   scripts/test.sh FILTER…    only tests whose names match, as `cargo test` takes them
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%ss)\n' "$*" "$SECONDS"; }

step "PostgreSQL"
# Only installed here: the tests start a cluster of their own when they need it, share it, and it
# stops by itself when no test has used it for two minutes.
scripts/postgres.sh install

step "OpenBao"
scripts/openbao.sh install
# A test that needs it must not pass without it here.
export AUTOMATE_TEST_REQUIRE_OPENBAO=1

step "identity provider"
scripts/identity-provider.sh install
export AUTOMATE_TEST_REQUIRE_OIDC=1

step "build"
cargo build --workspace --all-targets --locked

step "tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked "$@"
else
    cargo test --workspace --locked --no-fail-fast -- "$@"
fi
# The whole run only: a filter names tests.
if [ $# = 0 ]; then
    step "the REST API and its document"
    AUTOMATE_BIN=${CARGO_TARGET_DIR:-target}/debug/automate scripts/api-conformance.sh

    step "the admin in a browser"
    AUTOMATE_BIN=${CARGO_TARGET_DIR:-target}/debug/automate scripts/browser.sh
    # The path of a newcomer on the other database as well. The cluster is not to stop under it.
    users=$(scripts/postgres.sh folder)/users
    mkdir -p "${users%/*}"
    (
        flock --shared 8
        TEST_DATABASE_URL=$(AUTOMATE_PG_UNUSED=120 scripts/postgres.sh start 8>&-)
        export TEST_DATABASE_URL
        AUTOMATE_BIN=${CARGO_TARGET_DIR:-target}/debug/automate scripts/browser.sh journey 8>&-
    ) 8>>"$users"
fi
step "done"
