#!/bin/sh
# audit.sh FILE...: looks every pinned dependency up in the public lists of vulnerabilities. Fails if one is listed, and
# also if something could not be looked up: without --strict silence would pass for good news.
set -eu
for file in "$@"; do
  pip-audit --strict --progress-spinner off --disable-pip --require-hashes --timeout 10 -r "$file"
done
