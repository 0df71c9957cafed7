#!/bin/sh
# Makes Dagster's home in the data folder and tells the command of it, then becomes that command.
set -eu
exports=$(cryptopattern env)
eval "$exports"
exec "$@"
