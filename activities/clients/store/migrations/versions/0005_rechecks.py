"""Outcomes get their component and the time of their next recheck."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("outcomes", sa.Column("component", sa.String, nullable=False, server_default=""))
    op.add_column("outcomes", sa.Column("recheck_at", sa.Double))
    op.create_index("outcomes_to_recheck", "outcomes", ["loop", "recheck_at"])
    _fill_component()


def _fill_component() -> None:
    outcomes = sa.table("outcomes", sa.column("plan_id"), sa.column("component"), sa.column("body"))
    connection = op.get_bind()
    for plan_id, body in connection.execute(sa.select(outcomes.c.plan_id, outcomes.c.body)).all():
        component = json.loads(body)["component"]
        connection.execute(sa.update(outcomes).where(outcomes.c.plan_id == plan_id).values(component=component))
