#!/usr/bin/env bash
# Holds the REST API to its own document: starts a server on an empty SQLite database, tries every operation with
# schemathesis, and uses the API through a client that openapi-python-client generates. Findings and warnings fail.
#
#   scripts/api-conformance.sh              both
#   scripts/api-conformance.sh schema       schemathesis alone
#   scripts/api-conformance.sh client       the generated client alone
#
# AUTOMATE_BIN                the program to try (default: it is built)
# API_CONFORMANCE_SEED        of what is generated (default: 1, always the same requests)
# API_CONFORMANCE_EXAMPLES    generated requests of an operation, at most (default: 8)
# API_CONFORMANCE_KEEP        set: the folder with the server's log and the client is kept
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

what=${1:-both}
case $what in
both | schema | client) ;;
*)
    echo "usage: api-conformance.sh [schema|client]" >&2
    exit 2
    ;;
esac
bin=${AUTOMATE_BIN:-}
seed=${API_CONFORMANCE_SEED:-1}
examples=${API_CONFORMANCE_EXAMPLES:-8}

# Whose database the caller's variables name is not to be tried.
for name in $(compgen -e); do
    case $name in
    AUTOMATE_API_TOOLS_DIR) ;;
    AUTOMATE_* | DATABASE_URL) unset "$name" ;;
    esac
done

scripts/api-tools.sh install
tools=$(scripts/api-tools.sh folder)
if [ -z "$bin" ]; then
    cargo build --quiet --locked --bin automate
    bin=${CARGO_TARGET_DIR:-target}/debug/automate
fi
bin=$(readlink -f "$bin")

work=$(mktemp -d)
server=
stop() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        # The first signal lets running steps end, the second does not.
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            kill -0 "$server" 2>/dev/null || break
            sleep 0.2
        done
        kill -9 "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        server=
    fi
}
clean() {
    status=$?
    stop
    if [ -n "${API_CONFORMANCE_KEEP:-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi
    exit "$status"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir "$work/server"
automate() { (cd "$work/server" && exec "$bin" "$@" 2>>"$work/commands.log"); }
member() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# The limits on how often one may ask are tried elsewhere.
export AUTOMATE_API__REQUESTS_PER_MINUTE=10000000
export AUTOMATE_API__ADDRESS_REQUESTS_PER_MINUTE=10000000
export AUTOMATE_API__FAILURES_PER_MINUTE=10000000

printf %s 'a long passphrase for a short life' |
    automate createsuperuser --email conformance@example.org --password-stdin >/dev/null
token=$(automate token create --name conformance --scopes admin --rate 1000000 --json | member token)
automate workflow import "$root/examples/workflows" >/dev/null

(cd "$work/server" && exec "$bin" serve --bind 127.0.0.1:0 >"$work/server.log" 2>&1) &
server=$!
url=
for _ in $(seq 150); do
    url=$(sed -n 's|^automate serves \(http://[^ ]*\).*|\1|p' "$work/server.log")
    [ -z "$url" ] || break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.2
done
if [ -z "$url" ]; then
    echo "api-conformance.sh: the server does not start:" >&2
    cat "$work/server.log" >&2
    exit 1
fi

if [ "$what" != schema ]; then
    echo "-- a generated client"
    automate openapi >"$work/openapi.json"
    PATH=$tools:$PATH openapi-python-client generate --path "$work/openapi.json" --output-path "$work/client" \
        --config tests/scripts/python-client.yaml --fail-on-warning
    AUTOMATE_URL=$url AUTOMATE_TOKEN=$token PYTHONPATH=$work/client \
        "$tools/python3" tests/scripts/use_generated_client.py
fi

if [ "$what" != client ]; then
    # These end what the others live on, the token and the tenant, so they come after them, each with a token of its
    # own, and with the list that names what there is.
    last=(tokens_revoke tokens_destroy tenants_set_policy tenants_suspend)
    first_arguments=()
    for operation in "${last[@]}"; do
        first_arguments+=(--exclude-operation-id "$operation")
    done
    # It keeps what it found in the folder that it is run in.
    try() {
        (cd "$work" && "$root/scripts/schemathesis.sh" "$url" "$token" --seed "$seed" --max-examples "$examples" --no-color "$@")
    }
    failed=0
    echo "-- schemathesis, seed $seed"
    try "${first_arguments[@]}" || failed=1
    for operation in "${last[@]}"; do
        echo "-- schemathesis, $operation"
        token=$(automate token create --name "conformance-$operation" --scopes admin --rate 1000000 --json | member token)
        try --include-operation-id "${operation%%_*}_list" --include-operation-id "$operation" || failed=1
    done
    kill -0 "$server" 2>/dev/null || { echo "api-conformance.sh: the server died" >&2 && failed=1; }
    if grep -n 'panicked at' "$work/server.log" >&2; then failed=1; fi
    [ "$failed" = 0 ] || exit 1
fi
echo "api-conformance.sh: the API is as its document says (${SECONDS}s)"
