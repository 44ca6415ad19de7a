#!/bin/sh
# Runs once in an empty database: creates Temporal's second database, and a user for MAPE-K that owns its database and
# cannot read Temporal's.
set -eu
psql --set ON_ERROR_STOP=1 --username temporal --dbname postgres --set password="$MAPEK_DB_PASSWORD" <<'SQL'
CREATE DATABASE temporal_visibility;
REVOKE CONNECT ON DATABASE temporal, temporal_visibility FROM PUBLIC;
CREATE ROLE mapek LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE mapek OWNER mapek;
REVOKE CONNECT ON DATABASE mapek FROM PUBLIC;
SQL
