#!/usr/bin/env bash
# The project's whole test run, the same for people and for CI: installs what is missing, starts a
# private PostgreSQL, runs every test on both databases, and stops what it started.
#
#   scripts/test.sh            everything
#   scripts/test.sh FILTER…    only tests whose names match, as `cargo test` takes them
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%ss)\n' "$*" "$SECONDS"; }

step "PostgreSQL"
scripts/postgres.sh install
AUTOMATE_TEST_POSTGRES_URL=$(scripts/postgres.sh start)
export AUTOMATE_TEST_POSTGRES_URL
trap 'scripts/postgres.sh stop >/dev/null 2>&1 || true' EXIT

step "build"
cargo build --workspace --all-targets --locked

step "tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked "$@"
else
    cargo test --workspace --locked --no-fail-fast -- "$@"
fi
step "done"
