#!/bin/sh
# Creates the missing secrets of staging in deploy/container/secrets and deploy/container/.env.
# Set SLACK_WEBHOOK_URL and PAGERDUTY_ROUTING_KEY to use Slack and PagerDuty; otherwise their notifications fail.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
# The folder is private on this machine; the files must be readable for the users inside the containers.
keep() { [ -s "secrets/$1" ] || { printf '%s\n' "$2" >"secrets/$1"; chmod 0444 "secrets/$1"; echo "secrets/$1 made"; }; }
for name in charter-token mapek-view-token mapek-webhook-token grafana-admin-password; do keep "$name" "$(random)"; done
keep slack-webhook-url "${SLACK_WEBHOOK_URL:-http://127.0.0.1:9/nowhere}"
keep pagerduty-routing-key "${PAGERDUTY_ROUTING_KEY:-nowhere}"
[ -s .env ] || { printf 'TEMPORAL_DB_PASSWORD=%s\nMAPEK_DB_PASSWORD=%s\n' "$(random)" "$(random)" >.env; echo ".env made"; }
