#!/bin/sh
# A private PostgreSQL for tests: no system cluster is touched, nothing but 127.0.0.1 is listened on.
#
#   scripts/postgres.sh start     starts it where it is not running, prints its URL
#   scripts/postgres.sh url       prints its URL, fails where it is not running
#   scripts/postgres.sh folder    prints its folder
#   scripts/postgres.sh stop      stops it
#   scripts/postgres.sh kill      stops it as a crash would
#   scripts/postgres.sh install   installs the server with apt-get where no server program is found
#
# AUTOMATE_PG_DIR     its folder (default: /tmp/automate-test-postgres-UID); one cluster for each folder
# AUTOMATE_PG_FSYNC   `on` keeps commits over a power failure; `off` (default) is faster
# AUTOMATE_PG_PORT    its port (default: the one it had, or a free one)
# AUTOMATE_PG_UNUSED  seconds; stops it when for that long no process holds a lock on its file `users`
set -eu

script=$(readlink -f "$0")

base=${AUTOMATE_PG_DIR:-/tmp/automate-test-postgres-$(id -u)}
fsync=${AUTOMATE_PG_FSYNC:-off}
data=$base/data

fail() {
    echo "postgres.sh: $*" >&2
    exit 1
}

# The folder of the newest server's programs; Debian keeps them out of PATH.
find_programs() {
    for candidate in $(ls -d /usr/lib/postgresql/*/bin /usr/local/pgsql/bin 2>/dev/null | sort -rV); do
        if [ -x "$candidate/postgres" ] && [ -x "$candidate/initdb" ]; then
            echo "$candidate"
            return 0
        fi
    done
    found=$(command -v postgres || true)
    [ -n "$found" ] || return 1
    found=$(dirname "$(readlink -f "$found")")
    [ -x "$found/initdb" ] || return 1
    echo "$found"
}

# PostgreSQL refuses to run as root.
owner=
if [ "$(id -u)" = 0 ]; then
    if id postgres >/dev/null 2>&1; then owner=postgres; else owner=nobody; fi
fi
as_owner() {
    if [ -z "$owner" ]; then
        "$@"
    elif command -v setpriv >/dev/null 2>&1; then
        setpriv --reuid="$(id -u "$owner")" --regid="$(id -g "$owner")" --clear-groups "$@"
    else
        runuser -u "$owner" -- "$@"
    fi
}

running() {
    [ -f "$data/postmaster.pid" ] && [ -f "$base/port" ] && as_owner "$programs/pg_ctl" -D "$data" status >/dev/null 2>&1
}

print_url() {
    echo "postgres://postgres@127.0.0.1:$(cat "$base/port")/postgres"
}

query() {
    "$programs/psql" -X -A -t -q -h 127.0.0.1 -p "$(cat "$base/port")" -U postgres -d postgres -c "$1"
}

random_port() {
    echo $((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
}

initialise() {
    [ -f "$data/PG_VERSION" ] && [ "$(cat "$data/PG_VERSION")" = "$("$programs/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')" ] && return 0
    rm -rf "$data"
    mkdir -p "$data"
    if [ -n "$owner" ]; then chown "$owner" "$data"; fi
    chmod 700 "$data"
    as_owner "$programs/initdb" -D "$data" -U postgres --auth=trust -E UTF8 --locale=C --no-sync >"$base/initdb.log" 2>&1 ||
        fail "initdb failed: $(tail -n 5 "$base/initdb.log")"
}

launch() {
    : >"$base/log"
    if [ -n "$owner" ]; then chown "$owner" "$base/log"; fi
    attempt=0
    while [ $attempt -lt 10 ]; do
        attempt=$((attempt + 1))
        port=${AUTOMATE_PG_PORT:-$(cat "$base/port" 2>/dev/null || random_port)}
        settings="-p $port -h 127.0.0.1 -c unix_socket_directories='' -c max_connections=400 -c fsync=$fsync -c full_page_writes=$fsync"
        settings="$settings -c synchronous_commit=on -c shared_buffers=128MB -c max_wal_size=2GB -c log_checkpoints=off"
        # The lock must not be inherited: the server would hold it for as long as it runs.
        if as_owner "$programs/pg_ctl" -D "$data" -o "$settings" -l "$base/log" -w -t 60 start >/dev/null 2>&1 9>&-; then
            echo "$port" >"$base/port"
            return 0
        fi
        grep -q 'could not bind\|Address already in use' "$base/log" || fail "the server did not start: $(tail -n 5 "$base/log")"
        [ -z "${AUTOMATE_PG_PORT:-}" ] || fail "port $port is taken"
        rm -f "$base/port"
    done
    fail "no free port was found"
}

start() {
    mkdir -p "$base"
    chmod 755 "$base"
    [ -f "$base/users" ] || : >"$base/users"
    if command -v flock >/dev/null 2>&1; then
        exec 9>"$base/lock"
        flock 9
    fi
    if ! running; then
        initialise
        launch
        # What killed tests left behind. A cluster of one test keeps its databases over a crash.
        [ -z "${AUTOMATE_PG_UNUSED:-}" ] || for database in $(query "SELECT datname FROM pg_database WHERE datname LIKE 'automate_test_%'"); do
            query "DROP DATABASE \"$database\" WITH (FORCE)"
        done
        if [ -n "${AUTOMATE_PG_UNUSED:-}" ] && command -v flock >/dev/null 2>&1; then
            setsid sh -c 'exec 9>&-; cd /
                while sleep "$1"; do flock -n "$2/users" "$0" stop && exit 0; done' \
                "$script" "$AUTOMATE_PG_UNUSED" "$base" </dev/null >/dev/null 2>&1 9>&- &
        fi
    fi
    print_url
}

stop() {
    if running; then as_owner "$programs/pg_ctl" -D "$data" -m "$1" -w stop >/dev/null 9>&-; fi
}

install() {
    if find_programs >/dev/null; then return 0; fi
    [ "$(id -u)" = 0 ] || fail "no PostgreSQL server was found; install the package \`postgresql\`"
    # The package would start a cluster of its own, which nobody here wants.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
}

command=${1:-}
if [ "$command" = install ]; then
    install
    exit 0
fi
if [ "$command" = folder ]; then
    echo "$base"
    exit 0
fi
programs=$(find_programs) || fail "no PostgreSQL server was found; run scripts/postgres.sh install, or install the package \`postgresql\`"
cd /
case $command in
    start) start ;;
    url) running || fail "it is not running"; print_url ;;
    stop) stop fast ;;
    kill) stop immediate ;;
    *) sed -n '2,14s/^# \{0,1\}//p' "$script" >&2; exit 2 ;;
esac
