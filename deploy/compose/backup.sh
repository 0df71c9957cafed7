#!/bin/sh
# Dumps the database into $BACKUPS, whole or not at all: once (`backup.sh once`), or a day after the last, for ever.
# The server is told as of all of Postgres's tools: PGHOST, PGUSER, PGDATABASE, and PGPASSWORD or the secret's file.
set -eu
keep=${BACKUPS_KEPT:-14}
password=/run/secrets/database_password
if [ -r "$password" ]; then
    PGPASSWORD=$(cat "$password")
    export PGPASSWORD
fi

# One at a time: by hand beside the daily one it waits, and what a killed one left goes.
dump() (
    exec 9> "$BACKUPS/.lock"
    if command -v flock > /dev/null; then flock 9; fi
    rm -f "$BACKUPS"/*.part
    file="$BACKUPS/cryptopattern-$(date -u +%Y-%m-%dT%H-%M-%SZ).dump"
    pg_dump --format=custom --file="$file.part" || exit 1
    mv "$file.part" "$file" || exit 1
    echo "written: $file"
    # The pattern's files come sorted by name, and so by time.
    set -- "$BACKUPS"/cryptopattern-*.dump
    while [ $# -gt "$keep" ]; do
        rm -f "$1"
        shift
    done
)

if [ "${1:-}" = once ]; then
    dump
    exit
fi
while :; do
    if [ -z "$(find "$BACKUPS" -name 'cryptopattern-*.dump' -mmin -1440)" ]; then
        dump || echo "the dump failed; tried again in five minutes" >&2
    fi
    sleep 300
done
