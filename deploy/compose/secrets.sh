#!/bin/sh
# Makes what compose.yaml needs in secrets/, each that isn't there yet: passwords, a key of the REST service, and a
# certificate of our own for `localhost` (put your own into tls_certificate and tls_key in its place).
set -eu
umask 022  # the services' users, who are not yours, must be able to read them
cd "$(dirname "$0")"
mkdir -p secrets landing
chmod 700 secrets
chmod 777 landing  # so that the image's user can keep pictures there that are sent to the service

made() { echo "made: secrets/$1"; }

command -v openssl > /dev/null || { echo "openssl is needed: install it, then run this again" >&2; exit 1; }

if [ ! -e secrets/database_password ]; then
    password=$(openssl rand -hex 24)
    printf %s "$password" > secrets/database_password
    made database_password
fi
if [ ! -e secrets/api_keys ]; then
    key=$(openssl rand -hex 32)
    printf 'desk:%s' "$(printf %s "$key" | openssl dgst -sha256 -r | cut -d' ' -f1)" > secrets/api_keys
    made api_keys
    echo "key of the REST service, shown once: $key"
fi
if [ ! -e secrets/dagster_users ]; then
    password=$(openssl rand -hex 12)
    printf 'desk:%s\n' "$(openssl passwd -apr1 "$password")" > secrets/dagster_users
    made dagster_users
    echo "Dagster's UI, shown once: user desk, password $password"
fi
if [ ! -e secrets/grafana_password ]; then
    password=$(openssl rand -hex 12)
    printf %s "$password" > secrets/grafana_password
    made grafana_password
    echo "Grafana, shown once: user desk, password $password"
fi
if [ ! -e secrets/tls_key ]; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 825 -subj /CN=localhost \
        -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" \
        -keyout secrets/tls_key -out secrets/tls_certificate 2> /dev/null
    chmod 644 secrets/tls_key
    made "tls_key, secrets/tls_certificate"
fi
