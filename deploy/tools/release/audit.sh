#!/bin/sh
# audit.sh FILE...: search the public lists of vulnerabilities for every pinned dependency. Fails if one is listed.
# --strict: a dependency that could not be searched fails too, because it would count as free of vulnerabilities.
set -eu
for file in "$@"; do
  pip-audit --strict --progress-spinner off --disable-pip --require-hashes --timeout 10 -r "$file"
done
