"""Columns and tables take the names that the models use; rows stay as they are."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

COLUMNS: tuple[tuple[str, str, str, sa.types.TypeEngine[Any]], ...] = (
    ("knobs", "cooldown_why", "cooldown_reason", sa.String()),
    ("knobs", "quarantine_why", "quarantine_reason", sa.String()),
    ("incidents", "seen_at", "last_seen_at", sa.Double()),
    ("rungs", "ending", "outcome", sa.String()),
    ("evidence", "mark", "kind", sa.String()),
    ("evidence", "told", "audited", sa.Boolean()),
    ("shadows", "seen_at", "last_seen_at", sa.Double()),
    ("remediations", "began", "started_at", sa.Double()),
    ("notices", "seen_at", "last_seen_at", sa.Double()),
    ("deliveries", "notice_id", "notification_id", sa.Integer()),
)


def upgrade() -> None:
    # No batch mode: it copies a table, and a copy loses the triggers that keep the audit append-only.
    for table, former, present, kind in COLUMNS:
        op.alter_column(table, former, new_column_name=present, existing_type=kind, existing_nullable=False)
    op.drop_index("notices_by_loop", "notices")
    op.drop_index("notices_by_plan", "notices")
    op.rename_table("notices", "notifications")
    op.create_index("notifications_by_loop", "notifications", ["loop", "closed_at"])
    op.create_index("notifications_by_plan", "notifications", ["plan_id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER SEQUENCE notices_id_seq RENAME TO notifications_id_seq")
        op.execute("ALTER INDEX notices_pkey RENAME TO notifications_pkey")
