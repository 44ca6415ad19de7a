"""The memory of the guards: started remediations, loops in storm mode, released knobs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "remediations",
        sa.Column("plan_id", sa.String, primary_key=True),
        sa.Column("charter", sa.String, nullable=False),
        sa.Column("began", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("remediations_by_charter", "remediations", ["charter", "began"])
    op.create_table(
        "storms",
        sa.Column("loop", sa.String, primary_key=True),
        sa.Column("charter", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.add_column("knobs", sa.Column("released_at", sa.Double, nullable=False, server_default="0"))
