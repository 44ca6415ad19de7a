"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_outcome_tables()
    _create_snapshot_table()
    _create_plan_tables()
    _create_audit_table()
    _create_guard_tables()


def _create_outcome_tables() -> None:
    op.create_table(
        "outcomes",
        sa.Column("plan_id", sa.String, primary_key=True),
        sa.Column("loop", sa.String, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("remembered", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("outcomes_by_loop", "outcomes", ["loop", "remembered", "at"])
    op.create_table(
        "outcome_actions",
        sa.Column("plan_id", sa.String, sa.ForeignKey("outcomes.plan_id"), primary_key=True),
        sa.Column("action", sa.String, primary_key=True),
    )


def _create_snapshot_table() -> None:
    op.create_table(
        "snapshots",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("snapshots_by_age", "snapshots", ["pinned", "at"])


def _create_plan_tables() -> None:
    op.create_table(
        "plans",
        sa.Column("plan_id", sa.String, primary_key=True),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("loop", sa.String, nullable=False),
        sa.Column("charter", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("plans_by_charter", "plans", ["charter", "at"])
    op.create_index("plans_by_loop", "plans", ["loop", "at"])
    op.create_table(
        "decisions",
        sa.Column("cycle_id", sa.String, primary_key=True),
        sa.Column("loop", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("snapshot", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("decisions_by_loop", "decisions", ["loop", "at"])
    op.create_table(
        "effects",
        sa.Column("plan_id", sa.String, primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True),
        sa.Column("direction", sa.String, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )


def _create_audit_table() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("loop", sa.String, nullable=False),
        sa.Column("plan_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_by_plan", "audit", ["plan_id", "kind"])
    op.create_index("audit_by_loop", "audit", ["loop", "id"])
    if op.get_context().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{change.lower()} BEFORE {change} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
        )


def _create_guard_tables() -> None:
    op.create_table(
        "knobs",
        sa.Column("charter", sa.String, primary_key=True),
        sa.Column("knob", sa.String, primary_key=True),
        sa.Column("loop", sa.String, nullable=False),
        sa.Column("cooldown_until", sa.Double, nullable=False),
        sa.Column("cooldown_why", sa.String, nullable=False),
        sa.Column("quarantined", sa.Boolean, nullable=False),
        sa.Column("quarantine_why", sa.String, nullable=False),
    )
    op.create_table(
        "incidents",
        sa.Column("incident_id", sa.String, primary_key=True),
        sa.Column("charter", sa.String, nullable=False),
        sa.Column("knob", sa.String, nullable=False),
        sa.Column("onset", sa.Double, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("closed_at", sa.Double),
    )
    still_open = sa.text("closed_at IS NULL")
    op.create_index(
        "one_open_incident",
        "incidents",
        ["charter", "knob"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_table(
        "rungs",
        sa.Column("incident_id", sa.String, sa.ForeignKey("incidents.incident_id"), primary_key=True),
        sa.Column("plan_id", sa.String, primary_key=True),
        sa.Column("rung", sa.Integer, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("component", sa.String, nullable=False),
        sa.Column("ending", sa.String, nullable=False),
    )
    op.create_index("rungs_by_plan", "rungs", ["plan_id"])
    op.create_table(
        "modes",
        sa.Column("loop", sa.String, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
