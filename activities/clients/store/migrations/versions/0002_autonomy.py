"""Earned autonomy: evidence, and shadow decisions that are not scored yet."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("plan_id", sa.String, nullable=False),
        sa.Column("loop", sa.String, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("mark", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("told", sa.Boolean, nullable=False),
    )
    op.create_index("evidence_by_loop", "evidence", ["loop", "id"])
    op.create_table(
        "shadows",
        sa.Column("plan_id", sa.String, primary_key=True),
        sa.Column("loop", sa.String, nullable=False),
        sa.Column("knob", sa.String, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("component", sa.String, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("scored", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("shadows_by_loop", "shadows", ["loop", "scored", "due_at"])
