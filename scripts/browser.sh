#!/bin/sh
# The tests of the admin in a real browser: Debian's Chromium, driven by playwright-core, with axe-core.
# Installs what is missing; nothing of it is kept in the repository.
#
#   scripts/browser.sh                 every suite, against target/debug/automate (or AUTOMATE_BIN)
#   scripts/browser.sh SUITE…          only these: gallery crawl journey security conflict
#   scripts/browser.sh install         only installs
#   scripts/browser.sh screenshots     the newcomer's path with a mouse, its pictures into docs/admin/
#
# AUTOMATE_BIN            the program under test (default: target/debug/automate, built where it is not there)
# TEST_DATABASE_URL       a PostgreSQL to run on; the suites make databases of their own in it (default: SQLite)
# AUTOMATE_BROWSER        the Chromium to use (default: the one in PATH)
# AUTOMATE_BROWSER_DIR    where the packages go (default: ~/.cache/automate-browser-tests/HASH, or under XDG_CACHE_HOME)
# AUTOMATE_BROWSER_SHOTS  where screenshots go (default: a folder in the cache); where it is set, also one of every page
#                         of the crawl in both themes and both sizes
set -eu

root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
source=$root/tests/browser
state=$(cat "$source/package-lock.json" | sha256sum | cut -c1-12)
base=${AUTOMATE_BROWSER_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/automate-browser-tests/$state}

fail() {
    echo "browser.sh: $*" >&2
    exit 1
}

packages=
browser=${AUTOMATE_BROWSER:-$(command -v chromium || command -v chromium-browser || true)}
[ -n "$browser" ] || packages="$packages chromium"
command -v python3 >/dev/null 2>&1 || packages="$packages python3"
command -v curl >/dev/null 2>&1 || packages="$packages curl"
if [ -n "$packages" ]; then
    [ "$(id -u)" = 0 ] || fail "not found:$packages; install them"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
    browser=${AUTOMATE_BROWSER:-$(command -v chromium)}
fi

# The Node.js of the other tests, where the one in PATH is missing or too old for playwright-core.
major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
if [ "${major:-0}" -lt 20 ] || ! command -v npm >/dev/null 2>&1; then
    "$root/scripts/identity-provider.sh" install
    PATH=$(dirname "$("$root/scripts/identity-provider.sh" node)"):$PATH
    export PATH
fi

if [ ! -f "$base/complete" ]; then
    mkdir -p "$base"
    if command -v flock >/dev/null 2>&1; then
        exec 9>"$base/lock"
        flock 9
    fi
    if [ ! -f "$base/complete" ]; then
        cp "$source/package.json" "$source/package-lock.json" "$base/"
        (cd "$base" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) || fail "the packages could not be fetched"
        # Last: who finds it, finds all.
        : >"$base/complete"
    fi
    exec 9>&- || true
fi

[ "${1:-}" != install ] || exit 0
suites=${*:-gallery crawl journey security conflict}
more=
if [ "$suites" = screenshots ]; then
    suites=journey
    more=--screenshots
fi

bin=${AUTOMATE_BIN:-${CARGO_TARGET_DIR:-$root/target}/debug/automate}
if [ "$suites" != gallery ] && [ ! -x "$bin" ]; then
    (cd "$root" && cargo build --locked --bin automate)
fi

# Node finds packages beside the files or above them, and nothing is to lie in the repository.
export AUTOMATE_BIN="$bin" AUTOMATE_BROWSER="$browser" AUTOMATE_BROWSER_MODULES="$base/node_modules"
[ -z "${AUTOMATE_BROWSER_SHOTS:-}" ] || export AUTOMATE_BROWSER_EVERY=1
export AUTOMATE_BROWSER_SHOTS="${AUTOMATE_BROWSER_SHOTS:-${base%/*}/screenshots}"
AUTOMATE_BROWSER_COUNTS=$(mktemp)
export AUTOMATE_BROWSER_COUNTS
trap 'rm -f "$AUTOMATE_BROWSER_COUNTS"' EXIT
began=$(date +%s)
status=0
for suite in $suites; do
    [ -f "$source/$suite.mjs" ] || fail "there is no suite $suite"
    # A suite that does not come to its end has no counts: that is a failure more.
    echo "$suite 0 1 0" >>"$AUTOMATE_BROWSER_COUNTS"
    node "$source/$suite.mjs" $more || status=1
done
on=SQLite
[ -z "${TEST_DATABASE_URL:-}" ] || on=PostgreSQL
awk -v on="$on" -v took="$(($(date +%s) - began))" '
    { passed[$1] = $2; failed[$1] = $3; skipped[$1] = $4 }
    END {
        for (suite in passed) { p += passed[suite]; f += failed[suite]; s += skipped[suite]; n++ }
        printf "browser tests run on %s: %d suite%s, %d passed, %d failed, %d skipped, in %d s\n", on, n, n == 1 ? "" : "s", p, f, s, took
    }' "$AUTOMATE_BROWSER_COUNTS"
exit $status
