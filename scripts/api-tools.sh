#!/bin/sh
# The tools that the tests of the REST API use: schemathesis, which tries the API against its own
# document, and openapi-python-client, which makes a client from it. Both come from PyPI, in the
# versions of tests/scripts/api-tools.txt, into a folder of their own.
#
#   scripts/api-tools.sh install   installs them where they are not
#   scripts/api-tools.sh folder    prints the folder of their programs, fails where they are not installed
#
# AUTOMATE_API_TOOLS_DIR   their folder (default: ~/.cache/automate-api-tools)
set -eu

here=$(dirname "$(readlink -f "$0")")
wanted=$here/../tests/scripts/api-tools.txt
base=${AUTOMATE_API_TOOLS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/automate-api-tools}

fail() {
    echo "api-tools.sh: $*" >&2
    exit 1
}

installed() {
    [ -x "$base/bin/schemathesis" ] && [ -x "$base/bin/openapi-python-client" ] && cmp -s "$wanted" "$base/api-tools.txt"
}

case "${1:-}" in
install)
    installed && exit 0
    command -v python3 >/dev/null 2>&1 || fail "python3 is needed; install it (Debian: apt-get install python3 python3-venv)"
    mkdir -p "$(dirname "$base")"
    # One installs, the others wait for it.
    exec 9>"$base.lock"
    if command -v flock >/dev/null 2>&1; then flock 9; fi
    installed && exit 0
    rm -rf "$base"
    if ! python3 -m venv "$base"; then
        [ "$(id -u)" = 0 ] || fail "python3 cannot make a virtual environment; install python3-venv"
        apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
        rm -rf "$base"
        python3 -m venv "$base"
    fi
    "$base/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$wanted"
    cp "$wanted" "$base/api-tools.txt"
    ;;
folder)
    installed || fail "they are not installed; run scripts/api-tools.sh install"
    echo "$base/bin"
    ;;
*)
    fail "say install or folder"
    ;;
esac
