#!/bin/sh
# The front end's files that others wrote: in the repository as they were published, never changed.
#
#   scripts/vendored.sh           every file is the one of SHA256SUMS, and none is there that it does not name
#   scripts/vendored.sh compare   also fetches the published packages and compares byte by byte
set -eu
cd "$(dirname "$0")/../templates/static/vendor"

htmx=4.0.1

sha256sum --check --strict --quiet SHA256SUMS
for file in *; do
    [ "$file" = SHA256SUMS ] || grep -q "  $file\$" SHA256SUMS || { echo "vendored.sh: $file is not in SHA256SUMS" >&2; exit 1; }
done
[ "${1:-}" = compare ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
here=$PWD
cd "$work"
npm pack --silent "htmx.org@$htmx" >/dev/null
tar xzf "htmx.org-$htmx.tgz"
cmp package/dist/htmx.min.js "$here/htmx-$htmx.min.js"
cmp package/dist/ext/hx-sse.min.js "$here/hx-sse-$htmx.min.js"
cmp package/LICENSE "$here/htmx-LICENSE.txt"
