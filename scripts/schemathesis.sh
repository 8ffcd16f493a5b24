#!/bin/sh
# Tries a running server against its own OpenAPI document, with every check of schemathesis.
#
#   scripts/schemathesis.sh http://127.0.0.1:8000 aut_… [ARGUMENTS OF schemathesis run…]
#
# Use a server that nobody needs: rows are made, changed and deleted, tokens revoked, tenants suspended. Start
# it with AUTOMATE_API__REQUESTS_PER_MINUTE, …__ADDRESS_REQUESTS_PER_MINUTE and …__FAILURES_PER_MINUTE at
# 10000000, or its limits are what is tried.
set -eu

here=$(dirname "$(readlink -f "$0")")
[ $# -ge 2 ] || { echo "usage: schemathesis.sh URL TOKEN [ARGUMENTS…]" >&2; exit 2; }
url=$1
token=$2
shift 2
"$here/api-tools.sh" install
export SCHEMATHESIS_HOOKS="$here/../tests/scripts/schemathesis_hooks.py"
exec "$("$here/api-tools.sh" folder)/schemathesis" --config-file "$here/../tests/scripts/schemathesis.toml" \
    run "$url/api/v1/openapi.json" --header "Authorization: Bearer $token" --checks all \
    --phases examples,coverage,fuzzing --max-examples 8 --request-timeout 20 \
    --continue-on-failure --suppress-health-check all --warnings off "$@"
