"""Notifications, and the version that each target has received."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("loop", sa.String, nullable=False),
        sa.Column("plan_id", sa.String, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("closed_at", sa.Double),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("notices_by_loop", "notices", ["loop", "closed_at"])
    op.create_index("notices_by_plan", "notices", ["plan_id"])
    op.create_table(
        "deliveries",
        sa.Column("notice_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("target", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.Double, nullable=False),
    )
