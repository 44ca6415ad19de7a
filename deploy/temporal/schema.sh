#!/bin/sh
# Upgrades the schemas of Temporal's two existing databases to the version of the tool; a second run changes nothing.
# SQL_HOST, SQL_PORT, SQL_USER and SQL_PASSWORD give the server. The tool is on PATH or in TEMPORAL_SQL_TOOL.
set -eu
for pair in "temporal ${TEMPORAL_DB:-temporal}" "visibility ${TEMPORAL_VISIBILITY_DB:-temporal_visibility}"; do
  kind=${pair% *}
  tool() {
    "${TEMPORAL_SQL_TOOL:-temporal-sql-tool}" --plugin postgres12 --ep "${SQL_HOST:-127.0.0.1}" -p "${SQL_PORT:-5432}" \
      -u "${SQL_USER:-temporal}" --db "${pair#* }" "$@"
  }
  tool setup-schema --version 0.0
  tool update-schema --schema-name "postgresql/v12/$kind"
done
